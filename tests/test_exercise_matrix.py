"""Every exercise: its solution passes, blank is not attempted, every wrong answer is refused.

And every lesson's notebook asks the exercises that the package declares.
"""

from __future__ import annotations

import ast
import functools
import importlib
import itertools
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from distill_lessons import losses
from distill_lessons.exercises import catalogue, cells, sections, testing
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.verdict import Verdict
from distill_lessons.explain import shap_adapters, similarity
from distill_lessons.grading import marking, sit, student

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
BANK = Path(catalogue.__file__).parent / "bank"
SEEDS = (0, 1)
EVERY = {made.key: made for n in catalogue.LESSONS for made in catalogue.of_lesson(n).values()}
CODE = {key: made for key, made in EVERY.items() if made.cases is not None}


def each(chosen: dict[str, Exercise]) -> Any:
    return pytest.mark.parametrize("exercise", chosen.values(), ids=chosen)


def stored(lesson: str) -> dict[str, Any]:
    (path,) = NOTEBOOKS.glob(f"{lesson}_*.ipynb")
    return json.loads(path.read_text(encoding="utf-8"))


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def wrong_answers(exercise: Exercise) -> dict[str, Any]:
    """The declared mistakes, and what anybody may hand in without thinking."""
    if exercise.cases is None:
        known = {m.name: m.answer for m in exercise.judged_by.mistakes}
        others = {option: option for option in exercise.options}
        if not exercise.options:
            others = {"zero": 0.0, "one": 1.0, "not a number": float("nan"), "a word": "seven"}
        right = exercise.solved_by.answer
        return known | {name: value for name, value in others.items() if value != right}
    if exercise.ask is testing.run:
        return {m.name: m.answer for m in exercise.judged_by.mistakes} | thoughtless(exercise)
    copies = {
        f"copy of argument {i}": lambda *arguments, i=i: arguments[i]
        for i, argument in enumerate(exercise.cases(0)[0].arguments)
        if isinstance(argument, torch.Tensor | np.ndarray | float)
    }
    return {
        **{m.name: m.answer for m in exercise.judged_by.mistakes},
        "zeros": times(exercise.solved_by.answer, 0),
        "constant": constant(exercise),
        "doubled": times(exercise.solved_by.answer, 2),
        **copies,
    }


def thoughtless(exercise: Exercise) -> dict[str, Any]:
    """Tests that anybody may hand in without thinking."""
    solution, calls = exercise.solved_by.answer, itertools.count()

    def returned(program: Callable[..., Any]) -> bool:
        return testing.run(solution, program) is None

    def by_name(program: Callable[..., Any]) -> None:
        assert not any(word in program.__qualname__ for word in ("never", "without", "swapped"))

    def every_second(program: Callable[..., Any]) -> None:
        assert next(calls) % 2

    def turned(program: Callable[..., Any]) -> None:
        assert testing.run(solution, program) is not None

    def calls_it(program: Callable[..., Any]) -> None:
        program()

    return {
        "verdict returned": returned,
        "by its name": by_name,
        "every second": every_second,
        "turned": turned,
        "crash": calls_it,
        "always fails": lambda program: pytest.fail("no"),
        "a constant": lambda program: 0.0,
    }


@functools.cache
def unwatched(exercise: Exercise) -> Exercise:
    """An exercise that lets an answer call what the course's own mistakes are made of.

    A learner makes the same mistake in code of her own.
    """
    if exercise.cases is None:
        return exercise
    right = exercise.judged_by.reference
    judged_by = replace(exercise.judged_by, reference=lambda *arguments: right(*arguments))
    return replace(exercise, not_by=(), given="", judged_by=judged_by)


def times(function: Callable[..., Any], factor: int) -> Callable[..., Any]:
    def scaled(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return type(value)(scaled(part) for part in value)
        if isinstance(value, dict):
            return {name: scaled(part) for name, part in value.items()}
        return value * factor if hasattr(value, "dtype") or isinstance(value, float) else None

    return lambda *arguments: scaled(function(*arguments))


def constant(exercise: Exercise) -> Callable[..., Any]:
    first = exercise.judged_by.reference(*exercise.cases(0)[0].arguments)
    return lambda *arguments: first


@each(EVERY)
def test_the_solution_passes_on_two_seeds(exercise: Exercise) -> None:
    right = exercise.solved_by.answer
    assert right is not None
    for seed in SEEDS:
        assert exercise.judge(right, seed).state == "correct", exercise.judge(right, seed).text


@each(CODE)
def test_seeds_ask_different_questions(exercise: Exercise) -> None:
    assert exercise.expected(0) != exercise.expected(1)
    assert exercise.expected(0) == exercise.expected(0)


@each(EVERY)
def test_blank_is_not_attempted(exercise: Exercise) -> None:
    assert exercise.judge(None).state == "not attempted"
    assert exercise.judge(...).state == "not attempted"
    if exercise.cases is not None:
        assert exercise.judge(lambda *arguments: None).state == "not attempted"


@each(EVERY)
def test_every_wrong_answer_is_refused(exercise: Exercise) -> None:
    wrong = wrong_answers(exercise)
    assert len(wrong) >= 3
    for name, answer in wrong.items():
        for seed in SEEDS:
            assert unwatched(exercise).judge(answer, seed).state != "correct", (name, seed)


@each(EVERY)
def test_classic_mistakes_are_known_by_name(exercise: Exercise) -> None:
    known = exercise.judged_by.mistakes
    assert known, "declare at least one classic mistake"
    assert len({m.name for m in known}) == len(known)
    mended = exercise.kind == "bug" and exercise.cases is not None
    assert sum(m.given for m in known) == mended, "a bug is given once, and only there"
    for mistake in known:
        for seed in SEEDS:
            verdict = unwatched(exercise).judge(mistake.answer, seed)
            if mistake.given:
                assert verdict.state == "not attempted"
                assert "as it was given" in verdict.text
            else:
                assert verdict.state == "not yet"
                assert verdict.text.startswith(mistake.says), (mistake.name, verdict.text)


@each(CODE)
def test_the_right_answer_passes_in_another_style(exercise: Exercise) -> None:
    styles = exercise.solved_by.other_ways
    assert styles, "write the solution another way: numpy, a loop, float64"
    for number, answer in enumerate(styles):
        for seed in SEEDS:
            verdict = exercise.judge(answer, seed)
            assert verdict.state == "correct", (number, verdict.text)


BUGS = {key: made for key, made in CODE.items() if made.kind == "bug"}


@each(BUGS)
def test_the_given_code_is_the_lesson_s_and_is_told_from_other_code(exercise: Exercise) -> None:
    given = source(cells.answer_cells(stored(exercise.lesson))[exercise.name])
    assert exercise.given == given.rstrip() + "\n"
    names: dict[str, Any] = {
        "nn": torch.nn,
        "F": torch.nn.functional,
        "losses": losses,
        "torch": torch,
    }
    names |= {"similarity": similarity, "shap_adapters": shap_adapters}
    for text, state in ((given, "not attempted"), (f"{given}\n\n# a comment", "not attempted")):
        exec(text, names)
        untouched = names[exercise.name]
        assert exercise.judge(untouched).state == graded(exercise, untouched).state == state

    def same(*arguments: Any) -> Any:
        return untouched(*arguments)

    for verdict in (exercise.judge(same), graded(exercise, same)):
        assert verdict.state == "not yet"
        assert verdict.text.startswith("You changed the code, and it still does what the code does")


def graded(exercise: Exercise, answer: Callable[..., Any]) -> Verdict:
    """The verdict of a graded run: asked in one process, told as JSON, compared in another."""
    told = json.dumps(sit.outputs(exercise, answer, list(SEEDS), 600.0))
    return marking._verdict(exercise, json.loads(told), SEEDS)


@each(EVERY)
def test_what_a_learner_reads_is_there(exercise: Exercise) -> None:
    assert exercise.hints
    assert all(hint.endswith((".", "?", "!", "`")) for hint in exercise.hints)
    assert exercise.minutes >= 1
    assert exercise.points >= 1
    code = exercise.solved_by.code
    compile(code, exercise.key, "exec")
    if exercise.cases is None:
        assert code.startswith("#"), "the solution of a value says why, in a comment above it"


@each(EVERY)
def test_a_file_is_asked_judged_and_solved_section_by_section(exercise: Exercise) -> None:
    path = BANK / f"lesson_{exercise.lesson}" / f"{exercise.name}.py"
    text = path.read_text(encoding="utf-8")
    for last, has in {
        "asked": (False, False),
        "judging": (exercise.cases is not None, False),
    }.items():
        module: dict[str, Any] = {"__name__": exercise.name}
        exec(compile(sections.upto(text, last), str(path), "exec"), module)
        assert isinstance(module["exercise"], Exercise)
        assert ("judging" in module, exercise.name in module) == has, last


def test_nothing_that_judges_is_beside_a_submission() -> None:
    sitting, build = student.package(sitting=True), student.package()
    for path in sorted(BANK.rglob("*.py")):
        name = f"distill_lessons/{path.relative_to(BANK.parents[1]).as_posix()}"
        text = path.read_text(encoding="utf-8")
        judges = defined(text) - defined(sections.upto(text, "asked"))
        assert judges or path.stem == "common", f"{name} judges nothing"
        assert not judges & defined(sitting[name].decode()), name
        # A student's own copy judges code answers and has no solutions.
        assert defined(build[name].decode()) == defined(sections.upto(text, "judging")), name


def defined(text: str) -> set[str]:
    """Return what a source defines or imports at its top."""
    found: set[str] = set()
    for node in ast.parse(text).body:
        found |= {alias.asname or alias.name for alias in getattr(node, "names", ())}
        found |= {one.id for one in getattr(node, "targets", ()) if isinstance(one, ast.Name)}
        found |= {node.name} if isinstance(node, ast.FunctionDef | ast.ClassDef) else set()
    return found


@pytest.mark.parametrize("lesson", catalogue.LESSONS)
def test_the_bank_holds_what_the_catalogue_names(lesson: str) -> None:
    files = {file.stem for file in (BANK / f"lesson_{lesson}").glob("*.py")}
    assert files - {"common"} == set(catalogue.LESSONS[lesson].exercises)
    ex = getattr(importlib.import_module("distill_lessons.exercises"), f"lesson_{lesson}")
    assert vars(ex) == catalogue.of_lesson(lesson)


def test_a_lesson_that_is_not_there_cannot_be_imported() -> None:
    with pytest.raises(ImportError, match="lesson_77"):
        from distill_lessons.exercises import lesson_77  # noqa: F401


@pytest.mark.parametrize("lesson", catalogue.LESSONS)
def test_the_lesson_asks_what_is_declared(lesson: str) -> None:
    notebook, declared = stored(lesson), catalogue.of_lesson(lesson)
    assert list(cells.answer_cells(notebook)) == list(cells.check_cells(notebook)) == list(declared)
    assert declared
    if catalogue.LESSONS[lesson].core and lesson != "00":
        assert 4 <= len(declared) <= 7
        assert {made.kind for made in declared.values()} == {"code", "read", "bug"}
    texts = [source(cell) for cell in notebook["cells"]]
    assert any(f"from distill_lessons.exercises import lesson_{lesson} as ex" in t for t in texts)
    for number, (name, made) in enumerate(declared.items(), start=1):
        answer, check = cells.answer_cells(notebook)[name], cells.check_cells(notebook)[name]
        assert made.name == name
        assert made.lesson == lesson
        assert answer["metadata"] == cells.marks(name)
        assert check["metadata"] == cells.marks(name, points=made.points)
        assert source(check).splitlines()[0] == (
            f"ex.{name}.check({name})  # stuck? ex.{name}.hint()"
        )
        (header,) = [t for t in texts if f"### Exercise {number} · {made.title}\n" in t]
        assert (
            f"*Difficulty: {made.difficulty} · importance: {made.importance} · "
            f"{made.minutes} minutes.*"
        ) in header
        for option in made.options:
            assert re.search(rf"\({option[0]}\)", header), f"option {option} is not in the text"


@pytest.mark.parametrize("lesson", catalogue.LESSONS)
def test_the_stored_lesson_is_blank_and_gives_nothing_away(lesson: str) -> None:
    notebook = stored(lesson)
    for name, check in cells.check_cells(notebook).items():
        (output,) = check["outputs"]
        assert "".join(output["data"]["text/plain"]).startswith("Not attempted."), name
    prose = "\n".join(source(c) for c in notebook["cells"] if c["cell_type"] == "markdown")
    assert "<summary>Solution" not in prose
    assert "<summary>Hint" not in prose


def test_the_course_has_enough_exercises() -> None:
    assert len([key for key in EVERY if not key.startswith("00.")]) >= 35
