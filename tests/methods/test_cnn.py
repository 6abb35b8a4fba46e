import numpy as np
import pytest

from dynseg.errors import UserError
from dynseg.methods import Context
from dynseg.methods.cnn import CnnParameters, segment
from dynseg.parameters import make_parameters

SMALL = {"components": 1, "channels": 8, "iterations": 4, "minimum_labels": 1, "stop": "fixed", "step": "plain"}
IMAGE = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("scheme", "weight"), [("fixed", lambda q: 5 + 0 * q), ("fsf", lambda q: q / 5), ("scf", lambda q: 5 / q)]
)
def test_the_weight_follows_the_scheme(scheme, weight):
    history = segment(IMAGE, Context(), CnnParameters(**SMALL, scheme=scheme, mu=5.0)).history
    np.testing.assert_allclose(history["weight"], weight(history["label_count"]), rtol=1e-6)


def test_the_seed_decides_the_initial_weights():
    parameters = CnnParameters(**SMALL, scheme="fsf", mu=15.0)
    first, second = (segment(IMAGE, Context(seed=seed), parameters).history["similarity_loss"] for seed in (0, 1))
    assert first[0] != second[0]


def test_training_on_a_reduced_image_gives_labels_for_every_pixel():
    result = segment(IMAGE, Context(), CnnParameters(**SMALL, scheme="fsf", mu=15.0, scale=0.5))
    assert result.labels.shape == (20, 24)


@pytest.mark.parametrize(
    ("values", "named"),
    [({"scheme": "fsf"}, "mu"), ({"scheme": "sfc", "mu": 5}, "scheme"), ({"scheme": "fsf", "mu": 0}, "mu")],
)
def test_parameters_that_make_no_sense_are_refused(values, named):
    with pytest.raises(UserError, match=named):
        make_parameters(CnnParameters, values)
