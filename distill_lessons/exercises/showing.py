"""What a notebook shows of an exercise: verdicts and where to go on, hints, solutions, choices.

Judges nothing. What a learner chose with a button is kept as predictions are, and found again when
the cell is run another day.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from types import EllipsisType
from typing import TYPE_CHECKING, Any

from distill_lessons import asking, page, settings
from distill_lessons.exercises import record, unread
from distill_lessons.exercises.verdict import State, Verdict

if TYPE_CHECKING:
    from distill_lessons.exercises.exercise import Exercise

UNSOLVED: tuple[State, ...] = ("not yet", "not attempted")

_hints_shown: Counter[str] = Counter()  # by key, in this kernel


def verdict(exercise: Exercise, answer: Any) -> Verdict:
    """Show the verdict on an answer, note it, and return it.

    A choice that was left blank is offered as buttons, where somebody can click them.
    """
    blank = answer is None or isinstance(answer, EllipsisType)
    if exercise.options and blank and settings.load().live:
        return _offered(exercise)
    if error := unread.syntax_error(exercise.name):
        text = (
            f"Python cannot read your last version of {exercise.name}: {error}. So the one before "
            "it is still in force, and is not judged."
        )
        result = Verdict("not yet", text)
    else:
        result = exercise.judge(answer)
    trouble = _note(exercise, result) if result.state != "not attempted" else ""
    handle = page.show(*_boxed(exercise, result, trouble=trouble))
    if handle is not None and result.state in UNSOLVED:
        _offer_hints(
            exercise, lambda: page.replace(handle, *_boxed(exercise, result, trouble=trouble))
        )
    return result


def hint(exercise: Exercise) -> None:
    """Show the next hint."""
    if not (label := _next_hint(exercise)):
        page.say(f"There is no further hint. ex.{exercise.name}.solution() shows the solution.")
        return
    trouble = _open_hint(exercise)
    text = exercise.hints[_hints_shown[exercise.key] - 1]
    page.show(page.box("plain", f"{label}:", page.prose(text)), f"{label}: {text}")
    _tell(trouble)


def _next_hint(exercise: Exercise) -> str:
    """Return what the next hint is called; "" if all have been shown."""
    number, most = _hints_shown[exercise.key], len(exercise.hints)
    return f"Hint {number + 1} of {most}" if number < most else ""


def _open_hint(exercise: Exercise) -> str:
    """Count one more hint as seen; return a message if that could not be kept."""
    _hints_shown[exercise.key] += 1
    return record.note(exercise.key, hints=_hints_shown[exercise.key])


def _offer_hints(exercise: Exercise, redraw: Callable[[], None]) -> None:
    """Show a button that opens one hint after the other in the verdict's box, and counts them."""

    def clicked() -> str:
        _open_hint(exercise)
        redraw()
        return _next_hint(exercise)

    if settings.load().live and (label := _next_hint(exercise)):
        asking.show(asking.one_by_one(label, clicked))


def _folded_hints(exercise: Exercise) -> str:
    """Return the hints as HTML that unfolds, each inside of the one before it.

    Where a kernel can count there are only those that were asked for, open.
    """
    live, folded = settings.load().live, ""
    number = _hints_shown[exercise.key] if live else len(exercise.hints)
    for at in range(number, 0, -1):
        text = page.prose(exercise.hints[at - 1])
        summary = f"<summary>Hint {at} of {len(exercise.hints)}</summary>"
        folded = (
            f'<details style="margin-top:.3em"{" open" if live else ""}>{summary}'
            f"<div>{text}</div>{folded}</details>"
        )
    return folded


def solution(exercise: Exercise, *, sure: bool) -> None:
    """Show the solution to those who are sure, highlighted as code is in this notebook."""
    if exercise.solved_by is None:
        page.say("In a graded lab the solution stays with your instructor.")
    elif not sure:
        left = len(exercise.hints) - _hints_shown[exercise.key]
        hints = f"{left} hint{'' if left == 1 else 's'} you have not seen. " if left else ""
        page.say(f"Are you sure? {hints}Run ex.{exercise.name}.solution(sure=True) to see it.")
    else:
        code = exercise.solved_by.code
        page.show(f"```python\n{code}\n```", code, kind="text/markdown")
        _tell(record.note(exercise.key, solution=True))


def onward(exercise: Exercise) -> str:
    """Return where to go from an exercise that is solved; "" for one that no lesson has."""
    if exercise.place is None:
        return ""
    path = settings.load().record
    entries = record.read(path)[0] if path else {}
    listed = list(exercise.place.lesson())
    at = [other.key for other in listed].index(exercise.key)
    for other in (*listed[at + 1 :], *listed[:at]):
        if entries.get(other.key, {}).get("state") != record.SOLVED:
            number = listed.index(other) + 1
            return f"Next: exercise {number}, {other.title} ({other.minutes} minutes)."
    end = f"All {len(listed)} exercises of this lesson are solved."
    return f"{end} Next: lesson {exercise.place.after}." if exercise.place.after else end


def _offered(exercise: Exercise) -> Verdict:
    """Offer a choice as buttons, and show the verdict on what is or was chosen."""
    kept = record.guesses().get(exercise.key)
    chosen = kept if kept in exercise.options else None
    result = exercise.judge(chosen)
    handle = page.show(*_boxed(exercise, result, chosen or "", offered=True))
    if handle is None:
        return result
    columns = [list(dict.fromkeys(column)) for column in zip(*exercise.options, strict=True)]
    picked: list[str] = list(chosen) if isinstance(chosen, str) else [""] * len(columns)
    trouble = ""

    def redraw() -> None:
        choice = "".join(picked) if all(picked) else ""
        judged = exercise.judge(choice or None)
        page.replace(handle, *_boxed(exercise, judged, choice, trouble, offered=True))

    def note(column: int, part: str) -> None:
        nonlocal trouble
        picked[column] = part
        if all(picked):
            choice = "".join(picked)
            judged = exercise.judge(choice)
            trouble = _note(exercise, judged) or record.note_guess(exercise.key, choice)
            redraw()

    def row(column: int) -> Any:
        ticked = picked[column] or None
        return asking.buttons(
            columns[column], ticked, lambda part: note(column, part), in_a_row=True
        )

    asking.show(asking.stacked(map(row, range(len(columns)))))
    if result.state in UNSOLVED:
        _offer_hints(exercise, redraw)
    return result


def _boxed(
    exercise: Exercise,
    result: Verdict,
    choice: str = "",
    trouble: str = "",
    *,
    offered: bool = False,
) -> tuple[str, str]:
    """Return a verdict as HTML and as text, with what to do next and what could not be kept."""
    text = result.text
    if result.state == "correct":
        text = f"{text} {onward(exercise)}".strip()
    elif result.state == "not attempted" and offered:
        text = "Choose your answer."
    elif result.state == "noted" and choice:
        text += f' To hand it in, write `{exercise.name} = "{choice}"` into the cell above.'
    shown = f"{choice}: {text}" if choice else text
    if trouble:
        shown = f"{shown}\n{trouble}".strip()
    hints = _folded_hints(exercise) if result.state in UNSOLVED else ""
    buttons = offered or (settings.load().live and result.state in UNSOLVED)
    after = (asking.RERUN if buttons else "") + hints
    bundle = replace(result, text=shown)._repr_mimebundle_(after=after)
    return bundle["text/html"], bundle["text/plain"]


def _note(exercise: Exercise, result: Verdict) -> str:
    state = record.SOLVED if result.state == "correct" else record.TRIED
    return record.note(exercise.key, state=state, tries=1)


def _tell(message: str) -> None:
    if message:
        page.say(message)
