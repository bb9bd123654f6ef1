"""Every lesson in the `full` profile, on a miniature of MNIST: no branch of it is ever unrun.

In this very process, cell after cell: to start a kernel takes longer than a lesson does here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import miniature
import pytest
from labs import ROOT
from lesson_runs import stored

from distill_lessons import data, settings
from distill_lessons.data import CPU_LIMITS
from distill_lessons.exercises import catalogue


def run(sources: list[str], lesson: str) -> dict[str, Any]:
    """Run the code cells of a lesson and return the names that it leaves."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, source in enumerate(sources, start=1):
        exec(compile(source, f"<lesson {lesson}, code cell {number}>", "exec"), names)
    return names


def code_of(lesson: str) -> list[str]:
    return [cell.source for cell in stored(lesson).cells if cell.cell_type == "code"]


@pytest.fixture
def full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_figure_stays_open: None
) -> settings.Settings:
    miniature.install(tmp_path, monkeypatch)
    monkeypatch.chdir(ROOT / "notebooks")
    return settings.load()


@pytest.mark.parametrize("lesson", catalogue.LESSONS)
def test_a_lesson_runs_in_full(lesson: str, full: settings.Settings) -> None:
    sources = code_of(lesson)
    config = run(sources, lesson)["config"]
    assert (config.profile, config.dataset) == ("full", "mnist")


def test_a_branch_of_full_that_raises_is_found(full: settings.Settings) -> None:
    begin = "from distill_lessons import settings\nconfig = settings.begin()"
    sizes = "import numpy as np\nnp.zeros(config.pick(cpu=4, full=6)) - np.zeros(4)"
    with pytest.raises(ValueError, match=r"\(6,\) \(4,\)"):
        run([begin, sizes], "99")


def test_the_miniature_is_mnist_but_for_its_size(full: settings.Settings) -> None:
    found = data.from_settings(full)
    assert (found.name, found.image_shape, found.n_classes) == ("mnist", (1, 28, 28), 10)
    for split in (found.train, found.valid, found.test):
        assert len(split.y.unique()) == 10
    assert full.pick(cpu=CPU_LIMITS, full=(None, 1200, 5)) == (None, miniature.PICKED, 5)
