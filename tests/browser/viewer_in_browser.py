"""What only a browser can tell of the viewer. Run by tests/browser/run.sh, not by `make test`."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from chromium import Opener, assert_texts_stand_out, opener, unnamed_parts, wait
from numpy.typing import NDArray
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from synthetic_hierarchy import SyntheticHierarchy, synthetic_hierarchy

from dynseg.viewer.data import hierarchy_data
from dynseg.viewer.page import hierarchy_page

TITLE = 'a <b onclick="x">picture</b> &amp; 漢字'
SUGGESTED = 7
LEAVES = 180
BOUNDARY = (255, 0, 200, 255)


@pytest.fixture(scope="session")
def tiles() -> SyntheticHierarchy:
    return synthetic_hierarchy(1, (12, 15), (10, 8))


@pytest.fixture(scope="session")
def page(tiles: SyntheticHierarchy, tmp_path_factory) -> Path:
    images = [
        hierarchy_data(*tiles.arrays, TITLE, SUGGESTED),
        hierarchy_data(*synthetic_hierarchy(2, (40, 50), (9, 10)).arrays, "2000 leaves"),
        hierarchy_data(*synthetic_hierarchy(3, (60, 3), (20, 100)).arrays, "large and tall", longest_side=600),
        hierarchy_data(*synthetic_hierarchy(4, (1, 1), (20, 30)).arrays, "one leaf"),
    ]
    path = tmp_path_factory.mktemp("viewer") / "viewer.html"
    path.write_text(hierarchy_page(images), encoding="utf-8")
    return path


@pytest.fixture
def opened(browser: WebDriver, page: Path) -> Iterator[Opener]:
    with opener(browser, page) as open_page:

        def open_and_wait(**options: object) -> WebDriver:
            open_page(**options)
            wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, ".hierarchy-controls"))
            return browser

        yield open_and_wait


def drawn(browser: WebDriver) -> NDArray[np.uint8]:
    """Return what the regions' canvas holds, (H, W, 4)."""
    return canvas_values(browser, 0)


def canvas_values(browser: WebDriver, place: int) -> NDArray[np.uint8]:
    """Read a canvas by way of another one, which Chromium doesn't advise to read in another way."""
    script = """
        const canvas = document.querySelectorAll(".hierarchy-stage canvas")[arguments[0]];
        const { width, height } = canvas;
        const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
        copy.drawImage(canvas, 0, 0);
        return [width, height, [...copy.getImageData(0, 0, width, height).data]];
    """
    width, height, values = browser.execute_script(script, place)
    return np.array(values, dtype=np.uint8).reshape(height, width, 4)


def slider(browser: WebDriver) -> WebElement:
    return browser.find_element(By.CSS_SELECTOR, "[aria-label='Number of regions']")


def number(browser: WebDriver) -> WebElement:
    return browser.find_element(By.CSS_SELECTOR, "input[type=number]")


def regions(browser: WebDriver) -> int:
    """Return the K that the page names, in three places."""
    shown = int(number(browser).get_property("value"))
    words = "1 region" if shown == 1 else f"{shown} regions"
    assert slider(browser).get_attribute("aria-valuetext").split(",")[0] == words
    canvas = browser.find_element(By.CSS_SELECTOR, ".hierarchy-stage canvas")
    assert canvas.get_attribute("aria-label").endswith(f" in {words}")
    return shown


def move_slider(browser: WebDriver, position: float) -> None:
    script = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))"
    browser.execute_script(script, slider(browser), position)


def show(browser: WebDriver, view: str) -> None:
    browser.find_element(By.CSS_SELECTOR, f"input[value={view}]").click()


def open_image(browser: WebDriver, place: int) -> None:
    browser.find_elements(By.CSS_SELECTOR, "#thumbnails button")[place].click()
    wait(
        browser,
        lambda: image_title(browser) in browser.execute_script("return document.querySelector('canvas').ariaLabel"),
    )


def image_title(browser: WebDriver) -> str:
    return browser.execute_script("return document.querySelector('#image-title').firstChild.textContent")


def threshold(browser: WebDriver) -> str:
    return browser.find_element(By.CSS_SELECTOR, ".hierarchy-controls p").text


@pytest.mark.parametrize("position", [0, 130, 250, 400, 700, 990, 1000])
def test_as_many_regions_are_drawn_as_the_slider_says(opened: Opener, tiles: SyntheticHierarchy, position: int) -> None:
    browser = opened()
    show(browser, "colours")
    move_slider(browser, position)
    count = regions(browser)
    assert count == round(LEAVES ** (position / 1000))
    picture = drawn(browser)
    assert len(np.unique(picture.reshape(-1, 4), axis=0)) == count
    assert np.abs(picture[:, :, :3] - tiles.mean_colours(count)).max() <= 1.01
    assert (picture[:, :, 3] == 255).all()


def test_it_begins_with_the_suggestion_and_returns_to_it(opened: Opener) -> None:
    browser = opened()
    assert regions(browser) == SUGGESTED
    slider(browser).send_keys(Keys.END)
    assert regions(browser) == LEAVES
    browser.find_element(By.XPATH, "//button[text()='Suggested: 7']").click()
    assert regions(browser) == SUGGESTED
    open_image(browser, 1)
    assert regions(browser) == 20
    assert browser.find_elements(By.XPATH, "//button[starts-with(., 'Suggested') and not(@hidden)]") == []


def test_keys_of_the_slider_move_by_one_merge(opened: Opener) -> None:
    browser = opened()
    bar = slider(browser)
    for key, expected in (
        (Keys.ARROW_RIGHT, 8),
        (Keys.ARROW_UP, 9),
        (Keys.ARROW_LEFT, 8),
        (Keys.ARROW_DOWN, 7),
        (Keys.PAGE_UP, 9),
        (Keys.PAGE_DOWN, 7),
        (Keys.HOME, 1),
        (Keys.ARROW_LEFT, 1),
        (Keys.PAGE_UP, 2),
        (Keys.PAGE_DOWN, 1),
        (Keys.END, LEAVES),
        (Keys.ARROW_RIGHT, LEAVES),
        (Keys.ARROW_LEFT, LEAVES - 1),
    ):
        bar.send_keys(key)
        assert regions(browser) == expected, key
    assert image_title(browser) == TITLE


def test_a_number_can_be_typed(opened: Opener, tiles: SyntheticHierarchy) -> None:
    browser = opened()
    show(browser, "colours")
    field = number(browser)
    field.send_keys(Keys.CONTROL, "a", Keys.NULL, "42", Keys.TAB)
    assert regions(browser) == 42
    assert len(np.unique(drawn(browser).reshape(-1, 4), axis=0)) == 42
    for typed, taken in (("5000", LEAVES), ("0", 1), ("-3", 1)):
        field.send_keys(Keys.CONTROL, "a", Keys.NULL, typed, Keys.TAB)
        assert regions(browser) == taken


def test_the_threshold_is_where_the_cut_is_made(opened: Opener, tiles: SyntheticHierarchy) -> None:
    browser = opened()
    for count in (2, 7, 60, 179):
        field = number(browser)
        field.send_keys(Keys.CONTROL, "a", Keys.NULL, str(count))
        low, high = map(float, threshold(browser).removeprefix("Threshold ").split(" to "))
        between = (low + high) / 2
        assert LEAVES - (tiles.altitudes[LEAVES:] <= between).sum() == count
    slider(browser).send_keys(Keys.HOME)
    assert float(threshold(browser).removeprefix("Threshold from ")) == pytest.approx(tiles.altitudes[-1], rel=1e-3)
    slider(browser).send_keys(Keys.END)
    assert threshold(browser).startswith("Threshold 0 to ")


def test_views_show_colours_boundaries_or_both(opened: Opener, tiles: SyntheticHierarchy) -> None:
    browser = opened()
    labels = tiles.labels(SUGGESTED)
    lines = np.zeros(labels.shape, dtype=bool)
    lines[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    lines[:-1] |= labels[:-1] != labels[1:]

    both = drawn(browser)
    assert (both[lines] == BOUNDARY).all()
    assert (both[~lines][:, 3] == 255).all()
    show(browser, "boundaries")
    over = drawn(browser)
    assert (over[lines] == BOUNDARY).all()
    assert not over[~lines].any()
    assert not browser.find_element(By.CSS_SELECTOR, "[aria-label^=Opacity]").is_enabled()
    show(browser, "colours")
    assert not (drawn(browser) == BOUNDARY).all(axis=2).any()
    assert (drawn(browser)[~lines] == both[~lines]).all()


def test_opacity_fades_the_colours_and_not_the_lines(opened: Opener) -> None:
    browser = opened()
    bar = browser.find_element(By.CSS_SELECTOR, "[aria-label^=Opacity]")
    bar.send_keys(Keys.HOME)
    for _ in range(40):
        bar.send_keys(Keys.ARROW_RIGHT)
    alphas, counts = np.unique(drawn(browser)[:, :, 3], return_counts=True)
    assert alphas.tolist() == [102, 255]
    assert counts[1] == (drawn(browser) == BOUNDARY).all(axis=2).sum()
    assert image_title(browser) == TITLE


def test_the_region_under_the_pointer_is_marked_and_its_share_said(opened: Opener, tiles: SyntheticHierarchy) -> None:
    browser = opened()
    stage = browser.find_element(By.CSS_SELECTOR, ".hierarchy-stage")
    height, width = tiles.leaves.shape
    labels = tiles.labels(SUGGESTED)
    box = stage.rect
    for row, column in ((5, 5), (60, 60), (115, 110)):
        x = (column + 0.5) / width * box["width"] - box["width"] / 2
        y = (row + 0.5) / height * box["height"] - box["height"] / 2
        ActionChains(browser).move_to_element_with_offset(stage, round(x), round(y)).perform()
        inside = labels == labels[row, column]
        texts = browser.find_element(By.CSS_SELECTOR, ".hierarchy-controls").text
        said = float(texts.split("This region: ")[1].split(" %")[0])
        assert said == pytest.approx(100 * inside.mean(), rel=0.006)
        np.testing.assert_array_equal(canvas_values(browser, 1)[:, :, 3] > 0, inside)
    ActionChains(browser).move_to_element(browser.find_element(By.TAG_NAME, "h1")).perform()
    assert not canvas_values(browser, 1).any()


def test_keys_walk_through_the_images_and_keep_the_view(opened: Opener) -> None:
    browser = opened()
    show(browser, "boundaries")
    browser.execute_script("document.activeElement.blur()")
    assert image_title(browser) == TITLE
    for key, title in ((Keys.ARROW_RIGHT, "2000 leaves"), (Keys.ARROW_LEFT, TITLE), (Keys.ARROW_LEFT, "one leaf")):
        browser.find_element(By.TAG_NAME, "body").send_keys(key)
        assert image_title(browser) == title
    wait(browser, lambda: "one leaf" in browser.execute_script("return document.querySelector('canvas').ariaLabel"))
    assert browser.find_element(By.CSS_SELECTOR, "input[value=boundaries]").is_selected()
    current = browser.find_elements(By.CSS_SELECTOR, "#thumbnails [aria-current]")
    assert [button.get_attribute("title") for button in current] == ["one leaf"]
    assert not slider(browser).is_enabled()
    current[0].send_keys(Keys.ARROW_RIGHT)
    assert browser.execute_script("return document.activeElement.title") == TITLE


def test_a_preview_says_so(opened: Opener) -> None:
    browser = opened()
    assert "preview" not in browser.find_element(By.CSS_SELECTOR, ".hierarchy-controls").text
    open_image(browser, 2)
    note = browser.find_element(By.CSS_SELECTOR, ".hierarchy-note").text
    assert "150 × 600 pixels" in note
    assert "300 × 1200 pixels" in note


def test_moving_the_slider_takes_less_than_30_ms(opened: Opener) -> None:
    """For an image of 500 × 360 pixels and 2000 leaves, the time until the canvas holds the new regions."""
    browser = opened()
    open_image(browser, 1)
    script = """
        const slider = arguments[0];
        return Array.from({ length: 60 }, (_, step) => {
            slider.value = 1000 * step / 59;
            const start = performance.now();
            slider.dispatchEvent(new Event("input"));
            return performance.now() - start;
        });
    """
    times = browser.execute_script(script, slider(browser))
    assert np.median(times) < 30, times


def test_two_viewers_stand_on_one_page_and_the_last_image_wins(opened: Opener) -> None:
    browser = opened()
    script = """
        const done = arguments[arguments.length - 1];
        const other = document.createElement("div");
        document.body.append(other);
        const scripts = [...document.querySelectorAll("script.image")];
        const [first, second] = scripts.map((each) => JSON.parse(each.textContent));
        const read = Response.prototype.arrayBuffer;
        Response.prototype.arrayBuffer = async function () {
            await new Promise((resolve) => setTimeout(resolve, 300));
            return read.call(this);
        };
        const slow = dynsegHierarchy(other, second);
        Response.prototype.arrayBuffer = read;
        Promise.all([slow, dynsegHierarchy(other, first)]).then(() => done(
            [...other.querySelectorAll("canvas[role=img]")].map((canvas) => canvas.ariaLabel)));
    """
    assert browser.execute_async_script(script) == [f"{TITLE} in {SUGGESTED} regions"]
    radios = browser.find_elements(By.CSS_SELECTOR, "input[value=colours]")
    radios[1].click()
    assert browser.find_elements(By.CSS_SELECTOR, "input[value=both]")[0].is_selected()


@pytest.mark.parametrize("dark", [False, True])
def test_texts_stand_out_in_light_and_dark(opened: Opener, dark: bool) -> None:
    browser = opened(dark=dark)
    selectors = ("h1", "h2", "h2 small", ".hierarchy-controls p", ".hierarchy-ends", ".hierarchy-note", "legend")
    assert_texts_stand_out(browser, dark, selectors)


@pytest.mark.parametrize("width", [320, 390, 768, 1400, 1920])
def test_the_page_never_scrolls_sideways(opened: Opener, width: int) -> None:
    browser = opened(width=width, height=900)
    for place in range(3):
        open_image(browser, place)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        # The slider can be moved while the picture is seen.
        assert slider(browser).rect["y"] < 900


def test_controls_and_pictures_have_names(opened: Opener) -> None:
    browser = opened()
    assert unnamed_parts(browser, "button", "slider", "spinbutton", "radio", "radiogroup", "group", "image") == []
