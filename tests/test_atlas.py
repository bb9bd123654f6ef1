"""The atlas of claims: what is run, kept and taken up again, and what is shown of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from nbformat import v4
from small_course import installed, write
from typer.testing import CliRunner

from distill_lessons import claims
from distill_lessons.claims import Claim, Effect, Shown, claim
from distill_lessons.course import atlas, cli, lessons, running, survey
from distill_lessons.course.atlas import Measured, World
from distill_lessons.settings import load

WON = Claim("A < B wins.", Effect(0.094, 0.081, 0.107, 16, 15, "points"), 0.05, None)
LOST = Claim("A < B wins.", Effect(0.004, -0.014, 0.022, 4, 3, "points"), 0.05, None)
WIDE = Claim("A < B wins.", Effect(0.06, 0.02, 0.10, 4, 3, "points"), 0.05, None)
EXACT = Claim("Two is more.", Effect(2.0, 2.0, 2.0), 1.0, None)
DIGITS = [World("digits", "cpu", seed) for seed in (0, 1)]
MNIST = World("mnist", "cpu", 0)


def executed(lesson: Path, *found: Claim, failure: running.Failure | None = None) -> running.Result:
    outputs = [v4.new_output("display_data", Shown((c,))._repr_mimebundle_()) for c in found]
    notebook = v4.new_notebook(cells=[v4.new_code_cell("claim()", outputs=outputs)])
    return running.Result(lesson, notebook, 1.0, 1, 1, failure)


class Stub:
    """Executes nothing: each world has claims of its own; counts what was asked of it."""

    def __init__(self, found: dict[str, list[Claim]]) -> None:
        self.found, self.asked = found, list[tuple[str, str]]()

    def __call__(self, lesson: Path, env: dict[str, str]) -> running.Result:
        self.asked.append((lesson.stem, env["DISTILL_DATASET"] + env["DISTILL_SEED"]))
        return executed(lesson, *self.found.get(env["DISTILL_DATASET"], [WON, EXACT]))


def collect(
    kept: Path, chosen: list[Path], execute: Any, worlds: list[World] | None = None
) -> bool:
    named = [(world, world.dataset) for world in worlds or [*DIGITS, MNIST]]
    return survey.collect(named, chosen, kept, env={}, device="cpu", execute=execute)


# --- the verdict ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "above", "below", "verdict"),
    [
        (1, 2, 0, None, "holds"),
        (-2, -1, 0, None, "fails"),
        (-1, 1, 0, None, "open"),
        (1, 2, None, 3, "holds"),
        (3, 4, None, 3, "fails"),
        (2, 4, None, 3, "open"),
        (1, 1, 0, 2, "holds"),
        (2, 2, 0, 2, "fails"),
        (float("nan"), float("nan"), 0, None, "open"),
    ],
)
def test_a_verdict_says_whether_the_interval_decides(
    low: float, high: float, above: float | None, below: float | None, verdict: str
) -> None:
    found = Claim("A.", Effect((low + high) / 2, low, high, 3), above, below)
    assert found.verdict == verdict
    assert (found.verdict == "holds") == found.holds


# --- what is kept ---------------------------------------------------------------------------------


def test_what_was_measured_comes_back_from_the_file(tmp_path: Path) -> None:
    kept, chosen = tmp_path / "atlas.json", [write(tmp_path, "04_runs", "claim()")]
    assert collect(kept, chosen, Stub({"mnist": [LOST, EXACT]}))
    runs = atlas.read(kept)
    assert [(run.lesson, str(run.world)) for run in runs] == [
        ("04", "digits, seed 0"), ("04", "digits, seed 1"), ("04", "mnist, seed 0")
    ]  # fmt: skip
    won = ("A < B wins.", "+9.4 points", "[+8.1, +10.7]", "16 seeds", "above 5 points", "holds")
    exact = ("Two is more.", "2", "", "", "above 1", "holds")
    assert runs[0].claims == (Measured(*won), Measured(*exact))
    assert runs[2].claims[0].verdict == "fails"
    assert "torch" in runs[0].versions
    assert runs[0].device == "cpu"
    assert atlas.text_of(reversed(runs)) == kept.read_text(encoding="utf-8")


def test_a_survey_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    kept = tmp_path / "atlas.json"
    chosen = [write(tmp_path, name, name) for name in ("04_runs", "05_more")]
    worlds = DIGITS[:1]

    def stopped(lesson: Path, env: dict[str, str]) -> running.Result:
        if lesson.stem == "05_more":
            failure = running.Failure(1, "claim()", running.INTERRUPTED)
            return executed(lesson, WON, failure=failure)
        return executed(lesson, WON)

    assert not collect(kept, chosen, stopped, worlds)
    assert [run.lesson for run in atlas.read(kept)] == ["04"]
    stub = Stub({})
    assert collect(kept, chosen, stub, worlds)
    assert stub.asked == [("05_more", "digits0")]
    assert collect(kept, chosen, stub, worlds)
    assert len(stub.asked) == 1


def test_a_killed_command_goes_on_and_runs_nothing_twice(tmp_path: Path) -> None:
    """The real command with real kernels, killed in the second lesson without a chance to tidy."""
    folder, log = tmp_path / "notebooks", tmp_path / "log"
    body = (
        "from distill_lessons.claims import claim\nclaim('Two is more.', 2.0, above=1)\n"
        f"open({str(log)!r}, 'a').write('%s ')\n"
    )
    write(folder, "01_first", body % "first")
    wait = f"import os, time\nwhile not os.path.exists({str(tmp_path / 'go')!r}): time.sleep(0.05)"
    write(folder, "02_second", body % "second", wait)
    command = [sys.executable, "-m", "distill_lessons", "atlas", "01_first", "02_second",
               "--data", "digits", "--out", "atlas.json"]  # fmt: skip
    env = {k: v for k, v in os.environ.items() if not k.startswith("DISTILL_")}
    env |= {"DISTILL_LIVE": "0", "PYTHONPATH": str(Path(__file__).parents[1])}
    # Names of lessons are looked for beside those of the course: paths are not.
    command[4:6] = [str(folder / f"{name}.ipynb") for name in ("01_first", "02_second")]
    process = subprocess.Popen(command, cwd=tmp_path, env=env, start_new_session=True)
    while process.poll() is None and not (log.exists() and "second" in log.read_text()):
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert [run.lesson for run in atlas.read(tmp_path / "atlas.json")] == ["01"]
    (tmp_path / "go").touch()
    subprocess.run(command, cwd=tmp_path, env=env, check=True)
    assert log.read_text().split() == ["first", "second", "second"]
    assert [run.lesson for run in atlas.read(tmp_path / "atlas.json")] == ["01", "02"]


def test_a_lesson_is_measured_anew_when_its_code_changes_but_not_its_text(tmp_path: Path) -> None:
    kept, stub = tmp_path / "atlas.json", Stub({})
    path = write(tmp_path, "04_runs", "one")
    collect(kept, [path], stub, DIGITS[:1])
    cells = [v4.new_markdown_cell("Words."), v4.new_code_cell("one")]
    cells.append(v4.new_code_cell("mine", metadata={"nbgrader": {}}))
    path.write_text(json.dumps(v4.new_notebook(cells=cells)))
    collect(kept, [path], stub, DIGITS[:1])
    assert len(stub.asked) == 1
    write(tmp_path, "04_runs", "two")
    collect(kept, [path], stub, DIGITS[:1])
    assert len(stub.asked) == 2
    assert len(atlas.read(kept)) == 1


def test_a_lesson_that_stopped_is_kept_with_its_reason_and_tried_again(tmp_path: Path) -> None:
    kept, path = tmp_path / "atlas.json", write(tmp_path, "04_runs", "one")
    failure = running.Failure(3, "x", "ValueError: no")
    collect(kept, [path], lambda lesson, env: executed(lesson, WON, failure=failure), DIGITS[:1])
    runs = atlas.read(kept)
    assert runs[0].failure == "cell 3: ValueError: no"
    assert survey.broken(runs) == ["04, digits, seed 0: cell 3: ValueError: no"]
    stub = Stub({})
    collect(kept, [path], stub, DIGITS[:1])
    assert len(stub.asked) == 1
    assert atlas.read(kept)[0].failure == ""


def test_what_is_no_atlas_is_refused_and_left_alone(tmp_path: Path) -> None:
    kept = tmp_path / "atlas.json"
    kept.write_text('{"runs": [{"lesson": "04"}]}')
    with pytest.raises(ValueError, match="is not an atlas of claims"):
        collect(kept, [write(tmp_path, "04_runs", "x")], Stub({}))
    assert kept.read_text() == '{"runs": [{"lesson": "04"}]}'


def test_a_folder_is_kept_without_its_path(tmp_path: Path) -> None:
    world, dataset = survey.named(f"folder:{tmp_path / 'leaves'}", "cpu", 0)
    assert world == World("folder:leaves", "cpu", 0)
    assert dataset == f"folder:{tmp_path.resolve() / 'leaves'}"
    with pytest.raises(ValueError, match="Did you mean 'digits'"):
        survey.named("digit", "cpu", 0)


def test_by_default_digits_have_five_seeds_and_sets_without_files_are_left_out(
    tmp_path: Path,
) -> None:
    config = load({"DISTILL_DATA": str(tmp_path)})
    assert [str(world) for world, _ in survey.worlds(config)] == [
        f"digits, seed {seed}" for seed in range(5)
    ]
    assert survey.worlds(load({"DISTILL_DATA": str(tmp_path), "DISTILL_PROFILE": "full"})) == []


@pytest.mark.parametrize("text", ["", "a", "3-1", "-1", "1,", "2147483648"])
def test_seeds_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="names no seeds"):
        survey.seeds_of(text)


# --- what is shown --------------------------------------------------------------------------------


class Cells(HTMLParser):
    """The squares of the picture, as (class, what the pointer shows)."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        about = dict(attrs)
        kind = str(about.get("class", ""))
        if kind.startswith("cell "):
            self.found.append((kind.removeprefix("cell "), str(about["title"])))


def pictured(tmp_path: Path, *found: Claim) -> list[tuple[str, str]]:
    path, kept = write(tmp_path, "04_runs", "x"), tmp_path / "atlas.json"
    kept.unlink(missing_ok=True)
    collect(kept, [path], Stub({"mnist": list(found)}))
    return Cells(survey.render(atlas.read(kept))).found


def test_a_claim_made_false_changes_its_square(tmp_path: Path) -> None:
    held = pictured(tmp_path, WON, EXACT)
    failed = pictured(tmp_path, LOST, EXACT)
    assert [kind for kind, _ in held] == ["holds"] * 6
    assert [kind for kind, _ in failed] == ["holds", "holds", "fails", "holds", "holds", "holds"]
    assert failed[2][1] == "mnist, seed 0: fails, +0.4 points [-1.4, +2.2]"
    assert pictured(tmp_path, WIDE, EXACT)[2][0] == "open"
    assert pictured(tmp_path, WON)[5] == ("none", "mnist, seed 0: not measured")


def test_the_page_escapes_what_claims_say(tmp_path: Path) -> None:
    path, kept = write(tmp_path, "04_runs", "x"), tmp_path / "atlas.json"
    odd = Claim("<script>A</script> wins.", WON.effect, 0.05, None)
    collect(kept, [path], Stub({"digits": [odd]}), DIGITS)
    page = survey.render(atlas.read(kept))
    assert "<script" not in page
    assert "&lt;script&gt;" in page


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, kept = write(tmp_path, "04_runs", "x"), tmp_path / "known.json"
    collect(kept, [path], Stub({"mnist": [LOST, EXACT]}))
    runs = atlas.read(kept)
    monkeypatch.setattr(atlas, "_kept", lambda: runs)


@pytest.mark.usefixtures("known")
def test_elsewhere_shows_each_claim_in_each_kind_of_world(
    capsys: pytest.CaptureFixture[str],
) -> None:
    atlas.elsewhere("04")
    assert capsys.readouterr().out.splitlines() == [
        "A < B wins.",
        "  digits: ✓ 2 of 2 seeds: +9.4 points each",
        "  mnist: ✗ +0.4 points [-1.4, +2.2]",
        "Two is more.",
        "  digits: ✓ 2 of 2 seeds: 2 each",
        "  mnist: ✓ 2",
        atlas.LEGEND,
    ]
    atlas.elsewhere("05")
    assert "No run of this lesson yet." in capsys.readouterr().out


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        ("mnist", "seen on data of this kind: mnist ✗ +0.4 points [-1.4, +2.2]."),
        ("kmnist", "seen on data of this kind: mnist ✗ +0.4 points [-1.4, +2.2]."),
        ("digits", "seen on data of this kind: digits ✓ 2 of 2 seeds: +9.4 points each."),
        ("folder:x", "has not seen this on data of this kind. Elsewhere: digits ✓ 2 of 2 seeds"),
    ],
)
def test_a_claim_that_does_not_hold_says_what_the_atlas_saw(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], dataset: str, said: str
) -> None:
    monkeypatch.setenv("DISTILL_DATASET", dataset)
    monkeypatch.delenv("DISTILL_STRICT", raising=False)
    claim(LOST.statement, LOST.effect, above=0.05)
    shown = capsys.readouterr().out
    assert said.removesuffix(".") in shown
    assert "A &lt; B" not in shown
    html = Shown((LOST,))._repr_mimebundle_()["text/html"]
    assert said.replace("<", "&lt;") in html
    claim(WON.statement, WON.effect, above=0.05)
    assert "atlas" not in capsys.readouterr().out


def test_the_courses_own_atlas_speaks_of_the_lessons_as_they_are() -> None:
    """A lesson that shows its atlas has in it what its stored outputs claim, with the verdicts."""
    folder, _ = lessons.bundled()
    default = World("digits", "cpu", 0)
    for path in sorted(folder.glob("*.ipynb")):
        stored = json.loads(path.read_bytes())
        if "elsewhere(" not in json.dumps(stored):
            continue
        shown = [
            (made["statement"], made["holds"])
            for cell in stored["cells"]
            for output in cell.get("outputs", [])
            for made in output.get("data", {}).get(claims.MIME, [])
        ]
        own = [run for run in atlas.read() if run.lesson == survey.number_of(path)]
        if not own:
            assert "No run of this lesson yet." in json.dumps(stored), path.name
            continue
        # A row of other code is no measurement of this lesson: run it anew, or take it away.
        assert {run.code for run in own} == {lessons.code_of(path)}, path.name
        (home,) = [run for run in own if run.world == default]
        assert [(c.statement, c.verdict == "holds") for c in home.claims] == shown, path.name
        assert atlas.statements(own) == list(dict.fromkeys(text for text, _ in shown)), path.name


def test_the_workflow_runs_five_seeds_as_the_readme_says() -> None:
    root = Path(__file__).parents[1]
    workflow = (root / ".github/workflows/seeds.yml").read_text(encoding="utf-8")
    assert "distill_lessons run --seeds 0-4" in workflow
    assert "`distill-lessons run --seeds 0-4`" in (root / "README.md").read_text(encoding="utf-8")


# --- the commands ---------------------------------------------------------------------------------


def test_run_at_several_seeds_writes_one_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundled = installed(tmp_path, monkeypatch)
    monkeypatch.setenv("DISTILL_LIVE", "0")
    write(
        bundled,
        "01_first",
        "from distill_lessons import settings\nfrom distill_lessons.claims import claim",
        "claim('The seed is small.', settings.load().seed, below=1)",
    )
    result = CliRunner().invoke(cli.app, ["run", "--seeds", "0-1"])
    assert result.exit_code == 1, result.output
    assert "01_first, digits, seed 0: 1 of 1 claims hold" in result.output
    line = "FAILED 01, digits, seed 1: fails: The seed is small. Measured 1, needed below 1."
    assert line in result.output
    (page,) = Path("runs").glob("*/seeds.html")
    assert [kind for kind, _ in Cells(page.read_text(encoding="utf-8")).found] == ["holds", "fails"]
    assert CliRunner().invoke(cli.app, ["run", "--seeds", "x"]).exit_code == 2
