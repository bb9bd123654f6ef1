"""The cell in which a learner wrote an answer, where Python could not read it.

After a syntax error a notebook still holds the function of an earlier run, and a check would judge
that one. Knows the inputs of this kernel, and no exercise.
"""

from __future__ import annotations

import re
from typing import Any


def syntax_error(name: str) -> str:
    """Return what is wrong with the last cell that defines a name; "" if Python could read it.

    Args:
        name: of a function or value in the notebook.
    """
    shell = _shell()
    if shell is None:
        return ""
    defines = re.compile(
        rf"^\s*(?:(?:async\s+)?def|class)\s+{name}\b|^\s*{name}\s*(?::[^=\n]*)?=(?!=)", re.MULTILINE
    )
    inputs: list[str] = shell.history_manager.input_hist_raw
    for source in reversed(inputs[:-1]):  # the last one runs the check
        if defines.search(source):
            return _unreadable(shell, source)
    return ""


def _unreadable(shell: Any, source: str) -> str:
    try:
        compile(shell.transform_cell(source), "the cell", "exec")
    except SyntaxError as error:
        return f"a syntax error, {error.msg}, in line {error.lineno} of its cell"
    except ValueError as error:  # a byte that no source may hold
        return str(error)
    return ""


def _shell() -> Any:
    from IPython import get_ipython

    return get_ipython()  # None in a plain script
