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
    """What `check` shows.

    Attributes:
        state: of the exercise.
        text: what differs; its first line names the mistake if it is a known one.
        mistake: the name of a known mistake; "" if it is none.
    """

    state: State
    text: str
    mistake: str = ""

    def __str__(self) -> str:
        """Return the state, and what differs if something does."""
        return f"{self.state.capitalize()}. {self.text}".strip()

    def _repr_mimebundle_(
        self, include: Any = None, exclude: Any = None, *, after: str = ""
    ) -> dict[str, str]:
        sign, tone = LOOKS[self.state]
        body = f"{page.prose(self.text)} {after}".strip()
        shown = page.box(tone, f"{sign} {self.state.capitalize()}.", body)
        return {"text/plain": str(self), "text/html": shown}
