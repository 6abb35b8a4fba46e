"""Neighbouring pixels with equal responses, because all that the network sees of them is equal."""

from torch import Tensor
from torch.nn.functional import max_pool2d, pad


class FlatRegions:
    """Pairs of neighbouring pixels whose responses are equal: their receptive fields have the same colours.

    A convolution by tiles rounds them otherwise where they lie otherwise in their tiles, and the sign of a difference
    makes a full step of what should be none. In photographs that is the sky, or a border of one colour.

    Parameters
    ----------
    image : Tensor, (3, H, W), float
    radius : int
        Of the receptive fields, in pixels.
    """

    def __init__(self, image: Tensor, radius: int) -> None:
        self._vertical = _pairs(image, radius)
        self._horizontal = _pairs(image.transpose(1, 2), radius).T.contiguous()
        self._indices: dict[tuple[bool, int, int], Tensor] = {}

    def clear_vertical(self, differences: Tensor, start: int) -> None:
        """Set the differences of such pairs to 0.

        Parameters
        ----------
        differences : Tensor, (rows, W, channels), float
            Between rows of the response map and the rows below them.
        start : int
            The first of these rows.
        """
        self._clear(differences, self._vertical, True, start)

    def clear_horizontal(self, differences: Tensor, start: int) -> None:
        """The same for the differences (rows, W - 1, channels) between columns and those to their right."""
        self._clear(differences, self._horizontal, False, start)

    def _clear(self, differences: Tensor, pairs: Tensor, vertical: bool, start: int) -> None:
        key = vertical, start, len(differences)
        if key not in self._indices:
            self._indices[key] = pairs[start : start + len(differences)].flatten().nonzero()[:, 0]
        if len(self._indices[key]):
            differences.view(-1, differences.shape[-1]).index_fill_(0, self._indices[key], 0)


def _pairs(image: Tensor, radius: int) -> Tensor:
    """Return whether what is seen of a pixel equals what is seen of the one below it: (H - 1, W) bool."""
    unequal = (image[:, 1:] != image[:, :-1]).any(dim=0).float()
    if unequal.numel() == 0:
        return unequal.bool()
    # Where only one of the two sees the padding above or below, they differ; to the left and right, both see it.
    seen = pad(pad(unequal, (0, 0, radius, radius), value=1), (radius, radius, 0, 0))
    return max_pool2d(seen[None], 2 * radius + 1, stride=1)[0] == 0
