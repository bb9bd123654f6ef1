"""Splits: stratified, disjoint, repeatable; readers put together; bad input refused."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest
import tiny_mnist
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from distill_lessons import data, seeds, tensors
from distill_lessons import settings as course_settings
from distill_lessons.data import SHARES, UNLABELLED, Data, Split
from distill_lessons.sources.averaging import averaged
from distill_lessons.sources.catalogue import SOURCES
from distill_lessons.tensors import Target

REPO = Path(__file__).parents[1]
properties = settings(deadline=None, max_examples=60, derandomize=True)


@pytest.fixture
def tiny(monkeypatch, tmp_path: Path) -> None:
    """Put 90 tiny images in MNIST's place, below the test's own folder."""
    monkeypatch.setitem(SOURCES, "mnist", tiny_mnist.source())
    tiny_mnist.write(tmp_path)


@pytest.fixture(scope="module")
def digits() -> Data:
    return data.load("digits")


def split_of(y: list[int]) -> Split:
    x = torch.arange(len(y)).float()[:, None, None, None].expand(-1, 1, 2, 2)
    return Split(x, torch.tensor(y))


def images(split: Split) -> list[float]:
    """Tell each image of `split_of` or of the fake data set by its brightness."""
    return sorted(split.x[:, 0, 0, 0].tolist())


# ---- Splitting -----------------------------------------------------------------------------------

# K classes of 3 to 30 images each, in any order.
labels = st.lists(st.integers(3, 30), min_size=2, max_size=5).flatmap(
    lambda counts: st.permutations([k for k, n in enumerate(counts) for _ in range(n)])
)


@properties
@given(labels, st.integers(0, 5), st.sampled_from([SHARES, (0.5, 0.5), (0.98, 0.01, 0.01)]))
def test_parts_are_disjoint_complete_and_stratified(y, seed, shares) -> None:
    y = torch.tensor(y)
    parts = tensors.split_indices(y, shares, seed=seed)
    assert torch.cat(parts).sort().values.tolist() == list(range(len(y)))
    for part, share in zip(parts, shares, strict=True):
        for label in y.unique():
            found, all_of_it = int((y[part] == label).sum()), int((y == label).sum())
            assert found >= 1
            # Two ends of a part are rounded; a part may also be raised to one image, or pay for it.
            assert abs(found - share * all_of_it) <= len(shares) - 1


def test_the_split_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    y = torch.arange(60) % 3
    first, again, other = (tensors.split_indices(y, SHARES, seed=s) for s in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    # Pinned: on every machine and with every version a learner gets these images.
    pinned = tensors.split_indices(torch.arange(12) % 2, (0.5, 0.5), seed=0)[1]
    assert pinned.tolist() == [8, 0, 2, 3, 9, 5]


def test_the_parts_are_shuffled() -> None:
    for part in tensors.split_indices(torch.arange(60) // 20, SHARES, seed=0):
        assert part.tolist() != part.sort().values.tolist()


def test_no_global_random_state_is_touched() -> None:
    before = torch.get_rng_state()
    data.load("digits", limits=(100, 20, 20))
    assert torch.equal(torch.get_rng_state(), before)


# ---- Drawing fewer -------------------------------------------------------------------------------


@properties
@given(st.data(), labels)
def test_a_draw_has_exactly_n_images_in_proportion(choose, y) -> None:
    split = split_of(y)
    n = choose.draw(st.integers(len(set(y)), len(y)))
    drawn = data.stratified_subset(split, n, seed=choose.draw(st.integers(0, 5)))
    assert len(drawn) == n
    assert len(set(images(drawn))) == n  # none twice
    for image, label in zip(drawn.x[:, 0, 0, 0].tolist(), drawn.y.tolist(), strict=True):
        assert y[int(image)] == label
    exact = {k: y.count(k) * n / len(y) for k in set(y)}
    counts = {k: drawn.y.tolist().count(k) for k in set(y)}
    assert min(counts.values()) >= 1
    if min(exact.values()) >= 1:
        assert all(abs(counts[k] - exact[k]) < 1 for k in exact)


@pytest.mark.parametrize(
    ("counts", "n", "expected"),
    [
        ((50, 30, 20), 10, (5, 3, 2)),
        # exact (3.3, 3.3, 3.3): the remainder goes to the first of equals
        ((10, 10, 10), 10, (4, 3, 3)),
        # exact (2.7, 0.14, 0.14): the rare ones take one each, the first pays
        ((98, 5, 5), 3, (1, 1, 1)),
        ((98, 5, 5), 4, (2, 1, 1)),
        ((98, 5, 5), 107, (97, 5, 5)),  # exact (97.1, 4.95, 4.95)
    ],
)
def test_draws_worked_by_hand(counts, n: int, expected) -> None:
    split = split_of([k for k, count in enumerate(counts) for _ in range(count)])
    drawn = data.stratified_subset(split, n, seed=0)
    assert tuple(torch.bincount(drawn.y).tolist()) == expected


def test_draws_of_two_seeds_differ_and_of_one_agree(digits: Data) -> None:
    first, again, other = (
        data.stratified_index(digits.train.y, 50, seed=seed) for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first.sort().values, other.sort().values)
    drawn = data.stratified_subset(digits.train, 50, seed=0)
    assert torch.equal(drawn.x, digits.train.x[first])


# ---- Loading -------------------------------------------------------------------------------------


def test_digits(digits: Data) -> None:
    assert digits.image_shape == (1, 8, 8)
    assert digits.n_classes == 10
    assert digits.n_features == 64
    # Test on indices: two learners' digits may be the same image, so images cannot tell.
    assert [len(s) for s in (digits.train, digits.valid, digits.test)] == [1258, 180, 359]
    assert sum(len(s) for s in (digits.train, digits.valid, digits.test)) == 1797
    for split in (digits.train, digits.valid, digits.test):
        assert split.x.dtype == torch.float32
        assert split.y.dtype == torch.int64
        assert split.x.min() >= 0
        assert split.x.max() <= 1
        share = torch.bincount(split.y, minlength=10) / len(split)
        assert (share - 0.1).abs().max() < 0.015


def test_every_image_keeps_its_label(digits: Data) -> None:
    digits_source = SOURCES["digits"]
    (x, y), _, _ = digits_source.reader(digits_source, Path())
    label_of = {tuple(image.tolist()): int(label) for image, label in zip(x.flatten(1), y)}  # noqa: B905
    for split in (digits.train, digits.valid, digits.test):
        for image, label in zip(split.x.flatten(1), split.y, strict=True):
            assert label_of[tuple(image.tolist())] == int(label)


def test_seed_decides_the_split_of_digits(digits: Data) -> None:
    again, other = data.load("digits", seed=0), data.load("digits", seed=1)
    assert torch.equal(digits.test.x, again.test.x)
    assert not torch.equal(digits.test.x, other.test.x)


def test_limits_cut_each_split_and_only_where_given(digits: Data) -> None:
    small = data.load("digits", limits=(100, None, 5000))
    assert [len(s) for s in (small.train, small.valid, small.test)] == [100, 180, 359]
    assert torch.bincount(small.train.y).min() >= 9
    assert torch.equal(small.test.x, digits.test.x)


def test_own_test_set_of_a_source_is_kept(tiny, tmp_path: Path) -> None:
    found = data.load("mnist", root=tmp_path)
    assert found.classes == ("0", "1", "2")
    assert found.image_shape == (1, 4, 4)
    # Training images have the brightness 0 to 59, test images 100 to 129.
    assert [round(255 * b) for b in images(found.test)] == list(range(100, 130))
    train, valid = ([round(255 * b) for b in images(s)] for s in (found.train, found.valid))
    assert sorted(train + valid) == list(range(60))
    assert len(valid) == 6
    assert torch.bincount(found.valid.y).tolist() == [2, 2, 2]


def test_data_folder_comes_from_the_environment(tiny, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("DISTILL_DATA", str(tmp_path))
    assert len(data.load("mnist").test) == 30


def test_settings_name_data_set_size_seed_and_folder(tiny, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(data, "CPU_LIMITS", (50, 3, 9))
    env = {"DISTILL_DATASET": "mnist", "DISTILL_DATA": str(tmp_path), "DISTILL_SEED": "3"}
    small = data.from_settings(course_settings.load(env))
    assert [len(s) for s in (small.train, small.valid, small.test)] == [50, 3, 9]
    full = data.from_settings(
        course_settings.load(env | {"DISTILL_PROFILE": "full", "DISTILL_DEVICE": "cpu"})
    )
    assert [len(s) for s in (full.train, full.valid, full.test)] == [54, 6, 30]
    assert torch.equal(full.valid.x, data.load("mnist", root=tmp_path, seed=3).valid.x)
    assert not torch.equal(full.valid.x, data.load("mnist", root=tmp_path, seed=0).valid.x)


@pytest.fixture
def photographs(tmp_path: Path) -> str:
    """Colour images of 32×32 whose quarters of 16×16 are each of one colour."""
    dice = np.random.default_rng(0)
    for name in ("apple", "fig"):
        (tmp_path / name).mkdir()
        for i in range(40):
            quarters = dice.integers(256, size=(2, 2, 3), dtype=np.uint8)
            Image.fromarray(quarters.repeat(16, 0).repeat(16, 1)).save(tmp_path / name / f"{i}.png")
    return f"folder:{tmp_path}"


def test_a_lesson_on_a_cpu_averages_large_images_and_says_so(photographs: str, capsys) -> None:
    found = data.from_settings(course_settings.load({"DISTILL_DATASET": photographs}))
    assert found.image_shape == (3, 16, 16)
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.startswith(f"{photographs}: images of 32×32 are averaged to 16×16, ")
    assert said.endswith(f"DISTILL_PROFILE=full keeps them, and so does {photographs}?size=32.")
    whole = data.load(photographs)
    for small, large in ((found.train, whole.train), (found.test, whole.test)):
        assert torch.equal(small.x, large.x[..., ::2, ::2])  # squares of 2×2, each of one colour
        assert torch.equal(small.y, large.y)


@pytest.mark.parametrize("env", [{"DISTILL_PROFILE": "full"}, {"DISTILL_DATASET": "?size=32"}])
def test_large_images_are_kept_where_they_were_asked_for(env, photographs: str, capsys) -> None:
    env = env | {
        "DISTILL_DATASET": photographs + env.get("DISTILL_DATASET", ""),
        "DISTILL_DEVICE": "cpu",
    }
    assert data.from_settings(course_settings.load(env)).image_shape == (3, 32, 32)
    assert "averaged" not in capsys.readouterr().out


def test_images_of_the_size_of_mnist_are_kept(capsys) -> None:
    assert max(math.prod(SOURCES[n].shape) for n in ("digits", "mnist")) <= data.CPU_VALUES
    data.from_settings(course_settings.load({}))
    assert "averaged" not in capsys.readouterr().out


@given(
    channels=st.sampled_from([1, 3]),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    most=st.integers(3, 2000),
)
@properties
def test_averaged_images_are_the_largest_that_fit(channels, height, width, most) -> None:
    images = torch.rand(2, channels, height, width, generator=seeds.generator(0))
    found = averaged(images, most)
    left = (channels * -(-height // side) * -(-width // side) for side in itertools.count(1))
    side = next(side for side, values in enumerate(left, start=1) if values <= most)
    assert found.shape == (2, channels, -(-height // side), -(-width // side))
    torch.testing.assert_close(found[..., 0, 0], images[..., :side, :side].mean((2, 3)))
    corner = images[..., (height - 1) // side * side :, (width - 1) // side * side :].mean((2, 3))
    torch.testing.assert_close(found[..., -1, -1], corner)


def test_mnist_from_a_data_folder(mnist_folder: Path) -> None:
    found = data.load("mnist", root=mnist_folder, limits=(4000, 1000, None))
    assert found.image_shape == (1, 28, 28)
    assert found.classes == tuple("0123456789")
    assert [len(s) for s in (found.train, found.valid, found.test)] == [4000, 1000, 10000]
    # The official test set begins with the digits 7, 2, 1, 0, 4; it has 980 zeros.
    assert found.test.y[:5].tolist() == [7, 2, 1, 0, 4]
    assert int((found.test.y == 0).sum()) == 980
    assert found.train.x.max() == 1


# ---- A split -------------------------------------------------------------------------------------


def test_take_keeps_image_and_label_together_in_the_order_asked() -> None:
    split = split_of([0, 1, 2, 0])
    for index in ([2, 0, 2], torch.tensor([2, 0, 2])):
        taken = split.take(index)
        assert taken.x[:, 0, 0, 0].tolist() == [2, 0, 2]
        assert taken.y.tolist() == [2, 0, 2]
    assert split.take(split.y == 0).x[:, 0, 0, 0].tolist() == [0, 3]


def test_labels_hidden_and_a_class_left_out() -> None:
    split = split_of([0, 1, 2, 0])
    hidden = split.without_labels()
    assert hidden.y.tolist() == [UNLABELLED] * 4
    assert torch.equal(hidden.x, split.x)
    assert split.y.tolist() == [0, 1, 2, 0]
    left = split.without_class(0)
    assert left.y.tolist() == [1, 2]
    assert images(left) == [1, 2]


def test_split_and_data_are_frozen_and_move_together(digits: Data) -> None:
    with pytest.raises(FrozenInstanceError):
        digits.train.x = torch.zeros(1, 1, 1, 1)  # type: ignore[misc]
    moved = digits.to("meta")
    assert {s.x.device.type for s in (moved.train, moved.valid, moved.test)} == {"meta"}
    assert moved.test.y.device.type == "meta"


# ---- Bad input -----------------------------------------------------------------------------------

X, Y = torch.zeros(3, 1, 2, 2), torch.tensor([0, 1, 2])
SPLIT_ERRORS: dict[str, tuple[Tensor, Target, str]] = {
    "no rows": (X.flatten()[:3], Y, r"x has shape \(3,\); inputs need .* images \(N, C, H, W\)"),
    "integers": (X.byte(), Y, r"x has type torch.uint8; .* x.float\(\) / 255"),
    "too few labels": (X, Y[:2], r"y has shape \(2,\) for 3 images; give one label each"),
    "targets of too few": (X, {"a": Y, "b": Y[:2, None]}, r"y\['b'\] has shape \(2, 1\) for 3"),
    "a target of nothing": (X, {}, "y is empty; give a target for each image"),
    "float labels": (X, Y.float(), r"y has type torch.float32; labels are int64: use y.long\(\)"),
    "short tokens": (X[:, 0, 0].int(), Y, r"x has type torch.int32; .* Tokens are int64: use x.l"),
    "no image": (X[:0], Y[:0], "x holds no image: an empty split can neither train nor measure"),
}


@pytest.mark.parametrize(("x", "y", "expected"), SPLIT_ERRORS.values(), ids=SPLIT_ERRORS)
def test_tensors_that_make_no_split(x: Tensor, y: Target, expected: str) -> None:
    with pytest.raises(ValueError, match=f"^{expected}"):
        Split(x, y)


@pytest.mark.parametrize("index", [[], torch.tensor([], dtype=torch.int64)])
def test_taking_nothing(index) -> None:
    with pytest.raises(ValueError, match="x holds no image: an empty split can neither train"):
        split_of([0, 1]).take(index)


def test_unknown_data_set_names_the_nearest() -> None:
    expected = r"name='minst' is unknown. Did you mean 'mnist'\? Use one of 'digits', .*folder:PATH"
    with pytest.raises(ValueError, match=expected):
        data.load("minst")


def test_class_too_small_to_split() -> None:
    expected = "class 1 has 2 images, too few for 3 parts; add images of it or leave the class out"
    with pytest.raises(ValueError, match=expected):
        tensors.split_indices(torch.tensor([0] * 9 + [1] * 2), SHARES, seed=0)


def test_folder_with_a_class_too_small(tmp_path: Path) -> None:
    for name, n in (("apple", 5), ("fig", 2)):
        (tmp_path / name).mkdir()
        for i in range(n):
            Image.new("L", (6, 4)).save(tmp_path / name / f"{i}.png")
    with pytest.raises(ValueError, match="class 'fig' has 2 images, too few for 3 parts; add"):
        data.load(f"folder:{tmp_path}")


def test_draw_of_more_than_there_is() -> None:
    with pytest.raises(ValueError, match="n=5 images asked of a split of 4; ask for fewer"):
        data.stratified_subset(split_of([0, 1, 2, 0]), 5, seed=0)


@pytest.mark.parametrize("n", [2, 0, -1])
def test_draw_that_leaves_a_class_out(n: int) -> None:
    with pytest.raises(ValueError, match=f"n={n} leaves some of the 3 classes empty; ask for more"):
        data.stratified_subset(split_of([0, 1, 2, 0]), n, seed=0)


def test_limits_that_leave_a_class_out() -> None:
    with pytest.raises(ValueError, match="n=5 leaves some of the 10 classes empty; ask for more"):
        data.load("digits", limits=(None, 5, None))


@pytest.mark.parametrize("limits", [(10,), (1, 2, 3, 4), 10, None, "10"])
def test_limits_that_are_not_three(limits) -> None:
    with pytest.raises(ValueError, match="limits=.* must be three numbers, for train, valid and t"):
        data.load("digits", limits=limits)


def test_limits_that_are_no_whole_numbers() -> None:
    with pytest.raises(TypeError, match=r"limits=20.5 must be a whole number"):
        data.load("digits", limits=(20.5, None, None))  # type: ignore[arg-type]


def test_a_data_set_too_small_for_the_lessons(tmp_path: Path, monkeypatch) -> None:
    for name, n in (("apple", 36), ("fig", 35)):
        (tmp_path / name).mkdir()
        for i in range(n):
            Image.new("L", (6, 4)).save(tmp_path / name / f"{i}.png")
    config = course_settings.load({"DISTILL_DATASET": f"folder:{tmp_path}"})
    assert len(data.load(config.dataset).train) == 49  # which is enough for whom loads it directly
    expected = "holds 71 images, of which 49 are to train on; the lessons need 50 .* about 77 in al"
    with pytest.raises(ValueError, match=expected):
        data.from_settings(config)
    Image.new("L", (6, 4)).save(tmp_path / "fig" / "36.png")
    assert len(data.from_settings(config).train) == 50


# ---- Import --------------------------------------------------------------------------------------


def test_importing_data_loads_no_heavy_library() -> None:
    code = (
        "import sys, distill_lessons.data, distill_lessons.losses, distill_lessons.models;"
        "heavy = {'torchvision', 'shap', 'sklearn', 'seaborn', 'scipy', 'matplotlib', 'pandas'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
