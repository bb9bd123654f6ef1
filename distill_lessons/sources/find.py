"""From the name that a learner writes to the record of a source."""

from __future__ import annotations

from distill_lessons.settings import one_of
from distill_lessons.sources import folder
from distill_lessons.sources.catalogue import SOURCES
from distill_lessons.sources.record import Source


def find(name: str, argument: str = "name") -> Source:
    """Return the record of a source.

    Args:
        name: of the catalogue, or ``"folder:PATH"``; see `folder.source`.
        argument: how the message calls the name.

    Raises:
        ValueError: if there is no such source; the message has the nearest name.

    >>> find("mnist").shape
    (1, 28, 28)
    """
    if not isinstance(name, str):
        raise TypeError(f"{argument}={name!r} is not text; write a name such as 'digits'.")
    if name.startswith("folder:"):
        return folder.source(name)
    return SOURCES[one_of(argument, name, SOURCES, also="'folder:PATH'")]
