"""The command ``distill-lessons``: run, lab, doctor, data, progress, pages; release and grade.

Prints what the other modules find and turns it into an exit code: 0 all is well, 1 a lesson or a
check failed, 2 the command cannot be carried out, 130 interrupted.
"""

from __future__ import annotations

import os
import platform
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distill_lessons import __version__, files, settings
from distill_lessons.course import datasets, instructors, lessons
from distill_lessons.course.terminal import refusals, shown, spell_out, start

if TYPE_CHECKING:
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

app = typer.Typer(
    help="Lessons on knowledge distillation and on explaining models, every claim measured.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"distill-lessons {__version__}")
        raise typer.Exit


@app.callback()
def _course(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Lessons on knowledge distillation and on explaining models, every claim measured."""
    spell_out()


@app.command()
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
) -> None:
    """Run lessons without a browser and write a report on them."""
    with refusals():
        config = settings.load()
        folder = _lessons_folder()
        chosen = lessons.find(names or [], folder)
    env = lessons.absolute_paths(os.environ, Path.cwd())
    # A claim that does not hold must not stop a lesson: the report says so, and the exit code.
    env |= {"DISTILL_LIVE": "0", "DISTILL_STRICT": "0", "DISTILL_RECORD": "0"}
    if timeout is None and config.profile != "full":
        timeout = TIMEOUT
    with refusals():
        start = datetime.now()
        kept = lessons.new_folder(folder.parent / "runs", start.strftime("%Y-%m-%d-%H%M%S"))
    print(config.describe())
    from distill_lessons.course import report, running

    results: list[Result] = []
    for lesson in chosen:
        result = _run_one(lesson, env, timeout, config.live)
        results.append(running.keep(result, kept) if result.total else result)
        if result.interrupted:
            break
    problems = report.problems(results)
    for line in problems:
        print(f"FAILED {line}")
    print(report.verdict(results))
    page = kept / "report.html"
    when = start.strftime("%Y-%m-%d %H:%M")
    with refusals():
        files.write(page, report.render(results, when=when, conditions=_conditions(config)))
    print(f"Report: {shown(page)}")
    if results[-1].interrupted:
        raise typer.Exit(130)
    if problems:
        raise typer.Exit(1)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def lab(context: typer.Context) -> None:
    """Open JupyterLab at the first lesson; other arguments are passed on to it.

    For example: distill-lessons lab --no-browser --port 9999
    """
    with refusals():
        settings.load()
        folder = _lessons_folder()
        start = folder / lessons.START
        if not start.is_file():
            raise ValueError(
                f"{lessons.START} is missing in {folder}. In a checkout restore it with "
                "`git checkout -- notebooks`; otherwise reinstall the package."
            )
    os.environ.update(lessons.absolute_paths(os.environ, Path.cwd()))
    # The folder above, so that the reports under runs/ can be opened too.
    _jupyterlab([f"--ServerApp.root_dir={folder.parent}", str(start), *context.args])


@app.command()
def doctor() -> None:
    """Check whether this machine is ready for the lessons."""
    from distill_lessons.course.doctor import examine

    states = []
    for check in examine(Path.cwd()):
        print(check, flush=True)
        states.append(check.state)
    problems, warnings = states.count("problem"), states.count("warning")
    print(f"\nChecks: {len(states)}, problems: {problems}, warnings: {warnings}.")
    if problems:
        raise typer.Exit(1)


@app.command()
def progress() -> None:
    """Show which exercises you have solved, lesson by lesson."""
    from distill_lessons.exercises import overview, record

    with refusals():
        path = settings.load().record
        if path is None:
            raise ValueError("DISTILL_RECORD=0 keeps no progress. Unset it to keep yours.")
        entries, message = record.read(path)
    print(overview.overview(entries))
    print(message or f"Kept in {path}; it never leaves this machine.")


app.add_typer(datasets.app, name="data", no_args_is_help=True)


@app.command()
def pages(
    out: Annotated[Path, typer.Argument(help="The folder for the pages.")],
    names: Names = None,
) -> None:
    """Write lessons as web pages, with their stored outputs, for those who only read.

    Links lead from page to page. The pages load MathJax, for formulas, from the network.
    """
    with refusals():
        folder = _lessons_folder()
        from distill_lessons.course import pages

        written = pages.write(lessons.find(names or [], folder), out)
        print(f"Pages: {len(written)}, the first of them {shown(written[0])}.")


app.command()(instructors.release)
app.command()(instructors.grade)


def main() -> None:
    """Run the command ``distill-lessons``."""
    start(partial(app, prog_name="distill-lessons"))


def _run_one(lesson: Path, env: dict[str, str], timeout: int | None, progress: bool) -> Result:
    from tqdm import tqdm

    from distill_lessons.course import running

    with tqdm(desc=lesson.stem, unit="cell", disable=not progress, dynamic_ncols=True) as bar:

        def on_cell(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return running.execute(lesson, env=env, timeout=timeout, on_cell=on_cell)


def _lessons_folder() -> Path:
    folder, copied = lessons.workspace(Path.cwd())
    if line := str(copied):
        print(f"{shown(folder)}: {line}")
    return folder


def _conditions(config: settings.Settings) -> list[str]:
    from importlib.metadata import version

    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "scikit-learn"))
    return [
        config.describe(),
        f"distill-lessons {__version__}, Python {platform.python_version()}, {packages}, "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    ]


def _jupyterlab(arguments: list[str]) -> None:
    # In this process: JupyterLab asks before it stops on Ctrl-C, which would not survive a parent.
    from jupyterlab.labapp import LabApp  # type: ignore[import-untyped]

    LabApp.launch_instance(argv=arguments)
