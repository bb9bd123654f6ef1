"""Slider, viewer, figures and progress bars in JupyterLab, live and reopened without a kernel."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lab import Lab, Notebook

from distill_lessons.plots import widgets

expect = pytest.importorskip("playwright.sync_api").expect

Z = torch.tensor([5.0, 3.0, 0.5, -1.0])
SHAPE = (3, 1, 4, 5, 4)  # images, channels, height, width, classes
CAPTION = "A line that rises from 1 to 3 & stays <there>."
CELLS = (
    """
import time
import matplotlib.pyplot as plt
import numpy as np
import torch
from distill_lessons import plots
from distill_lessons.plots.viewer import explanation_viewer
from distill_lessons.plots.widgets import temperature_slider
from distill_lessons.progress import progress
""",
    f"temperature_slider({Z.tolist()}, list('abcd'), torch.rand(1, 8, 8))",
    f"""
x = np.random.default_rng(0).random({SHAPE[:4]})
credit = np.random.default_rng(1).normal(size={SHAPE})
maps, others = ({{"deep": c, "zero": 0 * c}} for c in (credit, 2 * credit))
explanation_viewer(x, maps, list("abcd"), y=[3, 2, 1], predicted=([3, 2, 0], [3, 0, 0]),
                   beside=others)
""",
    f"plots.show(plt.subplots(figsize=(3, 2))[1], {CAPTION!r})",
    """
for step in progress(range(100), "training"):
    time.sleep(0.05)
    if step == 60:
        break
print("accepted early")
""",
    "explanation_viewer(x[:1], {'deep': credit[:1]}, list('abcd'))",
)
SLIDER, VIEWER, FIGURE, PROGRESS, ALONE = range(1, 6)


@pytest.fixture(scope="module")
def notebook(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    keep = tmp_path_factory.mktemp("plots")
    with lab.opened(lab.write("plots", *CELLS), keep) as found:
        found.run_all()
        yield found


def milliseconds(control: Any, key: str, times: int = 15) -> float:
    """Press a key again and again; return the median time until the browser has drawn."""
    control.focus()
    seen = []
    for _ in range(times):
        control.evaluate(
            "element => element.addEventListener('input', () => {"
            " const begin = performance.now(); window.drawn = new Promise(done =>"
            " requestAnimationFrame(() => setTimeout(() => done(performance.now() - begin))));"
            "}, {once: true, capture: true})"
        )
        control.press(key)
        seen.append(float(control.evaluate("() => window.drawn")))
    return statistics.median(seen)


def test_every_step_of_the_slider_says_and_draws_what_python_computes(notebook: Notebook) -> None:
    cell = notebook.outputs(SLIDER)
    slider, bars = cell.get_by_label("Temperature T"), cell.locator("rect.bar")
    expect(slider).to_have_attribute("aria-valuetext", widgets.in_words(Z, "abcd", 1))
    slider.press("Home")
    for T in widgets.TEMPERATURES:
        words = widgets.in_words(Z, "abcd", T)
        expect(cell.locator("p")).to_have_text(words)
        expect(cell.locator("output")).to_have_text(f"{T:g}")
        expect(slider).to_have_attribute("aria-valuetext", words)
        if T in (0.1, 4, 100):
            heights = bars.evaluate_all("bars => bars.map(bar => +bar.getAttribute('height'))")
            shares = np.array(heights) / widgets.FULL
            np.testing.assert_allclose(shares, torch.softmax(Z / T, 0), atol=2e-4)
        slider.press("ArrowRight")
    assert notebook.active() == SLIDER  # arrows stay with the slider
    size = cell.get_by_alt_text("the image").evaluate("image => image.naturalWidth")
    assert size == 8


def test_the_viewer_opens_on_the_predicted_class_and_follows_its_controls(
    notebook: Notebook,
) -> None:
    cell = notebook.outputs(VIEWER)
    words, image = cell.locator("p"), cell.get_by_label("image")
    credit = np.random.default_rng(1).normal(size=SHAPE)
    expect(words).to_contain_text("Image 0 (label d, teacher predicts d, student predicts d)")
    expect(words).to_contain_text("class d, deep.")
    values = credit[0, 0, ..., 3]
    row, column = np.unravel_index(values.argmax(), values.shape)  # counted from 0
    expect(words).to_contain_text(f"teacher: sum {values.sum():+.2f}".replace("-", "−"))
    expect(words).to_contain_text(f"most for it at row {row}, column {column}")
    expect(words).to_contain_text("Cosine of the two 1.00.")
    expect(cell.locator(".limit").last).to_have_text(f"+{2 * np.abs(credit[0]).max():.2g}")

    image.press("ArrowRight")
    expect(words).to_contain_text("Image 1 (label c, teacher predicts c, student predicts a)")
    expect(image).to_have_attribute(
        "aria-valuetext", "image 1 (label c, teacher predicts c, student predicts a)"
    )
    cell.get_by_label("class").select_option("b")
    expect(words).to_contain_text("class b, deep.")
    image.press("End")
    expect(words).to_contain_text("Image 2 (label b, teacher predicts a, student predicts a)")
    expect(words).to_contain_text("class b, deep.")  # chosen by hand, it stays
    cell.get_by_label("method").select_option("zero")
    expect(words).to_contain_text("class b, zero. teacher: sum +0.00. student: sum +0.00. Cosine")
    cell.get_by_label("method").select_option("deep")
    assert notebook.active() == VIEWER


def test_the_pointer_reads_a_pixel_of_both_models(notebook: Notebook) -> None:
    cell = notebook.outputs(VIEWER)
    cell.get_by_label("image").press("Home")
    cell.get_by_label("class").select_option("a")
    panel = cell.locator("svg").nth(1)
    box = panel.bounding_box()
    pixel = {"x": box["width"] * 4.5 / 5, "y": box["height"] * 1.5 / 4}
    panel.hover(position=pixel)
    value = np.random.default_rng(1).normal(size=SHAPE)[0, 0, 1, 4, 0]
    said = f"row 1, column 4: teacher {value:+.2f}, student {2 * value:+.2f}".replace("-", "−")
    expect(cell.locator(".read")).to_have_text(said)


def test_what_leaves_no_choice_has_no_control(notebook: Notebook) -> None:
    cell = notebook.outputs(ALONE)
    expect(cell.locator("p")).to_contain_text("Image 0, class a, deep. Sum")
    expect(cell.get_by_role("combobox")).to_have_count(1)
    expect(cell.get_by_role("slider")).to_have_count(0)


def test_how_long_a_key_takes_to_be_seen(
    notebook: Notebook, capsys: pytest.CaptureFixture[str]
) -> None:
    slider = notebook.outputs(SLIDER).get_by_label("Temperature T")
    slider.press("Home")
    bars = milliseconds(slider, "ArrowRight")
    image = notebook.outputs(VIEWER).get_by_label("image")
    panels = statistics.median([milliseconds(image, key, 1) for key in ["End", "Home"] * 8])
    with capsys.disabled():  # measured, not judged
        print(f"\nfrom a key to its picture: slider {bars:.0f} ms, viewer {panels:.0f} ms")


def test_a_figure_has_its_alternative_text(notebook: Notebook) -> None:
    cell = notebook.outputs(FIGURE)
    expect(cell.get_by_role("img", name=CAPTION, exact=True)).to_be_visible()
    expect(cell.locator("figcaption")).to_have_text(CAPTION)


def test_a_long_run_shows_a_bar_and_one_that_ends_early_leaves_none(notebook: Notebook) -> None:
    cell = notebook.begin(PROGRESS)
    expect(cell.get_by_role("progressbar", name="training")).to_be_visible()
    expect(cell.get_by_text("accepted early")).to_be_visible()
    expect(cell.locator("progress, [class*=progress-bar]")).to_have_count(0)
    assert cell.inner_text().strip() == "accepted early"


@pytest.mark.parametrize("trusted", [True, False])
def test_reopened_without_a_kernel_everything_is_there(
    trusted: bool, lab: Lab, notebook: Notebook, tmp_path: Path
) -> None:
    if trusted:
        notebook.save_and_shut_down()
    else:  # a file that came from elsewhere
        text = (lab.server.work / "plots.ipynb").read_text()
        (lab.server.work / "copied.ipynb").write_text(text.replace("accepted", "ended"))
    with lab.opened("plots.ipynb" if trusted else "copied.ipynb", tmp_path) as again:
        image = again.outputs(FIGURE).get_by_role("img", name=CAPTION, exact=True)
        expect(image).to_be_visible()
        for number in range(1, len(CELLS)):
            assert "rror" not in again.outputs(number).inner_text()
        cell = again.outputs(SLIDER)
        expect(cell.locator("p")).to_contain_text("At T = ")
        if trusted:
            cell.get_by_label("Temperature T").press("End")
            expect(cell.locator("p")).to_contain_text("At T = 100:")
            cell = again.outputs(VIEWER)
            cell.get_by_label("image").press("End")
            expect(cell.locator("p")).to_contain_text("Image 2 (label b,")
        else:
            expect(again.outputs(VIEWER)).to_contain_text("Run this cell in Jupyter to choose")
