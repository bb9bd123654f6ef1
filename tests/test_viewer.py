"""The viewer of explanations and its figures: what they show, and what they refuse."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure

from distill_lessons import plots
from distill_lessons.plots import viewer

X = torch.linspace(0, 1, 2 * 1 * 2 * 3).view(2, 1, 2, 3)
NAMES = ["cat", "dog"]
# Image 0, class cat: +2 top left, -1 bottom right; class dog the opposite; image 1 all zero.
ATTRIBUTIONS = np.zeros((2, 1, 2, 3, 2))
ATTRIBUTIONS[0, 0, 0, 0] = [2, -2]
ATTRIBUTIONS[0, 0, 1, 2] = [-1, 1]
MAPS = {"deep": ATTRIBUTIONS, "halved": ATTRIBUTIONS / 2}


pytestmark = pytest.mark.usefixtures("no_figure_stays_open")


def parts(box: Any) -> tuple[Any, Any, Any, Any, Any]:
    controls, picture, words = box.children
    return (*controls.children, picture, words)


@pytest.mark.usefixtures("live")
def test_the_viewer_follows_image_class_and_method() -> None:
    image, shown, method, picture, words = parts(viewer.explanation_viewer(X, MAPS, NAMES))
    assert bytes(picture.value[:4]) == b"\x89PNG"
    assert "class cat, deep. Sum +1.00; most for it at row 1, column 1 (+2.00)" in words.value
    assert "most against it at row 2, column 3 (-1.00)" in words.value
    seen = [picture.value]
    shown.value = 1
    assert "class dog, deep. Sum -1.00; most for it at row 2, column 3 (+1.00)" in words.value
    seen.append(picture.value)
    method.value = "halved"
    assert "class dog, halved. Sum -0.50" in words.value
    seen.append(picture.value)
    image.value = 1
    assert words.value == "Image 1, class dog, halved. Sum +0.00."
    seen.append(picture.value)
    assert len(set(seen)) == 4


@pytest.mark.usefixtures("live")
def test_two_models_stand_side_by_side_with_their_agreement() -> None:
    beside = {"deep": -ATTRIBUTIONS, "halved": ATTRIBUTIONS}
    box = viewer.explanation_viewer(X, MAPS, NAMES, beside=beside, names=("one", "two"))
    _, _, method, _, words = parts(box)
    assert "one: sum +1.00" in words.value
    assert "two: sum -1.00" in words.value
    assert "Cosine between the maps -1.00." in words.value
    method.value = "halved"
    assert "Cosine between the maps 1.00." in words.value


@pytest.mark.usefixtures("live")
def test_the_scale_is_shared_by_models_and_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float] = []
    real = viewer.attribution_panel

    def spy(ax: Any, attribution: Any, limit: float, **more: Any) -> Any:
        limits.append(limit)
        return real(ax, attribution, limit, **more)

    monkeypatch.setattr(viewer, "attribution_panel", spy)
    box = viewer.explanation_viewer(
        X, {"deep": ATTRIBUTIONS}, NAMES, beside={"deep": ATTRIBUTIONS * 3}
    )
    parts(box)[1].value = 1
    assert limits == [6.0] * 4


@pytest.mark.usefixtures("live")
def test_colour_channels_are_summed() -> None:
    x = X.expand(-1, 3, -1, -1)
    attributions = np.repeat(ATTRIBUTIONS, 3, axis=1)
    words = parts(viewer.explanation_viewer(x, {"deep": attributions}, NAMES))[-1]
    assert "Sum +3.00" in words.value


@pytest.mark.usefixtures("live")
def test_the_viewer_leaves_no_figure_open() -> None:
    viewer.explanation_viewer(X, MAPS, NAMES)
    assert plt.get_fignums() == []


def test_a_headless_run_gets_a_line_and_no_widget(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISTILL_LIVE", "0")
    assert viewer.explanation_viewer(X, MAPS, NAMES) is None
    assert capsys.readouterr().out == viewer.INSTEAD + "\n"


@pytest.mark.parametrize("progress", ["0", "1"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": X[0]}, r"x has shape \(1, 2, 3\); give images \(N, C, H, W\)"),
        ({"maps": {}}, "maps is empty"),
        ({"classes": ["cat"]}, r"maps\['deep'\] has shape \(2, 1, 2, 3, 2\).* \(2, 1, 2, 3, 1\)"),
        ({"maps": {"deep": ATTRIBUTIONS * np.nan}}, r"maps\['deep'\] holds NaN"),
        ({"beside": {"deep": ATTRIBUTIONS}}, r"beside has the methods \['deep'\]"),
        ({"beside": {**MAPS, "deep": ATTRIBUTIONS[:1]}}, r"beside\['deep'\] has shape \(1, "),
        ({"beside": MAPS, "names": ("one",)}, r"names=\('one',\) must name both models"),
    ],
    ids=["one image", "no method", "a name missing", "NaN", "methods", "shape", "names"],
)
def test_bad_input_is_refused(
    change: dict[str, Any], message: str, progress: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTILL_LIVE", progress)
    given = {"x": X, "maps": MAPS, "classes": NAMES} | change
    with pytest.raises(ValueError, match=message):
        viewer.explanation_viewer(**given)


# --- the static figures --------------------------------------------------------------------------


def test_a_panel_marks_signs_and_keeps_zero_white() -> None:
    ax = Figure().add_subplot()
    picture = plots.attribution_panel(ax, ATTRIBUTIONS[0, 0, ..., 0], 2.0)
    assert picture.get_clim() == (-2.0, 2.0)
    where = {t.get_text(): t.get_position() for t in ax.texts}
    assert where == {"+": (0, 0), "−": (2, 1)}  # zeros get no sign


def test_equal_attributions_share_one_sign_in_their_middle() -> None:
    ax = Figure().add_subplot()
    plots.attribution_panel(ax, np.array([[1.0, 1.0, 1.0, 0.5], [0.0, 0.0, 0.0, 0.0]]), 1.0)
    assert [(t.get_text(), t.get_position()) for t in ax.texts] == [("+", (3, 0)), ("+", (1, 0))]


def test_the_sign_of_a_painted_region_stands_in_its_middle_and_else_on_a_pixel() -> None:
    ax = Figure().add_subplot()
    block = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0]])
    plots.attribution_panel(ax, block, 1.0)
    apart = np.array([[0.0, -1.0, 0.0, -1.0]])  # two pixels of one attribution, no region
    plots.attribution_panel(ax, apart, 1.0)
    assert [t.get_position() for t in ax.texts] == [(0.5, 0.5), (1, 0)]


def test_a_panel_writes_the_attributions_of_regions_at_their_middle() -> None:
    ax = Figure().add_subplot()
    regions = [np.array([0, 3]), np.array([1, 2, 4, 5])]  # a column of one and one of two pixels
    plots.attribution_panel(ax, np.array([[1.5, -2, -2], [1.5, -2, -2]]), 2.0, regions=regions)
    where = {t.get_text(): t.get_position() for t in ax.texts}
    assert where == {"+1.5": (0.0, 0.5), "−2.0": (1.5, 0.5)}


def test_maps_share_one_symmetric_scale_and_stand_beside_their_image() -> None:
    maps = ATTRIBUTIONS[:, 0].transpose(0, 3, 1, 2)  # two images, two classes
    axes = plots.attribution_maps(maps, NAMES, title="t", images=X, rows=["a", "b"])
    assert axes.shape == (2, 3)
    assert {ax.images[0].get_clim() for ax in axes[:, 1:].ravel()} == {(-2.0, 2.0)}
    assert [ax.get_title() for ax in axes[0]] == ["image", "cat", "dog"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"titles": ["one"]}, r"maps has shape \(2, 2, 3\) for 1 titles"),
        ({"maps": np.full((2, 2, 3), np.nan)}, "maps holds NaN or infinite attributions"),
        ({"images": X}, "images has 2 entries for 1 rows of maps"),
        ({"rows": ["a", "b"]}, "rows has 2 entries for 1 rows of maps"),
    ],
    ids=["titles", "NaN", "images", "rows"],
)
def test_maps_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    given = {"maps": np.ones((2, 2, 3)), "titles": NAMES, "title": "t"} | change
    with pytest.raises(ValueError, match=message):
        plots.attribution_maps(**given)


def test_a_panel_needs_channels_summed() -> None:
    with pytest.raises(ValueError, match=r"attribution has shape \(1, 2, 3\); sum over channels"):
        plots.attribution_panel(Figure().add_subplot(), ATTRIBUTIONS[0, ..., 0], 1.0)


def test_error_against_cost_draws_the_mean_of_each_budget() -> None:
    table = pd.DataFrame(
        [("a", 10, 0.1), ("a", 10, 0.3), ("a", 100, 0.1), ("b", 5, 0.5)],
        columns=["method", "rows", "error"],
    )
    ax = plots.error_against_cost(table, "t", exact_rows=1000)
    line = ax.lines[0]
    assert list(line.get_xdata()) == [10, 100]
    assert list(line.get_ydata()) == pytest.approx([20, 10])  # in per cent
    assert ax.get_xscale() == ax.get_yscale() == "log"
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["a", "b"]
