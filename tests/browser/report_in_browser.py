"""What only a browser can tell of the report. Run by tests/browser/run.sh, not by `make test`."""

import csv
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from chromium import Opener, assert_texts_stand_out, opener, unnamed_parts, wait
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select
from synthetic_results import AWKWARD_IDS, report_config, write_dataset, write_run, write_table, write_wide_table

from dynseg.report.build import build_report
from dynseg.scoring.scores import read_scores

METHODS = {"fixed-5": 0.2, "fsf-15": 0.9, "scf-50": 0.6}
HIERARCHICAL = "scf-50"
PLAIN_IDS = [f"image{number:02d}" for number in range(30)]


@pytest.fixture(scope="session")
def report(tmp_path_factory) -> Path:
    results = tmp_path_factory.mktemp("results")
    write_dataset(results / "datasets" / "mosaic", [*AWKWARD_IDS, *PLAIN_IDS])
    write_dataset(results / "datasets" / "photographs", ["tall", "taller"], (80, 50), annotators=0)
    for method, quality in METHODS.items():
        iterations = 0 if method == "scf-50" else 60
        write_run(results, "mosaic", method, quality, iterations=iterations, hierarchical=method == HIERARCHICAL)
        write_run(results, "photographs", method, quality, iterations=0)
    write_table(
        results, {("mosaic", name): read_scores(results / f"scores/mosaic/{name}/seed0.csv") for name in METHODS}
    )
    path = tmp_path_factory.mktemp("report") / "report.html"
    config = report_config({"mosaic": "Mosaics <b>", "photographs": "photographs"}, {name: name for name in METHODS})
    build_report(results, config, path)
    return path


@pytest.fixture
def opened(browser: WebDriver, report: Path) -> Iterator[Opener]:
    with opener(browser, report) as open_report:
        yield open_report


def choose(browser: WebDriver, control: str, text: str) -> None:
    Select(browser.find_element(By.ID, control)).select_by_visible_text(text)


def card_texts(browser: WebDriver, part: str) -> list[str]:
    script = "return [...document.querySelectorAll('#cards .name')].map((name) => name[arguments[0]].textContent)"
    return browser.execute_script(script, part)


def titles(browser: WebDriver) -> list[str]:
    return card_texts(browser, "firstChild")


def numbers(browser: WebDriver) -> list[str]:
    return card_texts(browser, "lastChild")


def open_first_image(browser: WebDriver) -> None:
    browser.execute_script("document.querySelector('#cards a').click()")
    wait(browser, lambda: browser.find_element(By.ID, "viewer").get_attribute("open"))


def viewer_title(browser: WebDriver) -> str:
    return browser.execute_script("return document.querySelector('#viewer-title').firstChild.textContent")


def press(browser: WebDriver, key: str) -> None:
    browser.switch_to.active_element.send_keys(key)


def test_the_gallery_lists_every_image_and_decodes_those_in_view(opened: Opener) -> None:
    browser = opened("#gallery", width=390)
    assert titles(browser) == ['a <b> & "c"', "снимок", "漢字_ñ", *PLAIN_IDS, "tall", "taller"]
    assert browser.find_element(By.ID, "count").text == "35 images"
    loaded = "return [...document.querySelectorAll('#cards img')].filter(e => e.naturalWidth > 0).length"
    wait(browser, lambda: browser.execute_script(loaded) >= 4)
    filled = browser.execute_script("return document.querySelectorAll('#cards li:has(img)').length")
    assert filled < 35


def test_sorting_by_score_and_by_difference(opened: Opener) -> None:
    browser = opened()
    choose(browser, "method", "fsf-15")
    choose(browser, "sort", "score, lowest first")
    scores = [float(number) for number in numbers(browser) if number != "no score"]
    assert scores == sorted(scores)
    assert numbers(browser)[-2:] == ["no score", "no score"]
    choose(browser, "sort", "score, highest first")
    assert [float(number) for number in numbers(browser)[:-2]] == sorted(scores, reverse=True)

    assert not Select(browser.find_element(By.ID, "sort")).options[3].is_enabled()
    choose(browser, "other", "fixed-5")
    choose(browser, "sort", "difference, largest loss first")
    differences = [float(number.split("(")[1][:-1].replace("−", "-")) for number in numbers(browser)[:-2]]
    assert differences == sorted(differences)
    wait(browser, lambda: len(browser.find_elements(By.CSS_SELECTOR, "#cards li:first-child img")) == 3)


def test_filtering_by_dataset(opened: Opener) -> None:
    browser = opened()
    choose(browser, "dataset", "photographs")
    assert titles(browser) == ["tall", "taller"]
    assert browser.find_element(By.ID, "count").text == "2 images"
    choose(browser, "dataset", "Mosaics <b>")
    assert len(titles(browser)) == 33


def test_the_slider_blends_map_and_photograph(opened: Opener) -> None:
    browser = opened()
    open_first_image(browser)
    overlay = browser.find_element(By.ID, "overlay")
    assert float(overlay.value_of_css_property("opacity")) == pytest.approx(0.65)
    slider = browser.find_element(By.ID, "opacity")
    title = viewer_title(browser)
    slider.send_keys(Keys.HOME)
    assert float(overlay.value_of_css_property("opacity")) == 0
    slider.send_keys(Keys.ARROW_RIGHT)
    assert float(overlay.value_of_css_property("opacity")) == pytest.approx(0.01)
    assert viewer_title(browser) == title
    boxes = [browser.find_element(By.ID, name).rect for name in ("photograph", "overlay")]
    assert boxes[0] == boxes[1]


def test_keyboard_walks_through_the_images_and_closes(opened: Opener) -> None:
    browser = opened()
    open_first_image(browser)
    assert viewer_title(browser) == 'a <b> & "c"'
    press(browser, Keys.ARROW_RIGHT)
    assert viewer_title(browser) == "снимок"
    assert browser.execute_script("return location.hash").startswith("#/mosaic/")
    press(browser, Keys.ARROW_LEFT)
    press(browser, Keys.ARROW_LEFT)
    assert viewer_title(browser) == "taller"
    press(browser, Keys.ESCAPE)
    wait(browser, lambda: not browser.find_element(By.ID, "viewer").get_attribute("open"))
    assert browser.execute_script("return document.activeElement.closest('li').textContent").startswith("taller")


def test_the_browsers_back_button_closes_the_viewer(opened: Opener) -> None:
    browser = opened("#gallery")
    open_first_image(browser)
    browser.back()
    wait(browser, lambda: not browser.find_element(By.ID, "viewer").get_attribute("open"))
    assert browser.execute_script("return location.hash") == "#gallery"


@pytest.mark.parametrize("image_id", AWKWARD_IDS)
def test_a_link_opens_its_image_and_method(opened: Opener, image_id: str) -> None:
    browser = opened(f"#/mosaic/{quote(image_id, safe='')}/fsf-15")
    wait(browser, lambda: browser.find_element(By.ID, "viewer").get_attribute("open"))
    assert browser.execute_script("return current.id") == image_id
    assert browser.find_element(By.ID, "shown").text == "Shown: fsf-15"


def test_choosing_a_method_shows_its_map_scores_and_training(opened: Opener) -> None:
    browser = opened()
    open_first_image(browser)
    source = browser.find_element(By.ID, "overlay").get_attribute("src")
    buttons = browser.find_elements(By.CSS_SELECTOR, "#label-maps button")
    assert [button.get_attribute("aria-pressed") for button in buttons] == ["true", "false", "false"]
    before = browser.find_element(By.ID, "annotations").text
    assert before.count("segments, 0.") == 3
    assert len(browser.find_elements(By.CSS_SELECTOR, "#history svg[role=img]")) == 4
    buttons[2].click()
    assert browser.find_element(By.ID, "overlay").get_attribute("src") != source
    assert browser.find_element(By.ID, "annotations").text != before
    assert browser.find_elements(By.CSS_SELECTOR, "#history svg") == []
    assert browser.execute_script("return location.hash").endswith("/scf-50")
    browser.find_elements(By.CSS_SELECTOR, "#annotations button")[1].click()
    assert browser.find_element(By.ID, "shown").text == "Shown: Annotator 2"


def regions_label(browser: WebDriver) -> str | None:
    """Return what a screen reader reads of the slider's picture; None where no slider is shown."""
    column = browser.find_element(By.ID, "regions-column")
    pictures = column.find_elements(By.CSS_SELECTOR, "canvas[role=img]")
    return pictures[0].get_attribute("aria-label") if column.is_displayed() and pictures else None


def test_a_row_with_hierarchies_has_a_slider(opened: Opener) -> None:
    browser = opened(f"#/mosaic/image00/{HIERARCHICAL}")
    wait(browser, lambda: regions_label(browser))
    assert browser.find_element(By.ID, "regions-title").text == f"Hierarchy of {HIERARCHICAL}: from one region to all"
    slider = browser.find_element(By.CSS_SELECTOR, "#regions input[aria-label='Number of regions']")
    slider.send_keys(Keys.HOME)
    assert regions_label(browser) == "image00 in 1 region"
    slider.send_keys(Keys.ARROW_RIGHT)
    assert regions_label(browser) == "image00 in 2 regions"
    # The arrow moved the slider, not the gallery; another map of the image leaves the slider where it is.
    assert viewer_title(browser) == "image00"
    browser.find_elements(By.CSS_SELECTOR, "#annotations button")[1].click()
    assert regions_label(browser) == "image00 in 2 regions"

    browser.find_element(By.ID, "next").click()
    wait(browser, lambda: (regions_label(browser) or "").startswith("image01 in "))
    browser.find_elements(By.CSS_SELECTOR, "#label-maps button")[0].click()
    assert regions_label(browser) is None
    press(browser, Keys.ESCAPE)


def test_the_sliders_picture_fits_a_narrow_screen(opened: Opener) -> None:
    browser = opened(f"#/mosaic/image00/{HIERARCHICAL}", width=390, height=800)
    wait(browser, lambda: regions_label(browser))
    assert (
        browser.execute_script("const e = document.getElementById('viewer'); return e.scrollWidth - e.clientWidth") == 0
    )
    stage = browser.find_element(By.CSS_SELECTOR, "#regions .hierarchy-stage")
    assert 200 < stage.rect["width"] <= 390
    assert unnamed_parts(browser, "button", "slider", "image", "radio", "spinbutton") == []


@pytest.mark.parametrize("dark", [False, True])
def test_texts_stand_out_in_light_and_dark(opened: Opener, dark: bool) -> None:
    browser = opened(dark=dark)
    open_first_image(browser)
    selectors = ("h1", ".note", "nav a", "#count", "td small", ".strip .score", "#viewer-title small")
    assert_texts_stand_out(browser, dark, selectors)


@pytest.mark.parametrize("width", [320, 390, 768, 1280, 1920])
def test_the_page_never_scrolls_sideways(opened: Opener, width: int) -> None:
    browser = opened("#gallery", width=width, height=800)
    wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#cards img"))
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    open_first_image(browser)
    assert (
        browser.execute_script("const e = document.getElementById('viewer'); return e.scrollWidth - e.clientWidth") == 0
    )


def test_controls_and_pictures_have_names(opened: Opener) -> None:
    browser = opened()
    open_first_image(browser)
    assert unnamed_parts(browser, "button", "link", "combobox", "slider", "dialog", "image") == []


# Twenty rows on four datasets, the fourth with too few images for intervals.
WIDE_DATASETS = {"bsd500": 200, "cityscapes": 500, "one_voc": 1449, "few": 4}
WIDE_METHODS = ["fixed-5", "fsf-15", *(f"a row with a long name, k = {number}" for number in range(17)), "last"]


@pytest.fixture(scope="session")
def wide_report(tmp_path_factory) -> Path:
    results = tmp_path_factory.mktemp("wide")
    for dataset in WIDE_DATASETS:
        write_dataset(results / "datasets" / dataset, ["only"], annotators=1)
    ids = {f"m{number}": label for number, label in enumerate(WIDE_METHODS)}
    write_wide_table(results, WIDE_DATASETS, list(ids))
    path = results / "report.html"
    build_report(results, report_config({name: name.upper() for name in WIDE_DATASETS}, ids), path)
    return path


@pytest.fixture
def opened_wide(browser: WebDriver, wide_report: Path) -> Iterator[Opener]:
    with opener(browser, wide_report) as open_report:
        yield open_report


def heading(browser: WebDriver, number: int) -> WebElement:
    """The button of a column of the first table; 0 is the method's."""
    return browser.find_elements(By.CSS_SELECTOR, ".scores thead tr:last-child button")[number]


def column(browser: WebDriver, number: int) -> list[str]:
    """The texts of a column of the first table, the score alone of what has more in its cell."""
    script = """return [...document.querySelector('.scores').tBodies[0].rows].map(
        (row) => [...row.cells[arguments[0]].childNodes].map((node) => node.textContent).join(' ').trim())"""
    texts = browser.execute_script(script, number)
    return texts if number == 0 else [text.split()[0] for text in texts]


def sort_of(browser: WebDriver, number: int) -> str | None:
    return heading(browser, number).find_element(By.XPATH, "..").get_attribute("aria-sort")


def test_a_heading_sorts_its_column_the_best_first_then_the_worst_then_not(opened_wide: Opener) -> None:
    browser = opened_wide()
    assert column(browser, 0) == WIDE_METHODS
    # Columns 1 to 8 are of the first dataset: All, Fine, Coarse, Mean, covering, PRI, VoI, F.
    heading(browser, 4).click()
    assert sort_of(browser, 4) == "descending"
    scores = column(browser, 4)
    assert scores == sorted(scores, reverse=True)
    heading(browser, 4).send_keys(Keys.ENTER)
    assert sort_of(browser, 4) == "ascending"
    assert column(browser, 4) == sorted(scores)
    heading(browser, 4).send_keys(Keys.SPACE)
    assert sort_of(browser, 4) is None
    assert column(browser, 0) == WIDE_METHODS

    # The variation of information is better the smaller it is.
    heading(browser, 7).click()
    assert sort_of(browser, 7) == "ascending"
    assert column(browser, 7) == sorted(column(browser, 7))
    heading(browser, 0).click()
    assert [sort_of(browser, number) for number in (0, 7)] == ["ascending", None]
    names = column(browser, 0)
    assert names[0] == "a row with a long name, k = 0"
    assert names.index("a row with a long name, k = 2") < names.index("a row with a long name, k = 10")


def test_what_has_no_score_comes_last_either_way(opened_wide: Opener) -> None:
    browser = opened_wide()
    number = browser.execute_script("return document.querySelector('.scores').tBodies[0].rows[0].cells.length") - 1
    for _ in range(2):
        browser.execute_script("arguments[0].click()", heading(browser, number))
        assert column(browser, 0)[-1] == "last"
        assert column(browser, number)[-1] == "–"


def saved(browser: WebDriver, folder: Path, words: str, name: str) -> str:
    """Press a button of the first table that saves a file; return its text."""
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
    browser.find_element(By.XPATH, f"//p[@class='table-tools'][1]/button[text()='{words}']").click()
    path = folder / name
    wait(browser, path.exists)
    return path.read_text(encoding="utf-8")


def test_a_table_is_saved_as_it_is_on_the_screen(opened_wide: Opener, tmp_path: Path) -> None:
    browser = opened_wide()
    heading(browser, 4).click()
    names, scores = column(browser, 0), column(browser, 4)
    header, *rows = csv.reader(saved(browser, tmp_path, "Save as CSV", "scores.csv").splitlines())
    assert header[0] == "Method"
    assert [row[0] for row in rows] == names
    assert [row[header.index("BSD500 Mean")] for row in rows] == scores
    assert "BSD500 Mean 95 % from" in header
    assert "FEW Mean 95 % from" not in header

    latex = saved(browser, tmp_path, "Save as LaTeX", "scores.tex")
    table, intervals = latex.split(r"\begin{tabular}")[1:]
    for part in (table, intervals):
        lines = part.split(r"\midrule")[1].strip().splitlines()
        assert [line.split(" & ")[0] for line in lines if " & " in line] == names
    assert rf"\textbf{{{scores[0]}" in table


@pytest.mark.parametrize("width", [320, 390, 1400, 1920])
def test_a_wide_table_scrolls_within_itself_and_says_so(opened_wide: Opener, width: int) -> None:
    browser = opened_wide(width=width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    frame = browser.find_element(By.CSS_SELECTOR, ".scroll.wide")
    more = browser.find_element(By.CSS_SELECTOR, ".table-tools .more")
    wait(browser, more.is_displayed)
    assert browser.execute_script("return arguments[0].scrollWidth > arguments[0].clientWidth", frame)
    assert browser.execute_script("return arguments[0].getBoundingClientRect().right", frame) <= width
    name = browser.find_element(By.CSS_SELECTOR, ".scores tbody th")
    place = name.rect["x"]
    # At least one whole column of scores stands beside the names.
    assert place + name.rect["width"] < width - 100
    browser.execute_script("arguments[0].scrollLeft = 1e6", frame)
    wait(browser, lambda: not more.is_displayed())
    assert name.rect["x"] == pytest.approx(place, abs=1)


def test_headings_stay_while_many_rows_are_scrolled(opened_wide: Opener) -> None:
    browser = opened_wide(width=1400, height=700)
    frame = browser.find_element(By.CSS_SELECTOR, ".scroll.wide")
    browser.execute_script("arguments[0].scrollIntoView(); arguments[0].scrollTop = 500", frame)
    assert browser.execute_script("return arguments[0].scrollTop", frame) == 500
    assert 0 <= heading(browser, 1).rect["y"] - frame.rect["y"] < 150


def test_a_small_table_fits_and_doesnt_speak_of_more(opened: Opener) -> None:
    browser = opened(width=1400)
    frame = browser.find_element(By.CSS_SELECTOR, ".scroll.wide")
    assert browser.execute_script("return arguments[0].scrollWidth - arguments[0].clientWidth", frame) == 0
    assert not browser.find_element(By.CSS_SELECTOR, ".table-tools .more").is_displayed()
