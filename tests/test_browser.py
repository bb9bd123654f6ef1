"""What a learner moves, in a real JupyterLab: slider, viewer, prediction, exercise and hint.

Needs Chromium on the machine (`chromium`, `chromium-browser` or `google-chrome` on the path);
without it the tests are skipped, and say so.
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
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import pytest
from browsing import QUIET, browser_path

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

ROOT = Path(__file__).parents[1]
LONG, SHORT = 180_000, 60_000  # milliseconds
READY = "window.jupyterapp?.shell.currentWidget?.sessionContext?.isReady === true"
KERNEL_ANSWERS = (
    "async () => { const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session"
    ".kernel; await kernel.info; return kernel.status; }"
)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


VIEWER = """
import numpy as np
from distill_lessons.plots.viewer import explanation_viewer

rng = np.random.default_rng(0)
x, attributions = rng.random((3, 1, 6, 6)), rng.normal(size=(3, 1, 6, 6, 4))
maps, others = ({"deep": c, "zero": 0 * c} for c in (attributions, 2 * attributions))
explanation_viewer(x, maps, list("abcd"), beside=others)
"""
FIND_CELL = (
    "window.jupyterapp.shell.currentWidget.content.widgets"
    ".findIndex(c => c.model.sharedModel.source.includes(text))"
)
SCROLL_TO = (
    "async (text) => { await window.jupyterapp.shell.currentWidget.content"
    f".scrollToItem({FIND_CELL}, 'center'); }}"
)
HAS_RUN = f"""(text) => {{
    const cell = window.jupyterapp.shell.currentWidget.content.widgets[{FIND_CELL}];
    return cell.model.executionCount !== null && cell.model.outputs.length > 0;
}}"""
WRITE = (
    "([text, code]) => { window.jupyterapp.shell.currentWidget.content"
    f".widgets[{FIND_CELL}].model.sharedModel.setSource(code); }}"
)
RUN_CELL = f"""async (text) => {{
    const notebook = window.jupyterapp.shell.currentWidget.content;
    notebook.activeCellIndex = {FIND_CELL};
    await window.jupyterapp.commands.execute('notebook:run-cell');
}}"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """JupyterLab on copies of lessons, with folders of its own; yields its address."""
    browser_path()
    tmp_path = tmp_path_factory.mktemp("lab")
    work, config = tmp_path / "my lessons", tmp_path / "config"
    work.mkdir()
    for lesson in ("00_start_here.ipynb", "02_soft_targets.ipynb"):
        shutil.copy(ROOT / "notebooks" / lesson, work)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    cells = [nbformat.v4.new_code_cell(VIEWER)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), work / "viewer.ipynb")
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
        "PYTHONPATH": str(ROOT),
        "DISTILL_RECORD": str(tmp_path / "progress.json"),
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
        yield address
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


@contextmanager
def opened(lab: str, notebook: str, tmp_path: Path) -> Iterator[Any]:
    """Open a notebook in a fresh page and wait for its kernel; on failure keep a screenshot."""
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=browser_path(), args=QUIET)
        page = browser.new_page(viewport={"width": 1300, "height": 950})
        page.set_default_timeout(SHORT)
        try:
            page.goto(f"{lab}/lab/tree/{notebook}?reset")
            page.wait_for_function(READY, timeout=LONG)
            page.evaluate(KERNEL_ANSWERS)  # the idle indicator alone comes too early
            yield page
            page.screenshot(path=tmp_path / "done.png")
        except Exception:
            page.screenshot(path=tmp_path / "failed.png")
            print("a screenshot is in", tmp_path / "failed.png")
            raise
        finally:
            browser.close()


def run_all(page: Any, until: str) -> None:
    """Run all cells, wait for the one that holds `until`, and bring it into view."""
    # Only cells near the screen are in the page; the command needs no menu.
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(HAS_RUN, arg=until, timeout=LONG)
    page.evaluate(SCROLL_TO, until)


def test_a_prediction_is_typed_an_exercise_solved_and_a_hint_taken(
    lab: str, tmp_path: Path
) -> None:
    with opened(lab, "00_start_here.ipynb", tmp_path) as page:
        run_all(page, until="ex.does_it_hold.check(")
        expect = playwright.expect

        page.evaluate(SCROLL_TO, "predict(")
        field = page.locator(".jp-CodeCell:has(.widget-text) input[type=text]")
        field.fill("2")
        field.press("Enter")
        page.evaluate(SCROLL_TO, 'compare("00.gain"')
        said = page.locator(".jp-OutputArea-output", has_text="You predicted: 2 points. Measured")
        expect(said).to_contain_text("points too low", timeout=SHORT)

        code = "def batch_of_one(x):\n    return x[0]"
        page.evaluate(WRITE, ["def batch_of_one", code])
        for text in ("def batch_of_one", "ex.batch_of_one.check("):
            page.evaluate(RUN_CELL, text)
        page.evaluate(SCROLL_TO, "ex.batch_of_one.check(")
        refused = page.locator(".jp-OutputArea-output", has_text="Not yet.")
        expect(refused).to_contain_text("An index takes the first axis away.")
        page.screenshot(path=tmp_path / "refused.png")

        page.evaluate(WRITE, ["def batch_of_one", code.replace("[0]", "[:1]")])
        for text in ("def batch_of_one", "ex.batch_of_one.check("):
            page.evaluate(RUN_CELL, text)
        expect(page.locator(".jp-OutputArea-output", has_text="✓ Correct.")).to_be_visible()
        # What was solved is in the learner's file.
        record = json.loads(next(tmp_path.parent.glob("lab*/progress.json")).read_text())
        assert record["exercises"]["00.batch_of_one"]["state"] == "solved"
        assert record["exercises"]["00.batch_of_one"]["tries"] == 2
