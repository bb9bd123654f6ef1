"""Pages made from an executed notebook: alternative texts, covered results, a slider that moves."""

from __future__ import annotations

import os
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from browsing import browser_page
from nbconvert import HTMLExporter, SlidesExporter
from small_course import write

from distill_lessons.course import running

CAPTION = "A line that rises from 1 to 3 & stays <there>."
CELLS = (
    "import matplotlib.pyplot as plt\n"
    "from distill_lessons import plots\n"
    "from distill_lessons.plots.widgets import temperature_slider\n"
    "from distill_lessons.predictions import compare, predict",
    f"plots.show(plt.subplots(figsize=(3, 2))[1], {CAPTION!r})",
    "temperature_slider([5.0, 3.0, 0.5], ['a', 'b', 'c'])",
    "predict('99.which', 'Which wins?', ['the student', 'neither'])",
    "compare('99.which', 'neither')\nprint('what else was said')",
)


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> nbformat.NotebookNode:
    """A notebook as it is stored: executed without a person before it."""
    lesson = write(tmp_path_factory.mktemp("exports"), "99_made", *CELLS)
    env = os.environ | {"DISTILL_LIVE": "0", "DISTILL_RECORD": "0"}
    result = running.execute(lesson, env=env, timeout=180)
    assert result.failure is None, result.failure
    return result.notebook


class Pictures(HTMLParser):
    def __init__(self, source: str) -> None:
        super().__init__()
        self.alts: list[str | None] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.alts.append(dict(attrs).get("alt"))


@pytest.mark.parametrize(
    "exporter",
    [HTMLExporter(), HTMLExporter(template_name="classic"), SlidesExporter()],
    ids=["lab", "classic", "slides"],
)
def test_every_template_keeps_the_alternative_text(
    exporter: HTMLExporter, executed: nbformat.NotebookNode
) -> None:
    page, _ = exporter.from_notebook_node(executed)
    assert Pictures(page).alts == [CAPTION]


def test_a_page_scolds_nobody_covers_the_answer_and_moves(
    executed: nbformat.NotebookNode, tmp_path: Path
) -> None:
    source, _ = HTMLExporter().from_notebook_node(executed)
    file = tmp_path / "page.html"
    file.write_text(source, encoding="utf-8")
    expect = pytest.importorskip("playwright.sync_api").expect
    with browser_page() as page:
        page.route("http*://**", lambda route: route.abort())  # the template's fonts and formulas
        page.goto(file.as_uri(), wait_until="domcontentloaded")
        text = page.locator("body").inner_text()
        assert "Predict. Which wins? (the student / neither)" in text
        assert "what else was said" in text  # on a page only the comparison is covered
        for scolding in ("predicted nothing", "next time", "Run this cell", "No buttons"):
            assert scolding not in text
        answer = page.get_by_text("Measured: neither.")
        expect(answer).to_be_hidden()
        page.get_by_text("What was measured").click()
        expect(answer).to_be_visible()
        page.get_by_label("Temperature T").press("End")
        expect(page.get_by_text("At T = 100: a 0.341, b 0.334, c 0.326")).to_be_visible()
