"""A class, a learner or an answer may be called ``<img src=x onerror=…>``: it stays text.

Everything that the package shows as HTML is shown here at once, in a real browser, and used.
"""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from browsing import browser_page
from nbformat import v4

from distill_lessons import page, predictions, progress
from distill_lessons.claims import Claim, Effect, Shown
from distill_lessons.course import report
from distill_lessons.course.running import Failure, Result
from distill_lessons.exercises.verdict import Verdict
from distill_lessons.plots import theme
from distill_lessons.plots.viewer import explanation_viewer
from distill_lessons.plots.widgets import temperature_slider

EVIL = """<img src=x onerror="window.evil=1">"'</script><script>window.evil=2</script>`&amp;"""


class Elements(HTMLParser):
    """The tags of a page, the sources of its pictures, and its attributes that run code."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.handlers: list[str] = []
        self.sources: list[str | None] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        if tag == "img":
            self.sources.append(dict(attrs).get("src"))


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, live: None) -> list[str]:
    """Everything that goes through `page.show` and `page.replace`."""
    found: list[str] = []

    def keep(markup: str, text: str, **_: Any) -> str:
        found.append(markup)
        return "handle"

    monkeypatch.setattr(page, "show", keep)
    monkeypatch.setattr(page, "replace", lambda handle, markup, text: keep(markup, text))
    monkeypatch.setattr(page, "in_notebook", lambda: True)
    monkeypatch.setattr(progress, "DELAY", 0)
    monkeypatch.setattr(progress, "BETWEEN", 0)
    return found


def everything(shown: list[str]) -> dict[str, str]:
    """Return by what showed it all HTML of the package, with hostile text wherever text goes."""
    parts: dict[str, str] = {}

    def taken(name: str) -> None:
        parts[name] = "\n".join(shown)
        shown.clear()

    classes = [EVIL, f"b{EVIL}", "c"]
    temperature_slider(torch.tensor([3.0, 1.0, 0.0]), classes, np.zeros((1, 2, 2)))
    taken("slider")
    x, maps = (
        np.zeros((2, 1, 2, 2)),
        {EVIL: np.ones((2, 1, 2, 2, 3)), "b": np.ones((2, 1, 2, 2, 3))},
    )
    explanation_viewer(x, maps, classes, y=[0, 1], predicted=[[0, 1], [1, 0]], beside=maps,
                       names=(EVIL, f"b{EVIL}"))  # fmt: skip
    taken("viewer")
    predictions.predict("99.evil", EVIL, [EVIL, "b"], guess=EVIL)
    predictions.compare("99.evil", EVIL, {EVIL: EVIL, "b": "why"})
    predictions.compare("99.other", EVIL)
    taken("prediction")
    theme.show(plt.subplots()[1], f"A caption that is long enough {EVIL}")
    taken("figure")
    for _ in progress.progress([1, 2], EVIL):
        pass
    taken("progress bar")
    made = Claim(EVIL, Effect(1, 0, 2, 3, per=EVIL), 0, None), Claim(EVIL, Effect(1, 1, 1), 0, None)
    bundle = Shown(made)._repr_mimebundle_()
    parts["claim"] = bundle["text/html"]
    parts["verdict"] = Verdict("not yet", EVIL)._repr_mimebundle_()["text/html"]
    outputs = [
        v4.new_output("display_data", bundle),
        v4.new_output(
            "display_data",
            {"image/png": base64.b64encode(b"x").decode()},
            metadata={"image/png": {"alt": EVIL}},
        ),
        v4.new_output("display_data", {"text/html": parts["figure"]}),
    ]
    cells = [v4.new_markdown_cell(f"# {EVIL}"), v4.new_code_cell("x", outputs=outputs)]
    failure = Failure(1, EVIL, EVIL, EVIL)
    name = re.sub("/", "", EVIL)
    result = Result(Path(f"{name}.ipynb"), v4.new_notebook(cells=cells), 1.0, 1, 1, failure)
    parts["report"] = report.render([result], when=EVIL, conditions=[EVIL])
    return parts


def test_hostile_text_becomes_no_element(
    shown: list[str], monkeypatch: pytest.MonkeyPatch, no_figure_stays_open: None
) -> None:
    monkeypatch.setattr(predictions, "_show_widget", lambda *_: None)
    parts = everything(shown)
    for name, source in parts.items():
        assert "window.evil" in source, f"{name} does not show the text"
        elements = Elements(source)
        assert elements.handlers == [], name
        pictures = ("data:image/png;base64,", "data:image/webp;base64,")
        assert all(str(s).startswith(pictures) for s in elements.sources), name


def test_hostile_text_runs_in_no_browser(
    shown: list[str], monkeypatch: pytest.MonkeyPatch, no_figure_stays_open: None
) -> None:
    monkeypatch.setattr(predictions, "_show_widget", lambda *_: None)
    parts = everything(shown)
    with browser_page() as seen:
        complaints: list[str] = []
        seen.on("pageerror", lambda error: complaints.append(str(error)))
        for name, source in parts.items():
            seen.set_content(f"<!doctype html><meta charset=utf-8>{source}")
            for control in seen.locator("input[type=range], select").all():
                for key in ("End", "Home", "ArrowRight", "ArrowDown"):
                    control.press(key)
            for panel in seen.locator("svg").all():
                panel.hover(force=True)
            seen.wait_for_timeout(50)  # a picture that fails to load says so a moment later
            assert seen.evaluate("window.evil") is None, name
            assert "onerror" in seen.locator("body").inner_html(), name
    assert complaints == []
