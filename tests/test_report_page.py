"""The report in a real browser: on a phone, a laptop and a projector, by day and by night."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import browser
from nbformat import v4
from PIL import Image

from distill_lessons.claims import Claim, Effect, Shown
from distill_lessons.course import report
from distill_lessons.course.running import Failure, Result

WIDTHS = (390, 768, 1280, 1920)

# Everything with words of its own: how far it is from the edges, and whether it can be read.
LOOK = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => {
    const [r, g, b] = numbers(colour).slice(0, 3)
      .map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if ((numbers(colour)[3] ?? 1) > 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    const style = getComputedStyle(element), box = element.getBoundingClientRect();
    if (!own || style.clipPath !== "none" || element.closest("thead, details")) continue;
    if (style.display === "none") continue;
    const pair = [luminance(style.color), luminance(behind(element))].sort((a, b) => b - a);
    found.push({
      text: element.textContent.trim().slice(0, 40), left: box.left, right: box.right,
      contrast: (pair[0] + 0.05) / (pair[1] + 0.05),
    });
  }
  return found;
}"""


@pytest.fixture(scope="module")
def opened() -> Iterator[Any]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    picture = io.BytesIO()
    Image.new("RGB", (900, 300), "white").save(picture, format="png")
    claims = [
        Claim("A claim of the usual length that says in one sentence what it says.",
              Effect(0.094, 0.081, 0.107, 16, 15, "points"), 0.05, None),
        Claim("Tiny.", Effect(-1.2e-5, -3.4e-5, 1e-5, 10), -1e-5, 1e-5),
        Claim("Exact.", Effect(2.235e-8, 2.235e-8, 2.235e-8), None, 1e-6),
    ]  # fmt: skip
    outputs = [v4.new_output("display_data", Shown((one,))._repr_mimebundle_()) for one in claims]
    png = base64.b64encode(picture.getvalue()).decode()
    about = {"image/png": {"alt": "A long white picture, for want of a figure."}}
    outputs.append(v4.new_output("display_data", {"image/png": png}, metadata=about))
    cells = [
        v4.new_markdown_cell("# 04 · When does distillation help, by how much, and when not?"),
        v4.new_code_cell("x", outputs=outputs),
    ]
    line = "students = distillation.distil(students, teacher_logits=teacher_logits, T=4.0)"
    failure = Failure(2, line, "ValueError: T=-1 must be positive.", "Traceback\n" + "x" * 500)
    lesson = Path("07_student_and_teacher_explained.ipynb")
    results = [
        Result(lesson, v4.new_notebook(cells=cells), 31.7, 1, 2, failure),
        Result(lesson, v4.new_notebook(cells=cells), 31.7, 2, 2),
    ]
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(report.render(results, when="today", conditions=["profile cpu · seed 0"]))
    return path.as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_everything_is_in_view_and_can_be_read(
    opened: Any, source: str, width: int, scheme: str
) -> None:
    page = opened.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(source)
    seen: list[dict[str, Any]] = page.evaluate(LOOK)
    assert len(seen) > 50
    outside = [one for one in seen if one["left"] < 0 or one["right"] > width]
    assert outside == []  # nothing to scroll sideways, which keys could not do
    faint = [one for one in seen if one["contrast"] < 4.5]
    assert faint == []
    scrolls = "e => e.scrollWidth > e.clientWidth && getComputedStyle(e).overflowX !== 'visible'"
    assert page.evaluate(f"[...document.querySelectorAll('body *')].filter({scrolls}).length") == 0
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_number_stays_on_one_line(opened: Any, source: str, width: int) -> None:
    page = opened.new_page(viewport={"width": width, "height": 900})
    page.goto(source)
    numbers = page.locator("span.keep")
    assert "−10⁻⁵" in numbers.all_inner_texts()
    lines = "all => all.map(e => new Set([...e.getClientRects()].map(r => r.top)).size)"
    assert set(numbers.evaluate_all(lines)) == {1}


def test_on_a_phone_every_value_has_its_heading(opened: Any, source: str) -> None:
    page = opened.new_page(viewport={"width": 390, "height": 900})
    page.goto(source)
    labels = "all => all.map(e => getComputedStyle(e, '::before').content)"
    shown = page.locator("#claims ~ table tbody tr").first.locator("td").evaluate_all(labels)
    assert shown[2:] == [
        '"Holds"',
        '"Effect"',
        '"95 % interval"',
        '"Over"',
        '"Wins"',
        '"Needed"',
    ]
    # A table for those who hear it, whatever it looks like.
    assert page.get_by_role("table").count() == 2
    assert page.get_by_role("columnheader", name="Effect").count() == 1
