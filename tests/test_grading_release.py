"""The student build gives nothing away; released, handed in and graded without a network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile import PATCH
from labs import ROOT, code, invoke, rows_of, solutions, stored

from distill_lessons.exercises import catalogue, cells
from distill_lessons.grading import leaks, nbgrader


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("release") / "for students"
    done = invoke("release", out, "all")
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
    assert right.startswith("Correct.")
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
        "they say: the interval reaches below ZERO; these ten repeats cannot tell\n"
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
    for name, made in catalogue.of_lesson(lesson).items():
        code = made.solved_by.code.splitlines()
        bare = [line for line in code if not line.startswith("#")]
        (tmp_path / "a.py").write_text("\n".join(bare), "utf-8")
        assert leaks.find(tmp_path), name


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

    def hand_in_as(
        learner: str, sources: dict[str, str], extra: str = "", *, whole: bool = False
    ) -> None:
        notebook = json.loads(json.dumps(blank))
        cells.fill(notebook, sources)
        if not whole:  # one learner who runs all of the lesson is enough: its imports, its answers
            marked = [c for c in notebook["cells"] if "nbgrader" in c["metadata"]]
            first = next(c for c in notebook["cells"] if "as ex" in str(c["source"]))
            notebook["cells"] = [first, *([code(extra)] if extra else []), *marked]
        path = tmp_path / "submitted" / learner / stored(E2E).stem / stored(E2E).name
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(notebook), encoding="utf-8")

    cheat = {
        n: f"{n} = ex.{n}.judged_by.reference" for n, one in made.items() if one.cases is not None
    }
    hand_in_as("anna", right, whole=True)
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
    assert done.returncode == 0, done.stdout + done.stderr
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
