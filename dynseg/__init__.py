"""dynseg: unsupervised image segmentation with a dynamically weighted loss."""

__version__ = "0.1.0"
