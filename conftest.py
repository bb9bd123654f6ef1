"""How the tests and the lessons' kernels find their surroundings, and how long each lesson took."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nbval import kernel as nbval_kernel

from distill_lessons.course.lessons import absolute_paths
from distill_lessons.course.running import first_line

# What the caller may choose for a test run: on which data, how big, on which device.
PASSED_ON = {"DISTILL_DATASET", "DISTILL_DATA", "DISTILL_PROFILE", "DISTILL_DEVICE"}
ROOT = Path(__file__).parent


def pytest_configure() -> None:
    nbval_kernel.start_new_kernel = twice(nbval_kernel.start_new_kernel)
    # Before any kernel starts: kernels inherit this process's environment.
    for name in [name for name in os.environ if name.startswith("DISTILL_")]:
        if name not in PASSED_ON:
            del os.environ[name]
    os.environ.update(absolute_paths(os.environ, Path.cwd()))  # a kernel works in another folder
    # A claim that does not hold raises, under the conditions that the lessons' prose describes. On
    # other data it may well not hold, and says so; a cell that fails is a failure everywhere.
    described = ("DISTILL_DATASET", "digits"), ("DISTILL_PROFILE", "cpu")
    strict = all(os.environ.get(name) in (None, "", usual) for name, usual in described)
    os.environ["DISTILL_STRICT"] = "1" if strict else "0"
    os.environ["DISTILL_LIVE"] = "0"
    os.environ["DISTILL_RECORD"] = "0"  # a test run is no learner's progress
    os.environ.setdefault("PYTHONHASHSEED", "0")
    # The debugger's remark about frozen modules is no output of a lesson.
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    # Kernels and subprocesses import this checkout, wherever they work.
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    if "PYTEST_XDIST_WORKER" in os.environ:
        # Threads of tests that run side by side slow each other down many times over.
        os.environ.setdefault("OMP_NUM_THREADS", "1")


def twice(start: Callable[..., Any]) -> Callable[..., Any]:
    """Start another kernel where the first one dies: `running._started` says why it may."""

    def started(*args: Any, **options: Any) -> Any:
        try:
            return start(*args, **options)
        except RuntimeError:
            return start(*args, **options)

    return started


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.suffix == ".ipynb":
            source = getattr(item, "cell").source  # noqa: B009  nbval's own attribute
            item.user_properties.append(("first_line", first_line(source)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    cells: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    lines: dict[str, str] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport) and ".ipynb::" in report.nodeid:
                # setup, call and teardown together: the first cell's holds the kernel's start
                cells[report.nodeid.split("::")[0]][report.nodeid] += report.duration
                lines[report.nodeid] = dict(report.user_properties).get("first_line", "")
    if not cells:
        return
    terminalreporter.section("seconds per lesson (measured, not judged)")
    width = max(map(len, cells))
    terminalreporter.line(f"{'lesson':<{width}}  {'total':>6}  {'slowest cell':>12}")
    for notebook in sorted(cells):
        slowest, seconds = max(cells[notebook].items(), key=lambda item: item[1])
        total = sum(cells[notebook].values())
        name = slowest.split("::")[1]
        terminalreporter.line(
            f"{notebook:<{width}}  {total:6.1f}  {seconds:12.1f}  {name}: {lines[slowest]}"
        )
    total = sum(sum(notebook.values()) for notebook in cells.values())
    terminalreporter.line(f"{'all of them':<{width}}  {total:6.1f}")
