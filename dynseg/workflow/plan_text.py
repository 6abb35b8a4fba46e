"""What a plan says to a reader: durations, bytes, and the paragraph at the start of the workflow."""

from dynseg.workflow.plan import Plan

# What a reader waits for without being told of a faster way.
PATIENCE_SECONDS = 3600.0


def duration_text(seconds: float) -> str:
    """Return a duration in words, with about two digits.

    Examples
    --------
    >>> [duration_text(seconds) for seconds in (3, 40, 1000, 5000, 1_620_000)]
    ['3 seconds', '40 seconds', '17 minutes', '1.4 hours', '19 days']
    """
    for name, size, limit in (("seconds", 1, 90), ("minutes", 60, 75), ("hours", 3600, 72)):
        if seconds < limit * size:
            return f"{seconds / size:.2g} {name}" if seconds < 10 * size else f"{seconds / size:.0f} {name}"
    return f"{seconds / 86_400:,.0f} days"


def core_time_text(seconds: float) -> str:
    """Return the time that one core would take, in words.

    Examples
    --------
    >>> [core_time_text(seconds) for seconds in (2.4, 240, 36_000, 1_620_000)]
    ['2 core-seconds', '4 core-minutes', '10 core-hours', '450 core-hours']
    """
    if seconds < 90:
        return f"{seconds:.0f} core-seconds"
    if seconds < 4500:
        return f"{seconds / 60:.2g} core-minutes"
    return f"{float(f'{seconds / 3600:.2g}'):,g} core-hours"


def bytes_text(count: float) -> str:
    """Return a number of bytes in words.

    Examples
    --------
    >>> bytes_text(2_300_000_000)
    '2.3 GB'
    """
    unit, size = ("GB", 1e9) if count >= 1e9 else ("MB", 1e6)
    return f"{count / size:.2g} {unit}" if count < 100 * size else f"{count / size:,.0f} {unit}"


def counted(count: int, what: str) -> str:
    """Return a number of things in words.

    Examples
    --------
    >>> counted(1, "job"), counted(1332, "job")
    ('1 job', '1,332 jobs')
    """
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def start_paragraph(plan: Plan, cores: int | None, on_gpu: bool, faster: tuple[Plan, str] | None = None) -> str:
    """Return what the workflow says before its first job.

    Parameters
    ----------
    plan : Plan
        Of what is left to do.
    cores : int or None
        Cores of this machine; None where jobs run on others.
    on_gpu : bool
        Whether networks are trained on a GPU, of which the estimate knows nothing.
    faster : (Plan, str), optional
        A plan that is much faster, and what to add to the command for it.
    """
    wall = plan.core_seconds if cores is None else plan.wall_seconds(cores)
    times = f"about {core_time_text(plan.core_seconds)}"
    if cores is not None:
        times += f", about {duration_text(wall)} on {counted(cores, 'core')}"
    if on_gpu:
        times += " (of the CPU: a GPU takes a fraction of it)"
    paragraph = (
        f"About {counted(plan.jobs, 'job')} with {counted(plan.trainings, 'training')}: {times}, and about "
        f"{bytes_text(plan.disk)} on the disk."
    )
    unknown = [dataset for dataset in plan.supposed if not plan.sizes[dataset]]
    if unknown:
        paragraph += f" Without {', '.join(unknown)}, whose images are counted once prepared."
    if faster is not None and wall > PATIENCE_SECONDS:
        plan_of_fast, how = faster
        paragraph += (
            f" Trained at a quarter of the size in 60 iterations, as benchmarks/README.md compares, it takes about "
            f"{core_time_text(plan_of_fast.core_seconds)}: {how}."
        )
    return paragraph
