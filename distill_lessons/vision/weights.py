"""Weights from a folder on this machine, for nets with torchvision's names of layers.

A file of safetensors, so that nothing is ever unpickled. Nothing is downloaded.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from distill_lessons.tensors import check_type


def load(net: nn.Module, folder: str | Path, name: str) -> list[str]:
    """Put the weights of ``folder/name.safetensors`` into a net, in place, wherever they fit.

    The stem and the last layer may differ, since images and classes do: the net's own stay. All
    else must be there with the same shape. (What counts the batches of a norm may be left out.)

    Args:
        net: a net of `nets`, in the published width for published weights.
        folder: where the file lies.
        name: of the net, such as ``"resnet18"``.

    Returns:
        The names of the weights that were left as they were.

    Raises:
        TypeError: if an argument is of another type.
        FileNotFoundError: if there is no such file.
        ValueError: if the file cannot be read, or the weights do not fit.
    """
    check_type("net", net, nn.Module, "a net, such as nets.resnet((3, 32, 32), 10)")
    check_type("name", name, str, "the name of a file without its ending, such as 'resnet18'")
    path = Path(folder) / f"{name}.safetensors"
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no {path.name} in the folder of weights. Save one there with "
            "safetensors.torch.save_file(net.state_dict(), ...), or unset DISTILL_WEIGHTS."
        )
    try:
        found = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{path.name} in the folder of weights is no file of safetensors ({error}); save it "
            "with safetensors.torch.save_file(net.state_dict(), ...)."
        ) from error
    own = net.state_dict()
    wrong = [
        f"{key}: {tuple(found[key].shape)} there, {tuple(value.shape)} here"
        if key in found
        else f"{key}: missing there"
        for key, value in own.items()
        if not key.endswith("num_batches_tracked")
        and (key not in found or found[key].shape != value.shape)
    ]
    ends = _ends(net)
    misfits = [line for line in wrong if line.partition(": ")[0] not in ends]
    if misfits:
        more = f" and {len(misfits) - 3} more" if len(misfits) > 3 else ""
        raise ValueError(
            f"the weights of {path.name} do not fit this net ({'; '.join(misfits[:3])}{more}); "
            "build it in their width and with their blocks."
        )
    kept = [line.partition(": ")[0] for line in wrong]
    with torch.no_grad():
        for key, value in own.items():
            if key in found and key not in kept:
                value.copy_(found[key])
    return kept


def _ends(net: nn.Module) -> set[str]:
    """Return the names of the weights of the first and the last layer."""
    layers = {
        name: layer
        for name, layer in net.named_modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    }
    names = list(layers)
    return {
        f"{name}.{weight}"
        for name in (names[:1] + names[-1:])
        for weight, _ in layers[name].named_parameters()
    }
