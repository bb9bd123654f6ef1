"""What a check says of an answer, and how a notebook shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from distill_lessons import page

State = Literal["correct", "not yet", "not attempted", "noted"]
LOOKS: dict[State, tuple[str, page.Tone]] = {  # a sign, so that colour does not speak alone
    "correct": ("✓", "good"),
    "not yet": ("✗", "nearly"),
    "not attempted": ("○", "plain"),
    "noted": ("✎", "ask"),
}


@dataclass(frozen=True)
class Verdict:
    """What `check` shows: the state of an exercise, and in words what differs."""

    state: State
    text: str

    def __str__(self) -> str:
        """Return the state, and what differs if something does."""
        return f"{self.state.capitalize()}. {self.text}".strip()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        sign, tone = LOOKS[self.state]
        shown = page.box(tone, f"{sign} {self.state.capitalize()}.", page.prose(self.text))
        return {"text/plain": str(self), "text/html": shown}


def display(verdict: Verdict) -> None:
    """Show a verdict: coloured in a notebook, as a line of text in a plain script."""
    from IPython import get_ipython
    from IPython.display import display as show

    if get_ipython() is None:
        print(verdict)  # a plain script
    else:
        show(verdict)
