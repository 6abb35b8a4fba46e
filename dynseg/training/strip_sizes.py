"""How large the strips are that maps are worked on in. Quick to import."""

# Sides of a tile of Winograd's outputs, in pixels (`dynseg.training.fast.winograd`).
TILE = 4
# A strip of about this many tiles keeps its matrices in the cache and is still long enough for an efficient product.
TILES_PER_STRIP = 128
# Values of one strip of enlarged responses (`dynseg.training.enlargement`): 32 MB of float32.
ENLARGED_VALUES_PER_STRIP = 8_000_000
