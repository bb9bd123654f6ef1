"""What a submission may take: time, memory, processes, with a fence or without one."""

from __future__ import annotations

import threading

import pytest
from hostile import LINGER, STUBBORN
from labs import WRONG, after_first, lingering, small, submission

from distill_lessons.grading import box, marking, student, tables


def test_without_a_fence_the_limits_hold_too() -> None:
    tried = [after_first(LINGER), after_first(STUBBORN, small(**WRONG))]
    found = [submission(n, str(i)) for i, n in enumerate(tried)]
    limits = box.Limits(60, 2, 2 * 2**30)
    first, second = marking.mark_all(found, (1, 2), limits, fence=None, jobs=2)
    assert tables.sums(first) == (3, 3)
    assert tables.sums(second) == (1, 3)
    assert second.notes == ("cell 2 `import time` ran longer than 2 seconds and was killed",)
    assert not lingering()


def test_all_the_time_of_a_submission_is_limited_too() -> None:
    slow = small()
    for _ in range(40):
        after_first("import time; time.sleep(1)", slow)
    begun = submission(slow)
    (marked,) = marking.mark_all([begun], (1, 2), box.Limits(6, 3), fence=None)
    assert tables.sums(marked) == (0, 3)
    assert "was stopped: the submission took its" in marked.notes[-1]
    assert marked.verdicts["batch_of_one"].text == "It was not reached."


def test_an_interrupted_grading_ends_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()
    stop.set()
    job = {"lesson": "00", "cells": submission(small()).cells, "seeds": [1], "skip": []}
    sitting = box.sit(job, box.Limits(), student.package(sitting=True), None, {}, stop)
    assert sitting.stopped == "was interrupted"
