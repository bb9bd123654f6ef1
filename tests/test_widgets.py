"""The temperature slider: what it shows follows T, and nothing of it is left in a headless run."""

from __future__ import annotations

import re
from typing import Any

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.figure import Figure

from distill_lessons import plots
from distill_lessons.plots import widgets

# Odds 16 : 4 : 1 at T = 1, their square roots 4 : 2 : 1 at T = 2.
Z = torch.tensor([16.0, 4.0, 1.0]).log()
NAMES = ["cat", "dog", "owl"]


pytestmark = pytest.mark.usefixtures("no_figure_stays_open")


def parts(box: Any) -> tuple[Any, Any, Any]:
    slider, picture, words = box.children
    return slider, picture, words


@pytest.mark.usefixtures("live")
def test_the_slider_starts_at_the_plain_softmax() -> None:
    slider, picture, words = parts(widgets.temperature_slider(Z, NAMES))
    assert slider.value == 1.0
    assert "cat 0.762, dog 0.190, owl 0.048" in words.value  # 16/21, 4/21, 1/21
    assert bytes(picture.value[:4]) == b"\x89PNG"


@pytest.mark.usefixtures("live")
def test_moving_the_slider_redraws_with_the_right_probabilities(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[list[float]] = []
    real = widgets.class_bars

    def spy(ax: Any, p: Any, classes: Any) -> Any:
        bars = real(ax, p, classes)
        drawn.append([bar.get_height() for bar in bars])
        return bars

    monkeypatch.setattr(widgets, "class_bars", spy)
    slider, picture, words = parts(widgets.temperature_slider(Z, NAMES))
    before = picture.value
    slider.value = 2.0
    assert drawn[-1] == pytest.approx([4 / 7, 2 / 7, 1 / 7])
    assert "At T = 2: cat 0.571, dog 0.286, owl 0.143" in words.value
    assert "entropy 0.956 of at most 1.099 nats" in words.value  # log 7 - 10/7 log 2, and log 3
    assert picture.value != before
    slider.value = 1.0
    assert picture.value == before


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize("T", [0.1, 100.0])
def test_the_ends_of_the_slider_are_the_two_limits(T: float) -> None:
    slider, _, words = parts(widgets.temperature_slider(Z, NAMES))
    slider.value = T
    shown = [float(n) for n in re.findall(r"(?:cat|dog|owl) ([\d.]+)[,;]", words.value)]
    assert shown == pytest.approx([1, 0, 0] if T < 1 else [1 / 3] * 3, abs=0.015)


@pytest.mark.usefixtures("live")
def test_the_slider_takes_logits_that_are_half_precision_and_need_gradients() -> None:
    z = Z.half().requires_grad_()
    _, _, words = parts(widgets.temperature_slider(z, NAMES))
    assert "cat 0.762" in words.value


@pytest.mark.usefixtures("live")
def test_the_slider_leaves_no_figure_open() -> None:
    before = plt.get_fignums()
    slider, _, _ = parts(widgets.temperature_slider(Z, NAMES))
    slider.value = 3.0
    assert plt.get_fignums() == before


def test_a_headless_run_gets_a_line_and_no_widget(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISTILL_LIVE", "0")
    assert widgets.temperature_slider(Z, NAMES) is None
    assert capsys.readouterr().out == widgets.INSTEAD + "\n"


@pytest.mark.parametrize("progress", ["0", "1"])
@pytest.mark.parametrize(
    ("z", "names", "message"),
    [
        (Z[None], NAMES, r"z has shape \(1, 3\); give one image's logits, \(K,\): z\[0\]"),
        (Z, NAMES[:2], "classes has 2 names for 3 logits; give one each"),
        (Z * float("nan"), NAMES, "z holds NaN or infinite numbers"),
    ],
    ids=["a batch", "a name missing", "NaN"],
)
def test_bad_input_is_refused(
    z: torch.Tensor, names: list[str], message: str, progress: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTILL_LIVE", progress)
    with pytest.raises(ValueError, match=message):
        widgets.temperature_slider(z, names)


# --- the static twin and its neighbours ----------------------------------------------------------


def test_the_static_twin_shows_the_same_bars_as_the_slider() -> None:
    p = {T: torch.softmax(Z / T, 0) for T in (1, 2)}
    axes = plots.temperature_bars(p, NAMES, "Two temperatures")
    heights = [[bar.get_height() for bar in ax.patches] for ax in axes]
    assert heights[1] == pytest.approx([4 / 7, 2 / 7, 1 / 7])
    assert axes[1].get_title() == "T = 2, entropy 0.96 nats"


def test_a_certain_distribution_has_no_entropy() -> None:
    axes = plots.temperature_bars({0.01: torch.tensor([1.0, 0.0])}, ["a", "b"], "Cold")
    assert axes[0].get_title() == "T = 0.01, entropy 0.00 nats"


def test_bars_need_a_name_each() -> None:
    with pytest.raises(ValueError, match=r"classes has 1 names for probabilities of shape \(2,\)"):
        plots.class_bars(Figure().add_subplot(), [0.5, 0.5], ["only"])


def test_bands_show_the_median_and_the_middle_eighty() -> None:
    values = torch.arange(11.0).repeat(2, 1)  # 0, 1, ..., 10 at both positions
    ax = plots.bands([1, 10], {"all": (values, "teacher")}, "t", xlabel="x", ylabel="y")
    assert list(ax.lines[0].get_ydata()) == [5, 5]
    edges = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert (edges.min(), edges.max()) == pytest.approx((1, 9))


def test_pairs_join_the_values_of_a_seed() -> None:
    ax = plots.pairs(("a", [1, 2], "baseline"), ("b", [3, 5], "student"), "t", ylabel="y")
    assert [list(line.get_ydata()) for line in ax.lines] == [[1, 3], [2, 5]]


def test_a_map_refuses_an_arrow_to_nowhere() -> None:
    boxes = {"a": (0.0, 0.0, "teacher"), "b": (2.0, 0.0, "student")}
    assert len(plots.course_map(boxes, [("a", "b", "01")], "t").patches) == 2
    with pytest.raises(ValueError, match=r"arrows name \['c'\]"):
        plots.course_map(boxes, [("a", "c", "01")], "t")
