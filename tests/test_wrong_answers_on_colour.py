"""Every lesson with all of its exercises wrong, on colour images: neither may stop it.

Apart from the solved ones, so that two processes share the runs.
"""

from __future__ import annotations

from pathlib import Path

import nbformat
import numpy as np
import pytest
from lesson_runs import cells_with_figures, executed, filled, of_whom, spoiled, stored, used
from PIL import Image

from distill_lessons.exercises import catalogue

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
    done = executed(path, DISTILL_DATASET=f"folder:{colour_folder}")
    assert done.failure is None, done.failure
    assert of_whom(done) == {f"the course's {name}" for name in used(lesson)}
    assert cells_with_figures(done.notebook) == cells_with_figures(stored(lesson))
