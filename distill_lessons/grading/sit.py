"""One submission: its cells run in order and its answers asked. The learner's side of grading.

Runs in a process of its own, started by `box`: reads a job from stdin and writes events to what was
its stdout, a JSON line each. It says what the answers return, never whether that is right: no
expected value is here, so nothing that a submission changes in this process earns a point.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import EllipsisType
from typing import Any

SAY = 300  # characters of an error message that are passed on

Tell = Callable[..., None]


class TooLong(BaseException):
    """A cell or an answer ran longer than it may. No Exception: a plain ``except`` lets it by."""


def main() -> None:
    """Read a job, run it, tell what happened."""
    job = json.loads(sys.stdin.buffer.read())
    tell = _own_channel()
    try:
        _limit(job["memory"], job["disk"])
        run(job, tell)
    except BaseException as error:  # none of a cell's or an answer's: those are caught
        tell(failed=_in_a_line(error))
    finally:
        tell(end=True)
        # No thread or exit handler of the submission may keep the process.
        os._exit(0)


def run(job: dict[str, Any], tell: Tell) -> None:
    """Run the cells of a job and ask its exercises.

    Args:
        job: `lesson`; `seeds`; `cells`, each with `source`, and `answer` or `check` with the name
            of its exercise or None; `seconds` for one cell; `skip`, numbers of cells and names of
            exercises that ended an earlier process.
        tell: called with the fields of an event.
    """
    shell = _shell()
    from distill_lessons.exercises import catalogue

    # Here they have nothing to compare an answer with: see `student.package`. Copies, so that it
    # is not these that a submission gets hold of.
    exercises = {name: replace(made) for name, made in catalogue.of_lesson(job["lesson"]).items()}
    tell(ready=True)
    asked: dict[str, Any] = {}
    blank: set[str] = set(exercises)
    broken: dict[str, str] = {}  # answer cells that raised, by exercise

    def ask(name: str) -> None:
        answer = shell.user_ns.get(name)
        same = name in asked and asked[name] is answer and callable(answer)
        if name not in exercises or name in job["skip"] or same:
            return
        asked[name] = answer
        tell(ask=name)
        found = outputs(exercises[name], answer, job["seeds"], job["seconds"])
        if "blank" in found and name in broken:
            found = {"says": f"The answer cell cannot run. {broken[name]}"}
        elif "blank" not in found:
            blank.discard(name)
        tell(name=name, **found)

    for number, cell in enumerate(job["cells"]):
        if cell["check"]:
            ask(cell["check"])
        elif number not in job["skip"]:
            tell(cell=number)
            if error := _run_cell(shell, cell["source"], job["seconds"]):
                tell(cell=number, error=error)
                broken[cell["answer"]] = error
            ask(cell["answer"])
    # Solved in a cell of the learner's own, or in one that lost its mark.
    for name in sorted(blank):
        ask(name)


def outputs(made: Any, answer: Any, seeds: list[int], seconds: float) -> dict[str, Any]:
    """Return what an answer returns for every case, seed by seed, or why there is nothing.

    Returns:
        `outputs`, a list for every seed, and whether the code is `changed`; or `blank`; or `says`,
        why the answer cannot be right.
    """
    from distill_lessons.exercises.compare import plain
    from distill_lessons.exercises.watching import NotCounted

    if answer is None or isinstance(answer, EllipsisType):
        return {"blank": True}
    where = ""
    try:
        with _alarm(seconds):
            if made.cases is None:
                return {"outputs": [[plain(answer)] for _ in seeds]}
            if not callable(answer):
                return {"says": f"The answer is a function, and this is a {type(answer).__name__}."}
            found: list[list[Any]] = []
            for seed in seeds:
                found.append([])
                for case in made.questions(seed):
                    where = f"On {case.words}: "
                    found[-1].append(made.output(answer, case))
    except NotCounted as error:
        return {"says": f"{where}{error}"}
    except NotImplementedError as error:
        return {"says": f"{where}{_in_a_line(error)}"} if error.args else {"blank": True}
    except TooLong:
        return {"says": f"{where}your code ran longer than {seconds:g} seconds."}
    except BaseException as error:
        return {"says": f"{where}{_in_a_line(error)}"}
    if all(output is None for one in found for output in one):
        return {"outputs": found, "blank": True}
    return {"outputs": found, "changed": made.changed(answer)}


def _shell() -> Any:
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    return InteractiveShell.instance(config=config)


def _run_cell(shell: Any, source: str, seconds: float) -> str:
    """Run a cell; return its error in a line, "" if there is none."""
    try:
        with _alarm(seconds):
            result = shell.run_cell(source, store_history=True)
        error = result.error_before_exec or result.error_in_exec
    except BaseException as raised:  # the alarm between two lines of the shell's own
        error = raised
    if isinstance(error, TooLong):
        return f"ran longer than {seconds:g} seconds"
    return "" if error is None else _in_a_line(error)


def _in_a_line(error: BaseException) -> str:
    # Python 3.13 has names of its own for what people know as a SyntaxError.
    kind = next(one for one in type(error).__mro__ if not one.__name__.startswith("_"))
    try:
        text = str(error)
        if isinstance(error, SyntaxError):  # without the name that the notebook gives its cells
            text = f"{error.msg} (line {error.lineno})"
        text = " ".join(text.split())
    except BaseException:
        text = "(its message cannot be shown)"
    return f"{kind.__name__}: {text}"[:SAY]


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise `TooLong` in what computes longer, where the platform can; `box` sees to the others.

    Seconds of the processor, so that a busy machine takes nobody's time.
    """
    if (
        not hasattr(signal, "setitimer")
        or threading.current_thread() is not threading.main_thread()
    ):
        yield
        return

    def ring(*_: Any) -> None:
        raise TooLong

    signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _limit(memory: int, disk: int) -> None:
    """Let what asks for more than its bytes of memory or disk fail in its cell, where Linux can."""
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
        resource.setrlimit(resource.RLIMIT_FSIZE, (disk, disk))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond it is an OSError then


def _own_channel() -> Tell:
    """Take stdout for the events, and send what the submission prints or reads nowhere."""
    channel = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    # Bound here: a submission may put something else in their place.
    dumps, write = json.dumps, os.write

    def tell(**event: Any) -> None:
        line = (dumps(event) + "\n").encode()
        while line:
            line = line[write(channel, line) :]

    return tell


if __name__ == "__main__":
    main()
