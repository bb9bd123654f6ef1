"""What a check of the machine returns, and how its remedies are worded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Check:
    """The result of one check: what was checked, its state, what was found, and what to do."""

    name: str
    state: Literal["OK", "warning", "problem"]
    seen: str
    remedy: str = ""

    def __str__(self) -> str:
        """Return the result as one line, with a second line for the remedy if there is one."""
        line = f"{self.state:<8} {self.name}: {self.seen}"
        return line + (f"\n         → {self.remedy}" if self.remedy else "")


def short(error: Exception) -> str:
    """Return an error as one line."""
    text = str(error).strip() or "no message"
    return f"{type(error).__name__}: {text.splitlines()[0]}"


def install(name: str) -> str:
    """Return the command that installs a package, or a newer version of it."""
    return f"python -m pip install --upgrade {name}"
