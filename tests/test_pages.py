"""Lessons as web pages: every link among them leads to a page."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from labs import ROOT
from nbformat import v4
from typer.testing import CliRunner

from distill_lessons.course import cli, lessons, pages

LINKS = (
    "# First *things*\n[next](01_more.ipynb), [a part](01_more.ipynb#Part-two), "
    "[away](https://example.org/01_more.ipynb), [above](../01_more.ipynb), [other](09_other.ipynb)"
)


def notebook(folder: Path, name: str, text: str) -> Path:
    output = v4.new_output("stream", name="stdout", text="what was stored")
    cells = [v4.new_markdown_cell(text), v4.new_code_cell("'01_more.ipynb'", outputs=[output])]
    path = folder / f"{name}.ipynb"
    nbformat.write(v4.new_notebook(cells=cells), path)
    return path


def test_links_lead_from_page_to_page(tmp_path: Path) -> None:
    first, more = notebook(tmp_path, "00_first", LINKS), notebook(tmp_path, "01_more", "# More")
    before = first.read_bytes()
    written = pages.write([first, more], tmp_path / "a" / "site")
    assert [page.name for page in written] == ["00_first.html", "01_more.html"]
    page = written[0].read_text(encoding="utf-8")
    links = re.findall(r'<a href="([^"#][^"]*)"', page)
    assert links == [
        "01_more.html",
        "01_more.html#Part-two",
        "https://example.org/01_more.ipynb",
        "../01_more.ipynb",
        "09_other.ipynb",
    ]
    assert "<title>First things</title>" in page
    assert "what was stored" in page
    assert "'01_more.ipynb'" in page  # code stays code
    assert first.read_bytes() == before


def test_code_that_a_notebook_folds_away_is_not_on_its_page(tmp_path: Path) -> None:
    outputs = [v4.new_output("stream", name="stdout", text="what it printed")]
    folded = {"jupyter": {"source_hidden": True}}
    cells = [
        v4.new_code_cell("import_this_and_that()", metadata=folded, outputs=outputs),
        v4.new_code_cell("seen_as_ever()"),
    ]
    nbformat.write(v4.new_notebook(cells=cells), tmp_path / "00_first.ipynb")
    (page,) = pages.write([tmp_path / "00_first.ipynb"], tmp_path / "site")
    text = page.read_text(encoding="utf-8")
    assert "import_this_and_that" not in text
    assert "what it printed" in text
    assert "seen_as_ever" in text


def test_what_makes_no_page_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    good, bad = notebook(tmp_path, "00_good", "# Good"), tmp_path / "01_bad.ipynb"
    bad.write_text('{"cells": null}')
    with pytest.raises(ValueError, match=r"01_bad.ipynb is not a readable notebook"):
        pages.write([good, bad], tmp_path / "site")
    (tmp_path / "other").mkdir()
    twin = notebook(tmp_path / "other", "00_good", "# Other")
    with pytest.raises(ValueError, match="two notebooks are called 00_good"):
        pages.write([good, twin], tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_the_command_writes_the_course_with_no_link_to_a_notebook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lessons, "bundled", lambda: (ROOT / "notebooks", True))
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(cli.app, ["pages", str(tmp_path / "site")])
    assert result.exit_code == 0, result.output
    written = sorted((tmp_path / "site").iterdir())
    assert [p.stem for p in written] == [
        p.stem for p in sorted((ROOT / "notebooks").glob("*.ipynb"))
    ]
    assert f"Pages: {len(written)}, the first of them" in result.output
    for page in written:
        text = page.read_text(encoding="utf-8")
        links = re.findall(r'<a href="([^"#]+)', text)
        assert not [link for link in links if link.endswith(".ipynb")], page.name
        local = [link for link in links if not link.startswith("http")]
        assert all((tmp_path / "site" / link).is_file() for link in local), page.name
