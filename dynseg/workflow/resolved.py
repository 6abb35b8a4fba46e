"""The configuration once its defaults are filled in: its type, and what of it is recorded."""

import json
from typing import Any

Config = dict[str, Any]


def recorded(config: Config) -> str:
    """Return what decides the results, as JSON: the configuration without paths, device and threads."""
    left_out = ("results", "resources", "archives", "device", "threads")
    return json.dumps({name: value for name, value in config.items() if name not in left_out}, ensure_ascii=False)
