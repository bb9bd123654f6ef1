"""A JupyterLab for all tests in a browser, and a browser for each file of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browsing import QUIET, browser_path
from lab import Lab, Server, started


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    browser_path()  # skips where there is none
    with started(tmp_path_factory.mktemp("lab")) as found:
        yield found


@pytest.fixture(scope="module")
def lab(server: Server) -> Iterator[Lab]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    playwright.expect.set_options(timeout=30_000)  # milliseconds; on a busy machine all is slow
    # Not for the session: while it is open, nothing else in this process can run an event loop.
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=browser_path(), args=QUIET)
        yield Lab(server, browser)
        browser.close()
