"""Trainings of one size side by side, in operations that all of them share: what a GPU runs."""
