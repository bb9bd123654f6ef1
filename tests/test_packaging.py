"""The package as it reaches a learner: light to import, lessons carried, commands that agree."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from distill_lessons import files
from distill_lessons.course import lessons

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
HEAVY = {
    *("torch", "torchvision", "shap", "sklearn", "scipy", "matplotlib", "seaborn", "pandas"),
    *("IPython", "jupyterlab", "nbclient", "jinja2"),
}


@pytest.mark.parametrize(
    "module", ["distill_lessons", "distill_lessons.course.cli", "distill_lessons.claims"]
)
def test_an_import_loads_nothing_heavy(module: str) -> None:
    code = f"import {module}, sys; print(*(name.split('.')[0] for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY & set(done.stdout.split()) == set()


def test_explanations_are_computed_without_the_drawing_library() -> None:
    names = sorted(file.stem for file in (ROOT / "distill_lessons" / "explain").glob("*.py"))
    imports = "\n".join(f"import distill_lessons.explain.{name}" for name in names)
    code = f"{imports.replace('.__init__', '')}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "distill_lessons.explain.units" in loaded
    assert "matplotlib" not in loaded


# --- lessons are copied, and never over a learner's file -----------------------------------------


@pytest.fixture
def bundled(tmp_path: Path) -> Path:
    folder = tmp_path / "site-packages" / "_notebooks"
    (folder / "pictures").mkdir(parents=True)
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / "00_start_here.ipynb").write_text("course 00")
    (folder / "01_more.ipynb").write_text('"course 01"')
    (folder / "pictures" / "a.png").write_text("course a")
    (folder / ".ipynb_checkpoints" / "00_start_here-checkpoint.ipynb").write_text("no lesson")
    return folder


def contents(folder: Path) -> dict[str, str]:
    found = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_text() for file in found}


def test_a_new_folder_gets_every_lesson(bundled: Path, tmp_path: Path) -> None:
    copied = lessons.copy_missing(bundled, tmp_path / "my course" / "notebooks")
    assert contents(tmp_path / "my course" / "notebooks") == {
        "00_start_here.ipynb": "course 00",
        "01_more.ipynb": '"course 01"',
        "pictures/a.png": "course a",
    }
    assert copied.added == ("00_start_here.ipynb", "01_more.ipynb", "pictures/a.png")
    assert copied == lessons.Copied(added=copied.added)


def test_a_learners_file_is_never_overwritten(bundled: Path, tmp_path: Path) -> None:
    mine = tmp_path / "notebooks"
    mine.mkdir()
    (mine / "01_more.ipynb").write_text('{"cells": ["my answers"]}')
    copied = lessons.copy_missing(bundled, mine)
    assert contents(mine)["01_more.ipynb"] == '{"cells": ["my answers"]}'
    assert copied.added == ("00_start_here.ipynb", "pictures/a.png")
    assert copied.changed == ("01_more.ipynb",)
    said = "copied 00_start_here.ipynb, pictures/a.png; kept your own version of 01_more.ipynb"
    assert str(copied) == said


def test_a_second_copy_keeps_everything(bundled: Path, tmp_path: Path) -> None:
    lessons.copy_missing(bundled, tmp_path / "notebooks")
    (bundled / "01_more.ipynb").write_text('"course 01, next edition"')
    again = lessons.copy_missing(bundled, tmp_path / "notebooks")
    assert again == lessons.Copied(changed=("01_more.ipynb",))
    assert contents(tmp_path / "notebooks")["01_more.ipynb"] == '"course 01"'


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_dangling_link_is_not_written_through(bundled: Path, tmp_path: Path) -> None:
    mine = tmp_path / "notebooks"
    mine.mkdir()
    (mine / "01_more.ipynb").symlink_to(tmp_path / "drive" / "away.ipynb")
    assert lessons.copy_missing(bundled, mine).changed == ("01_more.ipynb",)
    assert (mine / "01_more.ipynb").is_symlink()


def test_what_a_stopped_copy_left_is_completed(bundled: Path, tmp_path: Path) -> None:
    mine = tmp_path / "notebooks"
    lessons.copy_missing(bundled, mine)
    for left in ('"cour', ""):
        (mine / "01_more.ipynb").write_text(left)
        copied = lessons.copy_missing(bundled, mine)
        assert copied == lessons.Copied(completed=("01_more.ipynb",))
        assert str(copied) == "completed 01_more.ipynb, left unfinished by an interrupted copy"
        assert contents(mine)["01_more.ipynb"] == '"course 01"'


@pytest.mark.parametrize("damage", [b'"coursf', b"\0" * 9, b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_lesson_is_not_called_ones_own(
    bundled: Path, tmp_path: Path, damage: bytes
) -> None:
    mine = tmp_path / "notebooks"
    lessons.copy_missing(bundled, mine)
    (mine / "01_more.ipynb").write_bytes(damage)
    copied = lessons.copy_missing(bundled, mine)
    assert copied == lessons.Copied(damaged=("01_more.ipynb",))
    assert str(copied).startswith("01_more.ipynb is damaged: delete or rename it")
    assert (mine / "01_more.ipynb").read_bytes() == damage


def test_a_copy_that_comes_out_otherwise_is_refused(
    bundled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = files.write_new
    monkeypatch.setattr(files, "write_new", lambda path, content: whole(path, content[:-1] + b"?"))
    with pytest.raises(OSError, match="does not contain what was written; the disk may be failing"):
        lessons.copy_missing(bundled, tmp_path / "notebooks")


COPY = (
    "import pathlib, resource, sys, time; from distill_lessons.course import lessons\n"
    "from distill_lessons import files\n"
    "source, target = map(pathlib.Path, sys.argv[1:3])\n"
)


def copying(code: str, *folders: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", COPY + code, *map(str, folders)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.skipif(os.name == "nt", reason="needs a limit on the size of files")
def test_a_disk_that_fills_leaves_no_half_file(bundled: Path, tmp_path: Path) -> None:
    (bundled / "01_more.ipynb").write_text(json.dumps("x" * 9_000))
    code = (
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))\n"
        "try: lessons.copy_missing(source, target)\nexcept OSError: print('full')"
    )
    said, _ = copying(code, bundled, tmp_path / "notebooks").communicate()
    assert said == "full\n"
    assert contents(tmp_path / "notebooks") == {"00_start_here.ipynb": "course 00"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_copy_that_is_killed_is_finished_by_the_next(bundled: Path, tmp_path: Path) -> None:
    mine = tmp_path / "notebooks"
    code = (
        "import os\nfsync = os.fsync\n"
        "def slow(number):\n"
        "    print('writing', flush=True); time.sleep(60)\n"
        "os.fsync = slow\nlessons.copy_missing(source, target)"
    )
    with copying(code, bundled, mine) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert list(mine.glob("*.ipynb")) == []
    assert len(lessons.copy_missing(bundled, mine).added) == 3


def test_several_first_copies_at_once_are_one(bundled: Path, tmp_path: Path) -> None:
    mine = tmp_path / "notebooks"
    (bundled / "01_more.ipynb").write_text(json.dumps("x" * 1_000_000))
    processes = [copying("print(lessons.copy_missing(source, target))", bundled, mine)
                 for _ in range(4)]  # fmt: skip
    said = "".join(process.communicate()[0] for process in processes)
    assert said.count("01_more.ipynb") == 1
    assert "own version" not in said
    assert (mine / "01_more.ipynb").read_bytes() == (bundled / "01_more.ipynb").read_bytes()
    assert not list(mine.glob(".*.part"))


def test_an_installed_course_works_in_the_current_folder(
    bundled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lessons, "bundled", lambda: (bundled, False))
    home = tmp_path / "home"
    home.mkdir()
    folder, copied = lessons.workspace(home)
    assert folder == home.resolve() / "notebooks"
    assert len(copied.added) == 3
    (folder / "00_start_here.ipynb").unlink()
    inside, copied = lessons.workspace(folder)  # not notebooks/notebooks
    assert inside == folder
    assert copied.added == ("00_start_here.ipynb",)


def test_a_checkout_works_in_its_own_folder(
    bundled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lessons, "bundled", lambda: (bundled, True))
    (bundled.parent / "src").mkdir()
    for cwd in (bundled.parent, bundled, bundled.parent / "src"):
        assert lessons.workspace(cwd) == (bundled, lessons.Copied())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert lessons.workspace(elsewhere)[0] == elsewhere.resolve() / "notebooks"
    assert (elsewhere / "notebooks" / "00_start_here.ipynb").exists()


def test_this_checkout_is_one() -> None:
    assert lessons.bundled() == (ROOT / "notebooks", True)


def test_the_wheel_is_told_to_carry_the_lessons() -> None:
    wheel = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"] == {"notebooks": "distill_lessons/_notebooks"}


def test_an_installation_without_lessons_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        lessons, "__file__", str(tmp_path / "distill_lessons" / "course" / "lessons.py")
    )
    with pytest.raises(
        ValueError, match="There are no lessons in .* Reinstall the package from its wheel"
    ):
        lessons.bundled()


# --- README, .ci/run and the workflow say the same -----------------------------------------------


def readme_command(name: str, text: str) -> str:
    pattern = rf"^<!-- command: {name} -->\n+```bash\n(.+)\n```$"
    found = re.findall(pattern, text, flags=re.MULTILINE)
    assert len(found) == 1, f"README.md needs one line in a bash block after command: {name}"
    return found[0]


@pytest.fixture
def commands() -> tuple[str, str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return readme_command("run", text), readme_command("test", text)


def test_the_workflow_runs_the_readmes_commands(commands: tuple[str, str]) -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    job = workflow["jobs"]["commands"]
    assert job["strategy"]["matrix"] == {
        "os": ["ubuntu-latest", "macos-latest", "windows-latest"],
        "python": ["3.11", "3.12", "3.13"],
    }
    steps = [(step["if"], step["run"]) for step in job["steps"] if "run" in step]
    on_windows = [
        command.replace("python3 -m venv", "python -m venv").replace(".venv/bin", ".venv/Scripts")
        for command in commands
    ]
    assert steps == [
        *[("runner.os != 'Windows'", command) for command in commands],
        *[("runner.os == 'Windows'", command) for command in on_windows],
    ]


def test_the_workflow_tries_the_lowest_versions_as_the_readme_does() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    *_, step = workflow["jobs"]["lowest"]["steps"]
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert step["run"] == readme_command("lowest", text)
    assert "--resolution lowest-direct" in step["run"]


def test_every_dependency_has_a_lowest_version() -> None:
    extras = PYPROJECT["project"]["optional-dependencies"].values()
    wanted = [*PYPROJECT["project"]["dependencies"], *(line for extra in extras for line in extra)]
    assert [line for line in wanted if not re.fullmatch(r"[\w-]+>=[\d.]+", line)] == []


def ci(folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / ".ci").mkdir(exist_ok=True)
    shutil.copy(ROOT / ".ci" / "run", folder / ".ci" / "run")
    return subprocess.run(
        [str(folder / ".ci" / "run")], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.skipif(os.name == "nt", reason=".ci/run is for POSIX systems")
@pytest.mark.parametrize(("command", "code"), [("ls -A .venv || exit 7", 7), ("pwd && true", 0)])
def test_ci_removes_the_environment_and_runs_the_test_command(
    tmp_path: Path, command: str, code: int
) -> None:
    folder = tmp_path / "a clone"
    (folder / ".venv").mkdir(parents=True)
    (folder / "README.md").write_text(
        "<!-- command: run -->\n```bash\nexit 3\n```\n\n"
        f"<!-- command: test -->\n```bash\n{command}\n```\n```bash\nexit 5\n```\n"
    )
    done = ci(folder)
    assert done.returncode == code, done.stderr
    assert f"start: {command}\n" in done.stdout
    assert f"exit code {code}\n" in done.stdout
    assert not (folder / ".venv").exists()
    if not code:
        assert f"\n{folder.resolve()}\n" in done.stdout


@pytest.mark.skipif(os.name == "nt", reason=".ci/run is for POSIX systems")
@pytest.mark.parametrize(
    "text", ["", "```bash\nexit 5\n```", "<!-- command: run -->\n```bash\nx\n```"]
)
def test_ci_fails_where_the_readme_has_no_test_command(tmp_path: Path, text: str) -> None:
    (tmp_path / ".venv").mkdir()
    (tmp_path / "README.md").write_text(text)
    done = ci(tmp_path)
    assert done.returncode == 2
    assert "README.md has no bash block after the line <!-- command: test -->" in done.stderr
    assert (tmp_path / ".venv").exists()


@pytest.mark.skipif(os.name == "nt", reason=".ci/run is for POSIX systems")
def test_ci_and_the_tests_read_the_same_command(commands: tuple[str, str], tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count(commands[1]) == 1
    (tmp_path / "README.md").write_text(text.replace(commands[1], "echo this one"), "utf-8")
    assert "start: echo this one\nthis one\n" in ci(tmp_path).stdout


# --- conda's environment keeps step with pyproject -----------------------------------------------


def bounds(requirements: list[str]) -> dict[str, str]:
    pairs = [re.fullmatch(r"([a-z0-9_-]+)\s*(.*)", line) for line in requirements]
    return {pair[1]: pair[2] for pair in pairs if pair}


def test_the_conda_environment_keeps_step() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["name"] == PYPROJECT["project"]["name"]
    assert environment["channels"] == ["conda-forge"]
    *packages, pip = environment["dependencies"]
    assert pip == {"pip": ["-e ."]}
    expected = bounds(PYPROJECT["project"]["dependencies"])
    expected["pytorch"] = expected.pop("torch")  # its name on conda-forge
    expected |= {"python": PYPROJECT["project"]["requires-python"], "pip": ""}
    assert bounds(packages) == expected
    assert len(packages) == len(expected)
