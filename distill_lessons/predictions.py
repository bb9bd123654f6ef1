"""What a learner expects of a result, asked before it and compared with it afterwards.

Every question has a key of its own, so a comparison finds its guess in whatever order cells are
run, and finds it again after a restart: guesses are kept with the learner's progress. As long as
there is none, the result stays covered. On a page, where nobody can answer, it can be opened.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from distill_lessons import asking, page, settings
from distill_lessons.claims import UNITS, Effect
from distill_lessons.exercises import record

Guess = float | str


@dataclass
class _Question:
    """What is asked under one key, what was guessed, and where that is shown in the notebook."""

    text: str = ""
    options: tuple[str, ...] = ()
    why: Mapping[str, str] = field(default_factory=dict)  # option to what speaks for or against it
    unit: str = ""
    guess: Guess | None = None
    asked: Any = None  # the handle of the question's output
    widget: Any = None
    trouble: str = ""  # why the guess could not be kept
    measured: Effect | str | None = None
    compared: Any = None  # the handle of the comparison's output


_questions: dict[str, _Question] = {}  # by key, in this kernel


def predict(
    key: str,
    question: str,
    options: Sequence[str] = (),
    *,
    unit: str = "",
    guess: Guess | None = None,
) -> None:
    """Ask the learner for a prediction; `compare` with the same key finds it.

    Args:
        key: the lesson's number and a name for the question, such as ``"02.top_two"``.
        question: one sentence.
        options: what to choose from; a number is asked for if there are none.
        unit: of the number, as in `claims.Effect`; the guess is given as it is shown (5 for five
            points).
        guess: the answer, for those who have no buttons or would rather write.

    Raises:
        ValueError: if `unit` is unknown, there is a single option, or the guess is no number or
            none of the options.
    """
    settings.one_of("unit", unit, UNITS)
    if len(options) == 1:
        raise ValueError(f"options={tuple(options)!r} leaves no choice; give two or more, or none.")
    live = settings.load().live
    entry = _question(key, live=live)
    entry.text, entry.options, entry.unit = question, tuple(options), unit
    if guess is not None:
        _note(key, _checked(guess, entry))
    elif entry.guess is not None and not _fits(entry):
        entry.guess = None  # it answered an older version of the question
    entry.asked = page.show(*_ask(entry, live=live))
    if live and entry.asked is not None:
        _show_widget(key, entry)


def compare(key: str, measured: Effect | float | str, why: Mapping[str, str] | None = None) -> None:
    """Set what the learner predicted beside what was measured.

    Args:
        key: as given to `predict`.
        measured: the result: an effect, or one of the options. A plain number counts as exact, in
            the unit that was asked for, as it is stored (a fraction for points).
        why: for each option a sentence, shown with the result, that says what speaks for it or
            against it. An option without one is left out.

    Raises:
        ValueError: if `why` explains what is none of the options.
    """
    live = settings.load().live
    entry = _question(key, live=live)
    entry.why = why or {}
    if entry.options and (
        others := [option for option in entry.why if option not in entry.options]
    ):
        listed = ", ".join(map(repr, entry.options))
        raise ValueError(f"why explains {others[0]!r}, which is none of {listed}.")
    if not isinstance(measured, Effect | str):
        measured = Effect(measured, measured, measured, unit=entry.unit)
    entry.measured = measured
    entry.compared = page.show(*_answer(entry, live=live))


def _question(key: str, *, live: bool) -> _Question:
    """Return the question; one new to this kernel has the guess of an earlier one."""
    if key not in _questions:
        # A run without a person shows nothing of a person's.
        _questions[key] = _Question(guess=record.guesses().get(key) if live else None)
    return _questions[key]


def _note(key: str, guess: Guess | None) -> None:
    _questions[key].guess = guess
    _questions[key].trouble = record.note_guess(key, guess)


def _fits(entry: _Question) -> bool:
    return entry.guess in entry.options if entry.options else not isinstance(entry.guess, str)


def _checked(guess: Guess, entry: _Question) -> Guess:
    if entry.options:
        if guess not in entry.options:
            listed = ", ".join(map(repr, entry.options))
            raise ValueError(f"guess={guess!r} is none of {listed}.")
        return guess
    try:
        return asking.to_number(guess)
    except ValueError:
        raise ValueError(f"guess={guess!r} is no number; write for example guess=5.") from None


def _show_widget(key: str, entry: _Question) -> None:
    def note(guess: Guess | None) -> None:
        _note(key, guess)
        page.replace(entry.asked, *_ask(entry, live=True))
        if entry.measured is not None:
            page.replace(entry.compared, *_answer(entry, live=True))

    if entry.widget is not None:
        entry.widget.close()  # of an earlier run of the cell
    if entry.options:
        chosen = entry.guess if isinstance(entry.guess, str) else None
        entry.widget = asking.buttons(entry.options, chosen, note)
    else:
        word = UNITS[entry.unit][1].strip()
        number = None if isinstance(entry.guess, str) else entry.guess
        entry.widget = asking.number(
            f"Your guess, in {word}" if word else "Your guess", number, note
        )
    asking.show(entry.widget)


def _ask(entry: _Question, *, live: bool) -> tuple[str, str]:
    """Return the question as HTML and as text, with the guess if there is one."""
    word = UNITS[entry.unit][1].strip()
    wanted = " / ".join(entry.options) or ("a number" + (f", in {word}" if word else ""))
    body, text = page.prose(entry.text), f"Predict: {entry.text} ({wanted})"
    if entry.guess is not None:
        body += f"<br>You predicted: {html.escape(_shown(entry))}."
        text += f"\nYou predicted: {_shown(entry)}."
        if entry.trouble:
            body += f"<br><small>{page.prose(entry.trouble)}</small>"
            text += f"\n{entry.trouble}"
    elif not live:
        body += f" <small>({html.escape(wanted)})</small>"
    if live:
        body += f" {asking.RERUN}"
    return page.box("ask", "Predict.", body), text


def _answer(entry: _Question, *, live: bool) -> tuple[str, str]:
    """Return the comparison as HTML and as text; without a guess the HTML is covered."""
    measured = entry.measured
    assert measured is not None
    said, hit = f"Measured: {measured}.", False
    fits = isinstance(entry.guess, str) == isinstance(
        measured, str
    )  # else the question was changed
    if entry.guess is not None and fits:
        verdict, hit = _verdict(entry.guess, measured)
        said = f"You predicted: {_shown(entry)}. {said} {verdict}"
    text = "\n".join([said, *(f"{option}: {reason}" for option, reason in entry.why.items())])
    shown = page.prose(said)
    if entry.why:
        lines = (
            f"<li><b>{html.escape(option)}</b>: {page.prose(reason)}</li>"
            for option, reason in entry.why.items()
        )
        shown += f'<ul style="margin:.2em 0">{"".join(lines)}</ul>'
    if entry.guess is not None and fits:
        return page.box("good" if hit else "ask", "✓" if hit else "≠", shown), text
    # Alone in a live notebook the guess is still to come: the cell's other outputs wait with it.
    covered = ' class="distill-covered"' if live else ""
    summary = "The result is covered: guess first, or open it." if live else "What was measured"
    details = f"<details{covered}><summary>{summary}</summary><div>{shown}</div></details>"
    return (COVER if live else "") + details, text


COVER = """<style>
.jp-OutputArea:has(> .jp-OutputArea-child details.distill-covered:not([open]))
> .jp-OutputArea-child:not(:has(details.distill-covered)) { display: none; }
</style>"""


def _verdict(guess: Guess, measured: Effect | str) -> tuple[str, bool]:
    if isinstance(measured, str):
        hit = guess == measured
        return "Right!" if hit else "Not what you expected: find out why.", hit
    factor, word = UNITS[measured.unit]
    number, value = float(guess), measured.value * factor
    if measured.n > 1 and measured.low * factor <= number <= measured.high * factor:
        return "Well guessed: that lies in the interval.", True
    if abs(number - value) <= 0.05 * abs(value):
        return "Well guessed.", True
    side = "high" if number > value else "low"
    return f"Your guess was {abs(number - value):.3g}{word} too {side}.", False


def _shown(entry: _Question) -> str:
    if isinstance(entry.guess, str):
        return entry.guess
    return f"{entry.guess:g}{UNITS[entry.unit][1]}"
