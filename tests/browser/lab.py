"""JupyterLab in a browser, for tests: start it, open a notebook, run cells, restart the kernel.

Cells are addressed by their number. Only cells near the screen are in the page, so what acts on a
cell brings it into view first.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
LONG, SHORT = 180_000, 60_000  # milliseconds
KERNELSPEC = {"name": "python3", "display_name": "Python 3", "language": "python"}
NOTEBOOK = "window.jupyterapp.shell.currentWidget"
KERNEL = f"{NOTEBOOK}.sessionContext.session.kernel"


@dataclass(frozen=True)
class Server:
    """A running JupyterLab.

    Attributes:
        address: of the server.
        work: the folder of its notebooks.
        record: the learner's file of progress.
    """

    address: str
    work: Path
    record: Path


@dataclass(frozen=True)
class Lab:
    """JupyterLab in a browser."""

    server: Server
    browser: Any

    def write(self, name: str, *cells: str) -> str:
        """Write a notebook of code cells; return its file name."""
        made = [nbformat.v4.new_code_cell(source) for source in cells]
        notebook = nbformat.v4.new_notebook(cells=made, metadata={"kernelspec": KERNELSPEC})
        nbformat.write(notebook, self.server.work / f"{name}.ipynb")
        return f"{name}.ipynb"

    def copy(self, lesson: str) -> str:
        """Copy a lesson of the course; return its file name."""
        shutil.copy(ROOT / "notebooks" / f"{lesson}.ipynb", self.server.work)
        return f"{lesson}.ipynb"

    @contextmanager
    def opened(self, notebook: str, keep: Path, **context: Any) -> Iterator[Notebook]:
        """Open a notebook in a fresh page and wait for its kernel; screenshots go to `keep`."""
        size = {"width": 1280, "height": 900}
        page = self.browser.new_page(**{"viewport": size, **context})
        page.set_default_timeout(SHORT)
        try:
            page.goto(f"{self.server.address}/lab/tree/{notebook}?reset")
            ready = f"window.jupyterapp && {NOTEBOOK}?.sessionContext?.isReady === true"
            page.wait_for_function(ready, timeout=LONG)
            # The idle indicator alone comes too early.
            page.evaluate(f"async () => {{ await {KERNEL}.info; }}")
            yield Notebook(page)
            page.screenshot(path=keep / f"done-{Path(notebook).stem}.png")
        except Exception:
            page.screenshot(path=keep / "failed.png")
            print("a screenshot is in", keep / "failed.png")
            raise
        finally:
            page.close()


class Notebook:
    """The notebook in a page."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def command(self, name: str, **arguments: Any) -> None:
        self.page.evaluate(
            "([name, args]) => window.jupyterapp.commands.execute(name, args)", [name, arguments]
        )

    def outputs(self, number: int) -> Any:
        """Bring a cell into view and return its outputs."""
        self.page.evaluate(
            f"async number => {{ const notebook = {NOTEBOOK}.content;"
            " notebook.activeCellIndex = number;"
            " await notebook.scrollToItem(number, 'center'); }",
            number,
        )
        return self.page.locator(f".jp-Cell[data-windowed-list-index='{number}'] .jp-OutputArea")

    def run(self, number: int) -> Any:
        """Run one cell, and return its outputs when it is done."""
        self.page.evaluate(f"number => {{ {NOTEBOOK}.content.activeCellIndex = number; }}", number)
        self.command("notebook:run-cell")
        self.wait()
        return self.outputs(number)

    def begin(self, number: int) -> Any:
        """Run one cell, and return its outputs without waiting for the end."""
        self.page.evaluate(
            f"number => {{ {NOTEBOOK}.content.activeCellIndex = number;"
            " window.jupyterapp.commands.execute('notebook:run-cell'); }",
            number,
        )
        return self.outputs(number)

    def run_all(self) -> None:
        """Run all cells, and wait until the last one is done."""
        self.command("notebook:run-all-cells")
        self.wait()

    def wait(self) -> None:
        """Wait until nothing runs or waits to run, and its outputs are there."""
        # The kernel answers in turn, so its answer comes after all that was asked of it before.
        self.page.evaluate(
            f"async () => {{ await {KERNEL}.requestExecute({{code: '', silent: true}}).done;"
            " await new Promise(requestAnimationFrame); }"
        )

    def find(self, text: str) -> int:
        """Return the number of the first cell whose source holds a text."""
        return int(
            self.page.evaluate(
                f"text => {NOTEBOOK}.content.widgets"
                ".findIndex(cell => cell.model.sharedModel.source.includes(text))",
                text,
            )
        )

    def source(self, number: int, text: str) -> None:
        """Write a cell's source."""
        self.page.evaluate(
            f"([number, text]) => {NOTEBOOK}.content.widgets[number].model.sharedModel"
            ".setSource(text)",
            [number, text],
        )

    def restart(self) -> None:
        """Restart the kernel, as the menu does after its question."""
        self.page.evaluate(f"async () => {{ await {KERNEL}.restart(); await {KERNEL}.info; }}")

    def save_and_shut_down(self) -> None:
        """Save, and end the kernel as one does in the evening."""
        self.command("docmanager:save")
        self.page.evaluate(f"async () => {{ await {NOTEBOOK}.context.save(); }}")
        self.page.evaluate(f"async () => {{ await {NOTEBOOK}.sessionContext.shutdown(); }}")

    def cells(self) -> int:
        return int(self.page.evaluate(f"{NOTEBOOK}.content.widgets.length"))

    def active(self) -> int:
        """Return the number of the active cell."""
        return int(self.page.evaluate(f"{NOTEBOOK}.content.activeCellIndex"))

    def theme(self, name: str) -> None:
        self.command("apputils:change-theme", theme=name)
        light = "false" if "Dark" in name else "true"
        self.page.wait_for_selector(f"body[data-jp-theme-light='{light}']", state="attached")


@contextmanager
def started(folder: Path) -> Iterator[Server]:
    """Start JupyterLab with folders of its own."""
    work, config, record = folder / "my lessons", folder / "config", folder / "progress.json"
    work.mkdir()
    settings = config / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    # Else a question about news covers the page.
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    # MPLBACKEND would keep the kernel from showing figures.
    env = {k: v for k, v in os.environ.items() if not k.startswith(("DISTILL_", "MPLBACKEND"))}
    env |= {
        "JUPYTER_CONFIG_DIR": str(config),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTERLAB_SETTINGS_DIR": str(config / "lab" / "user-settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(config / "lab" / "workspaces"),
        "IPYTHONDIR": str(folder / "ipython"),
        "PYTHONPATH": str(ROOT),
        "DISTILL_RECORD": str(record),
    }
    address = f"http://127.0.0.1:{(port := _free_port())}"
    log = folder / "lab.log"
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
        yield Server(address, work, record)
    finally:
        server.terminate()  # the server stops its kernels
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


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
