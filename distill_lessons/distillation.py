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
from distill_lessons.objectives import Batch, Objective
from distill_lessons.settings import whole_number
from distill_lessons.tensors import (
    check_finite,
    check_numbers,
    check_tensor,
    check_type,
    class_labels,
    joined,
    parts,
)

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
        TypeError: if the teacher is not a module, or x is not a tensor.
        ValueError: if an input or a logit is NaN or infinite, or the teacher returns other logits
            each time it is asked.
    """
    check_tensor("x", x)
    check_finite("x", x, "image" if x.ndim == 4 else "example")
    if mask is not None:
        check_tensor("mask", mask)
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
        **fit_arguments: go to `training.fit`: ``epochs`` or ``steps``, ``valid``, ``lr``... Not
            `augment`: the teacher has answered to the images as they are. For changed images see
            `consistent` and `augmentation.views`.

    Returns:
        The history; its training loss is the distillation loss.

    Raises:
        ValueError: if T, alpha, the labels or the shapes are wrong, if alpha > 0 and no image has a
            label, or if `augment` is given.

    Source: Hinton, Vinyals and Dean (2015), arXiv:1503.02531, section 2.
    """
    if fit_arguments.get("augment") is not None:
        raise ValueError(
            "augment= would show the student other images than those to which z_teacher answers. "
            "Ask the teacher at every step: training.fit(student, transfer, objective="
            "distillation.consistent(teacher, T=T, alpha=alpha), augment=...). Or distil on "
            "augmentation.views(transfer), with the teacher's logits for all of them."
        )
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


def consistent(teacher: nn.Module, *, T: float = 4.0, alpha: float = 0.0) -> Objective:
    """Return the distillation loss with a teacher that is asked at every step.

    Teacher and student see the same images, as the training augments them. That costs a pass of the
    teacher at every step, which stored logits save.

    Args:
        teacher: a trained net; it runs in eval mode, gets no gradients, and is left as it was.
        T: temperature > 0.
        alpha: weight of the hard term, in [0, 1].

    Returns:
        An objective for `training.fit`.

    Raises:
        TypeError: if the teacher is no module.
        ValueError: if T or alpha is out of range.

    Source: Beyer et al. (2022), arXiv:2106.05237, section 3: "consistent teaching".
    """
    evaluation.check_built(teacher)
    losses.check_temperature(T)
    losses.check_alpha(alpha)

    def objective(student: nn.Module, batch: Batch) -> Tensor:
        with torch.no_grad(), evaluation.evaluating(teacher):
            # Copies, since a teacher that works on its input in place would change the student's.
            z = teacher(*(part.clone() for part in batch.inputs))
        labels = class_labels("split.y", batch.y) if alpha > 0 else None
        return losses.kd_loss(student(*batch.inputs), z, labels, T=T, alpha=alpha)

    return objective


def check_distillation(
    student: nn.Module, transfer: Split, z_teacher: Tensor, T: float, alpha: float
) -> None:
    """Raise an error unless the parts of a distillation fit together; see `distill`."""
    check_type("transfer", transfer, Split, "a Split, such as data.train")
    check_tensor("z_teacher", z_teacher)
    losses.check_temperature(T)
    if T > HIGHEST_T:
        raise ValueError(
            f"T={T:g} is above {HIGHEST_T:g}, where rounding decides what a student learns; the "
            "limit of high temperatures is losses.logit_matching: give that to training.fit."
        )
    losses.check_alpha(alpha)
    if z_teacher.device != transfer.x.device:
        raise ValueError(
            f"z_teacher is on {z_teacher.device}, transfer on {transfer.x.device}; move one of "
            f"them: z_teacher.to({str(transfer.x.device)!r})."
        )
    losses.check_logits("z_teacher", z_teacher)
    if len(z_teacher) != len(transfer):
        raise ValueError(
            f"z_teacher has {len(z_teacher)} rows for {len(transfer)} transfer images; compute it "
            "with teacher_logits(teacher, transfer.x)."
        )
    n_classes = evaluation.first_answer(student, transfer).shape[1]
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
    check_type("labelled", labelled, Split, "a Split, such as data.train")
    fit_arguments.setdefault("title", "fine-tuning")
    return training.fit(student, labelled, lr=lr, **fit_arguments)


def join(*splits: Split) -> Split:
    """Return one split with the examples of all, in order; say, a labelled and an unlabelled one.

    Raises:
        ValueError: if no split is given, or their inputs, masks or targets differ in form.
    """
    for split in splits:
        check_type("splits", split, Split, "Splits, such as data.train")
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
    return ", ".join(
        f"{k} {kinds[k]} {tuple(t.shape[1:])} on {t.device}" for k, t in tensors.items()
    )


def uniform_noise(like: Split, n: int, *, seed: int) -> Split:
    """Make `n` unlabelled images whose pixels are uniform in [0, 1]: a transfer set without data.

    Args:
        like: images of the wanted shape and type, on the wanted device.
        n: how many, at least 1.
        seed: same seed, same noise.

    Raises:
        TypeError: if `n` or `seed` is not a whole number.
        ValueError: if `like` holds no images, or `n` is less than 1.
    """
    _check_like(like)
    if like.x.ndim != 4:
        shape = tuple(like.x.shape)
        raise ValueError(f"like.x has shape {shape}; uniform noise is for images (N, C, H, W).")
    n = whole_number("n", n)
    x = torch.rand(n, *like.x.shape[1:], generator=seeds.generator(seed))
    return _unlabelled(x.to(like.x.dtype), like)


def marginal_noise(like: Split, n: int, *, seed: int) -> Split:
    """Make `n` unlabelled images, each pixel drawn by itself from that pixel's values in `like`.

    They keep the brightness of every place and nothing of how places go together. Rows of a table
    are drawn in the same way, column by column.

    Args:
        like: real images ``(N, C, H, W)``.
        n: how many, at least 1.
        seed: same seed, same noise.

    Raises:
        TypeError: if `n` or `seed` is not a whole number.
        ValueError: if `n` is less than 1, or `like` has a mask.
    """
    _check_like(like)
    n = whole_number("n", n)
    check_numbers("like.x", like.x)
    pixels = like.x.flatten(1).cpu()  # (N, F)
    rows = torch.randint(0, len(like), (n, pixels.shape[1]), generator=seeds.generator(seed))
    return _unlabelled(pixels.gather(0, rows).reshape(n, *like.x.shape[1:]), like)


def _check_like(like: Split) -> None:
    check_type("like", like, Split, "a Split, such as data.train")
    if like.mask is not None:
        raise ValueError("like has a mask, and noise has no places that count; leave it out.")


def _unlabelled(x: Tensor, like: Split) -> Split:
    return Split(x, torch.full((len(x),), UNLABELLED)).to(like.x.device)
