"""The commands for instructors, release and grade. In a student build they only say so."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from distill_lessons.course import lessons
from distill_lessons.course.terminal import refusals, shown


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
        from distill_lessons.grading import leaks, marking, stubs, student
        from distill_lessons.grading import nbgrader as course

        if nbgrader:
            seeds = marking.hidden_seeds(seed, [lesson.stem[:2] for lesson in chosen])
            written = course.write(out, chosen, seeds)
            config = "" if written else " Your nbgrader_config.py was kept: see INSTRUCTORS.md."
            said = f"{_count(len(chosen), 'assignment')}, hidden seed {seeds[0]}.{config}"
            found = [
                f"{lesson.name}: {line}"
                for lesson in chosen
                for line in stubs.differences(student.blank(lesson))
            ]
        else:
            student.build(out, chosen)
            said = f"{_count(len(chosen), 'lesson')} for students."
            found = leaks.find(out)
    for line in found:
        print(f"LEAK {line}")
    print(f"{shown(out)}: {said}")
    if found:
        raise typer.Exit(1)


def grade(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Submissions: LEARNER.ipynb, LEARNER/….ipynb.")
    ],
    out: Annotated[
        Path, typer.Option(help="The table. If it is there, what it has is not graded again.")
    ] = Path("grades.csv"),
    seed: Annotated[
        int | None, typer.Option(help="Draws the hidden questions. [default: by chance]")
    ] = None,
    roster: Annotated[
        Path | None, typer.Option(help="A CSV file with the class, to be written with its points.")
    ] = None,
    points: Annotated[
        Path | None, typer.Option(help="A CSV file with points given by hand.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="How many run side by side.")] = 1,
    seconds: Annotated[float, typer.Option(help="Of the processor, for one submission.")] = 300,
    cell_seconds: Annotated[float, typer.Option(help="For one of its cells.")] = 60,
    memory: Annotated[float, typer.Option(help="For one submission, in GiB.")] = 4,
    disk: Annotated[float, typer.Option(help="For one submission, in GiB.")] = 1,
    visible: Annotated[
        list[Path] | None, typer.Option(help="A folder to be seen, read-only, behind the fence.")
    ] = None,
    no_fence: Annotated[
        bool, typer.Option("--no-fence", help="Run submissions in this account, with its rights.")
    ] = False,
) -> None:
    """For instructors: turn a folder of submitted notebooks into a table of points."""
    with refusals():
        _instructors_only()
        from distill_lessons.grading import fence, grading, guard
        from distill_lessons.grading.limits import Limits

        guard.hear_of_children()
        limits = Limits.checked(seconds, cell_seconds, memory, disk)
        around = None if no_fence else fence.find(grading.needed(visible or []))
        wanted = grading.Wanted(folder, out, seed, roster, points)
        session = grading.begin(wanted, limits, around, jobs)
    for line in session.opening():
        typer.echo(line)
    interrupted = False
    with refusals():
        try:
            for line in session.run():
                typer.echo(line)
        except KeyboardInterrupt:
            interrupted = True
        session.close(interrupted=interrupted)
    for line in session.closing(shown):
        typer.echo(line)
    if interrupted:
        raise typer.Exit(130)
    if session.failed():
        raise typer.Exit(1)


def _instructors_only() -> None:
    if importlib.util.find_spec("distill_lessons.grading") is None:
        raise ValueError(
            "This is a student build. Releasing and grading need the instructor's installation."
        )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun if number == 1 else noun + 's'}"
