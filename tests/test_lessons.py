"""The lessons beyond their default run: on other data, and with a claim broken on purpose."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

ROOT = Path(__file__).parents[1]
LESSONS = sorted((ROOT / "notebooks").glob("0[1-7]_*.ipynb"))
# The nets of a lesson that must be convolutional where images have colours.
CONVOLUTIONAL = {
    "05": "*teachers, *students, *baselines, *plain_nets, *copied_nets",
    "06": "*nets, net",
    "07": "*teachers, *nets['distilled'], *nets['no teacher'], *heirs['its student']",
}


@pytest.fixture(scope="module")
def colour_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of 12×12 colour images: a disc, a bar or a cross, in noise."""
    folder = tmp_path_factory.mktemp("shapes with a space")
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:12, :12]
    for label, name in enumerate(("disc", "bar", "cross")):
        (folder / name).mkdir()
        for i in range(90):
            r, c = rng.uniform(4, 8, 2)
            shape = [
                (rows - r) ** 2 + (columns - c) ** 2 < 9,
                abs(rows - r) < 1.5,
                (abs(rows - r) < 1.2) ^ (abs(columns - c) < 1.2),
            ][label]
            picture = shape[..., None] * rng.uniform(0.4, 1, 3) + rng.normal(0, 0.25, (12, 12, 3))
            pixels = (255 * picture.clip(0, 1)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i:03}.png")
    return folder


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_runs_on_colour_images_of_three_classes(lesson, colour_folder, monkeypatch):
    monkeypatch.setenv("DISTILL_DATASET", f"folder:{colour_folder}")
    monkeypatch.setenv("DISTILL_STRICT", "0")  # its claims are about other data
    notebook = nbformat.read(lesson, as_version=4)
    if nets := CONVOLUTIONAL.get(lesson.stem[:2]):
        # At the end, so that it sees the nets that the lesson explained.
        source = f"for net in [{nets}]:\n    assert 'Conv2d' in repr(net), net"
        notebook.cells.append(nbformat.v4.new_code_cell(source))
    resources = {"metadata": {"path": str(lesson.parent)}}
    NotebookClient(notebook, timeout=180, resources=resources).execute()  # raises on an error


def shortened_lesson_04(T: str) -> nbformat.NotebookNode:
    """Lesson 04 up to its first effect, with another temperature, without the search for lr."""
    (path,) = (ROOT / "notebooks").glob("04_*.ipynb")
    notebook = nbformat.read(path, as_version=4)
    cells = []
    for cell in notebook.cells:
        if cell.cell_type == "code" and not cell.source.startswith(("rates =", "shortfall =")):
            if cell.source.startswith("T = 4.0\n"):
                cell.source = cell.source.replace("T = 4.0\n", f"T = {T}\n", 1)
            cells.append(cell)
            if "soft targets beat hard labels" in cell.source:
                break
    assert any(cell.source.startswith(f"T = {T}\n") for cell in cells)
    notebook.cells = cells
    return notebook


@pytest.mark.parametrize(("T", "verdict"), [("4.0", 0), ("1.0", 1)])
def test_forcing_T_to_one_turns_lesson_04_red(T, verdict, tmp_path):
    path = tmp_path / "broken.ipynb"
    nbformat.write(shortened_lesson_04(T), path)
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "-p", "no:cacheprovider", str(path)]
    environment = os.environ | {"DISTILL_STRICT": "1", "DISTILL_DATASET": "digits"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == verdict, done.stdout[-3000:]
    if verdict:
        assert "ClaimFailed" in done.stdout
        assert "soft targets beat hard labels by more than five points" in done.stdout
