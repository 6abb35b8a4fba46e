"""What every benchmark notes beside its figures: the machine, the versions, and the peak that shares refer to."""

import datetime
import json
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dynseg.provenance import versions

RESULTS = Path(__file__).parent / "results"
_PACKAGES = ("numpy", "scipy", "scikit-image", "connected-components-3d", "torch")


def describe_machine() -> dict[str, Any]:
    """Return the processor, its cores, the load before the benchmark and the versions of what it runs."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": [round(load, 2) for load in os.getloadavg()],
        "system": platform.system(),
        **versions(_PACKAGES),
    }


def matmul_gflops(size: int = 1024) -> float:
    """Return the GFLOP/s of one float32 matrix product in PyTorch, with as many threads as it is set to."""
    import torch

    left, right = torch.rand(2, size, size)
    product = left @ right
    seconds = time.perf_counter()
    torch.mm(left, right, out=product)
    return 2 * size**3 / (time.perf_counter() - seconds) / 1e9


def write_results(path: Path, rows: list[Mapping[str, Any]], **more: Any) -> None:
    """Write rows of figures as JSON, with the date, the machine and the versions."""
    path.parent.mkdir(parents=True, exist_ok=True)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    record = {"date": now, "machine": describe_machine(), **more, "rows": rows}
    path.write_text(json.dumps(record, indent=2) + "\n")


def print_table(rows: list[Mapping[str, Any]]) -> None:
    """Print rows of figures in columns."""
    texts = [[f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()] for row in rows]
    texts.insert(0, list(rows[0]))
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for line in texts:
        print("  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)), flush=True)


def _processor() -> str:
    """Return the processor's name; `platform.processor` doesn't know it on Linux."""
    information = Path("/proc/cpuinfo")
    names = information.read_text().splitlines() if information.exists() else []
    models = [line.partition(":")[2].strip() for line in names if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
