"""Two answers set side by side, and in words how they differ.

An answer is first made *plain*: numbers, strings, booleans and lists of them. Plain answers can be
written as JSON, so that a grader may compare in its own process what a learner's process found.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

# No exercise asks for more; an answer that holds more is a mistake, and would fill the memory.
MOST_NUMBERS = 1_000_000

# An integer beyond it is as good as infinite.
MOST = 10**300

# What single precision leaves of a sum that should be 0, of numbers around 1.
FLOOR = 1e-8

# What is off by less than the first share is close; by less than the second it has four digits
# right; less than the third is what single precision leaves.
CLOSE, FOUR_DIGITS, EXACT = 0.05, 1e-4, 1e-6

# Factors that have a name; the sign is told apart.
FACTORS = {
    2.0: "twice",
    4.0: "four times",
    10.0: "ten times",
    16.0: "sixteen times",
    100.0: "a hundred times",
    1000.0: "a thousand times",
}


def plain(value: Any) -> Any:
    """Return an answer as numbers, strings, booleans, None, and lists or dicts of them.

    Args:
        value: a number, a word, a tensor or array of any shape, or a (nested) list or dict of them.

    Raises:
        TypeError: if `value` holds anything else, such as a function or a net.
        ValueError: if it holds more than a million numbers.

    >>> plain(np.float32([[0.5, 1.0]]))
    [[0.5, 1.0]]
    """
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray | np.generic):
        if value.size > MOST_NUMBERS:
            raise ValueError(f"{value.size:,} numbers are more than any exercise asks for.")
        if value.dtype.kind not in "biufU":
            raise TypeError(f"an array of {value.dtype} is not an answer")
        return value.tolist()
    if type(value) is int and abs(value) > MOST:
        value = math.inf if value > 0 else -math.inf  # JSON and floats hold no more
    # By exact type: a subclass could say of itself that it equals everything.
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, list | tuple):
        if len(value) > MOST_NUMBERS:
            raise ValueError(f"{len(value):,} entries are more than any exercise asks for.")
        return [plain(part) for part in value]
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    raise TypeError(f"a {type(value).__name__} is not an answer")


def difference(got: Any, expected: Any, tolerance: float) -> str | None:
    """Say in words how a plain answer differs from the expected one; None if it does not.

    Args:
        got: the learner's answer, made plain.
        expected: the right one, made plain. A dict holds named properties, compared one by one.
        tolerance: relative; entries near zero may be off by a hundredth of it, times the largest
            expected number, or by `FLOOR`.

    >>> difference([0.25, 0.05], [0.25, 0.5], 1e-3)
    'the largest difference is at [1]: expected 0.5, got 0.05'
    >>> difference(1.02, 1.0, 1e-3)
    'close, but expected 1, got 1.02'
    """
    if isinstance(expected, dict):
        if not isinstance(got, dict) or got.keys() != expected.keys():
            return f"expected {', '.join(expected)}"
        for name, wanted in expected.items():
            if differs := difference(got[name], wanted, tolerance):
                return f"{name}: {differs.removeprefix(': ')}"
        return None
    if expected is None:
        return None if got is None else f"expected nothing, got {_kind(got)}"
    if isinstance(expected, str | bool):
        same = type(got) is type(expected) and _word(got) == _word(expected)
        return None if same else f"expected {expected!r}, got {got!r}"
    try:
        ours, wanted = _numbers(got), _numbers(expected)
    except (TypeError, ValueError):
        return f"expected {_shape_in_words(np.shape(expected))}, got {_kind(got)}"
    return _numeric_difference(ours, wanted, tolerance)


def nearness(got: Any, expected: Any) -> str:
    """Say how near a right answer of numbers lies to the expected one; "" where there is no number.

    Args:
        got: an answer, made plain, that `difference` lets pass.
        expected: as there.

    >>> nearness([0.25, 0.7504], [0.25, 0.75])
    'Close: off by at most 0.0004.'
    >>> nearness(2.996, math.log(20))
    'Exact to four digits.'
    """
    apart, largest = _gap(got, expected)
    if largest == 0.0:
        return ""
    if apart <= EXACT * largest:
        return "Exact."
    if apart <= FOUR_DIGITS * largest:
        return "Exact to four digits."
    return f"Close: off by at most {apart:.2g}."


def _gap(got: Any, expected: Any) -> tuple[float, float]:
    """Return how far two plain answers of one form lie apart, and the largest number expected."""
    if isinstance(expected, dict):
        got, expected = [got[name] for name in expected], list(expected.values())
    if isinstance(expected, list):
        parts = [_gap(*both) for both in zip(got, expected, strict=True)] or [(0.0, 0.0)]
        return max(part[0] for part in parts), max(part[1] for part in parts)
    if isinstance(expected, str | bool | None):
        return 0.0, 0.0
    ours, wanted = float(got), float(expected)
    same = ours == wanted or (math.isnan(ours) and math.isnan(wanted))
    return 0.0 if same else abs(ours - wanted), abs(wanted) if math.isfinite(wanted) else 0.0


def _numeric_difference(got: np.ndarray, expected: np.ndarray, tolerance: float) -> str | None:
    if got.shape != expected.shape:
        text = f"expected {_shape_in_words(expected.shape)}, got {_shape_in_words(got.shape)}"
        return text + (" (transposed)" if got.shape == expected.shape[::-1] else "")
    if got.size == 0:
        return None
    largest = np.abs(expected[np.isfinite(expected)]).max(initial=0.0)
    allowed = tolerance * (np.abs(expected) + 0.01 * largest) + FLOOR
    with np.errstate(invalid="ignore"):
        gap = np.abs(got - expected)
    # NaN is far from every number; an infinity that is expected and given is no gap, and neither
    # is a
    # NaN where a classic mistake gives NaN too: so the mistake is recognised.
    same = (got == expected) | (np.isnan(got) & np.isnan(expected))
    gap = np.where(same, 0.0, np.where(np.isnan(gap), np.inf, gap))
    if (gap <= np.where(np.isfinite(allowed), allowed, 0.0)).all():
        return None
    worst = np.unravel_index(int(np.argmax(gap)), got.shape)
    where = "close, but " if (gap <= CLOSE * np.abs(expected) + FLOOR).all() else ""
    where += f"the largest difference is at {[int(i) for i in worst]}: " if got.ndim else ""
    got = np.where(np.abs(got) < 1e-6 * largest, 0.0, got)  # what rounding leaves of a zero
    note = _ratio_in_words(got, expected)
    return f"{where}expected {expected[worst]:.4g}, got {got[worst]:.4g}" + (
        f" ({note})" if note else ""
    )


def _ratio_in_words(got: np.ndarray, expected: np.ndarray) -> str:
    """Name the factor by which all numbers are off, if it is one factor for all."""
    if not (np.isfinite(got).all() and np.isfinite(expected).all()) or not np.any(expected):
        return ""
    ratio = float((got * expected).sum() / (expected**2).sum())
    if ratio == 0.0 or not np.allclose(got, ratio * expected, rtol=1e-3, atol=1e-9):
        if got.size > 1 and np.allclose(got - expected, np.mean(got - expected), rtol=1e-3):
            return f"every number is off by {np.mean(got - expected):+.4g}"
        return ""
    sign = "the sign is flipped" if ratio < 0 else ""
    size = abs(ratio)
    for factor, word in FACTORS.items():
        if np.isclose(size, factor, rtol=1e-3):
            return ", ".join(filter(None, [sign, f"{word} too large"]))
        if np.isclose(size, 1 / factor, rtol=1e-3):
            return ", ".join(filter(None, [sign, f"{word} too small"]))
    if np.isclose(size, 1.0, rtol=1e-3):
        return sign
    if got.size == 1:
        return ""  # one number is off by some factor always
    off = f"{size:.3g} times too large" if size > 1 else f"{1 / size:.3g} times too small"
    return ", ".join(filter(None, [sign, off]))


def _numbers(value: Any) -> np.ndarray:
    if isinstance(value, str) or value is None:
        raise TypeError("not a number")
    return np.asarray(value, dtype=np.float64)


def _word(value: Any) -> Any:
    return value.strip().casefold() if isinstance(value, str) else value


def _shape_in_words(shape: tuple[int, ...]) -> str:
    return f"shape {tuple(shape)}" if shape else "a single number"


def _kind(value: Any) -> str:
    if value is None:
        return "None; every way through the function has to end in a return"
    return repr(value) if isinstance(value, str | bool) else type(value).__name__
