"""The viewer of explanations in JupyterLab: its controls move the picture and the words.

Needs Chromium on the machine, as `test_browser` does; without it the test is skipped.
"""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
import test_browser
from test_browser import KERNEL_ANSWERS, LONG, QUIET, READY, SHORT, browser_path, playwright

CELL = """
import numpy as np
from distill_lessons.viewer import explanation_viewer

rng = np.random.default_rng(0)
x, credit = rng.random((3, 1, 6, 6)), rng.normal(size=(3, 1, 6, 6, 4))
maps, others = ({"deep": c, "zero": 0 * c} for c in (credit, 2 * credit))
explanation_viewer(x, maps, list("abcd"), beside=others)
"""
RUN_ALL = "window.jupyterapp.commands.execute('notebook:run-all-cells')"


@pytest.fixture
def page_of_viewer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> str:
    (tmp_path / "notebooks").mkdir()
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    cells = [nbformat.v4.new_code_cell(CELL)]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=kernel)
    nbformat.write(notebook, tmp_path / "notebooks" / "viewer.ipynb")
    monkeypatch.setattr(test_browser, "ROOT", tmp_path)
    monkeypatch.setattr(test_browser, "LESSON", "viewer.ipynb")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    return str(request.getfixturevalue("lab"))


lab = test_browser.lab


def test_class_method_and_image_follow_the_keyboard(page_of_viewer: str, tmp_path: Path) -> None:
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=browser_path(), args=QUIET)
        page = browser.new_page(viewport={"width": 1300, "height": 950})
        page.set_default_timeout(SHORT)
        try:
            page.goto(page_of_viewer)
            page.wait_for_function(READY, timeout=LONG)
            page.evaluate(KERNEL_ANSWERS)
            page.evaluate(RUN_ALL)
            picture = page.locator("img.widget-image")
            picture.wait_for(timeout=LONG)
            words = page.locator(".jp-OutputArea-output .widget-html-content")
            expect = playwright.expect
            expect(words).to_contain_text("Image 0, class a, deep. teacher: sum")
            expect(words).to_contain_text("Cosine between the maps 1.00")
            before = picture.get_attribute("src")
            controls = page.locator(".jp-OutputArea-output .widget-dropdown select")
            controls.nth(0).select_option("c")
            expect(words).to_contain_text("Image 0, class c, deep.")
            expect(picture).not_to_have_attribute("src", str(before))
            page.locator(".widget-slider .noUi-handle").focus()
            page.keyboard.press("ArrowRight")
            expect(words).to_contain_text("Image 1, class c, deep.")
            controls.nth(1).select_option("zero")
            expect(words).to_contain_text("Image 1, class c, zero. teacher: sum +0.00. student: s")
            size = picture.evaluate("img => [img.naturalWidth, img.naturalHeight]")
            assert min(size) > 100
        except Exception:
            page.screenshot(path=tmp_path / "failed.png")
            print("a screenshot is in", tmp_path / "failed.png")
            raise
        finally:
            browser.close()
