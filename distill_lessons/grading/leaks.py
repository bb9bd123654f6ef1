"""Everything in a student build read again, for whatever gives an answer away."""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
from pathlib import Path
from typing import Any

from distill_lessons.exercises import catalogue, sections
from distill_lessons.grading import stubs

# A body as short as `return x[:1]` may stand in any code; alone it is not taken for a leak.
SHORT = 25
HIDDEN = "BEGIN HIDDEN TESTS"


def find(folder: Path) -> list[str]:
    """Return a line for every leak in a folder; none is what you want.

    Looked for, in every file: sections with solutions; the modules of grading; compiled code;
    outputs in notebooks; hidden tests; a solution's code, however it is spaced and commented; the
    comments that explain a solution; the value of a choice or number beside its name; in notebooks
    whatever is not as blank as the course has it, see `stubs`.
    """
    secrets = _secrets()
    found = []
    for file in sorted(f for f in folder.rglob("*") if f.is_file() or f.is_symlink()):
        name = file.relative_to(folder).as_posix()
        if re.search(r"(^|/)grading/|\.pyc$|(^|/)\.git/", name):
            found.append(f"{name}: this file stays with the instructor")
            continue
        text = file.read_bytes().decode("utf-8", errors="replace")
        if sections.upto(text, "judging") != text:
            found.append(f"{name}: a section with a solution")
        if HIDDEN in text:
            found.append(f"{name}: hidden tests")
        if file.suffix == ".ipynb":
            notebook = json.loads(text)
            cells = notebook["cells"]
            if any(cell.get("outputs") or cell.get("execution_count") for cell in cells):
                found.append(f"{name}: stored outputs")
            found += [f"{name}: {line}" for line in stubs.differences(notebook)]
            text = "\n".join("".join(cell["source"]) for cell in cells)
        squeezed, prose = squeeze(text), _words(text)
        for key, secret in secrets.items():
            if any(one in squeezed for one in secret["code"]):
                found.append(f"{name}: the code of {key}")
            if any(one in prose for one in secret["prose"]):
                found.append(f"{name}: the explanation of {key}")
            if any(re.search(one, text) for one in secret["value"]):
                found.append(f"{name}: the value of {key}")
    return found


def squeeze(text: str) -> str:
    r"""Return code without comments, blanks and line ends, its strings in one kind of quotes.

    >>> squeeze("def f(x):  # half\n    return x / 'two'")
    'deff(x):returnx/"two"'
    """
    kept = []
    for line in text.splitlines():
        try:
            tokens = list(tokenize.generate_tokens(io.StringIO(line.strip() + "\n").readline))
        except (tokenize.TokenError, SyntaxError):  # half of a bracket, or no code at all
            kept.append(re.sub(r"#.*", "", line))
            continue
        kept += [t.string for t in tokens if t.type != tokenize.COMMENT]
    return re.sub(r"\s+", "", "".join(kept)).replace("'", '"')


def _secrets() -> dict[str, dict[str, list[str]]]:
    """Return by exercise what must be nowhere: squeezed code, words, and patterns of values."""
    found = {}
    for lesson in catalogue.LESSONS:
        for made in catalogue.of_lesson(lesson).values():
            assert made.solved_by is not None
            right, both = made.solved_by.answer, made.solved_by.code
            prose = "\n".join(line[1:] for line in both.splitlines() if line.startswith("#"))
            sentences = [*re.split(r"(?<=[.?!])\s+", " ".join(prose.split()))]
            if made.cases is None and made.judged_by is not None:
                sentences += [mistake.says for mistake in made.judged_by.mistakes]
            found[made.key] = {
                "code": _code(both, made.name) if callable(right) else [squeeze(both)],
                "prose": [_words(one) for one in sentences if len(one) > 30],
                "value": [] if callable(right) else _values(made.name, right),
            }
    return found


def _code(source: str, name: str) -> list[str]:
    """Return the squeezed body of a solution; with its head where the body is short."""
    (function,) = (n for n in ast.parse(source).body if getattr(n, "name", "") == name)
    assert isinstance(function, ast.FunctionDef)
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    lines = source.splitlines()
    code = squeeze("\n".join(lines[body[0].lineno - 1 : function.end_lineno]))
    if len(code) >= SHORT:
        return [code]
    return [squeeze("\n".join(lines[function.lineno - 1 : body[0].lineno - 1])) + code]


def _values(name: str, right: Any) -> list[str]:
    """Return patterns for ``name = value`` in any form: with quotes, in a dict, as a keyword."""
    written = {str(right), repr(right)}
    if isinstance(right, float):
        written |= {f"{right:.{digits}f}" for digits in (2, 3, 4)}
    return [rf"(?i)\b{re.escape(name)}\W{{1,12}}{re.escape(one)}(?!\w)" for one in sorted(written)]


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
