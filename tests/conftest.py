"""Fixtures of the tests that draw, or that need a person before the screen."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import pytest


@pytest.fixture
def no_figure_stays_open() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTILL_LIVE", "1")
