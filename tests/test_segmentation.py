"""From an image to its label map."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dynseg.methods.result import Context
from dynseg.parameters import TrainingParameters
from dynseg.segmentation import image_array, image_tensor, reduce_image, train_and_apply
from dynseg.weighting import SCHEMES

WEIGHTING = partial(SCHEMES["fsf"], mu=15)
SMALL = TrainingParameters(components=2, channels=12, iterations=8, stop="fixed", minimum_labels=1)


def picture(height: int = 24, width: int = 32) -> np.ndarray:
    """Two flat regions with a little noise."""
    image = np.random.default_rng(0).integers(0, 25, (height, width, 3))
    image[:, width // 2 :] += np.array([200, 90, 30])
    return image.astype(np.uint8)


def segment(image: np.ndarray, seed: int = 0, **changes: object) -> np.ndarray:
    parameters = TrainingParameters(**{**SMALL.__dict__, **changes})  # type: ignore[arg-type]
    return train_and_apply(image, Context("a", seed, "cpu"), parameters, WEIGHTING).labels


def test_the_same_seed_gives_the_same_label_map_and_another_seed_another() -> None:
    assert np.array_equal(segment(picture()), segment(picture()))
    assert not np.array_equal(segment(picture()), segment(picture(), seed=1))


def test_two_flat_regions_are_told_apart() -> None:
    labels = segment(picture(), iterations=40)
    left, right = labels[:, 2:12], labels[:, 20:30]
    assert not np.intersect1d(left, right).size
    most = [np.bincount(part.ravel()).max() / part.size for part in (left, right)]
    assert min(most) > 0.9


def test_training_on_a_reduced_image_gives_a_label_map_of_full_size() -> None:
    image = picture(30, 41)
    result = train_and_apply(image, Context(), TrainingParameters(**{**SMALL.__dict__, "scale": 0.5}), WEIGHTING)
    assert result.labels.shape == (30, 41)
    assert len(result.history["label_count"]) == 8
    assert not np.array_equal(result.labels, segment(image))


@settings(max_examples=10)
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([0.25, 1.0]))
def test_any_size_is_segmented(height: int, width: int, scale: float) -> None:
    assert segment(picture(height, max(width, 1)), iterations=2, scale=scale).shape == (height, width)


def test_a_constant_image_is_segmented() -> None:
    labels = segment(np.full((6, 7, 3), 128, dtype=np.uint8))
    assert labels.shape == (6, 7)


def test_what_happened_is_recorded() -> None:
    result = train_and_apply(picture(), Context(), SMALL, WEIGHTING)
    assert result.facts == {"stopped_by": "iterations", "iterations_run": 8}
    assert set(result.history) == {"iteration", "label_count", "weight", "similarity_loss", "continuity_loss"}
    np.testing.assert_allclose(result.history["weight"], result.history["label_count"] / 15, rtol=1e-6)


def test_images_become_tensors_and_back() -> None:
    image = picture()
    tensor = image_tensor(image)
    assert tensor.shape == (3, 24, 32)
    assert tensor.min() >= 0
    assert tensor.max() <= 1
    assert np.array_equal(image_array(tensor), image)


@pytest.mark.parametrize(("scale", "size"), [(1.0, (24, 32)), (0.5, (12, 16)), (0.01, (1, 1))])
def test_images_are_reduced_by_averaging(scale: float, size: tuple[int, int]) -> None:
    tensor = image_tensor(picture())
    reduced = reduce_image(tensor, scale)
    assert reduced.shape[1:] == size
    torch.testing.assert_close(reduced.mean(dim=(1, 2)), tensor.mean(dim=(1, 2)), atol=1e-5, rtol=0)
    assert (reduced is tensor) == (scale == 1)


@pytest.mark.slow
def test_both_steps_give_the_same_label_map_after_fifty_iterations() -> None:
    import skimage.data
    from skimage.transform import resize

    photograph = resize(skimage.data.chelsea(), (90, 120), anti_aliasing=True)
    image = (255 * photograph).round().astype(np.uint8)
    changes = {"channels": 100, "iterations": 50, "minimum_labels": 3}
    agreement = (segment(image, step="fast", **changes) == segment(image, step="plain", **changes)).mean()
    # Float32 sums in another order move single pixels, and training amplifies that.
    assert agreement > 0.97
