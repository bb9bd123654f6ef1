"""The commands ``distill-lessons data get``, ``list`` and ``check``."""

from __future__ import annotations

from typing import Annotated

import typer

from distill_lessons import settings
from distill_lessons.course.terminal import refusals
from distill_lessons.sources.catalogue import SOURCES
from distill_lessons.sources.record import Source

app = typer.Typer(help="Fetch data sets ahead of class, list them, or check them.")

Name = Annotated[
    str | None,
    typer.Argument(help="A data set, such as mnist. [default: the one of DISTILL_DATASET]"),
]


@app.command()
def get(name: Name = None) -> None:
    """Fetch what a data set lacks, or say that it is complete."""
    config, source = _meant(name)
    _say_ready(config, source)


@app.command()
def check(name: Name = None) -> None:
    """Check a data set against its published hashes; nothing is fetched or changed."""
    config, source = _meant(name)
    problems = source.problems(config.data_dir)
    for problem in problems:
        print(f"problem: {problem}")
    if problems:
        if source.files:
            print(f"Fetch what is missing or damaged: distill-lessons data get {source.name}")
        raise typer.Exit(1)
    _say_ready(config, source)


@app.command("list")
def list_all() -> None:
    """List the data sets, the size of each download, and which are complete."""
    with refusals():
        root = settings.load().data_dir
    print(f"{'data set':<14}{'images':>8}  {'shape':<8}  {'download':>8}  state")
    for source in SOURCES.values():
        shape = "×".join(map(str, source.shape))
        size = f"{source.megabytes} MB" if source.files else "none"
        state = "; ".join(source.problems(root)) or f"is {source.where(root)}"
        print(f"{source.name:<14}{sum(source.images):>8,}  {shape:<8}  {size:>8}  {state}")
    print("folder:PATH    your own images, one folder per class")
    print(f"DISTILL_DATA names the data folder, now {root}.")


def _meant(name: str | None) -> tuple[settings.Settings, Source]:
    with refusals():
        config = settings.load()
        from distill_lessons.sources.find import find

        return config, find(name or config.dataset, "NAME")


def _say_ready(config: settings.Settings, source: Source) -> None:
    from distill_lessons import data

    with refusals():
        loaded = data.load(source.name, root=config.data_dir)
        data.check_enough(loaded)
    shape = "×".join(map(str, loaded.train.x.shape[1:]))
    print(
        f"{source.name} is ready {source.where(config.data_dir)}: {len(loaded.train):,} images to "
        f"train on, {len(loaded.valid):,} to validate, {len(loaded.test):,} to test; "
        f"{loaded.n_classes} classes, {shape}."
    )
