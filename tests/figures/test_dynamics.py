import numpy as np
import pytest
from click.testing import CliRunner

from dynseg.cli.dynamics import command
from dynseg.errors import UserError
from dynseg.figures.dynamics import draw_dynamics
from dynseg.io.label_maps import write_label_maps
from dynseg.result import Segmentation


def history(iterations: int = 30) -> dict[str, np.ndarray]:
    label_count = np.linspace(100, 5, iterations).astype(int)
    return {
        "iteration": np.arange(iterations),
        "label_count": label_count,
        "weight": label_count / 15,
        "similarity_loss": np.linspace(4, 0.2, iterations),
        "continuity_loss": np.linspace(1, 0.1, iterations),
    }


def test_every_quantity_has_one_line_a_run() -> None:
    figure = draw_dynamics({"FSF 15": history(), "SCF 50": history(20)})
    labels = {axes.get_ylabel(): axes for axes in figure.axes}
    assert list(labels) == ["Clusters q′", "Weight μ′", "Similarity loss", "Continuity loss"]
    quantities = ("label_count", "weight", "similarity_loss", "continuity_loss")
    for axes, quantity in zip(figure.axes, quantities, strict=True):
        first, second = axes.get_lines()
        np.testing.assert_array_equal(first.get_ydata(), history()[quantity])
        np.testing.assert_array_equal(second.get_xdata(), np.arange(20))


def test_label_maps_stand_above_and_keep_the_colours_of_the_last() -> None:
    late = np.zeros((20, 30), int)
    late[:, 15:] = 1
    early = np.where(late == 0, 7, 3)
    early[:4, :4] = 5
    figure = draw_dynamics({"FSF 15": history()}, {"FSF 15": [(5, early), (30, late)]})
    first, last = (np.asarray(axes.images[0].get_array()) for axes in figure.axes[:2])
    assert [axes.get_title() for axes in figure.axes[:2]] == ["Iteration 5", "Iteration 30"]
    np.testing.assert_array_equal(first[5:], last[5:])
    assert (first[0, 0] != last[0, 0]).any()


def test_the_command_reads_label_map_files(tmp_path) -> None:
    labels = np.eye(12, dtype=int)
    write_label_maps(tmp_path / "batch=0of1.h5", [("a%20b", Segmentation(labels, history()))], {})
    write_label_maps(tmp_path / "early.h5", [("a%20b", Segmentation(labels))], {})
    run = f"--run=μ = 15={tmp_path / 'batch=0of1.h5'}"
    early = f"--label-map=μ = 15:10={tmp_path / 'early.h5'}"
    output = f"--output-png={tmp_path / 'd.png'}"
    CliRunner().invoke(command, ["--image=a%20b", run, early, output], catch_exceptions=False)
    assert (tmp_path / "d.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--image=b", "--run=L={file}"], "no label map of image b"),
        (["--image=a", "--run=L={file}"], "isn't trained"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, options, expected) -> None:
    write_label_maps(tmp_path / "x.h5", [("a", Segmentation(np.eye(5, dtype=int)))], {})
    options = [option.format(file=tmp_path / "x.h5") for option in options]
    with pytest.raises(UserError, match=expected):
        CliRunner().invoke(command, [*options, "--output-png=d.png"], catch_exceptions=False)
