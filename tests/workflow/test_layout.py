"""Paths of a results tree: each spelt once, and no two the same."""

from pathlib import Path

from conftest import REPOSITORY

from dynseg.workflow.layout import ResultsTree, batch_file

TREE = ResultsTree("results")


def paths() -> list[Path]:
    run = ("{dataset}", "{method}", "{seed}")
    dataset = TREE.dataset("{dataset}")
    return [
        dataset.image_list,
        dataset.sizes,
        dataset.images,
        dataset.ground_truth,
        TREE.batch(*run, "{batch}"),
        TREE.short_run(*run, "{iteration}", "{batch}"),
        TREE.scores(*run),
        TREE.table("csv"),
        TREE.differences,
        TREE.tuned("{grid}", "csv"),
        TREE.tuned_scales("{grid}"),
        TREE.figure("panels", "{figure}", "png"),
        TREE.report,
        TREE.config,
        TREE.log("rule", "{dataset}"),
        TREE.benchmark("rule", "{dataset}"),
    ]


def test_no_two_things_have_one_path() -> None:
    assert len(set(paths())) == len(paths())
    assert all(path.is_relative_to("results") for path in paths())


def test_a_run_holds_its_batches() -> None:
    run = TREE.label_maps("d", "m", 3)
    assert TREE.batch("d", "m", 3, "batch@0of2") == batch_file(run, "batch@0of2")
    assert run == Path("results/label_maps/d/m/seed3")


def test_batches_with_dots_and_at_signs_keep_their_names() -> None:
    assert TREE.batch("d", "m", 0, "a.b@c").name == "a.b@c.h5"
    assert TREE.log("segment", "a.b").name == "a.b.log"


def test_no_rule_spells_a_path() -> None:
    for file in (REPOSITORY / "workflow").rglob("*.smk"):
        text = file.read_text(encoding="utf-8")
        for part in (
            "label_maps/",
            "datasets/{",
            "images.txt",
            "sizes.csv",
            ".h5",
            "table1.",
            "{RESULTS}",
            "{RESOURCES}",
        ):
            assert part not in text, f"{file.name} spells {part}"
