"""3×3 convolutions in strips of rows by Winograd's minimal filtering: the same sums with a quarter of the products.

Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks" (CVPR 2016): F(4 × 4, 3 × 3). A tile of 4 × 4 outputs
depends on a patch of 6 × 6 inputs. Once patches and kernels are transformed, the convolution is 36 products a tile and
pair of channels instead of 144, and over all tiles these are 36 plain matrix products. Both gradients have the same
form: that of the inputs is a convolution with turned kernels, that of the kernels comes from the transformed inputs
and the transformed gradient. With the points below, outputs are off by about twice as much as a direct convolution's;
`benchmarks/README.md` has what rounding does to label maps.

A transform is linear and the same along rows and columns. Written as sums of whole arrays, it is exact about which of
them it shares: for each pair of interpolation points ±p, an even and an odd part.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from dynseg.training.strip_sizes import TILE

PATCH = TILE + 2

_ROOT = math.sqrt(2)
# G of the paper: a kernel as a polynomial, at the points 0, ±1/√2, ±√2 and infinity. With ±1 and ±2, the usual choice,
# the outputs would be off by twice as much (Alam et al., "Winograd Convolution for Deep Neural Networks: Efficient
# Point Selection", 2022). The factors of the rows are such that `_transform_products` has the least to do.
_KERNEL_TRANSFORM = (
    (1, 0, 0),
    (-1 / 3, -1 / (3 * _ROOT), -1 / 6),
    (-1 / 3, 1 / (3 * _ROOT), -1 / 6),
    (_ROOT / 6, 1 / 3, _ROOT / 3),
    (_ROOT / 6, -1 / 3, _ROOT / 3),
    (0, 0, 1),
)


def transform_kernels(kernels: Tensor) -> Tensor:
    """Return the transformed kernels G g Gᵀ.

    Parameters
    ----------
    kernels : Tensor, (channels_out, channels_in, 3, 3), float

    Returns
    -------
    Tensor, (PATCH², channels_in, channels_out), float
    """
    channels_out, channels_in = kernels.shape[:2]
    return (_kernel_transform(kernels) @ kernels.permute(2, 3, 1, 0).reshape(9, -1)).view(-1, channels_in, channels_out)


def transform_turned_kernels(kernels: Tensor) -> Tensor:
    """Return the transformed kernels of the convolution that carries a gradient from the outputs to the inputs."""
    return transform_kernels(kernels.flip(2, 3).transpose(0, 1))


def restore_kernel_gradient(gradient: Tensor) -> Tensor:
    """Return the gradient of the kernels from that of the transformed kernels: the adjoint of `transform_kernels`.

    Parameters
    ----------
    gradient : Tensor, (PATCH², channels_in, channels_out), float

    Returns
    -------
    Tensor, (channels_out, channels_in, 3, 3), float
    """
    _, channels_in, channels_out = gradient.shape
    kernels = _kernel_transform(gradient).T @ gradient.flatten(1)
    return kernels.view(3, 3, channels_in, channels_out).permute(3, 2, 0, 1)


def _kernel_transform(like: Tensor) -> Tensor:
    """Return the matrix (PATCH², 9) of g → G g Gᵀ."""
    transform = like.new_tensor(_KERNEL_TRANSFORM)
    return torch.kron(transform, transform)


class StripConvolution:
    """Buffers and operations for the convolutions of one strip of a map, allocated once.

    A strip is kept column by column of its tiles, (rows, TILE, tile columns, channels), so that what one operation
    reads and writes lies together in memory.

    Parameters
    ----------
    height, width : int
        Size of the strip, in pixels; `height` is a multiple of `TILE`.
    channels : int
        Number of channels of inputs and outputs.
    dtype : torch.dtype
    """

    def __init__(self, height: int, width: int, channels: int, dtype: torch.dtype) -> None:
        rows, columns = height // TILE, -(-width // TILE)
        self._height, self._width = height, width
        # A row above and below, a tile to the left and right: zero where they are outside the map.
        self._inputs, self._gradients = torch.zeros(2, height + 2, TILE, columns + 2, channels, dtype=dtype)
        self._values = torch.empty(height + 2, width, channels, dtype=dtype)
        half_gathered = torch.empty(PATCH, rows, TILE, columns + 2, channels, dtype=dtype)
        patches, products = torch.empty(2, PATCH, PATCH, rows, columns, channels, dtype=dtype)
        half_scattered = torch.empty(TILE, PATCH, rows, columns, channels, dtype=dtype)
        outputs = torch.empty(rows, TILE, TILE, columns, channels, dtype=dtype)

        # Views of these buffers, since making them thousands of times an iteration would take its time too.
        self._gathered_rows = half_gathered.unbind(0)
        self._gathered_columns = half_gathered[:, :, :, 1:-1].unbind(2)
        self._gathered_left, self._gathered_right = half_gathered[:, :, -1, :-2], half_gathered[:, :, 0, 2:]
        self._patch_columns, self._patch_matrices = patches.unbind(1), patches.view(PATCH**2, -1, channels)
        self._product_columns, self._product_matrices = products.unbind(1), products.view(PATCH**2, -1, channels)
        self._product_rows = products.unbind(0)
        self._scattered_rows, self._scattered_columns = half_scattered.unbind(0), half_scattered.unbind(1)
        self._output_columns, self._outputs = outputs.transpose(0, 1).unbind(2), outputs.flatten(0, 1)

    def read_inputs(self, start: int, height: int, write: Callable[[slice, Tensor], object]) -> Tensor:
        """Return the strip's inputs, with the rows above and below.

        Parameters
        ----------
        start : int
            The strip's first row in the map.
        height : int
            Height of the map, in pixels.
        write : callable
            Given rows of the map and a buffer (rows, width, channels), writes the map's values into the buffer.
        """
        return self._read(self._inputs, start, height, write)

    def read_gradients(self, start: int, height: int, write: Callable[[slice, Tensor], object]) -> Tensor:
        """Return the gradient of the strip's outputs, with the rows above and below; see `read_inputs`."""
        return self._read(self._gradients, start, height, write)

    def _read(self, strip: Tensor, start: int, height: int, write: Callable[[slice, Tensor], object]) -> Tensor:
        rows = slice(max(start - 1, 0), min(start + self._height + 1, height))
        above, below = rows.start - (start - 1), rows.stop - (start - 1)
        strip[:above].zero_()
        strip[below:].zero_()
        values = self._values[: below - above]
        write(rows, values)
        for source, target in zip(
            _by_tiles(values), _by_tile_columns(strip[above:below, :, 1:], self._width), strict=True
        ):
            target.copy_(source)
        return strip

    def convolve(
        self, strip: Tensor, kernels: Tensor, out: Tensor, bias: Tensor | None = None, minimum: float = -math.inf
    ) -> None:
        """Write the convolution of a strip.

        Parameters
        ----------
        strip : Tensor
            From `read_inputs` or `read_gradients`.
        kernels : Tensor, (PATCH², channels, channels), float
            Transformed.
        out : Tensor, (height or less, width, channels), float
        bias : Tensor, (channels,), float, optional
        minimum : float
            What smaller outputs are replaced with; 0 for ReLU.
        """
        self._gather_patches(strip)
        torch.bmm(self._patch_matrices, kernels, out=self._product_matrices)
        _transform_products(self._product_rows, self._scattered_rows)
        _transform_products(self._scattered_columns, self._output_columns)
        for source, target in zip(
            _by_tile_columns(self._outputs[: len(out)], self._width), _by_tiles(out), strict=True
        ):
            torch.clamp_min(source if bias is None else source.add_(bias), minimum, out=target)

    def add_kernel_gradient(self, inputs: Tensor, gradients: Tensor, total: Tensor, restart: bool = False) -> None:
        """Add the strip's part of the gradient of the transformed kernels.

        Parameters
        ----------
        inputs, gradients : Tensor
            From `read_inputs` and `read_gradients`.
        total : Tensor, (PATCH², channels, channels), float
        restart : bool
            Forget what is in `total`.
        """
        self._gather_patches(inputs)
        rows = [gradients[1 + row : -1 : TILE] for row in range(TILE)]
        _transform_gradients(rows, self._gathered_rows)
        _transform_gradients(self._gathered_columns, self._product_columns)
        total.baddbmm_(self._patch_matrices.transpose(1, 2), self._product_matrices, beta=0 if restart else 1)

    def _gather_patches(self, strip: Tensor) -> None:
        rows = [strip[row : row + self._height - TILE + 1 : TILE] for row in range(PATCH)]
        _transform_inputs(rows, self._gathered_rows)
        columns = [self._gathered_left, *self._gathered_columns, self._gathered_right]
        _transform_inputs(columns, self._patch_columns)


def _by_tiles(values: Tensor) -> list[Tensor]:
    """Return a map's whole tiles (rows, TILE, tile columns, channels) and what is left of it (rows, less, channels)."""
    width = values.shape[1]
    whole = width - width % TILE
    tiles = values[:, :whole].unflatten(1, (whole // TILE, TILE)).transpose(1, 2)
    return [tiles, values[:, whole:]] if width > whole else [tiles]


def _by_tile_columns(strip: Tensor, width: int) -> list[Tensor]:
    """Return the parts of a strip that hold what `_by_tiles` returns."""
    whole, rest = divmod(width, TILE)
    return [strip[:, :, :whole], strip[:, :rest, whole]] if rest else [strip[:, :, :whole]]


def _transform_inputs(inputs: Sequence[Tensor], out: Sequence[Tensor]) -> None:
    """Write Bᵀ times six inputs: (1, 0, −5/2, 0, 1, 0), (0, -√2, -2, 1/√2, 1, 0), (0, √2, -2, -1/√2, 1, 0),
    (0, -1/√2, -1/2, √2, 1, 0), (0, 1/√2, -1/2, -√2, 1, 0) and (0, 1, 0, −5/2, 0, 1).
    """
    zero, plus_small, minus_small, plus_large, minus_large, infinity = out
    torch.sub(inputs[4], inputs[2], alpha=2, out=plus_small)
    torch.sub(inputs[3], inputs[1], alpha=2, out=minus_small)
    _add_and_subtract(plus_small, minus_small, factor=1 / _ROOT)
    torch.sub(inputs[4], inputs[2], alpha=1 / 2, out=plus_large)
    torch.sub(inputs[3], inputs[1], alpha=1 / 2, out=minus_large)
    _add_and_subtract(plus_large, minus_large, factor=_ROOT)
    torch.sub(inputs[4], inputs[2], alpha=5 / 2, out=zero).add_(inputs[0])
    torch.sub(inputs[5], inputs[3], alpha=5 / 2, out=infinity).add_(inputs[1])


def _transform_gradients(gradients: Sequence[Tensor], out: Sequence[Tensor]) -> None:
    """Write A times four gradients: (1, 0, 0, 0), (2, √2, 1, 1/√2), (2, -√2, 1, -1/√2), (1/√2, 1, √2, 2),
    (1/√2, -1, √2, -2) and (0, 0, 0, 1).
    """
    zero, plus_small, minus_small, plus_large, minus_large, infinity = out
    zero.copy_(gradients[0])
    infinity.copy_(gradients[3])
    torch.add(gradients[2], gradients[0], alpha=2, out=plus_small)
    torch.add(gradients[1], gradients[3], alpha=1 / 2, out=minus_small)
    _add_and_subtract(plus_small, minus_small, factor=_ROOT)
    torch.add(gradients[0], gradients[2], alpha=2, out=plus_large).mul_(1 / _ROOT)
    torch.add(gradients[1], gradients[3], alpha=2, out=minus_large)
    _add_and_subtract(plus_large, minus_large)


def _transform_products(products: Sequence[Tensor], out: Sequence[Tensor]) -> None:
    """Write Aᵀ times six products: the transposed of `_transform_gradients`; the products are overwritten."""
    zero, plus_small, minus_small, plus_large, minus_large, infinity = products
    _add_and_subtract(plus_small, minus_small)
    _add_and_subtract(plus_large, minus_large)
    torch.add(zero, plus_small, alpha=2, out=out[0]).add_(plus_large, alpha=1 / _ROOT)
    torch.add(minus_large, minus_small, alpha=_ROOT, out=out[1])
    torch.add(plus_small, plus_large, alpha=_ROOT, out=out[2])
    torch.add(infinity, minus_small, alpha=1 / _ROOT, out=out[3]).add_(minus_large, alpha=2)


def _add_and_subtract(even: Tensor, odd: Tensor, factor: float = 1) -> None:
    """Replace an even and an odd part with even + factor · odd and even − factor · odd."""
    even.add_(odd, alpha=factor)
    torch.sub(even, odd, alpha=2 * factor, out=odd)
