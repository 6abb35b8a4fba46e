"""3×3 convolutions in strips of rows by Winograd's minimal filtering: the same sums with fewer multiplications.

Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks" (2016), section 4. A tile of `TILE` × `TILE`
outputs depends on a patch of `PATCH` × `PATCH` inputs. Inputs and kernels are transformed so that the convolution
becomes `PATCH`² products a tile and pair of channels, which over all tiles are `PATCH`² plain matrix products.
Both gradients have the same form: that of the inputs is a convolution with turned kernels, that of the kernels
follows from the transformed inputs and the transformed gradient.

Maps are channels-last, (height, width, channels): a matrix product over channels then reads them as they lie.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

TILE = 2
PATCH = TILE + 2

# Lavin & Gray, section 4.1, with one row's sign changed in both of a pair to save a negation.
_INPUT_TRANSFORM = ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, -1, 0, 1))
_KERNEL_TRANSFORM = ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1))
_OUTPUT_TRANSFORM = ((1, 1, 1, 0), (0, 1, -1, 1))
_GRADIENT_TRANSFORM = tuple(zip(*_OUTPUT_TRANSFORM, strict=True))

# A strip of this many tiles keeps its matrices in the cache and is still long enough for an efficient product.
_TILES_PER_STRIP = 256
# Small maps are cut into at least this many strips, so that several threads find work.
_STRIPS_AT_LEAST = 8


def transform_kernels(kernels: Tensor) -> Tensor:
    """Return the transformed kernels G g Gᵀ.

    Parameters
    ----------
    kernels : Tensor, (channels_out, channels_in, 3, 3), float

    Returns
    -------
    Tensor, (PATCH², channels_in, channels_out), float
    """
    transform = kernels.new_tensor(_KERNEL_TRANSFORM)
    return torch.einsum("ai,ocij,bj->abco", transform, kernels, transform).flatten(0, 1).contiguous()


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
    transform = gradient.new_tensor(_KERNEL_TRANSFORM)
    return torch.einsum("ai,abco,bj->ocij", transform, gradient.unflatten(0, (PATCH, PATCH)), transform)


def strip_height(height: int, width: int) -> int:
    """Return how many rows of a map make one strip."""
    tile_rows = -(-height // TILE)
    tile_columns = -(-width // TILE)
    return TILE * max(1, min(_TILES_PER_STRIP // tile_columns, tile_rows // _STRIPS_AT_LEAST))


class StripConvolution:
    """Buffers and operations for the convolutions of one strip of a map, allocated once.

    Parameters
    ----------
    height, width : int
        Of the strip; `height` is a multiple of `TILE`.
    channels : int
        Of inputs and outputs.
    dtype : torch.dtype
    """

    def __init__(self, height: int, width: int, channels: int, dtype: torch.dtype) -> None:
        rows, columns = height // TILE, -(-width // TILE)
        self._height, self._width = height, width
        self._rows, self._columns = rows, columns
        padded_width = TILE * columns + 2
        self._inputs, self._gradients = torch.zeros(2, height + 2, padded_width, channels, dtype=dtype)
        self._gathered = torch.empty(PATCH, rows, padded_width, channels, dtype=dtype)
        self._scattered = torch.empty(TILE, PATCH, rows, columns, channels, dtype=dtype)
        self._patches, self._products = torch.empty(2, PATCH, PATCH, rows, columns, channels, dtype=dtype)
        self._outputs = torch.empty(height, TILE * columns, channels, dtype=dtype)

    def read_inputs(self, start: int, height: int, write: Callable[[slice, Tensor], object]) -> Tensor:
        """Return the strip's inputs with a border of one pixel, zero outside the map.

        Parameters
        ----------
        start : int
            The strip's first row in the map.
        height : int
            Of the map.
        write : callable
            Given rows of the map and a buffer (rows, width, channels), writes these rows into the buffer.
        """
        return self._read(self._inputs, start, height, write)

    def read_gradients(self, start: int, height: int, write: Callable[[slice, Tensor], object]) -> Tensor:
        """Return the gradient of the strip's outputs with a border of one pixel, zero outside the map."""
        return self._read(self._gradients, start, height, write)

    def _read(self, padded: Tensor, start: int, height: int, write: Callable[[slice, Tensor], object]) -> Tensor:
        first, last = max(start - 1, 0), min(start + self._height + 1, height)
        above, below = first - (start - 1), last - (start - 1)
        padded[:above].zero_()
        padded[below:].zero_()
        write(slice(first, last), padded[above:below, 1 : self._width + 1])
        return padded

    def convolve(self, padded: Tensor, kernels: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return the convolution of a bordered strip.

        Parameters
        ----------
        padded : Tensor, (height + 2, padded width, channels), float
            From `read_inputs` or `read_gradients`.
        kernels : Tensor, (PATCH², channels, channels), float
            Transformed.
        bias : Tensor, (channels,), float, optional

        Returns
        -------
        Tensor, (height, width, channels), float
            A buffer, valid until the next call.
        """
        _gather(_INPUT_TRANSFORM, padded, self._gathered, self._patches)
        torch.bmm(_as_matrices(self._patches), kernels, out=_as_matrices(self._products))
        if bias is not None:
            # The output transform copies this one product, and no other, once into each output.
            self._products[1, 1].add_(bias)
        outputs = self._outputs.view(self._rows, TILE, self._columns, TILE, -1).permute(1, 3, 0, 2, 4)
        _combine_all(_OUTPUT_TRANSFORM, self._products, self._scattered)
        _combine_all(_OUTPUT_TRANSFORM, self._scattered.transpose(0, 1), outputs.transpose(0, 1))
        return self._outputs[:, : self._width]

    def add_kernel_gradient(self, inputs: Tensor, gradients: Tensor, total: Tensor) -> None:
        """Add the strip's part of the gradient of the transformed kernels.

        Parameters
        ----------
        inputs, gradients : Tensor, (height + 2, padded width, channels), float
            From `read_inputs` and `read_gradients`.
        total : Tensor, (PATCH², channels, channels), float
        """
        _gather(_INPUT_TRANSFORM, inputs, self._gathered, self._patches)
        _gather(_GRADIENT_TRANSFORM, gradients[1:-1, 1:-1], self._gathered[:, :, :-2], self._products)
        total.baddbmm_(_as_matrices(self._patches).transpose(1, 2), _as_matrices(self._products))


def _as_matrices(patches: Tensor) -> Tensor:
    return patches.view(PATCH * PATCH, -1, patches.shape[-1])


def _gather(transform: Sequence[Sequence[float]], source: Tensor, gathered: Tensor, patches: Tensor) -> None:
    """Cut a map into overlapping pieces, one a tile, and transform their rows, then their columns."""
    rows, columns = patches.shape[2:4]
    size = len(transform[0])
    source_rows = [source[i : i + TILE * (rows - 1) + 1 : TILE] for i in range(size)]
    _combine_all(transform, source_rows, gathered)
    source_columns = [gathered[:, :, j : j + TILE * (columns - 1) + 1 : TILE] for j in range(size)]
    _combine_all(transform, source_columns, patches.transpose(0, 1))


def _combine_all(transform: Sequence[Sequence[float]], sources: Sequence[Tensor] | Tensor, outputs: Tensor) -> None:
    for coefficients, output in zip(transform, outputs, strict=True):
        _combine(coefficients, sources, output)


def _combine(coefficients: Sequence[float], sources: Sequence[Tensor] | Tensor, output: Tensor) -> None:
    """Write Σ coefficient · source into the output."""
    terms = [(factor, source) for factor, source in zip(coefficients, sources, strict=True) if factor]
    # A term with factor 1 comes first: it needs no pass of its own.
    terms.sort(key=lambda term: term[0] != 1)
    (_, first), *others = terms
    if not others:
        output.copy_(first)
    for factor, source in others:
        torch.add(first, source, alpha=factor, out=output)
        first = output
