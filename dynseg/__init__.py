"""dynseg: unsupervised image segmentation with a dynamically weighted loss.

What this package offers by its own name is in `__init__.pyi`; docs/api.md explains it. Below, `dynseg.metrics` compares
label maps, `dynseg.training` is the paper's network, losses and loop, `dynseg.regions` makes hierarchies of regions,
`dynseg.methods` has every method of the table, and docs/architecture.md says what is in the other folders.
"""

import lazy_loader

__version__ = "0.1.0"

# Loaded when it is first used, so that `import dynseg` doesn't wait for torch.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
