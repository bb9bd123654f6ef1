"""The command line in surroundings that it did not choose: encodings, closed streams, no folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from distill_lessons.course import cli, doctor, lessons, running

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the shell here is not Windows's")

# A program that is quick to start, with one command that prints what it is given.
PROGRAM = """
import sys, typer
from distill_lessons.course import terminal
app = typer.Typer()
@app.callback()
def course(): terminal.spell_out()
@app.command()
def say(text: str):
    with terminal.refusals():
        print(text)
        if text == "no": raise ValueError("no is no text")
terminal.start(app)
"""


def program(shell: str, text: str, encoding: str = "utf-8") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", shell, "sh", sys.executable, "-c", PROGRAM, "say", text],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": encoding},
        text=True,
    )


def test_what_an_encoding_lacks_is_spelled_out() -> None:
    said = program('"$@"', "Zoë ■□ ✓ 4×4 → 🎉", "ascii")
    assert (said.stdout, said.stderr) == ("Zo\\xeb #. + 4x4 -> \\U0001f389\n", "")
    said = program('"$@" | od -c', "Zoë ✗", "cp1252")
    assert "Z   o 353       x" in said.stdout


def test_a_name_that_is_no_text_is_printed() -> None:
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM, "say", b"\xff"], capture_output=True, check=True
    )
    assert said.stdout == b"\\udcff\n"


@pytest.mark.parametrize(
    ("closed", "text", "code", "out", "err"),
    [
        (">&-", "yes", 0, "", ""),
        ("2>&-", "yes", 0, "yes\n", ""),
        ("<&- >&- 2>&-", "no", 2, "", ""),
        (">&-", "no", 2, "", "problem: no is no text\n"),
        (">/dev/full", "yes", 2, "", "problem: [Errno 28] No space left on device\n"),
        (">/dev/full", "yes" * 9999, 2, "", "problem: [Errno 28] No space left on device\n"),
        ("2>/dev/full", "no", 2, "no\n", ""),
    ],
)
def test_a_stream_that_takes_nothing_is_a_line_at_most(
    closed: str, text: str, code: int, out: str, err: str
) -> None:
    if "full" in closed and not Path("/dev/full").exists():
        pytest.skip("no device that is always full")
    said = program(f'"$@" {closed}', text)
    assert (said.returncode, said.stdout, said.stderr) == (code, out, err)


def test_whoever_reads_may_stop_reading() -> None:
    said = program('"$@" | head -c 3', "yes\n" * 20_000)
    assert (said.stdout, said.stderr) == ("yes", "")


def test_a_closed_stream_is_not_taken_by_a_file(tmp_path: Path) -> None:
    """Else what a kernel prints would be written into the first file that is opened."""
    code = (
        "import os, sys; from distill_lessons.course import terminal\n"
        "def app():\n"
        "    with open(sys.argv[1], 'w'): os.write(1, b'astray')\n"
        "terminal.start(app)"
    )
    command = ["sh", "-c", '"$@" >&-', "sh", sys.executable, "-c", code, str(tmp_path / "file")]
    subprocess.run(command, check=True)
    assert (tmp_path / "file").read_text() == ""


def test_a_folder_that_is_gone_is_a_line(tmp_path: Path) -> None:
    shell = f'mkdir "{tmp_path}/gone" && cd "{tmp_path}/gone" && rmdir ../gone && "$@"'
    said = program(shell, "yes")
    assert said.returncode == 2
    assert said.stdout == ""
    assert said.stderr == "problem: the current folder no longer exists; change to another one.\n"


def test_both_ways_to_start_go_through_here() -> None:
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    assert 'distill-lessons = "distill_lessons.course.cli:main"' in text
    said = subprocess.run(
        ["sh", "-c", '"$@" >/dev/full', "sh", sys.executable, "-m", "distill_lessons", "--help"],
        capture_output=True,
        text=True,
    )
    assert (said.returncode, said.stderr.count("\n")) == (2, 1)


def test_a_lesson_run_as_a_script_prints_what_the_stream_can_hold(tmp_path: Path) -> None:
    """As `jupyter nbconvert --to script` makes it, with its output in a file on Windows."""
    code = (
        "from distill_lessons import claims, predictions, settings\n"
        "from distill_lessons.exercises import catalogue\n"
        "settings.begin()\n"
        "for ex in catalogue.of_lesson('03').values():\n"
        "    ex.check(lambda *a: '≥'); ex.check('🎉'); ex.solution(sure=True)\n"
        "    for _ in range(9): ex.hint()\n"
        "predictions.predict('99.a', 'How much is T²?', unit='points', guess=5)\n"
        "predictions.compare('99.a', claims.mean_effect([1.0, 2.0], unit='points', per='ë'))\n"
        "claims.claim('T² ≥ 🎉', 2.0, above=1)\n"
    )
    env = {"PYTHONIOENCODING": "ascii", "DISTILL_RECORD": str(tmp_path / "ë" / "🎉.json")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=os.environ | env, text=True
    )
    assert done.returncode == 0, done.stderr
    assert r"T\xb2 \u2265 \U0001f389" in done.stdout


# --- every command, on a stream of a small encoding ----------------------------------------------


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A learner's folder with one lesson, whose name and title are in no small encoding."""
    for name in [name for name in os.environ if name.startswith("DISTILL_")]:
        monkeypatch.delenv(name)
    home, bundled = tmp_path / "Zoë 🎉", tmp_path / "_notebooks"
    home.mkdir()
    bundled.mkdir()
    (bundled / "00_ë_🎉.ipynb").write_text('{"cells": []}')
    monkeypatch.setattr(lessons, "bundled", lambda: (bundled, False))
    monkeypatch.setattr(lessons, "START", "00_ë_🎉.ipynb")
    monkeypatch.setattr(cli, "_jupyterlab", lambda arguments: None)
    monkeypatch.setenv("DISTILL_RECORD", str(home / "mine 🎉.json"))
    monkeypatch.chdir(home)

    def execute(lesson: Path, **_: Any) -> running.Result:
        import nbformat

        failure = running.Failure(1, "x = '🎉'", "NameError: ë is not defined")
        return running.Result(lesson, nbformat.v4.new_notebook(), 0, 0, 1, failure)

    monkeypatch.setattr(running, "execute", execute)
    check = doctor.Check("ë", "problem", "seen 🎉", "do ≥ this")
    monkeypatch.setattr(doctor, "examine", lambda cwd: [check])


COMMANDS = {
    "run": (["run"], 1),
    "run a lesson that is not there": (["run", "ë🎉"], 2),
    "lab": (["lab"], 0),
    "doctor": (["doctor"], 1),
    "data": (["data", "get"], 0),
    "data that is not there": (["data", "get", "folder:ë🎉"], 2),
    "progress": (["progress"], 0),
    "release": (["release", "öut 🎉"], 0),
    "grade nothing": (["grade", "ë🎉"], 2),
}


@pytest.mark.usefixtures("course")
@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_prints_what_the_stream_can_hold(command: str, encoding: str) -> None:
    arguments, code = COMMANDS[command]
    result = CliRunner(charset=encoding).invoke(cli.app, arguments)
    assert result.exit_code == code, (result.output, result.exception)
    assert isinstance(result.exception, SystemExit | None)
    said = result.output
    assert ("🎉" in said) == (encoding == "utf-8") or command in ("data",), said
    assert said.strip()


@pytest.mark.usefixtures("course")
@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_grade_is_printed_whatever_a_learner_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    from distill_lessons.grading import fence, marking

    folder = tmp_path / "submitted"
    for name in ("Zoë", "🎉", os.fsdecode(b"\xff")):
        (folder / name).mkdir(parents=True)
    monkeypatch.setattr(fence, "find", lambda places: None)

    def mark_all(found: Any, *_: Any, **__: Any) -> Any:
        return (marking.Marked(one, {}, one.notes) for one in found)

    monkeypatch.setattr(marking, "mark_all", mark_all)
    result = CliRunner(charset=encoding).invoke(cli.app, ["grade", str(folder)])
    assert result.exit_code == 0, (result.output, result.exception)
    table = Path("grades.csv").read_text(encoding="utf-8-sig")
    assert all(name in table for name in ("Zoë", "🎉", r"\udcff"))
    assert result.stdout.count("no notebook in this folder") == 3
