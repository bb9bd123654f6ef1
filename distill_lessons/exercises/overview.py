"""What a learner has solved so far: all lessons as text, or one as a line that folds open."""

from __future__ import annotations

import html
from collections.abc import Mapping

from distill_lessons import page, settings
from distill_lessons.exercises import catalogue, record
from distill_lessons.exercises.exercise import Exercise


def overview(entries: Mapping[str, record.Entry]) -> str:
    """Return one block per lesson: how many exercises are solved, and the state of each.

    Args:
        entries: from `record.read`. Exercises that the course does not have are left alone.
    """
    blocks, solved, total = [], 0, 0
    for lesson in catalogue.LESSONS:
        exercises = list(catalogue.of_lesson(lesson).values())
        done = [
            entries.get(exercise.key, {}).get("state") == record.SOLVED for exercise in exercises
        ]
        bar = "".join("■" if is_solved else "□" for is_solved in done)
        lines = [f"Lesson {lesson}  {bar}  {sum(done)} of {len(done)} solved"]
        lines += [f"  {_line(exercise, entries.get(exercise.key))}" for exercise in exercises]
        blocks.append("\n".join(lines))
        solved, total = solved + sum(done), total + len(done)
    return "\n\n".join([*blocks, f"{solved} of {total} exercises solved."])


def show(lesson: str) -> None:
    """Show how many exercises of a lesson are solved, and which, to a learner with a record.

    Args:
        lesson: two digits.
    """
    config = settings.load()
    if not config.live or config.record is None:
        return
    entries, _ = record.read(config.record)
    lines = [_line(made, entries.get(made.key)) for made in catalogue.of_lesson(lesson).values()]
    head = f"{sum(line.startswith('✓') for line in lines)} of {len(lines)} exercises solved"
    listed = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    markup = (
        f"<details><summary><small>{head}</small></summary>"
        f'<ul style="list-style:none;margin:.2em 0">{listed}</ul></details>'
    )
    page.show(markup, head)


def _line(exercise: Exercise, entry: record.Entry | None) -> str:
    if entry is None:
        return f"○ {exercise.title} ({exercise.minutes} minutes)"
    sign, word = ("✓", "solved") if entry["state"] == record.SOLVED else ("✗", "not yet")
    tries = entry["tries"]
    parts = [f"{word}, {tries} {'try' if tries == 1 else 'tries'}"]
    if hints := entry["hints"]:
        parts.append(f"{hints} hint{'' if hints == 1 else 's'}")
    if entry["solution"]:
        parts.append("solution seen")
    return f"{sign} {exercise.title}: {', '.join(parts)}"
