"""Weights on disk: safetensors plus a JSON file of notes, written atomically, never unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from distill_lessons import files


def save(model: nn.Module, path: str | Path, **notes: Any) -> Path:
    """Write the weights as safetensors, and beside them a JSON file with notes.

    Both are written under a temporary name and renamed when both are whole, so that a failure
    leaves an older pair as it was.

    Args:
        model: any net.
        path: where the weights go; ``.safetensors`` is added to a name that does not end in it.
        **notes: anything that JSON can hold, such as seed, data set and accuracy.

    Returns:
        The path of the weights.

    Raises:
        ValueError: if a note cannot be written as JSON; then nothing is written.
    """
    from safetensors.torch import save as to_bytes

    weights = _with_ending(path)
    try:
        text = json.dumps(notes, indent=2, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"notes={notes!r} cannot be written as JSON: {error}.") from error
    # Copied, because safetensors refuses two names of one tensor, as tied layers have them.
    state = {k: v.detach().cpu().contiguous().clone() for k, v in model.state_dict().items()}
    contents = {weights.with_suffix(".json"): text.encode(), weights: to_bytes(state)}
    weights.parent.mkdir(parents=True, exist_ok=True)
    files.write_all(contents)
    return weights


def load(model: nn.Module, path: str | Path) -> dict[str, Any]:
    """Read weights into a model of the same shape, and return the notes saved with them.

    Nothing is unpickled: a file from a stranger can hold wrong numbers, not code. If an error is
    raised the model is as it was.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a file is damaged or its weights do not fit the model.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    weights = _with_ending(path)
    if not weights.exists():
        raise FileNotFoundError(f"{weights} does not exist; save a model there first.")
    try:
        state = load_file(weights)
    except SafetensorError as error:
        raise ValueError(f"{weights} is damaged ({error}); save the model again.") from error
    notes = _read_notes(weights.with_suffix(".json"))
    _check_fit(weights, state, model.state_dict())  # torch would copy what fits, then raise
    model.load_state_dict(state)
    return notes


def _with_ending(path: str | Path) -> Path:
    # Not `with_suffix`: of "student_T0.5" it would make "student_T0.safetensors".
    path = Path(path)
    return path if path.suffix == ".safetensors" else path.with_name(f"{path.name}.safetensors")


def _read_notes(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        notes = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:  # no JSON, or no text
        notes = None
    if not isinstance(notes, dict):
        raise ValueError(f"{path} is damaged; delete it to load the weights without their notes.")
    return notes


def _check_fit(weights: Path, state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    def described(tensors: Mapping[str, Tensor], name: str) -> str:
        return str(tuple(tensors[name].shape)) if name in tensors else "missing"

    for name in sorted(state.keys() | wanted.keys()):
        there, here = described(state, name), described(wanted, name)
        if there != here:
            raise ValueError(
                f"{weights} does not fit this model: {name} is {there} in the file and {here} in "
                "the model; build the model it was saved from."
            )
