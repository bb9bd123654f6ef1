"""What a learner has solved, in one small file of the learner's own. It never leaves the machine.

The file is a convenience: nothing that happens to it may stop a lesson. One that cannot be read is
set aside under another name, never deleted.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from distill_lessons import settings

MARK = "distill-lessons progress"
VERSION = 1
SOLVED, TRIED = "solved", "tried"

Entry = dict[str, Any]


def read(path: Path) -> tuple[dict[str, Entry], str]:
    """Return the entries by exercise, such as ``"02.slope"``, and a message ("" if all is well).

    A file that is damaged, or is not one of ours, is moved aside and the message says where to.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}, ""
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError):
            return {}, f"Your progress in {path} cannot be read ({error.strerror})."
        text = ""
    entries = _entries(text)
    if entries is not None:
        return entries, ""
    try:
        aside = _set_aside(path)
    except OSError as error:
        return {}, f"{path} is no progress file and cannot be moved aside ({error.strerror})."
    return {}, f"{path} could not be read as your progress; it is kept as {aside.name}."


def note(key: str, **changes: Any) -> str:
    """Change one entry of the learner's file; return a message, "" if all went well.

    `state` and counts only ever grow: what was solved stays solved, and `tries` is added to.

    Args:
        key: the exercise, such as ``"02.slope"``.
        changes: `state` (`SOLVED` or `TRIED`), `tries` to add, `hints` seen, `solution` seen.
    """
    path = settings.load().record
    if path is None:
        return ""
    from filelock import FileLock, Timeout

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Two lessons may be open at once: what the one adds, the other must not overwrite.
        with FileLock(f"{path}.lock", timeout=5):
            entries, message = read(path)
            entries[key] = _grown(entries.get(key, {}), changes)
            _write(path, entries)
    except (OSError, Timeout) as error:
        return f"Your progress could not be written to {path}: {error}."
    return message


def _grown(entry: Entry, changes: Entry) -> Entry:
    state = SOLVED if SOLVED in (entry.get("state"), changes.get("state")) else None
    return {
        "state": state or changes.get("state") or entry.get("state") or TRIED,
        "tries": entry.get("tries", 0) + changes.get("tries", 0),
        "hints": max(entry.get("hints", 0), changes.get("hints", 0)),
        "solution": bool(entry.get("solution") or changes.get("solution")),
    }


def _entries(text: str) -> dict[str, Entry] | None:
    """Return what the file holds; None if it is not a progress file."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or content.get("what") != MARK:
        return None
    entries = content.get("exercises")
    if content.get("version") != VERSION or not isinstance(entries, dict):
        return None
    return entries if all(map(_sound, entries.values())) else None


def _sound(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and entry.get("state") in (SOLVED, TRIED)
        and all(type(entry.get(count)) is int for count in ("tries", "hints"))
        and isinstance(entry.get("solution"), bool)
    )


def _set_aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.unread-{number}")).exists():
        number += 1
    return path.rename(aside)


def _write(path: Path, entries: dict[str, Entry]) -> None:
    content = {"what": MARK, "version": VERSION, "exercises": dict(sorted(entries.items()))}
    # Written beside it and renamed: whoever reads meanwhile sees the old file or the new one.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1, ensure_ascii=False)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
