"""What a notebook shows of an exercise: hints, solutions, choices as buttons, where to go on."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from distill_lessons.exercises import catalogue, record, showing

DOES_IT_HOLD = catalogue.exercise("00", "does_it_hold")
DOUBT = catalogue.exercise("02", "doubt")
SOFTMAX = catalogue.exercise("02", "temperature_softmax")


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "progress.json"
    monkeypatch.setenv("DISTILL_RECORD", str(path))
    monkeypatch.setattr(showing, "_hints_shown", Counter())
    return path


def test_a_blank_choice_has_buttons_and_a_click_is_judged(front_end: Any, kept: Path) -> None:
    DOES_IT_HOLD.check(None)
    assert [b.description for b in front_end.buttons(0)] == ["a", "b", "c"]
    assert "○ Not attempted." in front_end.outputs[0][0]
    front_end.choose("a", widget=0)
    assert "✗ Not yet." in front_end.outputs[0][0]
    assert "a: The mean is above 0" in front_end.outputs[0][1]
    front_end.choose("c", widget=0)
    assert "✓ Correct." in front_end.outputs[0][0]
    assert [b.description for b in front_end.buttons(0)] == ["a", "b", "✓ c"]
    assert record.read(kept)[0]["00.does_it_hold"] == {
        "state": "solved",
        "tries": 2,
        "hints": 0,
        "solution": False,
    }


def test_two_parts_are_chosen_one_by_one_in_any_order(front_end: Any, kept: Path) -> None:
    DOUBT.check(None)
    assert [b.description for b in front_end.buttons(0)] == [*"abc", *"123"]
    front_end.choose("2", widget=0)
    assert "Not attempted" in front_end.outputs[0][1]  # half of an answer is none
    front_end.choose("b", widget=0)
    assert front_end.outputs[0][1].startswith("Correct. b2:")


def test_what_was_chosen_is_found_again_and_counted_once(front_end: Any, kept: Path) -> None:
    DOUBT.check(None)
    for part in "b2":
        front_end.choose(part, widget=0)
    DOUBT.check(None)  # in another kernel: nothing but the file is asked
    assert front_end.outputs[-1][1].startswith("Correct. b2:")
    assert [b.description for b in front_end.buttons()] == ["a", "✓ b", "c", "1", "✓ 2", "3"]
    assert record.read(kept)[0]["02.doubt"]["tries"] == 1


def test_a_written_answer_needs_no_buttons(front_end: Any, kept: Path) -> None:
    DOES_IT_HOLD.check("b")
    assert [b.description for b in front_end.buttons()] == ["Hint 1 of 1"]
    assert "✗ Not yet." in front_end.outputs[0][0]


def test_without_a_person_nothing_is_offered(
    front_end: Any, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTILL_LIVE", "0")
    record.note_guess("00.does_it_hold", "c")  # somebody's, and not this run's
    DOES_IT_HOLD.check(None)
    assert front_end.widgets == []
    assert front_end.outputs[0][1] == "Not attempted."


def test_in_a_graded_lab_a_choice_says_what_to_hand_in(front_end: Any, kept: Path) -> None:
    replace(DOES_IT_HOLD, judged_by=None, solved_by=None).check(None)
    front_end.choose("c", widget=0)
    markup, text = front_end.outputs[0]
    assert text.startswith("Noted. c: Your answer is compared when the lab is graded.")
    assert '<code>does_it_hold = "c"</code>' in markup


def test_correct_leads_to_the_next_open_exercise_and_in_the_end_to_the_next_lesson(
    front_end: Any, kept: Path
) -> None:
    names = catalogue.LESSONS["00"].exercises
    assert names == ("batch_of_one", "mean_difference", "does_it_hold")
    DOES_IT_HOLD.check("c")
    assert "Next: exercise 1, A batch of one (2 minutes)." in front_end.outputs[-1][1]
    record.note("00.batch_of_one", state=record.SOLVED, tries=1)
    DOES_IT_HOLD.check("c")
    assert "Next: exercise 2, Find the bug" in front_end.outputs[-1][1]
    record.note("00.mean_difference", state=record.SOLVED, tries=1)
    DOES_IT_HOLD.check("c")
    end = "All 3 exercises of this lesson are solved. Next: lesson 01, "
    assert end + catalogue.LESSONS["01"].title in front_end.outputs[-1][1]


def test_a_hint_has_its_code_and_emphasis_marked(front_end: Any, kept: Path) -> None:
    made = replace(DOES_IT_HOLD, hints=("Use `x < 1`, *not* x*y*z.",))
    made.hint()
    markup, text = front_end.outputs[0]
    assert "Hint 1 of 1:" in markup
    assert "Use <code>x &lt; 1</code>, <em>not</em> x*y*z." in markup
    assert text == "Hint 1 of 1: Use `x < 1`, *not* x*y*z."


def test_a_solution_is_highlighted_where_it_can_be(
    front_end: Any, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds: list[str] = []
    show = showing.page.show
    monkeypatch.setattr(
        showing.page, "show", lambda m, t, kind="text/html": kinds.append(kind) or show(m, t)
    )
    DOES_IT_HOLD.solution(sure=True)
    markup, text = front_end.outputs[0]
    assert markup == f"```python\n{text}\n```"
    assert kinds == ["text/markdown"]
    assert 'does_it_hold = "c"' in text
    assert json.loads(kept.read_text())["exercises"]["00.does_it_hold"]["solution"] is True


def test_a_click_opens_the_next_hint_in_the_box_and_is_counted(front_end: Any, kept: Path) -> None:
    SOFTMAX.check(lambda z, T: z.softmax(1))
    assert "<details" not in front_end.outputs[0][0]
    for number in (1, 2, 3):
        (button,) = front_end.buttons()
        assert button.description == f"Hint {number} of 3"
        button.click()
        markup, text = front_end.outputs[0]
        assert markup.count("<details") == markup.count(" open>") == number
        assert "T is not used" in markup  # the verdict stays
        assert record.read(kept)[0]["02.temperature_softmax"]["hints"] == number
    assert button.layout.display == "none"
    assert "Hint" not in text


def test_hints_and_choices_stand_side_by_side(front_end: Any, kept: Path) -> None:
    DOUBT.check(None)
    front_end.choose("Hint 1 of 2")
    front_end.choose("a", widget=0)
    front_end.choose("1", widget=0)
    markup = front_end.outputs[0][0]
    assert "✗ Not yet." in markup
    assert markup.count("<details") == 1
    front_end.choose("Hint 2 of 2")
    assert "a1: " in front_end.outputs[0][0]
    assert front_end.outputs[0][0].count("<details") == 2


def test_on_a_page_all_hints_can_be_unfolded_and_none_lies_open(
    front_end: Any, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTILL_LIVE", "0")
    SOFTMAX.check(None)
    markup, text = front_end.outputs[0]
    assert text == "Not attempted."
    assert [f"<summary>Hint {n} of 3</summary>" in markup for n in (1, 2, 3)] == [True] * 3
    assert " open>" not in markup
    assert front_end.widgets == []


def test_what_is_solved_needs_no_hint(front_end: Any, kept: Path) -> None:
    SOFTMAX.check(SOFTMAX.solved_by.answer)
    assert front_end.widgets == []
    assert "Hint" not in front_end.outputs[0][0]
    assert front_end.outputs[0][1].startswith("Correct. Exact. Next:")


def test_after_an_exercise_goes_on_whatever_was_answered(capsys: pytest.CaptureFixture) -> None:
    right = SOFTMAX.solved_by.answer
    assert SOFTMAX.yours_or_ours(right) is right
    assert capsys.readouterr().out == "From here on your own temperature_softmax is used.\n"
    for answer in (None, lambda z, T: None, lambda z, T: 1 / 0, "word"):
        assert SOFTMAX.yours_or_ours(answer) is SOFTMAX.judged_by.reference
        assert "the course's temperature_softmax is used" in capsys.readouterr().out
    ours = object()
    assert SOFTMAX.yours_or_ours(None, ours) is ours
    only_asked = replace(SOFTMAX, judged_by=None, solved_by=None)
    assert only_asked.yours_or_ours(right) is right


@pytest.mark.parametrize(
    "half_filled",
    [
        lambda z, T: (z * ...).sum(1),
        lambda z, T: (z.sum(1) - z.sum(1) * ...) / T,
        lambda z, T: ... / T**3,
        lambda z, T: ...,
    ],
)
def test_a_blank_left_in_given_steps_is_not_an_error(half_filled: Any) -> None:
    verdict = catalogue.exercise("02", "entropy_slope").judge(half_filled)
    assert verdict.state == "not attempted"
    assert "still a `...`" in verdict.text
