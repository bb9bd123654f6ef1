"""Shares of one piece of work, done by several processes or machines, in order.

The engine is joblib's: processes on this machine, or whatever `joblib.parallel_config` names, such
as the workers of a Dask cluster. What a share gives does not depend on who does it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import torch

from distill_lessons.settings import whole_number

T = TypeVar("T")
R = TypeVar("R")

# How often workers may be killed before it counts as the fault of the work, which may need more
# memory than there is.
ATTEMPTS = 4
# A worker shows no bars, and a share that is cut off is done again as a whole.
_QUIETLY = {"DISTILL_LIVE": "0", "DISTILL_CHECKPOINTS": ""}


def spread(work: Callable[[T], R], shares: Sequence[T], jobs: int | None) -> list[R]:
    """Do the shares of some work and return what each gives, in order.

    Args:
        work: does one share. It, what it refers to and what it returns are sent as pickles, from
            and to processes of this user.
        shares: what is given to it.
        jobs: how many processes, at most one for each share; -1 for one per core, or for all
            workers of a cluster. None to do all in this process.

    Raises:
        TypeError: if `jobs` is not a whole number.
        ValueError: if it is 0 or below -1.
        RuntimeError: if workers were killed again and again.
    """
    if jobs is None:
        return [work(share) for share in shares]
    jobs = whole_number("jobs", jobs, least=-1)
    if jobs == 0:
        raise ValueError("jobs=0 leaves nobody to work; give 1 or more, or -1 for all cores.")
    import joblib

    jobs = min(jobs, max(1, len(shares)))  # a process without a share would only take memory
    done: list[R] = []
    # More or fewer threads would add in another order.
    here = torch.get_num_threads(), os.getpid()
    for _ in range(ATTEMPTS):
        tasks = [joblib.delayed(_apart)(work, share, *here) for share in shares[len(done) :]]
        engine = joblib.Parallel(n_jobs=jobs, batch_size=1, return_as="generator")
        try:
            for result in engine(tasks):
                done.append(result)
            return done
        except BrokenProcessPool:  # a Dask cluster does this by itself
            print(f"A worker was killed; {len(done)} of {len(shares)} shares are done, on we go.")
    raise RuntimeError(
        f"workers were killed {ATTEMPTS} times, usually for lack of memory; give fewer jobs, or "
        "smaller shares."
    )


def _apart(work: Callable[[T], R], share: T, threads: int, home: int) -> R:
    if os.getpid() != home:
        torch.set_num_threads(threads)
        os.environ.update(_QUIETLY)
    return work(share)
