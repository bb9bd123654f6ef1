"""What needs processes of its own: imports, and the lessons as a whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.inputs import Setup
from benchmarks.timing import Array, Comparison

ROOT = Path(__file__).parents[1]
BUDGET = 300.0  # seconds for all lessons


def python(*arguments: str, threads: int = 1) -> Array:
    """Run Python in the checkout and return its exit code as a result to compare.

    Raises:
        RuntimeError: if it fails; the message ends with what it said.
    """
    env = os.environ | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stdout + done.stderr)[-2000:]
        raise RuntimeError(f"python {' '.join(arguments)} failed:\n{said}")
    return np.array([done.returncode])


def imports(setup: Setup) -> Comparison:
    return Comparison(
        ours=lambda repeat: python("-c", "import distill_lessons"),
        theirs=lambda repeat: python("-c", "import torch"),
        tolerance=0.0,
        unit="process",
        note="Each in a new process, with Python's own start. The package loads torch when a part "
        "of it needs it.",
    )


def lessons(setup: Setup) -> Comparison:
    return Comparison(
        ours=lambda repeat: python(
            "-m", "pytest", "-q", "-n", "0", "notebooks", threads=setup.threads
        ),
        theirs=None,
        tolerance=0.0,
        unit="run",
        repeats=1,
        given=BUDGET,
        note="All lessons one after another in the profile and on the data of the environment.",
    )
