"""No figure asserts a finding that it does not show: written words describe, others are computed.

What a lesson writes into a title or a caption stands there whatever a run draws, so it may not say
how something came out. What a plot function says is checked by drawing the reversed effect.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from labs import stored
from matplotlib.figure import Figure

from distill_lessons import plots
from distill_lessons.claims import Effect
from distill_lessons.exercises import catalogue
from distill_lessons.plots import theme, wording
from distill_lessons.whitebox import trees

LESSONS = list(catalogue.LESSONS)
NO_FIGURE = {"ROLES", "Role", "show", "type_a_phrase", "use_theme"}

# Words of findings: how something came out, and not what is drawn.
FINDING = re.compile(
    r"""\b(
        more|less|fewer|higher|lower|larger|smaller|better|worse|best|worst|nearer|farther|easier|
        win(s|ning)?|won|lose[s]?|lost|gain(s|ed)?|beat[s]?|help[s]?|hurt[s]?|costs|improve[sd]?|
        rise[s]?|fall[s]?|grow[s]?|shrink[s]?|vanish(es)?|remain[s]?|stay[s]?|stands?\ out|
        none|nothing|no|never|always|hardly|nearly|almost|mostly|most|least|only|alike|
        exceed[s]?|carr(y|ies)|agree[s]?|differ[s]?|equal[s]?|matters?|above|below|(?<!how\ )far
    )\b""",
    re.VERBOSE | re.IGNORECASE,
)
# Where such a word tells what is drawn: a legend, a choice, the question itself, a name.
DESCRIBED = [
    "the teacher doubts most",  # how the image was chosen
    "and below it the number of images",  # where the numbers stand
    "with bars for its probabilities below them",
    "Above: what it may learn from. Below: what will test it",
    "and below them test images",
    "Above: uniform noise. Below: drawn pixel by pixel",
    "five uniform ones above and five drawn pixel by pixel below",
    "The course: distil above, explain below",
    "three units of one teacher that are explained best",  # how they were chosen
    "that excite the teacher's unit most, and below them those",
    "On top the plain ones",
    "by what the trees were taught; below, of the two nets",
    "only the true class",  # all that this reader is told
    "below for the same net with random weights",
    "above for the trained teacher",
    "above with the cue and below without it",
    "Below each row a waterfall",
    "above each map",
    "its label above it",
    "a mark above the bar of the right class",  # where it stands
    "the first screen once more",  # it was drawn before
    "which stands above it",  # where a number stands
    "with none and with that of another class",  # which code is on the scans
    "of the same batches that imitates none",  # how a student was made
    "a dot where the interval over shuffles lies above zero",  # what a dot means
    "dots where the interval over nets lies above zero",
    "Pixels whose shuffling costs nothing",  # how they were chosen
    "log K, all classes alike",  # the name of a line
    "1: all classes alike",
    "How alike two maps are, by what differs between them",
    "when only the shuffles, the net or the images differ",  # what was varied
    "labels only, the same for every temperature",  # how a row was made
    "three that keep only the top band",
    "no teacher",  # the name of a net
    "without a teacher",
    "no more labels",  # what a teacher, or its targets, did not have
    "no softness",
    "T for the teacher only",
    "it knows nothing",
    "a person recognises nearly all of them",  # of the images, not of a measurement
    "neither very sure nor in great doubt",
    "the most confused",
    "rise of the loss, fall of the accuracy",  # what is measured
    "rise in cross-entropy",
    "fall in accuracy",
    "the right of",
    "What the model is asked",
    "clear of zero: gains",  # a number follows, computed
    "Gains clear of zero",
    "gradient length",
    "nearer",  # the direction of an axis
    "alpha < 1",
    "images that it never saw",
    "no cost: dark",
    ", never seen: ",
    "On the dotted line confidence equals accuracy",
    "top only",
    "one piece more in each",
]


def written(source: str) -> Iterator[str]:
    """Yield the strings that a cell gives to functions of `plots`, the computed parts as ``{}``."""
    tree = ast.parse(source)
    given = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func).startswith("plots.")):
            continue
        for arg in [*node.args, *(keyword.value for keyword in node.keywords)]:
            yield from strings(arg)
            if isinstance(arg, ast.Name) and arg.id in given:
                yield from strings(given[arg.id])


def strings(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.JoinedStr):
        parts = [v.value if isinstance(v, ast.Constant) else "{}" for v in node.values]
        yield "".join(map(str, parts))
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield node.value
    elif not (isinstance(node, ast.Call) and ast.unparse(node.func).startswith("plots.")):
        for child in ast.iter_child_nodes(node):
            yield from strings(child)


def findings(text: str) -> list[str]:
    for phrase in sorted(DESCRIBED, key=len, reverse=True):
        text = text.replace(phrase, "")
    return [match[0] for match in FINDING.finditer(text)]


def cells(lesson: str) -> list[tuple[str, str]]:
    notebook = json.loads(stored(lesson).read_bytes())
    return [
        (cell["id"], "".join(cell["source"]))
        for cell in notebook["cells"]
        if cell["cell_type"] == "code" and "plots." in "".join(cell["source"])
    ]


@pytest.mark.parametrize("lesson", LESSONS)
def test_what_a_lesson_writes_on_its_figures_asserts_no_finding(lesson: str) -> None:
    said = {name: [t for t in written(source) if findings(t)] for name, source in cells(lesson)}
    assert {name: texts for name, texts in said.items() if texts} == {}


@pytest.mark.parametrize("lesson", LESSONS)
def test_no_title_has_a_full_stop_and_every_caption_has_one(lesson: str) -> None:
    for name, source in cells(lesson):
        for node in ast.walk(ast.parse(source)):
            if not (isinstance(node, ast.Call) and ast.unparse(node.func).startswith("plots.")):
                continue
            if ast.unparse(node.func) == "plots.show":
                *_, last = [*strings(node.args[1])] or ["."]
                assert last.endswith("."), name
            for keyword in node.keywords:
                if keyword.arg == "title":
                    assert not any(text.endswith(".") for text in strings(keyword.value)), name


@pytest.mark.parametrize(
    "text",
    [
        "With all labels, no temperature shows a gain",
        "No interval lies to the right of zero",
        "Soft targets win, most of all with few labels",
        "Attributions are nearly the same",
        "The student's error is lower at every size",
        "Accuracy falls without T²",
    ],
)
def test_a_written_finding_is_noticed(text: str) -> None:
    call = f"title = {text!r}\nax = plots.forest(effects, title, xlabel='x')"
    assert [t for t in written(call) if findings(t)] == [text]
    caption = "f" + repr("{n} images. " + text + ".")
    call = f"plots.show(plots.forest(e, {text!r}, xlabel='x'), {caption})"
    assert [t for t in written(call) if findings(t)] == [f"{{}} images. {text}.", text]


# --- every plot function, drawn with its effect and with the reversed one ------------------------

K = ("0", "1", "2")
P, Q = np.array([0.9, 0.09, 0.01]), np.array([0.01, 0.09, 0.9])
X = np.zeros((1, 1, 2, 2))
MAP = np.array([[3.0, -1.0], [0.0, 1.0]])


def effects(sign: int) -> dict[str, Effect]:
    ends = {1: {"a": (1, 2, 3), "b": (-0.5, 0, 0.5)}, -1: {"a": (-3, -2, -1), "b": (0.1, 1, 2)}}
    return {n: Effect(v, low, high, 5) for n, (low, v, high) in ends[sign].items()}


def rising(sign: int) -> np.ndarray:
    return np.array([1.0, 2.0, 3.0])[::sign]


def calibration(sign: int) -> dict[str, pd.DataFrame]:
    right = [0.9, 0.9] if sign > 0 else [0.1, 0.2]
    table = {
        "confidence": [0.9, 0.95],
        "accuracy": right,
        "images": [100, 50] if sign > 0 else [9, 900],
    }
    return {"net": pd.DataFrame(table)}


def history(sign: int) -> pd.DataFrame:
    return pd.DataFrame(
        {"epoch": [1, 2, 3], "train_loss": rising(-sign), "valid_loss": rising(-sign)}
    )


def costs(sign: int) -> pd.DataFrame:
    return pd.DataFrame({"method": ["m"] * 3, "rows": [1, 10, 100], "error": rising(-sign)})


def runs(sign: int) -> pd.DataFrame:
    return pd.DataFrame({"n": np.repeat([1, 2, 4], 2), "e": np.repeat(rising(sign), 2), "by": "m"})


def orders(sign: int) -> dict[str, tuple[pd.DataFrame, str]]:
    def table(score: float) -> pd.DataFrame:
        keys = [(k, o) for k in ("deletion", "insertion") for o in ("attribution", "random")]
        rows = [(k, o, f, score if o == "attribution" else 0.5) for k, o in keys for f in (0, 1)]
        return pd.DataFrame(rows, columns=["kind", "order", "fraction", "score"])

    return {"own": (table(0.5 + 0.4 * sign), "teacher"), "its": (table(0.4), "student")}


def both(sign: int, first: Any, second: Any) -> tuple[Any, Any]:
    return (first, second) if sign > 0 else (second, first)


def turned(sign: int, first: Any, second: Any) -> dict[str, Any]:
    return dict(zip("ab", both(sign, first, second), strict=True))


DRAW: dict[str, Callable[[int], Any]] = {
    "attribution_maps": lambda s: plots.attribution_maps([s * MAP], ["m"], title="T"),
    "attribution_panel": lambda s: plots.attribution_panel(plt.subplots()[1], s * MAP, 3.0).axes,
    "bands": lambda s: plots.bands(
        [1, 2, 4], {"a": (np.outer(rising(s), [1, 1]), "teacher")}, "T", xlabel="x", ylabel="y"
    ),
    "beside_others": lambda s: plots.beside_others(
        {1.0: both(s, P, Q)[0]}, {"row": {1.0: np.array([both(s, P, Q)[1]])}}, K, 1
    ),
    "class_bars": lambda s: plots.class_bars(plt.subplots()[1], both(s, P, Q)[0], K)[0].axes,
    "course_map": lambda s: plots.course_map({"a": (0, 0, "teacher")}, [], "T"),
    "curves": lambda s: plots.curves(
        runs(s), "n", "e", "by", "T", roles={"m": "teacher"}, xlabel="x", ylabel="y"
    ),
    "dendrogram": lambda s: plots.dendrogram(
        pd.DataFrame(np.eye(3) + 0.1 * s * (np.ones((3, 3)) - np.eye(3)), K, K), "T"
    ),
    "error_against_cost": lambda s: plots.error_against_cost(costs(s), "T", exact_rows=1e4),
    "fidelity": lambda s: plots.fidelity(
        turned(s, ([0.9], [0.9], "teacher"), ([0.5], [0.1], "student")), "T"
    ),
    "forest": lambda s: plots.forest(effects(s), "T", xlabel="x"),
    "heatmap": lambda s: plots.heatmap(pd.DataFrame(s * MAP), "T", label="x"),
    "images": lambda s: plots.images(X, title="T"),
    "importance_map": lambda s: plots.importance_map(
        s * MAP, s * MAP - 0.1 - (s < 0) * 5, s * MAP + 0.1 + (s < 0) * 5, "T", label="x"
    ),
    "importance_maps": lambda s: plots.importance_maps({"m": s * MAP}, "T", label="x"),
    "lanes": lambda s: plots.lanes(
        turned(s, ([1.0], "teacher"), ([2.0], "student")), "T", xlabel="x"
    ),
    "learning_curves": lambda s: plots.learning_curves(history(s)),
    "letters": lambda s: plots.letters({"a": ("ab", both(s, 1.0, 2.0))}, "T", label="x"),
    "loss_and_question": lambda s: plots.loss_and_question([1, 2, 3], rising(s), "a", "b"),
    "open_question": lambda s: plots.open_question(X[0], {1.0: both(s, P, Q)[0]}, K),
    "orders": lambda s: plots.orders(orders(s), "T"),
    "pairs": lambda s: plots.pairs(
        ("a", rising(1) - s, "baseline"), ("b", rising(1) + s, "student"), "T", ylabel="y"
    ),
    "probability_bars": lambda s: plots.probability_bars(X, {"T": both(s, P, Q)[:1]}, K, ["x"]),
    "pushes": lambda s: plots.pushes(
        turned(s, ([1, 2, 3], "teacher"), ([0.1, 0, 0], "student")), K, "T"
    ),
    "reading": lambda s: plots.reading(
        trees.grow(s * np.arange(3.0)[:, None], np.eye(3), 1), np.zeros(1), [s], ["x"], K, "T"
    ),
    "reliability": lambda s: plots.reliability(calibration(s)),
    "reasons": lambda s: plots.reasons(X, [("m", s * MAP)], (0, 0, 1, 1), title="T"),
    "scaling": lambda s: plots.scaling(
        [1, 2, 4], {"a": (rising(s), "teacher")}, "T", xlabel="x", ylabel="y"
    ),
    "scenes": lambda s: plots.scenes(
        X, [[((0, 0, 1, 1), "a")]], ["x"], roles=["teacher"], title="T"
    ),
    "settling": lambda s: plots.settling({"a": rising(s)}, {"a": 2.0 + s}, title="T", ylabel="y"),
    "simplex": lambda s: plots.simplex({"a": ([P, both(s, P, Q)[0]], "teacher")}, P, "T", names=K),
    "strips": lambda s: plots.strips(
        pd.DataFrame(turned(s, [1.0, 1.0], [2.0, 2.0])), "T", ylabel="y"
    ),
    "temperature_bars": lambda s: plots.temperature_bars(
        {1.0: both(s, P, np.ones(3) / 3)[0]}, K, "T"
    ),
    "two_answers": lambda s: plots.two_answers(
        X[0], {"a": (both(s, P, np.array([1.0, 0.0, 0.0]))[0], "teacher")}, K
    ),
    "waterfall": lambda s: plots.waterfall(
        {"a": np.zeros((3, 1, 2, 2))}, {"a": [0.0, s, 2.0 * s]}, {"a": 1}, title="T", ylabel="y"
    ),
    "weights": lambda s: plots.weights(s * MAP[None, None]),
}


def sentences(figure: Figure) -> set[str]:
    """Return what stands on a figure as titles, and what it says of itself."""
    titles = [ax.get_title(loc) for ax in figure.axes for loc in ("left", "center", "right")]
    said = re.split(r"(?<=[.;])\s", wording.noted(figure))
    return {text for text in (*titles, figure.get_suptitle(), *said) if text}


def test_every_plot_function_is_drawn_here() -> None:
    assert set(DRAW) == set(plots.__all__) - NO_FIGURE


@pytest.mark.parametrize("name", DRAW)
def test_a_figure_with_its_effect_reversed_says_so_or_says_nothing(name: str) -> None:
    before, after = (sentences(theme._figure_of(DRAW[name](sign))) for sign in (1, -1))
    plt.close("all")
    kept = before & after - {"What 1 units of the first layer look for"}
    assert [t for t in kept if re.search(r"\d", re.sub(r"T = 1", "", t)) or findings(t)] == []


@pytest.mark.parametrize(
    "name", ["forest", "strips", "lanes", "curves", "pairs", "fidelity", "attribution_maps"]
)
def test_a_function_that_says_something_says_it_of_what_it_draws(name: str) -> None:
    first, again, turned = (
        wording.noted(theme._figure_of(DRAW[name](sign))) for sign in (1, 1, -1)
    )
    plt.close("all")
    assert first == again != turned
