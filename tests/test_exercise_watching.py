"""Functions that answer: arguments left alone, the learner's own work, the last version of it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from distill_lessons import losses
from distill_lessons.claims import mean_effect
from distill_lessons.exercises import unread
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case, Judging
from distill_lessons.grading import sit


def cases(seed: int) -> list[Case]:
    z = torch.tensor([[0.0, 1.0, 3.0]]) + seed
    return [Case("z = [[0, 1, 3]]", (z, 2.0)), Case("z = [[0, 2, 6]]", (2 * z, 4.0))]


def exercise(reference, cases=cases, **more: object) -> Exercise:
    about = {"kind": "code", "difficulty": "easy", "importance": "high", "minutes": 3}
    judged = Judging(reference)
    return Exercise("A", hints=(".",), name="soft", cases=cases, judged_by=judged, **about, **more)


SOFT = exercise(lambda z, T: (z / T).softmax(1))


def in_place(logits, T):
    logits /= T
    return logits.softmax(1)


def through_a_view(z, T):
    flat = z.flatten()
    flat[0] -= 1
    return ((flat + torch.tensor([1.0, 0, 0])).view_as(z) / T).softmax(1)


def through_numpy(z, T):
    z.numpy()[:] *= 2
    return (z / 2 / T).softmax(1)


@pytest.mark.parametrize("answer", [in_place, through_a_view, through_numpy])
def test_an_answer_that_changes_its_arguments_does_not_count(answer) -> None:
    verdict = SOFT.judge(answer)
    assert verdict.state == "not yet"
    name = "logits" if answer is in_place else "z"
    assert verdict.text.startswith(f"On z = [[0, 1, 3]]: your function changes {name} itself")
    assert "Work on a copy" in verdict.text


def test_what_may_change_may() -> None:
    assert exercise(SOFT.judged_by.reference, may_change=(0,)).judge(in_place).state == "correct"


def test_an_answer_without_names_is_told_the_place() -> None:
    verdict = SOFT.judge(lambda *given: in_place(*given))
    assert "your function changes argument 1 itself" in verdict.text


def nets(seed: int) -> list[Case]:
    torch.manual_seed(seed)
    return [Case("a net", (nn.BatchNorm1d(2), [np.ones(2), [1, 2]], {"a": torch.ones(1)}))]


@pytest.mark.parametrize(
    "change",
    [
        lambda net, parts, named: nn.init.zeros_(net.weight),
        lambda net, parts, named: net(torch.randn(4, 2)),  # running statistics
        lambda net, parts, named: parts[0].fill(2),
        lambda net, parts, named: parts[1].append(3),
        lambda net, parts, named: named["a"].add_(1),
        lambda net, parts, named: named.clear(),
    ],
)
def test_whatever_holds_numbers_is_looked_at(change) -> None:
    one = exercise(lambda *given: 1.0, nets)
    assert one.judge(lambda net, parts, named: 1.0).state == "correct"
    assert one.judge(lambda net, parts, named: net.eval() and 1.0).state == "correct"
    verdict = one.judge(lambda net, parts, named: change(net, parts, named) is None or 1.0)
    assert "itself, and whoever calls it" in verdict.text


# --- the learner's own work ----------------------------------------------------------------------


OWN = exercise(SOFT.judged_by.reference, not_by=(losses.soft_targets,))


@pytest.mark.parametrize(
    "answer",
    [
        losses.soft_targets,
        lambda z, T: losses.soft_targets(z, T),
        lambda z, T: torch.stack([losses.soft_targets(row[None], T)[0] for row in z]),
    ],
)
def test_the_package_s_own_function_is_recognised_and_does_not_count(answer) -> None:
    verdict = OWN.judge(answer)
    assert verdict.state == "not yet"
    assert "your code calls the course's own `losses.soft_targets`" in verdict.text
    assert SOFT.judge(answer).state == "correct"


def test_a_function_goes_by_the_name_under_which_a_learner_imports_it() -> None:
    one = exercise(
        lambda values: 1.0, lambda seed: [Case("two", ([1.0, 2.0],))], not_by=(mean_effect,)
    )
    verdict = one.judge(lambda values: mean_effect(values).value)
    assert "the course's own `claims.mean_effect`" in verdict.text


def test_a_bare_except_hides_nothing() -> None:
    def soft(z, T):
        try:
            return losses.soft_targets(z, T)
        except BaseException:
            return (z / T).softmax(1)

    assert "the course's own" in OWN.judge(soft).text
    assert sys.getprofile() is None


def test_the_course_itself_may_call_what_it_wants() -> None:
    one = exercise(losses.soft_targets, not_by=(losses.soft_targets,))
    assert one.judge(lambda z, T: (z / T).softmax(1)).state == "correct"


# --- blank, or not -------------------------------------------------------------------------------


def test_only_a_blank_not_implemented_error_is_blank() -> None:
    def blank(z, T):
        raise NotImplementedError

    def refused_by_torch(z, T):
        raise NotImplementedError("'bool' has no mean")

    assert SOFT.judge(blank).state == "not attempted"
    verdict = SOFT.judge(refused_by_torch)
    assert verdict.state == "not yet"
    assert "your code raised NotImplementedError: 'bool' has no mean" in verdict.text


class _IncompleteInputError(SyntaxError):
    """What Python 3.13 raises for a half-written def."""


def test_half_a_function_is_a_syntax_error_by_whatever_name(monkeypatch) -> None:
    half = "def soft(z, T):"

    class History:
        input_hist_raw = ("", half, "ex.soft.check(soft)")

    class Shell:
        history_manager = History()

        def transform_cell(self, source: str) -> str:
            raise _IncompleteInputError("incomplete input", ("the cell", 1, 16, source))

    monkeypatch.setattr(unread, "_shell", Shell)
    assert unread.syntax_error("soft") == "a syntax error, incomplete input, in line 1 of its cell"
    error = _IncompleteInputError("incomplete input", ("the cell", 1, 16, half))
    assert sit._in_a_line(error) == "SyntaxError: incomplete input (line 1)"


RIGHT = "def batch_of_one(x):\n    return x[:1]"
CHECK = "ex.batch_of_one.check(batch_of_one)"
UNREAD = "Python cannot read your last version"
WRITTEN = (
    ([RIGHT], "Correct."),
    ([RIGHT, "def batch_of_one(x:\n    return x[0]"], UNREAD),
    ([RIGHT, "batch_of_one = = 3"], UNREAD),
    ([RIGHT, "def batch_of_one(x):"], UNREAD),
    ([RIGHT, "def other(:", "print('batch_of_one = 3'"], "Correct."),
    (["def batch_of_one(x:", RIGHT], "Correct."),
    (["def batch_of_one(x:", "%time y = 1", "%%time\n" + RIGHT], "Correct."),
)
NEXT = "---- the next notebook"
# One process for all, since a start takes longer than the rest; each notebook begins anew.
NOTEBOOKS = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for cells in {notebooks!r}:
    print({next!r})
    shell.reset(new_session=True)
    for cell in cells:
        shell.run_cell(cell, store_history=True)
"""


def test_after_a_syntax_error_the_old_function_is_not_judged() -> None:
    first = "from distill_lessons.exercises import lesson_00 as ex"
    notebooks = [[first, *written, CHECK] for written, _ in WRITTEN]
    source = NOTEBOOKS.format(notebooks=notebooks, next=NEXT)
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True)
    _, *outputs = done.stdout.split(NEXT)
    for (written, said), output in zip(WRITTEN, outputs, strict=True):
        assert said in output, (written, output, done.stderr)
