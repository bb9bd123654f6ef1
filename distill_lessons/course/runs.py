"""The commands ``distill-lessons run`` and ``distill-lessons atlas``: lessons without a browser.

Prints what was found and turns it into an exit code: 0 all is well, 1 a lesson stopped or a claim
does not hold, 2 the command cannot be carried out, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Sequence
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
    anew: Annotated[
        bool,
        typer.Option("--anew", help="Begin anew, even if the same run was cut off."),
    ] = False,
) -> None:
    """Run lessons without a browser and write a report on them.

    What every claim measured, and under which conditions, is written to results.json beside it. If
    the same command was cut off, it goes on: finished lessons are not run again, and a long
    training continues from its last checkpoint.
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
    from distill_lessons.course import cut_off, results

    wanted = results.conditions(config, _kernel_variables())
    wanted |= {"lessons": list(map(results.name_of, chosen)), "seeds": seeds}
    start = datetime.now()
    with contextlib.ExitStack() as stack:
        with refusals():
            opened = cut_off.folder_of(folder.parent / "runs", wanted, start, anew=anew)
            kept, begun = stack.enter_context(opened)
        if begun:
            print(f"Going on with {shown(kept)}, which was cut off. (To begin anew: --anew)")
        if many is not None:
            _survey(many, chosen, kept / "seeds.json", kept / "seeds.html", timeout, config, kept)
        else:
            _run(chosen, kept, timeout, config, start)


def _run(
    chosen: Sequence[Path],
    kept: Path,
    timeout: int | None,
    config: settings.Settings,
    start: datetime,
) -> None:
    """Run lessons that are not finished yet, write the report, and exit as `run` does."""
    from distill_lessons.course import cut_off, report, results, running

    print(config.describe())
    env = _kernel_variables()
    done: list[Result] = []
    for lesson in chosen:
        if (before := cut_off.finished(kept, lesson, config)) is not None:
            print(f"{lesson.stem} is done already.")
            done.append(before)
            continue
        more = cut_off.checkpoints(kept, lesson, config.seed)
        result = _run_one(lesson, env | more, timeout, config.live)
        done.append(running.keep(result, kept) if result.total else result)
        if result.interrupted:
            break
        cut_off.record(kept, done[-1], env, _command())
    problems = report.problems(done)
    for line in problems:
        print(f"FAILED {line}")
    print(report.verdict(done))
    page = kept / "report.html"
    when = start.strftime("%Y-%m-%d %H:%M")
    conditions = [config.describe(), f"{results.versions()}, {results.machine(config.device)}"]
    with refusals():
        files.write(page, report.render(done, when=when, conditions=conditions))
    print(f"Report: {shown(page)}")
    if done[-1].interrupted:
        raise typer.Exit(130)
    cut_off.finish(kept)
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
    when = datetime.now().strftime("%Y-%m-%d-%H%M%S")
    kept = lessons.new_folder(folder.parent / "runs", when)
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


def _command() -> str:
    return shlex.join(["distill-lessons", *sys.argv[1:]])


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
    run_folder: Path | None = None,
) -> None:
    """Run lessons in several worlds, print what does not hold, and exit as `run` does.

    With the folder of a run, each lesson is recorded there, and one that was cut off goes on.
    """
    from distill_lessons.course import cut_off, survey
    from distill_lessons.course.atlas import read

    def execute(lesson: Path, env: dict[str, str]) -> Result:
        if run_folder is None:
            return _run_one(lesson, env, timeout, config.live)
        more = cut_off.checkpoints(run_folder, lesson, int(env["DISTILL_SEED"]))
        result = _run_one(lesson, env | more, timeout, config.live)
        if not result.interrupted:
            cut_off.record(run_folder, result, env, _command())
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
    if run_folder is not None:
        cut_off.finish(run_folder)
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
