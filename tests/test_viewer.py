"""The viewer of explanations and its figures: what they show, and what they refuse."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure

from distill_lessons import page, plots
from distill_lessons.plots import viewer

X = torch.linspace(0, 1, 2 * 1 * 2 * 3).view(2, 1, 2, 3)
NAMES = ["cat", "dog"]
# Image 0, class cat: +2 top left, -1 bottom right; class dog the opposite; image 1 all zero.
ATTRIBUTIONS = np.zeros((2, 1, 2, 3, 2))
ATTRIBUTIONS[0, 0, 0, 0] = [2, -2]
ATTRIBUTIONS[0, 0, 1, 2] = [-1, 1]
MAPS = {"deep": ATTRIBUTIONS, "halved": ATTRIBUTIONS / 2}


pytestmark = pytest.mark.usefixtures("no_figure_stays_open")


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(page, "show", lambda markup, text: found.append(markup))
    return found


def data_of(markup: str) -> dict[str, Any]:
    """Return what the script is given; what it makes of that is tested in a browser."""
    (given,) = re.findall(r'querySelector\("\.distill-viewer"\), (.*)\);</script>', markup)
    return dict(json.loads(given))


def attributions(data: dict[str, Any]) -> np.ndarray:
    shape = (len(data["methods"]), len(data["names"]), data["images"], len(data["classes"]))
    shares = np.frombuffer(base64.b64decode(data["shares"]), "<i2").reshape(
        *shape, data["height"], data["width"]
    )
    limits = np.asarray(data["limits"])[:, None, :, None, None, None]
    return np.asarray(shares / viewer.FINEST * limits)


def test_what_is_packed_are_the_attributions_with_channels_summed(shown: list[str]) -> None:
    x, maps = X.expand(-1, 3, -1, -1), {"deep": np.repeat(ATTRIBUTIONS, 3, axis=1)}
    viewer.explanation_viewer(x, maps, NAMES, beside={"deep": maps["deep"] * -3})
    data = data_of(shown[0])
    wanted = 3 * ATTRIBUTIONS[:, 0].transpose(0, 3, 1, 2)
    np.testing.assert_allclose(attributions(data)[0, 0], wanted, atol=1e-3)
    np.testing.assert_allclose(attributions(data)[0, 1], -3 * wanted, atol=1e-3)
    assert data["limits"] == [[18.0, 0.0]]  # shared by models and classes
    pictures = np.frombuffer(base64.b64decode(data["pictures"]), "u1").reshape(2, 2, 3, 3)
    np.testing.assert_array_equal(pictures, (255 * x.numpy()).round().transpose(0, 2, 3, 1))


def test_it_opens_on_the_predicted_class_and_names_label_and_prediction(shown: list[str]) -> None:
    viewer.explanation_viewer(X, MAPS, NAMES, y=torch.tensor([0, 1]), predicted=[1, 1])
    data = data_of(shown[0])
    assert data["first"] == [1, 1]
    assert data["about"] == ["label cat, classified as dog", "label dog, classified as dog"]
    assert '<option value="-1">predicted class</option>' in shown[0]
    viewer.explanation_viewer(X, MAPS, NAMES, y=[0, 1])
    assert data_of(shown[1])["first"] == [0, 1]
    both = torch.tensor([1, 1]), np.array([0, 1])
    viewer.explanation_viewer(X, MAPS, NAMES, predicted=both, beside=MAPS)
    assert data_of(shown[2])["about"][0] == "teacher predicts dog, student predicts cat"


def test_what_leaves_no_choice_has_no_menu(shown: list[str]) -> None:
    viewer.explanation_viewer(X[:1], {"deep": ATTRIBUTIONS[:1]}, NAMES)
    assert re.findall(r'<(?:select|input) name="(\w+)"', shown[0]) == ["class"]
    viewer.explanation_viewer(X, MAPS, NAMES)
    assert re.findall(r'<(?:select|input) name="(\w+)"', shown[1]) == ["image", "class", "method"]


def test_names_are_no_markup(shown: list[str]) -> None:
    evil = "</script><b>"
    viewer.explanation_viewer(X, {evil: ATTRIBUTIONS, "b": ATTRIBUTIONS}, [evil, "dog"])
    assert evil not in shown[0]
    assert data_of(shown[0])["classes"] == [evil, "dog"]


@pytest.mark.parametrize(("live", "most"), [("1", viewer.MOST_LIVE), ("0", viewer.MOST_STORED)])
def test_a_notebook_holds_so_many_images_and_says_how_many(
    live: str, most: int, shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTILL_LIVE", live)
    n = most // (2 * 28 * 28 * 10) + 3
    maps = {"deep": np.ones((n, 1, 28, 28, 10))}
    viewer.explanation_viewer(torch.zeros(n, 1, 28, 28), maps, list("0123456789"))
    assert len(base64.b64decode(data_of(shown[0])["shares"])) <= most
    assert f"The first {n - 3} of {n} images" in shown[0]


def test_nothing_is_kept_back_where_everything_fits(shown: list[str]) -> None:
    viewer.explanation_viewer(X, MAPS, NAMES)
    assert "images are in the notebook" not in shown[0]


def test_without_a_notebook_it_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    viewer.explanation_viewer(X, MAPS, NAMES)
    assert capsys.readouterr().out == viewer.INSTEAD + "\n"


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
        ({"y": [0]}, r"y has shape \(1,\); give class numbers from 0 to 1, shape \(2,\)"),
        ({"predicted": [0, 2]}, "predicted has shape .*; give class numbers from 0 to 1"),
        ({"predicted": [0, 1], "beside": MAPS}, r"predicted has shape \(2,\).*shape \(2, 2\)"),
    ],
    ids=[
        "one image",
        "no method",
        "a name missing",
        "NaN",
        "methods",
        "shape",
        "names",
        "labels",
        "no such class",
        "predictions of one",
    ],
)
def test_bad_input_is_refused(change: dict[str, Any], message: str) -> None:
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


def test_colours_may_end_before_the_largest_attribution_which_is_told_all_the_same() -> None:
    maps = np.array([[[7.0, 1.0, -1.0]]])
    axes = plots.attribution_maps(maps, ["m"], title="t", limit=1.0)
    assert axes[0, 0].images[0].get_clim() == (-1.0, 1.0)
    assert "largest 7 in row 0, column 0" in axes[0, 0].figure.get_label()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"titles": ["one"]}, r"maps has shape \(2, 2, 3\) for 1 titles"),
        ({"maps": np.full((2, 2, 3), np.nan)}, "maps holds NaN or infinite attributions"),
        ({"images": X}, "images has 2 entries for 1 rows of maps"),
        ({"rows": ["a", "b"]}, "rows has 2 entries for 1 rows of maps"),
        ({"limit": 0.0}, "limit=0.0 leaves no scale; give the attribution at its end, > 0"),
    ],
    ids=["titles", "NaN", "images", "rows", "limit"],
)
def test_maps_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    given = {"maps": np.ones((2, 2, 3)), "titles": NAMES, "title": "t"} | change
    with pytest.raises(ValueError, match=message):
        plots.attribution_maps(**given)


def test_a_panel_needs_channels_summed() -> None:
    with pytest.raises(ValueError, match=r"attribution has shape \(1, 2, 3\); sum over channels"):
        plots.attribution_panel(Figure().add_subplot(), ATTRIBUTIONS[0, ..., 0], 1.0)


def test_the_names_of_explainers_lie_on_no_line_and_on_no_other_name() -> None:
    measured = [
        ("gradient", 250, 0.21), ("gradient", 1000, 0.12), ("IG from the mean", 200, 0.165),
        ("IG from zero", 200, 1.8), ("deep", 300, 0.048), ("kernel", 3000, 0.042),
        ("kernel", 60000, 0.006), ("permutation", 1000, 0.047), ("permutation", 62000, 0.0062),
    ]  # fmt: skip
    table = pd.DataFrame(measured, columns=["method", "rows", "error"])
    ax = plots.error_against_cost(table, "t", exact_rows=2e6)
    ax.figure.canvas.draw()
    names = [text.get_window_extent() for text in ax.texts if "exact" not in text.get_text()]
    for i, box in enumerate(names):
        assert not any(box.overlaps(other) for other in names[:i])
        for line in ax.lines[:-1]:
            x, y = np.log(line.get_data())
            fine = np.linspace(x[0], x[-1], 200)
            way = ax.transData.transform(np.exp(np.column_stack([fine, np.interp(fine, x, y)])))
            assert not box.count_contains(way), ax.texts[i + 1].get_text()


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
    assert {"a", "b"} < {t.get_text() for t in ax.texts}
