import base64
import io
import json
import zlib
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from synthetic_hierarchy import SyntheticHierarchy, synthetic_hierarchy

from dynseg.viewer.data import PREVIEW_SIDE, HierarchyData, hierarchy_data
from dynseg.viewer.page import fragment_script, fragment_style, hierarchy_page

HOSTILE = '</script><script>alert("x")</script><b onclick="x">&amp; 漢字 \u2028 \'"'
small_hierarchies = st.builds(
    synthetic_hierarchy,
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
)


class Page(HTMLParser):
    """The elements of a page, its texts, and the data in its scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.images: list[HierarchyData] = []
        self.index: list[dict[str, str]] = []
        self.code: list[str] = []
        self._script: dict[str, str | None] | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._script = dict(attrs) if tag == "script" else None

    def handle_endtag(self, tag: str) -> None:
        self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is None:
            self.texts.append(data)
        elif self._script.get("class") == "image":
            self.images.append(json.loads(data))
        elif self._script.get("id") == "index":
            self.index = json.loads(data)
        else:
            self.code.append(data)


def unpacked(text: str, dtype: str) -> NDArray:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=dtype)


def preview_leaves(data: HierarchyData) -> NDArray[np.int64]:
    width, height = data["size"]
    return np.cumsum(unpacked(data["leaves"], "<i4").reshape(height, width), axis=0)


def as_read_back(data: HierarchyData, image: NDArray[np.uint8]) -> SyntheticHierarchy:
    parents = unpacked(data["parents"], "<i4")
    altitudes = np.concatenate([np.zeros((len(parents) + 1) // 2), unpacked(data["altitudes"], "<f4")])
    return SyntheticHierarchy(image, preview_leaves(data), parents, altitudes)


@settings(max_examples=50)
@given(small_hierarchies, st.data())
def test_the_page_holds_every_cut_of_the_hierarchy(hierarchy: SyntheticHierarchy, draw: st.DataObject) -> None:
    (data,) = Page(hierarchy_page([hierarchy_data(*hierarchy.arrays, "a photograph")])).images
    shown = as_read_back(data, hierarchy.image)
    regions = draw.draw(st.integers(1, int(hierarchy.leaves.max()) + 1))
    labels = shown.labels(regions)
    np.testing.assert_array_equal(labels, hierarchy.labels(regions))
    assert len(np.unique(labels)) == regions
    np.testing.assert_allclose(shown.altitudes, hierarchy.altitudes, rtol=1e-6)


@given(small_hierarchies)
def test_areas_and_colours_are_those_of_the_leaves(hierarchy: SyntheticHierarchy) -> None:
    data = hierarchy_data(*hierarchy.arrays, "a photograph")
    count = int(hierarchy.leaves.max()) + 1
    np.testing.assert_array_equal(unpacked(data["areas"], "<i4"), np.bincount(hierarchy.leaves.ravel()))
    colours = unpacked(data["colours"], "u1").reshape(count, 3)[hierarchy.leaves]
    assert np.abs(colours - hierarchy.mean_colours(count)).max() <= 0.5


def test_a_large_image_becomes_a_preview_and_keeps_its_areas() -> None:
    hierarchy = synthetic_hierarchy(1, (30, 20), (50, 70))
    data = hierarchy_data(*hierarchy.arrays, "large")
    assert data["size"] == (933, PREVIEW_SIDE)
    assert data["full_size"] == (1400, 1500)
    with Image.open(io.BytesIO(base64.b64decode(data["picture"]))) as picture:
        assert (picture.format, picture.size) == ("WEBP", data["size"])
    assert unpacked(data["areas"], "<i4").tolist() == [50 * 70] * 600
    leaves = preview_leaves(data)
    assert len(np.unique(leaves)) == 600
    for height, width in ((0, 0), (999, 0), (0, 932), (999, 932), (400, 500)):
        at = hierarchy.leaves[int((height + 0.5) * 1.5), int((width + 0.5) * 1400 / 933)]
        assert leaves[height, width] == at


def test_the_preview_can_be_smaller() -> None:
    hierarchy = synthetic_hierarchy(1, (30, 40), (10, 10))
    data = hierarchy_data(*hierarchy.arrays, "small", longest_side=100)
    assert data["size"] == (100, 75)
    assert unpacked(data["areas"], "<i4").tolist() == [100] * 1200
    larger = hierarchy_data(*hierarchy.arrays, "small")
    assert larger["size"] == larger["full_size"] == (400, 300)
    assert len(json.dumps(data)) < 0.6 * len(json.dumps(larger))


def test_a_page_stays_small() -> None:
    """Noise compresses worst: what is left must still be a page that can be sent."""
    hierarchy = synthetic_hierarchy(1, (50, 40), (20, 30))
    data = hierarchy_data(*hierarchy.arrays, "noise")
    assert len(data["leaves"]) < 20_000
    assert sum(len(data[key]) for key in ("parents", "altitudes", "areas", "colours")) < 45_000  # type: ignore[literal-required]
    overhead = len(hierarchy_page([data])) - len(json.dumps(data))
    assert overhead < 40_000


def test_titles_come_out_as_they_are_and_never_as_markup() -> None:
    hierarchy = synthetic_hierarchy(2, (2, 3), (4, 4))
    entry = hierarchy_data(*hierarchy.arrays, HOSTILE)
    plain = hierarchy_data(*hierarchy.arrays, "plain")
    for html in (hierarchy_page([entry]), hierarchy_page([entry, plain], title=HOSTILE)):
        page = Page(html)
        assert page.images[0]["title"] == page.index[0]["title"] == HOSTILE
        assert page.texts.count(HOSTILE) == 2  # title and heading
        assert not any(tag == "b" or "onclick" in attributes for tag, attributes in page.elements)
        assert not any("alert" in code for code in page.code)


def test_nothing_is_fetched_from_anywhere() -> None:
    hierarchy = synthetic_hierarchy(3, (2, 3), (4, 4))
    page = Page(hierarchy_page([hierarchy_data(*hierarchy.arrays, name) for name in "abc"]))
    for tag, attributes in page.elements:
        for name in ("src", "href", "srcset", "action", "poster", "data"):
            value = attributes.get(name)
            assert value is None or value.startswith("data:"), (tag, value)
    policy = next(attributes for tag, attributes in page.elements if attributes.get("http-equiv"))
    assert "default-src 'none'" in str(policy["content"])
    assert not any("http" in code for code in page.code)
    assert "url(" not in fragment_style()


def test_several_images_are_listed_in_their_order() -> None:
    hierarchy = synthetic_hierarchy(4, (2, 3), (100, 90))
    entries = [hierarchy_data(*hierarchy.arrays, name, suggested) for name, suggested in (("b", 2), ("a", None))]
    page = Page(hierarchy_page(entries))
    assert [image["title"] for image in page.images] == [entry["title"] for entry in page.index] == ["b", "a"]
    assert [image["suggested"] for image in page.images] == [2, None]
    for entry in page.index:
        with Image.open(io.BytesIO(base64.b64decode(entry["thumbnail"]))) as thumbnail:
            assert thumbnail.size == (112, 83)


def test_the_same_hierarchy_gives_the_same_page() -> None:
    hierarchy = synthetic_hierarchy(5, (3, 3), (5, 5))
    first, second = (hierarchy_page([hierarchy_data(*hierarchy.arrays, "a")]) for _ in range(2))
    assert first == second


def test_the_fragment_defines_one_name() -> None:
    lines = fragment_script().splitlines()
    assert [line.split("=")[0] for line in lines if line.startswith(("const", "let", "var", "function"))] == [
        "const dynsegHierarchy "
    ]


def test_a_page_needs_an_image() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        hierarchy_page([])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": np.zeros((12, 13, 3), np.uint8)}, "an image"),
        ({"image": np.zeros((12, 12, 3), np.float32)}, "an image"),
        ({"leaves": np.full((12, 12), 9, np.int32)}, "leaves"),
        ({"parents": np.arange(16)}, "leaves"),
        ({"altitudes": np.zeros(16)}, "leaves"),
        ({"parents": np.arange(17)}, "parents"),
        ({"parents": np.full(17, 3)}, "parents"),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(change: dict[str, NDArray], message: str) -> None:
    hierarchy = replace(synthetic_hierarchy(6, (3, 3), (4, 4)), **change)
    with pytest.raises(ValueError, match=message):
        hierarchy_data(*hierarchy.arrays, "a")


@pytest.mark.parametrize("suggested", [0, 10])
def test_a_suggestion_that_there_are_not_leaves_for_is_refused(suggested: int) -> None:
    with pytest.raises(ValueError, match="between 1 and 9"):
        hierarchy_data(*synthetic_hierarchy(6, (3, 3), (4, 4)).arrays, "a", suggested)
