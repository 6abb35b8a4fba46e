"""The sizes that an image has on its way to a label map. Quick to import."""

from dataclasses import dataclass

from dynseg.parameters import reduced_size

Size = tuple[int, int]
"""Height and width, in pixels."""

# However small the scale: on fewer pixels along the longer side a network learns little.
LEAST_TRAINING_SIDE = 120


@dataclass(frozen=True)
class Sizes:
    """Height and width of an image at every stage, in pixels.

    Attributes
    ----------
    original : (int, int)
        The image's own size, and that of its label map.
    applied : (int, int)
        The size at which the trained network sees the image.
    trained : (int, int)
        The size at which the network is trained.
    """

    original: Size
    applied: Size
    trained: Size

    @classmethod
    def at_scale(cls, original: Size, scale: float) -> "Sizes":
        """Return the sizes of a training on the image reduced by a factor, applied to the whole of it."""
        return cls(original, original, reduced_size(*original, scale))

    @classmethod
    def within(cls, original: Size, max_size: int, scale: float) -> "Sizes":
        """Return the sizes of an image that is reduced to `max_size` along its longer side if it is larger.

        Training is at this scale of that, but never on less than `LEAST_TRAINING_SIDE` for it.
        """
        factor = min(1.0, max_size / max(original))
        applied = reduced_size(*original, factor) if factor < 1 else original
        training_scale = min(1.0, max(scale, LEAST_TRAINING_SIDE / max(applied)))
        return cls(original, applied, reduced_size(*applied, training_scale))

    def facts(self) -> dict[str, int]:
        """Return what a result says of its sizes."""
        return {
            "trained_height": self.trained[0],
            "trained_width": self.trained[1],
            "applied_height": self.applied[0],
            "applied_width": self.applied[1],
        }
