"""Run a lesson without a browser: one kernel, cell by cell, to the end or the first error.

Knows notebooks as cells. Knows nothing about what a lesson teaches or how the result is shown.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill_lessons import files
from distill_lessons.course.lessons import unused

if TYPE_CHECKING:
    from nbclient import NotebookClient

INTERRUPTED = "interrupted"

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass(frozen=True)
class Failure:
    """Why a lesson stopped.

    Attributes:
        cell: the number that Jupyter shows beside the cell, from 1; 0 if no cell was reached.
        line: the first line of that cell.
        error: the error in one line.
        traceback: the full traceback as plain text.
    """

    cell: int
    line: str
    error: str
    traceback: str = ""

    def __str__(self) -> str:
        """Return for example ``cell 3: NameError: name 'x' is not defined``."""
        return f"cell {self.cell}: {self.error}"


@dataclass(frozen=True)
class Result:
    """One executed lesson: its notebook as far as it got, and how long it took.

    Attributes:
        lesson: the source file.
        notebook: the executed notebook (nbformat 4); without cells if the file was unreadable.
        seconds: wall-clock time, including the start of the kernel.
        done: how many code cells were executed.
        total: how many there are.
        failure: None if the lesson ran to its end.
        kept: where the executed notebook was written; None if it was not.
    """

    lesson: Path
    notebook: Any
    seconds: float
    done: int
    total: int
    failure: Failure | None = None
    kept: Path | None = None

    @property
    def interrupted(self) -> bool:
        """True if the user stopped the lesson with Ctrl-C."""
        return self.failure is not None and self.failure.error == INTERRUPTED


def execute(
    lesson: Path,
    *,
    env: Mapping[str, str],
    timeout: float | None = None,
    on_cell: Callable[[int, int], None] = lambda done, total: None,
) -> Result:
    """Execute a lesson in its own kernel, in its folder, with this very Python.

    The file itself is only read. The first failing cell ends the lesson; a cell tagged
    ``raises-exception`` may raise.

    Args:
        lesson: the notebook.
        env: the kernel's environment variables.
        timeout: seconds that one cell may take; None for no limit.
        on_cell: called with the number of code cells executed and in all, first with 0.

    Returns:
        The executed notebook and the outcome; `Result.interrupted` is true if the user pressed
        Ctrl-C.
    """
    import nbformat
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    start = time.perf_counter()
    try:
        notebook = nbformat.read(lesson, as_version=4)
        # Only logged while reading. What other programs add to a notebook does no harm.
        nbformat.validate(notebook, relax_add_props=True)
        nbformat.writes(notebook)  # Python 3.12 reads what nests too deep to be written again
    except Exception as error:  # a file may hold anything, nested a thousand deep
        unreadable = Failure(0, "", f"the file is not a readable notebook: {_one_line(error)}")
        return Result(lesson, nbformat.v4.new_notebook(), 0.0, 0, 0, unreadable)
    cells = [(i, c) for i, c in enumerate(notebook.cells) if _runs(c)]
    for _, cell in cells:
        cell.outputs, cell.execution_count = [], None  # a stored output is not this run's
    done = 0
    failure: Failure | None = None
    on_cell(0, len(cells))
    try:
        with contextlib.ExitStack() as stack:
            client = _started(stack, notebook, timeout, env=dict(env), cwd=str(lesson.parent))
            for index, cell in cells:
                client.execute_cell(cell, index, execution_count=done + 1)
                done += 1
                on_cell(done, len(cells))
            client.set_widgets_metadata()
    except KeyboardInterrupt:
        failure = _failure(cells, done, INTERRUPTED)
    except CellExecutionError as error:
        value = f"{error.ename}: {_one_line(error.evalue)}"
        failure = _failure(cells, done, value, error.traceback)
    except CellTimeoutError:
        value = f"took longer than {timeout:g} seconds; allow more with --timeout"
        failure = _failure(cells, done, value)
    except DeadKernelError:
        value = "the kernel died, usually for lack of memory"
        failure = _failure(cells, done, value)
    except (RuntimeError, OSError) as error:  # jupyter_client, when a kernel does not start
        value = f"the kernel failed ({_one_line(error)}); run `distill-lessons doctor`"
        failure = _failure(cells, done, value)
    except Exception as error:  # one odd lesson must not cost the report on all others
        failure = _failure(cells, done, f"{type(error).__name__}: {_one_line(error)}")
    seconds = time.perf_counter() - start
    return Result(lesson, notebook, seconds, done, len(cells), failure)


def _started(
    stack: contextlib.ExitStack, notebook: Any, timeout: float | None, **options: Any
) -> NotebookClient:
    """Return the client of a new kernel, which ends with `stack`.

    A kernel is told ports that are free, and takes them when it is up, a second or more later. On a
    busy machine another program may have one of them by then, and the kernel dies: a second one is
    started.

    Raises:
        RuntimeError: if that one dies too.
    """
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    # No kernel folders: "python3" is then ipykernel's own, run by sys.executable, whatever kernels
    # are registered on this machine under that name.
    specs = KernelSpecManager(kernel_dirs=[])
    for last in (False, True):
        manager = AsyncKernelManager(
            kernel_name="python3", kernel_spec_manager=specs, transport_encryption=encryption()
        )
        client = NotebookClient(notebook, km=manager, timeout=timeout, shutdown_kernel="immediate")
        client.reset_execution_trackers()
        try:
            stack.enter_context(client.setup_kernel(cleanup_kc=True, **options))
        except RuntimeError:
            if last:
                raise
        else:
            break
    return client


def encryption() -> str:
    """Return the encryption to ask of a kernel; one without it prints a warning."""
    import zmq

    return "auto" if zmq.has("curve") else "disabled"


def keep(result: Result, folder: Path) -> Result:
    """Write the executed notebook to `folder`, under a name that is free.

    Returns:
        The result with the path; if the notebook cannot be written, with a failure unless it has
        one already.
    """
    import nbformat

    try:
        path = unused(folder / result.lesson.name)
        files.write(path, nbformat.writes(result.notebook) + "\n")
    except Exception as error:  # a full disk, or an output that is not JSON
        why = f"the executed notebook could not be saved: {_one_line(error)}"
        return replace(result, failure=result.failure or Failure(0, "", why))
    return replace(result, kept=path)


def first_line(source: str) -> str:
    """Return the first line of a cell that is not blank, shortened to 80 characters."""
    line = next((line.strip() for line in source.splitlines() if line.strip()), "")
    return line if len(line) <= 80 else line[:79] + "…"


def _runs(cell: Any) -> bool:
    skipped = "skip-execution" in cell.metadata.get("tags", [])
    return cell.cell_type == "code" and bool(cell.source.strip()) and not skipped


def _failure(cells: list[Any], done: int, error: str, traceback: str = "") -> Failure:
    if done >= len(cells):  # after the last cell: the kernel did not shut down properly
        return Failure(0, "", error, _ANSI.sub("", traceback))
    line = first_line(cells[done][1].source)
    return Failure(done + 1, line, error, _ANSI.sub("", traceback))


def _one_line(text: object) -> str:
    lines = [line.strip() for line in _ANSI.sub("", str(text)).splitlines() if line.strip()]
    return lines[0] if lines else type(text).__name__
