"""Lessons on machines of others: the links that open one there, and the cell that prepares it.

Written by ``python -m distill_lessons.course.tables`` once the repository has a public address;
until then no lesson has either.
"""

from __future__ import annotations

from typing import Any

TAG = "hosted"
_GITHUB = "https://github.com/"
_INSTALL = """\
# A hosted notebook starts without the course: this gets it. Elsewhere the cell does nothing.
# With a GPU, first remove the # of the last line. What is solved here is lost with the machine:
# download the notebook at the end.
try:
    import distill_lessons
except ModuleNotFoundError:
    get_ipython().run_line_magic("pip", "install --quiet git+{address}.git")
# %env DISTILL_PROFILE=full"""


def links(address: str, file: str) -> str:
    """Return badges that open a notebook on Binder and on Colab; "" for another host's address.

    Args:
        address: of the repository; "" if it has none.
        file: the notebook below the repository's root.
    """
    if not address.startswith(_GITHUB):  # the two know this host's addresses
        return ""
    path = address.removeprefix(_GITHUB)
    binder = f"https://mybinder.org/v2/gh/{path}/HEAD?urlpath=lab/tree/{file}"
    colab = f"https://colab.research.google.com/github/{path}/blob/HEAD/{file}"
    return (
        f"[![open in Binder](https://mybinder.org/badge_logo.svg)]({binder})\n"
        "[![open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
        f"({colab})"
    )


def write(notebook: dict[str, Any], number: str, address: str) -> None:
    """Put the cell that installs the course before a lesson's first code, in place of an older one.

    Args:
        notebook: as read from its file.
        number: of the lesson.
        address: of the repository; "" takes the cell away.
    """
    cells = [cell for cell in notebook["cells"] if not prepares(cell)]
    if address:
        first = next(i for i, cell in enumerate(cells) if cell["cell_type"] == "code")
        cells.insert(
            first,
            {
                "cell_type": "code",
                "execution_count": None,
                "id": f"{number}-hosted",
                "metadata": {"jupyter": {"source_hidden": True}, "tags": [TAG]},
                "outputs": [],
                "source": _INSTALL.format(address=address).splitlines(keepends=True),
            },
        )
    notebook["cells"] = cells


def prepares(cell: dict[str, Any]) -> bool:
    """Return whether a cell is the one that installs the course."""
    return TAG in cell["metadata"].get("tags", [])
