"""Everything that the course shows can be read in JupyterLab's light and dark theme."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab import Lab

expect = pytest.importorskip("playwright.sync_api").expect

ENOUGH = 4.5  # contrast of text, WCAG 2.2, success criterion 1.4.3 (AA)
CONTRAST = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")
# Signs in the viewer stand on the colours of the map and not on the page.
CELLS = {
    "imports": """
import matplotlib.pyplot as plt
import numpy as np
from distill_lessons import page, plots
from distill_lessons.claims import Effect, claim, finding
from distill_lessons.exercises import lesson_00 as ex
from distill_lessons.exercises.verdict import Verdict
from distill_lessons.plots.viewer import explanation_viewer
from distill_lessons.plots.widgets import temperature_slider
from distill_lessons.predictions import compare, predict
from distill_lessons.progress import progress
""",
    "holds": "claim('It holds.', 1.0, above=0)",
    "does not hold": "claim('It does not.', 1.0, above=2)",
    "finding": "with finding():\n"
    "    claim('It wins.', Effect(.07, .06, .08, 4, 4, 'points'), above=.05)\n"
    "    claim('It wins much.', Effect(.07, .06, .08, 4, 4, 'points'), above=.1)",
    "predict": "predict('theme.which', 'Which?', ['one', 'two'], guess='one')",
    "right": "compare('theme.which', 'one')",
    "wrong": "compare('theme.which', 'two')",
    "number": "predict('theme.number', 'How many?', unit='points')",
    "covered": "compare('theme.number', 0.1)",
    "correct": "ex.batch_of_one.check(lambda x: x[:1])",
    "not yet": "ex.batch_of_one.check(lambda x: x[0])",
    "not attempted": "ex.batch_of_one.check(None)",
    "noted": "Verdict('noted', 'Your answer is `kept`.')",
    "choice": "ex.does_it_hold.check(None)",
    "hint": "ex.does_it_hold.hint()",
    "figure": "plots.show(plt.subplots(figsize=(3, 2))[1], 'A figure with nothing in it.')",
    "slider": "temperature_slider([5.0, 3.0, 0.5], ['a', 'b', 'a long name'])",
    "viewer": "explanation_viewer(np.zeros((2, 1, 4, 4)), {'a': np.zeros((2, 1, 4, 4, 3))}, "
    "['a', 'b', 'c'])",
    "progress": "page.show('<progress value=\"1\" max=\"2\"></progress> training: 1 of 2', '')",
}


def test_all_text_stands_out_in_both_themes(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    least: dict[str, float] = {}
    with lab.opened(lab.write("themes", *CELLS.values()), tmp_path) as notebook:
        notebook.run_all()
        for theme in ("JupyterLab Dark", "JupyterLab Light"):
            notebook.theme(theme)
            for number, name in enumerate(CELLS):
                if number == 0:
                    continue
                cell = notebook.outputs(number)
                expect(cell).not_to_be_empty()
                found = cell.evaluate(CONTRAST)
                assert found, f"{name} shows no text"
                assert found[0][0] >= ENOUGH, f"{theme}, {name}: {found[:3]}"
                least[theme] = min(least.get(theme, 99), found[0][0])
            notebook.outputs(2)
            notebook.page.screenshot(path=tmp_path / f"{theme}.png")
    with capsys.disabled():
        print("\nleast contrast:", {theme: round(value, 1) for theme, value in least.items()})


def test_the_measure_itself(lab: Lab, tmp_path: Path) -> None:
    page = lab.browser.new_page()
    page.set_content(
        '<div id="a" style="background:#fff;color:#777">grey</div>'
        '<div id="b" style="background:#111"><p style="color:rgb(255 255 255 / .5)">half</p></div>'
        '<div id="c" style="background:#111"><svg><text fill="#1b7837">sign</text></svg></div>'
    )
    found = {name: page.locator(f"#{name}").evaluate(CONTRAST)[0][0] for name in "abc"}
    # The first and the last as published tables and checkers have them.
    assert found == pytest.approx({"a": 4.48, "b": 5.31, "c": 3.42}, abs=0.05)
    page.close()
