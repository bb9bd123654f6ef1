"""Fixtures of all tests, and of those that draw or need a person before the screen."""

from collections.abc import Iterator

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
