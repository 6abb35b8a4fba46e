"""Headless Chromium for the tests of this folder: pytest's plugin `chromium`, which `make test` doesn't load."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.wait import WebDriverWait

CHROMIUM_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

Opener = Callable[..., WebDriver]


@pytest.fixture(scope="session")
def browser(tmp_path_factory) -> Iterator[WebDriver]:
    options = Options()
    options.binary_location = shutil.which("chromium")
    for option in (*CHROMIUM_OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    # Else the first page's log has what the tab that Chromium opens with still loads.
    driver.get("about:blank")
    yield driver
    driver.quit()


@contextmanager
def opener(browser: WebDriver, path: Path) -> Iterator[Opener]:
    """Give what opens a page; at the end, nothing was logged and nothing requested but the file itself."""
    browser.get_log("browser")
    browser.get_log("performance")

    def open_page(address: str = "", width: int = 1280, height: int = 900, dark: bool = False) -> WebDriver:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        browser.get("about:blank")
        browser.get(f"{path.as_uri()}{address}")
        return browser

    yield open_page
    assert browser.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requested = [
        message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"
    ]
    assert any(url.startswith(path.as_uri()) for url in requested)
    assert [url for url in requested if not url.startswith(("data:", "about:", path.as_uri()))] == []


def wait(browser: WebDriver, condition: Callable[[], object]) -> None:
    WebDriverWait(browser, 10).until(lambda _: condition())


def assert_texts_stand_out(browser: WebDriver, dark: bool, selectors: tuple[str, ...]) -> None:
    page = _luminance(browser.find_element(By.TAG_NAME, "body").value_of_css_property("background-color"))
    assert (page < 0.05) == dark
    for selector in selectors:
        text = _luminance(browser.find_element(By.CSS_SELECTOR, selector).value_of_css_property("color"))
        lighter, darker = max(text, page), min(text, page)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, selector


def unnamed_parts(browser: WebDriver, *roles: str) -> list[str]:
    """Return the roles of what a screen reader finds without a name."""
    nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    return [
        node["role"]["value"]
        for node in nodes
        if not node.get("ignored") and node["role"]["value"] in roles and not node.get("name", {}).get("value")
    ]


def _luminance(colour: str) -> float:
    channels = [int(part.strip(" rgba()")) / 255 for part in colour.split(",")[:3]]
    red, green, blue = (value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
