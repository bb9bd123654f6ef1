"""Who handed in a file and which lesson it is, told by a name that a learner or a platform gave.

Knows names only. What Moodle, Canvas, Blackboard and Brightspace write is taken from their exports:

    First Last_123_assignsubmission_file_/…              Moodle, a folder for each learner
    First Last_123_assignsubmission_file_02_….ipynb      Moodle, without folders
    lastfirst_LATE_12345_67890_02_….ipynb                Canvas; the name ends in -2 the second time
    Lab 2_login_attempt_2026-01-31-09-15-00_02_….ipynb   Blackboard
    12345-67890 - First Last - Jan 31, 2026 915 AM/…     Brightspace
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

# What a browser, Jupyter or a file manager adds to the name of a second copy.
_COPY = re.compile(r"(?:[ _]?\(\d+\)|-Copy\d*|[ _]-[ _][Cc]opy| copy(?: \d+)?)$")
# A lesson's name at the end, or all of it; Canvas numbers what is handed in again.
_LESSON = re.compile(r"(?:^|(?<=.)[ _-])(\d\d)_[a-z_]+?(?:-\d+)?$")
_PLATFORMS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?P<learner>.+?)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)(?:_(?P<file>.*))?",
        r".+_(?P<learner>[^_]+)_attempt_\d{4}(?:-\d\d){5}(?:_(?P<file>.*))?",
        r"(?P<id>\d+)-\d+ - (?P<learner>.+?) - \w+ \d{1,2}, \d{4}.*",
        # Three digits at least: li_2024_02_soft_targets is a file of li_2024.
        r"(?P<learner>[^_]+)(?:_LATE)?_(?P<id>\d+)_\d{3,}_(?P<file>.+)",
    )
)


@dataclass(frozen=True)
class Named:
    """What a name says.

    Attributes:
        learner: a name, or a login.
        id: the learning platform's number for the learner; "" where it gives none.
        lesson: the two digits of the lesson that the name ends in; None if it does not.
    """

    learner: str
    id: str = ""
    lesson: str | None = None


def read(name: str) -> Named:
    """Return what the name of a folder, or of a file without ``.ipynb``, says.

    >>> read("anna_02_soft_targets (1)")
    Named(learner='anna', id='', lesson='02')
    >>> read("lovelaceada_LATE_12345_67890_02_soft_targets-2")
    Named(learner='lovelaceada', id='12345', lesson='02')
    >>> read("Ada Lovelace_123_assignsubmission_file_")
    Named(learner='Ada Lovelace', id='123', lesson=None)
    """
    # macOS writes an ë as two characters, which a roster has as one.
    plain = unicodedata.normalize("NFC", _without_copies(name))
    for platform in _PLATFORMS:
        if found := platform.fullmatch(plain):
            about = {"id": "", "file": ""} | found.groupdict(default="")
            return Named(about["learner"].strip(), about["id"], _lesson(about["file"]))
    return Named(_LESSON.sub("", plain) or plain, lesson=_lesson(plain))


def _lesson(stem: str) -> str | None:
    found = _LESSON.search(stem)
    return found[1] if found else None


def _without_copies(name: str) -> str:
    while (shorter := _COPY.sub("", name)) not in ("", name):
        name = shorter
    return name
