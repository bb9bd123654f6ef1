"""The wrong programs of lesson 19, and the tests that are to find them.

Every program shows the symptom by which the lesson knows it, and the right one does not. Every
right test fails all wrong programs; every weak one is told which it missed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from distill_lessons import models
from distill_lessons.exercises import catalogue, testing
from distill_lessons.exercises.compare import difference
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.watching import NotCounted
from distill_lessons.faults import listing, losses, measuring, teaching

TESTS = {name: made for name, made in catalogue.of_lesson("19").items() if made.ask is testing.run}
each_test = pytest.mark.parametrize("exercise", TESTS.values(), ids=TESTS)


def faults_of(exercise: Exercise, seed: int) -> list[str]:
    cases = exercise.questions(seed)
    return [case.words[19:-1] for case in cases if case.words.startswith("the wrong program (")]


# --- mutants --------------------------------------------------------------------------------------


@each_test
@pytest.mark.parametrize("seed", [0, 7])
def test_right_tests_fail_every_wrong_program_and_pass_every_right_one(
    exercise: Exercise, seed: int
) -> None:
    cases = exercise.questions(seed)
    wrong = [case.words.startswith("the wrong program") for case in cases]
    assert sum(wrong) >= 5
    assert wrong.count(False) >= 2
    answers = (exercise.solved_by.answer, exercise.judged_by.reference)
    for test in (*answers, *exercise.solved_by.other_ways):
        caught = testing.caught(test, {case.words: case.arguments[0] for case in cases})
        assert list(caught.values()) == wrong, test


@each_test
def test_a_weak_test_is_told_which_programs_it_missed(exercise: Exercise) -> None:
    faults, told = faults_of(exercise, 0), set()
    reference = exercise.judged_by.reference
    # A weak test of ours may be made of what the reference is made of.
    judged_by = replace(exercise.judged_by, reference=lambda program: reference(program))
    for weak in exercise.judged_by.mistakes:
        said = replace(exercise, judged_by=judged_by).judge(weak.answer).text
        for case in exercise.questions(0):
            failed = testing.run(weak.answer, case.arguments[0]) is not None
            if case.words.startswith("the right program"):
                assert (f"It fails {case.words}: AssertionError" in said) == failed
            else:
                fault = case.words[19:-1]
                listed = said.partition("wrong programs pass: ")[2].rstrip(".").split("; ")
                assert (fault in listed) != failed
                told |= set() if failed else {fault}
    assert len(told) >= len(faults) - 1  # what only a good test finds, or a mere glance


@each_test
def test_each_wrong_program_of_the_lesson_is_among_its_mutants(exercise: Exercise) -> None:
    handed = {
        "test_loss": losses.HANDED_OUT,
        "test_asked": teaching.ASK,
        "test_distil": teaching.TEACH,
        "test_accuracy": measuring.SCORE,
        "test_importance": measuring.SHUFFLE,
    }[exercise.name]
    caught = testing.caught(exercise.solved_by.answer, handed)
    right = {losses.kd_loss, teaching.asked, teaching.distil}
    right |= {measuring.accuracy, measuring.importance}
    assert caught == {name: program not in right for name, program in handed.items()}
    assert list(caught.values()).count(False) == 1


# --- the order and the names give nothing away ----------------------------------------------------


@each_test
def test_an_answer_that_knows_the_order_fails_with_another_seed(exercise: Exercise) -> None:
    def by_order(seed: int) -> Callable[[Any], None]:
        wanted = iter(exercise.expected(seed))

        def test(program: Any) -> None:
            assert next(wanted) is None

        return test

    assert exercise.judge(by_order(0), 0).state == "correct"  # so it has to be drawn by the seed
    assert exercise.judge(by_order(0), 1).state == "not yet"


@each_test
def test_programs_bear_no_name(exercise: Exercise) -> None:
    names = {case.arguments[0].__qualname__ for case in exercise.questions(0)}
    assert names == {"program"}


# --- what a test may do ---------------------------------------------------------------------------


def test_what_is_raised_is_told_with_its_line() -> None:
    def test(program: Any) -> None:
        assert program(2) == 5, "two and three"

    said = testing.run(test, lambda value: value + 1)
    assert said is not None
    assert said.startswith("AssertionError: two and three")
    assert "at the line `assert program(2) == 5" in said
    assert testing.run(test, lambda value: value + 3) is None
    assert str(testing.run(lambda program: pytest.fail("no"), len)).startswith("Failed: no")


def test_a_verdict_that_is_returned_is_not_counted() -> None:
    with pytest.raises(NotCounted, match="Say it with `assert`"):
        testing.run(lambda program: True, len)


def test_blank_is_passed_on() -> None:
    def blank(program: Any) -> None:
        raise NotImplementedError

    with pytest.raises(NotImplementedError):
        testing.run(blank, len)
    exercise = TESTS["test_loss"]
    assert exercise.judge(blank).state == "not attempted"
    said = exercise.judge(lambda program: None)
    assert said.state == "not attempted"
    assert "it lacks an `assert` that can fail" in said.text


def test_a_person_who_interrupts_is_heard() -> None:
    def interrupted(program: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        testing.run(interrupted, len)


def test_none_is_expected_or_not() -> None:
    assert difference(None, None, 1e-3) is None
    assert difference("fails", None, 1e-3) == "expected nothing, got 'fails'"
    assert difference(None, "fails", 1e-3) is not None


# --- listings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", [*losses.HANDED_OUT.values(), *teaching.ASK.values()])
def test_a_listing_hides_name_docstring_and_types_and_still_runs(program: Any) -> None:
    code = listing.listing(program, "A")
    assert program.__name__ not in code
    assert '"""' not in code
    assert ": Tensor" not in code.splitlines()[0]
    compile(code, "listing", "exec")


def test_a_listing_can_be_called_as_the_program() -> None:
    first = listing.listing(teaching.never_heard, "J").splitlines()[0]
    assert first == "def J(student, teacher, x, y, epochs=50, seed=0):"


def test_what_is_no_function_is_not_listed() -> None:
    with pytest.raises(TypeError):
        listing.listing(len, "A")
    nameless = lambda x: x  # noqa: E731
    with pytest.raises(TypeError, match="no function with a name"):
        listing.listing(nameless, "A")


# --- symptoms -------------------------------------------------------------------------------------


def logits() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    z_student, z_teacher = torch.randn(2, 8, 4, generator=torch.Generator().manual_seed(0))
    return z_student, z_teacher, torch.arange(8) % 4


def soft_slope(loss: Any, T: float) -> float:
    z_student, z_teacher, y = logits()
    z_student.requires_grad_()
    (slope,) = torch.autograd.grad(loss(z_student, z_teacher, y, T, 0.0), z_student)
    return float(slope.norm())


def teacher_is_ignored(loss: Any) -> bool:
    z_student, z_teacher, y = logits()
    return bool(loss(z_student, z_teacher, y, 4.0, 0.0) == loss(z_student, -z_teacher, y, 4.0, 0.0))


def loss_goes_to_zero(loss: Any) -> bool:
    z, z_teacher, y = logits()
    z.requires_grad_()
    optimizer = torch.optim.Adam([z], lr=0.3)
    for _ in range(60):
        optimizer.zero_grad()
        value = loss(z, z_teacher, y, 4.0, 0.1)
        value.backward()
        optimizer.step()
    return value.item() < 1e-2


def higher_T_weighs_less(loss: Any) -> bool:
    return soft_slope(loss, 16.0) < 0.5 * soft_slope(loss, 4.0)


def more_classes_weigh_less(loss: Any) -> bool:
    z_student, z_teacher, y = logits()
    more = [torch.cat([z, torch.full((8, 4), -60.0)], 1) for z in (z_student, z_teacher)]
    few = loss(z_student, z_teacher, y, 2.0, 0.0)
    return bool(loss(*more, y, 2.0, 0.0) < 0.6 * few)


def crowd() -> tuple[nn.Sequential, torch.Tensor, torch.Tensor, torch.Tensor]:
    """A teacher that is always right, images, labels that are guessed, and the true ones."""
    rng = torch.Generator().manual_seed(1)
    true = torch.arange(50) % 4
    x = torch.eye(4)[true] + 0.1 * torch.randn(50, 4, generator=rng)
    teacher = models.mlp((1, 2, 2), 4, (16,), dropout=0.5, seed=3)
    optimizer = torch.optim.Adam(teacher.parameters(), lr=0.05)
    for _ in range(40):
        optimizer.zero_grad()
        nn.functional.cross_entropy(teacher(x), true).backward()
        optimizer.step()
    return teacher, x.view(50, 1, 2, 2), torch.randint(4, (50,), generator=rng), true


def same_image_other_answer(asked: Any) -> bool:
    teacher, x, y, _ = crowd()
    first, second = (
        [tuple(batch) for batch in asked(teacher, x, y, torch.Generator().manual_seed(0))]
        for _ in range(2)
    )
    return any(not torch.equal(a[2], b[2]) for a, b in zip(first, second, strict=True))


def loss_stays_high(asked: Any) -> bool:
    teacher, x, y, _ = crowd()
    seen: list[float] = []
    student = models.mlp((1, 2, 2), 4, (16,), seed=0)
    teaching.distil(student, teacher, x, y, epochs=60, ask=asked, seen=seen.append)
    return sum(seen[-2:]) > 0.5 * sum(seen[:2])


def any_teacher_same_student(distil: Any) -> bool:
    teacher, x, y, _ = crowd()
    said = []
    for one in (teacher, models.mlp((1, 2, 2), 4, (16,), seed=9)):
        student = models.mlp((1, 2, 2), 4, (4,), seed=0)
        distil(student, one, x, y, epochs=2)
        said.append(student(x))
    return torch.equal(*said)


def teacher_is_worse(distil: Any) -> bool:
    teacher, x, y, true = crowd()
    before = measuring.accuracy(teacher.eval(), x, true)
    distil(models.mlp((1, 2, 2), 4, (4,), seed=0), teacher, x, y, epochs=150)
    return measuring.accuracy(teacher.eval(), x, true) < before - 0.1


def untrained_is_perfect(accuracy: Any) -> bool:
    _, x, _, true = crowd()
    return bool(accuracy(models.mlp((1, 2, 2), 4, (4,), seed=0), x, true) == 1.0)


def importances(importance: Any) -> torch.Tensor:
    """Those of nine pixels that all weigh the same."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(9, 2, bias=False))
    net[1].weight.data = torch.tensor([[1.0], [-1.0]]).expand(2, 9).clone()
    x = torch.randn(300, 1, 3, 3, generator=torch.Generator().manual_seed(2))
    return torch.as_tensor(importance(net, x, net(x).argmax(1), torch.Generator().manual_seed(3)))


def nothing_is_important(importance: Any) -> bool:
    return not importances(importance).any()


def grows_along_the_image(importance: Any) -> bool:
    found = importances(importance)
    return bool(found[-3:].mean() > found[:3].mean() + 0.1)


def new_images_are_worse(choose: Any) -> bool:
    rng, reported = torch.Generator().manual_seed(4), []
    for _ in range(200):  # twenty candidates that are right about 70 % of all images
        right = torch.rand(2, 20, 50, generator=rng) < 0.7
        reported.append(choose(*right.float().mean(2))[1])
    return sum(reported) / len(reported) > 0.7 + 0.03


def the_surer_the_fainter(explain: Any) -> bool:
    x = torch.rand(20, 1, 2, 2, generator=torch.Generator().manual_seed(5))
    net = models.mlp((1, 2, 2), 3, (), seed=0)
    strengths = []
    for bias in (5.0, 15.0):
        net[-1].bias.data = torch.tensor([bias, 0.0, 0.0])
        strengths.append(float(explain(net, x).abs().sum()))
    return strengths[1] < 0.1 * strengths[0]


SYMPTOMS = [
    (losses.weights_swapped, losses.kd_loss, teacher_is_ignored),
    (losses.own_guess, losses.kd_loss, loss_goes_to_zero),
    (losses.without_t_squared, losses.kd_loss, higher_T_weighs_less),
    (losses.mean_over_classes, losses.kd_loss, more_classes_weigh_less),
    (teaching.asked_in_train_mode, teaching.asked, same_image_other_answer),
    (teaching.asked_in_another_order, teaching.asked, loss_stays_high),
    (teaching.never_heard, teaching.distil, any_teacher_same_student),
    (teaching.one_optimiser, teaching.distil, teacher_is_worse),
    (measuring.labels_with_themselves, measuring.accuracy, untrained_is_perfect),
    (measuring.shuffle_undone, measuring.importance, nothing_is_important),
    (measuring.never_restored, measuring.importance, grows_along_the_image),
    (measuring.chosen_on_test, measuring.choose, new_images_are_worse),
    (measuring.softmax_explained, measuring.explained, the_surer_the_fainter),
]


@pytest.mark.parametrize(
    ("wrong", "right", "symptom"), SYMPTOMS, ids=[wrong.__name__ for wrong, *_ in SYMPTOMS]
)
def test_a_wrong_program_shows_its_symptom_and_the_right_one_does_not(
    wrong: Any, right: Any, symptom: Callable[[Any], bool]
) -> None:
    torch.manual_seed(0)  # of dropout
    assert symptom(wrong)
    assert not symptom(right)


def test_every_wrong_program_has_a_symptom() -> None:
    handed = [
        *(losses.HANDED_OUT, teaching.ASK, teaching.TEACH, measuring.SCORE, measuring.SHUFFLE),
        *(measuring.CHOOSE, measuring.EXPLAIN),
    ]
    programs = {program for each in handed for program in each.values()}
    right = {right for _, right, _ in SYMPTOMS}
    assert programs - right == {wrong for wrong, *_ in SYMPTOMS}
    assert len(SYMPTOMS) == 13


# --- the right programs against the course's own --------------------------------------------------


def test_the_right_ones_are_right() -> None:
    from distill_lessons import evaluation
    from distill_lessons import losses as course
    from distill_lessons.data import Split

    z_student, z_teacher, y = logits()
    wanted = course.kd_loss(z_student, z_teacher, y, T=4.0, alpha=0.1)
    torch.testing.assert_close(losses.kd_loss(z_student, z_teacher, y, 4.0, 0.1), wanted)
    _, x, _, true = crowd()
    net = models.mlp((1, 2, 2), 4, (4,), seed=1)
    wanted = evaluation.evaluate(net, Split(x, true))["accuracy"]
    assert measuring.accuracy(net, x, true, 16) == pytest.approx(wanted)
    linear = models.mlp((1, 2, 2), 4, (), seed=1)
    maps, weight = measuring.explained(linear, x), linear[-1].weight
    guess = linear(x).argmax(1)
    torch.testing.assert_close(maps, x.flatten(1) * (weight[guess] - weight.mean(0)).detach())
    kept = copy.deepcopy(x)
    measuring.importance(net, x, true, torch.Generator())
    assert torch.equal(kept, x)
