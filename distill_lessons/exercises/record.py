"""What a learner solved and predicted, in one small file of the learner's own.

It never leaves the machine. The file is a convenience: nothing that happens to it may stop a
lesson. Reading moves nothing. When something new is to be noted, a damaged file is set aside under
another name, never deleted; one that is not ours, a device or somebody's `package.json`, is left
alone.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from distill_lessons import files, settings

MARK = "distill-lessons progress"
VERSION = 1
SOLVED, TRIED = "solved", "tried"
LARGEST = 4 * 2**20  # bytes; a whole course takes a few thousand
_WAYS_OUT = "Let DISTILL_RECORD name another file, unset it, or set it to 0 to keep none."

Entry = dict[str, Any]
Sections = dict[str, dict[str, Any]]  # "exercises" to entries, "predictions" to guesses


class NotOurs(ValueError):
    """What stands in the file's place is not a progress file."""


def read(path: Path) -> tuple[dict[str, Entry], str]:
    """Return the entries by exercise, such as ``"02.slope"``, and a message ("" if all is well).

    Nothing is changed: of a damaged file the message says what will happen to it.
    """
    try:
        sections = _sections(path)
    except NotOurs as error:
        return {}, str(error)
    except OSError as error:
        return {}, f"Your progress in {path} cannot be read ({error.strerror})."
    if sections is None:
        return {}, (
            f"Your progress in {path} is damaged. The file is not deleted: the next check or hint "
            f"moves it to {_aside(path).name} and begins a new one."
        )
    return sections["exercises"], ""


def note(key: str, **changes: Any) -> str:
    """Change one entry of the learner's file; return a message, "" if all went well.

    `state` and counts only ever grow: what was solved stays solved, and `tries` is added to.

    Args:
        key: the exercise, such as ``"02.slope"``.
        changes: `state` (`SOLVED` or `TRIED`), `tries` to add, `hints` seen, `solution` seen.
    """

    def grow(sections: Sections) -> None:
        entries = sections["exercises"]
        entries[key] = _grown(entries.get(key, {}), changes)

    return _change(grow)


def guesses() -> dict[str, float | str]:
    """Return the learner's predictions by question; none without a sound file."""
    path = settings.load().record
    try:
        return ((path and _sections(path)) or _empty())["predictions"]
    except (NotOurs, OSError):
        return {}  # whatever is wrong is said when something is to be noted


def note_guess(key: str, guess: float | str | None) -> str:
    """Note a prediction, or forget it if it is None; return a message, "" if all went well."""

    def change(sections: Sections) -> None:
        sections["predictions"].pop(key, None)
        if guess is not None:
            sections["predictions"][key] = guess

    return _change(change)


def _change(change: Callable[[Sections], None]) -> str:
    path = settings.load().record
    if path is None:
        return ""
    from filelock import FileLock, Timeout

    message = ""
    path = Path(os.path.realpath(path))  # through a link: it stays one, and its file is replaced
    try:
        _sections(path)  # before a lock stands beside a file that is not ours
        path.parent.mkdir(parents=True, exist_ok=True)
        # Two lessons may be open at once: what the one adds, the other must not overwrite.
        with FileLock(f"{path}.lock", timeout=5):
            sections = _sections(path)
            if sections is None:
                aside = path.rename(_aside(path))
                message = f"{path} was damaged; it is kept as {aside.name}."
                sections = _empty()
            change(sections)
            content = {"what": MARK, "version": VERSION}
            content |= {name: dict(sorted(section.items())) for name, section in sections.items()}
            text = json.dumps(content, indent=1, ensure_ascii=False)
            files.write(path, text, private=True)
    except NotOurs as error:
        return str(error)
    except (OSError, NotImplementedError, Timeout) as error:  # the second: no locks on this disk
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


def _sections(path: Path) -> Sections | None:
    """Return what the file holds; None if it is ours but damaged.

    Raises:
        NotOurs: if it is not a regular file, or one with other contents.
        OSError: if it cannot be read.
    """
    try:
        about = path.stat()
    except FileNotFoundError:
        return _empty()
    if not stat.S_ISREG(about.st_mode):  # reading a device or a pipe may never end
        raise NotOurs(f"{path} is not a regular file, so no progress is kept there. {_WAYS_OUT}")
    content = path.read_bytes() if about.st_size <= LARGEST else b""
    if about.st_size == 0:
        return _empty()
    if (sections := _parsed(content)) is not None:
        return sections
    # In its usual place a file is ours whatever it holds; elsewhere only if it says so.
    if path == settings.default_record() or MARK.encode() in content:
        return None
    raise NotOurs(f"{path} is not a progress file and is left alone. {_WAYS_OUT}")


def _empty() -> Sections:
    return {"exercises": {}, "predictions": {}}


def _parsed(text: bytes) -> Sections | None:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or content.get("what") != MARK:
        return None
    found = {name: content.get(name, {}) for name in _empty()}
    if content.get("version") != VERSION or "exercises" not in content:
        return None
    if not all(isinstance(section, dict) for section in found.values()):
        return None
    guessed = all(type(guess) in (int, float, str) for guess in found["predictions"].values())
    return found if guessed and all(map(_sound, found["exercises"].values())) else None


def _sound(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and entry.get("state") in (SOLVED, TRIED)
        and all(type(entry.get(count)) is int for count in ("tries", "hints"))
        and isinstance(entry.get("solution"), bool)
    )


def _aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.unread-{number}")).exists():
        number += 1
    return aside
