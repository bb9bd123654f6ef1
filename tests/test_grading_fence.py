"""Behind the fence nothing outside is seen or changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from labs import ROOT, after_first, code, hand_in, invoke, rows_of, small
from labs import submission as made_of

from distill_lessons.exercises import catalogue
from distill_lessons.grading import fence, limits, marking

AROUND = fence.find()
if AROUND is None:
    pytest.skip("this machine lets nobody make a user namespace", allow_module_level=True)


def inside(around: fence.Fence, box: Path, script: str, size: int = 2**20) -> str:
    """Run Python behind a fence and return what it prints."""
    (box / "package").mkdir(exist_ok=True)
    command = around.command(box, size, [sys.executable, "-I", "-S", "-c", textwrap.dedent(script)])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_submission_sees_its_own_folder_and_python(tmp_path: Path) -> None:
    folder = hand_in(tmp_path / "in", other=small())
    look = f"""
import os, socket
from pathlib import Path
seen = []
def attempt(what, function):
    try:
        function()
    except OSError:
        return
    seen.append(what)
attempt("others", lambda: open({str(folder / "other.ipynb")!r}))
attempt("answers", lambda: open({catalogue.__file__!r}))
attempt("written", lambda: Path({str(ROOT / "pyproject.toml")!r}).open("a"))
attempt("net", lambda: socket.create_connection(("198.51.100.1", 80), timeout=1))
attempt("kill", lambda: os.kill({os.getpid()}, 0))
attempt("passwords", lambda: open("/etc/passwd"))
from distill_lessons.exercises import catalogue
made = catalogue.exercise("00", "batch_of_one")
if made.judged_by or made.solved_by:
    seen.append("references and solutions")
Path("work.txt").write_text("mine")
raise RuntimeError(f"seen: {{seen}}")
"""
    room = marking.Room((1, 2), limits.Limits(), AROUND)
    (marked,) = marking.mark_all([made_of(after_first(look))], room)
    assert marked.notes[0].endswith("RuntimeError: seen: []"), marked.notes


def test_a_second_copy_of_the_course_is_not_to_be_seen(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "distill_lessons", tmp_path / "copy" / "distill_lessons")
    steal = f"""
import sys
sys.path.insert(0, {str(tmp_path / "copy")!r})
for name in [name for name in sys.modules if name.startswith("distill_lessons")]:
    del sys.modules[name]
from distill_lessons.exercises import catalogue
for name in ("batch_of_one", "mean_difference", "does_it_hold"):
    exec(catalogue.exercise("00", name).solved_by.code)
"""
    blank = small()
    blank["cells"] = [blank["cells"][0], code(steal)]
    folder = hand_in(tmp_path / "in", eve=blank)
    for options, points in ([], "0"), (["--no-fence"], "3"):  # INSTRUCTORS.md says so
        out = tmp_path / f"{points}.csv"
        done = invoke("grade", folder, "--out", out, "--seed", "7", *options)
        assert done.exit_code == 0, done.output
        row = rows_of(out)["eve"]
        assert row["total"] == points
        assert "look at the code" in row["note"]


def test_copies_where_python_has_its_packages_look_empty(tmp_path: Path) -> None:
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    (site / "distill_lessons" / "exercises").mkdir(parents=True)
    (site / "numpy").mkdir()
    (tmp_path / "src" / "course" / "distill_lessons").mkdir(parents=True)
    (tmp_path / "src" / "course" / "tests").mkdir()
    (tmp_path / "share").mkdir()
    (tmp_path / "share" / "distill_lessons-0.1.whl").touch()
    (tmp_path / "envs").mkdir()
    found = {str(Path(path).relative_to(tmp_path)) for path in fence._copies_below(tmp_path)}
    assert found == {
        "lib/python3.11/site-packages/distill_lessons",
        "src/course",
        "share/distill_lessons-0.1.whl",
    }
    assert str(tmp_path / "envs") in fence._copies((str(tmp_path),))


def test_what_is_shown_is_read_only_and_what_is_hidden_is_empty(tmp_path: Path) -> None:
    shown, box = tmp_path / "with a space\tand a tab", tmp_path / "box"
    (shown / "secret").mkdir(parents=True)
    (shown / "secret" / "file").touch()
    (shown / "key").write_text("key")
    box.mkdir()
    around = fence.Fence((*AROUND.visible, str(shown)), (str(shown / "secret"), str(shown / "key")))
    script = f"""
    import os
    from pathlib import Path
    shown = Path({str(shown)!r})
    print(os.listdir(shown / "secret"), repr((shown / "key").read_bytes()))
    for path in (shown / "new", shown / "secret" / "new", Path("/new"), Path("/proc/sys/kernel/x"),
                 Path("{sys.prefix}/new"), Path("../package/new"), Path("new"), Path("/dev/shm/x")):
        try:
            path.touch()
            print(path)
        except OSError:
            pass
    """
    assert inside(around, box, script).splitlines() == ["[] b''", "new", "/dev/shm/x"]
    assert not (box / "work").exists()  # in memory only


def test_a_mount_whose_path_has_a_space_is_read_only_too(tmp_path: Path) -> None:
    """A mount of its own, below a folder that is shown: made in a namespace, where nobody sees."""
    place, box = tmp_path / "shown" / "a mount", tmp_path / "box"
    place.mkdir(parents=True)
    (box / "package").mkdir(parents=True)
    around = fence.Fence((*AROUND.visible, str(tmp_path / "shown")), AROUND.hidden)
    script = f"open({str(place / 'new')!r}, 'w')"
    command = around.command(box, 2**20, [sys.executable, "-I", "-S", "-c", script])
    mounted = [f'mount -t tmpfs none "{place}" && touch "{place}/old" && exec "$@"', "sh", *command]
    done = subprocess.run(["unshare", "-rm", "sh", "-c", *mounted], capture_output=True, text=True)
    assert "Read-only file system" in done.stderr, done.stderr


def test_a_mount_that_cannot_be_made_read_only_is_an_error(tmp_path: Path) -> None:
    spoiled = tmp_path / "fenced.py"
    source = Path(fence.fenced.__file__).read_text(encoding="utf-8")
    broken = source.replace('mount("none", place, flags=', 'mount("none", place / "no", flags=')
    assert broken != source
    spoiled.write_text(broken, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fence.fenced, "__file__", str(spoiled))
        with pytest.raises(
            ValueError, match=r"cannot be built on this machine: .*mount.*--no-fence"
        ):
            fence.find()


def test_its_folder_holds_no_more_than_it_may(tmp_path: Path) -> None:
    script = """
    try:
        open("big", "wb").write(b"x" * 2**21)
    except OSError as error:
        print(error.strerror)
    """
    assert inside(AROUND, tmp_path, script) == "No space left on device\n"


def test_no_right_is_left_to_undo_it(tmp_path: Path) -> None:
    script = """
    import ctypes, os
    libc = ctypes.CDLL(None, use_errno=True)
    CLONE_NEWUSER, CLONE_NEWNS, REMOUNT_BIND = 0x10000000, 0x20000, 32 | 4096
    print(libc.mount(b"none", b"/", b"", REMOUNT_BIND, b""), libc.umount2(b"/usr/bin", 2))
    # In a user namespace of its own it would have all rights again, but not over these mounts.
    libc.unshare(CLONE_NEWUSER | CLONE_NEWNS)
    print(libc.mount(b"none", b"/", b"", REMOUNT_BIND, b""), libc.umount2(b"/usr/bin", 2))
    """
    assert inside(AROUND, tmp_path, script) == "-1 -1\n-1 -1\n"
