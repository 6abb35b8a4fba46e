"""dynseg: unsupervised image segmentation with a dynamically weighted loss."""

from importlib.metadata import version

__version__ = version("dynseg")
