"""Temperature scaling: one number, found on validation images, that makes confidences honest."""

from __future__ import annotations

import torch
from torch import Tensor

from distill_lessons import losses

# Logits that are right about every image would be the better, the colder: there is no best T.
COLDEST, HOTTEST = 0.01, 100.0


def fit_temperature(z: Tensor, y: Tensor) -> Tensor:
    """Return the temperature at which the cross-entropy of ``softmax(z / T)`` is smallest.

    Dividing all logits by one T > 0 leaves every model's top class, and so its accuracy, as it is.
    The cross-entropy is convex in 1/T, so its slope has one root, which halving finds.

    Args:
        z: logits of *validation* images ``(N, K)``, or of those of S models, ``(S, N, K)``.
        y: their labels ``(N,)`` or ``(S, N)``.

    Returns:
        The temperature, a number ``()`` or one for each model ``(S,)``, between 0.01 and 100: where
        a model is right about all images, the coldest.

    Raises:
        TypeError: if a tensor is none.
        ValueError: if there is no image, a label is none of the classes, shapes do not fit, or a
            logit is not finite.

    Source: Guo et al. (2017), arXiv:1706.04599, section 4.2.

    >>> z = torch.tensor([[2.0, 0.0]] * 4)  # sure by odds of e² = 7.4, right in three of four
    >>> round(fit_temperature(z, torch.tensor([0, 0, 0, 1])).item(), 3)  # 2 / log 3
    1.82
    """
    rows = z.flatten(0, -2) if isinstance(z, Tensor) and z.ndim == 3 else z
    losses.check_logits("z", rows)
    if isinstance(y, Tensor) and y.shape != z.shape[:-1]:
        raise ValueError(
            f"y has shape {tuple(y.shape)} for logits of shape {tuple(z.shape)}; give one label "
            "for each image."
        )
    losses.check_labels("y", y.flatten() if isinstance(y, Tensor) else y, rows)
    if bool((y < 0).any()):
        raise ValueError("y holds images without labels; a temperature needs the label of each.")
    z = z.double() - z.double().mean(-1, keepdim=True)
    right = z.gather(-1, y[..., None])[..., 0]
    ends = [torch.full(z.shape[:-2], t, dtype=z.dtype, device=z.device).log()
            for t in (COLDEST, HOTTEST)]  # fmt: skip
    low, high = ends
    for _ in range(60):
        middle = (low + high) / 2
        p = (z / middle.exp()[..., None, None]).softmax(-1)
        # The slope of the cross-entropy for 1/T: what the model expects of its logit, minus what it
        # is. Above 0 the model is too sure, and T must rise.
        too_sure = ((p * z).sum(-1) - right).mean(-1) > 0
        low, high = torch.where(too_sure, middle, low), torch.where(too_sure, high, middle)
    return ((low + high) / 2).exp().to(torch.float32)
