"""Maps of importance: what is written into them, and what they refuse."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

from distill_lessons import plots


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_a_small_map_tells_each_number_with_its_interval_and_bold_where_clear_of_zero():
    values = np.array([[0.02, 0.00], [-0.01, 0.03]])
    low, high = values - 0.005, values + 0.005
    ax = plots.importance_map(values, low, high, "A title", label="points", factor=100)
    written = {t.get_text(): t.get_fontweight() for t in ax.texts}
    assert written == {
        "2.0\n±0.5": "bold",
        "0.0\n±0.5": "normal",
        "−1.0\n±0.5": "bold",
        "3.0\n±0.5": "bold",
    }
    assert ax.images[0].get_clim() == pytest.approx((-3, 3))


def test_a_pixel_that_no_shuffle_touched_shows_a_plain_zero():
    values = np.array([[0.0, 0.01]])
    ax = plots.importance_map(values, values, values, "A title", label="points", factor=100)
    assert [t.get_text() for t in ax.texts] == ["0", "1.0\n±0.0"]


def test_a_large_map_has_dots_where_the_interval_is_clear_of_zero():
    values = np.zeros((20, 20))
    values[3, 5] = 1.0
    ax = plots.importance_map(values, values - 0.1, values + 0.1, "A title", label="nats")
    assert not ax.texts
    assert ax.collections[0].get_offsets().tolist() == [[5, 3]]


def test_maps_share_one_scale_unless_each_has_its_own():
    maps = {"a": np.full((2, 2), 1.0), "b": np.full((2, 2), -4.0)}
    limits = [ax.images[0].get_clim() for ax in plots.importance_maps(maps, "T", label="nats")]
    assert limits == [(-4, 4), (-4, 4)]
    own = plots.importance_maps(maps, "T", label="nats", own_scale=True)
    assert [ax.images[0].get_clim() for ax in own] == [(-1, 1), (-4, 4)]
    assert [ax.get_title() for ax in own] == ["a\n(up to 1)", "b\n(up to −4)"]
    assert len(own[0].figure.axes) == 2  # no colour bars: the numbers say the scale


def test_the_colour_bar_shows_no_colours_that_no_map_has():
    axes = plots.importance_maps({"a": np.diag([4.0, -1.0])}, "T", label="nats")
    assert axes[0].figure.axes[-1].get_ylim() == (-1, 4)


def test_maps_mark_what_is_clear():
    maps = {"a": np.eye(2), "b": np.eye(2)}
    clear = {"a": np.eye(2) > 0, "b": np.zeros((2, 2))}
    first, second = plots.importance_maps(maps, "T", label="nats", clear=clear)
    assert len(first.collections[0].get_offsets()) == 2
    assert len(second.collections[0].get_offsets()) == 0


def test_intervals_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"low \(2,\).*one interval per pixel"):
        plots.importance_map(np.eye(2), np.zeros(2), np.eye(2), "T", label="nats")


@pytest.mark.parametrize("values", [np.zeros(3), np.full((2, 2), np.nan)])
def test_what_is_no_finite_table_is_refused(values):
    with pytest.raises(ValueError, match=r"maps\['a'\] has shape .* one finite number per pixel"):
        plots.importance_maps({"a": values}, "T", label="nats")


def test_no_map_is_refused():
    with pytest.raises(ValueError, match="maps is empty"):
        plots.importance_maps({}, "T", label="nats")
