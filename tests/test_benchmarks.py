"""The benchmarks at toy size: results are compared, wrong ones are caught; no time is judged."""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from benchmarks import (
    adam,
    cli,
    copying_rows,
    detection_rows,
    device_rows,
    explain_rows,
    figure,
    graphs,
    growth,
    inputs,
    on_a_gpu,
    process_rows,
    report,
    teacher_rows,
    text_rows,
    timing,
    training_rows,
    vision_rows,
)
from benchmarks import page as page_of
from benchmarks.rows import ROWS, Row
from benchmarks.timing import Comparison, Measured, NotEqual, difference, measure
from distill_lessons import distillation
from distill_lessons.deploy import onnx_net
from distill_lessons.explain import groups, shapley
from distill_lessons.fast import captured, stacking
from distill_lessons.sources.catalogue import SOURCES
from distill_lessons.sources.record import File
from tests.tape import Tape

ROOT = Path(__file__).parents[1]
CPU = torch.device("cpu")
BY_NAME = {row.name: row for row in ROWS}
COMPARED = [row for row in ROWS if not row.slow]


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> inputs.Setup:
    return inputs.prepare(inputs.TOY, tmp_path_factory.mktemp("no MNIST"), CPU)


@pytest.fixture(autouse=True)
def no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DISTILL_DATA", str(tmp_path / "empty"))
    monkeypatch.setenv("DISTILL_LIVE", "0")
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


# ---- Every row: equal results pass, wrong ones are caught ----------------------------------------


def wrong(function: Any, change: Any) -> Any:
    """Return the function, called with one argument changed."""

    def spoiled(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs | change(kwargs))

    return spoiled


# What a fault of the package could look like: (where, name, how a call's arguments change).
FAULTS = {
    "epoch": (distillation, "distill", lambda k: {"T": k["T"] * 1.1}),
    "workers": (distillation, "distill", lambda k: {"seed": k["seed"] + 1}),
    "floor": (distillation, "distill", lambda k: {"alpha": k["alpha"] + 0.05}),
    "students": (stacking, "fit_many", lambda k: {"alpha": k["alpha"][::-1]}),
    **{
        name: (teacher_rows.losses, "soft_targets", lambda k: {"T": k["T"] * 1.1})
        for name in ("eight", "eight-one")
    },
    "permutation": (
        explain_rows,
        "permutation_importance",
        lambda k: {"seed": k["seed"] + 1},
    ),
    "deep": (explain_rows, "shap_values", lambda k: {"output": "centred"}),
    "deep_wide": (explain_rows, "shap_values", lambda k: {"output": "centred"}),
    "exact": (explain_rows, "exact", lambda k: {"output": "centred"}),
    "tree": (explain_rows.known, "tree_values", lambda k: {"background": k["background"][:1]}),
    "exact_wide": (explain_rows, "exact", lambda k: {"output": "centred"}),
    **{
        f"copying-{name}": (distillation, "distill", lambda k: {"T": k["T"] * 1.1})
        for name in copying_rows.LOSSES
    },
    **{
        f"text-{name}": (text_rows, "_logits", lambda k: {"x": k["x"].flip(1)})
        for name in text_rows.STUDENTS
    },
    "views": (vision_rows.fitting, "fit", lambda k: {"seed": 1} if "z" in k else {}),
    "detection": (detection_rows, "_found", lambda k: {"x": k["x"].flip(3)}),
    **{
        f"{kind}-{images}": (device_rows, "_logits", lambda k: {"x": 0.5 * k["x"]})
        for kind in ("onnx", "int8")
        for images in (1, 256)
    },
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_row_measures_equal_results_and_catches_a_fault(
    name: str, setup: inputs.Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    if FAULTS[name][0] is device_rows and onnx_net.missing():
        pytest.skip(onnx_net.missing())
    comparison = BY_NAME[name].build(setup)
    measured = measure(comparison, CPU, repeats=1)
    assert measured.difference <= comparison.tolerance
    assert min(measured.ours + measured.theirs) > 0
    where, function, change = FAULTS[name]
    monkeypatch.setattr(where, function, wrong(getattr(where, function), change))
    with pytest.raises(NotEqual, match="results differ by"):
        measure(replace(comparison, warm_up=lambda: None), CPU, repeats=1)


def test_a_row_that_needs_an_extra_is_skipped_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_net, "LIBRARIES", ("no_such_library",))
    done = run("--toy", "--repeats", "1", "--only", "onnx-1", "--out", str(tmp_path))
    assert done.exit_code == 0, done.output
    assert "onnx-1 ... skipped. Without no_such_library" in done.output


def test_every_row_with_a_rival_was_tried() -> None:
    assert {row.name for row in ROWS} == {*FAULTS, "import", "lessons"}


def test_an_import_that_fails_is_no_time(setup: inputs.Setup) -> None:
    comparison = BY_NAME["import"].build(setup)
    assert comparison.ours(0).tolist() == [0]
    with pytest.raises(RuntimeError, match="No module named 'distill_lessonz'"):
        process_rows.python("-c", "import distill_lessonz")


def test_lessons_are_held_against_their_budget(
    setup: inputs.Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(
        process_rows, "python", lambda *a, threads: (asked.append(a), np.array([0]))[1]
    )
    measured = measure(BY_NAME["lessons"].build(setup), CPU)
    assert measured.theirs == [300.0]
    assert asked == [("-m", "pytest", "-q", "-n", "0", "notebooks")]


@pytest.mark.parametrize(
    ("ours", "why"),
    [
        ([1.0, 2.1], "differ by 0.1"),
        ([1.0], "shapes"),
        ([1.0, np.nan], "NaN"),
        ([], "shapes"),
    ],
)
def test_results_that_are_not_equal(ours: list[float], why: str) -> None:
    with pytest.raises(NotEqual, match=why):
        difference(np.array(ours), np.array([1.0, 2.0]), 0.05)
    assert difference(np.array([1.0, 2.1]), np.array([1.0, 2.0]), 0.2) == pytest.approx(0.1)
    with pytest.raises(NotEqual, match="cannot be compared"):
        difference(np.array([]), np.array([]), 1.0)


def test_most_numbers_are_held_against_rounding_and_every_one_against_a_limit() -> None:
    exact = np.zeros(100)
    some, one = exact.copy(), exact.copy()
    some[:20], one[0] = 0.01, 0.5
    assert difference(one, exact, 1e-3, 0.9, most=0.6) == 0
    with pytest.raises(NotEqual, match=r"a single result differs by 0\.5, more than 0\.4\."):
        difference(one, exact, 1e-3, 0.9, most=0.4)
    with pytest.raises(NotEqual, match=r"the results differ by 0\.01, more than 0\.001\."):
        difference(some, exact, 1e-3, 0.9, most=0.6)


def adam_step(gradients: torch.Tensor) -> torch.Tensor:
    """Return where Adam takes a zero, step by step; gradients (steps, weights)."""
    weight = torch.zeros(gradients.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([weight], lr=0.01, eps=1e-300)
    path = [weight.detach().clone()]
    for gradient in gradients:
        weight.grad = gradient
        optimizer.step()
        path.append(weight.detach().clone())
    return torch.stack(path)


def test_adam_takes_no_two_weights_further_apart_than_its_limit() -> None:
    g = torch.Generator().manual_seed(0)
    signs = torch.randint(0, 2, (30, 500), generator=g) * 2.0 - 1
    heavy = signs * torch.rand(30, 500, generator=g).double() ** -3
    path = adam_step(heavy)
    limits = torch.tensor([adam.furthest(t, 0.01) for t in range(31)], dtype=torch.float64)
    assert bool(((path.amax(1) - path.amin(1)) <= limits * (1 + 1e-12)).all())
    assert adam.furthest(1, 0.01) == pytest.approx(0.02)  # a step forth, a step back
    # The bound is sharp: these gradients make the last step as long as one can be.
    worst = (0.9 / 0.999) ** torch.arange(29, -1, -1, dtype=torch.float64)
    end = adam_step(worst[:, None])[:, 0]
    longest = (adam.furthest(30, 0.01) - adam.furthest(29, 0.01)) / 2
    assert float(end[29] - end[30]) == pytest.approx(longest, rel=1e-9)


def test_the_allowed_distance_grows_with_the_rivals_rounding_and_the_batch() -> None:
    exact = np.linspace(-1, 1, 1000)
    rival = exact.astype(np.float32)
    assert 0 < adam.apart(rival, exact) < 2**-24
    assert adam.allowed(rival, exact, 64) == pytest.approx(9 * adam.apart(rival, exact))
    rival[:50] += 1  # a unit or two that went elsewhere
    assert adam.apart(rival, exact) < 2**-24


def test_a_fault_a_thousandth_in_size_is_seen(setup: inputs.Setup) -> None:
    comparison = BY_NAME["epoch"].build(setup)
    split, teacher = setup.first(192), setup.trained((512, 512))
    z = distillation.teacher_logits(teacher, split.x)
    with pytest.raises(NotEqual, match="results differ by"):
        timing.difference(
            training_rows.ours(setup, split, z * 1.001),
            comparison.theirs(0),
            comparison.tolerance,
            comparison.share,
        )


def test_the_floor_on_a_gpu_is_a_captured_step(
    setup: inputs.Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = BY_NAME["floor"].build(setup).proof()
    tape = Tape()
    monkeypatch.setattr(captured, "engine_for", lambda device: tape)
    row = BY_NAME["floor"].build(setup)
    tape.captured = tape.replayed = 0
    ours, floor = row.proof()
    assert (tape.captured, tape.replayed) == (
        2,
        34,
    )  # ours and the floor: 20 steps, 3 of them plain
    assert np.array_equal(ours, plain[0])
    assert np.array_equal(floor, plain[1])


def test_every_repeat_is_compared_and_the_first_changes() -> None:
    calls: list[str] = []

    def run(who: str, spoiled: int = -1) -> Any:
        return lambda r: (calls.append(f"{who}{r}"), np.array([r + (r == spoiled)]))[1]

    c = Comparison(run("o"), run("t"), 0.0, "run", warm_up=lambda: None)
    measured = measure(c, CPU, repeats=3)
    assert calls == ["o0", "t0", "t1", "o1", "o2", "t2"]
    assert len(measured.ours) == len(measured.theirs) == 3
    with pytest.raises(NotEqual):
        measure(replace(c, theirs=run("t", spoiled=2)), CPU, repeats=3)


# ---- The rivals are what they claim to be --------------------------------------------------------


def test_the_loop_gives_shapley_values_of_an_additive_game() -> None:
    # A linear model shares out w_k (x − mean b), region by region.
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10)).requires_grad_(False)
    x, background = torch.rand(1, 28, 28), torch.rand(3, 1, 28, 28)
    regions = groups.patches((1, 28, 28), 14)
    found = explain_rows.shapley_loop(model, x, background, regions)
    parts = model[1].weight * (x.flatten() - background.flatten(1).mean(0))  # (K, F)
    expected = np.stack([parts[:, r].sum(1).numpy() for r in map(torch.as_tensor, regions)])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert shapley.coalitions(len(regions)).shape == (16, 4)


def write_idx(path: Path, array: np.ndarray) -> None:
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


def test_noise_and_mnist_go_the_same_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = inputs.prepare(inputs.TOY, tmp_path, CPU)
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part in ("train", "t10k"):
        write_idx(raw / f"{part}-images-idx3-ubyte", noise.dataset.data.numpy())  # type: ignore[attr-defined]
        write_idx(raw / f"{part}-labels-idx1-ubyte", noise.dataset.targets.numpy())  # type: ignore[attr-defined]
    assert not inputs.prepare(inputs.TOY, tmp_path, CPU).real  # not the published files
    written = {file.path: (tmp_path / file.path).read_bytes() for file in SOURCES["mnist"].files}
    monkeypatch.setattr(File, "is_published", lambda file, raw: written[file.path] == raw)
    real = inputs.prepare(inputs.TOY, tmp_path, CPU)
    assert (noise.real, real.real) == (False, True)
    assert (noise.images, real.images) == ("noise of MNIST's size", "MNIST")
    assert torch.equal(noise.train.x, real.train.x)
    for i in (0, 7):
        # One image at a time and all at once: exactly the same numbers.
        for one, all_at_once in ((noise, real), (real, noise)):
            image, label = one.dataset[i]
            assert torch.equal(image, all_at_once.train.x[i])
            assert label == all_at_once.train.y[i]


# ---- Table, JSON and figure ----------------------------------------------------------------------


def a_line(row: Row, ours: float, theirs: float, device: str = "cpu") -> report.Line:
    c = Comparison(lambda r: np.ones(1), None, 1e-6, "image", note="A note.")
    return report.line(row, c, Measured([ours] * 3, [theirs, theirs * 2, theirs * 4]), device)


def test_ratios_and_targets() -> None:
    faster, longer = a_line(BY_NAME["deep"], 1.0, 8.0), a_line(BY_NAME["floor"], 2.0, 1.0)
    assert (faster.ratio, faster.low, faster.high) == (16, 8, 32)
    assert (longer.ratio, longer.low, longer.high) == (1.0, 0.5, 2.0)
    assert (faster.met, longer.met) == (True, True)
    assert a_line(BY_NAME["deep"], 1.0, 3.0).met is False
    assert a_line(BY_NAME["floor"], 2.6, 1.0).met is False
    assert a_line(BY_NAME["workers"], 1.0, 1.0).met is None
    assert [BY_NAME[n].target for n in ("deep", "floor", "workers")] == [
        "≥ 8× faster",
        "≤ 1.25× the time",
        "none",
    ]


def test_table_and_markdown() -> None:
    lines = [a_line(BY_NAME["deep"], 1e-5, 3e-5), a_line(BY_NAME["floor"], 1.0, 1.0, "cuda")]
    text = report.text(lines, "some machine")
    assert "10.0 µs an image" in text
    assert re.search(r"6\.00× +3\.00 to 12\.0 +≥ 8× faster +NO$", text, flags=re.MULTILINE)
    assert "deep: A note. Results differ by at most 0 (allowed: 1e-06)." in text
    stacked = replace(lines[0], tolerance=9e-8, share=0.9, most=0.2)
    assert (
        "Of the weights 90% differ by at most 0 (allowed: 9e-08, from what rounding does to the "
        in (report.text([stacked], "some machine"))
    )


def test_the_table_shows_both_devices_and_each_machine() -> None:
    deep, floor = BY_NAME["deep"], BY_NAME["floor"]
    on_cpu = report.Table("some cores", [a_line(deep, 1e-5, 3e-5)])
    on_gpu = report.Table("a card", [a_line(floor, 1.0, 1.0, "cuda")], {"deep": "it differs"})
    rows = report.markdown({"cpu": on_cpu, "cuda": on_gpu}).splitlines()
    assert rows[0] == f"| {' | '.join(report.COLUMNS)} |"
    short = "**6.00×** (3.00 to 12.0), short of the target"
    assert rows[2].endswith(f"| {short} | ≥ 8× faster | failed |")
    assert "10.0 µs an image | 60.0 µs an image" in rows[2]
    assert rows[3].endswith("| not measured | ≤ 1.25× the time | **0.500×** (0.250 to 1.00) |")
    assert rows[4:] == ["", "*CPU: some cores*", "", "*GPU: a card*"]
    alone = report.markdown({"cpu": on_cpu}).splitlines()
    assert alone[2].endswith(f"| {short} | ≥ 8× faster | not measured |")


def test_a_table_is_read_as_it_was_written() -> None:
    table = report.Table("here", [a_line(row, 1.0, 5.0) for row in ROWS[:3]], {"deep": "why"})
    assert report.read(report.as_json(table)) == table


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1.23e-5, "12.3 µs"), (0.0456, "45.6 ms"), (7.891, "7.89 s"), (300.0, "300 s"), (1, "1.00 s")],
)
def test_seconds(value: float, shown: str) -> None:
    assert report.seconds(value) == shown


def test_the_figure_names_every_row_and_marks_every_target() -> None:
    drawn = figure.ratios([a_line(row, 1.0, 5.0) for row in ROWS])
    labels = [label.get_text() for ax in drawn.axes for label in ax.get_yticklabels()]
    assert sorted(labels) == sorted(f"{row.work}\nagainst {row.against}" for row in ROWS)
    assert all(ax.get_xscale() == "log" for ax in drawn.axes)
    marks = [
        ax.lines[i].get_xdata()[0]
        for ax in drawn.axes
        for i in range(len(ax.lines))
        if ax.lines[i].get_color() == figure.TARGET
    ]
    goals = [row.at_least or row.at_most for row in ROWS]
    assert sorted(marks) == sorted(goal for goal in goals if goal)
    figure.plt.close(drawn)


def test_no_bar_of_the_figure_has_a_length_that_says_nothing() -> None:
    """On a logarithmic axis a bar has no beginning; the axis shows 1×, where nothing differs."""
    drawn = figure.ratios([a_line(row, 1.0, 5.0) for row in ROWS])
    assert all(len(ax.patches) == 0 for ax in drawn.axes)
    assert all(ax.get_xlim()[0] < 1 < ax.get_xlim()[1] for ax in drawn.axes)
    figure.plt.close(drawn)


def test_the_command(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "benchmarks", "--toy", "--repeats", "2", "--out", str(out)]
    env = os.environ | {"PYTHONIOENCODING": "ascii"}  # as where the output goes into a log
    done = subprocess.run(
        [*command, "--only", "deep", "--only", "floor"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "shap.DeepExplainer" in done.stdout
    found = json.loads((out / "table.json").read_text("utf-8"))
    assert [row["name"] for row in found["lines"]] == ["floor", "deep"]
    assert [len(row["ours_all"]) for row in found["lines"]] == [2, 2]
    assert found["failed"] == {}
    assert found["conditions"].startswith("Toy sizes, times mean nothing. ")
    assert found["conditions"] in (out / "table.md").read_text("utf-8")
    assert "1 torch thread," in found["conditions"]
    with Image.open(out / "ratios.png") as picture:
        assert picture.size[0] > 600


def run(*arguments: str) -> Any:
    return CliRunner().invoke(cli.app, arguments)


def test_a_fault_is_told_and_fails_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where, function, change = FAULTS["deep"]
    monkeypatch.setattr(where, function, wrong(getattr(where, function), change))
    done = run("--toy", "--repeats", "1", "--only", "deep", "--out", str(tmp_path))
    assert done.exit_code == 1
    assert "FAILED deep: the results differ by" in done.output
    found = json.loads((tmp_path / "table.json").read_text("utf-8"))
    assert found["lines"] == []
    assert set(found["failed"]) == {"deep"}


def test_a_run_that_is_cut_off_keeps_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(setup: inputs.Setup) -> Comparison:
        raise KeyboardInterrupt

    rows = [BY_NAME["floor"], replace(BY_NAME["deep"], build=interrupted)]
    monkeypatch.setattr(cli, "ROWS", rows)
    run("--toy", "--repeats", "1", "--out", str(tmp_path))
    table = report.read((tmp_path / "table.json").read_text("utf-8"))
    assert [line.name for line in table.lines] == ["floor"]
    assert table.failed == {}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--only", "deap"), "--only='deap' is unknown. Did you mean 'deep'?"),
        (("--device", "tpu"), "device='tpu' is unknown. Use 'cpu' or 'cuda'."),
    ],
)
def test_what_cannot_be_done_is_said(arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert said in done.output


def test_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="device='cuda' asks for a GPU, and torch finds none"):
        timing.find_device("cuda")
    done = run("--device", "cuda")
    assert (done.exit_code, "Leave --device out" in done.output) == (2, True)


def test_slow_rows_run_only_when_asked_for() -> None:
    assert [row.name for row in cli._chosen([], slow=False)] == [row.name for row in COMPARED]
    assert cli._chosen([], slow=True) == list(ROWS)
    assert [row.name for row in cli._chosen(["lessons"], slow=False)] == ["lessons"]


# ---- Growth --------------------------------------------------------------------------------------


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0])
def test_the_exponent_is_recovered(slope: float) -> None:
    sizes = np.array([1, 2, 4, 8, 16, 32, 64])
    exact = growth.exponent(sizes, 3.0 * sizes**slope)
    assert exact is not None
    assert exact.slope == pytest.approx(slope, abs=1e-9)
    assert exact.factor == pytest.approx(3.0)
    np.testing.assert_allclose(exact.at(sizes), 3.0 * sizes**slope)
    # With noise, the interval holds the truth in about 95 of 100 cases.
    noise = np.exp(0.2 * np.random.default_rng(0).standard_normal((400, len(sizes))))
    fits = [growth.exponent(sizes, sizes**slope * factor) for factor in noise]
    held = sum(fit is not None and fit.low <= slope <= fit.high for fit in fits)
    assert 0.91 * 400 < held < 0.99 * 400
    assert growth.exponent([1, 2], [1.0, 2.0]) is None


@pytest.mark.parametrize("name", growth.GROWTHS)
def test_the_work_of_every_axis_runs_and_grows_to_its_end(name: str) -> None:
    axis = growth.GROWTHS[name]
    axis.prepare(4, CPU)()
    ends = {"students": 1024, "images": 60_000, "features": 3072, "deep": 3072, "repeats": 256}
    assert axis.sizes[-1] == ends[name]
    assert list(axis.sizes) == sorted(set(axis.sizes))


def test_the_peak_of_memory_is_seen() -> None:
    with growth._peak(CPU) as peak:
        held = torch.ones(2**24)  # 64 MiB
        time.sleep(0.1)  # on a busy machine the watcher has to get its turn
        del held
    assert 60 < peak[0] < 200


def test_growth_is_measured_drawn_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "GROWTHS", {"deep": growth.GROWTHS["deep"]})
    done = run(
        "--toy", "--full", "--only", "floor", "--repeats", "1", "--out", str(tmp_path)
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert re.search(
        r"Deep SHAP, features 64 to 256: time exponent -?\d+\.\d\d \[.*\], .*memory", done.output
    )
    assert (tmp_path / "growth-deep.png").stat().st_size > 5000


# ---- The README ----------------------------------------------------------------------------------


def test_the_table_is_put_between_its_marks() -> None:
    page = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"
    assert report.put_between(page, "new") == page.replace("old", "new")
    with pytest.raises(ValueError, match="put both back"):
        report.put_between("no marks", "new")


def test_the_readme_has_the_benchmarks_rows() -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    table = page.split(report.BEGIN)[1].split(report.END)[0]
    main, *_ = table.strip().split("\n\n")
    rows = [line.strip("| ").split(" | ") for line in main.splitlines()]
    assert tuple(rows[0]) == report.COLUMNS
    shown = [(cells[0], cells[1], cells[5]) for cells in rows[2:]]
    expected = [(row.work, row.against, row.target) for row in ROWS]
    slow = [row.slow for row in ROWS].count(True)  # they stand last, and run only when asked for
    assert shown in (expected, expected[:-slow])
    assert "Toy sizes" not in table
    assert "](docs/benchmarks.png)" in page
    assert table == f"\n{page_of.kept()}\n"


def test_a_run_is_put_into_the_readme_and_the_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_of, "ROOT", tmp_path)
    monkeypatch.setattr(page_of, "MEASURED", tmp_path / "measured")
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text(f"A page.\n{report.BEGIN}\n{report.END}\n", "utf-8")
    deep = BY_NAME["deep"]
    page_of.keep({"cpu": report.as_json(report.Table("cores", [a_line(deep, 1e-5, 3e-4)]))})
    assert (tmp_path / "docs" / "benchmarks.png").exists()

    folder = tmp_path / "on-a-gpu"
    (folder / "benchmarks").mkdir(parents=True)
    on_gpu = report.Table("a card", [a_line(deep, 1e-6, 3e-4, "cuda")])
    (folder / "benchmarks" / "table.json").write_text(report.as_json(on_gpu), "utf-8")
    rows = [
        {"case": case, "captured": 1e-4, "plain": 1e-4 * found.at_least, "ratio": found.at_least}
        for case, found in graphs.CASES.items()
    ]
    rows[0]["ratio"] = 2.0
    steps = {"machine": "a card", "steps": 600, "rows": rows}
    (folder / "graphs.json").write_text(json.dumps(steps), "utf-8")
    machine = on_a_gpu.about() | {"gpu": {"name": "a card", "GiB": 80}}
    ended = [
        asdict(on_a_gpu.Outcome("benchmarks", "done", 99.0)),
        asdict(on_a_gpu.Outcome("lesson-07", "out of time", 90.2)),
        asdict(on_a_gpu.Outcome("lesson-02", "done", 12.4)),
        asdict(on_a_gpu.Outcome("lesson-10", "not started")),
    ]
    found = {"machine": machine, "together": 3, "steps": ended}
    (folder / "report.json").write_text(json.dumps(found), "utf-8")
    page_of.main(folder)

    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert text.startswith(f"A page.\n{report.BEGIN}\n")
    assert "| **60.0×** (30.0 to 120) | ≥ 8× faster | **600×** (300 to 1200) |" in text
    assert "| 784-64-10, batch 64 | 100 µs | 800 µs | **2.0×**, short of it | ≥ 8× |" in text
    assert "| 784-1200-1200-10, batch 512 | 100 µs | 350 µs | **3.5×** | ≥ 3.5× |" in text
    assert "3 at a time, start of the kernel included: 02 12 s. Not at the end" in text
    assert "when their time was up: 07 90 s.\n" in text
