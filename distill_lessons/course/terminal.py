"""What all commands do alike: refuse what a user can mend, and name files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer


def shown(path: Path) -> str:
    """Return a path as it is shown: relative where it lies below the current folder."""
    inside = path.is_relative_to(Path.cwd())
    return str(path.relative_to(Path.cwd())) if inside else str(path)


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what a user can mend into a line and exit code 2, instead of a traceback."""
    try:
        yield
    except (ValueError, OSError) as error:
        typer.echo(f"problem: {error}", err=True)
        raise typer.Exit(2) from None
