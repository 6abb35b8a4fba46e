"""A finished run of the workflow."""

import pytest
from small_workflow import REPOSITORY, Workflow, write_dataset

__all__ = ["REPOSITORY", "Workflow", "write_dataset"]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """A finished run of two methods on three images; tests only plan in it."""
    directory = tmp_path_factory.mktemp("finished")
    config = {
        "datasets": {"small": write_dataset(directory / "data", ["a", "b", "c"])},
        "methods": {
            "blank": {"method": "blank"},
            "fsf-15": {"scheme": "fsf", "mu": 15},
            "scf-50": {"scheme": "scf", "mu": 50},
        },
        "training": {"components": 1, "channels": 8, "iterations": 3},
        "panels": {"small": {"dataset": "small", "images": ["a"], "methods": ["fsf-15", "scf-50"]}},
        "device": "cpu",
    }
    workflow = Workflow(directory, config)
    workflow.run()
    return workflow
