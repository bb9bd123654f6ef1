"""Lessons on hosted notebooks: badges and the cell that installs, once there is an address."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from labs import ROOT

from distill_lessons.course import hosted, lessons, tables

ADDRESS = "https://github.com/group/name"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a copy of what the tables are written into."""
    for name in ("README.md", "INSTRUCTORS.md", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    return tmp_path


def publish(checkout: Path, address: str) -> dict[Path, dict[str, Any]]:
    """Give the project an address, write the tables, and return the lessons."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    urls = f'\n[project.urls]\nSource = "{address}"\n' if address else ""
    (checkout / "pyproject.toml").write_text(text + urls, "utf-8")
    for path, content in tables.pages(checkout / "notebooks").items():
        if path.is_relative_to(checkout):
            path.write_text(content, "utf-8")
    return {p: json.loads(p.read_text("utf-8")) for p in sorted(checkout.rglob("*.ipynb"))}


def first_code(notebook: dict[str, Any]) -> dict[str, Any]:
    return next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")


def test_with_an_address_each_lesson_opens_elsewhere_and_installs_the_course(
    checkout: Path,
) -> None:
    for path, notebook in publish(checkout, ADDRESS).items():
        heading = "".join(notebook["cells"][0]["source"])
        file = f"notebooks/{path.name}"
        assert f"(https://mybinder.org/v2/gh/group/name/HEAD?urlpath=lab/tree/{file})" in heading
        assert f"(https://colab.research.google.com/github/group/name/blob/HEAD/{file})" in heading
        assert hosted.prepares(first_code(notebook))
        assert f"git+{ADDRESS}.git" in "".join(first_code(notebook)["source"])
        assert lessons.code_of(path) == lessons.code_of(ROOT / file)  # measured claims stay
    assert "blob/HEAD/notebooks/00_start_here.ipynb" in (checkout / "README.md").read_text("utf-8")


def test_the_minutes_that_a_lesson_announces_are_none_of_its_code(checkout: Path) -> None:
    path = checkout / "notebooks" / "01_teacher_training.ipynb"
    text, before = path.read_text("utf-8"), lessons.code_of(path)
    announced = re.sub(r"full_minutes_on_cpu=\d+", "full_minutes_on_cpu=7", text)
    path.write_text(announced, "utf-8")
    assert announced != text
    assert lessons.code_of(path) == before
    path.write_text(text.replace("gap, below=", "gap, above="), "utf-8")
    assert lessons.code_of(path) != before


def test_without_one_nothing_of_it_is_left(checkout: Path) -> None:
    publish(checkout, ADDRESS)
    publish(checkout, "https://git.example.org/a/b")  # another host: the cell alone
    text = (checkout / "notebooks/02_soft_targets.ipynb").read_text("utf-8")
    assert "install --quiet git+https://git.example.org/a/b.git" in text
    assert "badge" not in text
    publish(checkout, "")
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        assert (checkout / "notebooks" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("there", [True, False], ids=["installed", "missing"])
def test_the_cell_installs_only_what_is_missing(
    there: bool, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = first_code(publish(checkout, ADDRESS)[checkout / "notebooks/02_soft_targets.ipynb"])
    asked = []

    class Shell:
        run_line_magic = staticmethod(lambda *command: asked.append(command))

    if not there:
        monkeypatch.setitem(sys.modules, "distill_lessons", None)
    exec("".join(cell["source"]), {"get_ipython": Shell})
    assert asked == ([] if there else [("pip", f"install --quiet git+{ADDRESS}.git")])
