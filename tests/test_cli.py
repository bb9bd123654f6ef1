"""The commands, on small notebooks made here."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest
from labs import invoke
from nbformat import v4
from small_course import command_line, installed, write
from typer.testing import Result

from distill_lessons import __version__, files
from distill_lessons.course import checking, cli, doctor, kernel, lessons, running
from distill_lessons.exercises import catalogue
from distill_lessons.settings import load

CLAIM = "from distill_lessons.claims import *\n"
HOLDS = CLAIM + "claim('Two is more.', 2.0, above=1)"
BROKEN = CLAIM + "claim('One is more.', 1.0, above=2)\nprint('after')"
FIGURE = (
    "import base64\nfrom IPython.display import display, Image\n"
    "png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
    "AABJRU5ErkJggg=='\n"
    "display({'image/png': png}, metadata={'image/png': {'alt': 'One pixel.'}}, raw=True)"
)


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A learner's folder, with a space in its path, and an installed course of no lesson yet."""
    return installed(tmp_path, monkeypatch)


def report_of(result: Result) -> Path:
    return Path(result.stdout.split("Report: ")[1].strip())


# --- run -----------------------------------------------------------------------------------------


def test_run_keeps_notebooks_and_writes_one_report(course: Path) -> None:
    write(course, "00_start_here", HOLDS, FIGURE)
    write(course, "01_more", "import os; print(os.getcwd(), os.environ['DISTILL_LIVE'])")
    result = invoke("run")
    assert result.exit_code == 0, result.output
    page = report_of(result)
    assert page.parts[0] == "runs"
    assert sorted(f.name for f in page.parent.iterdir()) == [
        "00_start_here.ipynb",
        "01_more.ipynb",
        "report.html",
        "results.json",
    ]
    text = page.read_text(encoding="utf-8")
    assert "1 claim: it holds." in text
    assert 'alt="One pixel."' in text
    said = nbformat.read(page.parent / "01_more.ipynb", 4).cells[0].outputs[0].text
    assert said == f"{Path('notebooks').resolve()} 0\n"


def test_run_reports_a_failing_cell_and_goes_on(course: Path) -> None:
    write(course, "01_bad", "x = 1", "# why\n{}['x']", "never()")
    write(course, "02_good", HOLDS)
    result = invoke("run")
    assert result.exit_code == 1
    assert "FAILED 01_bad, cell [2] `# why`: KeyError: 'x'\n" in result.stdout
    assert "1 claim: it holds. 1 lesson did not run to its end." in result.stdout
    kept = nbformat.read(report_of(result).parent / "01_bad.ipynb", 4)
    assert [c.execution_count for c in kept.cells] == [1, 2, None]
    assert kept.cells[1].outputs[0].ename == "KeyError"


@pytest.mark.parametrize("strict", ["0", "1"])
def test_a_broken_claim_fails_the_run_but_not_the_lesson(
    course: Path, monkeypatch: pytest.MonkeyPatch, strict: str
) -> None:
    monkeypatch.setenv("DISTILL_STRICT", strict)
    write(course, "01_claims", BROKEN, HOLDS)
    result = invoke("run")
    assert result.exit_code == 1
    assert "FAILED 01_claims, cell [1] `from distill" in result.stdout
    assert "claim does not hold: One is more. Measured 1, needed above 2." in result.stdout
    assert "1 of 2 claims does not hold here.\n" in result.stdout


def test_a_cell_may_be_meant_to_raise(course: Path) -> None:
    raises = v4.new_code_cell("1 / 0", metadata={"tags": ["raises-exception"]})
    write(course, "01_raises", raises, HOLDS)
    result = invoke("run")
    assert result.exit_code == 0, result.output


def test_a_dead_kernel_and_a_slow_cell_are_failures(course: Path) -> None:
    write(course, "01_dead", "import os; os._exit(1)")
    write(course, "02_slow", "import time; time.sleep(600)")
    result = invoke("run", "--timeout", "2")
    assert result.exit_code == 1
    assert "01_dead, cell [1] `import os; os._exit(1)`: the kernel died" in result.stdout
    assert "02_slow, cell [1]" in result.stdout
    assert "took longer than 2 seconds; allow more with --timeout" in result.stdout


def test_a_file_that_is_no_notebook_is_a_failure(course: Path) -> None:
    (course / "01_broken.ipynb").write_text("{")
    result = invoke("run")
    assert result.exit_code == 1
    assert "FAILED 01_broken: the file is not a readable notebook" in result.stdout
    names = sorted(f.name for f in report_of(result).parent.iterdir())
    assert names == ["report.html", "results.json"]


def raw(cells: Any) -> str:
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells})


def raw_cell(**changed: Any) -> dict[str, Any]:
    return {"cell_type": "code", "id": "a", "metadata": {}, "outputs": [], "source": "x = 1",
            "execution_count": None, **changed}  # fmt: skip


def nested(depth: int) -> Any:
    inner: Any = 1
    for _ in range(depth):
        inner = [inner]
    return inner


MALFORMED = {
    "no JSON": "{",
    "a list": "[]",
    "null": "null",
    "cells null": raw(None),
    "cells a dict": raw({"a": 1}),
    "a cell null": raw([None]),
    "no type": raw([{"source": "x", "metadata": {}}]),
    "tags null": raw([raw_cell(metadata={"tags": None})]),
    "tags numbers": raw([raw_cell(metadata={"tags": [1]})]),
    "metadata null": raw([raw_cell(metadata=None)]),
    "source a number": raw([raw_cell(source=7)]),
    "source null": raw([raw_cell(source=None)]),
    "source of numbers": raw([raw_cell(source=[1, 2])]),
    "outputs null": raw([raw_cell(outputs=None)]),
    "deep": '{"cells": ' + "[" * 100_000,
    "deep metadata": raw([raw_cell(metadata={"x": nested(700)})]),
    "a format to come": json.dumps({"nbformat": 9, "nbformat_minor": 0, "metadata": {}}),
    "no text": "\x00\x01",
}


def test_a_malformed_notebook_fails_by_name_and_stops_no_other(course: Path) -> None:
    for number, text in enumerate(MALFORMED.values()):
        (course / f"{number:02}_bad.ipynb").write_text(text)
    write(course, "99_good", HOLDS)
    result = invoke("run")
    assert result.exit_code == 1, result.exception
    for number, kind in enumerate(MALFORMED):
        failed = f"FAILED {number:02}_bad: the file is not a readable notebook"
        assert failed in result.stdout, (kind, result.stdout)
    assert "1 claim: it holds. 18 lessons did not run to their end." in result.stdout
    assert "99_good" in report_of(result).read_text(encoding="utf-8")


def test_what_other_programs_add_to_a_notebook_does_no_harm(course: Path) -> None:
    old = json.loads(raw([raw_cell(source=HOLDS, colour="blue")])) | {"nbformat_minor": 4}
    (course / "01_added.ipynb").write_text(json.dumps(old))
    result = invoke("run")
    assert result.exit_code == 0, result.output


def test_what_a_cell_displays_cannot_stop_the_report(course: Path) -> None:
    show = "from distill_lessons.claims import MIME\nfrom IPython.display import display\n"
    odd = ["None", "[1]", "{}", "{'value': 'x'}", "7"]
    write(course, "01_claims", show, *(f"display({{MIME: {data}}}, raw=True)" for data in odd))
    abouts = ["{'image/png': {'alt': 3, 'width': 'wide'}}", "{'image/png': 3}", "{}"]
    pictures = [f"display({{'image/png': 'AAAA'}}, raw=True, metadata={about})" for about in abouts]
    write(course, "02_pictures", show, *pictures)
    write(course, "03_no_picture", show + "display({'image/png': 7}, raw=True)")
    halves = [raw_cell(source="print('\\ud800')"), raw_cell(id="b", source="'\ud800'")]
    (course / "04_halves.ipynb").write_text(raw(halves))
    write(course, "05_good", HOLDS)
    result = invoke("run")
    # What nbclient leaves behind logs a traceback when it is collected, and Python 3.11 cannot
    # format one in the middle of a compilation.
    gc.collect()
    assert result.exit_code == 1, result.exception
    failed = [line for line in result.stdout.splitlines() if line.startswith("FAILED")]
    unknown = "a claim is stored in a form that this version of the course cannot read."
    assert failed[:5] == [
        f"FAILED 01_claims, cell [{number}] `display({{MIME: {data}}}, raw=True)`: {unknown}"
        for number, data in enumerate(odd, 2)
    ]
    ended = [line[:18] for line in failed[5:]]
    assert ended[-1] == "FAILED 04_halves, "
    assert ended[:-1] in (["FAILED 03_no_pictu"], [])  # older versions of nbclient store the 7
    page = report_of(result).read_text(encoding="utf-8")
    assert page.count("<figcaption") == 3
    lessons_ended = "2 lessons" if len(ended) == 2 else "1 lesson"
    assert f"5 of 6 claims do not hold here. {lessons_ended} did not run to" in page


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="names there are Unicode")
def test_a_lesson_whose_name_is_no_text_runs(course: Path) -> None:
    write(course, "00_start_here", "1")
    write(Path("notebooks"), "01_\udcff", HOLDS, "1 / 0")
    result = invoke("run")
    assert result.exit_code == 1, result.exception
    assert r"FAILED 01_\udcff, cell [2] `1 / 0`: ZeroDivisionError" in result.stdout
    page = report_of(result)
    assert r"01_\udcff" in page.read_text(encoding="utf-8")
    assert (page.parent / "01_\udcff.ipynb").is_file()


def test_a_disk_that_fills_fails_a_lesson_by_name(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(course, "01_first", HOLDS)
    write(course, "02_second", HOLDS)
    whole = files.write

    def full(path: Path, content: str) -> None:
        if path.name == "01_first.ipynb":
            raise OSError(28, "No space left on device")
        whole(path, content)

    monkeypatch.setattr(files, "write", full)
    result = invoke("run")
    assert result.exit_code == 1
    said = "FAILED 01_first: the executed notebook could not be saved: [Errno 28] No space left"
    assert said in result.stdout
    page = report_of(result)
    assert sorted(f.name for f in page.parent.iterdir()) == [
        "02_second.ipynb",
        "report.html",
        "results.json",
    ]
    assert "2 claims: all hold" in page.read_text(encoding="utf-8")


def test_without_room_for_the_report_the_outcome_is_said(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(course, "01_first", HOLDS, "1 / 0")

    def full(path: Path, content: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write", full)
    result = invoke("run")
    assert result.exit_code == 2
    assert "FAILED 01_first, cell [2] `1 / 0`: ZeroDivisionError" in result.stdout
    assert "1 claim: it holds." in result.stdout
    assert result.stderr.endswith("problem: [Errno 28] No space left on device\n")
    (folder,) = Path("runs").iterdir()
    assert list(folder.iterdir()) == []


def test_run_modifies_no_source(course: Path) -> None:
    source = write(course, "01_more", HOLDS, "1 / 0")
    before = source.read_bytes()
    invoke("run")
    copy = Path("notebooks/01_more.ipynb")
    assert source.read_bytes() == before
    assert copy.read_bytes() == before
    assert [file.name for file in Path("notebooks").iterdir()] == ["01_more.ipynb"]


def test_an_old_output_is_not_taken_for_a_new_one(course: Path) -> None:
    old = v4.new_output("display_data", {"text/plain": "old"})
    write(course, "01_old", "1 / 0", v4.new_code_cell("x", execution_count=2, outputs=[old]))
    kept = nbformat.read(report_of(invoke("run")).parent / "01_old.ipynb", 4)
    assert kept.cells[1].outputs == []


def test_runs_of_one_second_get_folders_of_their_own(tmp_path: Path) -> None:
    folders = [lessons.new_folder(tmp_path / "runs", "2026-11-21-070623") for _ in range(3)]
    names = ["2026-11-21-070623", "2026-11-21-070623-2", "2026-11-21-070623-3"]
    assert [folder.name for folder in folders] == names


@pytest.mark.parametrize(
    ("profile", "options", "expected"),
    [("cpu", [], 600), ("full", [], None), ("full", ["--timeout", "7"], 7)],
)
def test_the_full_profile_has_no_time_limit(
    course: Path,
    monkeypatch: pytest.MonkeyPatch,
    profile: str,
    options: list[str],
    expected: int | None,
) -> None:
    write(course, "01_more", "x")
    seen: list[Any] = []

    def execute(lesson: Path, *, timeout: int | None, **_: Any) -> running.Result:
        seen.append(timeout)
        return running.Result(lesson, v4.new_notebook(), 0, 0, 0)

    monkeypatch.setattr(running, "execute", execute)
    monkeypatch.setenv("DISTILL_PROFILE", profile)
    monkeypatch.setenv("DISTILL_DEVICE", "cpu")
    assert invoke("run", *options).exit_code == 0
    assert seen == [expected]


def test_a_relative_data_folder_means_the_same_in_the_kernel(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTILL_DATA", "data")
    monkeypatch.setenv("DISTILL_DATASET", "folder:../fruit")
    write(course, "01_more", "from distill_lessons.settings import load; print(load().data_dir)")
    page = report_of(invoke("run"))
    said = nbformat.read(page.parent / "01_more.ipynb", 4).cells[0].outputs[0].text
    assert said == f"{Path('data').absolute()}\n"
    env = lessons.absolute_paths(os.environ, Path.cwd())
    assert env["DISTILL_DATASET"] == f"folder:{Path.cwd() / '../fruit'}"
    monkeypatch.setenv("DISTILL_RECORD", "mine.json")
    env = lessons.absolute_paths(os.environ, Path.cwd())
    assert env["DISTILL_RECORD"] == str(Path("mine.json").absolute())


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_ctrl_c_keeps_what_was_done(course: Path, tmp_path: Path) -> None:
    write(Path("notebooks"), "01_more", HOLDS)
    write(
        Path("notebooks"), "02_slow", "open('started', 'w').close()\nimport time; time.sleep(600)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", command_line(course), "run"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # A test run in the background may ignore Ctrl-C, and its children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        text=True,
        start_new_session=True,
    )
    for _ in range(1200):
        if Path("notebooks/started").exists() or process.poll() is not None:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "FAILED 02_slow, cell [1] `open('started', 'w').close()`: interrupted" in said
    assert "1 claim: it holds." in said
    assert "report.html" in said


# --- which lessons -------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("00_start_here", "04_distillation_runs", "10_image_models", "extra"):
        write(tmp_path / "notebooks", name)
    return tmp_path / "notebooks"


@pytest.mark.parametrize(
    ("names", "stems"),
    [
        ([], ["00_start_here", "04_distillation_runs", "10_image_models", "extra"]),
        (["04"], ["04_distillation_runs"]),
        (["4", "0"], ["04_distillation_runs", "00_start_here"]),
        (["10", "10_image_models", "010"], ["10_image_models"]),
        (["04_distillation_runs.ipynb"], ["04_distillation_runs"]),
        (["extra"], ["extra"]),
        (["all"], ["00_start_here", "04_distillation_runs", "10_image_models", "extra"]),
    ],
)
def test_a_lesson_goes_by_number_stem_or_name(
    folder: Path, names: list[str], stems: list[str]
) -> None:
    assert [path.stem for path in lessons.find(names, folder)] == stems


def test_without_a_name_the_electives_stay_out(folder: Path, monkeypatch) -> None:
    elective = replace(catalogue.LESSONS["04"], notebook="10_image_models", core=False)
    monkeypatch.setitem(catalogue.LESSONS, "10", elective)
    stems = ["00_start_here", "04_distillation_runs", "extra"]
    assert [path.stem for path in lessons.find([], folder)] == stems
    assert [path.stem for path in lessons.find(["all"], folder)] == sorted(
        [*stems, "10_image_models"]
    )


def test_a_lesson_goes_by_path(folder: Path, tmp_path: Path) -> None:
    mine = write(tmp_path / "elsewhere", "mine")
    assert lessons.find([str(mine)], folder) == [mine.resolve()]


@pytest.mark.parametrize(
    ("name", "near"),
    [("04_distilation", "Did you mean '04_distillation_runs'?"), ("77", "a number such as 04")],
)
def test_an_unknown_lesson_is_refused_with_the_nearest(folder: Path, name: str, near: str) -> None:
    with pytest.raises(ValueError, match="LESSON=") as refused:
        lessons.find([name], folder)
    assert near in str(refused.value)


def test_a_folder_without_lessons_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"There is no lesson in .*\. Restore the files"):
        lessons.find([], tmp_path)


def test_an_unknown_lesson_is_one_line_and_exit_code_2(course: Path) -> None:
    write(course, "00_start_here")
    result = invoke("run", "00_start")
    assert result.exit_code == 2
    assert result.stderr.startswith("problem: LESSON='00_start' is unknown. Did you mean '00_s")
    assert not Path("runs").exists()


# --- lab -----------------------------------------------------------------------------------------


def test_lab_opens_the_first_lesson(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(course, "00_start_here")
    seen: list[list[str]] = []
    monkeypatch.setattr(cli, "_jupyterlab", seen.append)
    result = invoke("lab", "--no-browser", "--port", "9999")
    assert result.exit_code == 0, result.output
    home = Path.cwd().resolve()
    assert seen == [
        [
            f"--ServerApp.root_dir={home}",
            str(home / "notebooks" / "00_start_here.ipynb"),
            "--no-browser",
            "--port",
            "9999",
        ]
    ]
    assert result.stdout == "notebooks: copied 00_start_here.ipynb\n"


def test_lab_refuses_without_the_first_lesson(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(course, "01_more")
    monkeypatch.setattr(cli, "_jupyterlab", lambda arguments: pytest.fail("opened"))
    result = invoke("lab")
    assert result.exit_code == 2
    assert "problem: 00_start_here.ipynb is missing in" in result.stderr
    assert "git checkout -- notebooks" in result.stderr


# --- doctor, data, settings ----------------------------------------------------------------------


@pytest.mark.parametrize("command", [["run"], ["lab"], ["data", "get"]])
def test_a_bad_setting_is_a_line_and_no_traceback(
    course: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("DISTILL_PROFILE", "fulll")
    result = invoke(*command)
    assert result.exit_code == 2
    assert result.stderr == (
        "problem: DISTILL_PROFILE='fulll' is unknown. Did you mean 'full'? "
        "Use one of 'cpu', 'full'.\n"
    )


def test_doctor_checks_everything(course: Path) -> None:
    result = invoke("doctor")
    names = [line[9:].split(":")[0] for line in result.stdout.splitlines() if line[8:9] == " "]
    expected = ["Python", "torch", "torchvision", "shap", "jupyterlab", "settings", "device",
                "threads", "memory", "current folder", "temporary folder", "Jupyter's folder",
                "digits", "data folder", "kernel"]  # fmt: skip
    assert [name for name in names if not name.startswith(" ")] == expected
    assert result.exit_code == (1 if "\nproblem" in result.stdout else 0)
    assert "OK       kernel: 'python3' starts and runs this Python" in result.stdout


@pytest.mark.parametrize(
    ("states", "code"),
    [(["OK", "OK"], 0), (["OK", "warning"], 0), (["warning", "problem", "OK"], 1)],
)
def test_only_a_problem_makes_doctor_fail(
    monkeypatch: pytest.MonkeyPatch, states: list[Any], code: int
) -> None:
    checks = [checking.Check("thing", state, "seen", "do this") for state in states]
    monkeypatch.setattr(doctor, "examine", lambda cwd: checks)
    result = invoke("doctor")
    assert result.exit_code == code
    assert result.stdout.count("\n         → do this\n") == len(states)


def test_doctor_says_what_is_wrong_with_a_setting(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTILL_SEED", "x")
    monkeypatch.setattr(doctor, "kernel", lambda: checking.Check("kernel", "OK", ""))
    result = invoke("doctor")
    assert result.exit_code == 1
    assert "problem  settings: not understood\n         → DISTILL_SEED='x' must" in result.stdout


def test_an_old_python_is_a_problem() -> None:
    assert doctor.python((3, 10, 1)).state == "problem"
    assert doctor.python((3, 11, 0)).state == "OK"


def test_a_missing_package_is_a_problem_with_its_remedy() -> None:
    check = doctor.package("no_such_package_here")
    assert check.state == "problem"
    assert check.remedy == "python -m pip install --upgrade no_such_package_here"


def test_an_old_package_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_oldest_tested", lambda name: "99.1")
    check = doctor.package("typer")
    assert check.state == "warning"
    assert "older than 99.1, the oldest version tested" in check.seen


def test_a_mismatched_torchvision_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr("importlib.import_module", broken)
    check = doctor.torchvision()
    assert (check.state, check.seen) == (
        "problem",
        "RuntimeError: operator torchvision::nms does not exist",
    )
    assert "Reinstall them together, from one index: python -m pip install" in check.remedy


def test_the_full_profile_on_a_cpu_is_a_warning() -> None:
    config = load({"DISTILL_PROFILE": "full", "DISTILL_DEVICE": "cpu"})
    assert doctor.device(config).state == "warning"
    assert doctor.device(load({})).state == "OK"


def test_more_threads_than_cores_are_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.get_num_threads", lambda: 10_000)
    check = doctor.threads()
    assert check.state == "warning"
    assert "set OMP_NUM_THREADS=" in check.remedy


@pytest.mark.parametrize(("gib", "state"), [(0.5, "problem"), (1.5, "warning"), (4, "OK")])
def test_little_memory_is_seen(monkeypatch: pytest.MonkeyPatch, gib: float, state: str) -> None:
    free = type("Free", (), {"available": int(gib * doctor.GIB)})
    monkeypatch.setattr("psutil.virtual_memory", lambda: free)
    assert doctor.memory().state == state


def test_a_folder_that_cannot_be_written_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    assert doctor.folder("there", tmp_path, "x").state == "OK"
    assert doctor.folder("to be made", tmp_path / "a" / "b", "x").state == "OK"
    assert not (tmp_path / "a").exists()
    assert doctor.folder("no folder", file / "below", "x").state == "problem"
    assert doctor.folder("no folder", file / "below", "x", needed=False).state == "warning"


def test_a_full_disk_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    check = doctor.folder("there", tmp_path, "Make room.")
    assert check.state == "problem"
    assert check.seen == f"cannot write to {tmp_path} (No space left on device)"
    assert list(tmp_path.iterdir()) == []
    assert doctor.temporary_folder().state == "problem"

    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", none)
    assert "No usable temporary" in doctor.temporary_folder().seen


def test_a_data_set_that_is_not_there_is_a_warning(tmp_path: Path) -> None:
    config = load({"DISTILL_DATASET": "mnist", "DISTILL_DATA": str(tmp_path)})
    check = doctor.data_set(config)
    assert (check.state, check.remedy) == (
        "warning",
        "Fetch it before class: distill-lessons data get mnist",
    )
    assert list(tmp_path.iterdir()) == []  # nothing was downloaded


def test_a_folder_of_images_needs_two_classes(tmp_path: Path) -> None:
    config = load({"DISTILL_DATASET": f"folder:{tmp_path}"})
    for name in ("apple", "pear"):
        assert doctor.data_set(config).state == "problem"
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").touch()
    assert doctor.data_set(config).state == "OK"


def test_a_kernel_of_another_python_is_a_problem() -> None:
    check = kernel.judge_kernel("python3", "/elsewhere/bin/python", "/elsewhere")
    assert check.state == "problem"
    assert "runs another Python, /elsewhere/bin/python, not" in check.seen
    assert "-m ipykernel install --sys-prefix --name python3" in check.remedy
    assert kernel.judge_kernel("python3", "/any/link", sys.prefix).state == "OK"


def test_a_kernel_that_does_not_exist_is_a_problem() -> None:
    check = kernel.kernel("no-such-kernel")
    assert check.state == "problem"
    assert "no-such-kernel" in check.seen


def test_the_version_is_said() -> None:
    assert invoke("--version").stdout == f"distill-lessons {__version__}\n"
    done = subprocess.run(
        [sys.executable, "-m", "distill_lessons", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"distill-lessons {__version__}\n"


def test_help_lists_the_commands() -> None:
    said = invoke("--help").stdout
    for command in ("run", "lab", "doctor", "data", "progress", "pages"):
        assert f"  {command} " in said
