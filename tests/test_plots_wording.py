"""Captions follow from what is drawn: reverse an effect, and no caption still asserts it."""

from __future__ import annotations

import re
from base64 import b64decode
from io import BytesIO

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from distill_lessons import page, plots
from distill_lessons.claims import Effect
from distill_lessons.plots import wording


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def said(axes) -> str:
    return wording.noted(np.ravel(axes)[0].get_figure())


def test_the_order_of_effects_and_their_side_of_zero_are_those_drawn():
    effects = {"A": Effect(0.03, 0.02, 0.04, 5, unit="points"), "B": Effect(0.01, -0.01, 0.03, 5)}
    text = said(plots.forest(effects, "Effects", xlabel="points"))
    assert "A 3, B 0.01" in text
    assert "Intervals above zero: A; that meet zero: B." in text
    reversed_ = {"A": Effect(-0.03, -0.04, -0.02, 5), "B": Effect(0.01, 0.005, 0.03, 5)}
    text = said(plots.forest(reversed_, "Effects", xlabel="points"))
    assert "B 0.01, A −0.03" in text
    assert "Intervals above zero: B; below zero: A." in text


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (1, 3, "All intervals lie above zero."),
        (-3, -1, "All intervals lie below zero."),
        (-1, 1, "All intervals meet zero."),
    ],
)
def test_intervals_on_one_side_are_said_in_one_sentence(low, high, text):
    effect = Effect((low + high) / 2, low, high, 3)
    assert wording.against_zero({"a": effect, "b": effect}) == text


@pytest.mark.parametrize(
    ("errors", "text"),
    [
        ([50, 20, 5], "m: 5,000 at 1, 500 at 100, falling all the way."),
        ([5, 20, 50], "m: 500 at 1, 5,000 at 100, rising all the way."),
        ([5, 50, 20], "m: 500 at 1, 2,000 at 100."),
    ],
)
def test_a_curve_says_which_way_it_went(errors, text):
    runs = pd.DataFrame(
        {"n": np.repeat([1, 10, 100], 2), "error": np.repeat(errors, 2) + np.tile([0.1, -0.1], 3)}
    ).assign(what="m")
    ax = plots.curves(
        runs, "n", "error", "what", "Title", roles={"m": "teacher"}, xlabel="n", ylabel="error"
    )
    assert said(ax) == text


def test_a_single_point_is_no_way_up_or_down():
    assert wording.of_curve("m", [300], [4.8]) == "m: 4.8 at 300."


def test_columns_of_marks_are_ranked_by_their_means_and_drawn_in_the_order_of_the_runs():
    table = pd.DataFrame({"low\nest": [1.0, 0.0], "high": [5.0, 7.0]})
    ax = plots.strips(table, "Title", ylabel="points")
    assert said(ax) == "Means from the largest to the smallest: high 6, low est 0.5."
    assert [c.get_offsets()[:, 1].tolist() for c in ax.collections[::2]] == [[1, 0], [5, 7]]


def test_the_marks_of_a_run_are_joined_if_asked():
    table = pd.DataFrame({"a": [1.0, 0.0], "b": [5.0, 7.0]})
    ax = plots.strips(table, "Title", ylabel="points", joined=True)
    assert [line.get_ydata().tolist() for line in ax.lines] == [[1, 5], [0, 7]]
    marks = np.stack([column.get_offsets() for column in ax.collections[::2]], axis=1)
    assert np.allclose([line.get_xydata() for line in ax.lines], marks)
    assert not plots.strips(table, "Title", ylabel="points").lines


def test_methods_of_one_role_stand_side_by_side_and_can_be_told_apart():
    runs = pd.DataFrame({"n": [1, 1, 10, 10], "error": [1.0, 2.0, 3.0, 4.0]})
    runs = pd.concat([runs.assign(what=what) for what in "abc"])
    for log_x in (True, False):
        roles = {"a": "student", "b": "student", "c": "teacher"}
        words = {"xlabel": "n", "ylabel": "error", "log_x": log_x}
        ax = plots.curves(runs, "n", "error", "what", "Title", roles=roles, **words)
        lines = [bar.lines[0] for bar in ax.containers]
        looks = {(line.get_marker(), line.get_linestyle(), str(line.get_color())) for line in lines}
        assert len(looks) == 3
        assert len({line.get_marker() for line in lines}) == 3
        assert lines[0].get_color() == plots.ROLES["student"].color
        places = [line.get_xdata().tolist() for line in lines]
        assert places[2] == [1, 10]
        assert (places[0] != places[1]) == log_x


def test_a_map_says_where_its_largest_values_are():
    values = np.array([[0.0, 2.0], [-1.0, 0.0]])
    text = said(plots.attribution_maps([values], ["seven"], title="Title"))
    assert text == "seven: largest 2 in row 0, column 1; most negative −1 in row 1, column 0."
    text = said(plots.attribution_maps([-values], ["seven"], title="Title"))
    assert text == "seven: largest 1 in row 1, column 0; most negative −2 in row 0, column 1."
    text = said(plots.attribution_maps([0 * values], ["seven"], title="Title"))
    assert text == "seven: zero everywhere."


def test_the_costs_of_explainers_are_labelled_at_their_marks_without_meeting():
    table = pd.DataFrame(
        [("a", 10, 0.5), ("a", 100, 0.1), ("b", 100, 0.099), ("c", 9000, 0.1)],
        columns=["method", "rows", "error"],
    )
    ax = plots.error_against_cost(table, "Title", exact_rows=1e6)
    assert "a (%): 50 at 10, 10 at 100, falling all the way." in said(ax)
    assert ax.get_legend() is None
    places = {t.get_text(): t.xy[1] for t in ax.texts if t.get_text() in "abc"}
    low, high = np.log(ax.get_ylim())
    assert abs(np.log(places["a"]) - np.log(places["b"])) > 0.05 * (high - low)
    assert all(low < np.log(place) < high for place in places.values())


FRAMES = np.zeros((3, 1, 2, 2))


def test_a_waterfall_says_what_the_followed_piece_brought_in_each_order():
    axes = plots.waterfall(
        {"one": FRAMES, "two": FRAMES},
        {"one": [0.0, 2.0, 1.0], "two": [0.0, 0.5, 1.0]},
        {"one": 1, "two": 2},
        title="Title",
        ylabel="logits",
    )
    assert said(axes) == "The step of the framed piece: 2 (one) and 0.5 (two)."
    assert [bar.get_height() for bar in axes[0].patches] == [2.0, -1.0]
    assert [bar.get_y() for bar in axes[0].patches] == [0.0, 2.0]
    low, high = axes[1].get_ylim()  # both show all steps, on one scale
    assert low < 0 < 2 < high
    assert axes[0].get_ylim() == (low, high)


@pytest.mark.parametrize(("values", "place"), [([0.0, 1.0], 1), ([0.0, 1.0, 2.0], 3)])
def test_a_waterfall_refuses_orders_that_do_not_fit(values, place):
    with pytest.raises(ValueError, match="a place from 1"):
        plots.waterfall({"a": FRAMES}, {"a": values}, {"a": place}, title="T", ylabel="y")


def test_a_mean_that_settles_says_where_it_began_and_ended():
    ax = plots.settling({"thirty": [4.0, 2.0]}, {"thirty": 2.9}, title="Title", ylabel="logits")
    assert said(ax) == "thirty: 4 in the first order, 3 on average over 2, exactly 2.9."
    assert ax.lines[0].get_ydata().tolist() == [4.0, 3.0]
    with pytest.raises(ValueError, match="at least one order"):
        plots.settling({"none": []}, {"none": 0.0}, title="Title", ylabel="logits")


def shown(monkeypatch: pytest.MonkeyPatch, axes, caption: str) -> tuple[str, str]:
    """Return what `plots.show` gives a notebook, and a place without HTML."""
    kept: list[tuple[str, str]] = []
    monkeypatch.setattr(page, "show", lambda markup, text: kept.append((markup, text)))
    plots.show(axes, caption)
    return kept[0]


def test_few_sentences_stand_below_a_figure_and_all_in_its_alternative_text(monkeypatch):
    ax = plots.forest({"a": Effect(1, 0.5, 1.5, 5)}, "From 3 to -1", xlabel="x")
    markup, text = shown(monkeypatch, ax, "Mean effects with their intervals.")
    (alt,) = re.findall(r'<img alt="([^"]*)"', markup)
    (below,) = re.findall(r"<em>(.*)</em>", markup)
    assert below == "Mean effects with their intervals. Intervals: orange above zero."
    assert alt == text == f"{below} From the largest to the smallest: a 1. Intervals above zero: a."
    assert ax.figure.get_suptitle() == "From 3 to −1"


def test_a_stored_figure_is_sharper_than_it_is_shown_and_keeps_its_colours(monkeypatch):
    ax = plots.forest({"a": Effect(1, 0.5, 1.5, 5)}, "Title", xlabel="x")
    markup, _ = shown(monkeypatch, ax, "Mean effects with their intervals.")
    kind, data, width = re.findall(r'image/(\w+);base64,([^"]*)" width="(\d+)"', markup)[0]
    picture = Image.open(BytesIO(b64decode(data)))
    assert kind == picture.format.lower() == "webp"
    assert picture.width >= 1.25 * int(width)
    shown_colours = np.array([colour for _, colour in picture.getcolors(10**6)])
    assert np.abs(shown_colours - (0xD5, 0x5E, 0x00)).max(1).min() <= 4
    assert np.abs(shown_colours - 255).max(1).min() == 0


def test_a_colour_bar_is_stored_in_even_steps(monkeypatch):
    axes = plots.attribution_maps([np.eye(2) - 0.5], ["m"], title="Title")
    markup, _ = shown(monkeypatch, axes, "A map of attributions with its bar.")
    (data,) = re.findall(r'image/webp;base64,([^"]*)"', markup)
    pixels = np.asarray(Image.open(BytesIO(b64decode(data))).convert("RGB")).astype(int)
    bars = [pixels[:, x] for x in range(pixels.shape[1])]
    bar = max(bars, key=lambda column: len(np.unique(column, axis=0)))
    inside = bar[len(bar) // 4 : -len(bar) // 4]  # neither frame nor title
    assert np.abs(np.diff(inside, axis=0)).max() <= 17  # two of the 32 levels
    assert len(np.unique(bar, axis=0)) > 80


def test_gain_and_harm_differ_in_colour_and_in_marker():
    effects = {
        "gain": Effect(2, 1, 3, 5),
        "harm": Effect(-2, -3, -1, 5),
        "none": Effect(0, -1, 1, 5),
        "hardly": Effect(2, 0.04, 4, 5),
    }
    ax = plots.forest(effects, "Title", xlabel="x")
    looks = [
        (line.get_color(), line.get_marker()) for line in ax.lines if line.get_marker() in "><o"
    ]
    assert looks[3] == looks[0]
    assert len({colour for colour, _ in looks}) == len({m for _, m in looks}) == 3
    assert [text.get_text() for text in ax.texts] == [
        "+2.0 [+1.0, +3.0]", "−2.0 [−3.0, −1.0]", "0 [−1.0, +1.0]", "+2.0 [+0.04, +4.0]",
    ]  # fmt: skip


def test_an_axis_that_does_not_begin_at_zero_says_so():
    cut = "\n(the axis does not begin at 0)"
    high, low = [82.0, 84.0], [1.0, 84.0]
    for values, said_so in ((high, True), (low, False)):
        ax = plots.strips(pd.DataFrame({"a": values}), "Title", ylabel="y")
        assert ax.get_ylabel() == ("y" + cut if said_so else "y")
        assert (ax.get_ylim()[0] > 0) == said_so
    ax = plots.pairs(("a", high, "baseline"), ("b", high, "student"), "Title", ylabel="y")
    assert ax.get_ylabel() == "y" + cut
