"""A lesson with a claim broken on purpose."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]


def shortened_lesson_04(T: str) -> nbformat.NotebookNode:
    """Lesson 04 up to its first effect, with another temperature."""
    (path,) = (ROOT / "notebooks").glob("04_*.ipynb")
    notebook = nbformat.read(path, as_version=4)
    cells = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
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
