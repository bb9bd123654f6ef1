"""A model card whose numbers are tied to records, and what is wrong with one that is not.

In the card's Markdown a number is the text of a link to its record: ``[97.1 %](#teacher)``. A part
of it has the part's name: ``[16](#gain.n)``. What was fixed beforehand is cited as
``[600](#settings.steps)``, the verdict on a claim as ``[holds](#gain.verdict)``, and a number from
elsewhere as a link to its source on the web. Brackets left empty are filled by `fill`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from distill_lessons import files
from distill_lessons.capstone import cited, contract, ledger
from distill_lessons.capstone.cited import Cited
from distill_lessons.capstone.contract import Contract
from distill_lessons.capstone.ledger import Run

FILE = "card.md"

_LINK = re.compile(r"\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]*)\)")
_NUMBER = re.compile(r"(?<![\w.])[+\-−]?\d+(?:,\d{3})*(?:\.\d+)?(?:[eE][+\-]?\d+(?!\w))?")
# What is no number of the card's: comments, addresses, the marks of lists and numbered headings,
# and the name of the interval.
_LEFT_OUT = (
    re.compile(r"<!--.*?-->", re.DOTALL),
    re.compile(r"https?://\S+"),
    re.compile(r"^[ \t>]*(?:#+[ \t]+)?\d+[.)][ \t]", re.MULTILINE),
    re.compile(r"95\s?% interval"),
)


@dataclass(frozen=True)
class Problem:
    """Something in a card that no record bears out.

    Attributes:
        line: from 1; 0 for the card as a whole.
        what: what is wrong.
        remedy: what to do about it.
    """

    line: int
    what: str
    remedy: str

    def __str__(self) -> str:
        """Return for example ``line 12: 95.1 is tied to no run. Take it out.``."""
        return (f"line {self.line}: " if self.line else "") + f"{self.what} {self.remedy}"


Agrees = Callable[[str, float], bool]


def fill(text: str, folder: str | Path) -> str:
    """Return a card with what is recorded in every pair of empty brackets.

    Args:
        text: the card, with blanks such as ``[](#gain)`` and ``[](#gain.verdict)``.
        folder: the capstone's.

    Raises:
        ValueError: if nothing of such a name is recorded, or the folder's files are not whole.
        OSError: if one of them cannot be read.
    """
    known = cited.known(contract.read(folder), ledger.newest(ledger.read(folder)))

    def filled(link: re.Match[str]) -> str:
        said, target = link.groups()
        if said.strip() or not target.startswith("#"):
            return link[0]
        if target[1:] not in known:
            line = text.count("\n", 0, link.start()) + 1
            raise ValueError(f"line {line}: [](#{target[1:]}): {_unknown(target[1:], known)}")
        return f"[{known[target[1:]].text}]({target})"

    return _LINK.sub(filled, text)


def write(text: str, folder: str | Path) -> Path:
    """Fill a card and write it into its folder; return its path.

    Args:
        text: see `fill`.
        folder: see `fill`.

    Raises:
        ValueError: as `fill`.
        OSError: if it cannot be written; an older card is then as it was.
    """
    path = Path(folder) / FILE
    files.write(path, fill(text, folder))
    return path


def problems(path: str | Path, *, agrees: Agrees | None = None) -> list[Problem]:
    """Return what is wrong with a card: nothing if each of its numbers comes from a recorded run.

    Args:
        path: the card; claims and records lie beside it.
        agrees: says whether a number as it is written is the one that was recorded, in the unit in
            which it is shown; by default to the decimals that are written.

    Raises:
        ValueError: if the claims or records beside it are not whole, or the card is no text.
        OSError: if a file cannot be read.
    """
    path = Path(path)
    registered, runs = contract.read(path.parent), ledger.read(path.parent)
    text = _text(path)
    found = [
        *_of_the_files(registered, runs),
        *_of_the_links(text, registered, ledger.newest(runs), agrees or _agrees),
        *_of_other_numbers(text, registered),
        *_of_the_claims(text, registered, ledger.newest(runs)),
    ]
    return sorted(found, key=lambda one: one.line)


def count(path: str | Path) -> int:
    """Return how many numbers a card ties to a record."""
    words = tuple(f"#{name}" for name in contract.RESERVED if name != "settings")
    words += (".statement", ".control", ".verdict")
    return sum(
        len(_numbers(said))
        for said, target in _LINK.findall(_without_comments(_text(Path(path))))
        if target.startswith("#") and not target.endswith(words)
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8 ({error.reason}); save it as that.") from None


def _of_the_files(registered: Contract, runs: list[Run]) -> list[Problem]:
    found = []
    if registered.changed:
        found.append(
            Problem(
                0,
                f"{contract.FILE} was changed after it was registered.",
                "Put back what was registered, or begin in a new folder and say so in the card.",
            )
        )
    for run in ledger.changed(runs):
        found.append(
            Problem(
                0,
                f"{ledger.FILE}: the record of {run.name!r} was changed, or one before it removed.",
                "Restore the file, or run everything again in a new folder.",
            )
        )
    return found


def _of_the_links(
    text: str, registered: Contract, runs: Mapping[str, Run], agrees: Agrees
) -> list[Problem]:
    known, found = cited.known(registered, runs), []
    early: set[str] = set()
    for link in _LINK.finditer(_without_comments(text)):
        said, target = link[1].strip(), link[2]
        if not target.startswith("#"):
            continue
        line, name = text.count("\n", 0, link.start()) + 1, target[1:]
        if name not in known:
            what = f"[{said}](#{name}): {_unknown(name, known)}"
            found.append(Problem(line, what, "Record the run, or take it out."))
            continue
        one = known[name]
        problem = None if one.run is None else _too_early(line, one.run, registered)
        if problem and one.run and one.run.name not in early:
            early.add(one.run.name)
            found.append(problem)
        found += _apart(line, said, name, one, agrees)
    return found


def _too_early(line: int, run: Run, registered: Contract) -> Problem | None:
    if run.registered == registered.seal and run.time >= registered.time:
        return None
    when = "before any claims were registered" if not run.registered else "under other claims"
    if run.registered == registered.seal:
        when = "before the claims were registered"
    return Problem(
        line,
        f"{run.name!r} was recorded {when} ({run.time}; these: {registered.time}).",
        "Run it again, or leave its numbers out.",
    )


def _apart(line: int, said: str, name: str, one: Cited, agrees: Agrees) -> list[Problem]:
    """Return where the text of a link is not what it cites."""
    remedy = f"Write [{one.text}](#{name}), or leave the brackets empty and fill the card."
    if not said:
        return [Problem(line, f"[](#{name}) is not filled in.", remedy)]
    if one.numbers is None:
        same = " ".join(said.split()) == " ".join(one.text.split())
        what = f"{said!r} is not what is recorded as {name} ({one.text})."
        return [] if same else [Problem(line, what, remedy)]
    written = _numbers(said)
    if len(written) > len(one.numbers):
        more = written[len(one.numbers)]
        return [Problem(line, f"{more} is one number more than {name} has.", remedy)]
    return [
        Problem(line, f"{number} is not what is recorded as {name} ({one.text}).", remedy)
        for number, recorded in zip(written, one.numbers, strict=False)
        if not agrees(_plain(number), recorded)
    ]


def _of_other_numbers(text: str, registered: Contract) -> list[Problem]:
    """Return the numbers that are no link's."""

    def blank(found: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", found[0])

    def told(link: re.Match[str]) -> str:
        return blank(link) if link[2].startswith(("#", "https://", "http://")) else link[0]

    rest = _LINK.sub(told, _without_comments(text))
    for one in registered.claims:
        for said in (one.statement, one.control):
            rest = re.sub(r"\s+".join(map(re.escape, said.split())), blank, rest)
    for pattern in _LEFT_OUT:
        rest = pattern.sub(blank, rest)
    return [
        Problem(
            rest.count("\n", 0, found.start()) + 1,
            f"{found[0]} is tied to no recorded run.",
            f"Write [{found[0]}](#NAME) with the record's name, or take it out.",
        )
        for found in _NUMBER.finditer(rest)
    ]


def _of_the_claims(text: str, registered: Contract, runs: Mapping[str, Run]) -> list[Problem]:
    found, shown = [], _without_comments(text)
    words, links = " ".join(shown.split()), {target for _, target in _LINK.findall(shown)}
    for one in registered.claims:
        if one.name not in runs:
            what = f"The registered claim {one.name!r} was never run."
            found.append(Problem(0, what, "Run and record it; a claim that failed is a result."))
        elif f"#{one.name}.verdict" not in links or " ".join(one.statement.split()) not in words:
            found.append(
                Problem(
                    0,
                    f"The registered claim {one.name!r} is missing.",
                    f"Write it as it was registered, with its verdict: [](#{one.name}.statement) "
                    f"[](#{one.name}.verdict)",
                )
            )
    return found


def _without_comments(text: str) -> str:
    return _LEFT_OUT[0].sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def _unknown(name: str, known: Mapping[str, Cited]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"no run recorded {name!r}." + (f" Did you mean {near[0]!r}?" if near else "")


def _numbers(said: str) -> list[str]:
    return _NUMBER.findall(_LEFT_OUT[3].sub(" ", said))


def _plain(number: str) -> str:
    return number.replace(",", "").replace("−", "-")


def _agrees(written: str, recorded: float) -> bool:
    """Return whether a number is the recorded one, rounded to the decimals that are written."""
    step = Decimal(1).scaleb(int(Decimal(written).as_tuple().exponent))
    return abs(float(written) - recorded) <= 0.5 * float(step) * (1 + 1e-9)
