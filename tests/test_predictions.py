"""Predictions: each belongs to its own question, and covers its result until there is one."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from distill_lessons import predictions
from distill_lessons.claims import Effect
from distill_lessons.exercises import catalogue
from distill_lessons.predictions import compare, predict

POINTS = Effect(0.099, 0.078, 0.12, n=10, unit="points")
LESSONS = sorted((Path(__file__).parents[1] / "notebooks").glob("[0-9][0-9]_*.ipynb"))


@pytest.fixture
def shown(front_end: Any) -> Any:
    return front_end


@pytest.fixture(autouse=True)
def a_new_kernel(monkeypatch) -> None:
    monkeypatch.setattr(predictions, "_questions", {})


def covered(output: list[str]) -> bool:
    return "<details" in output[0]


# --- each guess belongs to its own question ------------------------------------------------------


def test_after_run_all_each_question_finds_its_own_guess_in_any_order(shown: Any) -> None:
    options = ("more", "less")
    for key in ("00.a", "00.b", "00.c"):
        predict(key, f"Which, {key}?", options)
        compare(key, "more")
    answers = shown.outputs[1::2]
    assert all(map(covered, answers))
    shown.choose("less", widget=1)
    assert [covered(answer) for answer in answers] == [True, False, True]
    assert "You predicted: less. Measured: more. Not what you expected" in answers[1][0]
    shown.choose("more", widget=0)
    assert "You predicted: more. Measured: more. Right!" in answers[0][0]
    assert covered(answers[2])
    compare("00.b", "less")  # run again with another result
    assert "You predicted: less. Measured: less. Right!" in shown.outputs[-1][0]


def test_a_question_that_is_asked_again_keeps_its_guess(shown: Any) -> None:
    for _ in range(2):
        predict("00.a", "How many?", unit="points")
        if not shown.outputs[1:]:
            shown.type("10")
    assert "You predicted: 10 points." in shown.outputs[-1][0]
    assert shown.widgets[-1].children[0].value == "10"
    compare("00.a", POINTS)
    assert "Well guessed: that lies in the interval." in shown.outputs[-1][0]


def test_a_changed_mind_changes_the_comparison_and_an_empty_field_covers_it(shown: Any) -> None:
    predict("00.a", "How many?", unit="points")
    compare("00.a", POINTS)
    shown.type("2")
    assert "Your guess was 7.9 points too low." in shown.outputs[1][0]
    shown.type("10")
    assert "Well guessed" in shown.outputs[1][0]
    shown.type("")
    assert covered(shown.outputs[1])


def test_a_guess_of_another_kind_belonged_to_another_version_of_the_question(shown: Any) -> None:
    predict("00.a", "How many?", guess=5)
    compare("00.a", "more")
    assert covered(shown.outputs[-1])


def test_a_guess_outlives_its_kernel(shown: Any, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("DISTILL_RECORD", str(tmp_path / "progress.json"))
    predict("00.a", "How many?", unit="points")
    predict("00.b", "Which?", ("more", "less"))
    shown.type("10", widget=0)
    shown.choose("less", widget=1)
    monkeypatch.setattr(predictions, "_questions", {})
    compare("00.b", "less")  # without its question: the cell above was not run again
    assert "Right!" in shown.outputs[-1][0]
    predict("00.a", "How many?", unit="points")
    assert shown.widgets[-1].children[0].value == "10"
    compare("00.a", POINTS)
    assert "Well guessed" in shown.outputs[-1][0]
    # A run without a person is everybody's, and shows nothing of hers.
    monkeypatch.setattr(predictions, "_questions", {})
    monkeypatch.setenv("DISTILL_LIVE", "0")
    compare("00.b", "less")
    assert covered(shown.outputs[-1])


def test_a_guess_that_cannot_be_kept_says_so_and_counts(shown: Any, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("DISTILL_RECORD", str(tmp_path))  # a folder
    predict("00.a", "Which?", ("more", "less"))
    compare("00.a", "less")
    assert "is not a regular file" not in shown.outputs[0][0]  # nothing was to be kept
    shown.choose("less")
    assert "is not a regular file" in shown.outputs[0][0]
    assert "Right!" in shown.outputs[1][0]


def test_a_guess_at_an_older_version_of_the_question_is_none(
    shown: Any, monkeypatch, tmp_path
) -> None:
    monkeypatch.setenv("DISTILL_RECORD", str(tmp_path / "progress.json"))
    predict("00.a", "Which?", ("more", "less"), guess="less")
    for options in (("higher", "lower"), ()):
        monkeypatch.setattr(predictions, "_questions", {})
        predict("00.a", "Which?", options)
        compare("00.a", "lower" if options else 5.0)
        assert covered(shown.outputs[-1])


# --- what is asked for, and what is refused ------------------------------------------------------


def test_a_number_is_typed_into_a_field_with_a_label(shown: Any) -> None:
    predict("00.a", "How many?", unit="points")
    field, _ = shown.widgets[0].children
    assert field.description == "Your guess, in points"
    assert shown.type("−2,5") == ""
    assert "You predicted: -2.5 points." in shown.outputs[0][0]


@pytest.mark.parametrize("text", ["many", "nan", "inf", "-Infinity", "1e999", "5 6"])
def test_what_is_no_finite_number_is_refused_and_the_last_guess_stays(
    text: str, shown: Any
) -> None:
    predict("00.a", "How many?", unit="%")
    shown.type("3 %")
    assert "Write a number" in shown.type(text)
    assert "You predicted: 3 %." in shown.outputs[0][0]


def test_the_option_that_was_clicked_bears_a_tick(shown: Any) -> None:
    predict("00.a", "Which?", ("more", "less"))
    assert [b.description for b in shown.widgets[0].children] == ["more", "less"]
    shown.choose("less")
    assert [b.description for b in shown.widgets[0].children] == ["more", "✓ less"]


def test_a_guess_can_be_written_as_code(shown: Any) -> None:
    predict("00.a", "Which?", ("more", "less"), guess="less")
    compare("00.a", "less")
    assert "Right!" in shown.outputs[-1][1]


@pytest.mark.parametrize(
    ("guess", "measured", "said"),
    [
        (10, POINTS, "Well guessed: that lies in the interval."),
        ("10", POINTS, "You predicted: 10 points. Measured: +9.9 points, 95 % interval"),
        (2, POINTS, "Your guess was 7.9 points too low."),
        (20.0, POINTS, "Your guess was 10.1 points too high."),
        (-2, POINTS, "Your guess was 11.9 points too low."),
        (12, 0.12, "Measured: +12.0 points. Well guessed."),
        (0, 0.0, "Measured: +0.0 points. Well guessed."),
    ],
)
def test_a_number_is_compared_in_the_unit_that_is_shown(guess, measured, said, shown) -> None:
    predict("00.a", "How many?", unit="points", guess=guess)
    compare("00.a", measured)
    assert said in shown.outputs[-1][1]


def test_reasons_stand_beside_every_option_once_the_result_is_seen(shown: Any) -> None:
    predict("00.a", "Which?", ("more", "less", "neither"))
    compare("00.a", "more", {"more": "It is `1 < 2`.", "less": "No."})
    shown.choose("less")
    markup, text = shown.outputs[1]
    assert "<li><b>more</b>: It is <code>1 &lt; 2</code>.</li><li><b>less</b>: No.</li>" in markup
    assert text.endswith("more: It is `1 < 2`.\nless: No.")


def test_a_reason_for_what_is_no_option_is_refused(shown: Any) -> None:
    predict("00.a", "Which?", ("more", "less"))
    with pytest.raises(ValueError, match="why explains 'fewer', which is none of 'more', 'less'"):
        compare("00.a", "more", {"fewer": "No."})


def test_words_of_a_question_are_no_markup(shown: Any) -> None:
    predict("00.a", "Is a <b> b?", ("<i>yes", "no & no"), guess="<i>yes")
    compare("00.a", "no & no")
    markup = shown.outputs[0][0] + shown.outputs[1][0]
    assert "<i>yes" not in markup
    assert "Is a &lt;b&gt; b?" in markup
    assert "no &amp; no" in markup


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: predict("00.a", "?", ["only one"]), "leaves no choice"),
        (lambda: predict("00.a", "?", unit="miles"), "unit='miles' is unknown"),
        (lambda: predict("00.a", "?", guess="five"), "guess='five' is no number"),
        (lambda: predict("00.a", "?", guess=float("nan")), "guess=nan is no number"),
        (lambda: predict("00.a", "?", ("a", "b"), guess="c"), "guess='c' is none of 'a', 'b'"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message, shown: Any) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# --- without a person ----------------------------------------------------------------------------


def test_without_a_person_the_question_stands_as_text_and_nothing_scolds(
    shown: Any, monkeypatch
) -> None:
    monkeypatch.setenv("DISTILL_LIVE", "0")
    predict("00.a", "How many points are won?", unit="points")
    compare("00.a", POINTS)
    predict("00.b", "Which?", ["the student", "neither"])
    compare("00.b", "neither")
    assert shown.widgets == []
    assert [text for _, text in shown.outputs] == [
        "Predict: How many points are won? (a number, in points)",
        "Measured: +9.9 points, 95 % interval [+7.8, +12.0], 10 seeds.",
        "Predict: Which? (the student / neither)",
        "Measured: neither.",
    ]
    # On a page the result can be opened, and hides nothing else of its cell.
    assert covered(shown.outputs[1])
    assert "style" not in shown.outputs[1][0]


def test_in_a_plain_script_it_is_printed(capsys, live) -> None:
    predict("00.a", "Which?", ["more", "less"])
    compare("00.a", "more")
    assert capsys.readouterr().out == "Predict: Which? (more / less)\nMeasured: more.\n"


# --- in the lessons ------------------------------------------------------------------------------


def keys(notebook: Path, function: str) -> list[str]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    found = []
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and re.search(rf"\b{function}\(", source):
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == function:
                    found.append(ast.literal_eval(node.args[0]))
    return found


@pytest.mark.parametrize("notebook", LESSONS, ids=lambda path: path.stem)
def test_every_question_of_a_lesson_has_a_key_of_its_own_and_one_answer(notebook: Path) -> None:
    asked = keys(notebook, "predict")
    assert asked
    assert all(key.startswith(f"{notebook.stem[:2]}.") for key in asked)
    assert max(Counter(asked).values()) == 1
    exercises = {made.key for made in catalogue.of_lesson(notebook.stem[:2]).values()}
    assert not exercises & {*asked}  # their choices are kept in the same place
    answered = keys(notebook, "compare")
    assert sorted(answered) == sorted(asked)
    text = notebook.read_text(encoding="utf-8")
    for key in asked:  # a question may wait for its answer, never the other way around
        assert text.index(f'predict(\\"{key}') < text.index(f'compare(\\"{key}')
