"""The check for a machine with a GPU, tried on the CPU: what is noted and what is kept."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import nbformat
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from benchmarks import graphs, on_a_gpu
from benchmarks.on_a_gpu import Outcome, Step, conduct


def test_every_step_is_noted_however_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_a_gpu, "GRACE", 1.0)
    steps = [
        Step("good", ("-c", "print('hello')"), 60),
        Step("bad", ("-c", "raise SystemExit(3)"), 60),
        Step("slow", ("-c", "import time; print('begun', flush=True); time.sleep(600)"), 3),
        Step(
            "deaf",
            ("-c", "import signal, time; signal.signal(2, signal.SIG_IGN); time.sleep(600)"),
            3,
        ),
        Step("after", ("-c", ""), 60),
        Step("never", ("-c", ""), 0),
    ]
    outcomes = conduct(steps, tmp_path, 300, dict(os.environ))
    assert [(o.name, o.state) for o in outcomes] == [
        ("good", "done"),
        ("bad", "failed"),
        ("slow", "out of time"),
        ("deaf", "out of time"),
        ("after", "done"),
        ("never", "not started"),
    ]
    assert (tmp_path / "good.txt").read_text("utf-8") == "hello\n"
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert [step["state"] for step in report["steps"]] == [o.state for o in outcomes]
    assert report["machine"]["versions"]["torch"] == torch.__version__.partition("+")[0]


def test_a_budget_that_is_used_up_starts_nothing(tmp_path: Path) -> None:
    assert conduct([Step("a", ("-c", ""), 60)], tmp_path, 1.0, {}) == [Outcome("a", "not started")]


def test_the_plan_names_every_lesson_and_fits_into_the_time(tmp_path: Path) -> None:
    names = [path.name[:2] for path in sorted((on_a_gpu.ROOT / "notebooks").glob("*.ipynb"))]
    assert sorted(on_a_gpu.LESSONS) == names
    steps = on_a_gpu.plan(tmp_path, dry=False)
    assert [step.name for step in steps[:3]] == ["graphs", "tests", "benchmarks"]
    assert sum(step.most for step in steps[:3]) <= 300  # some lessons always get their turn
    assert "cuda" in steps[2].command


def test_images_are_taken_out_of_a_notebook(tmp_path: Path) -> None:
    data = {"image/png": base64.b64encode(b"a picture").decode(), "text/plain": "<Figure>"}
    output = nbformat.v4.new_output("display_data", data=data)
    cells = [nbformat.v4.new_code_cell("plot()", outputs=[output]), nbformat.v4.new_markdown_cell()]
    notebook = nbformat.v4.new_notebook(cells=cells)
    assert on_a_gpu.figures(notebook, tmp_path / "figures", "02_x") == 1
    assert (tmp_path / "figures" / "02_x-01.png").read_bytes() == b"a picture"


def test_the_figures_of_a_lesson_are_found(tmp_path: Path) -> None:
    path = on_a_gpu.ROOT / "notebooks" / "00_start_here.ipynb"
    written = path.read_text(encoding="utf-8").count("<figure style=")
    assert on_a_gpu.figures(nbformat.read(path, 4), tmp_path / "figures", "00") == written > 1
    for figure in (tmp_path / "figures").iterdir():
        Image.open(figure).verify()


def test_without_a_gpu_nothing_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    import typer

    app = typer.Typer()
    app.command()(on_a_gpu.main)
    done = CliRunner().invoke(app, ["--out", str(tmp_path / "x")])
    assert done.exit_code == 2
    assert "--dry tries the steps on the CPU" in done.output
    assert not (tmp_path / "x").exists()


def test_graphs_are_compared_with_the_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def seconds(case: str, device: torch.device, steps: int) -> float:
        seen.append(os.environ["DISTILL_GRAPHS"])
        return 1e-3 if seen[-1] == "0" else 1e-4

    monkeypatch.setenv("DISTILL_GRAPHS", "0")
    rows = graphs.compare(torch.device("cpu"), 4, repeats=1, seconds=seconds)
    assert [row["case"] for row in rows] == list(graphs.CASES)
    assert [row["ratio"] for row in rows] == pytest.approx([10] * 3)
    assert seen == ["1", "0", "1", "0"] * 3
    assert os.environ["DISTILL_GRAPHS"] == "0"


@pytest.mark.parametrize("case", graphs.CASES)
def test_every_case_trains(case: str) -> None:
    assert graphs.seconds_per_step(case, torch.device("cpu"), 2) > 0
