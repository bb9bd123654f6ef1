"""Run lessons in many worlds and keep what every claim measured: how the atlas is made.

Each run is written down as soon as it ends, so that a survey that was stopped goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path

from distill_lessons import files
from distill_lessons.course import atlas, report, results, running
from distill_lessons.course.atlas import Measured, Run, World
from distill_lessons.course.lessons import code_of
from distill_lessons.settings import Settings, expanded, one_of
from distill_lessons.sources.catalogue import SOURCES

# What is surveyed by default in either profile, where its files are; digits with five seeds.
DEFAULT = {"cpu": ("digits", "mnist", "fashion_mnist", "kmnist"), "full": ("mnist",)}
SEEDS = (0, 1, 2, 3, 4)


def seeds_of(text: str) -> list[int]:
    """Return the seeds that a text such as ``0-4`` or ``1,3`` means.

    Raises:
        ValueError: if it means none.

    >>> seeds_of("0-2,7")
    [0, 1, 2, 7]
    """
    found: list[int] = []
    try:
        for part in text.split(","):
            first, _, last = part.partition("-")
            found += range(int(first), int(last or first) + 1)
    except ValueError:
        found = []
    if not found or max(found) >= 2**31:
        raise ValueError(f"--seeds {text} names no seeds; write for example 0-4, or 1,3.")
    return list(dict.fromkeys(found))


def worlds(config: Settings) -> list[tuple[World, str]]:
    """Return the worlds that are surveyed by default in a profile: those whose files are there."""
    return [
        named(name, config.profile, seed)
        for name in DEFAULT[config.profile]
        if not SOURCES[name].problems(config.data_dir)
        for seed in (SEEDS if name == "digits" else (0,))
    ]


def named(dataset: str, profile: str, seed: int) -> tuple[World, str]:
    """Return a world and its ``DISTILL_DATASET``, which for a folder holds the whole path.

    Raises:
        ValueError: if the data set is unknown.
    """
    kind, _, path = dataset.partition(":")
    if kind == "folder":
        folder = expanded("--data", path).resolve()
        return World(f"folder:{folder.name}", profile, seed), f"folder:{folder}"
    one_of("--data", dataset, SOURCES, also="folder:PATH for your own images")
    return World(dataset, profile, seed), dataset


def number_of(lesson: Path) -> str:
    """Return a lesson's number, or its name where it has none."""
    return lesson.stem[:2] if lesson.stem[:2].isdigit() else lesson.stem


def collect(
    chosen: Iterable[tuple[World, str]],
    lessons: Sequence[Path],
    kept: Path,
    *,
    env: Mapping[str, str],
    device: str,
    execute: Callable[[Path, dict[str, str]], running.Result],
    say: Callable[[str], None] = lambda line: None,
) -> bool:
    """Run each lesson in each world that is not in the atlas yet, and write the atlas after each.

    Args:
        chosen: worlds, each with its ``DISTILL_DATASET``.
        lessons: the notebooks.
        kept: the atlas's file; what it holds already is not run again, unless the lesson's code
            has changed or the run failed.
        env: the kernels' environment variables; those of the world are added.
        device: as in the settings, for the record.
        execute: runs a notebook under such variables.
        say: told what happens, a line at a time.

    Returns:
        False if the user interrupted it.

    Raises:
        ValueError: if the file is not an atlas.
        OSError: if it cannot be written; what it held before is then still there.
    """
    runs = atlas.read(kept)
    codes = {lesson: code_of(lesson) for lesson in lessons}
    for world, dataset in chosen:
        for lesson, code in codes.items():
            key = number_of(lesson), world
            before = [run for run in runs if (run.lesson, run.world) == key]
            if any(run.code == code and not run.failure for run in before):
                say(f"{lesson.stem}, {world}: measured before.")
                continue
            result = execute(lesson, dict(env) | _variables(world, dataset))
            if result.interrupted:
                return False
            run = run_of(result, world, code, device)
            runs = [other for other in runs if other not in before] + [run]
            files.write(kept, atlas.text_of(runs))
            held = sum(claim.verdict == "holds" for claim in run.claims)
            ending = run.failure or f"{held} of {len(run.claims)} claims hold"
            say(f"{lesson.stem}, {world}: {ending} ({result.seconds:.0f} s).")
    return True


def run_of(result: running.Result, world: World, code: str, device: str) -> Run:
    """Return the record of an executed lesson."""
    claims = tuple(
        Measured(row.statement, row.effect, row.interval, row.repeats, row.needed, row.verdict)
        for row in report.claims_of(result)
    )
    failure = result.failure
    return Run(
        lesson=number_of(result.lesson),
        world=world,
        code=code,
        device=device,
        versions=results.versions(),
        date=date.today().isoformat(),
        failure="" if failure is None else str(failure),
        claims=claims,
    )


def render(runs: Sequence[Run]) -> str:
    """Return a page about runs: a picture of claims and worlds, the effects below each claim."""
    import jinja2

    source = Path(__file__).with_name("atlas.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["typeset"] = report.typeset
    lessons = []
    for number in sorted({run.lesson for run in runs}):
        own = [run for run in runs if run.lesson == number]
        columns = sorted({run.world for run in own}, key=lambda w: (w.profile, w.dataset, w.seed))
        lessons.append(
            {
                "number": number,
                "runs": own,
                "worlds": columns,
                "claims": [(s, atlas.found(own, s)) for s in atlas.statements(own)],
            }
        )
    return environment.from_string(source).render(
        lessons=lessons, marks=atlas.MARKS, words=atlas.WORDS, legend=atlas.LEGEND
    )


def broken(runs: Sequence[Run]) -> list[str]:
    """Return one line for each claim that does not hold and each lesson that stopped."""
    lines = []
    for run in runs:
        lines += [
            f"{run.lesson}, {run.world}: {atlas.WORDS[claim.verdict]}: {claim.statement} Measured "
            f"{claim.effect} {claim.interval}".rstrip()
            + f", needed {claim.needed}."
            for claim in run.claims
            if claim.verdict != "holds"
        ]
        lines += [f"{run.lesson}, {run.world}: {run.failure}"] if run.failure else []
    return lines


def _variables(world: World, dataset: str) -> dict[str, str]:
    return {
        "DISTILL_DATASET": dataset,
        "DISTILL_PROFILE": world.profile,
        "DISTILL_SEED": str(world.seed),
    }
