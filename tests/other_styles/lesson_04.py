"""Lesson 04 in another style."""

import numpy as np
import torch
from scipy import stats
from torch.nn import functional as F


def step_by_hand(student, optimizer, x, z, index, T):
    p = torch.stack([z[i] for i in index.tolist()]).div(T).softmax(1)
    images = torch.stack([x[i] for i in index.tolist()])
    optimizer.zero_grad(set_to_none=False)
    loss = T**2 * F.kl_div((student(images) / T).log_softmax(1), p, reduction="batchmean")
    loss.backward()
    optimizer.step()
    return loss


def interval_by_scipy(a, b, t):
    d = np.subtract(a.numpy(), b.numpy()).astype(np.float64)
    test = stats.ttest_rel(a.numpy(), b.numpy())
    half = t * d.mean() / test.statistic
    return np.array([d.mean(), d.mean() - half, d.mean() + half])


def interval_in_a_loop(a, b, t):
    gains = [x - y for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    n, mean = len(gains), sum(gains) / len(gains)
    half = t * (sum((gain - mean) ** 2 for gain in gains) / (n - 1) / n) ** 0.5
    return [mean, mean - half, mean + half]


def shuffled_in_numpy(z, dice):
    rows = z.numpy().astype(np.float64)  # a copy
    for row in rows:
        others = np.delete(np.arange(len(row)), row.argmax())
        row[others] = row[others[torch.rand(len(others), generator=dice).argsort().numpy()]]
    return rows


def shuffled_by_swaps(z, dice):
    answer = [list(row) for row in z.tolist()]
    for row in answer:
        top = max(range(len(row)), key=row.__getitem__)
        others = [k for k in range(len(row)) if k != top]
        for i in range(len(others) - 1, 0, -1):
            j = int(torch.randint(i + 1, (), generator=dice))
            row[others[i]], row[others[j]] = row[others[j]], row[others[i]]
    return answer


def bias_by_bisection(z, k, share):
    rows, low, high = z.numpy().astype(np.float64), -100.0, 100.0
    for _ in range(60):
        b = (low + high) / 2
        shifted = rows + b * np.eye(rows.shape[1])[k]
        now = (shifted.argmax(axis=1) == k).mean()
        if abs(now - share) < 1e-9:
            return b
        low, high = (b, high) if now < share else (low, b)
    return low


def bias_by_sorting(z, k, share):
    margins = sorted(max(row[:k] + row[k + 1 :]) - row[k] for row in z.tolist())
    return margins[round(share * len(margins)) - 1] + 1e-4


def bias_in_steps_of_a_tenth(z, k, share):
    for b in torch.arange(-20.0, 20.0, 0.1):
        shifted = z.clone()
        shifted[:, k] += b
        if (shifted.argmax(1) == k).float().mean() >= share:
            return b
    return None


STYLES = {
    "index_step": [step_by_hand],
    "paired_interval": [interval_by_scipy, interval_in_a_loop],
    "shuffle_wrong": [shuffled_in_numpy, shuffled_by_swaps],
    "class_bias": [bias_by_bisection, bias_by_sorting, bias_in_steps_of_a_tenth],
}
