"""The training step on the CPU, derived by hand."""
