"""The machinery of exercises on made-up ones: verdicts, words for what differs, solutions."""

from __future__ import annotations

import math
import sys
import warnings
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from distill_lessons.exercises import catalogue, sections, showing
from distill_lessons.exercises.compare import MOST_NUMBERS, difference, plain
from distill_lessons.exercises.exercise import Exercise, NotSolved
from distill_lessons.exercises.parts import Case, Judging, Mistake, Solution

SOLVED = '''
exercise = None

# ==== Judging ==============================

ratio = "no solution"

# ==== Solution =============================

import torch


# Dividing first keeps the order of the classes.
# The softmax then makes them sum to 1.
def soft(z, T):
    """A docstring."""
    return torch.softmax(z / T, 1)


# The fourth root.
ratio = 10.0

# Only the second one saw the same data.
control = "b"
'''


def cases(seed: int) -> list[Case]:
    dice = torch.Generator().manual_seed(seed)
    return [
        Case("z = [[0, 1]], T = 2", (torch.tensor([[0.0, 1.0]]), 2.0)),
        Case("z of shape (3, 5), T = 4", (torch.randn(3, 5, generator=dice), 4.0)),
    ]


def made(name: str, kind: str, **more: object) -> Exercise:
    texts = {"title": "A title", "difficulty": "easy", "importance": "high", "minutes": 3}
    hints = ("First.", "Second.")
    return Exercise(kind=kind, hints=hints, lesson="99", name=name, **texts, **more)


def solved(name: str, answer: object) -> Solution:
    return Solution(answer, sections.solution(SOLVED, name))


def soften(z, T):
    return (z / T).softmax(1)


NO_T = Mistake("no T", lambda z, T: z.softmax(1), "T is not used.")
JUDGED = Judging(soften, (NO_T,))
ROOT = Judging(mistakes=(Mistake("root", 100.0, "That is the square root."),))
SOFT = made("soft", "code", cases=cases, judged_by=JUDGED, solved_by=solved("soft", soften))
RATIO = made("ratio", "read", judged_by=ROOT, solved_by=solved("ratio", 10.0))
CONTROL = made(
    "control",
    "read",
    options=("a", "b", "c"),
    judged_by=Judging(),
    solved_by=solved("control", "b"),
)


@pytest.fixture(autouse=True)
def no_hint_was_shown(monkeypatch):
    monkeypatch.setattr(showing, "_hints_shown", Counter())


@pytest.mark.parametrize(
    ("answer", "state", "said"),
    [
        (None, "not attempted", ""),
        (..., "not attempted", ""),
        (lambda z, T: None, "not attempted", "it lacks a return"),
        (lambda z, T: (z / T).softmax(1), "correct", ""),
        (lambda z, T: (z / T).softmax(1).double().numpy(), "correct", ""),
        (lambda z, T: [[float(v) for v in row] for row in (z / T).softmax(1)], "correct", ""),
        (
            NO_T.answer,
            "not yet",
            "T is not used.\nOn z = [[0, 1]], T = 2: the largest difference is at [0, 0]",
        ),
        (lambda z, T: (z / T).softmax(1) / 10, "not yet", "ten times too small"),
        (lambda z, T: -(z / T).softmax(1), "not yet", "the sign is flipped"),
        (lambda z, T: (z / T).softmax(1) + 1, "not yet", "every number is off by +1"),
        (lambda z, T: (z / T).softmax(1).T, "not yet", "got shape (2, 1) (transposed)"),
        (lambda z, T: (z / T).softmax(1).mean(), "not yet", "expected shape (1, 2), got a single"),
        (lambda z, T: (z / T).softmax(0), "not yet", "expected 0.3775, got 1"),
        (lambda z, T: z * float("nan"), "not yet", "got nan"),
        (lambda z, T: "0.5", "not yet", "expected shape (1, 2), got '0.5'"),
        (lambda z, T: torch.nn.Linear(1, 1), "not yet", "TypeError: a Linear is not an answer"),
        (lambda z, T: z[7], "not yet", "On z = [[0, 1]], T = 2: your code raised IndexError"),
        (lambda z: z, "not yet", "your code raised TypeError"),
        (0.5, "not yet", "soft should be a function, and this is a float"),
        (sys.exit, "not yet", "your code raised"),
    ],
)
def test_a_function_is_judged_by_what_it_returns(answer, state, said):
    verdict = SOFT.judge(answer)
    assert verdict.state == state
    assert said in verdict.text


def test_the_line_that_raised_is_named():
    def soft(z, T):
        q = z / T
        return q.softmax(9)

    assert "at the line `return q.softmax(9)`" in SOFT.judge(soft).text


def test_not_implemented_is_not_attempted():
    def soft(z, T):
        raise NotImplementedError

    assert SOFT.judge(soft).state == "not attempted"


def test_an_answer_that_spoils_its_arguments_spoils_nothing_else():
    def soft(z, T):
        z /= T
        return z.softmax(1)

    assert SOFT.judge(soft).text.startswith("On z = [[0, 1]], T = 2: your function changes z")
    assert SOFT.judge(soften).state == "correct"
    assert SOFT.judge(lambda z, T: z.zero_().softmax(1)).state == "not yet"


def test_the_code_as_it_was_given_is_not_attempted():
    bug = made(
        "soft",
        "bug",
        cases=cases,
        judged_by=Judging(soften, (Mistake("as given", NO_T.answer, "", given=True),)),
    )
    verdict = bug.judge(NO_T.answer)
    assert verdict.state == "not attempted"
    assert "as it was given" in verdict.text
    assert "expected 0.3775, got 0.2689" in verdict.text


@pytest.mark.parametrize(
    ("answer", "state", "said"),
    [
        (None, "not attempted", ""),
        (10, "correct", ""),
        (torch.tensor(10.0), "correct", ""),
        (100.0, "not yet", "That is the square root."),
        (9.0, "not yet", "9 is too small."),
        (11.0, "not yet", "11 is too large."),
        ("ten", "not yet", "The answer is a number"),
        (print, "not yet", "holds no answer"),
    ],
)
def test_a_number_is_judged_without_saying_the_right_one(answer, state, said):
    verdict = RATIO.judge(answer)
    assert verdict.state == state
    assert said in verdict.text
    assert "10" not in verdict.text.replace("100", "")


@pytest.mark.parametrize(
    ("answer", "state", "said"),
    [
        ("b", "correct", ""),
        (" B ", "correct", ""),
        ("B\t", "correct", ""),
        ("c", "not yet", ""),
        ("d", "not yet", 'Answer with one of "a", "b", "c"; control is \'d\'.'),
        (2, "not yet", "Answer with one of"),
    ],
)
def test_a_choice_is_judged(answer, state, said):
    verdict = CONTROL.judge(answer)
    assert (verdict.state, verdict.text) == (state, said) if not said else said in verdict.text


def test_in_a_student_build_values_are_noted_and_solutions_stay_away(capsys):
    control = replace(CONTROL, judged_by=None, solved_by=None)
    assert control.judge("b").state == "noted"
    assert control.judge("d").state == "not yet"  # that much it knows
    soft = replace(SOFT, solved_by=None)
    assert soft.judge(soften).state == "correct"
    soft.solution(sure=True)
    assert "stays with your instructor" in capsys.readouterr().out


def test_check_shows_returns_nothing_and_writes_nothing_to_stderr(capsys, monkeypatch):
    def noisy(z, T):
        warnings.warn("look out", stacklevel=1)
        print("debug", file=sys.stderr)
        return (z / T).softmax(1)

    assert SOFT.check(noisy) is None
    captured = capsys.readouterr()
    assert captured.out == "Correct. Exact.\n"
    assert captured.err == ""


def test_check_raises_only_where_it_is_told_to(monkeypatch, capsys):
    SOFT.check(NO_T.answer)
    monkeypatch.setenv("DISTILL_CHECKS", "raise")
    SOFT.check(soften)
    for answer in (None, NO_T.answer):
        with pytest.raises(NotSolved, match="99.soft: Not"):
            SOFT.check(answer)


def test_in_a_notebook_a_verdict_has_a_sign_and_a_word(front_end):
    SOFT.check(lambda z, T: "<b>")
    markup, text = front_end.outputs[0]
    assert "✗ Not yet." in markup
    assert "&lt;b&gt;" in markup
    assert text.startswith("Not yet. On z")


def test_hints_come_one_by_one(capsys):
    for _ in range(3):
        SOFT.hint()
    assert capsys.readouterr().out.splitlines() == [
        "Hint 1 of 2: First.",
        "Hint 2 of 2: Second.",
        "There is no further hint. ex.soft.solution() shows the solution.",
    ]


def test_the_solution_asks_first_and_is_a_cell_of_the_notebook(capsys):
    SOFT.solution()
    asked = capsys.readouterr().out
    assert "2 hints you have not seen" in asked
    assert "ex.soft.solution(sure=True)" in asked
    assert "softmax" not in asked
    SOFT.solution(sure=True)
    shown = capsys.readouterr().out
    assert shown.startswith("# Dividing first")
    assert shown.endswith("return torch.softmax(z / T, 1)\n")
    assert RATIO.solved_by.code == "# The fourth root.\nratio = 10.0"


def test_a_file_is_cut_where_its_sections_begin():
    assert sections.upto(SOLVED, "asked") == "\nexercise = None\n"
    assert sections.upto(SOLVED, "judging").endswith('\nratio = "no solution"\n')
    assert sections.upto(SOLVED, "solution") == SOLVED
    for name in ("nothing", "exercise"):  # a name above the last section is no solution
        with pytest.raises(ValueError, match=f"'{name}' has no solution below the line"):
            sections.solution(SOLVED, name)


def test_where_nothing_judges_a_check_only_notes(capsys):
    asked = replace(SOFT, judged_by=None, solved_by=None)
    asked.check(soften)
    assert capsys.readouterr().out == "Noted. Your answer is compared when the lab is graded.\n"
    assert asked.judge(None).state == "not attempted"
    assert asked.judge(0.5).state == "not yet"  # no function: that much it knows
    assert asked.output(soften, cases(0)[0]) == SOFT.expected(0)[0]


# ---- Comparing -----------------------------------------------------------------------------------


class Liar(float):
    """Says that it equals everything."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None


def test_an_object_that_lies_is_no_answer():
    with pytest.raises(TypeError, match="a Liar is not an answer"):
        plain(Liar(3))
    with pytest.raises(TypeError):
        plain(np.array([object()]))


def test_too_large_an_answer_is_refused():
    for value in (np.zeros(MOST_NUMBERS + 1), [0] * (MOST_NUMBERS + 1)):
        with pytest.raises(ValueError, match="more than any exercise"):
            plain(value)


@given(st.lists(st.floats(-1e6, 1e6).filter(lambda v: abs(v) > 1e-3), min_size=1, max_size=5))
def test_what_is_equal_does_not_differ_and_what_is_off_does(numbers):
    assert difference(plain(np.array(numbers)), plain(tuple(numbers)), 1e-3) is None
    off = [*numbers[:-1], numbers[-1] + 0.1 * max(map(abs, numbers))]
    assert difference(off, numbers, 1e-3) is not None
    assert difference([0.0] * len(numbers), numbers, 1e-3) is not None


def test_small_entries_beside_large_ones_are_looked_at():
    assert difference([0.99, 2e-4], [0.99, 1e-4], 1e-3) == (
        "the largest difference is at [1]: expected 0.0001, got 0.0002"
    )


def test_what_rounding_left_of_a_zero_is_shown_as_zero():
    assert difference(-1.6e-7, 2.29, 1e-3) == "expected 2.29, got 0"
    assert difference([1e-9, 1e-8], [1.0, 0.5], 1e-3) == (
        "the largest difference is at [0]: expected 1, got 0"
    )
    assert difference(2e-6, 1e-6, 1e-3) == "expected 1e-06, got 2e-06 (twice too large)"


def test_a_factor_is_named_where_it_says_something():
    assert difference(3.67, 1.0, 1e-3) == "expected 1, got 3.67"
    assert difference(-1.0, 1.0, 1e-3) == "expected 1, got -1 (the sign is flipped)"
    assert difference(10.0, 1.0, 1e-3) == "expected 1, got 10 (ten times too large)"
    assert "(3.67 times too large)" in difference([3.67, 7.34], [1.0, 2.0], 1e-3)


def test_a_zero_may_be_off_by_what_single_precision_leaves():
    assert difference(6.6e-9, 0.0, 1e-3) is None
    assert difference(1e-6, 0.0, 1e-3) is not None


def test_a_way_out_without_return_is_named():
    def soft(z, T):
        return (z / T).softmax(1) if len(z) == 1 else None

    says = SOFT.judge(soft).text
    assert says.endswith("got None; every way through the function has to end in a return.")


def test_rounding_is_not_called_an_error():
    """What is typed to four digits, or computed in single precision another way, is exact."""
    ignorance = catalogue.exercise("01", "loss_of_ignorance")
    assert ignorance.judge(math.log(50)).text == "Exact."
    assert ignorance.judge(3.912).text == "Exact to four digits."
    assert ignorance.judge(4).state == "not yet"  # a round guess is no answer
    softmax = catalogue.exercise("02", "temperature_softmax")
    by_logsumexp = softmax.judge(lambda z, T: (z / T - (z / T).logsumexp(1, keepdim=True)).exp())
    assert by_logsumexp.state == "correct"
    assert by_logsumexp.text == "Exact to four digits."


def test_infinities_match_only_themselves():
    inf = float("inf")
    assert difference([1.0, inf], [1.0, inf], 1e-3) is None
    assert difference([1.0, 5.0], [1.0, inf], 1e-3) is not None
    assert difference([1.0, inf], [1.0, 5.0], 1e-3) is not None
    assert difference([1.0, -inf], [1.0, inf], 1e-3) is not None


def test_a_mistake_that_gives_nan_is_known_by_name():
    nan = float("nan")
    assert difference([1.0, nan], [1.0, nan], 1e-3) is None
    assert difference([nan, 1.0], [1.0, nan], 1e-3) is not None
    overflow = Mistake("overflow", lambda z, T: z * nan, "exp overflows.")
    soft = made("soft", "code", cases=cases, judged_by=Judging(soften, (overflow,)))
    assert soft.judge(lambda z, T: z - nan).text.startswith("exp overflows.\nOn z = [[0, 1]]")


def test_named_properties_are_compared_one_by_one():
    right = {"the loss": 0.5, "the teacher has moved": False}
    assert difference(dict(right), right, 1e-3) is None
    wrong = right | {"the teacher has moved": True}
    assert difference(wrong, right, 1e-3) == "the teacher has moved: expected False, got True"
    assert difference({"the loss": 0.5}, right, 1e-3) == (
        "expected the loss, the teacher has moved"
    )
    assert difference(0.5, right, 1e-3) is not None


def test_a_truth_is_no_number():
    assert difference(1, True, 1e-3) is not None
    assert difference(True, True, 1e-3) is None


def test_outputs_can_be_judged_elsewhere():
    outputs = [SOFT.output(soften, case) for case in SOFT.cases(7)]
    assert SOFT.compare(outputs, 7).state == "correct"
    assert SOFT.compare(outputs, 8).state == "not yet"
    with pytest.raises(ValueError, match="1 outputs for 2 cases"):
        SOFT.compare(outputs[:1], 7)
