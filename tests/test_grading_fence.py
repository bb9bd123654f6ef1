"""Behind the fence nothing outside is seen or changed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from labs import ROOT, after_first, hand_in, small, submission

from distill_lessons.exercises import catalogue
from distill_lessons.grading import box, fence, marking, student


@pytest.mark.skipif(sys.platform != "linux", reason="the fence is Linux's")
def test_behind_the_fence_nothing_outside_is_seen_or_changed(tmp_path: Path) -> None:
    folder = hand_in(tmp_path / "in", other=small())
    start = fence.find(student.hidden_places(folder))
    if start is None:
        pytest.skip("this machine lets nobody make a user namespace")
    look = f"""
import os, socket
from pathlib import Path
seen = []
def attempt(what, function):
    try:
        function()
    except OSError:
        return
    seen.append(what)
attempt("others", lambda: open({str(folder / "other.ipynb")!r}))
attempt("answers", lambda: open({catalogue.__file__!r}))
attempt("written", lambda: Path({str(ROOT / "pyproject.toml")!r}).open("a"))
attempt("net", lambda: socket.create_connection(("198.51.100.1", 80), timeout=1))
attempt("kill", lambda: os.kill({os.getpid()}, 0))
from distill_lessons.exercises import catalogue
made = catalogue.exercise("00", "batch_of_one")
if made.judged_by or made.solved_by:
    seen.append("references and solutions")
Path("work.txt").write_text("mine")
raise RuntimeError(f"seen: {{seen}}")
"""
    one = submission(after_first(look))
    (marked,) = marking.mark_all([one], (1, 2), box.Limits(), fence=start)
    assert marked.notes[0].endswith("RuntimeError: seen: []"), marked.notes
