"""A real browser for the tests that look at pages; without one they are skipped, and say so."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
# A quiet browser: no sandbox (tests may run as root), and no traffic of its own.
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def browser_path() -> str:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser on the path (looked for {', '.join(BROWSERS)})")
    return found


@contextmanager
def browser() -> Iterator[Any]:
    """Start a browser, playwright's; its `new_page` opens an empty page."""
    reason = "playwright is not installed"
    playwright = pytest.importorskip("playwright.sync_api", reason=reason)
    with playwright.sync_playwright() as p:
        started = p.chromium.launch(executable_path=browser_path(), args=QUIET)
        try:
            yield started
        finally:
            started.close()


@contextmanager
def browser_page(**options: Any) -> Iterator[Any]:
    """Open an empty page in a browser of its own, with playwright's options for it."""
    with browser() as started:
        yield started.new_page(**options)
