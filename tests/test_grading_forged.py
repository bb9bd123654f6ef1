"""What a submission says of itself earns nothing: properties are found where it is judged."""

from __future__ import annotations

import pprint
from pathlib import Path

import pytest
from labs import code, hand_in, stored

from distill_lessons.exercises import catalogue
from distill_lessons.grading import fence, limits, marking, student, submissions

# Where only the exercise's own ask is replaced, the answer is asked all the same; so everything is.
FORGED = """
told = {wanted}
def tells(*arguments):
    return told.pop(0)
object.__setattr__(ex.{name}, "ask", tells)
type(ex.{name}).output = tells
{name} = lambda *arguments: 1
"""
TOLD = {
    name: catalogue.of_lesson(lesson)[name]
    for lesson, name in (("04", "shuffle_wrong"), ("04", "class_bias"), ("05", "row_together"))
}


@pytest.mark.parametrize("name", TOLD)
def test_told_properties_earn_nothing(tmp_path: Path, name: str) -> None:
    """Even the right properties, which do not depend on what the seed draws."""
    made = TOLD[name]
    notebook = student.blank(stored(made.lesson))
    first = next(c for c in notebook["cells"] if "as ex" in "".join(c["source"]))
    # In lines: tokenize of Python 3.12.1 keeps a copy of the line for each of its tokens.
    wanted = pprint.pformat([*made.expected(1), *made.expected(2)])
    notebook["cells"] = [first, code(FORGED.format(name=name, wanted=wanted))]
    (one,) = submissions.collect(hand_in(tmp_path / "in", eve=notebook))
    room = marking.Room((1, 2), limits.Limits(), fence.find())
    (marked,) = marking.mark_all([one], room)
    assert marked.points(name) == 0
    assert marked.verdicts[name].text.startswith("On ")  # it was compared
    assert "look at the code" in marked.notes[-1]
