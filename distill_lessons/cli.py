"""The command ``distill-lessons``: run, lab, doctor, data, progress; release and grade.

Says what the other modules found, and turns it into an exit code: 0 all is well, 1 a lesson or
check failed, 2 the command cannot be carried out, 130 interrupted.
"""

from __future__ import annotations

import importlib.util
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distill_lessons import __version__, lessons, settings

if TYPE_CHECKING:
    from distill_lessons.grading.marking import Marked
    from distill_lessons.running import Result

# Seconds for one cell of the cpu profile, which is meant to take at most twenty: only a cell that
# hangs takes so long, even on a slow and busy machine.
TIMEOUT = 600

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
def main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and stop."
        ),
    ] = False,
) -> None:
    """Lessons on knowledge distillation and on explaining models, every claim measured."""


@app.command()
def run(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[LESSON]...",
            help="Numbers, names or paths of lessons, such as 04; none for all of them.",
        ),
    ] = None,
    timeout: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"Seconds that one cell may take. [default: {TIMEOUT}; "
            "none if DISTILL_PROFILE=full]",
        ),
    ] = None,
) -> None:
    """Execute lessons without a browser and write one report."""
    with _refusals():
        config = settings.load()
        folder = _lessons_folder()
        chosen = lessons.find(names or [], folder)
    env = lessons.absolute_paths(os.environ, Path.cwd())
    # A claim that does not hold shall not stop a lesson: the report says so, and the exit code.
    env |= {"DISTILL_PROGRESS": "0", "DISTILL_STRICT": "0", "DISTILL_RECORD": "0"}
    if timeout is None and config.profile != "full":
        timeout = TIMEOUT
    with _refusals():
        start = datetime.now()
        kept = lessons.new_folder(folder.parent / "runs", start.strftime("%Y-%m-%d-%H%M%S"))
    print(config.describe())
    from distill_lessons import report, running

    results: list[Result] = []
    for lesson in chosen:
        results.append(_run_one(lesson, env, timeout, config.progress))
        if results[-1].total:
            with _refusals():
                running.save(results[-1], kept)
        if results[-1].interrupted:
            break
    page = kept / "report.html"
    when = start.strftime("%Y-%m-%d %H:%M")
    with _refusals():
        page.write_text(
            report.render(results, when=when, conditions=_conditions(config)), encoding="utf-8"
        )
    problems = report.problems(results)
    for line in problems:
        print(f"FAILED {line}")
    print(f"{report.verdict(results)}\nReport: {_shown(page)}")
    if results[-1].interrupted:
        raise typer.Exit(130)
    if problems:
        raise typer.Exit(1)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def lab(context: typer.Context) -> None:
    """Open JupyterLab at the first lesson; further arguments go to JupyterLab.

    For example: distill-lessons lab --no-browser --port 9999
    """
    with _refusals():
        settings.load()
        folder = _lessons_folder()
        start = folder / lessons.START
        if not start.is_file():
            raise ValueError(
                f"{lessons.START} is missing in {folder}. In a checkout restore it with "
                "`git checkout -- notebooks`; else install the package again."
            )
    os.environ.update(lessons.absolute_paths(os.environ, Path.cwd()))
    # The folder above, so that reports under runs/ are in reach too.
    _jupyterlab([f"--ServerApp.root_dir={folder.parent}", str(start), *context.args])


@app.command()
def doctor() -> None:
    """Check whether this machine is ready for the lessons."""
    from distill_lessons.doctor import examine

    states = []
    for check in examine(Path.cwd()):
        print(check, flush=True)
        states.append(check.state)
    problems, warnings = states.count("problem"), states.count("warning")
    print(f"\n{len(states)} checks: {problems} problems, {warnings} warnings.")
    if problems:
        raise typer.Exit(1)


@app.command()
def data(
    name: Annotated[
        str | None,
        typer.Argument(help="A data set, such as mnist. [default: the one of DISTILL_DATASET]"),
    ] = None,
) -> None:
    """Fetch a data set ahead of class, or say that it is there."""
    with _refusals():
        config = settings.load()
        name = name or config.dataset
        if not name.startswith("folder:"):
            settings.one_of("NAME", name, settings.DATASETS, also="folder:PATH")
        from distill_lessons import data as datasets

        found = datasets.load(name, root=config.data_dir)
    where = "inside scikit-learn" if name == "digits" else f"in {config.data_dir}"
    if name.startswith("folder:"):
        where = f"in {name.removeprefix('folder:')}"
    c, h, w = found.image_shape
    print(
        f"{name} is ready {where}: {len(found.train):,} images to train on, {len(found.valid):,} "
        f"to validate, {len(found.test):,} to test; {found.n_classes} classes, {c}×{h}×{w}."
    )


@app.command()
def progress() -> None:
    """Show which exercises you have solved, lesson by lesson."""
    from distill_lessons.exercises import overview, record

    with _refusals():
        path = settings.load().record
        if path is None:
            raise ValueError("DISTILL_RECORD=0 keeps no progress; unset it to keep yours.")
        entries, message = record.read(path)
    print(overview.overview(entries))
    print(message or f"Kept in {path}; it never leaves this machine.")


@app.command()
def release(
    out: Annotated[Path, typer.Argument(help="The folder to write; new, or empty.")],
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[LESSON]...", help="Which lessons; none for all of them."),
    ] = None,
    nbgrader: Annotated[
        bool,
        typer.Option(
            "--nbgrader", help="Write the source folder of a course that nbgrader runs instead."
        ),
    ] = False,
    seed: Annotated[
        int | None,
        typer.Option(help="With --nbgrader: draws the hidden tests. [default: by chance]"),
    ] = None,
) -> None:
    """For instructors: write what students get, without solutions and hidden tests."""
    with _refusals():
        _instructors_only()
        chosen = lessons.find(names or [], lessons.bundled()[0])
        from distill_lessons.grading import leaks, marking, student
        from distill_lessons.grading import nbgrader as course

        if nbgrader:
            seeds = marking.hidden_seeds(seed, [lesson.stem[:2] for lesson in chosen])
            written = course.write(out, chosen, seeds)
            config = "" if written else " Your nbgrader_config.py was kept: see INSTRUCTORS.md."
            print(f"{_shown(out)}: {len(chosen)} assignments, hidden seed {seeds[0]}.{config}")
            return
        student.build(out, chosen)
        found = leaks.find(out)
    for line in found:
        print(f"LEAK {line}")
    print(f"{_shown(out)}: {len(chosen)} lessons for students.")
    if found:
        raise typer.Exit(1)


@app.command()
def grade(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Submissions: LEARNER.ipynb, LEARNER/….ipynb.")
    ],
    out: Annotated[
        Path, typer.Option(help="The table to write. One that is there is kept.")
    ] = Path("grades.csv"),
    seed: Annotated[
        int | None, typer.Option(help="Draws the hidden questions. [default: by chance]")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="How many run side by side.")] = 1,
    seconds: Annotated[float, typer.Option(min=1, help="For one submission.")] = 300,
    cell_seconds: Annotated[float, typer.Option(min=0.1, help="For one of its cells.")] = 60,
    memory: Annotated[float, typer.Option(min=0.1, help="For one submission, in GiB.")] = 4,
) -> None:
    """For instructors: turn a folder of submitted notebooks into a table of points."""
    with _refusals():
        _instructors_only()
        from distill_lessons.grading import box, marking, student, submissions, tables

        found = submissions.collect(folder)
        seeds = marking.hidden_seeds(seed, [one.lesson for one in found if one.lesson])
        out.parent.mkdir(parents=True, exist_ok=True)
        table, details, pages = tables.new_paths(out)
        limits = box.Limits(seconds, cell_seconds, int(memory * 2**30))
        fence = box.fence(student.hidden_places(folder))
    fenced = fence is not None
    print(
        f"{len(found)} submissions, hidden seed {seeds[0]}. "
        + (
            "Each runs without network, sees only its own folder's files as its own to change."
            if fenced
            else "No fence on this machine: they can reach the network and this account's files."
        )
    )
    marked: list[Marked] = []

    def on_done(one: Marked) -> None:
        marked.append(one)
        typer.echo(_printable(tables.line(one)))

    interrupted = False
    try:
        marking.mark_all(found, seeds, limits, fence=fence, jobs=jobs, on_done=on_done)
    except KeyboardInterrupt:
        interrupted = True
    with _refusals():
        tables.write_csv(marked, table)
        tables.write_details(
            marked, details, seed=seeds[0], version=__version__, fence=fenced, limits=vars(limits)
        )
        tables.write_pages(marked, pages)
    print(f"{_shown(table)}: points; {_shown(details)}: every verdict; {_shown(pages)}: feedback.")
    if interrupted:
        print(f"Interrupted: {len(marked)} of {len(found)} submissions are graded.")
        raise typer.Exit(130)


def _run_one(lesson: Path, env: dict[str, str], timeout: int | None, progress: bool) -> Result:
    from tqdm import tqdm

    from distill_lessons import running

    with tqdm(desc=lesson.stem, unit="cell", disable=not progress, dynamic_ncols=True) as bar:

        def on_cell(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return running.execute(lesson, env=env, timeout=timeout, on_cell=on_cell)


def _lessons_folder() -> Path:
    folder, copied = lessons.workspace(Path.cwd())
    if line := str(copied):
        print(f"{_shown(folder)}: {line}")
    return folder


def _instructors_only() -> None:
    if importlib.util.find_spec("distill_lessons.grading") is None:
        raise ValueError(
            "This is a student build. Releasing and grading need the instructor's installation."
        )


def _printable(text: str) -> str:
    """Return a text that any terminal takes: a file's name may hold what no encoding has."""
    return text.encode("utf-8", errors="backslashreplace").decode("utf-8")


def _conditions(config: settings.Settings) -> list[str]:
    from importlib.metadata import version

    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "scikit-learn"))
    return [
        config.describe(),
        f"distill-lessons {__version__}, Python {platform.python_version()}, {packages}, "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    ]


def _jupyterlab(arguments: list[str]) -> None:
    # In this process: JupyterLab's own handling of Ctrl-C (it asks) would not survive a parent.
    from jupyterlab.labapp import LabApp  # type: ignore[import-untyped]

    LabApp.launch_instance(argv=arguments)


def _shown(path: Path) -> str:
    inside = path.is_relative_to(Path.cwd())
    return str(path.relative_to(Path.cwd())) if inside else str(path)


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what a user can mend into a line and exit code 2, instead of a traceback."""
    try:
        yield
    except (ValueError, OSError) as error:
        typer.echo(f"problem: {error}", err=True)
        raise typer.Exit(2) from None
