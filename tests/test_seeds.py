"""Seeds: same draws, nothing left behind, no device touched but the one in use, threads apart."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from distill_lessons import models, seeds, training
from distill_lessons.data import Split
from distill_lessons.explain import checks, forward, randomisation


def net(seed: int = 0, dropout: float = 0.0) -> nn.Sequential:
    return models.mlp((1, 4, 4), 3, (8,), dropout=dropout, seed=seed)


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def toy() -> Split:
    return Split(torch.rand(20, 1, 4, 4, generator=seeds.generator(0)), torch.arange(20) % 3)


def test_a_fork_draws_what_the_global_generator_draws_from_that_seed() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(9)
    before = torch.get_rng_state()
    with seeds.fork_rng(5):
        assert torch.equal(torch.rand(3), expected)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_generators_come_back_after_an_error() -> None:
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError), seeds.fork_rng(1):
        torch.rand(3, 4) @ torch.rand(3, 4)
    assert torch.equal(torch.get_rng_state(), before)


def test_forks_within_forks() -> None:
    with seeds.fork_rng(1):
        expected = torch.rand(2)
    with seeds.fork_rng(1):
        first = torch.rand(1)
        net(seed=3)
        assert torch.equal(torch.cat([first, torch.rand(1)]), expected)


@pytest.mark.parametrize("seed", [np.int64(4), np.uint8(4), torch.tensor(4)])
def test_whole_numbers_of_other_libraries_are_seeds(seed) -> None:
    assert torch.equal(weights(net(seed=seed)), weights(net(seed=4)))
    drawn = torch.rand(2, generator=seeds.generator(seed))
    assert torch.equal(drawn, torch.rand(2, generator=seeds.generator(4)))


@pytest.mark.parametrize("seed", [1.5, "1", None, 2.0])
@pytest.mark.parametrize("use", [seeds.generator, net])
def test_a_seed_that_is_no_whole_number(use, seed) -> None:
    with pytest.raises(TypeError, match=f"^seed={seed!r} must be a whole number"):
        use(seed)


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1])
def test_a_seed_beyond_64_bits(seed: int) -> None:
    with pytest.raises(ValueError, match=f"^seed={seed} does not fit into 64 bits"):
        seeds.generator(seed)


# ---- Devices -------------------------------------------------------------------------------------


@pytest.fixture
def four_gpus(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Pretend to four GPUs, and note every attempt to open, seed or save one of them."""
    touched: list[str] = []

    def note(name: str):
        return lambda *args, **kwargs: touched.append(name)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **_: torch.device("cuda"))
    opening = ("init", "_lazy_init", "_lazy_call", "get_rng_state", "set_rng_state")
    for name in (*opening, "manual_seed", "manual_seed_all", "current_device"):
        monkeypatch.setattr(torch.cuda, name, note(name))
    for name in ("get_rng_state", "set_rng_state", "manual_seed", "manual_seed_all", "_lazy_call"):
        monkeypatch.setattr(torch.cuda.random, name, note(name))
    # Every optimiser asks the current stream whether it is being recorded: torch's own doing, and
    # the reason why `settings.begin` hides the GPUs from a lesson on the CPU.
    stream = SimpleNamespace(is_capturing=lambda: False)
    monkeypatch.setattr(torch.accelerator, "current_stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    return touched


@pytest.mark.filterwarnings("ignore:CUDA reports that you have 4")
def test_the_four_gpus_notice_what_torch_does_by_itself(four_gpus: list[str]) -> None:
    with torch.random.fork_rng():
        pass
    assert "get_rng_state" in four_gpus
    four_gpus.clear()
    torch.manual_seed(0)
    assert four_gpus


USES = {
    "building": lambda: net(),
    "fit": lambda: training.fit(net(dropout=0.5), toy(), steps=2),
    "randomised": lambda: randomisation.randomised(net(), seed=0),
    "check_explainable": lambda: checks.check_explainable(net(), (1, 4, 4)),
    "private_randomness": lambda: forward.private_randomness(0).__enter__(),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_net_on_the_cpu_touches_none_of_four_gpus(use, four_gpus: list[str]) -> None:
    use()
    assert four_gpus == []


def test_only_the_gpu_in_use_is_forked_and_seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = [seeds.generator(10 + i) for i in range(4)]  # stand in for those of four GPUs
    before = [gpu.get_state() for gpu in gpus]
    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch.cuda, "default_generators", tuple(gpus))
    for device, used in (("cuda:2", 2), ("cuda", 1)):
        with seeds.fork_rng(5, device):
            drawn = torch.rand(2, generator=gpus[used])
            assert torch.equal(drawn, torch.rand(2, generator=seeds.generator(5)))
            others = [i for i in range(4) if i != used]
            assert all(torch.equal(gpus[i].get_state(), before[i]) for i in others)
        assert all(torch.equal(g.get_state(), s) for g, s in zip(gpus, before, strict=True))


# ---- Threads -------------------------------------------------------------------------------------


def test_nets_built_in_four_threads_at_once_have_the_weights_of_their_seeds() -> None:
    expected = [weights(net(seed)) for seed in range(4)]
    state = torch.get_rng_state()
    start = threading.Barrier(4)

    def build(seed: int) -> list[torch.Tensor]:
        start.wait()
        return [weights(net(seed)) for _ in range(100)]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(build, range(4)))
    for seed, nets in enumerate(found):
        assert all(torch.equal(one, expected[seed]) for one in nets)
    assert torch.equal(torch.get_rng_state(), state)
