"""Torch's defaults while an exercise asks and judges: the course's, not those a learner has set.

After ``torch.set_default_dtype(torch.float64)`` torch would draw other questions from the same
seed, and an answer would be right in the notebook and wrong where it is graded.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch


@contextlib.contextmanager
def usual() -> Iterator[Callable[[Any], Any]]:
    """Have numbers of single precision on the CPU, unless somebody asks for others.

    Yields:
        What turns an answer into one that runs under the defaults that were in force before.
    """
    # Of a device that `with torch.device(...)` chose, torch 2.6 itself says nothing.
    theirs = torch.get_default_dtype(), torch.empty(0).device
    ours = torch.float32, torch.device("cpu")
    if theirs == ours:
        yield lambda answer: answer
    else:
        with _defaults(*ours):
            yield functools.partial(_under, theirs)


def _under(chosen: tuple[torch.dtype, torch.device], answer: Callable[..., Any]) -> Any:
    @functools.wraps(answer)
    def runs(*arguments: Any) -> Any:
        with _defaults(*chosen):
            return answer(*arguments)

    return runs


@contextlib.contextmanager
def _defaults(dtype: torch.dtype, device: torch.device) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            yield
    finally:
        torch.set_default_dtype(before)
