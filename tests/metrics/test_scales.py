import numpy as np
import pytest

from dynseg.metrics import optimal_dataset_scale, optimal_image_scale

# Two scales × three images.
NUMERATORS = np.array([[1.0, 2.0, 9.0], [3.0, 1.0, 6.0]])
DENOMINATORS = np.array([[4.0, 4.0, 10.0], [4.0, 4.0, 10.0]])


def test_one_scale_for_the_data_set():
    assert optimal_dataset_scale(NUMERATORS, DENOMINATORS) == (pytest.approx(12 / 18), 0)
    assert optimal_dataset_scale(NUMERATORS, DENOMINATORS, smaller_is_better=True) == (pytest.approx(10 / 18), 1)


def test_a_scale_for_each_image():
    value, scales = optimal_image_scale(NUMERATORS, DENOMINATORS)
    assert value == pytest.approx((3 + 2 + 9) / 18)
    np.testing.assert_array_equal(scales, [1, 0, 0])
    value, scales = optimal_image_scale(NUMERATORS, DENOMINATORS, smaller_is_better=True)
    assert value == pytest.approx((1 + 1 + 6) / 18)
    np.testing.assert_array_equal(scales, [0, 1, 1])


def test_a_mean_of_ratios_has_one_scale_for_all_its_terms():
    numerators = np.stack([NUMERATORS, NUMERATORS[::-1]])
    denominators = np.stack([DENOMINATORS, 2 * DENOMINATORS])
    first, second = (12 / 18 + 10 / 36) / 2, (10 / 18 + 12 / 36) / 2
    assert optimal_dataset_scale(numerators, denominators) == (pytest.approx(max(first, second)), 0)
    value, scales = optimal_image_scale(numerators, denominators)
    np.testing.assert_array_equal(scales, [1, 0, 0])
    assert value == pytest.approx(((3 + 2 + 9) / 18 + (1 + 1 + 6) / 36) / 2)


def test_choosing_by_image_is_never_worse_when_images_weigh_the_same():
    random = np.random.default_rng(0)
    values = random.random((5, 20))
    ones = np.ones_like(values)
    assert optimal_image_scale(values, ones)[0] >= optimal_dataset_scale(values, ones)[0]
    smallest = optimal_dataset_scale(values, ones, smaller_is_better=True)[0]
    assert optimal_image_scale(values, ones, smaller_is_better=True)[0] <= smallest
