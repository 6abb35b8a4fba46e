"""Images as tensors, and reduced."""

import numpy as np
import pytest
import torch

from dynseg.training.images import applied_image, image_array, image_tensor, reduce_image


def picture(height: int = 24, width: int = 32) -> np.ndarray:
    """Two flat regions with a little noise."""
    image = np.random.default_rng(0).integers(0, 25, (height, width, 3))
    image[:, width // 2 :] += np.array([200, 90, 30])
    return image.astype(np.uint8)


def test_images_become_tensors_and_back() -> None:
    image = picture()
    tensor = image_tensor(image)
    assert tensor.shape == (3, 24, 32)
    assert tensor.min() >= 0
    assert tensor.max() <= 1
    assert np.array_equal(image_array(tensor), image)


@pytest.mark.parametrize("size", [(24, 32), (12, 16), (1, 1)])
def test_images_are_reduced_by_averaging(size: tuple[int, int]) -> None:
    tensor = image_tensor(picture())
    reduced = reduce_image(tensor, size)
    assert reduced.shape[1:] == size
    torch.testing.assert_close(reduced.mean(dim=(1, 2)), tensor.mean(dim=(1, 2)), atol=1e-5, rtol=0)
    assert (reduced is tensor) == (size == (24, 32))


def test_floats_are_not_rounded_and_have_any_number_of_bands() -> None:
    image = np.random.default_rng(0).random((9, 14, 5), dtype=np.float32)
    assert np.array_equal(image_array(image_tensor(image), np.float32), image)
    reduced = applied_image(image, (3, 7))
    assert reduced.shape == (5, 3, 7)
    expected = image.reshape(3, 3, 7, 2, 5).mean(axis=(1, 3))
    np.testing.assert_allclose(reduced.permute(1, 2, 0).numpy(), expected, rtol=1e-6)


def test_what_comes_from_8_bits_is_rounded_to_8_bits_when_it_is_reduced() -> None:
    reduced = applied_image(picture(), (7, 9))
    values = (255 * reduced.double()).numpy()
    np.testing.assert_allclose(values, values.round(), atol=1e-4)
    assert np.array_equal(image_array(reduced), image_array(reduce_image(image_tensor(picture()), (7, 9))))
    assert torch.equal(applied_image(picture(), (24, 32)), image_tensor(picture()))
