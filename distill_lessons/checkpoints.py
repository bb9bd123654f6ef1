"""Weights on disk: safetensors plus a JSON file of notes, written atomically, never unpickled."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from torch import nn


def save(model: nn.Module, path: str | Path, **notes: Any) -> Path:
    """Write the weights as safetensors, and beside them a JSON file with notes.

    Both are written under a temporary name and renamed, so that a file is whole or not there.

    Args:
        model: any net.
        path: where the weights go; the suffix becomes ``.safetensors``.
        **notes: anything that JSON can hold, such as seed, data set and accuracy.

    Returns:
        The path of the weights.

    Raises:
        ValueError: if a note cannot be written as JSON; then nothing is written.
    """
    from safetensors.torch import save as to_bytes

    weights = Path(path).with_suffix(".safetensors")
    try:
        text = json.dumps(notes, indent=2, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"notes={notes!r} cannot be written as JSON: {error}.") from error
    weights.parent.mkdir(parents=True, exist_ok=True)
    state = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    _write(weights.with_suffix(".json"), text.encode())
    _write(weights, to_bytes(state))
    return weights


def load(model: nn.Module, path: str | Path) -> dict[str, Any]:
    """Read weights into a model of the same shape, and return the notes saved with them.

    Nothing is unpickled: a file from a stranger can hold wrong numbers, not code.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged or its weights do not fit the model.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    weights = Path(path).with_suffix(".safetensors")
    if not weights.exists():
        raise FileNotFoundError(f"{weights} does not exist; save a model there first.")
    try:
        model.load_state_dict(load_file(weights))
    except SafetensorError as error:
        raise ValueError(f"{weights} is damaged ({error}); save the model again.") from error
    except RuntimeError as error:
        raise ValueError(f"{weights} does not fit this model: {error}") from error
    notes = weights.with_suffix(".json")
    return dict(json.loads(notes.read_text(encoding="utf-8"))) if notes.exists() else {}


def _write(path: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
