"""Random numbers that depend on a seed alone.

The plain way is to use a separate generator, from `generator`. Initial weights and dropout do not
accept one: torch draws them from a global generator for each device. `fork_rng` seeds those of the
device in use and no others: to fork or seed all devices would open every GPU of a shared server.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# A global generator serves one block at a time: two threads that build nets would otherwise draw
# from each other's seeds. Re-entrant, because a block may build a net.
_LOCK = threading.RLock()


def generator(seed: int, device: str | torch.device = "cpu") -> torch.Generator:
    """Return a new generator on a device that starts from a seed.

    Raises:
        TypeError: if the seed is not a whole number; NumPy's are welcome.
        ValueError: if it does not fit into 64 bits.
    """
    return torch.Generator(device=device).manual_seed(checked(seed))


def following(seed: int) -> int:
    """Return a seed that depends on this one alone, and whose generator has another stream.

    Two things that are drawn from generators of one seed are not independent: the first numbers
    that shuffle the images would also choose what is done to them.

    Raises:
        TypeError: if the seed is not a whole number.
        ValueError: if it does not fit into 64 bits.
    """
    return int(torch.randint(2**62, (1,), generator=generator(seed)))


@contextmanager
def fork_rng(seed: int, device: str | torch.device = "cpu") -> Iterator[None]:
    """Seed torch's global generators for a block, and put them back after it.

    Those of the CPU and of `device` are seeded; no other device is opened. While one thread is
    inside such a block, others wait before theirs.

    Args:
        seed: same seed, same draws.
        device: where the block draws, besides the CPU.

    Raises:
        TypeError: if the seed is not a whole number.
        ValueError: if it does not fit into 64 bits.
    """
    seed = checked(seed)
    with _LOCK:
        generators = global_generators(torch.device(device))
        states = [each.get_state() for each in generators]
        try:
            for each in generators:
                each.manual_seed(seed)
            yield
        finally:
            for each, state in zip(generators, states, strict=True):
                each.set_state(state)


def global_generators(device: torch.device) -> list[torch.Generator]:
    """Return torch's global generators of the CPU and of `device`."""
    generators = [torch.default_generator]
    if device.type == "cuda":
        torch.cuda.init()  # until then there are no generators
        index = torch.cuda.current_device() if device.index is None else device.index
        generators.append(torch.cuda.default_generators[index])
    elif device.type == "mps":
        generators.append(torch.mps._get_default_mps_generator())
    return generators


def checked(seed: int) -> int:
    """Return a seed as a plain int.

    Raises:
        TypeError: if it is not a whole number.
        ValueError: if it does not fit into 64 bits.
    """
    try:
        number = operator.index(seed)
    except TypeError:
        raise TypeError(f"seed={seed!r} must be a whole number.") from None
    if not -(2**63) <= number < 2**64:
        raise ValueError(f"seed={number} does not fit into 64 bits; take one from 0 to 2**64 - 1.")
    return number
