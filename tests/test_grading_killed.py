"""Grading that is killed leaves nothing running, loses no row, and goes on when it is run again.

Nothing here waits for a time: each step waits until what it needs is to be seen.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from hostile import KILLS
from labs import after_first, hand_in, rows_of, small

from distill_lessons.grading import folders, grading

if os.name == "nt":
    pytest.skip("Windows has neither of these signals", allow_module_level=True)

PATIENCE = 540  # seconds until a test gives up; none depends on it
# Computes nothing until it is let go, with a process of its own beside it.
WAITS = """
import subprocess, sys, time
from pathlib import Path
folder = Path({folder!r})
if not (folder / "go").exists():
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)  # {folder}"],
                     start_new_session=True)
while not (folder / "go").exists():
    time.sleep(0.05)
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in ("in", "shown", "temporary"):
        (tmp_path / name).mkdir()
    return tmp_path


def start(home: Path, *options: str) -> subprocess.Popen[str]:
    """Start grading `home`; what submissions leave on the disk is in ``home/temporary``."""
    command = [sys.executable, "-m", "distill_lessons", "grade", str(home / "in")]
    patient = ["--seconds", "3000", "--cell-seconds", "3000"]
    shown = ["--out", str(home / "g.csv"), "--visible", str(home / "shown")]
    return subprocess.Popen(
        [*command, "--seed", "7", *patient, *shown, *options],
        env=os.environ | {"TMPDIR": str(home / "temporary")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    said, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, said


def wait_until(is_so: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert process is None or process.poll() is None, finish(process)
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.05)


def running(home: Path) -> list[str]:
    """Return what still runs and names the folder: the guard, what it runs, and that one's."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = " ".join(process.info["cmdline"] or [])
        if str(home) in line and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(line)
    return found


def boxes(home: Path) -> list[Path]:
    return list((home / "temporary").glob(f"{folders.PREFIX}*"))


def graded(home: Path) -> list[str]:
    table = home / "g.csv"
    return sorted(rows_of(table)) if table.exists() else []


def begun(home: Path) -> dict[str, str]:
    return json.loads((home / "g.json").read_bytes())["begun"] if graded(home) else {}


@pytest.mark.parametrize(
    ("end", "options"),
    [(signal.SIGKILL, []), (signal.SIGTERM, ["--no-fence"])],
    ids=["SIGKILL, with a fence where there is one", "SIGTERM, no fence"],
)
def test_what_was_killed_leaves_nothing_and_goes_on(
    home: Path, end: signal.Signals, options: list[str]
) -> None:
    waits = after_first(WAITS.format(folder=str(home / "shown")))
    hand_in(home / "in", anna=small(), ben=waits)
    process = start(home, *options)
    here = str(home / "shown")
    wait_until(lambda: any(f"# {here}" in line for line in running(home)), process)
    assert graded(home) == ["anna"]
    assert begun(home).keys() == {"ben.ipynb"}
    first = rows_of(home / "g.csv")["anna"]

    process.send_signal(end)
    assert finish(process)[0] == -end
    wait_until(lambda: not running(home) and not boxes(home))
    assert rows_of(home / "g.csv") == {"anna": first}

    (home / "shown" / "go").touch()
    code, said = finish(start(home, *options))
    assert code == 0, said
    assert "1 were graded before and have not changed: 1 are left." in said
    rows = rows_of(home / "g.csv")
    assert {name: row["total"] for name, row in rows.items()} == dict.fromkeys(rows, "3")
    assert list(rows) == ["anna", "ben"]
    assert rows["anna"] == first
    assert not running(home)
    assert not boxes(home)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_without_a_fence_a_killer_of_the_grader_costs_nobody_a_row(home: Path) -> None:
    """Behind the fence it is one of the submissions of `test_grading_run`."""
    hand_in(home / "in", anna=small(), ben=after_first(KILLS), zoe=small())
    for done in (["anna"], ["anna", "zoe"]):  # the second time it runs last, and alone
        assert finish(start(home, "--no-fence"))[0] == -signal.SIGKILL
        assert graded(home) == done
        assert begun(home).keys() == {"ben.ipynb"}
    code, said = finish(start(home, "--no-fence"))
    assert code == 1, said
    rows = rows_of(home / "g.csv")
    assert [row["total"] for row in rows.values()] == ["3", "", "3"]
    assert grading.KILLER in rows["ben"]["note"]
    assert "look at the code" in rows["ben"]["note"]
    wait_until(lambda: not running(home))


def test_a_folder_is_swept_away_when_nobody_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders.tempfile, "tempdir", str(tmp_path))
    left, fresh = (tmp_path / f"{folders.PREFIX}{name}" for name in ("left", "fresh"))
    for folder in (left, fresh, tmp_path / "other"):
        (folder / "package").mkdir(parents=True)
        (folder / "package" / "file").touch()
    (left / "package").chmod(0o555)
    with folders.box({"a/b.py": b""}) as held:
        for folder in (left, held, tmp_path / "other"):
            os.utime(folder, (0, 0))
        folders.sweep()
        assert {path.name for path in tmp_path.iterdir()} == {"other", fresh.name, held.name}
        assert (held / "package" / "a" / "b.py").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"other", fresh.name}
