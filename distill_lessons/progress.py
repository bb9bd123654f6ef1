"""Progress bars, for work that takes longer than two seconds and somebody to watch it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from distill_lessons import settings

T = TypeVar("T")


def progress(items: Iterable[T], title: str) -> Iterable[T]:
    """Iterate with a progress bar that appears once the work has taken two seconds."""
    from tqdm.auto import tqdm

    hidden = not settings.load().live
    bar: Iterable[T] = tqdm(items, desc=title, delay=2, leave=False, disable=hidden)
    return bar


@contextmanager
def ticking(total: int, title: str) -> Iterator[Callable[[], None]]:
    """Give a function to call at each step of a long work; it moves the same kind of bar."""
    from tqdm.auto import tqdm

    hidden = not settings.load().live
    with tqdm(total=total, desc=title, delay=2, leave=False, disable=hidden) as bar:
        yield lambda: (bar.update(), None)[1]
