"""What all commands share: streams that hold what is printed, refusals in one line, short paths."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

# What our signs become where the output's encoding has none of them (Windows, with `> log`).
SPELLED = {
    "✓": "+", "✗": "x", "○": "o", "✎": "?", "■": "#", "□": ".", "→": "->", "×": "x", "·": "|",
    "…": "...", "−": "-", "–": "-", "²": "^2", "≤": "<=", "≥": ">=", "µ": "u",
}  # fmt: skip


def start(app: Callable[[], object]) -> None:
    """Run a command line as a program; trouble from outside becomes one line, not a traceback.

    Args:
        app: the command line. It may end the program by itself.
    """
    _open_what_is_closed()
    try:
        Path.cwd()
    except OSError:  # torch would end the process if it were loaded from here
        _refuse("the current folder no longer exists; change to another one.")
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except OSError as error:
        # Otherwise the interpreter tries once more to write what it could not write.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _refuse(str(error))


def spell_out() -> None:
    """Let both streams accept any text: what their encoding lacks is spelled out."""
    codecs.register_error("distill-lessons", _spelled)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="distill-lessons")


def shown(path: Path) -> str:
    """Return a path as text, relative if it lies below the current folder."""
    inside = path.is_relative_to(Path.cwd())
    return str(path.relative_to(Path.cwd())) if inside else str(path)


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what a user can put right into a line and exit code 2, instead of a traceback."""
    try:
        yield
    except BrokenPipeError:
        raise  # whoever reads the output, such as `head`, has read enough
    except (ValueError, OSError) as error:
        typer.echo(f"problem: {error}", err=True)
        raise typer.Exit(2) from None


def _spelled(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    spelled = [SPELLED.get(c) or c.encode("ascii", "backslashreplace").decode() for c in signs]
    return "".join(spelled), error.end


def _open_what_is_closed() -> None:
    """Reopen standard streams that the caller closed, or the next file would take their place."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def _refuse(why: str) -> None:
    with contextlib.suppress(OSError):
        typer.echo(f"problem: {why}", err=True)
    raise SystemExit(2)
