"""What a learner expects of a result, asked before it and compared with it afterwards.

Where there are buttons the learner clicks; where there are none (a plain text front end, a test, a
web page) the same question stands as text, and the answer may be written as code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from distill_lessons import settings
from distill_lessons.claims import UNITS, Effect


@dataclass
class Prediction:
    """A learner's prediction.

    Attributes:
        question: what was asked.
        options: the answers to choose from; empty where a number is asked for.
        unit: of the number, as in `claims.Effect`: ``""``, ``"points"``, ``"%"`` or ``"s"``.
        value: a number in that unit as it is shown (5 for five points), or one of the options; None
            as long as nothing was predicted.
    """

    question: str
    options: tuple[str, ...] = ()
    unit: str = ""
    value: float | str | None = None


def predict(question: str, options: Sequence[str] = (), *, unit: str = "") -> Prediction:
    """Ask the learner for a prediction, and return where it will be found.

    Args:
        question: one sentence.
        options: what to choose from; a number is asked for if there are none.
        unit: of the number, as in `claims.Effect`.

    Returns:
        The prediction, still empty; give it to `compare` in a later cell. It may also be written by
        hand: ``my_guess.value = 5``.

    Raises:
        ValueError: if `unit` is unknown, or there is a single option.
    """
    settings.one_of("unit", unit, UNITS)
    if len(options) == 1:
        raise ValueError(f"options={tuple(options)!r} leaves no choice; give two or more, or none.")
    made = Prediction(question, tuple(options), unit)
    if settings.load().live:
        _show(made)
    else:
        print(in_words(made))
    return made


def in_words(made: Prediction) -> str:
    """Return the question as text, with the way to answer it without buttons."""
    if made.options:
        due, form = " / ".join(made.options), '"..."'
    else:
        due, form = f"a number{', in' + UNITS[made.unit][1] if made.unit else ''}", "..."
    # No example: whatever stood there would be taken for a tip.
    return f"Your prediction: {made.question} ({due})\nWithout buttons: my_guess.value = {form}"


def compare(prediction: Prediction, measured: Effect | float | str) -> None:
    """Set what the learner predicted beside what was measured.

    Args:
        prediction: from `predict`.
        measured: the result: an effect or number in stored units (a fraction for points), or one of
            the options.

    Raises:
        ValueError: if the prediction is no number where a number was measured, or is none of the
            options.
    """
    guess: Any = prediction.value
    if not isinstance(measured, Effect | str):
        measured = Effect(measured, measured, measured, unit=prediction.unit)
    if guess is None or guess is ...:  # the text shows where to write, by three dots
        print(f"Measured: {measured}. You predicted nothing: try it next time, it helps to learn.")
    elif isinstance(measured, str):
        _check_option(prediction)
        verdict = "Right!" if guess == measured else "Not what you expected: find out why."
        print(f"You predicted: {guess}. Measured: {measured}. {verdict}")
    else:
        print(
            f"You predicted {_number(guess):g}{UNITS[measured.unit][1]}. {_beside(guess, measured)}"
        )


def _beside(guess: Any, measured: Effect) -> str:
    factor, word = UNITS[measured.unit]
    gap = _number(guess) - measured.value * factor
    if measured.low * factor <= _number(guess) <= measured.high * factor and measured.n > 1:
        verdict = "Well guessed: that lies in the interval."
    elif abs(gap) < 0.05 * abs(measured.value * factor):
        verdict = "Well guessed."
    else:
        verdict = f"Your guess was {abs(gap):.3g}{word} too {'high' if gap > 0 else 'low'}."
    return f"Measured: {measured}. {verdict}"


def _number(guess: Any) -> float:
    try:
        return float(str(guess).replace(",", ".").replace("−", "-").strip(" %"))
    except ValueError:
        raise ValueError(
            f"my_guess.value={guess!r} is no number; write for example my_guess.value = 5."
        ) from None


def _check_option(prediction: Prediction) -> None:
    if prediction.value not in prediction.options:
        listed = ", ".join(map(repr, prediction.options))
        raise ValueError(f"my_guess.value={prediction.value!r} is none of {listed}.")


def _show(made: Prediction) -> None:
    import ipywidgets as widgets
    from IPython.display import display

    wide = widgets.Layout(width="auto")
    field: Any
    if made.options:
        field = widgets.RadioButtons(options=made.options, value=None, layout=wide)
    else:
        field = widgets.Text(placeholder="a number", description=UNITS[made.unit][1].strip())
    said = widgets.HTML()

    def note(change: dict[str, Any]) -> None:
        text = change["new"]
        if made.options:
            made.value = text
        else:
            try:
                made.value = _number(text) if text.strip() else None
                said.value = "" if made.value is None else f"noted: {made.value:g}"
            except ValueError:
                made.value, said.value = None, "a number is due, such as 5 or -0.3"

    field.observe(note, names="value")
    box = widgets.VBox([widgets.Label(f"Your prediction: {made.question}"), field, said])
    # A front end that knows no widgets shows the text instead of the widget's inner name.
    bundle = box._repr_mimebundle_() | {"text/plain": in_words(made)}
    display(bundle, raw=True)
