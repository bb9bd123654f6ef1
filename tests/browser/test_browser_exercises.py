"""Lesson 00 in JupyterLab as it is: a prediction, a check, a hint, a solution, a choice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lab import Lab

from distill_lessons.exercises import catalogue

TEXTS = (
    'predict("00.gain"',
    'compare("00.gain"',
    "def batch_of_one",
    "ex.batch_of_one.check",
    "does_it_hold =",
    "ex.does_it_hold.check",
)
expect = pytest.importorskip("playwright.sync_api").expect


def test_lesson_00_is_worked_through(lab: Lab, tmp_path: Path) -> None:
    lab.server.record.unlink(missing_ok=True)  # other tests use the same server
    with lab.opened(lab.copy("00_start_here"), tmp_path) as notebook:
        cell = {text: notebook.find(text) for text in TEXTS}
        notebook.run_all()

        compared = notebook.outputs(cell['compare("00.gain"'])
        expect(compared.get_by_text("The result is covered")).to_be_visible()
        field = notebook.outputs(cell['predict("00.gain"']).get_by_role("textbox")
        field.fill("2")
        field.press("Enter")
        compared = notebook.outputs(cell['compare("00.gain"'])
        expect(compared).to_contain_text("You predicted: 2 points. Measured: +")
        expect(compared).to_contain_text("points too low")

        code = "def batch_of_one(x):\n    return x[0]"
        notebook.source(cell["def batch_of_one"], code)
        notebook.run(cell["def batch_of_one"])
        refused = notebook.run(cell["ex.batch_of_one.check"])
        expect(refused).to_contain_text("✗ Not yet. An index takes the first axis away.")
        expect(refused.locator("details[open]")).to_have_count(0)
        for given in (1, 2):
            refused.get_by_role("button", name=f"Hint {given} of 2").click()
            expect(refused.locator("details[open]")).to_have_count(given)
        expect(refused.get_by_role("button", name="Hint")).to_have_count(0)
        expect(refused).to_contain_text("✗ Not yet. An index takes the first axis away.")
        check = "ex.batch_of_one.check"
        notebook.source(cell[check], "ex.batch_of_one.solution(sure=True)")
        solution = notebook.run(cell[check]).locator("pre")
        expect(solution).to_contain_text("return x[:1]")
        assert solution.locator("span[class]").count() > 0  # highlighted, in JupyterLab's theme
        notebook.source(cell["def batch_of_one"], code.replace("[0]", "[:1]"))
        notebook.run(cell["def batch_of_one"])
        notebook.source(cell[check], "ex.batch_of_one.check(batch_of_one)")
        solved = notebook.run(cell[check])
        expect(solved).to_contain_text("Next: exercise 2, ")
        expect(solved).to_contain_text(catalogue.exercise("00", "mean_difference").title)

        choice = notebook.outputs(cell["ex.does_it_hold.check"])
        expect(choice).to_contain_text("○ Not attempted. Choose your answer.")
        choice.get_by_role("button", name="a", exact=True).focus()
        cells = notebook.cells()
        for key in ("ArrowDown", "d", "d"):
            notebook.page.keyboard.press(key)
        assert notebook.cells() == cells
        notebook.page.keyboard.press("Enter")
        expect(choice).to_contain_text("✗ Not yet. a:")
        choice.get_by_role("button", name="c", exact=True).click()
        expect(choice).to_contain_text("✓ Correct. c:")

        notebook.restart()
        notebook.run(notebook.find("lesson_00 as ex"))
        notebook.run(cell["does_it_hold ="])
        again = notebook.run(cell["ex.does_it_hold.check"])
        expect(again).to_contain_text("✓ Correct. c:")
        expect(again.get_by_role("button", name="✓ c")).to_be_visible()
    kept = json.loads(lab.server.record.read_text())
    assert kept["predictions"] == {"00.gain": 2.0, "00.does_it_hold": "c"}
    counts = {key: (entry["state"], entry["tries"]) for key, entry in kept["exercises"].items()}
    assert counts == {"00.batch_of_one": ("solved", 2), "00.does_it_hold": ("solved", 2)}
