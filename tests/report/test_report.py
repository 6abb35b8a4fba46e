import base64
import csv
import io
import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from random_hierarchies import hierarchy_over
from synthetic_results import AWKWARD_IDS, report_config, write_dataset, write_run, write_table

from dynseg.cli.report import command
from dynseg.errors import UserError
from dynseg.io.ground_truth import read_segments
from dynseg.io.label_maps import read_labels, write_label_maps
from dynseg.metrics import connected_components
from dynseg.report import gallery
from dynseg.report.build import build_report
from dynseg.result import Segmentation
from dynseg.scoring.pooling import pool
from dynseg.scoring.scores import read_scores

METHODS = ("fsf-15", "scf-50")
DATASETS = ("mosaic", "photographs")
CONFIG = report_config({name: name for name in DATASETS}, {name: name for name in METHODS})
HOSTILE = '</script><b onclick="x">&amp; 漢字'


class Page(HTMLParser):
    """The elements of a page, with the text of each script."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[str | None, str]] = []
        self.text: list[str] = []
        self._script: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._script = (dict(attrs).get("id") or dict(attrs).get("class") or "code") if tag == "script" else None

    def handle_data(self, data: str) -> None:
        if self._script:
            self.scripts.append((self._script, data))
        else:
            self.text.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._script = None

    def data(self, name: str) -> list:
        return [json.loads(text) for kind, text in self.scripts if kind == name]


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    write_dataset(folder / "datasets" / "mosaic", [*AWKWARD_IDS, "plain"])
    write_dataset(folder / "datasets" / "photographs", ["only"], annotators=0)
    for number, method in enumerate(METHODS):
        iterations = 200 if number == 0 else 0
        write_run(folder, "mosaic", method, 0.9 - 0.4 * number, iterations=iterations, hierarchical=number == 1)
        write_run(folder, "photographs", method, 0.9, iterations=0)
    scores = {("mosaic", method): read_scores(folder / f"scores/mosaic/{method}/seed0.csv") for method in METHODS}
    write_table(folder, scores)
    figure = folder / "figures" / "panels" / "four <images>.png"
    figure.parent.mkdir(parents=True)
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(figure)
    benchmark = folder / "benchmarks" / "segment" / "mosaic" / "a.tsv"
    benchmark.parent.mkdir(parents=True)
    benchmark.write_text("s\th:m:s\tmax_rss\n12.5\t0:00:12\t100\n")
    return folder


def page_of(results: Path, tmp_path: Path, config: dict | None = None) -> Page:
    build_report(results, CONFIG if config is None else config, tmp_path / "report.html")
    return Page((tmp_path / "report.html").read_text(encoding="utf-8"))


def test_nothing_is_fetched_from_anywhere(results: Path, tmp_path: Path) -> None:
    page = page_of(results, tmp_path)
    for tag, attributes in page.elements:
        for name in ("src", "href", "srcset", "action", "poster", "data"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, value)
    policy = next(attributes for tag, attributes in page.elements if attributes.get("http-equiv"))
    assert "default-src 'none'" in str(policy["content"])
    assert not any(
        "http" in text.replace("http://www.w3.org/2000/svg", "") for kind, text in page.scripts if kind == "code"
    )


def test_ids_and_labels_come_out_as_they_are_and_never_as_markup(results: Path, tmp_path: Path) -> None:
    config = report_config({"mosaic": HOSTILE, "photographs": "photographs"}, {"scf-50": HOSTILE, "fsf-15": "fsf-15"})
    page = page_of(results, tmp_path, config)
    (index,) = page.data("index")
    assert [image["id"] for image in index["images"]] == [*AWKWARD_IDS, "plain", "only"]
    assert index["images"][0]["title"] == 'a <b> & "c"'
    assert [method["label"] for method in index["methods"]] == [HOSTILE, "fsf-15"]
    assert HOSTILE in page.text
    assert not any(tag == "b" or "onclick" in attributes for tag, attributes in page.elements)
    assert any(HOSTILE in text for text in page.text if "label:" in text)


def test_the_index_has_the_scores_of_the_score_tables(results: Path, tmp_path: Path) -> None:
    (index,) = page_of(results, tmp_path).data("index")
    scores = read_scores(results / "scores/mosaic/scf-50/seed0.csv")
    rows = scores[scores["image"] == AWKWARD_IDS[1]]
    image = next(image for image in index["images"] if image["id"] == AWKWARD_IDS[1])
    entry = image["scores"][1]
    assert entry["score"] == pytest.approx(rows["best_iou_sum"].sum() / rows["segments"].sum(), abs=1e-4)
    assert entry["annotators"] == pytest.approx((rows["best_iou_sum"] / rows["segments"]).tolist(), abs=1e-4)
    assert entry["predicted"] == rows["predicted_segments"].max()
    assert image["segments"] == rows["segments"].tolist()
    assert index["images"][-1]["scores"] == [None, None]


def test_each_image_has_its_pictures_and_its_history(results: Path, tmp_path: Path) -> None:
    pictures = page_of(results, tmp_path).data("pictures")
    assert len(pictures) == 5
    first = pictures[0]
    assert len(first["annotations"]) == 3
    assert pictures[-1]["annotations"] == []
    photograph = Image.open(io.BytesIO(base64.b64decode(first["photograph"])))
    assert (photograph.format, list(photograph.size)) == ("WEBP", first["size"])
    for data in [*first["annotations"], *first["label_maps"]]:
        picture = Image.open(io.BytesIO(base64.b64decode(data)))
        assert (picture.format, picture.mode, list(picture.size)) == ("PNG", "P", first["size"])
    history, nothing = first["histories"]
    assert nothing is None
    assert history["iteration"][0] == 0
    assert history["iteration"][-1] == 199
    assert len(history["iteration"]) == len(history["continuity_loss"]) <= 80


def test_a_map_that_equals_the_ground_truth_has_its_colours(tmp_path: Path) -> None:
    results = tmp_path / "results"
    write_dataset(results / "datasets" / "mosaic", ["a"], annotators=1)
    (truth,) = read_segments(results / "datasets" / "mosaic" / "ground_truth.h5", "a")
    renumbered = Segmentation(40 - truth.astype(int))
    write_label_maps(results / "label_maps/mosaic/perfect/seed3/a.h5", [("a", renumbered)], {})
    config = report_config({"mosaic": "mosaic"}, {"perfect": "perfect"}, seed=3)
    (pictures,) = page_of(results, tmp_path, config).data("pictures")
    assert pictures["annotations"] == pictures["label_maps"]
    with Image.open(io.BytesIO(base64.b64decode(pictures["annotations"][0]))) as picture:
        assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) == 5


def test_the_table_shows_intervals_published_scores_and_the_best(results: Path, tmp_path: Path) -> None:
    page = page_of(results, tmp_path)
    text = " ".join(page.text)
    assert "published 0.300" in text
    assert [data for data in page.text if data.strip() in ("All", "Fine", "Coarse", "Mean")][:4]
    tags = [tag for tag, _ in page.elements]
    assert tags.count("strong") == 8
    assert tags.count("caption") == 2
    assert text.index("fsf-15") < text.index("scf-50")


def test_measures_stand_under_their_dataset_and_raw_ones_in_a_second_table(results: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(results / "datasets", bare / "datasets")
    (bare / "tables").mkdir()
    names = ["mosaic_all", "mosaic_mean", "mosaic_voi", "photographs", "mosaic_all_raw"]
    lines = [f"{name.split('_')[0]},fsf-15,{name},0.3,200" for name in names]
    (bare / "tables/table1.csv").write_text("\n".join(["dataset,method,measure,score,images", *lines]) + "\n")
    page = page_of(bare, tmp_path)
    spans = [attributes.get("colspan") for tag, attributes in page.elements if tag == "th" and "colspan" in attributes]
    assert spans == ["3", "1", "1"]
    headings = [text for text in page.text if text in ("All", "Mean", "VoI (bits)", "mIOU")]
    assert headings == ["All", "Mean", "VoI (bits)", "mIOU", "All"]
    assert "200 images" in page.text


def test_scores_over_scales_have_a_table_of_their_own(results: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(results / "datasets", bare / "datasets")
    (bare / "tables").mkdir()
    names = {"mosaic_mean": METHODS, "mosaic_mean_ods": METHODS[:1], "mosaic_boundary_ap": METHODS[:1]}
    lines = [f"mosaic,{method},{name},0.3,200" for name, methods in names.items() for method in methods]
    (bare / "tables/table1.csv").write_text("\n".join(["dataset,method,measure,score,images", *lines]) + "\n")
    page = page_of(bare, tmp_path)
    headings = [text for text in page.text if text in ("Mean", "Mean ODS", "F AP")]
    assert headings == ["Mean", "Mean ODS", "F AP"]
    scopes = [attributes.get("scope") for tag, attributes in page.elements if tag == "th"]
    assert scopes.count("row") >= 3
    assert "Over scales: ODS, OIS, Best" in page.text
    assert any("ODS is the one scale" in text for text in page.text)


def test_figures_times_versions_and_configuration_are_shown(results: Path, tmp_path: Path) -> None:
    page = page_of(results, tmp_path, {**CONFIG, "note": "a < b"})
    (figure,) = [attributes for tag, attributes in page.elements if tag == "img" and attributes.get("alt")]
    assert figure["alt"] == "Images, ground truth and label maps: four <images>"
    text = "\n".join(page.text)
    assert "12.5 s" in text
    assert "note: a < b" in text
    assert "weight 15" in text
    assert "0.1.0" in text


def test_a_figure_that_the_configuration_no_longer_names_is_left_out(results: Path, tmp_path: Path) -> None:
    for panels, shown in (({"four <images>": {}}, 1), ({"another": {}}, 0)):
        page = page_of(results, tmp_path, {**CONFIG, "panels": panels})
        assert sum(tag == "figure" for tag, _ in page.elements) == shown


def test_the_same_results_give_the_same_bytes(results: Path, tmp_path: Path) -> None:
    for name in ("a.html", "b.html"):
        build_report(results, CONFIG, tmp_path / name)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_pictures_shrink_where_there_are_too_many(results: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(gallery, "GALLERY_BUDGET", 10)
    monkeypatch.setattr(gallery, "SHORTEST_LONGEST_SIDE", 36)
    pictures = page_of(results, tmp_path).data("pictures")
    assert {tuple(picture["size"]) for picture in pictures} == {(36, 24)}


def hierarchies(page: Page) -> dict[tuple[int, int], dict]:
    """Return the hierarchies of a page by the number of the image and of the method."""
    places = [
        (int(attributes["data-image"] or 0), int(attributes["data-method"] or 0))
        for tag, attributes in page.elements
        if tag == "script" and attributes.get("class") == "regions"
    ]
    return dict(zip(places, page.data("regions"), strict=True))


def test_rows_with_hierarchies_have_a_slider_for_each_image(results: Path, tmp_path: Path) -> None:
    page = page_of(results, tmp_path)
    found = hierarchies(page)
    assert list(found) == [(image, 1) for image in range(4)]
    (index,) = page.data("index")
    assert [found[image, 1]["title"] for image in range(4)] == [entry["title"] for entry in index["images"][:4]]
    label_map = results / "label_maps/mosaic/scf-50/seed0" / f"{AWKWARD_IDS[1]}.h5"
    regions = int(connected_components(read_labels(label_map, AWKWARD_IDS[1])).max())
    assert (found[1, 1]["full_size"], found[1, 1]["suggested"]) == ([72, 48], regions)


def test_sliders_are_left_out_where_there_is_no_room_for_them(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = page_of(results, tmp_path)
    pictures = sum(len(text) for kind, text in whole.scripts if kind == "pictures")
    sliders = sum(len(text) for kind, text in whole.scripts if kind == "regions")
    monkeypatch.setattr(gallery, "GALLERY_BUDGET", pictures + sliders)
    assert len(hierarchies(page_of(results, tmp_path))) == 4
    monkeypatch.setattr(gallery, "GALLERY_BUDGET", pictures)
    page = page_of(results, tmp_path)
    assert hierarchies(page) == {}
    assert page.data("pictures") == whole.data("pictures")


def test_a_hierarchy_of_another_size_than_its_image_is_left_out(results: Path, tmp_path: Path) -> None:
    copied = tmp_path / "results"
    shutil.copytree(results, copied)
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, (48, 72))
    other = hierarchy_over(random, random.integers(0, 2, (4, 6)))
    write_label_maps(
        copied / "label_maps/mosaic/scf-50/seed0/plain.h5", [("plain", Segmentation(labels, hierarchy=other))], {}
    )
    assert list(hierarchies(page_of(copied, tmp_path))) == [(0, 1), (1, 1), (2, 1)]


def test_without_table_figures_scores_and_maps_there_is_still_a_gallery(results: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(results / "datasets", bare / "datasets")
    shutil.copytree(results / "label_maps" / "mosaic" / "fsf-15", bare / "label_maps" / "mosaic" / "fsf-15")
    page = page_of(bare, tmp_path)
    (index,) = page.data("index")
    assert [method["id"] for method in index["methods"]] == list(METHODS)
    assert [score for image in index["images"] for score in image["scores"] if score] == []
    label_maps = page.data("pictures")[0]["label_maps"]
    assert (label_maps[0] is None, label_maps[1]) == (False, None)
    assert page.data("pictures")[-1]["label_maps"] == [None, None]


@pytest.mark.parametrize("damage", ["table", "config", "key", "datasets", "label maps", "output"])
def test_what_is_wrong_is_named(results: Path, tmp_path: Path, damage: str) -> None:
    broken = tmp_path / "results"
    shutil.copytree(results, broken)
    # The default of --config.
    config = broken / "config.json"
    config.write_text({"config": "seeds: [0]", "key": '{"seeds": [0]}'}.get(damage, json.dumps(CONFIG)))
    output = tmp_path / "report.html"
    output.write_text("earlier")
    expected = {
        "table": broken / "tables/table1.csv",
        "config": config,
        "key": config,
        "datasets": broken,
        "label maps": broken / "label_maps/mosaic/scf-50/seed0/plain.h5",
        "output": tmp_path / "file",
    }[damage]
    if damage == "table":
        expected.write_text("a,b\n1,2\n")
    elif damage == "datasets":
        shutil.rmtree(broken / "datasets")
    elif damage == "label maps":
        expected.write_bytes(b"not HDF5")
    elif damage == "output":
        expected.write_text("a file where a folder should be")
        output = expected / "report.html"
    with pytest.raises(UserError) as caught:
        CliRunner().invoke(command, [f"--results={broken}", f"--output={output}"], catch_exceptions=False)
    assert str(expected) in str(caught.value)
    assert (tmp_path / "report.html").read_text() == "earlier"


def test_the_gallery_begins_with_a_method_that_does_something(results: Path, tmp_path: Path) -> None:
    config = report_config({"mosaic": "mosaic"}, {"scf-50": "scf-50", "fsf-15": "fsf-15"}, blank=["scf-50"])
    (index,) = page_of(results, tmp_path, config).data("index")
    assert index["methods"][index["first_method"]]["id"] == "fsf-15"


def test_a_table_of_scores_brings_what_it_is_sorted_and_saved_by(results: Path, tmp_path: Path) -> None:
    config = report_config({name: name for name in DATASETS}, {"fsf-15": HOSTILE, "scf-50": "scf-50"})
    first, raw = page_of(results, tmp_path, config).data("table-data")
    assert (first["name"], raw["name"]) == ("scores", "scores_raw")
    assert first["smaller_is_better"] == [False] * 4
    scores = [pool(read_scores(results / f"scores/mosaic/{method}/seed0.csv")) for method in METHODS]
    assert first["values"] == [[of_row[name] for name in ("all", "fine", "coarse", "mean")] for of_row in scores]
    (table,) = first["files"]["csv"]
    header, hostile = next(csv.reader([table["head"]])), next(csv.reader([table["rows"][0]]))
    assert header[:2] == ["Method", "mosaic All"]
    assert hostile[:2] == [HOSTILE, f"{scores[0]['all']:.3f}"]
    # Four images have no intervals.
    assert not any("95 %" in heading for heading in header)
    assert [len(part["rows"]) for part in first["files"]["tex"]] == [2]


def test_too_few_images_have_no_intervals(results: Path, tmp_path: Path) -> None:
    page = page_of(results, tmp_path)
    assert "4 images, too few for intervals" in page.text
    assert not any(attributes.get("class") == "interval" for _, attributes in page.elements)
