"""What the workflow sets in Snakemake's own process."""

from types import SimpleNamespace

import pytest
from snakemake.scheduling.job_scheduler import JobScheduler
from snakemake.settings.types import MaxJobsPerTimespan

from dynseg.workflow.environment import calm_scheduler


def workflow(scheduler: object, limit: object) -> SimpleNamespace:
    settings = SimpleNamespace(max_jobs_per_timespan=limit)
    return SimpleNamespace(scheduler=scheduler, scheduling_settings=settings)


@pytest.mark.parametrize(
    ("limit", "calmed"),
    [
        (MaxJobsPerTimespan.parse_choice("100/1s"), True),
        (MaxJobsPerTimespan.parse_choice("10/1s"), False),
        (MaxJobsPerTimespan.parse_choice("100/1m"), False),
        (None, False),
    ],
)
def test_only_the_limit_that_nobody_asked_for_is_taken_away(limit: object, calmed: bool) -> None:
    scheduler = SimpleNamespace(job_rate_limiter="limiter")
    calm_scheduler(workflow(scheduler, limit))
    assert (scheduler.job_rate_limiter is None) == calmed


def test_a_scheduler_without_the_private_attribute_is_left_alone() -> None:
    scheduler = SimpleNamespace()
    calm_scheduler(workflow(scheduler, MaxJobsPerTimespan.parse_choice("100/1s")))
    assert vars(scheduler) == {}


def test_snakemakes_scheduler_still_has_the_private_attribute() -> None:
    """If this fails, Snakemake has changed: see snakemake/snakemake#3955 whether it still looks too often."""
    assert "job_rate_limiter" in JobScheduler.__init__.__code__.co_names
