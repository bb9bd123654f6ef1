"""Lessons as web pages with links from one to the next, for those who only read.

Takes notebooks with their stored outputs; executes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from distill_lessons import files
from distill_lessons.course.report import title_of

# A link of Markdown to a notebook beside this one, perhaps to a section of it.
_LINK = re.compile(r"\]\(([^()\s/:#]+)\.ipynb((?:#[^()\s]*)?)\)")


def write(notebooks: Sequence[Path], out: Path) -> list[Path]:
    """Write a page for each notebook, replacing older ones.

    Args:
        notebooks: where the notebooks are. Links to other notebooks stay as they are.
        out: the folder for the pages; created if needed.

    Returns:
        The pages, in the order given.

    Raises:
        ValueError: if one is not a notebook, or two have the same name.
        OSError: if a page cannot be written.
    """
    import nbformat
    from nbconvert import HTMLExporter

    stems = [notebook.stem for notebook in notebooks]
    for stem in stems:
        if stems.count(stem) > 1:
            raise ValueError(f"two notebooks are called {stem}; write their pages to two folders.")
    exporter = HTMLExporter()
    pages = {}
    for path in notebooks:
        try:
            notebook = nbformat.read(path, as_version=4)
            nbformat.validate(notebook, relax_add_props=True)
        except OSError:
            raise
        except Exception as error:  # a file may hold anything
            raise ValueError(f"{path} is not a readable notebook.") from error
        about = {"metadata": {"name": title_of(notebook, path.stem)}}
        page, _ = exporter.from_notebook_node(_linked(_folded(notebook), stems), resources=about)
        pages[out / f"{path.stem}.html"] = page
    out.mkdir(parents=True, exist_ok=True)
    files.write_all(pages)
    return list(pages)


def _folded(notebook: Any) -> Any:
    """Leave out the code that a notebook shows folded, in place."""
    for cell in notebook.cells:
        if cell.metadata.get("jupyter", {}).get("source_hidden") is True:
            cell.metadata["transient"] = {"remove_source": True}
    return notebook


def _linked(notebook: Any, stems: Collection[str]) -> Any:
    """Turn links to the notebooks `stems` into links to their pages, in place."""

    def to_page(link: re.Match[str]) -> str:
        stem, section = link.groups()
        return f"]({stem}.html{section})" if stem in stems else link[0]

    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _LINK.sub(to_page, cell.source)
    return notebook
