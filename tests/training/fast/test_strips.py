"""Working in strips: every row once, in order, whatever the threads, and errors come out."""

from collections.abc import Iterator

import pytest
import torch

from dynseg.training.fast.strips import StripRunner, one_thread_per_operation


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize(("height", "strip_height"), [(1, 4), (8, 4), (101, 4), (7, 8)])
def test_strips_cover_every_row_once_in_order(threads: int, height: int, strip_height: int) -> None:
    runner = StripRunner(height, strip_height, list)
    rows = runner.strips(lambda rows, _: list(range(rows.start, rows.stop)))
    assert [row for strip in rows for row in strip] == list(range(height))
    assert all(len(strip) == strip_height for strip in rows[:-1])


def test_each_band_gets_its_item(threads: int) -> None:
    runner = StripRunner(101, 4, list)
    results = runner.bands(lambda strips, _, item: (strips[0].start, item), range(runner.band_count))
    assert [item for _, item in results] == list(range(runner.band_count))
    assert sorted(results) == results


def test_operations_in_strips_use_one_thread(threads: int) -> None:
    runner = StripRunner(101, 4, list)
    with one_thread_per_operation():
        assert set(runner.strips(lambda *_: torch.get_num_threads())) == {1}
    assert torch.get_num_threads() == threads


def test_an_error_in_a_strip_comes_out_and_leaves_the_runner_usable(threads: int) -> None:
    runner = StripRunner(101, 4, list)
    with pytest.raises(ZeroDivisionError):
        runner.strips(lambda rows, _: 1 / rows.start)
    assert len(runner.strips(lambda rows, _: rows)) == 26
