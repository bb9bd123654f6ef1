"""What every committed notebook must be like: the rules, each shown to catch what it forbids."""

from __future__ import annotations

import copy
import html
import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import v4

ROOT = Path(__file__).parents[1]
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))

MAX_BYTES = 500_000
MAX_LINES, MAX_MEDIAN = 25, 10
MIN_ALT = 20

FORBIDDEN = {
    # Not after a letter or a dot: https://example.org/work and ../tmp are no absolute paths.
    "absolute path": re.compile(
        r"(?<![\w.])/(?:home|root|Users|tmp|work|private|var/folders)\b|\b[CD]:\\|"
        + re.escape(str(ROOT))
    ),
    "time stamp": re.compile(r"\b(?:19|20)\d\d-\d\d-\d\d\b|\b\d{1,2}:\d\d(?::\d\d)?\b"),
    "memory address": re.compile(r"\bat 0x[0-9a-fA-F]{6,}"),
}
# Apple's GPUs have no float64, and DISTILL_DEVICE may name one.
DOUBLE_ON_A_DEVICE = re.compile(r"(?<!\.cpu\(\))\.double\(\)")
PACKED = re.compile(r"[A-Za-z0-9+/]{200,}=*")  # base64: of a picture, or what a viewer shows


def problems(notebook: dict[str, Any]) -> list[str]:
    """Return one line for everything that a committed notebook must not be."""
    cells = notebook["cells"]
    code = [c for c in cells if c["cell_type"] == "code" and "".join(c["source"]).strip()]
    found = []
    if len(json.dumps(notebook, indent=1, ensure_ascii=False).encode()) >= MAX_BYTES:
        found.append(f"the file has {MAX_BYTES} bytes or more")
    if notebook["metadata"].get("kernelspec", {}).get("name") != "python3":
        found.append("the kernel is not python3")
    if "widgets" in notebook["metadata"]:
        found.append("widget state is stored")
    ids = [c.get("id") for c in cells]
    if None in ids or len(set(ids)) < len(ids):
        found.append("a cell has no id of its own")
    counts = [c.get("execution_count") for c in code]
    if counts != list(range(1, len(code) + 1)):
        found.append(f"execution counts are {counts}: restart the kernel and run all")
    lines = [len("".join(c["source"]).splitlines()) for c in code]
    if lines and statistics.median(lines) >= MAX_MEDIAN:
        found.append(f"the median code cell has {statistics.median(lines)} lines")
    descriptions: list[str] = []
    for number, cell in enumerate(code, start=1):
        found += [f"cell [{number}]: {problem}" for problem in _in_cell(cell, descriptions)]
    # JSON doubles backslashes; prose may name times of day, so only outputs are searched for those.
    prose = "\n".join("".join(c["source"]) for c in cells)
    if FORBIDDEN["absolute path"].search(prose):
        found.append("a source holds an absolute path")
    return found


def _in_cell(cell: dict[str, Any], descriptions: list[str]) -> Iterator[str]:
    source, outputs = "".join(cell["source"]), cell["outputs"]
    if len(source.splitlines()) > MAX_LINES:
        yield f"{len(source.splitlines())} lines"
    try:
        compile(TransformerManager().transform_cell(source), "cell", "exec")
    except SyntaxError as error:
        yield f"does not compile ({error.msg})"
    if DOUBLE_ON_A_DEVICE.search(source):
        yield "double precision before .cpu(), which not every device has"
    for output in outputs:
        if output["output_type"] == "error":
            yield "an error is stored"
        if output.get("name") == "stderr":
            yield "output to stderr is stored"
        if any(kind.startswith("image/") for kind in output.get("data", {})):
            yield "a bare picture, whose alternative text nobody gets: use plots.show"
        for alt, caption in _figures(output):
            if len(alt) < MIN_ALT:
                yield f"a figure has the alt text {alt!r}, shorter than {MIN_ALT} characters"
            elif alt in descriptions:
                yield "two figures have the same alt text"
            elif not caption.strip() or not alt.startswith(caption.strip()):
                yield "a figure's alt text does not begin with its caption"
            descriptions.append(alt)
    for name, pattern in FORBIDDEN.items():
        for text in _texts(outputs):
            if hit := pattern.search(text):
                yield f"an output holds: {name} ({hit[0]})"


def _figures(output: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the alternative text of every figure, and what can be read in it."""
    markup = "".join(output.get("data", {}).get("text/html", ""))
    for figure in re.findall(r"<figure.*?</figure>", markup, flags=re.DOTALL):
        (alt,) = re.findall(r'<img alt="([^"]*)"', figure) or [""]
        yield html.unescape(alt), html.unescape(re.sub(r"<[^>]*>", "", figure))


def _texts(outputs: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the text of every output that a reader may see, pictures apart."""
    for output in outputs:
        if "text" in output:
            yield "".join(output["text"])
        if "traceback" in output:
            yield "\n".join(output["traceback"])
        for kind, content in output.get("data", {}).items():
            if kind.startswith("text/") or kind == "image/svg+xml":
                yield PACKED.sub("", html.unescape("".join(content)))
            elif kind.endswith("json"):
                yield json.dumps(content, ensure_ascii=False)


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_is_stored_as_it_should_be(path: Path) -> None:
    assert problems(json.loads(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_is_a_valid_notebook(path: Path) -> None:
    nbformat.validate(nbformat.read(path, as_version=4))


# --- the rules can fail --------------------------------------------------------------------------

ALT = "Accuracy rises with the number of labels, <fast> at first."


def figure(alt: str = ALT) -> list[Any]:
    said = html.escape(alt)
    source = "/home/" * 40  # may stand in base64
    image = f'<img alt="{said}" src="data:image/png;base64,{source}">'
    markup = f"<figure>{image}<figcaption>{said}</figcaption></figure>"
    return [v4.new_output("display_data", {"text/html": markup, "text/plain": alt})]


def good() -> dict[str, Any]:
    cells = [
        v4.new_markdown_cell("# A title\n\nBy 12:30 we are done, see https://example.org/work."),
        v4.new_code_cell("%matplotlib inline\nx = 1", execution_count=1),
        v4.new_code_cell("plot()", execution_count=2, outputs=figure()),
        v4.new_code_cell("  "),
        v4.new_code_cell(
            "print('7 of 10')",
            execution_count=3,
            outputs=[v4.new_output("stream", name="stdout", text="7 of 10, 0.25 s, ../tmp/x\n")],
        ),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return copy.deepcopy(dict(v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})))


def said(text: str) -> Any:
    return v4.new_output("stream", name="stdout", text=text)


def test_a_good_notebook_passes() -> None:
    assert problems(good()) == []


def test_an_empty_notebook_passes() -> None:
    notebook = good()
    notebook["cells"] = []
    assert problems(notebook) == []


BREAKAGES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "never executed": (lambda n: n["cells"][1].update(execution_count=None), "execution counts"),
    "executed out of order": (lambda n: n["cells"][1].update(execution_count=3), "execution count"),
    "executed twice": (lambda n: n["cells"][4].update(execution_count=7), "execution counts"),
    "too big": (lambda n: n["cells"][4].update(outputs=[said("x" * 500_000)]), "bytes or more"),
    "other kernel": (lambda n: n["metadata"]["kernelspec"].update(name="venv"), "not python3"),
    "no kernel": (lambda n: n["metadata"].clear(), "not python3"),
    "widget state": (lambda n: n["metadata"].update(widgets={}), "widget state"),
    "no id": (lambda n: n["cells"][0].pop("id"), "no id of its own"),
    "same id": (lambda n: n["cells"][0].update(id=n["cells"][1]["id"]), "no id of its own"),
    "long cell": (lambda n: n["cells"][1].update(source="x\n" * 26), "26 lines"),
    "long cells": (
        lambda n: [n["cells"][i].update(source="x\n" * 10) for i in (1, 2, 4)],
        "the median code cell has 10 lines",
    ),
    "no Python": (lambda n: n["cells"][1].update(source="for x in"), "does not compile"),
    "doubles": (lambda n: n["cells"][1].update(source="x.double()"), "before .cpu()"),
    "error": (
        lambda n: n["cells"][1].update(outputs=[v4.new_output("error", ename="E", evalue="x")]),
        "an error is stored",
    ),
    "stderr": (
        lambda n: n["cells"][1].update(outputs=[v4.new_output("stream", name="stderr", text="x")]),
        "output to stderr",
    ),
    "no alt text": (
        lambda n: n["cells"][2].update(outputs=figure("")),
        "alt text '', shorter than 20",
    ),
    "short alt text": (lambda n: n["cells"][2].update(outputs=figure("A curve.")), "shorter than"),
    "same alt text": (lambda n: n["cells"][4].update(outputs=figure()), "the same alt text"),
    "no caption": (
        lambda n: n["cells"][2]["outputs"][0]["data"].update(
            {"text/html": f'<figure><img alt="{html.escape(ALT)}"></figure>'}
        ),
        "does not begin with its caption",
    ),
    "bare picture": (
        lambda n: n["cells"][2]["outputs"].append(
            v4.new_output(
                "display_data", {"image/png": "iVBO"}, metadata={"image/png": {"alt": "x" * 20}}
            )
        ),
        "a bare picture",
    ),
    "path in a source": (
        lambda n: n["cells"][1].update(source="open('/home/ada/x')"),
        "a source holds an absolute path",
    ),
    "path in prose": (lambda n: n["cells"][0].update(source="See C:\\data."), "absolute path"),
    "clock": (lambda n: n["cells"][4].update(outputs=[said("at 12:30:05")]), "time stamp (12:30"),
    "progress bar": (
        lambda n: n["cells"][4].update(outputs=[said("100% 5/5 [00:01<00:00]")]),
        "time stamp",
    ),
    "date": (lambda n: n["cells"][4].update(outputs=[said("2026-11-21")]), "time stamp (2026"),
    "address": (
        lambda n: n["cells"][4].update(outputs=[said("<Axes object at 0x7f3a1b2c>")]),
        "memory address",
    ),
}


@pytest.mark.parametrize("name", BREAKAGES)
def test_every_rule_can_fail(name: str) -> None:
    notebook = good()
    breakage, message = BREAKAGES[name]
    breakage(notebook)
    found = problems(notebook)
    assert len(found) == 1
    assert message in found[0]


@pytest.mark.parametrize(
    "path",
    ["/home/ada/x.py", "/root/x", "/Users/ada", "/tmp/x", "/work/x", "C:\\Users", f"{ROOT}/x.py"],
)
@pytest.mark.parametrize("kind", ["stream", "html", "claim"])
def test_a_path_is_seen_in_every_kind_of_output(path: str, kind: str) -> None:
    outputs = {
        "stream": said(f"read '{path}'"),
        "html": v4.new_output("display_data", {"text/html": f"<code>{path}</code>"}),
        "claim": v4.new_output(
            "display_data", {"application/vnd.distill-lessons.claim+json": {"statement": path}}
        ),
    }
    notebook = good()
    notebook["cells"][1]["outputs"] = [outputs[kind]]
    assert any("holds: absolute path" in problem for problem in problems(notebook))


# --- a claim that does not hold turns a test run red ---------------------------------------------


def nbval(folder: Path, bound: float) -> subprocess.CompletedProcess[str]:
    source = (
        "from distill_lessons.claims import claim, mean_effect\n"
        f"claim('It helps.', mean_effect([0.02, 0.03, 0.04], unit='points'), above={bound})"
    )
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = v4.new_notebook(cells=[v4.new_code_cell(source)], metadata={"kernelspec": kernel})
    nbformat.write(notebook, folder / "lesson.ipynb")
    options = ["--nbval-lax", "--nbval-cell-timeout=120", "-p", "no:cacheprovider", "--rootdir=."]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, "lesson.ipynb"],
        cwd=folder,
        env=os.environ | {"DISTILL_STRICT": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_broken_claim_fails(tmp_path: Path) -> None:
    broken = nbval(tmp_path, bound=0.02)  # the interval starts at 0.5 points, not above 2
    assert broken.returncode == 1, broken.stdout + broken.stderr
    assert "ClaimFailed" in broken.stdout
    assert "1 failed" in broken.stdout
    mended = nbval(tmp_path, bound=0.0)
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert "1 passed" in mended.stdout
