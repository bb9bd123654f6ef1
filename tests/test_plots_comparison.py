"""Figures that compare two models draw the numbers that they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from distill_lessons import plots
from distill_lessons.plots import wording


@pytest.fixture(autouse=True)
def no_figure_left():
    yield
    plt.close("all")


def test_fidelity_names_each_group_beside_its_mean():
    ax = plots.fidelity(
        {
            "near": ([0.9, 1.0], [0.98, 0.96], "student"),
            "far": ([0.5, 0.7], [0.5, 0.7], "baseline"),
        },
        "Two groups",
    )
    where = {text.get_text(): text.xy for text in ax.texts}
    assert where["near"] == pytest.approx((95.0, 0.03))
    assert where["far"] == pytest.approx((60.0, 0.4))
    assert ax.yaxis_inverted()  # the near stand at the top
    said = wording.noted(ax.figure)
    assert said == "From the nearest to the farthest: near (95.0 %, 0.03), far (60.0 %, 0.4)."


def test_fidelity_writes_no_name_upon_another():
    groups = {name: ([0.9], [1 - 0.01 * 1.01**i], "student") for i, name in enumerate("abcdefgh")}
    ax = plots.fidelity(groups, "Eight groups in one place")
    heights = np.array([text.xyann[1] for text in ax.texts])
    assert -np.diff(np.sort(heights)[::-1]).min() > 0
    assert np.abs(np.diff(np.sort(heights))).min() > 0.08
    assert 0 <= heights.min() < heights.max() <= 1
    assert len({tuple(mark.get_paths()[0].vertices.ravel()) for mark in ax.collections}) == 8


def test_fidelity_refuses_a_group_with_unequal_seeds():
    with pytest.raises(ValueError, match=r"groups\['odd'\].*\(2,\).*\(3,\).*one of each per seed"):
        plots.fidelity({"odd": ([0.9, 0.8], [0.9, 0.8, 0.7], "student")}, "Odd")


def test_lanes_draw_every_run_and_write_the_mean():
    ax = plots.lanes({"a": ([3.0, 1.0], "student"), "b": ([5.0, 7.0], "teacher")}, "L", xlabel="%")
    drawn = [points.get_offsets()[:, 0].tolist() for points in ax.collections[::2]]
    assert drawn == [[3.0, 1.0], [5.0, 7.0]]  # by run, not sorted
    assert [text.get_text() for text in ax.texts] == ["2.0", "6.0"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "b"]


def test_lanes_say_their_order_and_where_their_axis_is_cut():
    for values in ({"a": [90.0, 92.0], "b": [70.0, 72.0]}, {"a": [70.0, 72.0], "b": [90.0, 92.0]}):
        ax = plots.lanes({n: (v, "student") for n, v in values.items()}, "L", xlabel="right (%)")
        largest = max(values, key=lambda name: values[name])
        assert f"From the largest to the smallest: {largest} 91" in wording.noted(ax.figure)
        assert ax.get_xlabel() == "right (%)\n(the axis does not begin at 0)"
    ax = plots.lanes({"a": ([0.0, 2.0], "student")}, "L", xlabel="%")
    assert ax.get_xlabel() == "%"


def test_lanes_may_be_logarithmic():
    ax = plots.lanes({"a": ([0.01, 0.03], "student")}, "L", xlabel="x", log=True, fmt=".3f")
    assert ax.get_xscale() == "log"
    assert [text.get_text() for text in ax.texts] == ["0.020"]


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
    own, random = axes[0].get_lines()
    assert [own.get_label(), random.get_label()] == ["own", "random order"]
    assert random.get_color() not in {role.color for role in plots.ROLES.values()}
    assert (
        "Mean over the deletion curve. From the largest to the smallest: random order 0.6, own"
        in (wording.noted(axes[0].figure))
    )


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
