"""A run's record says all that is needed to repeat it; a replay says which numbers differ."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from labs import invoke
from small_course import installed, write

from distill_lessons.course import replay, results
from distill_lessons.course.results import Number, Record

CLAIM = (
    "from pathlib import Path\n"
    "from distill_lessons import settings\n"
    "from distill_lessons.claims import claim\n"
    "off = float(Path('off').read_text()) if Path('off').exists() else 0.0\n"
    "claim('A third and the seed.', 1 / 3 + settings.load().seed + off, above=0)"
)
ALWAYS = "from distill_lessons.claims import claim\nclaim('Two is more.', 2.0, above=1)"


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A learner's folder with two lessons."""
    bundled = installed(tmp_path, monkeypatch)
    monkeypatch.setenv("DISTILL_LIVE", "0")
    write(bundled, "01_seeded", CLAIM)
    write(bundled, "02_always", ALWAYS)
    return Path.cwd()


def kept(course: Path) -> Path:
    return max(course.glob("runs/*/results.json"), key=lambda path: path.stat().st_mtime_ns)


def test_a_run_is_recorded_and_repeated_to_the_last_bit(course: Path, monkeypatch) -> None:
    monkeypatch.setenv("DISTILL_SEED", "3")
    assert invoke("run").exit_code == 0
    file = kept(course)
    first, second = results.read(file)
    assert (first.lesson, second.lesson) == ("01_seeded.ipynb", "02_always.ipynb")
    assert (first.dataset, first.profile, first.seed, first.device) == ("digits", "cpu", 3, "cpu")
    assert len(first.data) == len(first.package) == 16
    for word in ("distill-lessons ", "Python ", "torch ", "numpy ", "scikit-learn "):
        assert word in first.versions
    assert first.command.startswith("distill-lessons")
    assert first.claims == (Number("A third and the seed.", *[1 / 3 + 3] * 3, 1),)
    monkeypatch.setenv("DISTILL_SEED", "0")  # the record's seed counts
    result = invoke("run", "--replay", str(file))
    assert result.exit_code == 0, result.output
    same = "01_seeded, digits, cpu profile, seed 3: the same, 1 claims to the last bit."
    assert same in result.output
    again = results.read(kept(course))
    assert [one.claims for one in again] == [first.claims, second.claims]
    assert kept(course) != file

    # The last bit of one number.
    (course / "notebooks" / "off").write_text("1e-15")
    result = invoke("run", "--replay", str(file))
    assert result.exit_code == 1
    assert "FAILED 01_seeded, digits, cpu profile, seed 3: not the same." in result.output
    assert "A third and the seed. value 3.3333333333333335 then, 3.333333333333334" in result.output
    assert "now (+8.88e-16)" in result.output
    assert "02_always, digits, cpu profile, seed 3: the same" in result.output
    assert "Note:" not in result.output
    # Only the other lesson, by its number.
    assert invoke("run", "02", "--replay", str(file)).exit_code == 0


def test_every_seed_is_recorded(course: Path) -> None:
    assert invoke("run", "1", "--seeds", "0-1").exit_code == 0
    assert [(one.seed, one.claims[0].value) for one in results.read(kept(course))] == [
        (0, 1 / 3),
        (1, 1 / 3 + 1),
    ]


def test_what_cannot_be_replayed_is_one_line(course: Path) -> None:
    invoke("run", "2")
    file = kept(course)
    content = json.loads(file.read_text())
    content["results"][0]["device"] = "abacus"
    other = course / "other.json"
    other.write_text(json.dumps(content))
    torn = course / "torn.json"
    torn.write_text(file.read_text()[:200])
    for arguments, said in {
        ("--replay", "nowhere.json"): "nowhere.json",
        ("--replay", str(torn)): "holds no results of a run",
        ("--replay", str(other)): "DISTILL_DEVICE='abacus' is unknown",
        ("1", "--replay", str(file)): "has no result to repeat",
        ("--replay", str(file), "--seeds", "0-1"): "leave out --seeds",
    }.items():
        result = invoke("run", *arguments)
        assert result.exit_code == 2, result.output
        assert said in result.output
        assert "Traceback" not in result.output


def test_differences_are_named_with_their_size_and_what_changed() -> None:
    same = {"dataset": "digits", "profile": "cpu", "seed": 0}
    same |= {"device": "cpu", "threads": "", "command": ""}
    then = Record(
        "01.ipynb", "a", "p", data="d", versions="torch 1", machine="m", seconds=1.0, failure="",
        claims=(Number("A.", 1.0, 0.5, 1.5, 5), Number("A.", 2.0, None, None, 2),
                Number("B.", None, None, None, 1)),
        **same,
    )  # fmt: skip
    assert replay.differences(then, then) == replay.changes(then, then) == []
    now = replace(
        then,
        code="b",
        versions="torch 2",
        claims=(*then.claims[:1], Number("A.", 2.5, None, None, 2), Number("C.", 1, 1, 1, 1)),
        failure="cell 3: interrupted",
    )
    assert replay.differences(then, now) == [
        "it ran to its end then and stopped (cell 3: interrupted) now",
        "A. value 2.0 then, 2.5 now (+0.5).",
        "measured then, not now: B.",
        "measured now, not then: C.",
    ]
    assert replay.changes(then, now) == [
        "the lesson's code changed since",
        "torch 1 then, torch 2 now",
    ]


def test_a_hash_of_data_tells_one_image_from_another(tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for i in range(3):
            Image.fromarray(np.full((8, 8), i, np.uint8)).save(tmp_path / name / f"{i}.png")
    dataset = f"folder:{tmp_path}"
    before = results.data_hash(dataset, tmp_path)
    assert before == results.data_hash(dataset, tmp_path) != results.data_hash("digits", tmp_path)
    Image.fromarray(np.full((8, 8), 9, np.uint8)).save(tmp_path / "dog" / "2.png")
    assert results.data_hash(dataset, tmp_path) not in (before, "")
    assert results.data_hash("mnist", tmp_path) == ""
