"""A paper's table run again: its nets, its biases, and the command that keeps what it has."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import miniature
import pytest
import torch
import typer
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from typer.testing import CliRunner

from distill_lessons import distillation, evaluation, seeds
from distill_lessons.data import Data, Split
from distill_lessons.paper import __main__ as command
from distill_lessons.paper import biases, experiments, rows, stored, table
from distill_lessons.paper.recipes import OPTIMIZERS, Recipe, rising_and_falling
from distill_lessons.paper.rows import Row, Work
from distill_lessons.paper.table import Step

K = 4
SMALL = Recipe((8,), 2, "SGD", 0.05, batch_size=10, T=3.0, alpha=0.2)


def toy(n: int = 36) -> Split:
    g = seeds.generator(0)
    y = torch.arange(n) % K
    return Split(0.5 * torch.rand(n, 1, 4, 4, generator=g) + 0.2 * y[:, None, None, None], y)


def toy_data(n: int = 60) -> Data:
    return Data("toy", toy(n), toy(K * 3), toy(20), tuple("abcd"))


# ---- The bias of a class -------------------------------------------------------------------------


def drawn(seed: int, n: int = 30) -> tuple[Tensor, Tensor]:
    g = seeds.generator(seed)
    return 4 * torch.randn(n, K, generator=g), torch.randint(K, (n,), generator=g)


def errors(z: Tensor, y: Tensor, classes: list[int], shift: float) -> int:
    return int((biases.shifted(z, classes, shift).argmax(1) != y).sum())


CLASSES = st.sampled_from([[0], [3], [1, 2], [0, 1, 3]])


@given(st.integers(0, 200), CLASSES, st.integers(1, 29))
def test_so_many_images_are_taken_for_the_classes_as_there_are(
    seed: int, classes: list[int], n: int
) -> None:
    z, _ = drawn(seed)
    moved = biases.shifted(z, classes, biases.from_frequency(z, classes, n / 30))
    assert sum(int((moved.argmax(1) == c).sum()) for c in classes) == n


@given(st.integers(0, 200), CLASSES)
def test_no_shift_makes_fewer_errors_than_the_one_that_is_found(
    seed: int, classes: list[int]
) -> None:
    z, y = drawn(seed)
    fewest = errors(z, y, classes, biases.fewest_errors(z, y, classes))
    at = biases.margins(z, classes).sort().values
    tried = [float(at[0]) - 1, float(at[-1]) + 1, *((at[1:] + at[:-1]) / 2).tolist()]
    assert fewest == min(errors(z, y, classes, b) for b in tried)


@given(st.integers(0, 50), st.floats(-5, 5))
def test_a_bias_that_was_there_before_is_taken_off_again(seed: int, before: float) -> None:
    z, y = drawn(seed)
    moved = biases.shifted(z, [2], before)
    for choose in (
        lambda z: biases.from_frequency(z, [2], 0.3),
        lambda z: biases.fewest_errors(z, y, [2]),
    ):
        assert choose(moved) == pytest.approx(choose(z) - before, abs=1e-4)


def test_a_margin_is_where_the_answer_turns() -> None:
    z, _ = drawn(1)
    for image, margin in zip(z, biases.margins(z, [1, 3]).tolist(), strict=True):
        below, above = (
            int(biases.shifted(image[None], [1, 3], margin + d).argmax()) for d in (-0.01, 0.01)
        )
        assert (below in (1, 3), above in (1, 3)) == (False, True)


@pytest.mark.parametrize("classes", [[], [0, 1, 2, 3], [4], [-1], [1.5], 3, None])
def test_classes_that_cannot_be_shifted_are_refused(classes) -> None:
    z, y = drawn(0)
    for call in (
        lambda: biases.shifted(z, classes, 1.0),
        lambda: biases.margins(z, classes),
        lambda: biases.from_frequency(z, classes, 0.1),
        lambda: biases.fewest_errors(z, y, classes),
    ):
        with pytest.raises((ValueError, TypeError), match="classes"):
            call()


@pytest.mark.parametrize("frequency", [0, 1, -0.1, 10, float("nan"), None, "0.1"])
def test_what_is_no_share_is_refused(frequency) -> None:
    with pytest.raises((ValueError, TypeError), match="frequency"):
        biases.from_frequency(drawn(0)[0], [1], frequency)


def test_other_numbers_that_do_not_fit_are_refused() -> None:
    z, y = drawn(0)
    with pytest.raises(TypeError, match="shift='2'"):
        biases.shifted(z, [1], "2")  # type: ignore[arg-type]
    for labels in (y[:3], y.float(), y + K, None):
        with pytest.raises((ValueError, TypeError), match="labels"):
            biases.fewest_errors(z, labels, [1])  # type: ignore[arg-type]
    with pytest.raises((ValueError, TypeError), match=r"\bz\b"):
        biases.margins(z.tolist(), [1])  # type: ignore[arg-type]


# ---- The nets ------------------------------------------------------------------------------------


def test_students_are_those_that_distilling_one_by_one_gives() -> None:
    split, z = toy(), 3 * torch.randn(2, 36, K, generator=seeds.generator(1))
    recipes = [replace(SMALL, T=T, alpha=a) for T, a in ((3.0, 0.2), (1.0, 0.0))]
    transfer = torch.arange(4, 34)
    found = experiments.students(split, z, recipes, (5, 7), rows=transfer)
    for recipe, nets in zip(recipes, found, strict=True):
        for teachers_seed, table_of_one, net in zip((5, 7), z, nets, strict=True):
            seed = experiments.APART + teachers_seed
            alone = experiments.build(split, recipe, seed, K)
            distillation.distill(
                alone, split.take(transfer), table_of_one[transfer], T=recipe.T, alpha=recipe.alpha,
                steps=6, batch_size=10, lr=0.05, seed=seed, optimizer=OPTIMIZERS["SGD"],
                schedule=rising_and_falling(6),
            )  # fmt: skip
            torch.testing.assert_close(
                evaluation.predict(net, split.x), evaluation.predict(alone, split.x)
            )


def test_teachers_of_two_seeds_differ_and_of_one_do_not() -> None:
    split = toy()
    recipe = Recipe((8,), 3, "AdamW", 0.01, batch_size=10, dropout=(0.1, 0.3), jitter=1)
    nets = experiments.teachers(split, recipe, (0, 1, 0), K)
    z = experiments.logits(nets, split)
    assert z.shape == (3, 36, K)
    assert torch.equal(z[0], z[2])
    assert not torch.allclose(z[0], z[1], atol=0.1)
    for other in (replace(recipe, jitter=0), replace(recipe, dropout=(0.0, 0.3))):
        changed = experiments.logits(experiments.teachers(split, other, (0,), K), split)
        assert not torch.allclose(changed[0], z[0], atol=1e-3)


def test_the_rate_rises_falls_and_fits_any_number_of_steps() -> None:
    for steps in (1, 2, 5, 100):
        optimizer = OPTIMIZERS["SGD"]([torch.zeros(1, requires_grad=True)], lr=0.1)
        schedule, rates = rising_and_falling(steps)(optimizer), []
        for _ in range(steps):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        assert max(rates) <= 0.1 + 1e-9
    assert rates.index(max(rates)) == 4
    assert max(rates) == pytest.approx(0.1)
    assert rates[-1] < 0.001


def test_recipes_that_cannot_stand_side_by_side_are_refused() -> None:
    split, z = toy(), torch.zeros(1, 36, K)
    with pytest.raises(ValueError, match="recipes differ in more than T and alpha"):
        experiments.students(split, z, [SMALL, replace(SMALL, lr=0.1)], (0,))
    with pytest.raises(ValueError, match=r"recipes have dropout=\(0.0, 0.0\) and jitter=2"):
        experiments.students(split, z, [replace(SMALL, jitter=2)], (0,))
    with pytest.raises(ValueError, match="optimizer='Adam' is unknown. Did you mean 'AdamW'"):
        experiments.students(split, z, [replace(SMALL, optimizer="Adam")], (0,))


# ---- The table -----------------------------------------------------------------------------------


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make all nets of the table tiny, and their trainings short."""
    for name in ("TEACHER", "PLAIN", "DISTILLED", "NARROW", "NARROWEST"):
        monkeypatch.setattr(table, name, replace(getattr(table, name), hidden=(8,), epochs=2))
    monkeypatch.setattr(rows, "DISTILLED", table.DISTILLED)


@pytest.fixture
def tiny(narrow: None) -> Work:
    """Give what all steps start from, in the size of a toy."""
    shared = rows.begin(toy_data(), seeds=(0, 1, 2))
    shared.chosen = table.DISTILLED
    return shared


def test_choices_are_made_on_images_that_nobody_learns_from() -> None:
    shared = rows.begin(toy_data(), seeds=(0,))
    assert len(shared.pool) == 72
    assert len(shared.valid) == 12
    both = torch.cat([shared.valid, shared.rest])
    assert both.sort().values.tolist() == list(range(72))


def test_the_search_looks_at_validation_images_and_not_at_the_test(tiny: Work) -> None:
    found = table.search(tiny)
    first = tiny.chosen
    assert all(row.errors == () and len(row.validation) in (1, 3) for row in found)
    tried = [row for row in found if row.what == "search: distilled"]
    best = min(tried, key=lambda row: sum(row.validation)).recipe
    assert (best["lr"], best["alpha"]) == (first.lr, first.alpha)
    tiny.test = replace(tiny.test, y=(tiny.test.y + 1) % K)
    table.search(tiny)
    assert tiny.chosen == first


def test_biases_are_chosen_without_the_test_in_all_ways_but_the_papers(tiny: Work) -> None:
    table.teacher(tiny)
    step = table.without("no 3s", [3], 3)
    before = {row.what: row for row in step(tiny)}
    tiny.test = replace(tiny.test, y=(tiny.test.y + 1) % K)
    after = {row.what: row for row in step(tiny)}
    for name, row in before.items():
        assert (after[name].shift == row.shift) == (table.TEST not in name), name
        assert len(row.on_left_out) == 3
        assert all(a <= b for a, b in zip(row.on_left_out, row.errors, strict=True))
    papers, ours = before["no 3s" + table.TEST], before["no 3s" + table.VALIDATION]
    assert all(a <= b for a, b in zip(papers.errors, ours.errors, strict=True))
    assert all(a <= b for a, b in zip(ours.validation, before["no 3s"].validation, strict=True))


def test_a_transfer_set_lacks_what_it_is_said_to_lack(tiny: Work, monkeypatch) -> None:
    table.teacher(tiny)
    seen = []

    def watched(split, z, recipes, seeds, *, rows=None):
        seen.append(rows)
        return original(split, z, recipes, seeds, rows=rows)

    original = experiments.students
    monkeypatch.setattr(experiments, "students", watched)
    table.without("no 3s", [3], 1)(tiny)
    table.without("only", [1, 2], 1, only=True)(tiny)
    assert sorted(set(tiny.pool.y[seen[0]].tolist())) == [0, 1, 2]
    assert sorted(set(tiny.pool.y[seen[1]].tolist())) == [1, 2]
    for used in seen:
        assert not set(used.tolist()) & set(tiny.valid.tolist())


def test_a_training_that_diverges_is_a_row_and_another_fault_is_not(
    tiny: Work, monkeypatch
) -> None:
    table.teacher(tiny)
    monkeypatch.setattr(table, "PLAIN", replace(table.PLAIN, lr=1e30))
    [row] = table.plain(tiny)
    assert (row.state, row.errors) == ("diverged", ())
    monkeypatch.setattr(table, "PLAIN", replace(table.PLAIN, jitter=1))
    with pytest.raises(ValueError, match="jitter"):
        table.plain(tiny)


def test_a_step_before_the_teachers_says_so(tiny: Work) -> None:
    with pytest.raises(ValueError, match="there are no teachers yet; run the step 'teacher'"):
        table.plain(tiny)


@pytest.mark.parametrize(
    ("took", "states"),
    [
        (50.0, ["done", "done", "done"]),  # twice as fast as the estimates
        (100.0, ["done", "not run", "done"]),
        (1100.0, ["done", "not run", "not run"]),
    ],
)
def test_a_step_that_would_not_fit_is_not_run(
    tiny: Work, monkeypatch: pytest.MonkeyPatch, took: float, states: list[str]
) -> None:
    clock, ran = [0.0], []

    def one(name: str):
        def run(work: Work) -> list[Row]:
            clock[0] += took if name == "first" else 0.0
            ran.append(name)
            return [Row(name)]

        return run

    monkeypatch.setattr(table.time, "monotonic", lambda: clock[0])
    steps = [Step("first", 100, one("first")), Step("long", 50, one("long")),
             Step("short", 3, one("short"))]  # fmt: skip
    found = [row for part in table.run(steps, tiny, took + 30) for row in part]
    assert [row.state for row in found] == states
    assert ran == [row.what for row in found if row.state == "done"]


# ---- The command ---------------------------------------------------------------------------------


def invoke(*arguments: str):
    app = typer.Typer()
    app.command()(command.main)
    return CliRunner().invoke(app, list(arguments))


def test_the_whole_table_is_run_and_written_with_its_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, narrow: None
) -> None:
    miniature.install(tmp_path, monkeypatch)
    out = tmp_path / "table.json"
    done = invoke("--out", str(out), "--seconds", "1000", "--shorter", "30")
    assert done.exit_code == 0, done.output
    content = json.loads(out.read_text("utf-8"))
    machine = content["machine"]
    assert machine["versions"].startswith("distill-lessons ")
    assert (machine["dataset"], machine["profile"], machine["device"]) == ("mnist", "full", "cpu")
    assert len(machine["data"]) == len(machine["package"]) == 16
    assert content["images"] == [240, 40, 40]
    named = {row["what"] for row in content["rows"]}
    assert {step.name for step in table.STEPS} - {"search"} <= named
    run = stored.read(out)
    assert run is not None
    assert (stored.beside([run])["ours"] != stored.NOT_RUN).all()
    assert stored.temperatures([run], "30 units").shape == (4, 5)
    assert stored.temperatures([run], "300 units").shape == (1, 5)
    assert run.where == "CPU, epochs / 30"
    for row in content["rows"]:
        assert row["state"] == "done", row["what"]
        judged = row["validation"] if row["what"].startswith("search") else row["errors"]
        assert len(judged) == len(row["seeds"]) > 0
        assert row["recipe"]["epochs"] >= 1
        assert row["seconds"] > 0
        for count, places in zip(row["errors"], row["wrong"], strict=False):
            assert count == len(places)


def test_what_was_done_before_a_crash_is_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    miniature.install(tmp_path, monkeypatch)

    def crash(work: Work) -> list[Row]:
        raise RuntimeError("the card is gone")

    first = Step("first", 1, lambda work: [Row("first")])
    monkeypatch.setattr(table, "STEPS", (first, Step("second", 1, crash)))
    out = tmp_path / "table.json"
    assert isinstance(invoke("--out", str(out)).exception, RuntimeError)
    assert [row["what"] for row in json.loads(out.read_text("utf-8"))["rows"]] == ["first"]


@pytest.mark.parametrize("shorter", ["0.5", "-1", "x"])
def test_a_table_that_would_take_longer_is_refused(tmp_path: Path, shorter: str) -> None:
    assert invoke("--out", str(tmp_path / "x"), "--shorter", shorter).exit_code == 2
    with pytest.raises((ValueError, TypeError), match="shorter"):
        rows.begin(toy_data(), shorter=0.5 if shorter == "x" else min(float(shorter), 0.5))


# ---- What a run has left -------------------------------------------------------------------------


NARROW = {"T": 1.0, "alpha": 0.0, "optimizer": "SGD", "lr": 0.1, "epochs": 3}


def written(path: Path, **changed) -> Path:
    row = vars(Row("teacher", recipe={"T": 1.0}, seeds=(0, 1), errors=(60, 70))) | changed
    content = {"machine": {}, "images": [6, 1, 2], "shorter": 1, "rows": [row]}
    path.write_text(json.dumps(content), "utf-8")
    return path


def test_what_was_not_run_is_said_and_nothing_invented(tmp_path: Path) -> None:
    assert stored.read(tmp_path / "not there") is None
    assert (stored.beside([])["ours"] == stored.NOT_RUN).all()
    assert stored.temperatures([], "30 units").to_numpy().tolist() == [[stored.NOT_RUN]]
    one = stored.read(written(tmp_path / "x"))
    assert one is not None
    table_of_one = stored.beside([one])
    assert table_of_one.loc["teacher", "ours"] == "65"
    assert (table_of_one["ours"] == stored.NOT_RUN).sum() == len(table_of_one) - 1
    assert table_of_one["paper"].tolist()[:3] == ["67", "146", "74"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"errors": [60]}, "teacher has 1 errors for 2 seeds"),
        ({"state": "not run"}, "teacher has 2 errors"),
        ({"wrong": [[1], [2]]}, "lists other images than it counts"),
        ({"colour": "red"}, "a row has"),
    ],
)
def test_a_table_that_does_not_fit_together_is_refused(
    tmp_path: Path, changed: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        stored.read(written(tmp_path / "x", **changed))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rows": 3}'])
def test_another_file_is_refused_with_the_command(tmp_path: Path, text: str) -> None:
    (tmp_path / "x").write_text(text, "utf-8")
    with pytest.raises(ValueError, match="holds no table of the paper .* write one with python"):
        stored.read(tmp_path / "x")


def test_the_interval_of_a_count_is_wilsons() -> None:
    for errors in (0, 67, 10_000):
        p, n, z = errors / 10_000, 10_000, 1.959964
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
        found = stored.count_interval(errors)
        assert found == pytest.approx((n * (middle - half), n * (middle + half)), abs=1e-3)
    with pytest.raises(ValueError, match="errors=11 of n=10"):
        stored.count_interval(11, 10)
    with pytest.raises(TypeError, match="errors=1.5"):
        stored.count_interval(1.5)  # type: ignore[arg-type]


def test_what_diverged_is_said_unless_another_run_has_it(tmp_path: Path) -> None:
    gone = stored.read(written(tmp_path / "x", state="diverged", errors=(), recipe=NARROW))
    there = stored.read(written(tmp_path / "y", recipe=NARROW))
    assert gone is not None
    assert there is not None
    assert stored.beside([gone]).loc["teacher", "ours"] == "diverged"
    both = stored.beside([gone, there]).loc["teacher"]
    assert (both["ours"], both["run on"]) == ("65", "CPU; diverged on CPU")
    assert stored.temperatures([gone], "teacher").iloc[0, 0] == "diverged"


def test_nets_that_answer_the_same_for_all_images_are_told_and_not_averaged(
    tmp_path: Path,
) -> None:
    run = stored.read(written(tmp_path / "x", recipe=NARROW, errors=(300, 8990)))
    assert run is not None
    assert stored.beside([run]).loc["teacher", "ours"] == "1 of 2 dead"
    assert stored.temperatures([run], "teacher").iloc[0, 0] == "1 of 2 dead "


def test_the_stored_runs_are_whole_tables_of_mnist() -> None:
    card = stored.runs()[0]
    assert card.images == (60_000, 10_000, 10_000)
    assert card.machine["device"] == "cuda"
    for run in stored.runs():
        assert {row.state for row in run.rows} <= {"done", "diverged", "not run"}
        assert run.about.startswith("27 November 2026: Linux, x86_64, ")
        assert run.machine["data"] == card.machine["data"]
    assert all(len(row.seeds) == 5 for row in card.rows if row.errors)


def test_the_goals_that_the_lesson_names_are_those_of_the_stored_run() -> None:
    means = {what: sum(stored.runs()[0].named(what)[0].errors) / 5 for what in
             ("teacher", "plain", "distilled")}  # fmt: skip
    assert 60 <= means["teacher"] <= 72
    assert 130 <= means["plain"] <= 150
    assert 74 < means["distilled"] <= 85  # not the paper's 74: the lesson says so


@pytest.mark.parametrize("name", ["no 3", "all"])
def test_a_step_that_is_not_there_is_refused(tmp_path: Path, name: str) -> None:
    done = invoke("--out", str(tmp_path / "x"), "--only", name)
    assert isinstance(done.exception, ValueError)
    assert f"only='{name}' is unknown" in str(done.exception)
