"""A kernel that finds one of its ports taken."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from jupyter_client.manager import KernelManager
from nbval import kernel as nbval_kernel
from small_course import write

from distill_lessons.course import running

Take = Callable[[int], list[int]]


@pytest.fixture
def take(monkeypatch: pytest.MonkeyPatch) -> Take:
    """Give a function: of the next kernels, so many find that somebody was quicker."""
    command = KernelManager.format_kernel_cmd
    with ExitStack() as stack:

        def taking(times: int) -> list[int]:
            taken: list[int] = []

            def told(self: KernelManager, *args, **options):
                if len(taken) < times:
                    other = stack.enter_context(socket.socket())
                    other.bind(("127.0.0.1", self.shell_port))
                    other.listen()
                    taken.append(self.shell_port)
                return command(self, *args, **options)

            monkeypatch.setattr(KernelManager, "format_kernel_cmd", told)
            return taken

        yield taking


def test_a_kernel_whose_port_is_taken_is_followed_by_one_that_runs(
    take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lesson = write(tmp_path, "01_a", "print('ran')")
    taken = take(1)
    result = running.execute(lesson, env=os.environ, timeout=60)
    assert result.failure is None
    assert len(taken) == result.done == 1
    assert result.notebook.cells[-1].outputs[0].text == "ran\n"


def test_a_second_one_that_dies_as_well_is_a_failure(take: Take, tmp_path: Path) -> None:
    taken = take(9)
    result = running.execute(write(tmp_path, "01_a", "1"), env=os.environ, timeout=60)
    assert len(taken) == 2
    assert result.done == 0
    assert "the kernel failed (Kernel died" in result.failure.error


def test_the_lessons_tests_start_a_second_kernel_too(take: Take) -> None:
    taken = take(1)
    manager, client = nbval_kernel.start_new_kernel(kernel_name="python3")
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    assert len(taken) == 1
