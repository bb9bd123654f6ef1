import json
import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from distill_lessons.claims import (
    MIME,
    Claim,
    ClaimFailed,
    Effect,
    Shown,
    claim,
    finding,
    mean_effect,
    share_effect,
    statements,
)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Claim]:
    """What the claims under test put before the learner."""
    seen: list[Claim] = []
    monkeypatch.setattr(statements, "_display", seen.extend)
    return seen


@settings(deadline=None)
@given(st.lists(st.floats(-10, 10), min_size=2, max_size=30))
def test_the_interval_is_that_of_scipy(values: list[float]) -> None:
    effect = mean_effect(values)
    assert effect.value == pytest.approx(np.mean(values))
    assert effect.n == len(values)
    assert effect.wins is None  # only differences can win
    assert mean_effect(values, unit="points").wins == sum(v > 0 for v in values)
    if np.std(values) > 1e-6:  # scipy has no interval without spread
        reference = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        assert effect.low == pytest.approx(reference.low, abs=1e-9)
        assert effect.high == pytest.approx(reference.high, abs=1e-9)


def test_the_interval_by_hand() -> None:
    # mean 3, standard deviation 1, t(0.975, 2) = 4.303: 3 ± 4.303 / sqrt(3) = 3 ± 2.484
    effect = mean_effect([2, 3, 4])
    assert (effect.low, effect.high) == pytest.approx((0.516, 5.484), abs=1e-3)


@pytest.mark.parametrize("values", [[], [1.0], np.ones((2, 2))])
def test_an_interval_needs_two_numbers(values: Any) -> None:
    with pytest.raises(ValueError, match="values has shape .* one number per seed, at least two"):
        mean_effect(values)


@pytest.mark.parametrize("value", [0.0, 0.7, -3.0])
def test_equal_values_leave_no_interval_and_no_claim_holds_by_them(value: float) -> None:
    effect = mean_effect([value] * 5, unit="points")
    assert effect.value == pytest.approx(value)
    assert math.isnan(effect.low)
    assert math.isnan(effect.high)
    assert str(effect).endswith(", no interval: all 5 seeds gave the same, " + (
        "5 wins" if value > 0 else "0 wins"
    ))  # fmt: skip
    for above, below in ((value - 1, None), (None, value + 1), (value - 1, value + 1)):
        assert not Claim("x", effect, above, below).holds
    # what is equal but for rounding is equal
    assert math.isnan(mean_effect([0.8 - 0.7, 0.9 - 0.8, 0.5 - 0.4]).low)
    assert not math.isnan(mean_effect([0.5, 0.5, 0.501]).low)


def test_an_exact_number_stays_exact(shown: list[Claim]) -> None:
    claim("Nothing is nothing.", 0.0, below=1e-9)
    assert shown[0].holds


@pytest.mark.parametrize(("count", "n"), [(0, 5), (0, 323), (7, 40), (12, 12)])
def test_the_interval_of_a_share_is_wilsons(count: int, n: int) -> None:
    effect = share_effect([True] * count + [False] * (n - count))
    z = 1.959963984540054
    centre = (count + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * math.sqrt(count * (n - count) / n + z**2 / 4)
    assert effect.value == count / n
    assert (effect.low, effect.high) == pytest.approx((centre - half, centre + half), abs=1e-12)
    assert effect.high > effect.low
    assert (effect.n, effect.unit, effect.per) == (n, "%", "images")


@pytest.mark.parametrize("hits", [[], [0.5, 1.0], np.ones((2, 2)), [math.nan], ["yes"]])
def test_a_share_needs_true_or_false(hits: Any) -> None:
    with pytest.raises(ValueError, match="hits has shape .* one true or false for each of the im"):
        share_effect(hits)


def test_values_that_are_no_numbers() -> None:
    for values in (["a", "b"], [[1.0], [2.0, 3.0]]):
        with pytest.raises(TypeError, match=r"values are not numbers \(.*\); give one per seed"):
            mean_effect(values)


@pytest.mark.parametrize("unit", ["percent", "point", None])
def test_an_unknown_unit_is_refused_at_once(unit: Any) -> None:
    for make in (
        lambda: Effect(1.0, 0.0, 2.0, unit=unit),
        lambda: mean_effect([1.0, 2.0], unit=unit),
        lambda: share_effect([True], unit=unit),
    ):
        with pytest.raises(ValueError, match=f"unit={unit!r} is unknown"):
            make()


@pytest.mark.parametrize("bound", [math.nan, math.inf, -math.inf])
def test_a_bound_that_no_number_could_break(bound: float) -> None:
    with pytest.raises(ValueError, match=f"above={bound} is not a bound; give a finite number"):
        claim("x", 1.0, above=bound)
    with pytest.raises(ValueError, match=f"below={bound} is not a bound"):
        claim("x", 1.0, below=bound)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_an_interval_refuses_what_was_not_measured(bad: float) -> None:
    with pytest.raises(ValueError, match="values holds NaN or infinite numbers; find the run"):
        mean_effect([1.0, bad])


@pytest.mark.parametrize(
    ("effect", "text"),
    [
        (
            Effect(0.094, 0.081, 0.107, 16, 16, "points"),
            "+9.4 points, 95 % interval [+8.1, +10.7], 16 seeds, 16 wins",
        ),
        (Effect(-0.004, -0.01, 0.002, 3, 1, "points"),
         "-0.4 points, 95 % interval [-1.0, +0.2], 3 seeds, 1 win"),
        # just clear of zero: it does not read as if it met it
        (Effect(-0.006, -0.011, -0.0004, 10, 0, "points"),
         "-0.6 points, 95 % interval [-1.1, -0.04], 10 seeds, 0 wins"),
        (Effect(0.981, 0.981, 0.981, unit="%"), "98.1 %"),
        (Effect(1.25e-3, 1.25e-3, 1.25e-3, unit="s"), "0.00125 s"),
        (Effect(0.5, 0.4, 0.6, 5), "0.5, 95 % interval [0.4, 0.6], 5 seeds"),
    ],
)  # fmt: skip
def test_an_effect_reads_as_a_sentence(effect: Effect, text: str) -> None:
    assert str(effect) == text


@pytest.mark.parametrize(
    ("effect", "above", "below", "holds"),
    [
        (Effect(2, 1, 3, 5), 0.9, None, True),
        (Effect(2, 1, 3, 5), 1.0, None, False),  # the end of the interval is not above
        (Effect(2, 1, 3, 5), 1.5, None, False),  # the mean is, the interval is not
        (Effect(2, 1, 3, 5), None, 3.1, True),
        (Effect(2, 1, 3, 5), None, 2.5, False),
        (Effect(0, -0.1, 0.1, 5), -0.2, 0.2, True),
        (Effect(0, -0.3, 0.1, 5), -0.2, 0.2, False),
        (Effect(math.nan, math.nan, math.nan), -1, None, False),
        (Effect(math.nan, -1.0, 1.0), -2, 2, False),
        (Effect(math.inf, math.inf, math.inf), 0, None, False),
        (Effect(2, 1, math.nan, 5), 0, None, False),
    ],
)
def test_a_claim_holds_if_its_whole_interval_does(
    effect: Effect, above: float | None, below: float | None, holds: bool
) -> None:
    assert Claim("x", effect, above, below).holds is holds


def test_a_claim_that_could_not_fail_is_refused() -> None:
    with pytest.raises(ValueError, match=r"claim\('x'\) needs above= or below="):
        claim("x", 1.0)


def test_strict_raises_after_showing(monkeypatch: pytest.MonkeyPatch, shown: list[Claim]) -> None:
    monkeypatch.setenv("DISTILL_STRICT", "1")
    claim("Two is more than one.", 2.0, above=1)
    with pytest.raises(ClaimFailed, match=r"Check: One is more than two\. .*: does not hold here"):
        claim("One is more than two.", 1.0, above=2)
    assert [made.holds for made in shown] == [True, False]


def test_a_learner_is_told_and_not_stopped(
    monkeypatch: pytest.MonkeyPatch, shown: list[Claim]
) -> None:
    monkeypatch.setenv("DISTILL_STRICT", "0")
    claim("One is more than two.", 1.0, above=2)
    assert str(shown[0]).endswith("does not hold here")
    claim("Five points won.", Effect(0.02, 0.01, 0.03, 4, 4, "points"), above=0.05)
    assert str(shown[1]).startswith("Claim: Five points won.")  # no finding


def test_a_script_prints_the_claim(capsys: pytest.CaptureFixture[str]) -> None:
    claim("Five points won.", Effect(0.07, 0.06, 0.08, 4, 4, "points"), above=0.05)
    assert capsys.readouterr().out == (
        "Finding: Five points won.\n"
        "  measured: +7.0 points, 95 % interval [+6.0, +8.0], 4 seeds, 4 wins\n"
        "  needed:   above 5 points\n"
        "  verdict:  holds\n"
    )


def test_ipython_gets_the_claim_as_data() -> None:
    from IPython.core.formatters import DisplayFormatter

    made = Claim("Five points won.", Effect(0.07, 0.06, 0.08, 4, 3, "points"), 0.05, None)
    bundle, _ = DisplayFormatter().format(Shown((made,)))
    (data,) = bundle[MIME]
    assert data == {
        "statement": "Five points won.",
        "value": 0.07,
        "low": 0.06,
        "high": 0.08,
        "n": 4,
        "wins": 3,
        "unit": "points",
        "per": "seeds",
        "shown": "+7.0 points, 95 % interval [+6.0, +8.0], 4 seeds, 3 wins",
        "condition": "above 5 points",
        "holds": True,
        "verdict": "holds",
    }
    assert bundle["text/plain"] == str(made)
    assert "✓ Finding." in bundle["text/html"]


def test_what_could_not_be_measured_is_null_in_json() -> None:
    made = Claim("x", Effect(math.nan, -math.inf, math.inf), 0, None)
    text = json.dumps(Shown((made,))._repr_mimebundle_(), allow_nan=False)  # raises on NaN
    (data,) = json.loads(text)[MIME]
    assert (data["value"], data["low"], data["high"]) == (None, None, None)
    assert data["holds"] is False


def test_numpy_numbers_become_json() -> None:
    half: Any = np.float32(0.5)
    made = Claim("x", Effect(half, half, half, np.int64(3), np.int64(2)), half - 1, None)  # type: ignore[arg-type]
    data = json.loads(json.dumps(made.stored()))
    assert (data["value"], data["n"], data["wins"], data["holds"]) == (0.5, 3, 2, True)


def test_html_is_escaped() -> None:
    made = Claim("accuracy < 50 & <script>x</script>", Effect(1, 1, 1), 0, None)
    page = Shown((made,))._repr_mimebundle_()["text/html"]
    assert "accuracy &lt; 50 &amp; &lt;script&gt;" in page
    assert "<script" not in page


def test_no_zero_has_a_minus() -> None:
    assert str(Effect(-0.0001, -0.0004, 0.0002, 5, unit="points")) == (
        "+0.0 points, 95 % interval [+0.0, +0.0], 5 seeds"
    )
    assert str(Effect(-0.0004, -0.0004, -0.0004, unit="%")) == "0.0 %"


# --- findings and checks -------------------------------------------------------------------------

WON = Claim("It wins.", Effect(0.07, 0.06, 0.08, 4, 4, "points"), 0.05, None)
LOST = Claim("It wins more.", Effect(0.07, 0.04, 0.1, 4, 4, "points"), 0.05, None)


def html_of(*made: Claim) -> str:
    return str(Shown(made)._repr_mimebundle_()["text/html"])


def test_a_claim_with_an_interval_is_drawn_and_an_exact_one_is_a_grey_line() -> None:
    drawn, line = html_of(WON), html_of(Claim("Exact.", Effect(2, 2, 2), 1, None))
    assert "✓ Finding." in drawn
    assert drawn.count("<svg") == 1
    assert "svg" not in line
    assert "✓ Check: Exact. (measured 2, needed above 1)" in line
    broken = html_of(Claim("Exact.", Effect(2, 2, 2), 3, None))
    assert "✗ Check does not hold here." in broken
    # a share of one image has an interval
    assert "✓ Finding." in html_of(Claim("It may.", share_effect([True]), 0.1, None))


def test_claims_in_a_row_become_one_finding_that_says_which_line_fails() -> None:
    both = html_of(WON, LOST)
    assert both.count("<svg") == 2
    assert "? Finding: 1 of 2 lines cannot tell here." in both
    assert "✓ It wins." in both
    assert "? It wins more." in both
    worse = Claim("It wins much more.", WON.effect, 0.2, None)
    all_three = html_of(WON, LOST, worse)
    assert "✗ Finding: 1 of 3 lines do not hold here, 1 of 3 lines cannot tell here." in all_three
    assert "✗ It wins much more." in all_three


def test_an_interval_that_has_the_bound_inside_is_not_said_to_fail() -> None:
    assert str(LOST).endswith("verdict:  cannot tell here")
    assert "? Finding: cannot tell here." in html_of(LOST)
    worse = Claim("It wins much more.", WON.effect, 0.2, None)
    assert str(worse).endswith("verdict:  does not hold here")
    assert "✗ Finding does not hold here." in html_of(worse)
    unknown = Claim("Exact.", Effect(math.nan, math.nan, math.nan), 3, None)
    assert "? Check: cannot tell here." in html_of(unknown)
    assert str(unknown).endswith("cannot tell here")


def test_each_line_of_a_finding_is_data() -> None:
    assert [data["holds"] for data in Shown((WON, LOST))._repr_mimebundle_()[MIME]] == [True, False]


@pytest.mark.parametrize("claim", [WON, LOST, Claim("x", Effect(-3, -4, -2, 4), None, -0.5)])
def test_a_page_that_drops_the_picture_leaves_nothing_of_it_in_the_words(claim: Claim) -> None:
    drawn = html_of(claim)
    picture = drawn[drawn.index("<svg") : drawn.index("</svg>") + len("</svg>")]
    assert re.sub(r"<[^>]*>", "", picture) == ""
    assert "dasharray" in picture


def circles(markup: str) -> list[float]:
    return [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', markup)]


def dashed(markup: str) -> list[float]:
    return [float(x) for x in re.findall(r'<path d="M([\d.]+) 2V26"[^>]*dasharray', markup)]


@pytest.mark.parametrize(("value", "side"), [(2.0, 1), (0.5, -1), (-3.0, -1), (1e6, 1)])
def test_the_picture_puts_the_value_on_its_side_of_the_bound(value: float, side: int) -> None:
    drawn = html_of(Claim("x", Effect(value, value - 0.1, value + 0.1, 3), 1.0, None))
    ((mark,), (bound,)) = circles(drawn), dashed(drawn)
    assert (mark - bound) * side > 0
    assert all(0 <= x <= 300 for x in (mark, bound))


@pytest.mark.parametrize("ends", [(math.nan, math.nan), (-math.inf, math.inf)])
def test_an_interval_without_ends_is_not_drawn(ends: tuple[float, float]) -> None:
    drawn = html_of(Claim("x", Effect(0.5, *ends, 3), 0.0, None))
    assert "stroke-width" not in drawn
    assert "nan" not in re.sub(r'aria-label="[^"]*"', "", drawn.split("<small>")[0])


def test_what_is_made_inside_a_finding_is_shown_together(
    shown: list[Claim], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTILL_STRICT", "1")
    with pytest.raises(ClaimFailed, match=r"One is more than two\."), finding():  # noqa: PT012
        claim("One is more than two.", 1.0, above=2)
        assert shown == []
        claim("Two is more than one.", 2.0, above=1)
    assert [made.holds for made in shown] == [False, True]
    claim("And after it each stands alone.", 2.0, above=1)
    assert len(shown) == 3


def test_an_error_inside_a_finding_shows_what_was_measured(shown: list[Claim]) -> None:
    with pytest.raises(ZeroDivisionError), finding():  # noqa: PT012
        claim("Two is more than one.", 2.0, above=1)
        1 / 0  # noqa: B018
    assert len(shown) == 1
    with pytest.raises(ValueError, match="inside of another"), finding(), finding():
        pass
    claim("All is as before.", 2.0, above=1)
    assert len(shown) == 2
