"""Headless Chromium for tests: found, started, set to a width and to light or dark.

Debian's packages `chromium` and `chromium-driver` have both programs; without them tests skip.
"""

import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
DRIVERS = ("chromedriver", "chromium.chromedriver")
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # needed by root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--hide-scrollbars",
)


def find(names: tuple[str, ...]) -> str | None:
    """The first program of these names that is installed."""
    return next((path for name in names if (path := shutil.which(name))), None)


def missing() -> str | None:
    """Why no browser can be started; None if one can."""
    if find(BROWSERS) is None:
        return "no Chromium is installed (Debian: chromium)"
    if find(DRIVERS) is None:
        return "no driver of Chromium is installed (Debian: chromium-driver)"
    return None


needs_browser = pytest.mark.skipif(missing() is not None, reason=missing() or "")


@contextmanager
def open_browser() -> Iterator[Any]:
    """A selenium driver of headless Chromium; its console and its requests are kept."""
    pytest.importorskip("selenium", reason="selenium is not installed")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = find(BROWSERS) or ""
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(executable_path=find(DRIVERS))
    )
    try:
        yield driver
    finally:
        driver.quit()


def show(driver: Any, *, width: int, height: int = 900, dark: bool = False) -> None:
    """Set the size of the view in CSS pixels, and whether the reader prefers dark pages."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def overflow(driver: Any) -> int:
    """CSS pixels by which a page is wider than the view."""
    return driver.execute_script(
        "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )


def background(driver: Any) -> tuple[int, ...]:
    """The page's colour as red, green and blue."""
    text = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    return tuple(int(part) for part in text[text.index("(") + 1 : -1].split(",")[:3])


def complaints(driver: Any) -> list[str]:
    """What the browser has written to its console since it was last asked: errors, warnings."""
    return [
        entry["message"]
        for entry in driver.get_log("browser")
        if entry["level"] in ("SEVERE", "WARNING")
    ]


def save_screenshot(driver: Any, path: Path, *, whole: bool = True) -> Path:
    """Write what is shown, or the whole page, as PNG; returns the path."""
    shot = driver.execute_cdp_cmd(
        "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": whole}
    )
    path.write_bytes(base64.b64decode(shot["data"]))
    return path
