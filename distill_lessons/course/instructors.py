"""The commands for instructors, release and grade. In a student build they only say so."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distill_lessons import __version__
from distill_lessons.course import lessons
from distill_lessons.course.terminal import refusals, shown

if TYPE_CHECKING:
    from distill_lessons.grading.marking import Marked


def release(
    out: Annotated[Path, typer.Argument(help="The folder to write; new, or empty.")],
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[LESSON]...", help="Which; none for the core, all for all."),
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
    with refusals():
        _instructors_only()
        chosen = lessons.find(names or [], lessons.bundled()[0])
        from distill_lessons.grading import leaks, marking, student
        from distill_lessons.grading import nbgrader as course

        if nbgrader:
            seeds = marking.hidden_seeds(seed, [lesson.stem[:2] for lesson in chosen])
            written = course.write(out, chosen, seeds)
            config = "" if written else " Your nbgrader_config.py was kept: see INSTRUCTORS.md."
            number = _count(len(chosen), "assignment")
            print(f"{shown(out)}: {number}, hidden seed {seeds[0]}.{config}")
            return
        student.build(out, chosen)
        found = leaks.find(out)
    for line in found:
        print(f"LEAK {line}")
    print(f"{shown(out)}: {_count(len(chosen), 'lesson')} for students.")
    if found:
        raise typer.Exit(1)


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
    with refusals():
        _instructors_only()
        from distill_lessons.grading import box, fence, marking, student, submissions, tables

        found = submissions.collect(folder)
        seeds = marking.hidden_seeds(seed, [one.lesson for one in found if one.lesson])
        out.parent.mkdir(parents=True, exist_ok=True)
        table, details, pages = tables.new_paths(out)
        limits = box.Limits(seconds, cell_seconds, int(memory * 2**30))
        start = fence.find(student.hidden_places(folder))
    fenced = start is not None
    print(
        f"{_count(len(found), 'submission')}, hidden seed {seeds[0]}. "
        + (
            "Each runs behind the fence: no network, nothing to change but its own folder."
            if fenced
            else "No fence on this machine: they can reach the network and this account's files."
        )
    )
    marked: list[Marked] = []

    def on_done(one: Marked) -> None:
        marked.append(one)
        typer.echo(tables.line(one))

    interrupted = False
    try:
        marking.mark_all(found, seeds, limits, fence=start, jobs=jobs, on_done=on_done)
    except KeyboardInterrupt:
        interrupted = True
    with refusals():
        tables.write_csv(marked, table)
        tables.write_details(
            marked, details, seed=seeds[0], version=__version__, fence=fenced, limits=vars(limits)
        )
        tables.write_pages(marked, pages)
    print(f"{shown(table)}: points; {shown(details)}: every verdict; {shown(pages)}: feedback.")
    if interrupted:
        print(f"Interrupted: {len(marked)} of {len(found)} submissions are graded.")
        raise typer.Exit(130)


def _instructors_only() -> None:
    if importlib.util.find_spec("distill_lessons.grading") is None:
        raise ValueError(
            "This is a student build. Releasing and grading need the instructor's installation."
        )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun if number == 1 else noun + 's'}"
