"""Fixtures of all tests, and of those that draw or need a person before the screen."""

import os
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest


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
