"""Progress bars: they appear late, and leave nothing behind, however the work ends."""

from __future__ import annotations

import pytest

from distill_lessons import page, progress


@pytest.fixture
def shown(live, monkeypatch) -> list[str]:
    """What stands in the output, one entry for each time that it changed."""
    found: list[str] = []

    def show(markup: str, text: str) -> str:
        found.append(markup)
        return "handle"

    def replace(handle: str | None, markup: str, text: str) -> None:
        if handle is not None:
            found.append(markup)

    monkeypatch.setattr(page, "show", show)
    monkeypatch.setattr(page, "replace", replace)
    monkeypatch.setattr(page, "in_notebook", lambda: True)
    return found


@pytest.fixture
def seconds(monkeypatch) -> list[float]:
    """A clock: each step takes as long as the last entry says."""
    now, step = [0.0], [1.0]

    def clock() -> float:
        now[0] += step[-1]
        return now[0]

    monkeypatch.setattr(progress.time, "monotonic", clock)
    return step


def test_a_bar_appears_after_two_seconds_and_goes(shown: list[str], seconds: list[float]) -> None:
    assert list(progress.progress("abcd", "a < b")) == list("abcd")
    assert 'max="4" value="2"' in shown[0]
    assert "a &lt; b: 2 of 4, about 2 s left" in shown[0]
    assert 'value="4"' in shown[2]
    assert shown[3:] == [""]


def test_short_work_shows_nothing(shown: list[str], seconds: list[float]) -> None:
    seconds.append(0.1)
    assert list(progress.progress("abcd", "title")) == list("abcd")
    assert shown == []


def test_a_run_that_ends_early_leaves_no_bar(shown: list[str], seconds: list[float]) -> None:
    for letter in progress.progress("abcdefgh", "title"):
        if letter == "f":
            break
    assert "<progress" in shown[-2]
    assert shown[-1] == ""


def test_work_that_fails_leaves_no_bar(shown: list[str], seconds: list[float]) -> None:
    with pytest.raises(RuntimeError), progress.ticking(9, "title") as tick:  # noqa: PT012
        for _ in range(4):
            tick()
        raise RuntimeError
    assert shown[-1] == ""


def test_without_a_person_there_is_none(shown: list[str], seconds, monkeypatch) -> None:
    monkeypatch.setenv("DISTILL_LIVE", "0")
    assert list(progress.progress("abcd", "title")) == list("abcd")
    assert shown == []
