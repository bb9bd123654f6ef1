"""Figures that compare two models draw the numbers that they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from distill_lessons import plots


@pytest.fixture(autouse=True)
def no_figure_left():
    yield
    plt.close("all")


def test_fidelity_puts_each_group_at_its_mean_with_a_letter():
    ax = plots.fidelity(
        {
            "near": ([0.9, 1.0], [0.98, 0.96], "student"),
            "far": ([0.5, 0.7], [0.5, 0.7], "baseline"),
        },
        "Two groups",
    )
    where = {text.get_text(): text.xy for text in ax.texts}
    assert where["A"] == pytest.approx((95.0, 0.03))
    assert where["B"] == pytest.approx((60.0, 0.4))
    assert ax.yaxis_inverted()  # the near stand at the top


def test_fidelity_refuses_a_group_with_unequal_seeds():
    with pytest.raises(ValueError, match=r"groups\['odd'\].*\(2,\).*\(3,\).*one of each per seed"):
        plots.fidelity({"odd": ([0.9, 0.8], [0.9, 0.8, 0.7], "student")}, "Odd")


def test_lanes_draw_every_run_and_write_the_mean():
    ax = plots.lanes({"a": ([3.0, 1.0], "student"), "b": ([5.0, 7.0], "teacher")}, "L", xlabel="%")
    drawn = [points.get_offsets()[:, 0].tolist() for points in ax.collections[::2]]
    assert drawn == [[1.0, 3.0], [5.0, 7.0]]
    assert [text.get_text() for text in ax.texts] == ["2.0", "6.0"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "b"]


def test_lanes_keep_runs_of_equal_value_apart():
    ax = plots.lanes({name: ([2.0] * 5, "student") for name in "abcde"}, "L", xlabel="%")
    ax.figure.canvas.draw()
    marks = ax.collections[0]
    heights = np.sort(ax.transData.transform(marks.get_offsets())[:, 1])
    width = np.sqrt(marks.get_sizes()[0]) * ax.figure.dpi / 72  # of one mark, in pixels
    assert np.diff(heights).min() > width / 2


def test_orders_draw_the_mean_over_inputs_and_the_random_order_of_the_first_table():
    rows = [
        {"kind": kind, "order": order, "input": i, "fraction": f, "score": height + 0.2 * i}
        for kind, shift in (("deletion", 0.0), ("insertion", 0.1))
        for order, height in (("attribution", 0.3 + shift), ("random", 0.5 + shift))
        for i in range(2)
        for f in (0.0, 1.0)
    ]
    axes = plots.orders({"own": (pd.DataFrame(rows), "teacher")}, "O")
    heights = [[line.get_ydata()[0] for line in ax.get_lines()] for ax in axes]
    np.testing.assert_allclose(heights, [[0.4, 0.6], [0.5, 0.7]])
    assert [line.get_label() for line in axes[0].get_lines()] == ["own", "random order"]


def test_orders_show_the_first_under_one_that_coincides_with_it():
    rows = [
        {"kind": kind, "order": order, "fraction": f, "score": f}
        for kind in ("deletion", "insertion")
        for order in ("attribution", "random")
        for f in (0.0, 1.0)
    ]
    table = pd.DataFrame(rows)
    axes = plots.orders({"own": (table, "teacher"), "student": (table, "student")}, "O")
    own, student, _ = axes[0].get_lines()
    assert own.get_linewidth() > student.get_linewidth()
    assert own.get_zorder() <= student.get_zorder()  # and drawn before it
