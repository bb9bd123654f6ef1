"""Predictions in JupyterLab: in any order, after a restart, reopened, with the keyboard alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lab import Lab, Notebook

expect = pytest.importorskip("playwright.sync_api").expect

IMPORTS = """
from distill_lessons.claims import Effect, claim
from distill_lessons.predictions import compare, predict
"""
# Questions in cells 1, 3 and 5, results in 2, 4 and 6.
CELLS = (
    IMPORTS,
    "predict('{0}.points', 'How many points?', unit='points')",
    "print('so much')\ncompare('{0}.points', Effect(0.1, 0.08, 0.12, n=10, unit='points'))",
    "predict('{0}.which', 'Which wins?', ['the student', 'the teacher', 'neither'])",
    "compare('{0}.which', 'neither')\nclaim('They are alike.', 0.0, below=1.0)",
    "predict('{0}.count', 'How many?')",
    "compare('{0}.count', 3.0)",
)
COVERED = "The result is covered: guess first, or open it."


def lesson(lab: Lab, name: str) -> str:
    return lab.write(name, *(cell.format(name) for cell in CELLS))


def choose(notebook: Notebook, number: int, option: str) -> None:
    notebook.outputs(number).get_by_role("button", name=option).click()


def type_in(notebook: Notebook, number: int, text: str) -> None:
    field = notebook.outputs(number).get_by_role("textbox")
    field.fill(text)
    field.press("Enter")


def guesses(lab: Lab, name: str) -> dict[str, Any]:
    kept = json.loads(lab.server.record.read_text())["predictions"]
    return {key.partition(".")[2]: value for key, value in kept.items() if key.startswith(name)}


def test_after_run_all_each_question_finds_its_own_guess_in_any_order_twice(
    lab: Lab, tmp_path: Path
) -> None:
    with lab.opened(lesson(lab, "order"), tmp_path) as notebook:
        notebook.run_all()
        for number in (2, 4, 6):
            expect(notebook.outputs(number)).to_have_text(
                COVERED, use_inner_text=True
            )  # and nothing else of the cell
        # The last question first, its neighbours untouched.
        type_in(notebook, 5, "3")
        expect(notebook.outputs(6)).to_contain_text("You predicted: 3. Measured: 3. Well guessed.")
        expect(notebook.outputs(2)).to_have_text(COVERED, use_inner_text=True)
        choose(notebook, 3, "the student")
        said = notebook.outputs(4)
        expect(said).to_contain_text("You predicted: the student. Measured: neither. Not what")
        expect(said).to_contain_text("✓ Check: They are alike.")
        # Whoever wants to look may.
        notebook.outputs(2).get_by_text(COVERED).click()
        expect(notebook.outputs(2)).to_contain_text("so much")
        expect(notebook.outputs(2)).to_contain_text("Measured: +10.0 points")

        notebook.run_all()
        expect(notebook.outputs(2)).to_have_text(COVERED, use_inner_text=True)
        expect(notebook.outputs(6)).to_contain_text("You predicted: 3. Measured: 3.")
        expect(notebook.outputs(4)).to_contain_text("You predicted: the student.")
        notebook.run(6)
        notebook.run(5)
        expect(notebook.outputs(5).get_by_role("textbox")).to_have_value("3")
        choose(notebook, 3, "neither")
        expect(notebook.outputs(4)).to_contain_text("You predicted: neither. Measured: neither.")
        type_in(notebook, 1, "2")
        expect(notebook.outputs(2)).to_contain_text("Your guess was 8 points too low.")
        assert guesses(lab, "order") == {"count": 3.0, "which": "neither", "points": 2.0}


def test_a_guess_outlives_the_kernel_and_the_notebook_reopened_shows_no_dead_widget(
    lab: Lab, tmp_path: Path
) -> None:
    name = lesson(lab, "restart")
    with lab.opened(name, tmp_path) as notebook:
        notebook.run_all()
        type_in(notebook, 1, "9")
        expect(notebook.outputs(2)).to_contain_text("Well guessed: that lies in the interval.")
        notebook.restart()
        # What no longer works is gone, and the cell says what to do.
        asked = notebook.outputs(3)
        rerun = "No buttons below? Run this cell."
        expect(asked).to_have_text(f"Predict. Which wins? {rerun}", use_inner_text=True)
        expect(asked.get_by_role("button")).to_have_count(0)
        notebook.run_all()
        expect(notebook.outputs(1).get_by_role("textbox")).to_have_value("9")
        expect(notebook.outputs(2)).to_contain_text("You predicted: 9 points.")
        choose(notebook, 3, "neither")
        expect(notebook.outputs(4)).to_contain_text("Right!")
        notebook.save_and_shut_down()
    with lab.opened(name, tmp_path) as notebook:
        expect(notebook.outputs(1)).to_have_text(
            f"Predict. How many points? You predicted: 9 points. {rerun}", use_inner_text=True
        )
        expect(notebook.outputs(4)).to_contain_text("You predicted: neither. Measured: neither.")
        expect(notebook.outputs(5)).to_have_text(f"Predict. How many? {rerun}", use_inner_text=True)
        expect(notebook.outputs(6)).to_have_text(COVERED, use_inner_text=True)
        for number in range(1, 7):
            assert "rror displaying widget" not in notebook.outputs(number).inner_text()
        notebook.run(0)
        choose_again = notebook.run(3).get_by_role("button", name="✓ neither")
        expect(choose_again).to_be_visible()


def test_the_keyboard_is_enough_and_its_keys_stay_in_the_prediction(
    lab: Lab, tmp_path: Path
) -> None:
    with lab.opened(lesson(lab, "keyboard"), tmp_path) as notebook:
        notebook.run_all()
        keys = notebook.page.keyboard
        field = notebook.outputs(1).get_by_label("Your guess, in points")
        field.focus()
        for key in ("ArrowDown", "ArrowUp", "d", "d", "Backspace", "Backspace"):
            keys.press(key)
        keys.type("nan")
        keys.press("Enter")
        expect(notebook.outputs(1).get_by_role("alert")).to_have_text(
            "Write a number, such as 5 or -0.3."
        )
        keys.press("ControlOrMeta+a")
        keys.type("-1,5")
        keys.press("Enter")
        expect(notebook.outputs(1)).to_contain_text("You predicted: -1.5 points.")

        notebook.outputs(3).get_by_role("button", name="the student").focus()
        for key in ("ArrowDown", "ArrowUp", "ArrowLeft", "ArrowRight", "d", "d", "a", "b", "x"):
            keys.press(key)
        assert (notebook.active(), notebook.cells()) == (3, len(CELLS))
        keys.press("Tab")
        keys.press("Tab")
        keys.press("Enter")
        expect(notebook.outputs(4)).to_contain_text("You predicted: neither.")
        # Shift+Enter still runs the cell and goes on.
        notebook.outputs(3).get_by_role("button", name="neither").focus()
        keys.press("Shift+Enter")
        notebook.page.wait_for_function(
            "window.jupyterapp.shell.currentWidget.content.activeCellIndex === 4"
        )
