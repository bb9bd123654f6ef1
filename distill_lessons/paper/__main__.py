"""``python -m distill_lessons.paper``: the paper's table from a run on this machine.

Settings say on which data and device, as for a lesson: ``DISTILL_PROFILE=full
DISTILL_DATASET=mnist``. The file is written after every step, so that a run that is cut off keeps
what it has.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from distill_lessons import data, files, settings
from distill_lessons.course import results
from distill_lessons.paper import rows, table
from distill_lessons.settings import Settings


def about(config: Settings) -> dict[str, Any]:
    """Return with what a table was measured, as a run of lessons records it."""
    git = subprocess.run(
        ["git", "rev-parse", "HEAD"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        **results.conditions(config, os.environ),
        "data": results.data_hash(config.dataset, config.data_dir),
        "date": time.strftime("%Y-%m-%d"),
        "commit": git.stdout.strip(),
        "command": " ".join(["python -m distill_lessons.paper", *sys.argv[1:]]),
    }


def main(
    out: Annotated[Path, typer.Option(help="The file for the table, JSON.")],
    seconds: Annotated[
        float, typer.Option(min=1, help="Steps that would not end by then are not run.")
    ] = 230,
    shorter: Annotated[
        float, typer.Option(min=1, help="Divide every number of epochs by this, for a try.")
    ] = 1,
    seeds: Annotated[int, typer.Option(min=1, help="So many nets of every kind.")] = 5,
    only: Annotated[
        list[str] | None, typer.Option(help="Only this step, and the teachers; more than once.")
    ] = None,
) -> None:
    """Train the nets of section 3 of Hinton, Vinyals and Dean (2015), and count their errors."""
    import torch

    for name in only or []:
        settings.one_of("only", name, {step.name: step for step in table.STEPS})
    steps = [step for step in table.STEPS if not only or step.name in ("teacher", *only)]
    config = settings.begin()
    if config.device.startswith("cuda"):
        torch.set_float32_matmul_precision("high")  # TF32, as in any training of today
    written: dict[str, Any] = {
        "machine": {**about(config), "products": torch.get_float32_matmul_precision()},
        "shorter": shorter,
        "rows": [],
    }
    shared = rows.begin(data.from_settings(config), shorter=shorter, seeds=range(seeds))
    written["images"] = [len(shared.pool), len(shared.valid), len(shared.test)]
    for found in table.run(steps, shared, seconds):
        written["rows"] += map(asdict, found)
        files.write(out, json.dumps(written, ensure_ascii=False) + "\n")
        for row in found:
            counts = row.errors or row.validation
            told = {k: row.recipe[k] for k in ("optimizer", "lr", "T", "alpha") if row.recipe}
            print(f"{row.what}: {row.state} {told} {counts} {row.seconds} s", flush=True)


if __name__ == "__main__":
    typer.run(main)
