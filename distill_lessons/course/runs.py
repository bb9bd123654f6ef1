"""The commands ``distill-lessons run`` and ``distill-lessons atlas``: lessons without a browser.

Prints what was found and turns it into an exit code: 0 all is well, 1 a lesson stopped or a claim
does not hold, 2 the command cannot be carried out, 130 interrupted.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distill_lessons import files, settings
from distill_lessons.course import lessons
from distill_lessons.course.terminal import refusals, shown

if TYPE_CHECKING:
    from distill_lessons.course.atlas import World
    from distill_lessons.course.running import Result

# Seconds for one cell of the cpu profile, which is meant to take at most twenty: even on a slow and
# busy machine only a cell that hangs takes this long.
TIMEOUT = 600

Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[LESSON]...",
        help="Numbers, names or paths, such as 04; 'all' for every lesson. [default: the core]",
    ),
]


def run(
    names: Names = None,
    timeout: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"Seconds that one cell may take. [default: {TIMEOUT}; "
            "none if DISTILL_PROFILE=full]",
        ),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            metavar="SEEDS",
            help="Run each lesson once for every seed, such as 0-4 or 1,3, and write one table of "
            "all claims. [default: the seed of DISTILL_SEED, and a report with every figure]",
        ),
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Repeat the run that wrote this results.json, with its data set, profile, seed "
            "and device, and say which numbers differ. Lessons that are named choose among its.",
        ),
    ] = None,
) -> None:
    """Run lessons without a browser and write a report on them.

    What every claim measured, and under which conditions, is written to results.json beside it.
    """
    with refusals():
        config = settings.load()
        folder = lessons_folder()
        if replay is not None:
            if seeds is not None:
                raise ValueError(f"--replay takes the seeds of {replay}; leave out --seeds.")
            _replay(replay, names or [], folder, timeout, config)
            return
        chosen = lessons.find(names or [], folder)
        many = None if seeds is None else _worlds([config.dataset], seeds, config.profile)
    if timeout is None and config.profile != "full":
        timeout = TIMEOUT
    with refusals():
        start = datetime.now()
        kept = _new_folder(folder, start)
    if many is not None:
        record = _recorder(kept)
        _survey(many, chosen, kept / "seeds.json", kept / "seeds.html", timeout, config, record)
        return
    print(config.describe())
    from distill_lessons.course import report, running

    env = _kernel_variables()
    record = _recorder(kept)
    done: list[Result] = []
    for lesson in chosen:
        result = _run_one(lesson, env, timeout, config.live)
        done.append(running.keep(result, kept) if result.total else result)
        if result.interrupted:
            break
        record(done[-1], env)
    problems = report.problems(done)
    for line in problems:
        print(f"FAILED {line}")
    print(report.verdict(done))
    page = kept / "report.html"
    when = start.strftime("%Y-%m-%d %H:%M")
    with refusals():
        files.write(page, report.render(done, when=when, conditions=_conditions(config)))
    print(f"Report: {shown(page)}")
    if done[-1].interrupted:
        raise typer.Exit(130)
    if problems:
        raise typer.Exit(1)


def atlas(
    names: Names = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="A data set, or folder:PATH; may be given several times. [default: digits, and "
            "whichever of mnist, fashion_mnist and kmnist are complete]"
        ),
    ] = None,
    seeds: Annotated[
        str, typer.Option(help="Seeds for the sets of --data, such as 0-4. [default: 0]")
    ] = "0",
    out: Annotated[
        Path | None,
        typer.Option(help="The atlas's file. [default: the course's own, in a checkout]"),
    ] = None,
) -> None:
    """Measure every claim on other data and with other seeds, and draw an atlas of them.

    What is in the atlas already is not measured again. DISTILL_PROFILE=full adds the runs of that
    profile.
    """
    from distill_lessons.course import survey
    from distill_lessons.course.atlas import FILE

    with refusals():
        config = settings.load()
        folder = lessons_folder()
        chosen = lessons.find(names or [], folder)
        found = _worlds(data, seeds, config.profile) if data else survey.worlds(config)
        kept = out or (FILE if lessons.bundled()[1] else Path("atlas.json"))
        drawn = lessons.new_folder(folder.parent / "runs", "atlas")
    timeout = None if config.profile == "full" else TIMEOUT
    _survey(found, chosen, kept, drawn / "atlas.html", timeout, config)


def _replay(
    path: Path, names: Sequence[str], folder: Path, timeout: int | None, config: settings.Settings
) -> None:
    """Repeat a run, and exit as `run` does; a number that differs counts as a failure."""
    from distill_lessons.course import replay

    found = replay.wanted(path, names, folder)
    kept = _new_folder(folder, datetime.now())
    if timeout is None and all(record.profile != "full" for record, _ in found):
        timeout = TIMEOUT
    same = replay.replay(
        found,
        kept,
        env=_kernel_variables(),
        command=_command(),
        execute=lambda lesson, env: _run_one(lesson, env, timeout, config.live),
        say=partial(print, flush=True),
    )
    print(f"Results: {shown(kept / 'results.json')}")
    if same is None:
        raise typer.Exit(130)
    if not same:
        raise typer.Exit(1)


def _recorder(kept: Path) -> Callable[[Result, Mapping[str, str]], None]:
    """Return a function that adds an executed lesson to the results of a run."""
    from distill_lessons.course import results

    records: list[results.Record] = []
    hashes: dict[str, str] = {}

    def record(result: Result, env: Mapping[str, str]) -> None:
        config = settings.load(env)
        same = results.conditions(config, env)
        name = same["dataset"]
        hashes[name] = hashes.get(name) or results.data_hash(name, config.data_dir)
        records.append(results.record_of(result, hashes[name], same, _command()))
        try:
            results.write(kept / results.FILE, records)
        except OSError as error:  # the run goes on: its report may yet find room
            print(f"The results of {result.lesson.stem} could not be written: {error}.")

    return record


def _command() -> str:
    return shlex.join(["distill-lessons", *sys.argv[1:]])


def _new_folder(folder: Path, start: datetime) -> Path:
    return lessons.new_folder(folder.parent / "runs", start.strftime("%Y-%m-%d-%H%M%S"))


def lessons_folder() -> Path:
    """Return the folder of the lessons, and say what was copied there."""
    folder, copied = lessons.workspace(Path.cwd())
    if line := str(copied):
        print(f"{shown(folder)}: {line}")
    return folder


def _worlds(names: Sequence[str], seeds: str, profile: str) -> list[tuple[World, str]]:
    from distill_lessons.course import survey

    return [survey.named(n, profile, seed) for n in names for seed in survey.seeds_of(seeds)]


def _kernel_variables() -> dict[str, str]:
    # A claim that does not hold must not stop a lesson: the report says so, and the exit code.
    quiet = {"DISTILL_LIVE": "0", "DISTILL_STRICT": "0", "DISTILL_RECORD": "0"}
    return lessons.absolute_paths(os.environ, Path.cwd()) | quiet


def _survey(
    found: Sequence[tuple[World, str]],
    chosen: Sequence[Path],
    kept: Path,
    drawn: Path,
    timeout: int | None,
    config: settings.Settings,
    record: Callable[[Result, Mapping[str, str]], None] = lambda result, env: None,
) -> None:
    """Run lessons in several worlds, print what does not hold, and exit as `run` does."""
    from distill_lessons.course import survey
    from distill_lessons.course.atlas import read

    def execute(lesson: Path, env: dict[str, str]) -> Result:
        result = _run_one(lesson, env, timeout, config.live)
        if not result.interrupted:
            record(result, env)
        return result

    with refusals():
        whole = survey.collect(
            found,
            chosen,
            kept,
            env=_kernel_variables(),
            device=config.device,
            execute=execute,
            say=partial(print, flush=True),
        )
        runs = read(kept)
        files.write(drawn, survey.render(runs))
    worlds = {world for world, _ in found}
    numbers = {survey.number_of(lesson) for lesson in chosen}
    own = [run for run in runs if run.world in worlds and run.lesson in numbers]
    problems = survey.broken(own)
    for line in problems:
        print(f"FAILED {line}")
    print(f"Claims: {shown(kept)}. Page: {shown(drawn)}")
    if not whole:
        raise typer.Exit(130)
    if problems:
        raise typer.Exit(1)


def _run_one(lesson: Path, env: dict[str, str], timeout: int | None, progress: bool) -> Result:
    from tqdm import tqdm

    from distill_lessons.course import running

    with tqdm(desc=lesson.stem, unit="cell", disable=not progress, dynamic_ncols=True) as bar:

        def on_cell(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return running.execute(lesson, env=env, timeout=timeout, on_cell=on_cell)


def _conditions(config: settings.Settings) -> list[str]:
    from distill_lessons.course import results

    return [config.describe(), f"{results.versions()}, {results.machine(config.device)}"]
