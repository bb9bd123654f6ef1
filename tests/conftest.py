"""Fixtures of all tests, and of those that draw or need a person before the screen."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

from distill_lessons import asking, page

# Not looked through for doctests: two files of this name cannot both be imported as modules.
collect_ignore_glob = ["*conftest.py"]


@pytest.fixture(autouse=True)
def the_theme_ends_with_its_test() -> Iterator[None]:
    with mpl.rc_context():
        yield


@pytest.fixture
def no_figure_stays_open() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTILL_LIVE", "1")


@pytest.fixture
def mnist_folder() -> Path:
    """Give a data folder that holds MNIST; the test is skipped where there is none."""
    shared = Path(__file__).parents[2] / "shared" / "data"
    places = [Path(os.environ.get("DISTILL_DATA", ".")), shared]
    for place in places:
        if (place / "MNIST" / "raw").is_dir():
            return place
    pytest.skip(f"MNIST is in none of {[str(p) for p in places]}; set DISTILL_DATA to its folder")


class FrontEnd:
    """A notebook's outputs as they stand now, and the widgets in them, without a browser."""

    def __init__(self) -> None:
        self.outputs: list[list[str]] = []  # [HTML, text]
        self.widgets: list[Any] = []

    def show(self, markup: str, text: str, *, kind: str = "text/html") -> list[str]:
        self.outputs.append([markup, text])
        return self.outputs[-1]

    def replace(self, handle: list[str], markup: str, text: str) -> None:
        handle[:] = [markup, text]

    def buttons(self, widget: int = -1) -> list[Any]:
        """Return the buttons of a widget, from left to right and from top to bottom."""

        def within(part: Any) -> list[Any]:
            children = getattr(part, "children", None)
            return [part] if children is None else [b for c in children for b in within(c)]

        return within(self.widgets[widget])

    def choose(self, option: str, widget: int = -1) -> None:
        (button,) = (b for b in self.buttons(widget) if option in b.description)
        button.click()

    def type(self, text: str, widget: int = -1) -> str:
        """Write into a field, and return what is said about it."""
        field, said = self.widgets[widget].children
        field.value = text
        return str(said.value)


@pytest.fixture
def front_end(live: None, monkeypatch: pytest.MonkeyPatch) -> FrontEnd:
    made = FrontEnd()
    monkeypatch.setattr(page, "show", made.show)
    monkeypatch.setattr(page, "replace", made.replace)
    monkeypatch.setattr(asking, "show", made.widgets.append)
    return made
