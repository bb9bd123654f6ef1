"""A page for each learner to give back: what is right, what is not and on which input, by whom."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distill_lessons.exercises import catalogue
from distill_lessons.exercises.verdict import LOOKS
from distill_lessons.grading import tables
from distill_lessons.grading.marking import Marked
from distill_lessons.grading.points import Extra
from distill_lessons.page import prose

NAME = 200  # bytes; file systems take 255, and a copy gets something in front or behind


def page(marked: Sequence[Marked], extra: Sequence[Extra] = ()) -> str:
    """Return the HTML page of one learner.

    Args:
        marked: all of the learner's results. Whatever they hold is text, and never markup.
        extra: points given by hand, of all learners.
    """
    import jinja2
    import markupsafe

    source = Path(__file__).with_name("feedback.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["prose"] = lambda text: markupsafe.Markup(prose(text))
    learner = marked[0].submission.learner
    return environment.from_string(source).render(
        learner=_text(learner), labs=[_lab(one, extra) for one in marked]
    )


def file_name(learner: str, number: str = "") -> str:
    """Return the name of a learner's page: the learner's own, if a file may have it.

    Args:
        learner: the name; it may be longer than a file's.
        number: the learning platform's, so that two people of one name get a page each.

    >>> file_name("Zoë Li"), file_name("Ada Smith", "123")
    ('Zoë Li.html', 'Ada Smith 123.html')
    """
    name = f"{learner} {number}".strip() if number else learner
    written = name.encode("utf-8", errors="backslashreplace")
    if len(written) > NAME:
        mark = hashlib.sha256(written).hexdigest()[:8]
        name = f"{written[: NAME - 9].decode('utf-8', errors='ignore')}-{mark}"
    else:
        name = written.decode("utf-8")
    return f"{name}.html"


def _lab(one: Marked, extra: Sequence[Extra]) -> dict[str, Any]:
    about = one.submission
    total, of = tables.sums(one)
    given = [e for e in extra if e.belongs_to((about.learner, about.id), about.lesson)]
    exercises = []
    for name, exercise in (catalogue.of_lesson(about.lesson) if about.lesson else {}).items():
        if name in one.verdicts:
            verdict = one.verdicts[name]
            exercises.append(
                {
                    "sign": LOOKS[verdict.state][0],
                    "state": verdict.state,
                    "title": exercise.title,
                    "points": one.points(name),
                    "of": exercise.points,
                    "text": _text(verdict.text),
                    "extra": [_by_hand(e) for e in given if e.exercise == exercise.key],
                }
            )
    return {
        "lesson": about.lesson and f"{about.lesson}, {catalogue.LESSONS[about.lesson].title}",
        "file": _text(about.file),
        "failure": one.failure,
        "total": f"{total + sum(e.points for e in given):g}",
        "of": of,
        "exercises": exercises,
        "extra": [_by_hand(e) for e in given if e.exercise == about.lesson],
        "notes": [_text(note) for note in one.notes],
    }


def _by_hand(given: Extra) -> str:
    points = f"{given.points:+g}".replace("-", "−")
    return f"{points} by hand: {given.comment}" if given.comment else f"{points} by hand"


def _text(text: str) -> str:
    """Return text that can be encoded: a file's name may hold bytes that no encoding has."""
    return text.encode("utf-8", errors="backslashreplace").decode("utf-8")
