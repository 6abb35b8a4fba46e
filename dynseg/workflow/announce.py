"""What the workflow says before its first job: what is left to do, and how long it takes on this machine."""

import subprocess
import sys
from collections.abc import Iterable

from dynseg.workflow.cost import CPU_GFLOPS
from dynseg.workflow.jobs import Jobs
from dynseg.workflow.plan import FAST, Job, faster_plan, plan_jobs
from dynseg.workflow.plan_text import start_paragraph
from dynseg.workflow.sources import near
from dynseg.workflow.start import workflow_files

# Less than so many core-seconds isn't worth a measurement of the machine.
WORTH_MEASURING = 600.0
# Importing PyTorch takes most of it; a machine that takes longer isn't kept waiting.
MEASURING_SECONDS = 5.0


def announcement(jobs: Jobs, todo: Iterable[Job], cores: int | None) -> str:
    """Return a paragraph about the jobs that are to run; nothing if none of them segments.

    Parameters
    ----------
    jobs : Jobs
    todo : iterable of (str, mapping)
        Rule and wildcards of the jobs; see `dynseg.workflow.plan.plan_jobs`.
    cores : int or None
        Cores of this machine that jobs run on; None where they run on others.
    """
    todo = list(todo)
    plan = plan_jobs(jobs, todo)
    if not plan.rows:
        return ""
    gflops = CPU_GFLOPS
    if cores is not None and plan.core_seconds > WORTH_MEASURING:
        gflops = gflops_of_this_machine()
        plan = plan_jobs(jobs, todo, gflops)
    faster = faster_plan(jobs, todo, plan, gflops)
    how = f"give {near(workflow_files() / FAST)} as the last file of --configfile"
    on_gpu = any(jobs.uses_gpu(row.method) for row in plan.rows)
    return start_paragraph(plan, cores, on_gpu, None if faster is None else (faster, how))


def gflops_of_this_machine() -> float:
    """Return what `dynseg.workflow.speed.measure_gflops` finds in a process of its own, which alone loads PyTorch.

    Where PyTorch is missing, as it may beside Snakemake if jobs run in environments of their own, or the measurement
    takes too long, the speed that estimates suppose is returned.
    """
    code = "from dynseg.workflow.speed import measure_gflops; print(measure_gflops())"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=MEASURING_SECONDS, check=True
        )
        return float(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return CPU_GFLOPS
