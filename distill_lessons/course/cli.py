"""The command ``distill-lessons``: every command of it, those of other modules included.

Prints what the other modules find and turns it into an exit code: 0 all is well, 1 a lesson or a
check failed, 2 the command cannot be carried out, 130 interrupted.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from distill_lessons import __version__, settings
from distill_lessons.course import capstones, datasets, instructors, lessons, runs
from distill_lessons.course.terminal import refusals, shown, spell_out, start

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


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def lab(context: typer.Context) -> None:
    """Open JupyterLab at the first lesson; other arguments are passed on to it.

    For example: distill-lessons lab --no-browser --port 9999
    """
    with refusals():
        settings.load()
        folder = runs.lessons_folder()
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
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[LESSON]...", help="Numbers, names or paths. [default: all]"),
    ] = None,
) -> None:
    """Write lessons as web pages, with their stored outputs, for those who only read.

    Links lead from page to page. The pages load MathJax, for formulas, from the network.
    """
    with refusals():
        folder = runs.lessons_folder()
        from distill_lessons.course import pages

        written = pages.write(lessons.find(names or ["all"], folder), out)
        print(f"Pages: {len(written)}, the first of them {shown(written[0])}.")


app.command()(runs.run)
app.command()(runs.atlas)
app.command()(capstones.check_report)
app.command()(capstones.leaderboard)
app.command()(instructors.release)
app.command()(instructors.grade)


def main() -> None:
    """Run the command ``distill-lessons``."""
    start(partial(app, prog_name="distill-lessons"))


def _jupyterlab(arguments: list[str]) -> None:
    # In this process: JupyterLab asks before it stops on Ctrl-C, which would not survive a parent.
    from jupyterlab.labapp import LabApp  # type: ignore[import-untyped]

    LabApp.launch_instance(argv=arguments)
