"""A process that ends before it comes to a submission's code: the machine's doing, and said so."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

import pytest
from labs import small
from labs import submission as made_of

from distill_lessons.grading import box, guard, marking, student
from distill_lessons.grading.box import Sitting
from distill_lessons.grading.limits import Limits

RIGHT = {"does_it_hold": {"outputs": [["c"], ["c"]]}}
DEAD = Sitting(stopped="ended (exit code 0)", wrote="no room for a thread")


def room(**others: Any) -> marking.Room:
    return marking.Room((1, 2), Limits(), **others)


def graded(where: marking.Room) -> marking.Marked:
    (marked,) = marking.mark_all([made_of(small())], where)
    return marked


class Machine:
    """Takes the place of `box.sit`: ends as it is told, the last way for ever."""

    def __init__(self, *ends: Sitting) -> None:
        self.ends, self.starts = list(ends), 0

    def __call__(self, *_: object) -> Sitting:
        self.starts += 1
        return self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]


@pytest.mark.parametrize("ready", [False, True])
def test_a_start_that_fails_twice_harms_nobody(
    monkeypatch: pytest.MonkeyPatch, *, ready: bool
) -> None:
    dead = Sitting(started=ready, stopped="ended (exit code 0)")
    for run in (graded, lambda where: marking.rehearse(where, "00")):
        machine = Machine(dead, dead, Sitting(started=True, doing=0, answers=RIGHT))
        monkeypatch.setattr(box, "sit", machine)
        marked = run(room(package={}))
        assert machine.starts == 3
        if marked is not None:
            assert (marked.failure, marked.notes) == ("", ())
            assert marked.verdicts["does_it_hold"].state == "correct"


def test_a_start_that_always_fails_is_not_graded_and_names_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(box, "sit", machine := Machine(DEAD))
    why = "the process ended (exit code 0); the last it wrote: no room for a thread"
    assert graded(room(package={})).failure == f"could not be started: {why}"
    assert machine.starts == marking.STARTS == 3
    with pytest.raises(ValueError, match="Nobody can be graded here: .* no room for a thread"):
        marking.rehearse(room(package={}), "00")
    assert machine.starts == 6


def test_what_a_submission_ends_is_not_the_machine_s_doing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended = Sitting(started=True, doing=0, stopped="ended the process (exit code 0)")
    monkeypatch.setattr(box, "sit", machine := Machine(ended))
    marked = graded(room(package={}))
    assert machine.starts == 2  # and once more, without the cell that ended it
    assert marked.failure == ""
    assert "ended the process" in marked.notes[0]


def test_nothing_is_started_again_once_grading_is_interrupted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(box, "sit", machine := Machine(Sitting(stopped="was interrupted")))
    stop = threading.Event()
    stop.set()
    marking._sit(made_of(small()), room(package={}), stop)
    assert machine.starts == 1


@pytest.mark.parametrize(
    ("source", "end"),
    [
        ("", "ended (exit code 0); the last it wrote: nothing"),
        (
            "import sys\nprint('x' * 10**6, 'no\\n room', file=sys.stderr)\nsys.exit(3)",
            "x no room",
        ),
    ],
    ids=["an empty file", "an error"],
)
def test_what_a_process_wrote_before_the_submission_is_kept(source: str, end: str) -> None:
    names = ("__init__", "grading/__init__", "grading/sit")
    package = {f"distill_lessons/{name}.py": b"" for name in names}
    package["distill_lessons/grading/sit.py"] = source.encode()
    failure = graded(room(package=package)).failure
    assert failure.endswith(end)
    assert len(failure) < 2 * box.MOST_WRITTEN


def test_a_package_that_is_being_written_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sit = "distill_lessons/grading/sit.py"
    found = [{sit: b""}, {sit: b"run"}, {sit: b"run()"}, {sit: b"run()"}]

    def package(**_: bool) -> Mapping[str, bytes]:
        return found.pop(0)

    monkeypatch.setattr(student, "package", package)
    assert room().package == {sit: b"run()"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no such signal")
def test_how_a_command_ended_is_known_where_a_runner_ignores_its_children() -> None:
    """Such as some that run jobs in containers: their children inherit it."""
    command = [sys.executable, "-I", "-S", "-c", "raise SystemExit(3)"]
    alive, held = os.pipe()
    guarded = [sys.executable, "-I", "-S", guard.__file__, str(alive), "/nowhere", *command]
    ignore = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); "
    start = f"{ignore}os.execv(sys.executable, {guarded})"
    done = subprocess.run([sys.executable, "-c", start], pass_fds=(alive,), check=False)
    os.close(alive)
    os.close(held)
    assert done.returncode == 3
