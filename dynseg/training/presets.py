"""Default training settings: as published, or in a small part of the time."""

from typing import Any

# config/config.yaml and config/fast.yaml train with the same values; a test compares them.
PRESETS: dict[str, dict[str, Any]] = {
    "paper": {
        "components": 3,
        "channels": 100,
        "iterations": 1000,
        "learning_rate": 0.1,
        "momentum": 0.9,
        "minimum_labels": 3,
    },
    "fast": {"components": 2, "iterations": 60, "scale": 0.25},
}

# The largest seed that NumPy, torch and scikit-learn all accept.
LARGEST_SEED = 2**32 - 1
