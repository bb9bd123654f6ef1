"""Lesson 01 in another style."""

import numpy as np
import torch


def sgd_in_numpy(model, optimizer, x, y):
    """For a linear net the gradient is (q - one-hot) times the input."""
    with torch.no_grad():
        z = model(x).double().numpy()
        q = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        loss = -np.log(q[range(len(y)), y]).mean()
        error = torch.tensor((q - np.eye(q.shape[1])[y]) / len(y)).float()
        rate = optimizer.param_groups[0]["lr"]
        model.weight -= rate * error.T @ x
        model.bias -= rate * error.sum(0)
    return loss


def cleared_at_the_end(model, optimizer, x, y):
    q = model(x).softmax(1)
    loss = -q.gather(1, y[:, None]).log().mean()
    loss.backward()
    optimizer.step()
    model.zero_grad()
    return loss  # a tensor with its graph


def accuracy_in_numpy(model, x, y, batch_size):
    was = model.training
    model.eval()
    with torch.no_grad():
        guess = np.concatenate([model(xb).numpy().argmax(1) for xb in x.split(batch_size)])
    model.train(was)
    return np.float64((guess == y.numpy()).mean())


def accuracy_one_by_one(model, x, y, batch_size):
    model.eval()
    return sum(model(x[i : i + 1]).argmax().item() == y[i] for i in range(len(y))) / len(y)


def weighted_means(model, x, y, batch_size):
    model.train(False)
    total = 0.0
    for start in range(0, len(x), batch_size):
        stop = min(start + batch_size, len(x))
        share = (model(x[start:stop]).argmax(1) == y[start:stop]).double().mean()
        total += share * (stop - start) / len(x)
    return total


def ece_in_numpy(confidence, right, bins):
    confidence, right = confidence.numpy().astype(np.float64), right.numpy()
    total = 0.0
    for low in np.arange(bins) / bins:
        inside = (confidence > low) & (confidence <= low + 1 / bins + 1e-12)
        if inside.sum():
            total += abs(confidence[inside].mean() - right[inside].mean()) * inside.mean()
    return total


STYLES = {
    "training_step": [sgd_in_numpy, cleared_at_the_end],
    "accepted_epoch": [
        lambda v, tau: int((v <= tau).int().argmax()) + 1 if (v <= tau).any() else 0,
        lambda v, tau: next((i + 1.0 for i, loss in enumerate(v.tolist()) if not loss > tau), 0.0),
    ],
    "batched_accuracy": [accuracy_in_numpy, accuracy_one_by_one, weighted_means],
    "calibration_error": [
        ece_in_numpy,
        lambda c, right, bins: (
            sum(abs(((c - right) * ((c * bins).ceil() == b)).sum()) for b in range(1, bins + 1))
            / len(c)
        ),
    ],
}
