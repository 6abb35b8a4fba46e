"""How large the strips are that maps are worked on in. Quick to import."""

# Sides of a tile of Winograd's outputs, in pixels (`dynseg.training.fast.winograd`).
TILE = 4
# A strip of about this many tiles of so many channels keeps its matrices in the cache and is still long enough for an
# efficient product.
_TILES_PER_STRIP, _CHANNELS = 128, 100
# Small maps of that many channels are cut into at least so many strips where they can be, so that several threads find
# work; with fewer channels it isn't worth the operations that each strip takes.
_STRIPS_AT_LEAST = 4
# Values of one strip of enlarged responses (`dynseg.training.enlargement`): 32 MB of float32.
ENLARGED_VALUES_PER_STRIP = 8_000_000


def tiles_per_strip(channels: int) -> int:
    """Return about how many tiles a strip has; more of fewer channels.

    Examples
    --------
    >>> tiles_per_strip(100), tiles_per_strip(32), tiles_per_strip(200)
    (128, 400, 128)
    """
    return _TILES_PER_STRIP * _CHANNELS // min(channels, _CHANNELS)


def strip_height(height: int, width: int, channels: int) -> int:
    """Return how many rows of a map make one strip, a multiple of `TILE`.

    Examples
    --------
    >>> strip_height(80, 120, 100), strip_height(40, 60, 32)
    (16, 40)
    """
    tile_rows, tile_columns = -(-height // TILE), -(-width // TILE)
    least = max(1, _STRIPS_AT_LEAST * min(channels, _CHANNELS) // _CHANNELS)
    rows = max(1, min(tiles_per_strip(channels) // tile_columns, tile_rows // least))
    # Equal strips, since the last one costs as much as the others.
    return TILE * -(-tile_rows // -(-tile_rows // rows))
