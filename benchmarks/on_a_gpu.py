"""The whole check on a machine with a GPU, in one go and in eight minutes, into one folder.

Run ``python -m benchmarks.on_a_gpu --out FOLDER`` in a checkout. Every step is a process of its
own; one that fails or runs out of time is noted in ``report.json``, and the next one starts.
"""

from __future__ import annotations

import base64
import json
import os
import platform
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from distill_lessons import files
from distill_lessons.course import lessons, running
from distill_lessons.exercises import catalogue

ROOT = Path(__file__).parents[1]
# The quick ones first, so that most of them end.
_QUICK = ("02", "03", "06", "07", "04", "01", "05", "00")
LESSONS = (*_QUICK, *(number for number in catalogue.LESSONS if number not in _QUICK))
PACKAGES = ("torch", "numpy", "scikit-learn", "shap", "pandas", "matplotlib")
_EMBEDDED = re.compile('src="data:image/(png|webp);base64,([^"]+)"')
GRACE = 10.0  # seconds that an interrupted step has to write what it has


@dataclass(frozen=True)
class Step:
    """One process of the check.

    Attributes:
        name: of the step, and of the file with what it said.
        command: the arguments of Python.
        most: seconds that it may take, if so many are left.
        lesson: whether it is a lesson, which may run beside others.
    """

    name: str
    command: tuple[str, ...]
    most: float
    lesson: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a step ended: "done", "failed", "out of time" or "not started"; and its seconds."""

    name: str
    state: str
    seconds: float = 0.0


def plan(out: Path, *, dry: bool) -> list[Step]:
    """Return the steps; with `dry` on the CPU and in tiny sizes, where times mean nothing."""
    device, steps, repeats = ("cpu", 2, 1) if dry else ("cuda", 2000, 3)
    arguments = f"{str(out / 'graphs.json')!r}, {device!r}, {steps}, {repeats}"
    graphs = f"from benchmarks import graphs; graphs.main({arguments})"
    tests = ("tests/test_captured_on_gpu.py",)
    table = ("--device", device, "--out", str(out / "benchmarks"))
    table += ("--toy", "--repeats", "1", "--only", "floor") if dry else ()
    steps_ = [
        Step("graphs", ("-c", graphs), 60),
        Step("tests", ("-m", "pytest", "-n0", "-q", "-p", "no:cacheprovider", *tests), 30),
        Step("benchmarks", ("-m", "benchmarks", *table), 210),
    ]
    for name in LESSONS[:1] if dry else LESSONS:
        run = f"from benchmarks import on_a_gpu; on_a_gpu.lesson({name!r}, {str(out)!r})"
        steps_.append(Step(f"lesson-{name}", ("-c", run), 90, lesson=True))
    return steps_


def conduct(
    steps: list[Step], out: Path, budget: float, env: dict[str, str], together: int = 1
) -> list[Outcome]:
    """Run one step after another until the time is up, and write the report after each.

    Lessons run last, so many `together` as is said, each in a process of its own.
    """
    end = time.monotonic() + budget
    outcomes: list[Outcome] = []
    writing = threading.Lock()

    def run(step: Step) -> None:
        left = min(step.most, end - time.monotonic() - GRACE)
        outcome = Outcome(step.name, "not started") if left <= 0 else _run(step, out, left, env)
        with writing:
            outcomes.append(outcome)
            print(f"{outcome.name}: {outcome.state}, {outcome.seconds:.0f} s", flush=True)
            found = {"machine": machine, "together": together, "steps": list(map(asdict, outcomes))}
            files.write(out / "report.json", json.dumps(found, indent=1, ensure_ascii=False) + "\n")

    machine = about()
    for step in (step for step in steps if not step.lesson):
        run(step)
    with ThreadPoolExecutor(together) as pool:
        list(pool.map(run, (step for step in steps if step.lesson)))
    return outcomes


def _run(step: Step, out: Path, seconds: float, env: dict[str, str]) -> Outcome:
    start = time.monotonic()
    with (out / f"{step.name}.txt").open("w", encoding="utf-8") as said:
        process = subprocess.Popen(
            [sys.executable, *step.command],
            cwd=ROOT,
            env=env,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(seconds)
            state = "done" if code == 0 else "failed"
        except subprocess.TimeoutExpired:
            state = "out of time"
            process.send_signal(signal.SIGINT)  # a lesson then keeps the cells that it has run
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    return Outcome(step.name, state, time.monotonic() - start)


def lesson(name: str, out: str) -> None:
    """Run one lesson in the environment's profile; keep the notebook, its figures and its end."""
    source = lessons.find([name], ROOT / "notebooks")[0]
    result = running.execute(source, env=dict(os.environ))
    folder = Path(out) / "lessons"
    folder.mkdir(exist_ok=True)
    running.keep(result, folder)
    figures(result.notebook, Path(out) / "figures", source.stem)
    print(f"{result.done} of {result.total} cells, {result.seconds:.0f} s, {result.failure}")
    if result.failure is not None:
        raise SystemExit(1)


def figures(notebook: Any, folder: Path, stem: str) -> int:
    """Write every image among a notebook's outputs, and return how many there are."""
    folder.mkdir(exist_ok=True)
    found = []
    for output in (o for cell in notebook.cells for o in cell.get("outputs", [])):
        data = output.get("data", {})
        found += [("png", data["image/png"])] if "image/png" in data else []
        found += _EMBEDDED.findall(data.get("text/html", ""))  # as `plots.show` leaves them
    for number, (kind, image) in enumerate(found, 1):
        files.write(folder / f"{stem}-{number:02}.{kind}", base64.b64decode(image))
    return len(found)


def about() -> dict[str, Any]:
    """Return what the numbers were measured with; it names no host and no user."""
    import torch

    found: dict[str, Any] = {
        "system": platform.system(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "versions": {name: version(name) for name in PACKAGES},
        "cuda": torch.version.cuda,
        "gpu": None,
    }
    if torch.cuda.is_available():
        card = torch.cuda.get_device_properties(0)
        found["gpu"] = {"name": card.name, "GiB": round(card.total_memory / 2**30)}
    git = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    found["commit"] = git.stdout.strip() or None
    return found


def main(
    out: Annotated[
        Path, typer.Option(help="Folder for everything; made if it is not there.")
    ] = ROOT / "runs" / "on-a-gpu",
    seconds: Annotated[float, typer.Option(min=1, help="For all steps together.")] = 480,
    together: Annotated[
        int, typer.Option(min=1, help="Lessons side by side; more than one makes each slower.")
    ] = 1,
    dry: Annotated[
        bool, typer.Option(help="On the CPU and in tiny sizes: shows that every step works.")
    ] = False,
) -> None:
    """Measure, test and run the lessons on this machine's GPU, and put all results into a folder.

    Exit code 1: a step failed; 2: there is no GPU. A step that runs out of time is no failure.
    """
    if not dry and about()["gpu"] is None:
        print("torch finds no GPU here; --dry tries the steps on the CPU.", file=sys.stderr)
        raise typer.Exit(2)
    out = out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    env = os.environ | {"DISTILL_LIVE": "0", "DISTILL_STRICT": "0", "DISTILL_RECORD": "0"}
    if dry:
        env |= {"DISTILL_PROFILE": "cpu", "DISTILL_DEVICE": "cpu"}
    else:
        env |= {"DISTILL_PROFILE": "full", "DISTILL_DEVICE": "cuda"}
        env.setdefault("DISTILL_DATASET", "mnist")
    outcomes = conduct(plan(out, dry=dry), out, seconds, env, together)
    print(f"Everything is in {out}.")
    if any(outcome.state == "failed" for outcome in outcomes):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
