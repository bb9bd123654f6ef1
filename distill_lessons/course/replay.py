"""Repeat a run from its record, and say whether the numbers are the same."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from distill_lessons import settings
from distill_lessons.course import lessons, results, running
from distill_lessons.course.results import Number, Record

_WORDS = {"code": "the lesson's code", "data": "the data", "package": "the package's code"}


def wanted(path: Path, names: Sequence[str], folder: Path) -> list[tuple[Record, Path]]:
    """Return the records of a run, each with its lesson here.

    Args:
        path: the file of results.
        names: lessons, to repeat these alone; see `lessons.find`.
        folder: where the lessons are.

    Raises:
        ValueError: if the file holds no results, a lesson is not here, or a setting does not fit
            this machine.
        OSError: if the file cannot be read.
    """
    found = [(one, lessons.find([one.lesson], folder)[0]) for one in results.read(path)]
    if names:
        chosen = lessons.find(names, folder)
        found = [(one, lesson) for one, lesson in found if lesson in chosen]
    if not found:
        raise ValueError(f"{path} has no result to repeat; name lessons that it holds, or none.")
    for one, _ in found:
        settings.load(os.environ | one.variables)
    return found


def replay(
    found: Sequence[tuple[Record, Path]],
    kept: Path,
    *,
    env: Mapping[str, str],
    command: str,
    execute: Callable[[Path, dict[str, str]], running.Result],
    say: Callable[[str], None],
) -> bool | None:
    """Run lessons under recorded conditions, and say of each which of its numbers differ.

    Args:
        found: see `wanted`.
        kept: the folder for what this run finds.
        env: the kernels' environment variables; the recorded ones are added.
        command: what was typed.
        execute: runs a notebook under such variables.
        say: told what was found, a line at a time.

    Returns:
        Whether all numbers are the same, to the last bit; None if the user interrupted it.

    Raises:
        OSError: if the results cannot be written.
    """
    whole, records = True, []
    for before, lesson in found:
        variables = dict(env) | before.variables
        result = execute(lesson, variables)
        if result.interrupted:
            return None
        config = settings.load(variables)
        now = results.record_of(
            running.keep(result, kept) if result.total else result,
            results.data_hash(before.dataset, config.data_dir),
            results.conditions(config, variables),
            command,
        )
        now = replace(now, lesson=before.lesson)
        records.append(now)
        results.write(kept / results.FILE, records)
        apart = differences(before, now)
        where = f"{lesson.stem}, {before.dataset}, {before.profile} profile, seed {before.seed}"
        if apart:
            whole = False
            say(f"FAILED {where}: not the same.")
            for line in [*apart, *(f"Note: {line}." for line in changes(before, now))]:
                say(f"  {line}")
        else:
            say(f"{where}: the same, {len(now.claims)} claims to the last bit.")
    return whole


def differences(before: Record, now: Record) -> list[str]:
    """Return a line for each number that differs between two runs of a lesson, and by how much."""
    lines = []
    if before.failure != now.failure:
        lines.append(f"it {_ending(before)} then and {_ending(now)} now")
    then, here = _by_statement(before), _by_statement(now)
    for key in then | here:
        if key not in here:
            lines.append(f"measured then, not now: {key[0]}")
        elif key not in then:
            lines.append(f"measured now, not then: {key[0]}")
        elif parts := _apart(then[key], here[key]):
            lines.append(f"{key[0]} {'; '.join(parts)}.")
    return lines


def changes(before: Record, now: Record) -> list[str]:
    """Return a sentence for each condition that is not the one of the first run."""
    lines = [
        f"{words} changed since" for name, words in _WORDS.items()
        if getattr(before, name) != getattr(now, name)
    ]  # fmt: skip
    for name in ("versions", "machine"):
        if getattr(before, name) != getattr(now, name):
            lines.append(f"{getattr(before, name)} then, {getattr(now, name)} now")
    return lines


def _ending(record: Record) -> str:
    return f"stopped ({record.failure})" if record.failure else "ran to its end"


def _by_statement(record: Record) -> dict[tuple[str, int], Number]:
    """Return the numbers by statement, with a count, since a loop may claim the same twice."""
    seen: Counter[str] = Counter()
    found = {}
    for number in record.claims:
        found[number.statement, seen[number.statement]] = number
        seen[number.statement] += 1
    return found


def _apart(then: Number, now: Number) -> list[str]:
    parts = []
    for name in ("value", "low", "high", "n"):
        old, new = getattr(then, name), getattr(now, name)
        if old == new:
            continue
        by = "" if old is None or new is None else f" ({new - old:+.3g})"
        parts.append(f"{name} {old} then, {new} now{by}")
    return parts
