"""Nets on their way to a device: whole numbers, masks, what they cost, a server, ONNX files."""

from __future__ import annotations

import copy
import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from distill_lessons import data, evaluation, models
from distill_lessons.claims import mean_effect
from distill_lessons.claims.statements import Claim
from distill_lessons.data import Split
from distill_lessons.deploy import cost, int8, onnx_net, pruning, serving
from distill_lessons.fast import repeats, stacking
from distill_lessons.robust import corruptions
from distill_lessons.robust.stack import Stack

SHAPE, NAMES = (1, 6, 6), list("abcd")
needs_the_extra = pytest.mark.skipif(bool(onnx_net.missing()), reason=onnx_net.missing())


def images(n: int = 40, seed: int = 0) -> Tensor:
    return torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(seed))


def net(seed: int = 0, hidden: tuple[int, ...] = (16,)) -> nn.Sequential:
    return models.mlp(SHAPE, 4, hidden, seed=seed).eval()


def conv() -> nn.Sequential:
    return models.cnn((1, 8, 8), 4, width=4).eval()


# --- whole numbers --------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(bits=st.integers(2, 16), seed=st.integers(0, 999), per_channel=st.booleans())
def test_weights_are_rounded_as_torch_rounds_them(bits: int, seed: int, per_channel: bool) -> None:
    weight = torch.randn(5, 7, generator=torch.Generator().manual_seed(seed))
    most = 2 ** (bits - 1) - 1
    found = int8.round_weights(weight, bits=bits, per_channel=per_channel)
    if per_channel:
        scale = weight.abs().amax(1) / most
        zero = torch.zeros(5, dtype=torch.int32)
        oracle = torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, -most, most)
    else:
        scale = weight.abs().max().reshape(1) / most
        oracle = torch.fake_quantize_per_tensor_affine(weight, float(scale), 0, -most, most)
    # Where a weight lies halfway between two values, the last bit decides which is taken.
    assert bool(((found - oracle).abs() <= 1.001 * scale.reshape(-1, 1)).all())
    assert int(((found - oracle).abs() > 0.01 * scale.reshape(-1, 1)).sum()) <= 1
    half = scale.reshape(-1, 1) / 2
    assert bool(((found - weight).abs() <= half * 1.001).all())
    again = int8.round_weights(found, bits=bits, per_channel=per_channel)
    torch.testing.assert_close(again, found)  # what lies on the grid stays there


def test_a_layer_of_zeros_stays_one() -> None:
    assert int8.round_weights(torch.zeros(2, 3)).tolist() == [[0.0] * 3] * 2


@settings(deadline=None, max_examples=40)
@given(low=st.floats(-9, 3), width=st.floats(0.01, 9), seed=st.integers(0, 99))
def test_a_grid_rounds_as_torch_does_and_holds_zero(low: float, width: float, seed: int) -> None:
    grid = int8.Grid(torch.tensor(low), torch.tensor(low + width))
    x = 20 * torch.rand(50, generator=torch.Generator().manual_seed(seed)) - 10
    oracle = torch.fake_quantize_per_tensor_affine(x, float(grid.scale), int(grid.zero), 0, 255)
    assert bool(((grid(x) - oracle).abs() <= 1.001 * grid.scale).all())  # a half may go either way
    assert ((grid(x) - oracle).abs() > 1e-4).float().mean() < 0.1
    assert grid(torch.zeros(1)).item() == 0


@pytest.mark.parametrize("made", [net, conv])
def test_many_bits_change_nothing_but_the_activations(made: object) -> None:
    plain = made()  # type: ignore[operator]
    x = torch.rand(60, 1, *((6, 6) if made is net else (8, 8)))
    before = copy.deepcopy(plain.state_dict())
    z = evaluation.predict(plain, x)
    gaps = [
        float((evaluation.predict(int8.quantised(plain, x, bits=bits), x) - z).abs().max())
        for bits in (16, 8, 2)
    ]
    assert gaps[0] < 0.02 * z.abs().max() < gaps[2]
    assert gaps[1] < 0.05 * z.abs().max()
    assert all(torch.equal(before[key], value) for key, value in plain.state_dict().items())


def test_every_number_of_a_quantised_net_lies_on_its_grid() -> None:
    found = int8.quantised(net(), images(), bits=4)
    kinds = [type(layer).__name__ for layer in found]
    assert kinds == ["Grid", "Flatten", "Linear", "ReLU", "Grid", "Linear", "Grid"]
    h = images(30, seed=1)
    with torch.no_grad():
        for layer in found:
            h = layer(h)
            if isinstance(layer, int8.Grid):
                whole = h / layer.scale
                torch.testing.assert_close(whole, whole.round(), atol=1e-3, rtol=0)
            elif isinstance(layer, nn.Linear):
                assert all(len(row.unique()) <= 15 for row in layer.weight)


def test_calibration_on_dark_images_cuts_off_bright_ones() -> None:
    plain, x = net(), images(200)
    z = evaluation.predict(plain, x)
    good, bad = (int8.quantised(plain, x[:100] * factor) for factor in (1.0, 0.1))
    gap_good, gap_bad = ((evaluation.predict(made, x) - z).abs().mean() for made in (good, bad))
    assert gap_bad > 5 * gap_good


def test_quantised_nets_stack_and_have_no_slope() -> None:
    nets = [int8.quantised(net(seed), images(seed=seed)) for seed in (0, 1)]
    x = images(8)
    z = Stack(nets)(x.expand(2, *x.shape))
    for one, own in zip(nets, z, strict=True):
        torch.testing.assert_close(one(x), own)
    leaf = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(nets[0](leaf).sum(), leaf)
    assert slope.abs().max() == 0


class Odd(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: int8.quantised(net(), images(0)), r"x has shape \(0, 1, 6, 6\): without images"),
        (lambda: int8.quantised(net(), torch.full((2, *SHAPE), torch.nan)), "x"),
        (lambda: int8.quantised(net(), torch.rand(2, 1, 5, 5)), "the model cannot take x"),
        (
            lambda: int8.quantised(nn.Sequential(nn.Flatten(), nn.Linear(36, 4), nn.GELU()),
                                   images()),
            r"layer '2' \(GELU\) has no whole-number form",
        ),
        (lambda: int8.quantised(Odd(), images()), "net is a Odd; give an nn.Sequential"),
        (lambda: int8.quantised(net(), images(), bits=1), "bits=1 must be from 2 to 16"),
        (lambda: int8.round_weights(torch.tensor([torch.inf])), "weight"),
        (lambda: pruning.prune(net(), 0.5), "no layer with a mask"),
        (lambda: pruning.left(net()), "no layer with a mask"),
        (lambda: pruning.prune(pruning.prunable(net()), 0.0), "share=0.0 must be above 0"),
        (lambda: pruning.prunable(conv()), r"layer '0' \(Conv2d\) has weights that cannot"),
        (lambda: cost.weight_bytes(net(), bits=0), "bits=0 must be at least 1"),
        (lambda: cost.in_turn({}, 30), "ways is empty"),
        (lambda: cost.in_turn({"a": list}, 20), "warm_up=20 leaves nothing of repeats=20"),
        (lambda: cost.caller(net(), torch.rand(1, 1, 5, 5)), "the model cannot take x"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_by_name(call: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()  # type: ignore[operator]


def test_what_is_no_net_or_function_is_refused() -> None:
    for call in (
        lambda: int8.quantised("net", images()),
        lambda: int8.quantised(net(), [1, 2]),
        lambda: int8.round_weights([1.0]),
        lambda: pruning.prunable(3),
        lambda: cost.in_turn({"a": 3}, 30),
        lambda: cost.energy(3),
    ):
        with pytest.raises(TypeError):
            call()


# --- fewer weights --------------------------------------------------------------------------------


def test_the_largest_weights_stay_in_each_layer_or_in_all() -> None:
    for together in (False, True):
        found = pruning.prunable(net())
        torch.testing.assert_close(found(images()), net()(images()))
        pruning.prune(found, 0.25, together=together)
        layers = [module for module in found if isinstance(module, pruning.Masked)]
        sizes = [layer.weight.detach().abs() for layer in layers]
        limit = torch.cat([size.flatten() for size in sizes]).quantile(0.75)
        for layer, size in zip(layers, sizes, strict=True):
            at = limit if together else size.flatten().quantile(0.75)
            assert torch.equal(layer.mask.bool(), size > at)
        assert sum(pruning.left(found)) == 0.25 * (36 * 16 + 16 * 4)


def test_what_was_taken_away_stays_away_while_the_rest_learns() -> None:
    nets = [pruning.prunable(net(seed)) for seed in (0, 1)]
    for one in nets:
        pruning.prune(one, 0.5)
    masks = [one[1].mask.clone() for one in nets]
    z = torch.randn(40, 4, generator=torch.Generator().manual_seed(5))
    stacking.fit_many(
        nets, Split(images(), z.argmax(1)), z, steps=30, T=2.0, alpha=0.0, lr=1e-2
    )  # fmt: skip
    for one, mask in zip(nets, masks, strict=True):
        assert torch.equal(one[1].mask, mask)
        one[1].weight.data[mask == 0] = 1e6  # nothing comes of what is masked
        assert one(images()).abs().max() < 1e3
        pruning.prune(one, 0.25)  # among those that are left, however large the others
        assert bool((one[1].mask <= mask).all())
        assert pruning.left(one)[0] == 0.25 * 36 * 16


# --- cost -----------------------------------------------------------------------------------------


def test_bytes_by_hand() -> None:
    plain = net()  # 36-16-4
    assert cost.weight_bytes(plain) == 4 * (36 * 16 + 16 + 16 * 4 + 4)
    assert cost.weight_bytes(plain, bits=8) == 36 * 16 + 16 * 4 + 4 * (16 + 4) + 4 * (16 + 4)
    assert cost.weight_bytes(plain, bits=4) == (36 * 16 + 16 * 4) // 2 + 8 * (16 + 4)
    assert cost.activation_bytes(plain, images(3)) == 4 * 3 * (36 + 36)  # the Flatten
    assert cost.activation_bytes(conv(), torch.zeros(1, 1, 8, 8)) == 4 * (4 + 4) * 64


def test_every_way_is_called_as_often_and_who_is_first_changes() -> None:
    seen: list[str] = []
    ways = {name: (lambda name=name: seen.append(name)) for name in "abc"}
    table = cost.in_turn(ways, 6, warm_up=2)
    assert table.shape == (4, 3)
    assert list(table) == list("abc")
    assert "".join(seen) == "abcbcacab" * 2
    assert (table >= 0).all(axis=None)


def test_ratios_are_taken_round_by_round() -> None:
    table = pd.DataFrame({"a": [1.0, 2.0, 10.0], "b": [2.0, 6.0, 10.0]})
    found = cost.ratios(table, "a")
    assert found.loc["a"].tolist() == [1.0, 1.0, 1.0]
    assert found.loc["b"].tolist() == pytest.approx([2.0, 1.1, 2.9])  # of 2, 3 and 1
    with pytest.raises(ValueError, match="to='c' is unknown"):
        cost.ratios(table, "c")


def counter(folder: Path, name: str, now: int) -> Path:
    place = folder / name
    place.mkdir(exist_ok=True)
    (place / "energy_uj").write_text(f"{now}\n")
    (place / "max_energy_range_uj").write_text("5000000\n")
    return place


def test_energy_is_counted_over_the_counters_end_or_not_at_all(tmp_path: Path) -> None:
    assert cost.energy(list, counters=tmp_path / "none") is None
    counter(tmp_path, "intel-rapl:0", 1_000_000)
    counter(tmp_path, "intel-rapl:1", 4_000_000)
    counter(tmp_path, "intel-rapl:0:0", 7)  # a part of the first: it would count twice

    def work() -> None:
        counter(tmp_path, "intel-rapl:0", 1_500_000)
        counter(tmp_path, "intel-rapl:1", 1_000_000)

    assert cost.energy(work, counters=tmp_path) == pytest.approx(0.5 + 2.0)
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("no number")
    assert cost.energy(list, counters=tmp_path) is None


# --- served ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    with serving.serving(net(), SHAPE, NAMES) as found:
        yield found


def test_a_served_net_says_what_it_says_here(address: tuple[str, int]) -> None:
    x = images(5)
    z = evaluation.predict(net(), x)
    answer = serving.ask(address, {"images": x.tolist()})
    torch.testing.assert_close(torch.tensor(answer["logits"]), z)
    assert answer["classes"] == [NAMES[k] for k in z.argmax(1).tolist()]


def test_several_may_ask_at_once(address: tuple[str, int]) -> None:
    answers: dict[int, list[str]] = {}

    def one(seed: int) -> None:
        answers[seed] = serving.ask(address, {"images": images(7, seed).tolist()})["classes"]

    threads = [threading.Thread(target=one, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(6):
        z = evaluation.predict(net(), images(7, seed))
        assert answers[seed] == [NAMES[k] for k in z.argmax(1).tolist()]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([1, 2], "the request is not"),
        ({"x": 1}, "KeyError: 'images'"),
        ({"images": "seven"}, "the request is not"),
        ({"images": [[1.0], [1.0, 2.0]]}, "the request is not"),
        ({"images": []}, r"images have shape \(0,\)"),
        ({"images": [[[0.0] * 5] * 5]}, r"this net takes \('N', 1, 6, 6\)"),
        ({"images": [[[[255.0] * 6] * 6]]}, "pixels that are not in"),
        ({"images": [[[[float("nan")] * 6] * 6]]}, "pixels that are not in"),
    ],
)
def test_a_request_that_does_not_fit_is_told_why(
    address: tuple[str, int], content: object, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        serving.ask(address, content)


@pytest.mark.parametrize(
    ("method", "body", "headers", "status"),
    [
        ("POST", b"not JSON", {}, 400),
        ("POST", b"\xff\xfe", {}, 400),
        ("POST", b"[" * 100_000, {}, 400),
        ("POST", b"", {"Content-Length": "99999999999"}, 400),
        ("POST", b"", {"Content-Length": "-1"}, 400),
        ("GET", None, {}, 200),
        ("DELETE", None, {}, 501),
    ],
)
def test_a_raw_request_gets_an_answer_and_the_server_lives_on(
    address: tuple[str, int], method: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    connection = http.client.HTTPConnection(*address, timeout=10)
    connection.request(method, "/", body, headers)
    response = connection.getresponse()
    said = response.read()
    connection.close()
    assert response.status == status
    if status != 501:
        assert ("error" in json.loads(said)) == (status == 400)
    assert serving.ask(address, {"images": images(1).tolist()})["classes"]


def test_the_port_is_free_afterwards_and_a_net_that_does_not_fit_is_refused() -> None:
    with serving.serving(net(), SHAPE, NAMES) as place:
        pass
    with pytest.raises(OSError):  # noqa: PT011  refused, or reset
        serving.ask(place, {"images": []})
    with (
        pytest.raises(ValueError, match="classes has 2 names"),
        serving.serving(net(), SHAPE, ["a", "b"]),
    ):
        pass


# --- the lesson's wins, each beside its control ---------------------------------------------------


def test_the_lessons_wins_are_gone_with_their_controls() -> None:
    digits = data.load("digits")
    draws = repeats.draw(
        digits, lambda s: models.mlp((1, 8, 8), 10, (48,), seed=s), 8, steps=150, spare=200, lr=3e-3
    )
    pool, x = draws.pool, draws.pool.x[draws.test]
    y = pool.y[draws.test]
    starts = [1000 + s for s in draws.seeds]  # apart from their teachers
    how = {"seeds": starts, "T": 4.0, "alpha": 0.0, "lr": 1e-2}
    students = [models.mlp((1, 8, 8), 10, (16,), seed=s) for s in starts]
    stacking.fit_many(students, pool, draws.z, rows=draws.train, steps=150, **how)

    def right(nets: list[nn.Module], images: Tensor) -> Tensor:
        found = evaluation.predict(Stack(nets), images).argmax(2) == y
        return found.float().mean(1)

    def holds(difference: Tensor, **bound: float) -> bool:
        effect = mean_effect(difference.numpy(), unit="points")
        return Claim("It helps.", effect, bound.get("above"), bound.get("below")).holds

    def rounded(bits: int) -> Tensor:
        nets = [int8.quantised(net, x[r, :50], bits=bits) for r, net in enumerate(students)]
        return right(nets, x) - right(students, x)

    assert holds(rounded(2), below=-0.1)
    assert not holds(rounded(8), below=-0.05)
    assert holds(rounded(8), above=-0.02)

    def thinned(share: float) -> Tensor:
        nets = [pruning.prunable(net) for net in draws.teachers]
        for net in nets:
            pruning.prune(net, share)
        return right(students, x) - right(nets, x)

    assert holds(thinned(0.05), above=0.2)
    assert not holds(thinned(1.0), above=0.2)

    def hazy(images: Tensor) -> Tensor:
        return corruptions.noisy(0.35 * images + 0.65, 0.05, seed=0)

    def kept_up(z: Tensor) -> Tensor:
        seen = Split(torch.cat([hazy(pool.x[rows]) for rows in draws.spare]), pool.y[:0].new_zeros(
            draws.spare.numel()))  # fmt: skip
        table = torch.zeros(8, len(seen), 10)
        rows = torch.arange(len(seen)).reshape(8, -1)
        for r in range(8):
            table[r, rows[r]] = z[r]
        nets = copy.deepcopy(students)
        stacking.fit_many(nets, seen, table, rows=rows, steps=120, **how)
        return right(nets, hazy(x)) - right(students, hazy(x))

    clean = torch.stack([z[rows] for z, rows in zip(draws.z, draws.spare, strict=True)])
    hazed = evaluation.predict(Stack(draws.teachers), hazy(pool.x[draws.spare]))
    assert holds(kept_up(clean), above=0.2)
    assert not holds(kept_up(hazed), above=0.2)


# --- ONNX files -----------------------------------------------------------------------------------


def test_without_the_extra_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_net, "LIBRARIES", ("json", "no_such_library"))
    assert onnx_net.missing().startswith("Without no_such_library the parts with ONNX files")
    assert 'pip install "distill-lessons[deploy]"' in onnx_net.missing()
    with pytest.raises(ImportError, match="no_such_library"):
        onnx_net.export(net(), images(), Path("never.onnx"))
    assert not Path("never.onnx").exists()
    monkeypatch.setattr(onnx_net, "LIBRARIES", ("json",))
    assert onnx_net.missing() == ""


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "net.onnx"
    onnx_net.export(net(), images(), path)
    return path


@needs_the_extra
def test_an_exported_net_says_the_same_of_any_number_of_images(exported: Path) -> None:
    found = onnx_net.OnnxNet(exported)
    for n in (1, 7, 300):
        x = images(n, seed=n)
        torch.testing.assert_close(found(x), evaluation.predict(net(), x), rtol=1e-4, atol=1e-5)
    assert [path.name for path in exported.parent.iterdir()] == ["net.onnx"]
    assert copy.deepcopy(found) is found


@needs_the_extra
def test_a_file_in_whole_numbers_is_the_simulated_net(exported: Path, tmp_path: Path) -> None:
    x = images(300, seed=3)
    made = onnx_net.quantise(exported, images(), tmp_path / "int8.onnx")
    simulated = int8.quantised(net(), images(), bits=7)
    z, theirs = evaluation.predict(simulated, x), evaluation.predict(made, x)
    step = float(simulated[-1].scale)
    # A weight that lies between two steps may go the other way: their grid has 64 steps, ours 63.
    assert (z - theirs).abs().max() < 5 * step
    assert (z.argmax(1) == theirs.argmax(1)).float().mean() > 0.9
    dark = onnx_net.quantise(exported, images() * 0.1, tmp_path / "dark.onnx")
    float_ = evaluation.predict(net(), x)
    assert (evaluation.predict(dark, x) - float_).abs().mean() > 3 * (theirs - float_).abs().mean()


class Spectrum(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.eigvals(x @ x.mT).real


@needs_the_extra
def test_what_is_no_exported_net_is_refused(exported: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(exported.read_bytes()[:200])
    with pytest.raises(ValueError, match="path='broken.onnx' is no ONNX net"):
        onnx_net.OnnxNet(broken)
    with pytest.raises(OSError, match="nowhere"):
        onnx_net.OnnxNet(tmp_path / "nowhere.onnx")
    with pytest.raises(ValueError, match=r"the file takes \('N', 1, 6, 6\)"):
        onnx_net.OnnxNet(exported)(torch.rand(1, 1, 5, 5))
    with pytest.raises(ValueError, match="it is not the exported net"):
        onnx_net.check_same(net(seed=1), onnx_net.OnnxNet(exported), images())
    with pytest.raises(ValueError, match="without images"):
        onnx_net.quantise(exported, images(0), tmp_path / "none.onnx")
    with pytest.raises(ValueError, match="bits=4 must be 8, or 7"):
        onnx_net.quantise(exported, images(), tmp_path / "none.onnx", bits=4)
    odd = nn.Sequential(nn.Identity(), Spectrum(), nn.Flatten(), nn.Linear(6, 4))
    with pytest.raises(ValueError, match=r"layer '1' \(Spectrum\) cannot be exported"):
        onnx_net.export(odd, torch.rand(3, *SHAPE), tmp_path / "none.onnx")
    assert not (tmp_path / "none.onnx").exists()
