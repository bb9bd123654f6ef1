"""Every lesson with its exercises solved, and with all of them wrong, there on other images.

Blank they are stored: what they hold then needs no run.
"""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from distill_lessons.claims import MIME
from distill_lessons.course import running
from distill_lessons.exercises import catalogue, cells

ROOT = Path(__file__).parents[1]


def filled(lesson: str, sources: dict[str, str], folder: Path) -> Path:
    (stored,) = (ROOT / "notebooks").glob(f"{lesson}_*.ipynb")
    notebook = nbformat.read(stored, as_version=4)
    cells.fill(notebook, sources)
    path = folder / stored.name
    nbformat.write(notebook, path)
    return path


def executed(path: Path, **env: str) -> running.Result:
    """Run a notebook without a person, to its end or to the first error."""
    given = os.environ | {"PYTHONPATH": str(ROOT), "DISTILL_LIVE": "0", "DISTILL_RECORD": "0"} | env
    # A cell that hangs ends the run; on a busy machine one that works may take minutes.
    return running.execute(path, env=given, timeout=900)


def of_whom(result: running.Result) -> set[str]:
    """Return what a run said about whose functions it goes on with."""
    said = "\n".join(
        output.get("text", "") for c in result.notebook.cells for output in c.get("outputs", [])
    )
    return set(re.findall(r"From here on (your own \w+|the course's \w+) is used", said))


def cells_with_figures(notebook: nbformat.NotebookNode) -> list[str]:
    """Return the ids of the cells that drew something, once for each figure."""
    return [
        cell.id
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "<figure" in output.get("data", {}).get("text/html", "")
    ]


def used(lesson: str) -> list[str]:
    """Return the exercises whose answers a lesson goes on with."""
    sources = "\n".join(cell.source for cell in stored(lesson).cells)
    return re.findall(r"ex\.(\w+)\.yours_or_ours\(", sources)


def stored(lesson: str) -> nbformat.NotebookNode:
    (path,) = (ROOT / "notebooks").glob(f"{lesson}_*.ipynb")
    return nbformat.read(path, as_version=4)


def solutions(lesson: str) -> dict[str, str]:
    return {name: made.solved_by.code for name, made in catalogue.of_lesson(lesson).items()}


def spoiled(lesson: str) -> dict[str, str]:
    """Wrong answers that run: a function that gives back a word, a value that is none."""
    return {
        name: f"{name} = 'zzz'" if made.cases is None else f"def {name}(*arguments): return 'zzz'"
        for name, made in catalogue.of_lesson(lesson).items()
    }


@pytest.mark.parametrize("lesson", catalogue.LESSONS)
def test_a_solved_lesson_passes_and_goes_on_with_the_readers_functions(
    lesson: str, tmp_path: Path
) -> None:
    done = executed(filled(lesson, solutions(lesson), tmp_path), DISTILL_CHECKS="raise")
    assert done.failure is None, done.failure
    assert of_whom(done) == {f"your own {name}" for name in used(lesson)}
    assert cells_with_figures(done.notebook) == cells_with_figures(stored(lesson))


def test_with_one_solution_spoiled_it_fails_there(tmp_path: Path) -> None:
    sources = solutions("02")
    name = next(iter(sources))
    done = executed(
        filled("02", sources | {name: spoiled("02")[name]}, tmp_path), DISTILL_CHECKS="raise"
    )
    assert done.failure is not None
    assert done.failure.error.startswith(f"NotSolved: 02.{name}")


# The nets of a lesson that must be convolutional where images have colours.
CONVOLUTIONAL = {
    "05": "*teachers, *students, *baselines, *plain_nets, *copied_nets",
    "06": "*nets, net",
    "07": "*teachers, *nets['distilled'], *nets['no teacher'], *heirs['its student']",
}


@pytest.fixture(scope="module")
def colour_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of 10×9 colour images: a disc, a bar or a cross, in noise."""
    folder = tmp_path_factory.mktemp("shapes with a space")
    rng = np.random.default_rng(0)
    size = (10, 9)
    rows, columns = np.mgrid[: size[0], : size[1]]
    for label, name in enumerate(("disc", "bar", "cross")):
        (folder / name).mkdir()
        for i in range(80):
            r, c = rng.uniform(3, 6, 2)
            shape = [
                (rows - r) ** 2 + (columns - c) ** 2 < 7,
                abs(rows - r) < 1.3,
                (abs(rows - r) < 1.1) ^ (abs(columns - c) < 1.1),
            ][label]
            picture = shape[..., None] * rng.uniform(0.4, 1, 3) + rng.normal(0, 0.25, (*size, 3))
            pixels = (255 * picture.clip(0, 1)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i:03}.png")
    return folder


@pytest.mark.parametrize("lesson", catalogue.LESSONS)
def test_with_every_answer_wrong_and_on_colour_images_a_lesson_goes_on_with_ours(
    lesson: str, colour_folder: Path, tmp_path: Path
) -> None:
    """One run for both, since neither may stop a lesson or cost it a figure."""
    path = filled(lesson, spoiled(lesson), tmp_path)
    if nets := CONVOLUTIONAL.get(lesson):
        # At the end, so that it sees the nets that the lesson explained.
        notebook = nbformat.read(path, as_version=4)
        source = f"for net in [{nets}]:\n    assert 'Conv2d' in repr(net), net"
        notebook.cells.append(nbformat.v4.new_code_cell(source))
        nbformat.write(notebook, path)
    # Its claims are about other data, so they may fail.
    done = executed(path, DISTILL_DATASET=f"folder:{colour_folder}", DISTILL_STRICT="0")
    assert done.failure is None, done.failure
    assert of_whom(done) == {f"the course's {name}" for name in used(lesson)}
    assert cells_with_figures(done.notebook) == cells_with_figures(stored(lesson))


@pytest.mark.parametrize("lesson", catalogue.LESSONS)
def test_a_blank_lesson_is_stored_with_ours(lesson: str) -> None:
    blank = running.Result(Path(f"{lesson}.ipynb"), stored(lesson), 0.0, 1, 1)
    assert of_whom(blank) == {f"the course's {name}" for name in used(lesson)}


def names_in(source: str) -> tuple[set[str], set[str]]:
    """Return the names that a cell reads, and those that it makes or changes."""
    read, made = set(), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else made).add(node.id)
        elif isinstance(node, ast.FunctionDef):
            made.add(node.name)
    return read, made


@pytest.mark.parametrize("lesson", catalogue.LESSONS)
def test_what_a_readers_function_makes_reaches_a_figure_or_a_claim(lesson: str) -> None:
    """So the figures of a run show that it was used, whoever wrote it."""
    code = [cell for cell in stored(lesson).cells if cell.cell_type == "code"]
    for name in used(lesson):
        starts = [i for i, cell in enumerate(code) if f"ex.{name}.yours_or_ours(" in cell.source]
        following, reached = names_in(code[starts[0]].source)[1], False
        for cell in code[starts[0] :]:
            read, made = names_in(cell.source)
            if read & following or cell is code[starts[0]]:
                following |= made
                shown = [output.get("data", {}) for output in cell.get("outputs", [])]
                reached |= any("<figure" in d.get("text/html", "") or MIME in d for d in shown)
        assert reached, name
