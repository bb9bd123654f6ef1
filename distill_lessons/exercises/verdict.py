"""What a check says of an answer, and how a notebook shows it."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any, Literal

State = Literal["correct", "not yet", "not attempted", "noted"]
LOOKS = {  # a sign, so that colour does not speak alone, and the colour
    "correct": ("✓", "#1b7837"),
    "not yet": ("✗", "#b35806"),
    "not attempted": ("○", "#5a5a5a"),
    "noted": ("✎", "#2166ac"),
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
        sign, colour = LOOKS[self.state]
        said = html.escape(self.text).replace("\n", "<br>")
        return {
            "text/plain": str(self),
            "text/html": f'<div style="border-left:4px solid {colour};padding:.3em .8em;'
            f'margin:.4em 0"><b style="color:{colour}">{sign} {self.state.capitalize()}.</b> '
            f"{said}</div>",
        }


def display(verdict: Verdict) -> None:
    """Show a verdict: coloured in a notebook, as a line of text in a plain script."""
    from IPython import get_ipython
    from IPython.display import display as show

    if get_ipython() is None:
        print(verdict)  # a plain script
    else:
        show(verdict)
