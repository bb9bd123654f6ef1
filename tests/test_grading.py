"""Release a lab and grade it: honest, broken and hostile submissions, each with its own result."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import typer
from typer.testing import CliRunner, Result

from distill_lessons.course import cli, instructors
from distill_lessons.exercises import answers, catalogue, cells
from distill_lessons.grading import (
    box,
    fence,
    leaks,
    marking,
    nbgrader,
    student,
    submissions,
    tables,
)

ROOT = Path(__file__).parents[1]
NAMES = ("batch_of_one", "mean_difference", "does_it_hold")  # of lesson 00: code, bug, read
Cell = dict[str, Any]


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [str(a) for a in arguments], prog_name="distill-lessons")


def stored(lesson: str) -> Path:
    (path,) = (ROOT / "notebooks").glob(f"{lesson}_*.ipynb")
    return path


def solutions(lesson: str) -> dict[str, str]:
    return {name: str(answers.source(lesson, name)) for name in catalogue.of_lesson(lesson)}


def code(source: str) -> Cell:
    return {"cell_type": "code", "metadata": {}, "source": source, "outputs": [], "id": "new"}


def small(**answered: str) -> Cell:
    """Lesson 00 with nothing but its imports and exercises, all right but for `answered`."""
    notebook = student.blank(stored("00"))
    kept = [cell for cell in notebook["cells"] if "nbgrader" in cell["metadata"]]
    first = code("import torch\nfrom distill_lessons.exercises import lesson_00 as ex")
    notebook["cells"] = [first, *kept]
    cells.fill(notebook, solutions("00") | answered)
    return notebook


def after_first(source: str, notebook: Cell | None = None) -> Cell:
    """Put a cell of the learner's own behind the imports."""
    notebook = notebook or small()
    notebook["cells"].insert(1, code(source))
    return notebook


def hand_in(folder: Path, **notebooks: Cell) -> Path:
    folder.mkdir(exist_ok=True)
    for learner, notebook in notebooks.items():
        (folder / f"{learner}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    return folder


def rows_of(table: Path) -> dict[str, dict[str, str]]:
    with table.open(encoding="utf-8-sig", newline="") as file:
        return {row["learner"]: row for row in csv.DictReader(file)}


WRONG = {
    "batch_of_one": "def batch_of_one(x):\n    return x[0]",
    "does_it_hold": "does_it_hold = 'a'",
}
BLANK = {
    "batch_of_one": "def batch_of_one(x):\n    ...",
    "mean_difference": """def mean_difference(a, b):
    return 100 * sum(p - q for p, q in zip(a, b))""",
    "does_it_hold": "does_it_hold = None",
}

# --- hostile and broken: a submission each, all in one run ---------------------------------------

PATCH = """
import builtins, sys
from distill_lessons.exercises import compare, exercise
right = exercise.Verdict("correct", "")
for name in ("check", "judge", "compare", "expected"):
    setattr(exercise.Exercise, name, lambda self, *a, **k: right)
exercise.difference = compare.difference = lambda *a: None
torch.allclose = torch.equal = lambda *a, **k: True
class Answers:
    value = mistakes = staticmethod(lambda *a: "a")
sys.modules["distill_lessons.exercises.answers"] = exercise.answers = Answers
"""
LIAR = """
class Yes:
    def __eq__(self, other): return True
    def __hash__(self): return 0
    def __array__(self, *a, **k): raise KeyError("no array")
    def __call__(self, *a): return self
    def __float__(self): return 1.0
    shape = property(lambda self: 1 / 0)
class Word(str):
    __eq__ = lambda self, other: True
    __hash__ = str.__hash__
"""
FORGE = """
import json, os
lines = [b'{"name": "batch_of_one", "outputs": ' + b"[" * 5000 + b"]" * 5000 + b"}",
         b'{"name": "batch_of_one", "outputs": [[' + b"9" * 5000 + b'], [[1, [2]]]]}',
         b'{"name": "mean_difference", "outputs": [{"a": 1}, null]}',
         b'{"name": "mean_difference", "outputs": [["x", "y"], ["x", "y"]]}',
         b'{"name": "no_such", "outputs": [[1], [2]]}', b'{"name": ["x"], "says": {}}',
         b'{"cell": 99999}', b'{"cell": -7, "error": "forged"}', b'{"ask": "other"}',
         b'[1, 2]', b'null', b'\\xff\\xfe', b'"correct"', b'{"end": "no"}']
for fd in range(3, 30):
    try:
        os.write(fd, b"\\n" + b"\\n".join(lines) + b"\\n")
    except OSError:
        pass
json.dumps = lambda *a, **k: '{"correct": true}'
"""
NOISY = """
import sys
for i in range(10**5):
    print("x" * 99, file=sys.stderr)
"""
LINGER = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)  # lingers-in-test"],
                 start_new_session=True)
"""
STUBBORN = """
import time
while True:
    try:
        time.sleep(0.01)
    except BaseException:
        pass
"""
TOUCH = """
m = __import__("mmap").mmap(-1, 3 << 29)  # shared memory is beyond what the allocator limits
for _ in range(24):
    m.write(b"x" * (64 << 20))
import time; time.sleep(3)
"""
WRITER = """
from pathlib import Path
Path("here.txt").write_text("x"); Path("../../beside.txt").write_text("x")
"""
SPOILER = """
from pathlib import Path
for file in Path({folder!r}).glob("*.ipynb"):
    file.write_text("spoiled")
"""


def hostile(folder: Path) -> dict[str, tuple[Cell, str, str]]:
    """Notebooks by learner, with the points by exercise that are due and a part of the note."""
    twice = small()
    twice["cells"] += [code("does_it_hold = None") | {"metadata": cells.marks(NAMES[2])}]
    renamed = small()
    for cell in renamed["cells"][1:]:
        cell["metadata"]["nbgrader"]["grade_id"] += "_old"
    bare = small()
    for cell in bare["cells"]:
        cell["metadata"] = {}
    deleted = small()
    deleted["cells"] = [c for c in deleted["cells"] if "does_it_hold" not in str(c["source"])]
    aborts = "def batch_of_one(x):\n    __import__('os').abort()"
    unmended = small(**WRONG, mean_difference=BLANK[NAMES[1]])
    forever = "def batch_of_one(x):\n    while True: pass"
    yes = {NAMES[0]: LIAR + "batch_of_one = Yes()", NAMES[2]: "does_it_hold = Word('c')"}
    borrowed = {NAMES[0]: "batch_of_one = ex.batch_of_one.reference"}
    return {
        "right": (small(), "111", ""),
        "blank": (small(**BLANK), "000", ""),
        "half": (small(**WRONG), "010", ""),
        "import_fails": (after_first("import no_such_module"), "111", "cell 2 `import no_such"),
        "syntax": (small(mean_difference="def mean_difference(a"), "101", "SyntaxError"),
        "answer_exits": (small(batch_of_one="def batch_of_one(x): exit()"), "011", ""),
        "sys_exit": (after_first("import sys; sys.exit('bye')"), "111", "SystemExit: bye"),
        "os_exit": (after_first("import os; os._exit(0)"), "111", "ended the process (exit code"),
        "answer_dies": (small(batch_of_one=aborts), "011", "the answer batch_of_one ended the"),
        "loop": (small(batch_of_one=forever), "011", ""),
        "cell_loops": (after_first("while True: pass"), "111", "ran longer than"),
        "stubborn": (after_first(STUBBORN), "111", "ran longer than 8 seconds and was killed"),
        "allocates": (after_first("x = torch.ones(50 << 28)"), "111", "cell 2"),
        "touches": (after_first(TOUCH), "111", "took more than 1 GiB and was killed"),
        "lingers": (after_first(LINGER), "111", ""),
        "noisy": (after_first(NOISY), "111", ""),
        "writes": (after_first(WRITER), "111", None),
        "spoils": (after_first(SPOILER.format(folder=str(folder))), "111", None),
        "patches": (after_first(PATCH, unmended), "000", "look at the code"),
        "lies": (small(**yes), "010", ""),
        "borrows": (small(**borrowed), "011", "look at the code: it has `.reference`"),
        "forges": (after_first(FORGE, small(**WRONG)), "010", "the notebook: forged"),
        "twice": (twice, "111", "more than once: does_it_hold"),
        "renamed": (renamed, "111", "answer cell missing: batch_of_one, mean_difference, does"),
        "bare": (bare, "111", "answer cell missing"),
        "deleted": (deleted, "110", "answer cell missing: does_it_hold"),
    }


@pytest.fixture(scope="module")
def hostile_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result, dict[str, Any]]:
    home = tmp_path_factory.mktemp("grading")
    expected = hostile(home / "in")
    hand_in(home / "in", **{learner: about[0] for learner, about in expected.items()})
    limits = ["--cell-seconds", "8", "--memory", "1", "--jobs", "2"]
    done = invoke("grade", home / "in", "--out", home / "grades.csv", "--seed", "7", *limits)
    return home, done, expected


def test_every_submission_gets_its_own_grade(hostile_run) -> None:
    home, done, expected = hostile_run
    assert done.exit_code == 0, done.output
    rows = rows_of(home / "grades.csv")
    assert list(rows) == sorted(expected)
    for learner, (_, points, note) in expected.items():
        row = rows[learner]
        found = "".join(row[f"00.{name}"] for name in NAMES)
        assert found == points, (learner, row)
        assert (row["total"], row["of"]) == (str(points.count("1")), "3")
        if note is not None:
            assert note in row["note"], (learner, row["note"])
        if note == "":
            assert row["note"] == "", (learner, row["note"])


def test_nothing_of_a_submission_stays(hostile_run) -> None:
    home, _, _ = hostile_run
    running = [p.info["cmdline"] or [] for p in psutil.process_iter(["cmdline"])]
    assert not [line for line in running if any("lingers-in-test" in part for part in line)]
    assert not list(home.rglob("here.txt"))


def test_the_seed_and_every_verdict_are_kept(hostile_run) -> None:
    home, _, _ = hostile_run
    kept = json.loads((home / "grades.json").read_text(encoding="utf-8"))
    assert kept["seed"] == 7
    assert kept["limits"]["cell_seconds"] == 8
    by_learner = {one["learner"]: one for one in kept["submissions"]}
    loop = by_learner["loop"]["exercises"]["batch_of_one"]
    assert loop["state"] == "not yet"
    assert loop["text"].endswith("your code ran longer than 8 seconds.")
    assert by_learner["half"]["exercises"]["does_it_hold"]["points"] == 0
    page = (home / "grades-feedback" / "half.md").read_text(encoding="utf-8")
    assert "## Lesson 00: 1 of 3 points" in page
    assert "### ✗ A batch of one: 0 of 1" in page
    assert "An index takes the first axis away." in page


def test_the_same_seed_gives_the_same_table_and_keeps_the_first(hostile_run) -> None:
    home, _, _ = hostile_run
    chosen = hand_in(home / "again", half=small(**WRONG))
    tables_ = []
    for _ in range(2):
        done = invoke("grade", chosen, "--out", home / "again.csv", "--seed", "7")
        assert done.exit_code == 0
    tables_ = [(home / f"again{n}.csv").read_bytes() for n in ("", "-2")]
    assert tables_[0] == tables_[1]
    assert rows_of(home / "again.csv")["half"] == rows_of(home / "grades.csv")["half"]


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
attempt("answers", lambda: open({answers.__file__!r}))
attempt("written", lambda: Path({str(ROOT / "pyproject.toml")!r}).open("a"))
attempt("net", lambda: socket.create_connection(("198.51.100.1", 80), timeout=1))
attempt("kill", lambda: os.kill({os.getpid()}, 0))
import distill_lessons.exercises.answers as a
try:
    import distill_lessons.exercises.answers.lesson_00
    seen.append("imported")
except ImportError:
    pass
Path("work.txt").write_text("mine")
raise RuntimeError(f"seen: {{seen}}")
"""
    one = submission(after_first(look))
    (marked,) = marking.mark_all([one], (1, 2), box.Limits(), fence=start)
    assert marked.notes[0].endswith("RuntimeError: seen: []"), marked.notes


def submission(notebook: Cell, learner: str = "anna") -> submissions.Submission:
    cells_ = [submissions._cell(c) for c in notebook["cells"] if c["cell_type"] == "code"]
    return submissions.Submission(learner, "anna.ipynb", "00", tuple(cells_))


def test_without_a_fence_the_limits_hold_too(tmp_path: Path) -> None:
    tried = [after_first(LINGER), after_first(STUBBORN, small(**WRONG))]
    found = [submission(n, str(i)) for i, n in enumerate(tried)]
    limits = box.Limits(60, 2, 2 * 2**30)
    first, second = marking.mark_all(found, (1, 2), limits, fence=None, jobs=2)
    assert tables.sums(first) == (3, 3)
    assert tables.sums(second) == (1, 3)
    assert second.notes == ("cell 2 `import time` ran longer than 2 seconds and was killed",)
    test_nothing_of_a_submission_stays((tmp_path, None, None))


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


# --- the folder of submissions -------------------------------------------------------------------


def test_layouts_and_odd_names(tmp_path: Path) -> None:
    folder = hand_in(tmp_path / "in", **{"=cmd()": small(), "Zoë O'Neil, jr": small()})
    hand_in(folder, **{"li_00_start_here": small(), "06 x": small()})
    for path in ("ann/00_start_here.ipynb", "bob/00_start_here/00_start_here.ipynb"):
        (folder / path).parent.mkdir(parents=True)
        (folder / path).write_text(json.dumps(small()))
    (folder / "bob" / ".ipynb_checkpoints").mkdir()
    (folder / "bob" / ".ipynb_checkpoints" / "00-checkpoint.ipynb").write_text("{}")
    (folder / "nobody").mkdir()
    (folder / "list.txt").write_text("not a submission")
    found = {one.learner: one for one in submissions.collect(folder)}
    lessons = {learner: one.lesson for learner, one in found.items()}
    odd = {"=cmd()": "00", "Zoë O'Neil, jr": "00", "li": "00", "06 x": "00"}
    assert lessons == odd | {"ann": "00", "bob": "00", "nobody": None}
    assert list(found) == sorted(found)
    assert found["nobody"].notes == ("no notebook in this folder",)
    assert found["bob"].file == "bob/00_start_here/00_start_here.ipynb"


def test_two_notebooks_of_one_lesson_are_both_told(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "in" / "ann").mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / "ann" / f"{name}.ipynb").write_text(json.dumps(small()))
    first, second = submissions.collect(tmp_path / "in")
    assert first.notes == ("one of 2 notebooks of this lesson: ann/a.ipynb",)
    assert second.notes == ("one of 2 notebooks of this lesson: ann/b.ipynb",)


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (b"", "damaged: the file is not JSON"),
        (b"\xff\xfe\x00", "damaged: the file is not JSON"),
        (b"[" * 200_000, "damaged: the file is not JSON"),
        (b"{}", "damaged: JSON, but no notebook of format 4"),
        (b"[1]", "damaged: JSON, but no notebook of format 4"),
        (b'{"cells": [3]}', "damaged: JSON, but no notebook of format 4"),
        (b'{"cells": {"a": 1}}', "damaged: JSON, but no notebook of format 4"),
        (b'{"cells": [{"cell_type": "code"}]}', "damaged: JSON, but no notebook of format 4"),
        (b'{"cells": [{"cell_type": "code", "source": [1]}]}', "damaged: JSON, but no notebook"),
        (b'{"cells": []}', "not a lesson of this course"),
        (b'{"cells": [{"cell_type": "code", "source": "x = 1"}]}', "not a lesson of this course"),
        (b" " * (submissions.HUGE + 1), "too large for a notebook (20 MiB)"),
    ],
    ids=range(12),
)
def test_a_file_that_is_no_lesson_has_a_line_of_its_own(
    tmp_path: Path, content: bytes, note: str
) -> None:
    folder = hand_in(tmp_path / "in", zoe=small())
    (folder / "ann.ipynb").write_bytes(content)
    ann, zoe = submissions.collect(folder)
    assert (ann.learner, ann.lesson) == ("ann", None)
    assert ann.notes[0].startswith(note)
    assert zoe.notes == ()


@pytest.mark.parametrize("lesson", catalogue.LESSONS)
def test_no_honest_code_is_to_be_looked_at(tmp_path: Path, lesson: str) -> None:
    notebook = student.blank(stored(lesson))
    cells.fill(notebook, solutions(lesson))
    (one,) = submissions.collect(hand_in(tmp_path / "in", ann=notebook))
    assert (one.lesson, one.notes) == (lesson, ())


@pytest.mark.parametrize("odd", [3, [], "x", {"nbgrader": 3}, {"nbgrader": {"grade_id": [1]}}])
def test_odd_metadata_is_no_metadata(tmp_path: Path, odd: Any) -> None:
    notebook = small()
    notebook["cells"][1]["metadata"] = odd
    (one,) = submissions.collect(hand_in(tmp_path / "in", ann=notebook))
    assert one.lesson == "00"
    assert one.notes == ("answer cell missing: batch_of_one",)


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_links_and_pipes_are_not_opened(tmp_path: Path) -> None:
    folder = hand_in(tmp_path / "in", zoe=small())
    (folder / "ann.ipynb").symlink_to(folder / "zoe.ipynb")
    os.mkfifo(folder / "ben.ipynb")
    found = submissions.collect(folder)
    assert [one.notes for one in found[:2]] == [("not a file but a link or a device",)] * 2


def test_a_folder_without_submissions_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        done = invoke("grade", folder)
        assert done.exit_code == 2
        assert done.stderr.startswith("problem: DIR=")


# --- tables and seeds ----------------------------------------------------------------------------


def test_a_table_holds_no_formula_and_every_name(tmp_path: Path) -> None:
    odd = ["=cmd|' /C calc'!A0", "@x", "-2+3", 'Zoë, "Jr"', "two\nlines", "caf\udce9"]
    marked = [marking.Marked(submissions.Submission(name, "f"), {}, ("=1+1",)) for name in odd]
    tables.write_csv(marked, tmp_path / "t.csv")
    found = rows_of(tmp_path / "t.csv")
    assert list(found) == [*(f"'{name}" for name in odd[:3]), *odd[3:5], "caf\\udce9"]
    assert all(row["note"] == "'=1+1" for row in found.values())
    tables.write_details(marked, tmp_path / "t.json")
    kept = json.loads((tmp_path / "t.json").read_text())["submissions"]
    assert [one["learner"] for one in kept] == odd
    with pytest.raises(FileExistsError):
        tables.write_csv(marked, tmp_path / "t.csv")


def test_a_seed_is_drawn_by_chance_and_tried_on_the_solutions(monkeypatch) -> None:
    drawn = {marking.hidden_seeds(None, ["00"]) for _ in range(3)}
    assert len(drawn) == 3
    assert all(second == first + 1 for first, second in drawn)
    with pytest.raises(ValueError, match="--seed -1"):
        marking.hidden_seeds(-1, ["00"])
    monkeypatch.setattr(answers, "value", lambda lesson, name: "wrong")
    with pytest.raises(ValueError, match="With --seed 5 the course's own solution of 00.batch_of"):
        marking.hidden_seeds(5, ["00"])
    monkeypatch.setattr(answers, "value", lambda lesson, name: None)
    with pytest.raises(ValueError, match="this is a student build"):
        marking.hidden_seeds(None, ["00"])


@pytest.mark.parametrize("lesson", catalogue.LESSONS)
def test_solutions_are_right_on_seeds_that_chance_may_draw(lesson: str) -> None:
    for seed in (20, 21, 22, marking.MOST_SEED + 1):
        for made in catalogue.of_lesson(lesson).values():
            verdict = made.judge(answers.value(lesson, made.name), seed)
            assert verdict.state == "correct", (made.key, seed, verdict.text)


# --- the student build ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("release") / "for students"
    done = invoke("release", out)
    assert done.exit_code == 0, done.output
    assert f"{len(catalogue.LESSONS)} lessons for students." in done.stdout
    return out


def in_build(built: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | {"PYTHONPATH": str(built), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=built,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_a_student_build_gives_nothing_away(built: Path) -> None:
    assert leaks.find(built) == []
    names = {f.relative_to(built).as_posix() for f in built.rglob("*") if f.is_file()}
    assert {f"notebooks/{stored(n).name}" for n in catalogue.LESSONS} <= names
    assert {"README.md", "LICENSE", "pyproject.toml", "distill_lessons/course/cli.py"} <= names
    assert len((built / "README.md").read_text(encoding="utf-8").splitlines()) <= 12


def test_a_student_build_works_and_knows_no_answer(built: Path) -> None:
    script = (
        "import distill_lessons; from distill_lessons.exercises import lesson_00 as ex\n"
        "print(distill_lessons.__file__)\n"
        "ex.does_it_hold.check('c'); ex.does_it_hold.solution(sure=True); ex.does_it_hold.hint()\n"
        "ex.batch_of_one.check(lambda x: x[:1]); ex.batch_of_one.check(lambda x: x[0])\n"
    )
    done = in_build(built, "-c", script)
    assert done.returncode == 0, done.stderr
    where, noted, solution, hint, right, wrong, *_ = done.stdout.splitlines()
    assert Path(where).is_relative_to(built)
    assert noted == "Noted. Your answer is compared when the lab is graded."
    assert solution == "In a graded lab the solution stays with your instructor."
    assert hint.startswith("Hint 1 of 1")
    assert right == "Correct."
    assert wrong == "Not yet. An index takes the first axis away."
    for command in (["grade", "."], ["release", "out"]):
        done = in_build(built, "-m", "distill_lessons", *command)
        assert done.returncode == 2
        assert done.stderr.startswith("problem: This is a student build.")


def test_a_student_build_can_be_packed(built: Path, tmp_path: Path) -> None:
    import tomllib

    project = tomllib.loads((built / "pyproject.toml").read_text(encoding="utf-8"))
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["dependencies"] == ours["project"]["dependencies"]
    assert project["project"]["version"].endswith("+student")


def test_release_writes_into_no_folder_that_is_in_use(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    done = invoke("release", tmp_path, "00")
    assert done.exit_code == 2
    assert "exists and is not empty" in done.stderr
    assert [f.name for f in tmp_path.iterdir()] == ["mine.txt"]


SPOILS: dict[str, Callable[[Path], object]] = {
    "the code of 00.mean_difference": lambda out: (out / "a.py").write_text(
        "def other(a,b):\n  # my own\n  return 100*sum(p-q for p,q in zip(a,b))/len( a )\n"
    ),
    "the code of 00.batch_of_one": lambda out: (out / "README.md").write_text(
        "Write\n\n    def batch_of_one(x):  # easy\n\n        return x[:1]\n"
    ),
    "the value of 00.does_it_hold": lambda out: (out / "a.json").write_text(
        '{"does_it_hold": "C"}'
    ),
    "the explanation of 00.does_it_hold": lambda out: (out / "a.txt").write_text(
        "they say: the interval reaches below ZERO: from these ten seeds one cannot tell\n"
        "whether the trick helps!"
    ),
    "stored outputs": lambda out: shutil.copy(stored("00"), out / "x.ipynb"),
    "hidden tests": lambda out: (out / "a.ipynb").write_text(
        json.dumps(nbgrader.with_hidden_tests(stored("00"), (1, 2)))
    ),
    "this file stays with the instructor": lambda out: (out / "lesson_00.cpython-311.pyc")
    .write_bytes(b""),
}  # fmt: skip


@pytest.mark.parametrize("leak", SPOILS)
def test_the_leak_test_finds_what_leaks(tmp_path: Path, leak: str) -> None:
    SPOILS[leak](tmp_path)
    found = leaks.find(tmp_path)
    assert [line.split(": ", 1)[1] for line in found] == [leak]


@pytest.mark.parametrize("lesson", catalogue.LESSONS)
def test_the_leak_test_knows_every_solution(tmp_path: Path, lesson: str) -> None:
    for name in catalogue.of_lesson(lesson):
        (tmp_path / "a.py").write_text(str(answers.source(lesson, name, comment=False)), "utf-8")
        assert leaks.find(tmp_path), name


# --- release -> five submissions -> grade, with the network off ----------------------------------

E2E = "02"
NO_NETWORK = """
import socket
def refuse(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1"):
        raise OSError(f"the network is off: {address}")
    return connect(self, address)
connect, socket.socket.connect = socket.socket.connect, refuse
"""


def without_network(tmp_path: Path) -> tuple[list[str], dict[str, str]]:
    """Return how to start a process that has no network: cut off by the system, or by Python."""
    tried = ["unshare", "-rn", "true"]
    if shutil.which("unshare") and subprocess.run(tried, capture_output=True).returncode == 0:
        return ["unshare", "-rn"], {}
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(NO_NETWORK)
    paths = os.pathsep.join([str(tmp_path / "site"), os.environ["PYTHONPATH"]])
    return [], {"PYTHONPATH": paths}


def test_release_collect_grade_without_network(built: Path, tmp_path: Path) -> None:
    made = catalogue.of_lesson(E2E)
    right = solutions(E2E)
    names = list(made)
    half = names[: len(names) // 2]
    blank = json.loads((built / "notebooks" / stored(E2E).name).read_text(encoding="utf-8"))

    def hand_in_as(learner: str, sources: dict[str, str], extra: str = "") -> None:
        notebook = json.loads(json.dumps(blank))
        cells.fill(notebook, sources)
        if extra:
            first = next(i for i, c in enumerate(notebook["cells"]) if "as ex" in str(c["source"]))
            notebook["cells"].insert(first + 1, code(extra))
        path = tmp_path / "submitted" / learner / stored(E2E).stem / stored(E2E).name
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(notebook), encoding="utf-8")

    cheat = {n: f"{n} = ex.{n}.reference" for n, one in made.items() if one.cases is not None}
    hand_in_as("anna", right)
    hand_in_as("ben", {})
    hand_in_as("cleo", {name: right[name] for name in half})
    hand_in_as("dan", right | {names[0]: "import os\nos.abort()"})
    hand_in_as("eve", cheat, PATCH)
    cut, env = without_network(tmp_path)
    patient = ["--jobs", "2", "--seconds", "1500", "--cell-seconds", "300"]  # the machine is shared
    done = subprocess.run(
        [*cut, sys.executable, "-m", "distill_lessons", "grade", "submitted", *patient],
        cwd=tmp_path,
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr
    points = {name: one.points for name, one in made.items()}
    total = sum(points.values())
    expected = {
        "anna": total,
        "ben": 0,
        "cleo": sum(points[name] for name in half),
        "dan": total - points[names[0]],
        "eve": 0,
    }
    rows = rows_of(tmp_path / "grades.csv")
    assert {n: int(row["total"]) for n, row in rows.items()} == expected, done.stdout
    assert {row["of"] for row in rows.values()} == {str(total)}
    assert rows["anna"]["note"] == rows["ben"]["note"] == rows["cleo"]["note"] == ""
    assert "`import os` ended the process" in rows["dan"]["note"]
    assert "look at the code" in rows["eve"]["note"]


# --- nbgrader ------------------------------------------------------------------------------------


def test_nbgraders_own_tools_take_the_lab(tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("nbgrader")
    lesson = tmp_path / stored("00").name
    blank = small(**BLANK)
    lesson.write_text(json.dumps(blank), encoding="utf-8")
    monkeypatch.setattr(instructors.lessons, "find", lambda names, folder: [lesson])
    course = tmp_path / "course"
    done = invoke("release", course, "00", "--nbgrader", "--seed", "3")
    assert done.exit_code == 0, done.output
    assert "1 assignments, hidden seed 3." in done.stdout
    assert invoke("release", course, "00", "--nbgrader").exit_code == 2  # it is there already
    name = lesson.stem
    # nbgrader starts `alembic` by name: the environment has to be active.
    active = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])

    def run(*arguments: str) -> None:
        said = subprocess.run(
            [sys.executable, "-m", "nbgrader", *arguments],
            cwd=course,
            env=os.environ | {"PATH": active},
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert said.returncode == 0, said.stderr

    run("generate_assignment", name)
    released = course / "release" / name / lesson.name
    text = released.read_text(encoding="utf-8")
    assert "HIDDEN" not in text
    assert "_verdict" not in text
    assert "NotImplementedError" not in text
    assert leaks.find(course / "release") == []
    for learner, answered in (("anna", solutions("00")), ("cleo", WRONG), ("ben", {})):
        notebook = json.loads(text)
        cells.fill(notebook, answered)
        path = course / "submitted" / learner / name / lesson.name
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(notebook), encoding="utf-8")
    (course / "submitted" / "cleo" / name / lesson.name).touch()
    run("autograde", name)
    run("export")
    with (course / "grades.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert rows == {"anna": 3.0, "ben": 0.0, "cleo": 0.0}


@pytest.mark.parametrize("lesson", catalogue.LESSONS)
def test_the_metadata_is_valid_under_nbgraders_schema(lesson: str) -> None:
    validator = pytest.importorskip("nbgrader.nbgraderformat").MetadataValidator()
    import nbformat

    notebook = nbformat.from_dict(student.blank(stored(lesson)))
    validator.validate_nb(notebook)
    with_tests = nbgrader.with_hidden_tests(stored(lesson), (1, 2))
    validator.validate_nb(nbformat.from_dict(with_tests))
    hidden = re.findall("BEGIN HIDDEN TESTS", json.dumps(with_tests))
    assert len(hidden) == len(catalogue.of_lesson(lesson))


# --- the guide -----------------------------------------------------------------------------------


def test_the_guide_names_sections_and_exercises_that_exist() -> None:
    guide = (ROOT / "INSTRUCTORS.md").read_text(encoding="utf-8")
    minutes = {n: m.minutes for x in catalogue.LESSONS for n, m in catalogue.of_lesson(x).items()}
    plan = guide.split("## Timetables")[1].split("## Common mistakes")[0]
    named = re.findall(r"`([a-z]\w*)` \((\d+)\)", plan)
    assert len(named) > 40
    assert {name: int(m) for name, m in named} == {name: minutes[name] for name, _ in named}
    mistakes = guide.split("## Common mistakes")[1].split("## Before the first")[0]
    assert set(re.findall(r"`([a-z]\w*)`", mistakes)) <= minutes.keys()
    headings = set()
    for lesson in catalogue.LESSONS:
        for cell in student.blank(stored(lesson))["cells"]:
            if cell["cell_type"] == "markdown":
                headings |= set(re.findall(r"^## (.+)$", "".join(cell["source"]), re.MULTILINE))
    sections = set(re.findall(r"\*([^*]+)\* \(\d+\)", plan))
    assert len(sections) > 30
    assert sections <= headings, sections - headings
    rows = dict(re.findall(r"^\| (0\d) \| \d+ min \| (\d+ min, \d+) \|", guide, re.MULTILINE))
    for lesson in catalogue.LESSONS:
        made = catalogue.of_lesson(lesson).values()
        assert rows[lesson] == f"{sum(m.minutes for m in made)} min, {len(made)}"


def test_the_guide_gives_the_options_and_defaults_of_grade() -> None:
    guide = (ROOT / "INSTRUCTORS.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(--[a-z-]+) [A-Z]+` \| .* \| (.+) \|$", guide, re.MULTILINE)
    command = typer.main.get_command(cli.app).commands["grade"]  # type: ignore[attr-defined]
    options = {p.opts[0]: p.default for p in command.params if p.opts[0].startswith("--")}
    assert {name for name, _ in rows} == options.keys()
    for name, default in rows:
        if options[name] is not None:
            assert default.strip("`") == str(options[name])
