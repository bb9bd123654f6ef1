"""The figures of single models: marks that can be told apart, none cut off; titles that follow."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from distill_lessons import plots
from distill_lessons.plots import wording


@pytest.fixture(autouse=True)
def theme():
    plots.use_theme()
    yield
    plt.close("all")


def test_a_bin_of_one_image_does_not_look_like_evidence() -> None:
    table = pd.DataFrame({"confidence": [0.4, 1.0], "accuracy": [0.0, 1.0], "images": [1, 300]})
    axes = plots.reliability({"one": table, "another": table})
    figure = axes[0].figure
    figure.canvas.draw()
    for ax, name in zip(axes, ("one", "another"), strict=True):
        assert ax.get_title(loc="left") == f"{name}: 300 of 301 images in one bin"
        _, few, _, many, _ = (line.get_ydata() for line in ax.lines)
        assert few[1] - few[0] > 0.7  # one image: the interval spans nearly everything
        assert many[1] - many[0] < 0.02
        written = [text.get_text() for text in ax.texts]
        assert written == ["1", "300"]
        for text in ax.texts:
            assert figure.bbox.contains(*text.get_window_extent().min)
    assert "the intervals of 2 of 2 bins meet the diagonal; 1 hold fewer" in wording.noted(figure)


def test_a_confidence_that_is_not_met_is_counted_as_such() -> None:
    table = pd.DataFrame({"confidence": [0.9], "accuracy": [0.5], "images": [100]})
    (ax,) = plots.reliability({"bold": table})
    assert "the intervals of 0 of 1 bins meet the diagonal" in wording.noted(ax.figure)


def test_models_have_the_colours_of_their_roles_in_a_reliability_diagram() -> None:
    table = pd.DataFrame({"confidence": [0.9], "accuracy": [0.5], "images": [100]})
    axes = plots.reliability({"a": table, "b": table}, roles=["student", "baseline"])
    colours = [ax.lines[-1].get_color() for ax in axes]
    assert colours == [plots.ROLES["student"].color, plots.ROLES["baseline"].color]
    with pytest.raises(ValueError, match="roles=.* are 1 for the 2 models"):
        plots.reliability({"a": table, "b": table}, roles=["student"])


@pytest.mark.parametrize(("valid", "best"), [([3.0, 1.0, 2.0], 2), ([3.0, 2.0, 1.0], 3)])
def test_learning_curves_say_where_the_validation_loss_was_lowest_or_accepted(valid, best) -> None:
    history = pd.DataFrame({"epoch": [1, 2, 3], "train_loss": [3.0, 2.0, 1.0], "valid_loss": valid})
    ax = plots.learning_curves(history)
    assert ax.get_title(loc="left") == f"The validation loss is lowest in epoch {best} of 3"
    ax = plots.learning_curves(history, accept_loss=1.5, accepted=best)
    assert ax.get_title(loc="left") == f"Accepted in epoch {best}, the first at or below 1.5"
    assert ax.texts[0].get_text() == f"accepted: epoch {best}"
    text = wording.noted(ax.figure)
    assert "training loss: 3 at 1, 1 at 3, falling all the way." in text
    assert ("validation loss: 3 at 1, 1 at 3, falling all the way." in text) == (best == 3)


def test_without_an_accepted_epoch_none_is_marked() -> None:
    history = pd.DataFrame({"epoch": [1, 2], "train_loss": [2.0, 1.0]})
    ax = plots.learning_curves(history, accept_loss=0.5)
    assert not ax.texts
    assert ax.get_title(loc="left") == "Loss, epoch by epoch"


def test_a_heatmap_has_the_colours_of_its_limits_and_leaves_blank_what_is_no_number() -> None:
    table = pd.DataFrame({"a": [20.0, 40.0], "b": [np.nan, 60.0]}, index=["x", "y"])
    for limits, ends in ((None, (20, 60)), ((0, 100), (0, 100))):
        ax = plots.heatmap(table, "T", label="v", limits=limits)
        assert ax.collections[0].get_clim() == ends
        assert [text.get_text() for text in ax.texts] == ["20.0", "40.0", "60.0"]


def test_curves_draw_on_given_axes() -> None:
    runs = pd.DataFrame({"T": [1, 1, 4, 4], "accuracy": [0.5, 0.7, 0.8, 0.8], "by": ["a"] * 4})
    _, panels = plt.subplots(1, 2)
    ax = plots.curves(
        runs, "T", "accuracy", "by", "Right", roles={"a": "student"}, xlabel="T", ylabel="%",
        ax=panels[1],
    )  # fmt: skip
    assert ax is panels[1]
    assert ax.lines[0].get_ydata() == pytest.approx([60.0, 80.0])
    assert not panels[0].lines
