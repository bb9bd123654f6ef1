"""`distill-lessons progress`: what a learner sees of the record."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from distill_lessons.course.cli import app
from distill_lessons.exercises import catalogue, record
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.overview import overview, show


def made(lesson: str, name: str, title: str) -> Exercise:
    return Exercise(title, "read", "easy", "high", 3, ("A hint.",), lesson=lesson, name=name)


def test_every_exercise_is_listed_with_its_state(monkeypatch) -> None:
    lessons = {
        "01": [made("01", "a", "First"), made("01", "b", "Second"), made("01", "c", "Third")],
        "02": [made("02", "a", "Other")],
    }
    monkeypatch.setattr(catalogue, "LESSONS", tuple(lessons))
    monkeypatch.setattr(catalogue, "of_lesson", lambda n: {e.name: e for e in lessons[n]})
    entries = {
        "01.a": {"state": "solved", "tries": 1, "hints": 0, "solution": False},
        "01.c": {"state": "tried", "tries": 2, "hints": 1, "solution": True},
        "77.x": {"state": "solved", "tries": 1, "hints": 0, "solution": False},
    }
    assert overview(entries) == (
        "Lesson 01  ■□□  1 of 3 solved\n"
        "  ✓ First: solved, 1 try\n"
        "  ○ Second (3 minutes)\n"
        "  ✗ Third: not yet, 2 tries, 1 hint, solution seen\n"
        "\n"
        "Lesson 02  □  0 of 1 solved\n"
        "  ○ Other (3 minutes)\n"
        "\n"
        "1 of 4 exercises solved."
    )


def test_the_command_reads_the_learners_file(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "progress.json"
    monkeypatch.setenv("DISTILL_RECORD", str(path))
    (first, *_) = catalogue.of_lesson("01").values()
    assert first.judge(None).state == "not attempted"
    first.check(0.123 if first.cases is None else lambda *arguments: 0.123)
    result = CliRunner().invoke(app, ["progress"])
    assert result.exit_code == 0
    assert f"✗ {first.title}: not yet, 1 try" in result.output
    assert f"Kept in {path}" in result.output


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("distill-lessons progress", "the next check or hint moves it to"),
        ('{"name": "my-package"}', "is not a progress file and is left alone"),
    ],
)
def test_the_command_moves_nothing(tmp_path: Path, monkeypatch, content: str, said: str) -> None:
    path = tmp_path / "progress.json"
    path.write_text(content)
    monkeypatch.setenv("DISTILL_RECORD", str(path))
    result = CliRunner().invoke(app, ["progress"])
    assert result.exit_code == 0
    assert said in result.output
    assert "0 of" in result.output
    assert [file.name for file in tmp_path.iterdir()] == ["progress.json"]
    assert path.read_text() == content


def test_no_file_is_no_problem_and_none_is_made(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("DISTILL_RECORD", str(tmp_path / "progress.json"))
    result = CliRunner().invoke(app, ["progress"])
    assert result.exit_code == 0
    assert "0 of" in result.output
    assert list(tmp_path.iterdir()) == []


def test_with_the_record_off_the_command_says_so(monkeypatch) -> None:
    monkeypatch.setenv("DISTILL_RECORD", "0")
    result = CliRunner().invoke(app, ["progress"])
    assert result.exit_code == 2
    assert "DISTILL_RECORD" in result.output


def test_a_lesson_says_what_is_solved_to_a_person_with_a_record(
    front_end, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("DISTILL_RECORD", str(tmp_path / "progress.json"))
    first, *others = catalogue.of_lesson("02").values()
    record.note(first.key, state=record.SOLVED, tries=1)
    show("02")
    ((markup, text),) = front_end.outputs
    assert text == f"1 of {1 + len(others)} exercises solved"
    assert f"<li>✓ {first.title}: solved, 1 try</li>" in markup
    assert markup.count("<li>○ ") == len(others)
    for name, value in {"DISTILL_RECORD": "0", "DISTILL_LIVE": "0"}.items():
        monkeypatch.setenv(name, value)
        show("02")
    assert len(front_end.outputs) == 1
