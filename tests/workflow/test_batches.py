"""Which images a job takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynseg.errors import UserError
from dynseg.workflow.batches import batch_images, batches

ids = st.lists(st.text("abc123-_", min_size=1, max_size=6), min_size=1, max_size=60, unique=True)


@given(ids, st.integers(1, 20))
def test_every_image_is_in_exactly_one_batch(image_ids: list[str], images_per_job: int) -> None:
    found = batches(image_ids, images_per_job)
    assert sorted(image for batch in found.values() for image in batch) == sorted(image_ids)
    assert all(batch_images(image_ids, name) == batch for name, batch in found.items())


@given(ids)
def test_one_image_a_job_is_named_by_the_image(image_ids: list[str]) -> None:
    assert batches(image_ids, 1) == {image_id: [image_id] for image_id in image_ids}


def test_dropping_an_image_touches_one_batch() -> None:
    image_ids = [f"image{number}" for number in range(200)]
    before, after = batches(image_ids, 10), batches(image_ids[:-1], 10)
    assert sum(before[name] != after.get(name) for name in before) == 1


def test_an_image_that_is_not_there_is_an_error() -> None:
    for name in ("z", "batch@0of0"):
        with pytest.raises(UserError, match=f"no image in '{name}'"):
            batch_images(["a", "b"], name)
