"""Teacher logits by sample index, distillation, fine-tuning, and transfer sets.

The teacher runs over the transfer set once. Its logits are a table with one row per image, and a
batch finds its rows by the images' indices, so that no shuffling can mismatch them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from distill_lessons import evaluation, losses, seeds, training
from distill_lessons.data import UNLABELLED, Split
from distill_lessons.fast import closed_form
from distill_lessons.tensors import class_labels, joined, parts

# Gradients of the soft term are differences of probabilities, which a high temperature makes almost
# equal: in float32 they are right to 0.3 % at 1e5, and to 40 % at 1e7.
HIGHEST_T = 1e5


def teacher_logits(teacher: nn.Module, x: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the teacher's logits for every image, computed once, without gradients, ``(N, K)``.

    The teacher runs in eval mode and is left exactly as it was.

    Args:
        teacher: any net that returns logits.
        x: inputs ``(N, ...)``.
        mask: second argument of the teacher, see `evaluation.predict`.

    Raises:
        ValueError: if the teacher returns NaN or infinite logits, or others each time it is asked.
    """
    evaluation.check_repeatable(teacher, x[:32], None if mask is None else mask[:32])
    z = evaluation.predict(teacher, x, mask)
    losses.check_logits("teacher_logits", z)
    return z


def distill(
    student: nn.Module,
    transfer: Split,
    z_teacher: Tensor,
    *,
    T: float = 4.0,
    alpha: float = 0.0,
    **fit_arguments: Any,
) -> training.History:
    """Train a student on a teacher's soft targets, in place.

    Args:
        student: the net to train.
        transfer: the images on which the student imitates; a label of `UNLABELLED` is allowed, and
            only labelled images enter the hard term.
        z_teacher: the teacher's logits for these images in the same order, ``(N, K)``, from
            `teacher_logits`.
        T: temperature > 0, at most 1e5.
        alpha: weight of the hard term, in [0, 1]; with 0 the labels are never looked at.
        **fit_arguments: go to `training.fit`: ``epochs`` or ``steps``, ``valid``, ``lr``...

    Returns:
        The history; its training loss is the distillation loss.

    Raises:
        ValueError: if T, alpha, the labels or the shapes are wrong, or if alpha > 0 and no image
            has a label.

    Source: Hinton, Vinyals and Dean (2015), arXiv:1503.02531, section 2.
    """
    check_distillation(student, transfer, z_teacher, T, alpha)
    z = closed_form.wide(z_teacher, transfer.x)
    temperatures, weights = closed_form.terms(T, alpha, z)
    labels = class_labels("transfer.y", transfer.y)
    targets = closed_form.targets(z, labels, temperatures)  # (2, K, N)
    table = targets.permute(2, 0, 1).contiguous()  # (N, 2, K): an image's numbers side by side

    def loss(logits: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        target = table.index_select(0, index).permute(1, 2, 0)
        return closed_form.loss(logits, target, temperatures, weights)

    fit_arguments.setdefault("title", "distilling")
    return training.fit(student, transfer, loss, **fit_arguments)


def check_distillation(
    student: nn.Module, transfer: Split, z_teacher: Tensor, T: float, alpha: float
) -> None:
    """Raise a ValueError unless the parts of a distillation fit together; see `distill`."""
    losses.check_temperature(T)
    if T > HIGHEST_T:
        raise ValueError(
            f"T={T:g} is above {HIGHEST_T:g}, where rounding decides what a student learns; the "
            "limit of high temperatures is losses.logit_matching: give that to training.fit."
        )
    losses.check_alpha(alpha)
    losses.check_logits("z_teacher", z_teacher)
    if len(z_teacher) != len(transfer):
        raise ValueError(
            f"z_teacher has {len(z_teacher)} rows for {len(transfer)} transfer images; compute it "
            "with teacher_logits(teacher, transfer.x)."
        )
    n_classes = evaluation.predict(student, *transfer.take([0]).inputs).shape[1]
    if n_classes != z_teacher.shape[1]:
        raise ValueError(
            f"z_teacher has {z_teacher.shape[1]} classes but the student returns {n_classes} "
            "logits; teacher and student must know the same classes."
        )
    labels = class_labels("transfer.y", transfer.y)
    losses.check_labels("transfer.y", labels, z_teacher)
    if alpha > 0 and bool((labels == UNLABELLED).all()):
        raise ValueError(
            f"alpha={alpha} weighs labels, but no transfer image has one; use alpha=0."
        )


def fine_tune(
    student: nn.Module, labelled: Split, *, lr: float = 1e-4, **fit_arguments: Any
) -> training.History:
    """Train a distilled student a little further on hard labels, in place.

    Args:
        student: a distilled net.
        labelled: images with labels.
        lr: learning rate, a tenth of the usual one, so that the soft targets are not forgotten.
        **fit_arguments: go to `training.fit`.
    """
    fit_arguments.setdefault("title", "fine-tuning")
    return training.fit(student, labelled, lr=lr, **fit_arguments)


def join(*splits: Split) -> Split:
    """Return one split with the examples of all, in order; say, a labelled and an unlabelled one.

    Raises:
        ValueError: if no split is given, or their inputs, masks or targets differ in form.
    """
    shapes = {tuple(split.x.shape[1:]) for split in splits}
    if len(shapes) != 1:
        raise ValueError(f"splits have images of shapes {sorted(shapes)}; join those of one shape.")
    forms = list(dict.fromkeys(_form(split) for split in splits))
    if len(forms) != 1:
        raise ValueError(f"splits differ in form ({'; '.join(forms)}); join those of one form.")
    masks = [split.mask for split in splits if split.mask is not None]
    return Split(
        torch.cat([split.x for split in splits]),
        joined([split.y for split in splits]),
        torch.cat(masks) if masks else None,
    )


def _form(split: Split) -> str:
    """Describe one example, but for its numbers and their precision."""
    tensors = {"x": split.x, **parts(split.y)}
    tensors |= {} if split.mask is None else {"mask": split.mask}
    kinds = {k: "float" if t.is_floating_point() else str(t.dtype)[6:] for k, t in tensors.items()}
    return ", ".join(f"{k} {kinds[k]} {tuple(t.shape[1:])}" for k, t in tensors.items())


def uniform_noise(like: Split, n: int, *, seed: int) -> Split:
    """Make `n` unlabelled images whose pixels are uniform in [0, 1]: a transfer set without data.

    Args:
        like: images of the wanted shape, on the wanted device.
        n: how many, at least 1.
        seed: same seed, same noise.
    """
    x = torch.rand(_at_least_one(n), *like.x.shape[1:], generator=seeds.generator(seed))
    return _unlabelled(x, like)


def marginal_noise(like: Split, n: int, *, seed: int) -> Split:
    """Make `n` unlabelled images, each pixel drawn by itself from that pixel's values in `like`.

    They keep the brightness of every place and nothing of how places go together.

    Args:
        like: real images ``(N, C, H, W)``.
        n: how many, at least 1.
        seed: same seed, same noise.
    """
    pixels = like.x.flatten(1).cpu()  # (N, F)
    rows = torch.randint(
        0, len(like), (_at_least_one(n), pixels.shape[1]), generator=seeds.generator(seed)
    )
    return _unlabelled(pixels.gather(0, rows).reshape(n, *like.x.shape[1:]), like)


def _at_least_one(n: int) -> int:
    if n < 1:
        raise ValueError(f"n={n}: a transfer set needs at least one image.")
    return n


def _unlabelled(x: Tensor, like: Split) -> Split:
    return Split(x, torch.full((len(x),), UNLABELLED)).to(like.x.device)
