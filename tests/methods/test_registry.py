import subprocess
import sys
from dataclasses import fields, is_dataclass

import numpy as np
import pytest

from dynseg.errors import UserError
from dynseg.methods import MODULES, Context, find_method, method_names
from dynseg.parameters import make_parameters, parameter_schema

TRAINING = {"components": 1, "channels": 6, "iterations": 3}
# Settings that make every method quick.
QUICK = {
    "blank": {},
    "chan_vese": {},
    "cnn": {**TRAINING, "scheme": "fsf", "mu": 15, "step": "plain"},
    "dic": {"channels": 6, "centres": 4, "iterations": 3, "scale": 0.5},
    "graph_based": {},
    "grey_steps": {},
    "iic": {**TRAINING, "displacement": 2, "scale": 1},
    "kmeans": {},
    "regions": {"networks": 2, "iterations": 3, "components": 1, "channels": 8},
    "superpixel_cnn": {**TRAINING, "superpixels": 50, "step": "plain"},
}


@pytest.mark.parametrize("name", MODULES)
def test_parameters_are_frozen_plain_values_each_with_a_description(name):
    parameters = find_method(name).parameters
    described = parameter_schema(parameters)["properties"]
    assert is_dataclass(parameters)
    assert parameters.__dataclass_params__.frozen
    assert list(described) == [field.name for field in fields(parameters)]
    assert {entry["type"] for entry in described.values()} <= {"integer", "number", "string", "boolean"}
    assert all(entry["description"] for entry in described.values())


@pytest.mark.parametrize("name", sorted(set(MODULES) - {"external"}))
@pytest.mark.parametrize("size", [(20, 31), (2, 1), (1, 9)])
def test_every_method_labels_every_pixel_the_same_way_twice(name, size):
    method = find_method(name)
    parameters = make_parameters(method.parameters, QUICK[name])
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    original = image.copy()
    first, second = (method.segment(image, Context("image", seed=5), parameters) for _ in range(2))
    assert first.labels.shape == size
    assert np.issubdtype(first.labels.dtype, np.integer)
    assert first.labels.min() >= 0
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(image, original)
    assert len({values.shape for values in first.history.values()}) <= 1


@pytest.mark.parametrize("name", [name for name in QUICK if not find_method(name).uses_seed])
def test_a_method_that_doesnt_use_the_seed_says_so(name):
    method = find_method(name)
    image = np.random.default_rng(0).integers(0, 256, (20, 31, 3), dtype=np.uint8)
    parameters = make_parameters(method.parameters, QUICK[name])
    maps = [method.segment(image, Context(seed=seed), parameters).labels for seed in (0, 1)]
    np.testing.assert_array_equal(*maps)


def test_the_blank_image_is_one_segment():
    blank = find_method("blank")
    image = np.random.default_rng(0).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    np.testing.assert_array_equal(blank.segment(image, Context(), blank.parameters()).labels, np.zeros((3, 4)))


def test_an_unknown_method_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match=r"'crf'.*blank.*kmeans"):
        find_method("crf")


def test_names_are_the_builtin_ones_first():
    assert method_names()[: len(MODULES)] == list(MODULES)


def test_finding_methods_loads_none_of_the_heavy_libraries():
    code = (
        "import sys; from dynseg.methods import MODULES, find_method; [find_method(name) for name in MODULES];"
        "print(*sorted({'torch', 'sklearn', 'skimage', 'scipy'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""
