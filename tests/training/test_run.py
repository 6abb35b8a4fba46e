"""From an image to its label map."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynseg.result import Segmentation
from dynseg.training.images import image_tensor
from dynseg.training.network import initial_network
from dynseg.training.parameters import TrainingParameters
from dynseg.training.prediction import label_map
from dynseg.training.run import train_and_apply, train_network
from dynseg.training.sizes import Sizes
from dynseg.training.weighting import weight_of

WEIGHTING = weight_of("fsf", 15)
SMALL = TrainingParameters(components=2, channels=12, iterations=8, stop="fixed", minimum_labels=1)


def picture(height: int = 24, width: int = 32) -> np.ndarray:
    """Two flat regions with a little noise."""
    image = np.random.default_rng(0).integers(0, 25, (height, width, 3))
    image[:, width // 2 :] += np.array([200, 90, 30])
    return image.astype(np.uint8)


def run(image: np.ndarray, parameters: TrainingParameters = SMALL, seed: int = 0, **options: Any) -> Segmentation:
    return train_and_apply(image_tensor(image), seed, parameters, WEIGHTING, **options)


def segment(image: np.ndarray, seed: int = 0, **changes: object) -> np.ndarray:
    return run(image, TrainingParameters(**{**SMALL.__dict__, **changes}), seed).labels  # type: ignore[arg-type]


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
    result = run(image, TrainingParameters(**{**SMALL.__dict__, "scale": 0.5}))
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
    result = run(picture())
    assert result.facts == {"stopped_by": "iterations", "iterations_run": 8}
    assert set(result.history) == {"iteration", "label_count", "weight", "similarity_loss", "continuity_loss"}
    np.testing.assert_allclose(result.history["weight"], result.history["label_count"] / 15, rtol=1e-6)


def test_scribbles_decide_what_belongs_together() -> None:
    image = np.full((24, 32, 3), 30, dtype=np.uint8)
    image[:, 8:16], image[:, 16:24], image[:, 24:] = (200, 90, 30), (90, 200, 60), (220, 220, 240)
    scribbles = np.full((24, 32), -1)
    # The left half together, and the right half together.
    scribbles[4:20:3, 2:14], scribbles[4:20:3, 18:30] = 5, 9
    parameters = TrainingParameters(components=2, channels=12, iterations=60, stop="fixed", minimum_labels=2)
    result = run(image, parameters, scribbles=scribbles)
    marked = scribbles >= 0
    assert (result.labels == scribbles)[marked].mean() > 0.9


def test_one_network_is_trained_on_several_images_and_labels_others() -> None:
    network = initial_network(SMALL.components, SMALL.channels, seed=0)
    images = [image_tensor(picture(12, 16)), image_tensor(picture(20, 10))]
    parameters = TrainingParameters(**{**SMALL.__dict__, "iterations": 40})
    trained = train_network(network, images, parameters, WEIGHTING)
    assert trained.history["iteration"].tolist() == list(range(1, 41))
    maps = [label_map(network, image_tensor(picture(*size)), parameters).numpy() for size in ((30, 20), (16, 24))]
    # The same regions have the same labels in both.
    for part in (slice(2, 8), slice(-8, -2)):
        first, second = (np.bincount(labels[:, part].ravel()).argmax() for labels in maps)
        assert first == second


def test_a_label_map_may_be_larger_than_the_image() -> None:
    labels = run(picture(), sizes=Sizes((50, 70), (24, 32), (24, 32))).labels
    assert labels.shape == (50, 70)
    assert set(np.unique(labels)) <= set(np.unique(segment(picture())))


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


@pytest.mark.parametrize("scribbled", [False, True])
def test_what_a_gpu_runs_gives_the_same(monkeypatch: pytest.MonkeyPatch, scribbled: bool) -> None:
    scribbles = np.full((24, 32), -1, dtype=np.int64)
    scribbles[4:20, 2:12], scribbles[4:20, 20:30] = 3, 8
    options = {"scribbles": scribbles} if scribbled else {}
    seen: list[int] = []
    expected = run(picture(), **options)
    monkeypatch.setattr("dynseg.training.run.runs_in_group", lambda image, parameters: True)
    found = run(picture(), **options, on_iteration=lambda iteration, *_: seen.append(iteration))
    assert seen == list(range(1, 9))
    np.testing.assert_array_equal(found.history["label_count"], expected.history["label_count"])
    np.testing.assert_allclose(found.history["similarity_loss"], expected.history["similarity_loss"], rtol=1e-3)
    assert (found.labels == expected.labels).mean() > 0.99
