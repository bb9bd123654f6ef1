import base64
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from nbformat import v4

from distill_lessons import plots
from distill_lessons.claims import Claim, Effect, Shown
from distill_lessons.course import report
from distill_lessons.course.running import Failure, Result

PNG = base64.b64encode(b"not really a picture").decode()
WON = Claim("A < B wins.", Effect(0.094, 0.081, 0.107, 16, 15, "points"), 0.05, None)
LOST = Claim("C wins.", Effect(0.004, -0.014, 0.022, 4, 3, "points"), 0.0, None)
NAN = Claim("D is finite.", Effect(float("nan"), float("nan"), float("nan")), 0.0, None)


def shown(claim: Claim) -> Any:
    return v4.new_output("display_data", Shown((claim,))._repr_mimebundle_())


def picture(alt: str | None) -> Any:
    metadata = {} if alt is None else {"image/png": {"alt": alt, "width": 640}}
    return v4.new_output("display_data", {"image/png": PNG + "\n"}, metadata=metadata)


def lesson(*outputs: Any, name: str = "04_runs", failure: Failure | None = None) -> Result:
    cells = [
        v4.new_markdown_cell("Before.\n\n# When does *distillation* [help](x.md)?\n\n## No"),
        v4.new_code_cell("   "),
        v4.new_code_cell("\nsetup()", execution_count=1),
        v4.new_code_cell("claim(...)\nmore()", execution_count=2, outputs=list(outputs)),
    ]
    return Result(Path(f"{name}.ipynb"), v4.new_notebook(cells=cells), 12.34, 2, 2, failure)


class Page(HTMLParser):
    """What a reader gets from the page: pictures, table rows, text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.tags: list[str] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self.inside = False
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self.rows[-1][-1] = " ".join(self.rows[-1][-1].split())
            self.inside = False

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.inside:
            self.rows[-1][-1] += data


def page(*results: Result) -> tuple[str, Page]:
    source = report.render(results, when="2026-11-21 07:06", conditions=["profile cpu", "torch 9"])
    return source, Page(source)


def test_claims_are_read_from_the_outputs() -> None:
    rows = report.claims_of(lesson(shown(WON), picture("x"), shown(NAN)))
    assert rows[0] == report.ClaimRow(
        lesson="04_runs",
        cell=2,
        line="claim(...)",
        statement="A < B wins.",
        effect="+9.4 points",
        interval="[+8.1, +10.7]",
        repeats="16 seeds",
        wins="15",
        needed="above 5 points",
        holds=True,
        verdict="holds",
    )
    assert (rows[1].effect, rows[1].interval, rows[1].holds) == ("not a number", "", False)


def test_the_page_has_a_row_for_every_claim() -> None:
    _, seen = page(lesson(shown(WON), shown(LOST)))
    assert ["04 [2]", "A < B wins.", "✓ yes", "+9.4 points", "[+8.1, +10.7]", "16 seeds", "15",
            "above 5 points"] in seen.rows  # fmt: skip
    assert ["04 [2]", "C wins.", "✗ no", "+0.4 points", "[−1.4, +2.2]", "4 seeds", "3",
            "above 0 points"] in seen.rows  # fmt: skip


def test_the_page_shows_figures_with_description_and_caption() -> None:
    alt = 'Accuracy "rises" & falls <here>.'
    source, seen = page(lesson(picture(alt), picture(None)))
    assert [image["alt"] for image in seen.images] == [alt, ""]
    assert seen.images[0]["src"] == f"data:image/png;base64,{PNG}"
    assert seen.images[0]["width"] == "640"
    assert seen.text.count(alt) == 1
    assert source.count('<figcaption aria-hidden="true">') == 1  # it was read as the picture's
    assert "This figure has no description." in seen.text
    assert source.count("<figcaption") == 2


def test_the_page_shows_what_the_course_shows_in_a_notebook(
    live: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[str] = []
    monkeypatch.setattr("distill_lessons.page.show", lambda markup, text: stored.append(markup))
    alt = 'Accuracy "rises" & falls <here>.'
    plots.show(Figure(), alt)
    _, seen = page(lesson(v4.new_output("display_data", {"text/html": stored[0]})))
    assert [image["alt"] for image in seen.images] == [alt]
    assert base64.b64decode(seen.images[0]["src"].partition(",")[2]).startswith(b"RIFF")


def test_the_page_stands_alone() -> None:
    source, seen = page(lesson(shown(WON), picture("A picture of something.")))
    assert not {"script", "link", "iframe"} & set(seen.tags)
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", source)
    assert "http" not in source
    assert "url(" not in source


def test_what_a_notebook_says_cannot_become_markup() -> None:
    evil = Claim("<script>x</script>", Effect(1, 1, 1), 0, None)
    failure = Failure(1, "<script>", "E: <script>", "<script>")
    source, _ = page(lesson(shown(evil), picture('"><script>'), failure=failure))
    assert "<script" not in source


def test_the_summary_names_lessons_times_and_conditions() -> None:
    _, seen = page(lesson(shown(WON), shown(LOST)), lesson(name="05_more"))
    assert ["When does distillation help? 04_runs", "✗ claim broken", "1 of 2", "2 of 2",
            "12.3"] in seen.rows  # fmt: skip
    assert ["When does distillation help? 05_more", "✓ ran", "–", "2 of 2", "12.3"] in seen.rows
    assert seen.rows[3][-1] == "24.7"
    assert "profile cpu" in seen.text
    assert "torch 9" in seen.text


def test_a_lesson_without_heading_goes_by_its_name() -> None:
    result = lesson()
    del result.notebook.cells[0]
    result.notebook.cells[0].source = "# only a comment"
    assert report.title_of(result.notebook, "04_runs") == "04_runs"


def test_a_failure_is_shown_with_its_cell_and_traceback() -> None:
    failure = Failure(2, "claim(...)", "KeyError: 'x'", "a long\ntraceback")
    _, seen = page(lesson(shown(WON), failure=failure))
    text = " ".join(seen.text.split())
    assert "✗ Stopped at cell 2, claim(...): KeyError: 'x'" in text
    assert "a long traceback" in text


def test_a_star_in_code_stays_in_the_title() -> None:
    result = lesson()
    result.notebook.cells[0].source = "# Where does `alpha*CE + T^2*KL` *come* from?"
    assert report.title_of(result.notebook, "04_runs") == "Where does alpha*CE + T^2*KL come from?"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("[-3.4e-05, 1e-05]", "[−3.4·10⁻⁵, 10⁻⁵]"),
        ("+0.0 points", "+0.0 points"),
        ("above -1e-05 and below 1e+06", "above −10⁻⁵ and below 10⁶"),
        ("1,258 images, cell [3] `a-1`, T=-1.", "1,258 images, cell [3] a-1, T=−1."),
        ("04_runs, lesson-3, x2, 1e3x, <b>&#39;", "04_runs, lesson-3, x2, 1e3x, <b>&#39;"),
    ],
)
def test_numbers_are_set_as_in_print(text: str, plain: str) -> None:
    assert Page(str(report.typeset(text))).text == plain


def test_what_failed_is_said_first() -> None:
    source, _ = page(lesson(shown(WON), shown(LOST)))
    assert source.index("What failed") < source.index(">Lessons<")
    assert "What failed" not in page(lesson(shown(WON)))[0]


def test_problems_say_which_lesson_cell_and_claim() -> None:
    failure = Failure(2, "f(x)", "KeyError: 'x'")
    early = lesson(name="05_more", failure=Failure(0, "", "the file is not a readable notebook"))
    assert report.problems([lesson(shown(WON), shown(LOST), failure=failure), early]) == [
        "04_runs, cell [2] `claim(...)`: claim does not hold: C wins. "
        "Measured +0.4 points [-1.4, +2.2], needed above 0 points.",
        "04_runs, cell [2] `f(x)`: KeyError: 'x'",
        "05_more: the file is not a readable notebook",
    ]


@pytest.mark.parametrize(
    ("results", "text"),
    [
        ([lesson()], "No claim was made."),
        ([lesson(shown(WON))], "1 claim: it holds."),
        ([lesson(shown(WON), shown(WON))], "2 claims: all hold."),
        ([lesson(shown(WON), shown(LOST))], "1 of 2 claims does not hold here."),
        ([lesson(shown(NAN), shown(LOST))], "2 of 2 claims do not hold here."),
        (
            [lesson(shown(WON), failure=Failure(1, "x", "E"))],
            "1 claim: it holds. 1 lesson did not run to its end.",
        ),
    ],
)
def test_the_verdict_is_a_sentence(results: list[Result], text: str) -> None:
    assert report.verdict(results) == text


@pytest.mark.parametrize("kind", ["image/png", "text/html"])
@pytest.mark.parametrize("odd", [7, None, [1, 2], {}])
def test_what_is_no_text_is_no_figure(kind: str, odd: Any) -> None:
    notebook = lesson(v4.new_output("display_data"), picture("a bar")).notebook
    notebook.cells[-1].outputs[0].data[kind] = odd  # as older versions of nbclient store it
    assert [figure.alt for figure in report.figures_of(notebook)] == ["a bar"]
