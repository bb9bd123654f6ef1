"""Programs as a notebook shows them: their code without what would give the fault away."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

from distill_lessons import page


def listing(program: Callable[..., Any], name: str) -> str:
    """Return a program's code under another name, without its docstring and its types.

    Of its defaults those that are numbers stay, so that it can be called as the notebook calls it.

    Args:
        program: a function.
        name: that the listing gives it, since its own may say what is wrong.

    Raises:
        TypeError: if `program` has no source, as a built-in function has none.
    """
    source = textwrap.dedent(inspect.getsource(program))
    (function,) = ast.parse(source).body
    if not isinstance(function, ast.FunctionDef):
        raise TypeError(f"program={program!r} is no function with a name; give one made by def.")
    given = [
        parameter.name + (f"={parameter.default}" if type(parameter.default) is int else "")
        for parameter in inspect.signature(program).parameters.values()
    ]
    body = function.body[1 if ast.get_docstring(function) else 0 :]
    lines = source.splitlines()[body[0].lineno - 1 :]
    return "\n".join([f"def {name}({', '.join(given)}):", *lines])


def show(programs: Mapping[str, Callable[..., Any]]) -> None:
    """Show programs as code of the notebook, each under a name of its own.

    Args:
        programs: functions by the names to show.
    """
    for name, program in programs.items():
        code = listing(program, name)
        page.show(f"```python\n{code}\n```", code, kind="text/markdown")
