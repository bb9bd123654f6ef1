"""The contract of a capstone: three claims, written down with a time before anything is run.

A seal over all of it shows whether it was changed later. Knows nothing of runs and cards.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from torch import nn

from distill_lessons import files, models
from distill_lessons.claims import UNITS, Claim, Effect
from distill_lessons.data import Data
from distill_lessons.settings import one_of
from distill_lessons.sources import record
from distill_lessons.tensors import check_type, parts

FILE = "claims.json"
EXAMPLE = Path(__file__).with_name("example")  # one that was run, with its records and its card
CLAIMS = 3
TIMES = 100  # a teacher has at least so many times its student's weights

# Names that mean something else in a card.
RESERVED = ("settings", "seal", "registered", "data")
Value = str | int | float


@dataclass(frozen=True)
class Registered:
    """A claim that somebody means to put to the test.

    Attributes:
        name: a word, by which a card cites it.
        statement: one sentence, readable on its own.
        control: what could take the finding away, and is run beside it.
        above: the bound that the whole interval has to stay above, in the stored unit.
        below: the bound that it has to stay below.
        unit: see `claims.Effect`.
    """

    name: str
    statement: str
    control: str
    above: float | None = None
    below: float | None = None
    unit: str = ""

    def __post_init__(self) -> None:
        """Refuse what is no claim.

        Raises:
            ValueError: if it could not fail, names no control, or has a name that a card cannot
                cite.
        """
        check_name(self.name)
        for what in ("statement", "control"):
            text = getattr(self, what)
            if not isinstance(text, str) or not text.strip():
                raise ValueError(
                    f"{self.name!r} has {what}={text!r}; write a sentence: what is claimed, and "
                    "what could take it away."
                )
        one_of("unit", self.unit, UNITS)
        if self.above is None and self.below is None:
            raise ValueError(f"{self.name!r} needs above= or below=: it could not fail otherwise.")
        for side in ("above", "below"):
            bound = getattr(self, side)
            if bound is not None and not (isinstance(bound, int | float) and math.isfinite(bound)):
                raise ValueError(f"{self.name!r} has {side}={bound!r}; give a finite number.")

    def judged(self, effect: Effect) -> Claim:
        """Return the claim with what was measured for it."""
        return Claim(self.statement, effect, self.above, self.below)


@dataclass(frozen=True)
class Contract:
    """What was registered, as the file holds it.

    Attributes:
        time: when, UTC, as ISO 8601 writes it.
        data: a hash of the images, labels and splits.
        settings: what was fixed beforehand, by name.
        claims: the three.
        seal: a hash of all that.
    """

    time: str
    data: str
    settings: Mapping[str, Value]
    claims: tuple[Registered, ...]
    seal: str

    @property
    def changed(self) -> bool:
        """Whether the file was changed after it was written."""
        return self.seal != seal_of(_content(self.time, self.data, self.settings, self.claims))

    @property
    def by_name(self) -> dict[str, Registered]:
        """The claims by name."""
        return {one.name: one for one in self.claims}


def register(
    folder: str | Path, claims: Iterable[Registered], found: Data, **settings: Value
) -> Contract:
    """Write three claims down, with the time and hashes of data and settings.

    The same claims, data and settings may be registered again: what stands there stands.

    Args:
        folder: the capstone's; made if it is not there.
        claims: three.
        found: the data set that they are about.
        **settings: what is fixed beforehand, such as ``steps=600``; a card may cite them.

    Raises:
        ValueError: if these are not three claims of different names, a setting is no number or
            word, or other claims are registered in the folder.
        OSError: if the file cannot be written.
    """
    claims = tuple(claims)
    check_type("found", found, Data, "a Data, such as data.load('digits')")
    for one in claims:
        check_type("claims", one, Registered, "three Registered(name, statement, control, ...)")
    if len({one.name for one in claims}) != len(claims) or len(claims) != CLAIMS:
        names = ", ".join(one.name for one in claims) or "none"
        raise ValueError(f"claims={names}: a contract has three claims with names of their own.")
    for name, value in settings.items():
        if not isinstance(value, Value) or (isinstance(value, float) and not math.isfinite(value)):
            raise ValueError(f"{name}={value!r} must be a number or a word.")
    path = Path(folder) / FILE
    data = hash_of(found)
    if path.exists():
        before = read(folder)
        if apart := _differences(before, data, settings, claims):
            raise ValueError(
                f"{path} was registered at {before.time}, with other {', '.join(apart)}. What is "
                "registered stays. Put it back, or begin in a new folder and say so in the card."
            )
        return before
    time = now()
    content = _content(time, data, settings, claims)
    path.parent.mkdir(parents=True, exist_ok=True)
    seal = seal_of(content)
    files.write_new(path, json.dumps(content | {"seal": seal}, indent=1, ensure_ascii=False) + "\n")
    return Contract(time, data, settings, claims, seal)


def most_units(teacher: nn.Module, image_shape: models.Shape, n_classes: int) -> int:
    """Return how wide a student of one hidden layer may be: a hundredth of its teacher's weights.

    Args:
        teacher: whose weights are counted.
        image_shape: ``(C, H, W)`` of the student's inputs.
        n_classes: how many logits the student has.

    Returns:
        The hidden units; one where even a single unit is too many.
    """
    allowed, units = models.count_parameters(teacher) // TIMES, 1
    while models.count_parameters(models.mlp(image_shape, n_classes, (units + 1,))) <= allowed:
        units += 1
    return units


def read(folder: str | Path) -> Contract:
    """Return what is registered in a folder.

    Raises:
        ValueError: if the file is not one that `register` wrote.
        OSError: if there is none, or it cannot be read.
    """
    path = Path(folder) / FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path} is not there: no claims are registered. Register three, then run."
        ) from None
    try:
        content = json.loads(text)
        claims = tuple(Registered(**one) for one in content["claims"])
        return Contract(
            time=str(content["time"]),
            data=str(content["data"]),
            settings=dict(content["settings"]),
            claims=claims,
            seal=str(content["seal"]),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path} holds no contract ({error}); restore the file that register() wrote."
        ) from error


def hash_of(found: Data) -> str:
    """Return a hash of a data set's inputs, targets, splits and classes."""
    splits = (found.train, found.valid, found.test)
    tensors = (part for split in splits for part in (split.x, *parts(split.y).values()))
    return record.hash_of(found.classes, (part.detach().cpu() for part in tensors))


def seal_of(content: Mapping[str, Any]) -> str:
    """Return a hash of what JSON can hold, in whatever order its names stand."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", errors="backslashreplace")).hexdigest()[:16]


def now() -> str:
    """Return the time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def check_name(name: str) -> None:
    """Refuse a name that a card cannot cite.

    Raises:
        ValueError: if it is not a word of small letters, digits and underscores, or is taken.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError(f"name={name!r} must be a word such as 'gain' or 'student_weights'.")
    if name in RESERVED:
        raise ValueError(f"name={name!r} means something else in a card; use another word.")


def _content(
    time: str, data: str, settings: Mapping[str, Value], claims: Sequence[Registered]
) -> dict[str, Any]:
    return {
        "time": time,
        "data": data,
        "settings": dict(settings),
        "claims": [asdict(one) for one in claims],
    }


def _differences(
    before: Contract, data: str, settings: Mapping[str, Value], claims: Sequence[Registered]
) -> list[str]:
    found = ["data"] if before.data != data else []
    for name in sorted({*before.settings, *settings}):
        if before.settings.get(name) != settings.get(name):
            found.append(f"{name} ({before.settings.get(name)} then, {settings.get(name)} now)")
    here = {one.name: one for one in claims}
    for name in {**before.by_name, **here}:
        if before.by_name.get(name) != here.get(name):
            found.append(f"claim {name!r}")
    return found
