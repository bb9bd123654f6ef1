"""What boxes, scenes, grids, scores and losses do with everything that is likely to be given."""

from __future__ import annotations

import math

import pytest
import torch
from arguments import COUNT, REFUSED, SEED, Row, made, refused, table_tests
from torch import Tensor

from distill_lessons.data import Data, Split
from distill_lessons.detection import boxes, grid, losses, nets, reasons, scenes, scoring
from distill_lessons.detection.grid import Detections
from distill_lessons.detection.scenes import Scenes

MODULES = [
    f"detection.{name}"
    for name in ("boxes", "grid", "losses", "nets", "reasons", "scenes", "scoring")
]
K, CANVAS, G = 3, 12, 3
RNG = torch.Generator().manual_seed(0)
IMAGES = Split(torch.rand(30, 1, 6, 6, generator=RNG), torch.arange(30) % K)
Z = torch.randn(2, 5 + K, G, G, generator=RNG)
EDGES = torch.tensor([[[0.0, 0, 5, 5], [6, 6, 11, 12]], [[1, 1, 6, 7], [6, 0, 11, 5]]])
SCORES, KINDS = torch.tensor([[0.9, 0.2], [0.4, 0.6]]), torch.tensor([[0, 1], [2, 1]])
SCENES = Scenes(torch.rand(2, 1, CANVAS, CANVAS, generator=RNG), EDGES, KINDS)
FOUND = Detections(EDGES, SCORES, KINDS, torch.ones(2, 2, dtype=torch.bool))
MAPS, CELLS = torch.rand(2, 6, 6, generator=RNG), torch.tensor([[0, 1], [2, 2]])


def net() -> torch.nn.Module:
    return nets.detector(1, K, (4, 4), cell=4)


def number(bad: float = math.nan, **more: float) -> dict:
    return refused(none=None, text="1", a_list=[1.0], bad=bad, **more)


NO_TENSOR = refused(none=None, text="x", a_number=3) | made(
    REFUSED, a_list=lambda good: good.tolist(), meta=lambda good: good.to("meta")
)
BOXES = NO_TENSOR | made(
    REFUSED, three_numbers=lambda good: good[..., :3], flat=lambda good: good.flatten()[:3]
)
MAP = NO_TENSOR | made(
    REFUSED,
    flat=lambda good: good[0],
    few=lambda good: good[:, :5],
    oblong=lambda good: good[..., 1:],
)
NAN = made(REFUSED, nan=lambda good: torch.full_like(good, math.nan))
ONE_EACH = NO_TENSOR | made(REFUSED, fewer=lambda good: good[:, 1:])
OF_SCENES = refused(none=None, text="x", x=SCENES.x)
OF_FOUND = refused(none=None, text="x", edges=EDGES) | made(
    REFUSED,
    nan=lambda good: Detections(EDGES, SCORES * math.nan, KINDS, good.keep),
    fewer=lambda good: Detections(EDGES[:1], SCORES[:1], KINDS[:1], good.keep[:1]),
)
OVERLAP = number(bad=1.5, zero=0.0)
SPLIT = refused(none=None, text="digits") | made(
    REFUSED,
    hidden=lambda good: good.without_labels(),
    soft=lambda good: Split(good.x, torch.rand(len(good), K)),
    flat=lambda good: Split(good.x.flatten(1), good.y),
)
FEW = COUNT | refused(text="many")
NOT_NEGATIVE = refused(none=None, text="2", negative=-1, fraction=1.5)


def data_of_three() -> Data:
    thirds = [IMAGES.take(range(i, 30, 3)) for i in range(3)]
    labels = torch.arange(10) % K
    return Data("toy", *(Split(part.x, labels) for part in thirds), ("a", "b", "c"))


TABLE = {
    "detection.boxes.check_boxes": Row(
        lambda boxes_, canvas: boxes.check_boxes("boxes_", boxes_, canvas),
        lambda: {"boxes_": EDGES[0].clone(), "canvas": CANVAS},
        {
            "boxes_": BOXES
            | NAN
            | made(
                REFUSED,
                no_area=lambda good: good[:, [0, 1, 0, 3]],
                upside_down=lambda good: good[:, [2, 3, 0, 1]],
                outside=lambda good: good + 3,
                left=lambda good: good - 1,
            ),
            "canvas": {},
        },
    ),
    "detection.boxes.iou": Row(
        boxes.iou, lambda: {"a": EDGES[0].clone(), "b": EDGES[1].clone()}, {"a": BOXES, "b": BOXES}
    ),
    "detection.boxes.nms": Row(
        boxes.nms,
        lambda: {"boxes": EDGES.clone(), "scores": SCORES.clone(), "classes": KINDS.clone(),
                 "threshold": 0.5},
        {
            "boxes": BOXES,
            "scores": ONE_EACH | NAN,
            "classes": refused(text="x") | made(REFUSED, fewer=lambda good: good[:, 1:]),
            "threshold": number(bad=1.5, negative=-0.1),
        },
    ),
    "detection.scenes.make": Row(
        lambda **given: scenes.make(**given).x,
        lambda: {"images": IMAGES, "n": 3, "canvas": CANVAS, "side": 5, "most": 2, "scraps": 1,
                 "seed": 0},
        {
            "images": SPLIT,
            "n": FEW,
            "canvas": FEW | refused(small=5),
            "side": FEW | refused(small=3),
            "most": FEW,
            "scraps": NOT_NEGATIVE,
            "seed": SEED,
        },
    ),
    "detection.scenes.shared_out": Row(
        lambda found, train, transfer, valid, test, seed: scenes.shared_out(
            found, train=train, transfer=transfer, valid=valid, test=test, seed=seed,
            canvas=CANVAS, side=5,
        )["test"].x,
        lambda: {"found": data_of_three(), "train": 2, "transfer": 2, "valid": 2, "test": 2,
                 "seed": 0},
        {
            "found": refused(none=None, text="digits", split=IMAGES),
            **dict.fromkeys(("train", "transfer", "valid", "test"),
                            refused(none=None, text="2", zero=0, fraction=1.5)),
            "seed": refused(none=None, text="2", fraction=1.5),
        },
    ),
    "detection.grid.targets": Row(
        lambda scenes, cells: grid.targets(scenes, cells)["boxes"],
        lambda: {"scenes": SCENES, "cells": G},
        {"scenes": OF_SCENES, "cells": refused(none=None, text="2", zero=0, one=1, fraction=1.5)},
        but={("cells", "one"): None},
    ),
    "detection.grid.split": Row(lambda z: grid.split(z)[0], lambda: {"z": Z.clone()}, {"z": MAP}),
    "detection.grid.decode": Row(
        lambda z, canvas, threshold: grid.decode(z, canvas, threshold=threshold).boxes,
        lambda: {"z": Z.clone(), "canvas": CANVAS, "threshold": 0.5},
        {"z": MAP | NAN, "canvas": FEW, "threshold": number(bad=1.5)},
    ),
    "detection.grid.as_labels": Row(
        lambda x, found, least, cells: grid.as_labels(
            x, found, least=least, cells=cells
        ).boxes,
        lambda: {"x": SCENES.x, "found": FOUND, "least": 0.3, "cells": G},
        {
            "x": NO_TENSOR,
            "found": OF_FOUND,
            "least": number(bad=1.5),
            "cells": refused(none=None, text="2", zero=0, fraction=1.5),
        },
        but={("found", "nan"): None},
    ),
    "detection.losses.labelled": Row(
        losses.labelled,
        lambda: {"z": Z.clone(), "wanted": grid.targets(SCENES, G), "box_weight": 2.0,
                 "class_weight": 1.0},
        {
            "z": MAP,
            "wanted": made(REFUSED, other_grid=lambda good: grid.targets(SCENES, 6)),
            "box_weight": number(negative=-1.0),
            "class_weight": number(negative=-1.0),
        },
    ),
    "detection.losses.distilled": Row(
        losses.distilled,
        lambda: {"z": Z.clone(), "z_teacher": Z.flip(0), "parts": ["boxes"], "T": 2.0,
                 "box_weight": 2.0},
        {
            "z": MAP,
            "z_teacher": MAP,
            "parts": refused(none=None, text="boxes", unknown=["edges"], empty=[]),
            "T": number(zero=0.0, negative=-1.0, inf=math.inf),
            "box_weight": number(negative=-1.0),
        },
    ),
    "detection.nets.detector": Row(
        lambda **given: nets.detector(**given)[0].weight,
        lambda: {"channels": 1, "n_classes": K, "widths": (4, 4), "cell": 4, "seed": 0},
        {
            "channels": FEW,
            "n_classes": FEW | refused(one=1),
            "widths": refused(none=None, number=3, text="ab", zero=(4, 0), too_few=(4,)),
            "cell": FEW | refused(three=3, eight=8),
            "seed": SEED,
        },
    ),
    "detection.reasons.answer_of": Row(
        reasons.answer_of,
        lambda: {"z": Z.clone(), "cells": CELLS.clone(), "kinds": torch.tensor([0, 2])},
        {
            "z": MAP,
            "cells": NO_TENSOR
            | made(REFUSED, fewer=lambda good: good[1:], beyond=lambda good: good + 2,
                   floats=lambda good: good.float()),
            "kinds": refused(text="x")
            | made(REFUSED, fewer=lambda good: good[1:], beyond=lambda good: good + 2),
        },
    ),
    "detection.reasons.of_cell": Row(
        reasons.of_cell,
        lambda: {"net": net(), "x": SCENES.x, "cells": CELLS.clone(), "kinds": None, "steps": 2},
        {
            "net": refused(none=None, text="net", function=torch.relu),
            "x": NO_TENSOR,
            "cells": made(REFUSED, fewer=lambda good: good[1:]),
            "kinds": refused(beyond=torch.tensor([0, 9])),
            "steps": refused(none=None, text="2", zero=0, fraction=1.5),
        },
    ),
    "detection.reasons.inside": Row(
        reasons.inside,
        lambda: {"maps": MAPS.clone(), "boxes": EDGES[:, 0].clone()},
        {
            "maps": NO_TENSOR | made(REFUSED, flat=lambda good: good[0]),
            "boxes": BOXES | made(REFUSED, fewer=lambda good: good[1:]),
        },
    ),
    "detection.reasons.covered": Row(
        reasons.covered,
        lambda: {"boxes": EDGES[0].clone(), "canvas": CANVAS},
        {"boxes": BOXES, "canvas": FEW},
        but=dict.fromkeys([("canvas", "numpy")], None),
    ),
    "detection.scoring.average_precision": Row(
        scoring.average_precision,
        lambda: {"scores": [0.9, 0.8, 0.3], "hits": [1, 0, 1], "n_boxes": 3, "points": None},
        {
            "scores": refused(none=None, text="x", fewer=[0.9], nan=[0.9, math.nan, 0.3]),
            "hits": refused(none=None, text="x", fewer=[1], twos=[2, 0, 1]),
            "n_boxes": refused(none=None, text="3", zero=0, fewer=1),
            "points": refused(text="x", one=1, fraction=1.5),
        },
    ),
    "detection.scoring.matched": Row(
        scoring.matched,
        lambda: {"found": FOUND, "scenes": SCENES, "overlap": 0.5, "classes": True},
        {"found": OF_FOUND, "scenes": OF_SCENES, "overlap": OVERLAP, "classes": {}},
    ),
    "detection.scoring.mean_ap": Row(
        scoring.mean_ap,
        lambda: {"found": FOUND, "scenes": SCENES, "overlap": 0.5, "points": None},
        {"found": OF_FOUND, "scenes": OF_SCENES, "overlap": OVERLAP, "points": refused(one=1)},
    ),
    "detection.scoring.class_ap": Row(
        scoring.class_ap,
        lambda: {"found": FOUND, "scenes": SCENES, "label": 1, "overlap": 0.5},
        {
            "found": OF_FOUND,
            "scenes": OF_SCENES,
            "label": refused(none=None, text="1", unseen=7, fraction=1.5),
            "overlap": OVERLAP,
        },
    ),
    "detection.scoring.any_class_ap": Row(
        scoring.any_class_ap,
        lambda: {"found": FOUND, "scenes": SCENES, "overlap": 0.5},
        {"found": OF_FOUND, "scenes": OF_SCENES, "overlap": OVERLAP},
    ),
}  # fmt: skip
UNCHECKED = {
    "detection.boxes.check_scores": "what is refused, the functions that call it refuse",
    "detection.boxes.check_each": "what is refused, the functions that call it refuse",
}

test_argument, test_every_function, test_every_argument = table_tests(TABLE, UNCHECKED, MODULES)


def test_scenes_and_their_parts_have_to_fit() -> None:
    x: Tensor = SCENES.x
    for parts, words in {
        (x[..., 1:], EDGES, KINDS): r"^x has shape",
        (x, EDGES[:, :1], KINDS): r"^boxes has shape",
        (x[:1], EDGES, KINDS): r"^classes has 2 rows for 1 scenes",
    }.items():
        with pytest.raises(ValueError, match=words):
            Scenes(*parts)
