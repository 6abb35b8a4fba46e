"""Settings of PyTorch's precision: as asked for inside, and as before outside."""

import torch

from dynseg.parameters import TrainingParameters
from dynseg.training.network import initial_network
from dynseg.training.precision import tf32_allowed
from dynseg.training.run import train_and_apply
from dynseg.training.weighting import weight_of


def settings() -> tuple[bool, bool, str]:
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    return bool(matmul.allow_tf32), bool(cudnn.allow_tf32), torch.get_float32_matmul_precision()


def test_the_callers_settings_are_put_back() -> None:
    original = settings()
    try:
        for precision in ("highest", "high", "medium"):
            for allowed_before in (False, True):
                torch.set_float32_matmul_precision(precision)
                torch.backends.cudnn.allow_tf32 = allowed_before
                before = settings()
                for allowed in (False, True):
                    with tf32_allowed(allowed):
                        assert torch.backends.cuda.matmul.allow_tf32 == allowed
                        assert torch.backends.cudnn.allow_tf32 == allowed
                    assert settings() == before
    finally:
        torch.set_float32_matmul_precision(original[2])
        torch.backends.cudnn.allow_tf32 = original[1]


def test_training_leaves_the_callers_settings_alone() -> None:
    before = settings()
    seen = []
    parameters = TrainingParameters(components=1, channels=6, iterations=2, minimum_labels=1, precision="tf32")
    image = torch.rand(initial_network(1, 6, seed=0).bands, 6, 7)
    train_and_apply(image, 0, parameters, weight_of("fixed", 5.0), on_iteration=lambda *_: seen.append(settings()[0]))
    assert seen == [True, True]
    assert settings() == before
