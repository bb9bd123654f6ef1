"""The figure of how quantities grow or fade: what it draws, and what it refuses."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from distill_lessons import plots
from distill_lessons.plots import wording

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


def test_a_linear_axis_may_begin_below_zero() -> None:
    ax = plots.scaling([-1, 0, 1], {"a": ([1, 2, 3], "teacher")}, "t", **LABELS, log_x=False)
    assert ax.get_xscale() == "linear"
    np.testing.assert_array_equal(ax.get_lines()[0].get_xdata(), [-1, 0, 1])
    plt.close(ax.figure)


def test_the_caption_follows_the_numbers_and_turns_with_them() -> None:
    for values, way in (([3.0, 2.0, 1.0], "falling"), ([1.0, 2.0, 3.0], "rising")):
        ax = plots.scaling([1, 10, 100], {"gap": (values, "student")}, "A gap", **LABELS)
        assert wording.noted(ax.figure).endswith(f"{way} all the way.")
        plt.close(ax.figure)


def test_pushes_draw_each_panel_on_one_scale() -> None:
    panels = {"label": ([1.0, -0.5], "baseline"), "teacher": ([0.001, -0.001], "student")}
    axes = plots.pushes(panels, ["a", "b"], "t")
    heights = [[bar.get_height() for bar in ax.patches] for ax in axes]
    assert heights == [[1.0, -0.5], [0.001, -0.001]]
    assert axes[0].get_ylim() == axes[1].get_ylim()
    assert wording.noted(axes[0].figure).endswith("teacher: longest bar 0.001.")
    plt.close(axes[0].figure)


def test_pushes_need_one_number_per_class() -> None:
    with pytest.raises(ValueError, match=r"panels\['a'\] has shape \(3,\) for 2 classes"):
        plots.pushes({"a": ([1, 2, 3], "student")}, ["a", "b"], "t")


def test_a_path_in_the_triangle_starts_and_ends_where_its_distributions_say() -> None:
    even, sure, half = [1 / 3, 1 / 3, 1 / 3], [1.0, 0.0, 0.0], [0.5, 0.5, 0.0]
    paths: dict[str, tuple[Any, str | None]]
    paths = {"to a corner": ([even, sure], "student"), "back": ([sure, half], "control")}
    paths["of no role"] = ([even, half], None)
    ax = plots.simplex(paths, half, "t", names=["a", "b", "c"])
    colours = [line.get_color() for line in ax.get_lines() if line.get_label() == "teacher"]
    assert colours == [plots.ROLES["teacher"].color]
    assert ax.get_legend().get_texts()[2].get_text() == "of no role"
    first = ax.get_lines()[0].get_xydata()
    np.testing.assert_allclose(first, [[0.5, np.sqrt(3) / 6], [0, 0]])  # the middle, the left
    said = wording.noted(ax.figure)
    assert "to a corner: ends at (1.00, 0.00, 0.00), 0.50 from the star." in said
    assert "back: ends at (0.50, 0.50, 0.00), 0.00 from the star." in said
    plt.close(ax.figure)


@pytest.mark.parametrize("path", [[[0.5, 0.5]], [[0.5, 0.4, 0.2]], [[1.2, -0.2, 0.0]], []])
def test_a_path_must_consist_of_distributions_of_three_classes(path: Any) -> None:
    with pytest.raises(ValueError, match=r"paths\['a'\] must hold probabilities of three classes"):
        plots.simplex({"a": (path, "student")}, [1, 0, 0], "t", names=["a", "b", "c"])
