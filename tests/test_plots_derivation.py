"""The figure of how quantities grow or fade: what it draws, and what it refuses."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from distill_lessons import plots

LABELS: Any = {"xlabel": "temperature T", "ylabel": "gradient length"}


def test_each_series_keeps_its_values_and_its_role() -> None:
    x = np.array([1.0, 10.0, 100.0])
    series = {"with": (np.ones(3), "student"), "without": (x**-2, "control")}
    ax = plots.scaling(x, series, "Only with T² does it keep its size", **LABELS)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["with", "without"]
    for line, (values, role) in zip(ax.get_lines(), series.values(), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), values)
        assert line.get_marker() == plots.ROLES[role].marker
        assert line.get_color() == plots.ROLES[role].color
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    plt.close(ax.figure)


def test_a_linear_axis_may_hold_zero_and_ticks_are_named() -> None:
    ax = plots.scaling(
        [1, 4, 20], {"a": ([0, 0.5, 1], "teacher")}, "t", **LABELS, log_y=False, ticks=(1, 4, 20)
    )
    ax.figure.canvas.draw()
    assert [text.get_text() for text in ax.get_xticklabels()] == ["1", "4", "20"]
    assert ax.get_yscale() == "linear"
    plt.close(ax.figure)


def test_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"series\['a'\] has shape \(2,\) for x of shape \(3,\)"):
        plots.scaling([1, 2, 3], {"a": ([1, 2], "teacher")}, "t", **LABELS)


def test_a_value_without_a_logarithm_is_refused() -> None:
    with pytest.raises(ValueError, match=r"series\['a'\] must be a row of positive numbers"):
        plots.scaling([1, 2], {"a": ([1, 0], "teacher")}, "t", **LABELS)


def test_a_position_without_a_logarithm_is_refused() -> None:
    with pytest.raises(ValueError, match="x must be a row of positive numbers"):
        plots.scaling([0, 1], {"a": ([1, 2], "teacher")}, "t", **LABELS)


def test_a_refusal_leaves_no_figure_open() -> None:
    plt.close("all")
    for bad in ([1, 2, 3], [1, 0]):
        with pytest.raises(ValueError, match="series"):
            plots.scaling([1, 2], {"a": (bad, "teacher")}, "t", **LABELS)
    assert plt.get_fignums() == []
