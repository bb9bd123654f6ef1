"""A student in torch, beside the same student in onnxruntime, in floats and in whole numbers."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.inputs import Setup
from benchmarks.timing import Array, Comparison
from distill_lessons.deploy import int8, onnx_net

HIDDEN, CALLS = (128, 128), 200
MANY = 256


def _logits(net: nn.Module, *, x: Tensor) -> Array:
    with torch.inference_mode():
        return np.asarray(net(x).cpu())


def engine(setup: Setup, *, images: int, bits: int = 32) -> Comparison:
    """Compare onnxruntime with torch on batches of so many images.

    Raises:
        ImportError: without the extra `deploy`.
    """
    net = setup.trained(HIDDEN).cpu()
    known, asked = setup.train.x[:100].cpu(), setup.train.x[100 : 100 + MANY].cpu()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        ours = onnx_net.export(net, known, path)
        if bits < 32:
            ours = onnx_net.quantise(path, known, Path(folder) / "int8.onnx", bits=bits)
    # Whole numbers are compared with the same in torch: up to three steps of the logits' grid.
    rival = net if bits == 32 else int8.quantised(net, known, bits=bits)
    tolerance = 1e-4 if bits == 32 else 3.001 * float(rival[-1].scale)  # type: ignore[arg-type]
    x = asked[:images]

    def calls(of: nn.Module) -> Array:
        for _ in range(CALLS):
            found = _logits(of, x=x)
        return found

    return Comparison(
        ours=lambda repeat: calls(ours),
        theirs=lambda repeat: calls(net),
        tolerance=tolerance,
        unit="image",
        ours_units=CALLS * len(x),
        theirs_units=CALLS * len(x),
        proof=lambda: (_logits(ours, x=asked), np.asarray(rival(asked).detach())),
        note=f"Batches of {len(x)}, one thread, 784-128-128-10"
        + ("." if bits == 32 else "; equality with the whole numbers simulated in torch."),
    )
