"""Files are whole or not there, whatever happens while they are written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from distill_lessons import files


def test_bytes_and_text_are_written_as_they_are(tmp_path: Path) -> None:
    files.write(tmp_path / "a", b"\r\n\xff")
    files.write(tmp_path / "b", "ë\n")
    files.write(tmp_path / "c", "name \udcff")
    assert (tmp_path / "a").read_bytes() == b"\r\n\xff"
    assert (tmp_path / "b").read_bytes() == "ë\n".encode()
    assert (tmp_path / "c").read_bytes() == rb"name \udcff"
    assert {file.name for file in tmp_path.iterdir()} == {"a", "b", "c"}


def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path: Path) -> None:
    files.write(tmp_path / ("x" * 255), "long")
    files.write_new(tmp_path / ("y" * 255), "long")
    assert len(list(tmp_path.iterdir())) == 2


def test_a_new_file_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("mine", "link"):
        with pytest.raises(FileExistsError):
            files.write_new(tmp_path / name, "other")
    assert (tmp_path / "mine").read_text() == "mine"
    assert {file.name for file in tmp_path.iterdir()} == {"mine", "link"}


def test_a_file_system_without_links_will_do(tmp_path: Path, monkeypatch) -> None:
    def no_links(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", no_links)
    files.write_new(tmp_path / "new", "new")
    with pytest.raises(FileExistsError):
        files.write_new(tmp_path / "new", "other")
    assert [(f.name, f.read_text()) for f in tmp_path.iterdir()] == [("new", "new")]


def test_of_many_at_once_one_is_first_and_whole(tmp_path: Path) -> None:
    contents = [str(number) * 100_000 for number in range(8)]

    def attempt(content: str) -> bool:
        try:
            files.write_new(tmp_path / "new", content)
        except FileExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, contents)) == 1
    assert (tmp_path / "new").read_text() in contents


@pytest.mark.skipif(os.name == "nt", reason="needs a limit on the size of files")
@pytest.mark.parametrize("write", ["write", "write_new", "write_all"])
def test_a_disk_that_fills_leaves_what_was_there(tmp_path: Path, write: str) -> None:
    """The limit is the process's own, so that writing truly stops in the middle."""
    (tmp_path / "old").write_text("old")
    call = {
        "write": "write(folder / 'old', bytes(9_000))",
        "write_new": "write_new(folder / 'new', bytes(9_000))",
        "write_all": "write_all({folder / 'old': b'new', folder / 'other': bytes(9_000)})",
    }[write]
    code = (
        "import resource, pathlib; from distill_lessons.files import *\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n"
        f"try: {call}\nexcept OSError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.startswith("[Errno 27] File too large: ")
    assert ".part" not in done.stdout  # the name that is meant, not the temporary one
    assert [(f.name, f.read_text()) for f in tmp_path.iterdir()] == [("old", "old")]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_kill_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys; from distill_lessons import files\n"
        "for number in range(10**6):\n"
        "    files.write(pathlib.Path(sys.argv[1]), str(number % 10) * 300_000)\n"
        "    if number == 3: print('going', flush=True)"
    )
    for _ in range(3):
        command = [sys.executable, "-c", code, str(tmp_path / "file")]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGKILL)
        content = (tmp_path / "file").read_text()
        assert len(content) == 300_000
        assert len(set(content)) == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
def test_a_private_file_is_for_this_account_alone(tmp_path: Path) -> None:
    files.write(tmp_path / "mine", "x", private=True)
    assert (tmp_path / "mine").stat().st_mode & 0o777 == 0o600
