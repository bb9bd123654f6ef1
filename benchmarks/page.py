"""What the README shows of the benchmarks: the last run on a CPU beside the last one on a GPU.

Run ``python -m benchmarks.page FOLDER`` to put a folder of `on_a_gpu` into the README.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks import figure, graphs, report
from distill_lessons import files

ROOT = Path(__file__).parents[1]
MEASURED = ROOT / "benchmarks" / "measured"
# What is kept of a folder of `on_a_gpu`, and under which name.
KEPT = {"benchmarks/table.json": "cuda", "graphs.json": "steps", "report.json": "lessons"}


def keep(measured: dict[str, str]) -> None:
    """Keep what was measured, and put it into the README beside what was measured before.

    Args:
        measured: JSON by name: ``"cpu"`` and ``"cuda"`` as of `report.as_json`, ``"steps"`` and
            ``"lessons"`` as `on_a_gpu` leaves them.
    """
    MEASURED.mkdir(exist_ok=True)
    files.write_all({MEASURED / f"{name}.json": text for name, text in measured.items()})
    readme = ROOT / "README.md"
    files.write(readme, report.put_between(readme.read_text(encoding="utf-8"), kept()))
    if "cpu" in measured:
        lines = report.read(measured["cpu"]).lines
        figure.save(figure.ratios(lines), ROOT / "docs" / "benchmarks.png")


def kept() -> str:
    """Return all that is kept, as the README shows it."""
    found = {name: _kept(name) for name in (*report.DEVICES, *KEPT.values())}
    texts = {name: text for name, text in found.items() if text is not None}
    tables = {name: report.read(texts[name]) for name in report.DEVICES if name in texts}
    made = {"steps": steps, "lessons": lessons}
    more = [write(json.loads(texts[name])) for name, write in made.items() if name in texts]
    return "\n\n".join([report.markdown(tables), *more])


def _kept(name: str) -> str | None:
    path = MEASURED / f"{name}.json"
    return path.read_text(encoding="utf-8") if path.exists() else None


def steps(found: dict[str, Any]) -> str:
    """Return the table of training steps that a GPU repeats by itself."""
    made = [
        "| training step on a GPU | as a captured graph | launched one by one | ratio | target |",
        "|---|---|---|---|---|",
    ]
    for row in found["rows"]:
        captured, plain = report.seconds(row["captured"]), report.seconds(row["plain"])
        least = graphs.CASES[row["case"]].at_least
        ratio = f"**{row['ratio']:.1f}×**" + (", short of it" if row["ratio"] < least else "")
        made.append(f"| {row['case']} | {captured} | {plain} | {ratio} | ≥ {least:g}× |")
    return "\n".join([*made, "", f"*{found['machine']}*"])


def lessons(found: dict[str, Any]) -> str:
    """Return a sentence on how long the lessons took in `full`."""
    ran: dict[str, list[str]] = {}
    for step in sorted(found["steps"], key=lambda step: step["name"]):
        if step["name"].startswith("lesson-") and step["state"] != "not started":
            number = step["name"].removeprefix("lesson-")
            ran.setdefault(step["state"], []).append(f"{number} {step['seconds']:.0f} s")
    rest = "".join(
        f" {words} {', '.join(ran[state])}."
        for state, words in (
            ("out of time", "Not at the end when their time was up:"),
            ("failed", "Failed:"),
        )
        if state in ran
    )
    machine = found["machine"]
    return (
        f"The lessons in `full` on MNIST, {found['together']} at a time, start of the kernel "
        f"included: {', '.join(ran.get('done', ['none']))}.{rest}\n\n*{machine['gpu']['name']}, "
        f"{machine['cores']} cores, Python {machine['python']}, torch "
        f"{machine['versions']['torch']}*"
    )


def main(
    folder: Annotated[Path, typer.Argument(help="As `python -m benchmarks.on_a_gpu` left it.")],
) -> None:
    """Put what was measured on a GPU into README.md."""
    found = {name: folder / path for path, name in KEPT.items()}
    keep({name: path.read_text("utf-8") for name, path in found.items() if path.exists()})


if __name__ == "__main__":
    typer.run(main)
