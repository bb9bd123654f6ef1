"""A run that was killed goes on: no lesson twice, a training from its last checkpoint."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from labs import invoke
from nbformat import v4
from small_course import command_line, installed, write

from distill_lessons import files, models, training
from distill_lessons.claims import MIME
from distill_lessons.course import results, running
from distill_lessons.data import Split

STEPS = 24
FIRST = """
from pathlib import Path
from distill_lessons.claims import claim
with Path("ran").open("a") as file:
    file.write("first ")
claim("Two is more.", 2.0, above=1)
"""
# It kills the command and its own kernel in the middle of a training, if it is told to.
SECOND = f"""
import os, torch
from pathlib import Path
from distill_lessons import checkpoints, models, training
from distill_lessons.claims import claim
from distill_lessons.data import Split
checkpoints.EVERY = 0.0
steps = 0
def augment(x, generator):
    global steps
    steps += 1
    if steps == 18 and Path("kill").exists():
        Path("kill").unlink()
        os.kill(os.getppid(), 9)
        os.kill(os.getpid(), 9)
    return x + 0.1 * torch.randn(x.shape, generator=generator)
x = torch.rand(50, 1, 4, 4, generator=torch.Generator().manual_seed(0))
net = models.mlp((1, 4, 4), 3, (8,), seed=0)
training.fit(net, Split(x, torch.arange(50) % 3), steps={STEPS}, batch_size=8, augment=augment)
claim("The weights.", sum(float(w.double().sum()) for w in net.parameters()), below=1e9)
claim("The steps.", steps, above=0)
"""


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    bundled = installed(tmp_path, monkeypatch)
    monkeypatch.setenv("DISTILL_LIVE", "0")
    write(bundled, "01_first", FIRST)
    write(bundled, "02_second", SECOND)
    return bundled


def numbers(folder: Path) -> dict[str, float | None]:
    found = results.read(folder / results.FILE)
    return {number.statement: number.value for one in found for number in one.claims}


@pytest.fixture
def killed(course: Path) -> Path:
    """Give the folder of a run that was killed in the middle of its second lesson's training."""
    Path("notebooks").mkdir()
    Path("notebooks/kill").touch()
    process = subprocess.run([sys.executable, "-c", command_line(course), "run"], timeout=300)
    assert process.returncode == -signal.SIGKILL
    (folder,) = Path("runs").iterdir()
    assert list(numbers(folder)) == ["Two is more."]
    assert len(list(folder.glob("checkpoints/02_second*/000-*/step-*"))) == 2
    return folder


@pytest.mark.skipif(os.name == "nt", reason="kills processes")
def test_a_killed_run_goes_on_with_the_same_weights_and_no_lesson_twice(killed: Path) -> None:
    result = invoke("run")
    assert result.exit_code == 0, result.output
    assert f"Going on with {killed}, which was cut off. (To begin anew: --anew)" in result.stdout
    assert "01_first is done already." in result.stdout
    assert "3 claims: all hold." in result.stdout
    assert Path("notebooks/ran").read_text() == "first "
    names = sorted(path.name for path in killed.iterdir())
    assert names == ["01_first.ipynb", "02_second.ipynb", "report.html", "results.json"]

    x = torch.rand(50, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    net = models.mlp((1, 4, 4), 3, (8,), seed=0)
    training.fit(
        net,
        Split(x, torch.arange(50) % 3),
        steps=STEPS,
        batch_size=8,
        augment=lambda x, g: x + 0.1 * torch.randn(x.shape, generator=g),
    )
    weights = sum(float(w.double().sum()) for w in net.parameters())
    found = numbers(killed)
    assert found["The weights."] == weights
    assert found["The steps."] == STEPS - 17  # the others were not done again


@pytest.fixture
def ran(course: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the lessons that were run, without a kernel: each makes one claim."""
    names: list[str] = []

    def execute(lesson: Path, *, env: dict[str, str], **_: object) -> running.Result:
        names.append(lesson.stem)
        assert env["DISTILL_CHECKPOINTS"].startswith(str(Path("runs").absolute()))
        effect = {"value": 2.0, "low": 2.0, "high": 2.0, "n": 1, "wins": None, "unit": "",
                  "per": "seeds"}  # fmt: skip
        made = {"statement": "It is so.", "condition": "above 1", "holds": True} | effect
        output = v4.new_output("display_data", {MIME: [made | {"verdict": "holds"}]})
        notebook = v4.new_notebook(cells=[v4.new_code_cell("claim()", outputs=[output])])
        return running.Result(lesson, notebook, 1.0, 1, 1)

    monkeypatch.setattr(running, "execute", execute)
    return names


def cut_off(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Path:
    """Run the first lesson and stop as if the command had been killed before its end."""

    def stop(folder: Path) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr("distill_lessons.course.cut_off.finish", stop)
        assert invoke("run", "1", *arguments).exit_code == 1
    return max(Path("runs").iterdir())


def test_another_command_begins_anew(ran: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = cut_off(monkeypatch)
    assert "Going on" not in invoke("run", "1", "--anew").stdout
    monkeypatch.setenv("DISTILL_SEED", "1")
    assert "Going on" not in invoke("run", "1").stdout
    monkeypatch.delenv("DISTILL_SEED")
    assert "Going on" not in invoke("run", "2").stdout
    with FileLock(folder / ".lock"):
        result = invoke("run", "1")
    assert result.exit_code == 2
    assert f"problem: the same command is running now, in {folder.absolute()};" in result.stderr
    said = invoke("run", "1").stdout
    assert f"Going on with {folder}" in said
    assert "01_first is done already." in said
    assert "1 claim: it holds." in said
    assert ran == ["01_first", "01_first", "01_first", "02_second"]
    assert "Going on" not in invoke("run", "1").stdout  # it is over


def test_a_lesson_that_changed_or_whose_notebook_did_runs_again(
    ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = cut_off(monkeypatch)
    kept = folder / "01_first.ipynb"
    kept.write_text(kept.read_text().replace("It is so", "It is no"))
    assert invoke("run", "1").exit_code == 0
    assert ran == ["01_first"] * 2
    assert len(results.read(folder / results.FILE)) == 1
    assert len(list(folder.glob("*.ipynb"))) == 1
    cut_off(monkeypatch)
    write(Path("notebooks"), "01_first", FIRST + "# more")
    assert "Going on" in invoke("run", "1").stdout
    assert ran == ["01_first"] * 4


def test_seeds_that_were_measured_are_not_measured_again(
    ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = cut_off(monkeypatch, "--seeds", "0-1")
    result = invoke("run", "1", "--seeds", "0-1")
    assert result.exit_code == 0, result.output
    assert f"Going on with {folder}" in result.stdout
    assert result.stdout.count("measured before.") == 2
    assert ran == ["01_first"] * 2
    assert [one.seed for one in results.read(folder / results.FILE)] == [0, 1]


def test_a_full_disk_says_what_it_costs(ran: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = files.write

    def full(path: Path, content: bytes | str) -> None:
        if path.suffix == ".json":
            raise OSError(28, "No space left on device")
        whole(path, content)

    monkeypatch.setattr(files, "write", full)
    result = invoke("run", "1")
    assert result.exit_code == 0
    assert "This run could not be taken up again, should it be cut off: [Errno 28]" in result.stdout
    assert "The results of 01_first could not be written: [Errno 28]" in result.stdout
    assert "1 claim: it holds." in result.stdout
