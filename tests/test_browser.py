"""Lesson 02 as a learner has it: JupyterLab in a browser, its cells run, its slider moved by keys.

Needs Chromium on the machine (`chromium`, `chromium-browser` or `google-chrome` on the path);
without it the test is skipped, and says so.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

ROOT = Path(__file__).parents[1]
LESSON = "02_soft_targets.ipynb"
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
LONG, SHORT = 180_000, 60_000  # milliseconds
READY = "window.jupyterapp?.shell.currentWidget?.sessionContext?.isReady === true"
KERNEL_ANSWERS = (
    "async () => { const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session"
    ".kernel; await kernel.info; return kernel.status; }"
)


def browser_path() -> str:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser on the path (looked for {', '.join(BROWSERS)})")
    return found


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """JupyterLab on a copy of the lesson, with folders of its own; yields the lesson's address."""
    browser_path()
    work, config = tmp_path / "my lessons", tmp_path / "config"
    work.mkdir()
    shutil.copy(ROOT / "notebooks" / LESSON, work)
    settings = config / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    # Else a question about news covers the page.
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    # MPLBACKEND would keep the kernel from showing figures.
    env = {k: v for k, v in os.environ.items() if not k.startswith(("DISTILL_", "MPLBACKEND"))}
    env |= {
        "JUPYTER_CONFIG_DIR": str(config),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(config / "lab" / "user-settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(config / "lab" / "workspaces"),
        "IPYTHONDIR": str(tmp_path / "ipython"),
    }
    address = f"http://127.0.0.1:{(port := free_port())}"
    log = tmp_path / "lab.log"
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": str(work),
        "IdentityProvider.token": "",
        "ServerApp.disable_check_xsrf": True,
        "LabApp.expose_app_in_browser": True,
    }
    command += [f"--{name}={value}" for name, value in options.items()]
    with log.open("w") as sink:
        server = subprocess.Popen(command, env=env, cwd=work, stdout=sink, stderr=sink)
    try:
        _wait_for(f"{address}/api/status", server, log)
        yield f"{address}/lab/tree/{LESSON}"
    finally:
        server.terminate()  # the server stops its kernels
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        if server.poll() is not None:
            pytest.fail(f"JupyterLab ended with {server.returncode}:\n{log.read_text()[-3000:]}")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
    pytest.fail(f"JupyterLab did not answer:\n{log.read_text()[-3000:]}")


def test_the_slider_of_lesson_02_moves_readout_words_and_picture(lab: str, tmp_path: Path) -> None:
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=browser_path(), args=QUIET)
        page = browser.new_page(viewport={"width": 1300, "height": 950})
        page.set_default_timeout(SHORT)
        try:
            page.goto(lab)
            page.wait_for_function(READY, timeout=LONG)
            page.evaluate(KERNEL_ANSWERS)  # the idle indicator alone comes too early
            # Only cells near the screen are in the page; the command needs no menu.
            page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
            page.wait_for_function(SLIDER_RAN, timeout=LONG)
            page.evaluate(SCROLL_TO_SLIDER)

            # Progress bars are widgets too: look in the slider's own cell.
            cell = page.locator(".jp-CodeCell:has(.widget-slider)")
            handle = cell.locator(".widget-slider .noUi-handle")
            handle.wait_for(timeout=LONG)
            readout = cell.locator(".widget-readout")
            picture = cell.locator("img.widget-image")
            words = cell.locator(".widget-html-content")
            playwright.expect(words).to_contain_text("At T = 1:")
            before = readout.inner_text(), words.inner_text(), picture.get_attribute("src")

            handle.focus()
            for _ in range(12):
                page.keyboard.press("ArrowRight")
            # Twelve steps of 0.05 in the exponent: T = 10^0.6.
            playwright.expect(words).to_contain_text("At T = 3.98:")
            playwright.expect(readout).to_have_text("3.98")
            after = readout.inner_text(), words.inner_text(), picture.get_attribute("src")
            page.wait_for_function("img => img.complete", arg=picture.element_handle())
            page.screenshot(path=tmp_path / "slider.png")
            assert before[0] == "1.00"
            assert all(a != b for a, b in zip(after, before, strict=True))
            size = picture.evaluate("img => [img.naturalWidth, img.naturalHeight]")
            assert min(size) > 100
        except Exception:
            page.screenshot(path=tmp_path / "failed.png")
            print("a screenshot is in", tmp_path / "failed.png")
            raise
        finally:
            browser.close()


_SLIDER_CELL = (
    "window.jupyterapp.shell.currentWidget.content.widgets"
    ".findIndex(c => c.model.sharedModel.source.includes('temperature_slider('))"
)
SLIDER_RAN = f"""() => {{
    const cell = window.jupyterapp.shell.currentWidget.content.widgets[{_SLIDER_CELL}];
    const outputs = cell.model.outputs;
    return outputs && outputs.length > 0
        && 'application/vnd.jupyter.widget-view+json' in outputs.get(0).data;
}}"""
SCROLL_TO_SLIDER = f"""async () => {{
    const notebook = window.jupyterapp.shell.currentWidget.content;
    await notebook.scrollToItem({_SLIDER_CELL}, 'center');
}}"""
