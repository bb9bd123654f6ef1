"""Memory stays bounded: each work runs in a process of its own, whose highest mark is read.

The mark is what the system says a process ever held. The same work without its limit must show a
higher one, or the mark would prove nothing.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("resource", reason="only POSIX systems tell a process its highest memory")

GIB = 2**30

# Prints by how many bytes the work went above what the process held before it.
PROBE = """
import resource, sys
import torch
from distill_lessons import models
from distill_lessons.data import Split

torch.set_num_threads(1)

def peak():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

g = torch.Generator().manual_seed(0)
{work}
"""

STUDENTS = """
from distill_lessons.fast.stacking import fit_many

x = torch.rand(256, 1, 28, 28, generator=g)
split = Split(x, torch.arange(256) % 10)
z = torch.randn(256, 10, generator=g)
students = [models.mlp((1, 28, 28), 10, (128,), seed=s) for s in range(1024)]
fit_many(students[:2], split, z, steps=1, alpha=0.5)  # what torch loads once is not counted
before = peak()
fit_many(students, split, z, steps=1, T=4.0, alpha=0.5{limit})
print(peak() - before)
"""

MANY_LOGITS = """
from distill_lessons.fast.stacking import predict_many

x = torch.rand(2000, 3, 32, 32, generator=g)
students = [models.cnn((3, 32, 32), 10, width=16, seed=s) for s in range(5)]
predict_many(students, x[:8])
before = peak()
predict_many(students, x{limit})
print(peak() - before)
"""

PERMUTATION = """
import numpy as np
from distill_lessons.explain import forward
from distill_lessons.explain.permutation import permutation_importance

x = torch.rand(60000, 1, 28, 28, generator=g)
y = torch.arange(60000) % 10
net = models.mlp((1, 28, 28), 10, (64,), seed=0)
groups = [np.arange(10)]
permutation_importance(net, x[:100], y[:100], groups=groups, repeats=2)
before = peak()
{change}
permutation_importance(net, x, y, groups=groups, repeats={repeats}, fast={fast})
print(peak() - before)
"""

SHAPLEY = """
import numpy as np
from torch import nn
from distill_lessons.explain import groups, shapley

x = torch.rand(600, 1, 8, 8, generator=g)
net = models.mlp((1, 8, 8), {classes}, ({hidden},), seed=0){opaque}
regions = groups.patches((1, 8, 8), (4, 2))  # 8 of them, 256 coalitions
shapley.exact(net, x[:2], x[:2], regions)
before = peak()
{change}
shapley.exact(net, x, x[:2], regions, memory={memory})
print(peak() - before)
"""


def held(work: str, **parts: object) -> int:
    code = PROBE.format(work=work.format(**parts))
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return int(run.stdout.split()[-1])


def test_a_thousand_students_stay_below_a_gibibyte_and_need_their_chunks_for_it() -> None:
    assert held(STUDENTS, limit="") < GIB
    assert held(STUDENTS, limit=", chunk=1024") > GIB


def test_logits_of_many_students_take_images_in_pieces() -> None:
    assert held(MANY_LOGITS, limit="") < 0.5 * GIB
    assert held(MANY_LOGITS, limit=", batch_size=10**9") > GIB


@pytest.mark.parametrize("fast", [True, False])
def test_permuting_sixty_thousand_images_stays_below_a_gibibyte(fast: bool) -> None:
    assert held(PERMUTATION, fast=fast, repeats=6, change="") < GIB


def test_permuting_all_images_in_one_piece_would_not() -> None:
    in_one_piece = "forward.rows_per_chunk = lambda *sizes, **limits: 10**9"
    assert held(PERMUTATION, fast=False, repeats=12, change=in_one_piece) > GIB


@pytest.mark.parametrize(
    ("classes", "hidden", "opaque"), [(10, 2048, ""), (400, 16, ".append(nn.Flatten())")]
)
def test_exact_values_of_many_images_respect_the_limit(
    classes: int, hidden: int, opaque: str
) -> None:
    work = {"classes": classes, "hidden": hidden, "opaque": opaque, "memory": 64, "change": ""}
    assert held(SHAPLEY, **work) < 192 * 2**20  # of which the results are up to 50, twice


def test_exact_values_of_all_images_in_one_piece_would_not() -> None:
    in_one_piece = "shapley._images_at_once = lambda *sizes: 10**9"
    work = {"classes": 400, "hidden": 16, "opaque": "", "memory": 64, "change": in_one_piece}
    assert held(SHAPLEY, **work) > GIB
