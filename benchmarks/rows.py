"""The rows of the table: what is done, against what, and what is asked of us."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from benchmarks import (
    copying_rows,
    detection_rows,
    device_rows,
    explain_rows,
    process_rows,
    teacher_rows,
    text_rows,
    training_rows,
    vision_rows,
)
from benchmarks.inputs import Setup
from benchmarks.timing import Comparison, Measured


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        name: short name, for ``--only``.
        work: what is done.
        against: what a user would do instead.
        build: prepares the work.
        at_least: how many times faster we have to be.
        at_most: how many times as long we may take; where given, the ratio is ours to theirs.
        slow: takes minutes, or needs an extra, so it runs only when asked for.
    """

    name: str
    work: str
    against: str
    build: Callable[[Setup], Comparison]
    at_least: float | None = None
    at_most: float | None = None
    slow: bool = False

    @property
    def target(self) -> str:
        if self.at_most is not None:
            return f"≤ {self.at_most:g}× the time"
        return f"≥ {self.at_least:g}× faster" if self.at_least is not None else "none"

    def ratios(self, measured: Measured) -> list[float]:
        return measured.ratios(faster=self.at_most is None)

    def met(self, ratio: float) -> bool | None:
        """Tell whether a ratio is on the right side of the target; None without a target."""
        if self.at_most is not None:
            return ratio <= self.at_most
        return None if self.at_least is None else ratio >= self.at_least


ROWS = (
    Row(
        "epoch",
        "distillation epoch, 784-64-10, batch 64",
        "tutorial loop: DataLoader, teacher each step",
        training_rows.epoch,
        at_least=11,
    ),
    Row(
        "workers",
        "the same epoch",
        "tutorial loop with two worker processes",
        partial(training_rows.epoch, workers=2),
    ),
    Row(
        "floor",
        "the same epoch",
        "floor: as many steps on one resident batch",
        training_rows.floor,
        at_most=1.25,
    ),
    Row(
        "students",
        "64 students 64-32-10, seeds × T × alpha",
        "our own fit, one student after another",
        training_rows.side_by_side,
        at_least=10,
    ),
    Row(
        "eight",
        "soft targets of eight teachers, 784-128-10",
        "loop over the eight",
        partial(teacher_rows.eight, against=8),
    ),
    Row(
        "eight-one",
        "soft targets of eight teachers, 784-128-10",
        "soft targets of one of them",
        partial(teacher_rows.eight, against=1),
        at_most=12,
    ),
    *(
        Row(
            f"copying-{name}",
            f"distillation epoch that also copies: {name}",
            "our own plain distillation epoch",
            partial(copying_rows.step, name),
            at_most=20 if name == "angle" else 5,  # angles: all triples of a batch
        )
        for name in copying_rows.LOSSES
    ),
    Row(
        "permutation",
        "permutation importance, 784 features, 784-128-10",
        "sklearn.inspection.permutation_importance",
        explain_rows.permutation,
        at_least=10,
    ),
    Row(
        "deep",
        "deep SHAP, 784 features, plain ReLU net",
        "shap.DeepExplainer",
        explain_rows.deep,
        at_least=8,
    ),
    Row(
        "exact",
        "exact Shapley values of 16 regions",
        "loop over the 65,536 coalitions",
        explain_rows.exact_shapley,
        at_least=20,
    ),
    Row(
        "tree",
        "exact SHAP of a tree of depth 6, 784 features",
        "shap.TreeExplainer, interventional",
        explain_rows.tree_shap,
    ),
    Row(
        "deep_wide",
        "deep SHAP, two wide hidden layers, 784-512-512-10",
        "shap.DeepExplainer",
        partial(explain_rows.deep, hidden=explain_rows.WIDE),
        at_least=10,
    ),
    Row(
        "exact_wide",
        "exact Shapley values of 16 regions, 784-512-512-10",
        "loop over the 65,536 coalitions",
        partial(explain_rows.exact_shapley, hidden=explain_rows.WIDE),
        at_least=20,
    ),
    *(
        Row(
            f"text-{name}",
            f"phrases read and answered by a {words}",
            text_rows.TEACHER,
            partial(text_rows.student, name=name),
        )
        for name, words in text_rows.STUDENTS.items()
    ),
    Row(
        "views",
        "epoch of a small convolutional student, logits kept for every view",
        "the same epoch, the teacher asked each step",
        vision_rows.kept,
    ),
    Row(
        "detection",
        "scenes searched by a student 1/24 of the size",
        "its teacher",
        detection_rows.student,
    ),
    Row(
        "import",
        "import distill_lessons",
        "import torch",
        process_rows.imports,
        at_most=1.1,
    ),
    *(
        Row(
            f"{kind}-{images}",
            f"{words}, 784-128-128-10, {images} image{'s' * (images > 1)} a call",
            "torch, floats",
            partial(device_rows.engine, images=images, bits=bits),
            slow=True,
        )
        for kind, words, bits in (
            ("onnx", "onnxruntime, floats", 32),
            ("int8", "onnxruntime, whole numbers", 7),
        )
        for images in (1, device_rows.MANY)
    ),
    Row(
        "lessons",
        "lessons 00 to 07 with nbval",
        "budget of five minutes",
        process_rows.lessons,
        at_most=1.0,
        slow=True,
    ),
)
