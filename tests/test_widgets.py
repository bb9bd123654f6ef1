"""The temperature slider: what each of its steps shows, and what it refuses."""

from __future__ import annotations

import base64
import io
import json
import re
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from distill_lessons import page, plots
from distill_lessons.plots import widgets

# Odds 16 : 4 : 1 at T = 1, their square roots 4 : 2 : 1 at T = 2.
Z = torch.tensor([16.0, 4.0, 1.0]).log()
NAMES = ["cat", "dog", "owl"]


pytestmark = pytest.mark.usefixtures("no_figure_stays_open")


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(page, "show", lambda markup, text: found.append(markup))
    return found


def data_of(markup: str) -> dict[str, Any]:
    """Return what the script is given; what it makes of that is tested in a browser."""
    (given,) = re.findall(r'querySelector\("\.distill-slider"\), (.*)\);</script>', markup)
    return dict(json.loads(given))


def at(T: float, markup: str) -> tuple[list[float], str]:
    data = data_of(markup)
    step = widgets.TEMPERATURES.index(T)
    assert data["T"][step] == f"{T:g}"
    return data["p"][step], data["words"][step]


def test_every_step_has_the_right_probabilities(shown: list[str]) -> None:
    widgets.temperature_slider(Z, NAMES)
    p, words = at(2, shown[0])
    assert p == pytest.approx([4 / 7, 2 / 7, 1 / 7], abs=1e-4)
    assert "At T = 2: cat 0.571, dog 0.286, owl 0.143" in words
    assert "entropy 0.956 of at most 1.099 nats" in words  # log 7 - 10/7 log 2, and log 3
    for T, (high, *_) in zip(widgets.TEMPERATURES, data_of(shown[0])["p"], strict=True):
        odds = 16 ** (1 / T) / (16 ** (1 / T) + 4 ** (1 / T) + 1)
        assert high == pytest.approx(odds, abs=1e-4)


def test_it_starts_at_the_plain_softmax_and_holds_temperatures_that_one_would_name(
    shown: list[str],
) -> None:
    widgets.temperature_slider(Z, NAMES)
    start = widgets.TEMPERATURES.index(1)
    assert f'max="{len(widgets.TEMPERATURES) - 1}" value="{start}"' in shown[0]
    assert "<p>At T = 1: cat 0.762, dog 0.190, owl 0.048" in shown[0]  # 16/21, 4/21, 1/21
    assert {0.1, 0.2, 0.5, 1, 2, 4, 8, 10, 20, 100} <= set(widgets.TEMPERATURES)
    steps = np.diff(np.log(widgets.TEMPERATURES))
    assert 0.1 < steps.min() < steps.max() < 0.35  # no step is large, and none lost


@pytest.mark.parametrize("T", [0.1, 100])
def test_the_ends_of_the_slider_are_the_two_limits(T: float, shown: list[str]) -> None:
    widgets.temperature_slider(Z, NAMES)
    assert at(T, shown[0])[0] == pytest.approx([1, 0, 0] if T < 1 else [1 / 3] * 3, abs=0.015)


def test_the_slider_takes_logits_that_are_half_precision_and_need_gradients(
    shown: list[str],
) -> None:
    widgets.temperature_slider(Z.half().requires_grad_(), NAMES)
    assert "cat 0.762" in at(1, shown[0])[1]


@pytest.mark.parametrize("channels", [1, 3])
def test_the_image_stands_beside_its_bars(channels: int, shown: list[str]) -> None:
    x = torch.tensor([[0.0, 1.0], [0.2, 0.4]]).expand(channels, 2, 2)
    widgets.temperature_slider(Z, NAMES, x)
    (source,) = re.findall(r'src="data:image/png;base64,([^"]*)"', shown[0])
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(source))))
    ink = 255 * x[0].numpy()
    np.testing.assert_array_equal(pixels[..., 0], (255 - ink if channels == 1 else ink).round())


def test_names_are_no_markup(shown: list[str]) -> None:
    widgets.temperature_slider(Z, ["</script><b>", "dog", "owl"])
    assert "</script><b>" not in shown[0]
    assert data_of(shown[0])["classes"][0] == "</script><b>"


def test_without_a_notebook_it_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    widgets.temperature_slider(Z, NAMES)
    assert capsys.readouterr().out == widgets.INSTEAD + "\n"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"z": Z[None]}, r"z has shape \(1, 3\); give one image's logits, \(K,\): z\[0\]"),
        ({"classes": NAMES[:2]}, "classes has 2 names for 3 logits; give one each"),
        ({"z": Z * float("nan")}, "z holds NaN or infinite numbers"),
        ({"image": torch.zeros(1, 1, 8, 8)}, r"image has shape \(1, 1, 8, 8\); give one image"),
        ({"image": torch.zeros(2, 8, 8)}, r"image has shape \(2, 8, 8\); give one image"),
    ],
    ids=["a batch", "a name missing", "NaN", "images", "two channels"],
)
def test_bad_input_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        widgets.temperature_slider(**{"z": Z, "classes": NAMES} | change)


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
    said = [text.get_text() for text in ax.get_legend().get_texts()]
    assert said == ["all", "the middle 80 of 100"]
    two = {"all": (values, "teacher"), "none": (values, "student")}
    ax = plots.bands([1, 10], two, "t", xlabel="x", ylabel="y")
    said = [text.get_text() for text in ax.get_legend().get_texts()]
    assert said == ["all", "the middle 80 of 100", "none"]


def test_pairs_join_the_values_of_a_seed() -> None:
    ax = plots.pairs(("a", [1, 2], "baseline"), ("b", [3, 5], "student"), "t", ylabel="y")
    assert [list(line.get_ydata()) for line in ax.lines] == [[1, 3], [2, 5]]


def test_a_map_refuses_an_arrow_to_nowhere() -> None:
    boxes = {"a": (0.0, 0.0, "teacher"), "b": (2.0, 0.0, "student")}
    assert len(plots.course_map(boxes, [("a", "b", "01")], "t").patches) == 2
    with pytest.raises(ValueError, match=r"arrows name \['c'\]"):
        plots.course_map(boxes, [("a", "c", "01")], "t")
