"""Progress bars, for work that takes longer than two seconds while someone is watching.

In a notebook the bar is HTML: it disappears when the work ends, early or not, and a saved notebook
refers to no widget.
"""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from distill_lessons import page, settings

T = TypeVar("T")

DELAY, BETWEEN = 2.0, 0.2  # seconds before the bar appears, and between two of its pictures


def progress(items: Sequence[T], title: str) -> Iterator[T]:
    """Iterate with a progress bar that appears once the work has taken two seconds."""
    with ticking(len(items), title) as tick:
        for item in items:
            yield item
            tick()


@contextmanager
def ticking(total: int, title: str) -> Iterator[Callable[[], None]]:
    """Yield a function to call after each step of a long computation; it moves the same bar."""
    if not settings.load().live:
        yield lambda: None
    elif page.in_notebook():
        with _ticking_in_html(total, title) as tick:
            yield tick
    else:
        from tqdm import tqdm

        with tqdm(total=total, desc=title, delay=DELAY, leave=False) as bar:
            yield lambda: (bar.update(), None)[1]


@contextmanager
def _ticking_in_html(total: int, title: str) -> Iterator[Callable[[], None]]:
    begin = last = time.monotonic()
    done, handle = 0, None

    def tick() -> None:
        nonlocal done, handle, last
        done += 1
        now = time.monotonic()
        if now - begin < DELAY or now - last < BETWEEN:
            return
        last = now
        seconds = (now - begin) / done * (total - done)
        text = f"{title}: {done} of {total}, about {seconds:.0f} s left"
        bar = (
            f'<progress max="{total}" value="{done}" aria-label="{html.escape(title)}"></progress>'
        )
        shown: Any = (f"{bar} {page.prose(text)}", text)
        if handle is None:
            handle = page.show(*shown)
        else:
            page.replace(handle, *shown)

    try:
        yield tick
    finally:
        page.replace(handle, "", "")
