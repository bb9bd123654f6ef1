"""Honest, broken and hostile submissions graded in one run, each with its own result."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hostile import (
    DISK,
    FIND,
    FLOAT64,
    FORGE,
    KILLS,
    KILLS_GROUP,
    LIAR,
    LINGER,
    MEMFD,
    NOISY,
    PATCH,
    SPOILER,
    STUBBORN,
    TOUCH,
    WRITER,
)
from labs import (
    BLANK,
    NAMES,
    WRONG,
    Cell,
    after_first,
    code,
    hand_in,
    invoke,
    lingering,
    rows_of,
    small,
)
from typer.testing import Result

from distill_lessons.exercises import cells
from distill_lessons.grading import fence

# What the fence keeps from happening, and what the limits have to catch without one.
WITHOUT_FENCE = {"right", "answer_dies", "stubborn", "touches", "memfd", "disk", "lingers"}
WITHOUT_FENCE |= {"writes", "spoils", "patches", "finds", "forges", "kills_group"}


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
    borrowed = {NAMES[0]: "batch_of_one = ex.batch_of_one.judged_by.reference"}
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
        "stubborn": (after_first(STUBBORN), "111", "waited longer than 2 seconds and was killed"),
        "allocates": (after_first("x = torch.ones(50 << 28)"), "111", "cell 2"),
        "touches": (after_first(TOUCH), "111", "took more than 1 GiB and was killed"),
        "memfd": (after_first(MEMFD), "111", "took more than 1 GiB and was killed"),
        "disk": (after_first(DISK), "111", "cell 2 `import os`"),
        "float64": (after_first(FLOAT64), "111", ""),
        "lingers": (after_first(LINGER), "111", ""),
        "noisy": (after_first(NOISY), "111", ""),
        "writes": (after_first(WRITER), "111", None),
        "spoils": (after_first(SPOILER.format(folder=str(folder))), "111", None),
        "patches": (after_first(PATCH, unmended), "000", "look at the code"),
        "finds": (after_first(FIND, unmended), "000", "look at the code"),
        "kills": (after_first(KILLS), "111", "look at the code"),
        "kills_group": (after_first(KILLS_GROUP), "111", "ended the process"),
        "lies": (small(**yes), "010", ""),
        "borrows": (small(**borrowed), "011", "look at the code: it has `.reference`"),
        "forges": (after_first(FORGE, small(**WRONG)), "010", "the notebook: forged"),
        "twice": (twice, "111", "more than once: does_it_hold"),
        "renamed": (renamed, "111", "answer cell missing: batch_of_one, mean_difference, does"),
        "bare": (bare, "111", "answer cell missing"),
        "deleted": (deleted, "110", "answer cell missing: does_it_hold"),
    }


Run = tuple[Path, Result, dict[str, tuple[Cell, str, str]]]


@pytest.fixture(scope="module", params=["fence", "no fence"])
def hostile_run(request, tmp_path_factory: pytest.TempPathFactory) -> Run:
    if request.param == "fence" and fence.find() is None:
        pytest.skip("this machine lets nobody make a user namespace")
    home = tmp_path_factory.mktemp("grading")
    expected = hostile(home / "in")
    if request.param == "no fence":
        expected = {learner: expected[learner] for learner in WITHOUT_FENCE}
    hand_in(home / "in", **{learner: about[0] for learner, about in expected.items()})
    arguments = ["--cell-seconds", "2", "--memory", "1", "--disk", "0.5"]
    arguments += ["--jobs", "2"] if request.param == "fence" else ["--no-fence"]
    done = invoke("grade", home / "in", "--out", home / "grades.csv", "--seed", "7", *arguments)
    return home, done, expected


def test_every_submission_gets_its_own_grade(hostile_run: Run) -> None:
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


def test_nothing_of_a_submission_stays(hostile_run: Run) -> None:
    home, _, _ = hostile_run
    assert not lingering()
    assert not list(home.rglob("here.txt"))


def test_the_seed_and_every_verdict_are_kept(hostile_run: Run) -> None:
    home, _, expected = hostile_run
    kept = json.loads((home / "grades.json").read_text(encoding="utf-8"))
    assert kept["seed"] == 7
    assert kept["limits"]["cell_seconds"] == 2
    by_learner = {one["learner"]: one for one in kept["submissions"]}
    assert by_learner.keys() == expected.keys()
    if "loop" not in by_learner:
        return
    loop = by_learner["loop"]["exercises"]["batch_of_one"]
    assert loop["state"] == "not yet"
    assert loop["text"].endswith("your code ran longer than 2 seconds.")
    assert by_learner["half"]["exercises"]["does_it_hold"]["points"] == 0
    syntax = by_learner["syntax"]["exercises"]["mean_difference"]
    assert syntax["state"] == "not yet"
    assert syntax["text"].startswith("The answer cell cannot run. SyntaxError: ")


def test_the_same_seed_gives_the_same_table(tmp_path: Path, hostile_run: Run) -> None:
    home, _, expected = hostile_run
    if "half" not in expected:
        pytest.skip("once is enough")
    chosen = hand_in(tmp_path / "again", half=small(**WRONG))
    done = invoke("grade", chosen, "--out", tmp_path / "again.csv", "--seed", "7")
    assert done.exit_code == 0
    assert rows_of(tmp_path / "again.csv")["half"] == rows_of(home / "grades.csv")["half"]
