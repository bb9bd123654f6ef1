"""The command ``python -m benchmarks``: measure, print one table, write it and its figure."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import matplotlib as mpl
import psutil
import torch
import typer
from threadpoolctl import threadpool_limits

from benchmarks import figure, growth, page, report, timing
from benchmarks.inputs import TOY, Setup, Sizes, prepare
from benchmarks.rows import ROWS, Row
from distill_lessons import files, settings
from distill_lessons.course.terminal import spell_out

ROOT = Path(__file__).parents[1]
app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def main(
    out: Annotated[Path, typer.Option(help="Folder for the table and the figures.")] = ROOT
    / "runs"
    / "benchmarks",
    device: Annotated[str, typer.Option(help="cpu, or cuda where there is a GPU.")] = "cpu",
    only: Annotated[
        list[str] | None, typer.Option(help="Run this row only; may be given again.")
    ] = None,
    lessons: Annotated[
        bool, typer.Option(help="Run the lessons too, which takes minutes.")
    ] = False,
    full: Annotated[
        bool, typer.Option(help="Also the lessons, and how time and memory grow.")
    ] = False,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch and NumPy.")] = 1,
    repeats: Annotated[
        int | None, typer.Option(min=1, help="Repeats of every row, instead of its own number.")
    ] = None,
    toy: Annotated[
        bool, typer.Option(help="Tiny sizes: shows that every row works; its times mean nothing.")
    ] = False,
    readme: Annotated[
        bool, typer.Option(help="Put the table into README.md and the figure into docs/.")
    ] = False,
) -> None:
    """Measure the package against what a user would do instead.

    The results of both ways are compared before a time is believed. Exit code 1: some differ;
    2: the command cannot be carried out.
    """
    spell_out()
    os.environ["DISTILL_LIVE"] = "0"
    mpl.use("agg")
    try:
        target = timing.find_device(device)
        rows = _chosen(only or [], slow=lessons or full)
        root = settings.load().data_dir
    except ValueError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from error
    out.mkdir(parents=True, exist_ok=True)
    # Before our own work, how busy is the machine? Numbers of a busy one deserve less trust.
    busy = psutil.cpu_percent(interval=0.5)
    torch.set_num_threads(threads)
    with threadpool_limits(threads):
        setup = prepare(TOY if toy else Sizes(), root, target, threads)
        where = f"{timing.machine(target, threads)}; {setup.images}"
        conditions = f"{where}; processors {busy:.0f} % busy with other work at the start."
        conditions = f"Toy sizes, times mean nothing. {conditions}" if toy else conditions
        table = report.Table(conditions, [], {})
        for row in rows:
            _add(row, setup, repeats, table)
            _write(out, target.type, table)  # a run that is cut off keeps what it has
        print(f"\n{report.text(table.lines, conditions)}")
        if table.lines:
            figure.save(figure.ratios(table.lines), out / "ratios.png")
        if readme:
            page.keep({target.type: report.as_json(table)})
        if full:
            _grow(out, target, threads, toy)
    print(f"\nTable and figures: {_shown(out)}")
    for name, why in table.failed.items():
        print(f"FAILED {name}: {why}")
    if table.failed:
        raise typer.Exit(1)


def _chosen(only: list[str], *, slow: bool) -> list[Row]:
    names = [row.name for row in ROWS]
    for name in only:
        settings.one_of("--only", name, names)
    return [row for row in ROWS if (row.name in only if only else slow or not row.slow)]


def _add(row: Row, setup: Setup, repeats: int | None, table: report.Table) -> None:
    """Measure a row and add it to the table, or why it failed."""
    start = time.perf_counter()
    print(f"{row.name} ...", end="", flush=True)
    try:
        comparison = row.build(setup)
        measured = timing.measure(comparison, setup.device, repeats)
    except ImportError as error:  # an extra
        print(f" skipped. {error}", flush=True)
        return
    except (timing.NotEqual, RuntimeError) as error:
        table.failed[row.name] = str(error)
        print(" FAILED", flush=True)
        return
    table.lines.append(report.line(row, comparison, measured, setup.device.type))
    print(f" {time.perf_counter() - start:.0f} s", flush=True)


def _write(out: Path, device: str, table: report.Table) -> None:
    as_text = f"{report.markdown({device: table})}\n"
    files.write_all({out / "table.json": report.as_json(table), out / "table.md": as_text})


def _grow(out: Path, device: torch.device, threads: int, toy: bool) -> None:
    print("\nGrowth, on noise; slopes of log-log lines with 95 % intervals:")
    for name, axis in growth.GROWTHS.items():
        grown = growth.grow(name, device, threads, axis.sizes[:3] if toy else ())
        print(grown, flush=True)
        figure.save(figure.growth(grown), out / f"growth-{name}.png")


def _shown(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
