"""Lesson 00 in another style."""

import numpy as np

STYLES = {
    "batch_of_one": [lambda x: x[0].unsqueeze(0), lambda x: x.numpy()[None, 0].astype(np.float64)],
    "mean_difference": [
        lambda a, b: 100 * (np.mean(a) - np.mean(b)),
        lambda a, b: np.float32(sum(100 * p - 100 * q for p, q in zip(a, b, strict=True)) / len(b)),
    ],
}
