"""Shares spread over processes give the same numbers in the same order, whoever is killed."""

from __future__ import annotations

import os
import signal
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import joblib
import pandas as pd
import pytest
import torch

from distill_lessons import models
from distill_lessons.data import Split
from distill_lessons.fast import spread
from distill_lessons.sweep import sweep

SPLIT = Split(torch.rand(40, 1, 4, 4, generator=torch.Generator().manual_seed(0)),
              torch.arange(40) % 3)  # fmt: skip


class Deadly(torch.nn.Module):
    """A layer that kills its process, once, if that is not the one in which it was made."""

    def __init__(self, fuse: Path) -> None:
        super().__init__()
        self.fuse, self.home = str(fuse), os.getpid()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if os.getpid() != self.home:
            try:
                os.unlink(self.fuse)  # noqa: PTH108 - the first of two workers only
            except FileNotFoundError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        return x


def run(fuse: Path, jobs: int | None) -> pd.DataFrame:
    def build(seed: int) -> torch.nn.Module:
        return torch.nn.Sequential(models.mlp((1, 4, 4), 3, (8,), seed=seed), Deadly(fuse))

    return sweep(
        build, SPLIT, torch.zeros(40, 3), SPLIT, Ts=[1.0, 4.0], alphas=[0.0, 0.5], seeds=range(2),
        steps=5, batch_size=8, chunk=3, jobs=jobs,
    )  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="kills processes")
def test_a_killed_workers_share_is_done_again_with_the_same_numbers(tmp_path: Path, capfd) -> None:
    alone = run(tmp_path / "fuse", None)
    (tmp_path / "fuse").touch()
    pd.testing.assert_frame_equal(run(tmp_path / "fuse", 2), alone, check_exact=True)
    assert not (tmp_path / "fuse").exists()
    assert "A worker was killed; " in capfd.readouterr().out
    assert alone["loss"].nunique() > 4


@pytest.mark.skipif(os.name == "nt", reason="kills processes")
def test_so_it_is_on_a_cluster_of_two_workers(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="pip install distill-lessons[cluster]")
    alone = run(tmp_path / "fuse", None)
    (tmp_path / "fuse").touch()
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config("dask"),
    ):
        there = run(tmp_path / "fuse", -1)
    pd.testing.assert_frame_equal(there, alone, check_exact=True)
    assert not (tmp_path / "fuse").exists()


def test_work_that_kills_every_worker_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(joblib.Parallel):
        def __call__(self, tasks: object) -> None:
            raise BrokenProcessPool("a worker was killed")

    monkeypatch.setattr(joblib, "Parallel", Broken)
    with pytest.raises(RuntimeError, match="workers were killed 4 times, usually for lack of mem"):
        spread.spread(abs, [1, 2], 2)


def test_a_worker_is_quiet_and_has_as_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(share: int) -> tuple[str, str]:
        return os.environ["DISTILL_LIVE"], os.environ["DISTILL_CHECKPOINTS"]

    monkeypatch.setenv("DISTILL_LIVE", "1")
    monkeypatch.setenv("DISTILL_CHECKPOINTS", "here")
    threads: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    assert spread._apart(ask, 1, 3, os.getpid()) == ("1", "here")
    assert threads == []
    assert spread._apart(ask, 1, 3, -1) == ("0", "")
    assert threads == [3]


@pytest.mark.parametrize("jobs", [0, -2, "2", 1.5])
def test_jobs_that_are_no_number_of_processes_are_refused(jobs: object) -> None:
    with pytest.raises((TypeError, ValueError), match="jobs="):
        spread.spread(abs, [1], jobs)  # type: ignore[arg-type]


def test_no_process_is_started_without_a_share(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    parallel = joblib.Parallel
    monkeypatch.setattr(
        joblib, "Parallel", lambda n_jobs, **how: asked.append(n_jobs) or parallel(1, **how)
    )
    for jobs in (1, 2, 8000, -1):
        assert spread.spread(abs, [-1, -2], jobs) == [1, 2]
    assert spread.spread(abs, [], 8000) == []
    assert asked == [1, 2, 2, -1, 1]
