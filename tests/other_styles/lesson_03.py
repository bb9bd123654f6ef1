"""Lesson 03 in another style."""

import numpy as np
import torch
from scipy import special
from torch.nn import functional as F


def kl_in_a_loop(p, q):
    total = 0.0
    for ours, theirs in zip(p.tolist(), q.tolist(), strict=True):
        total += sum(a * np.log(a / b) for a, b in zip(ours, theirs, strict=True))
    return total / len(p)


def gradient_in_numpy(z_student, z_teacher, T):
    q, p = (
        special.softmax(z.numpy().astype(np.float64) / T, axis=1) for z in (z_student, z_teacher)
    )
    return T * (q - p) / q.shape[0]


def gradient_by_autograd(z_student, z_teacher, T):
    z = z_student.clone().requires_grad_()
    p = (z_teacher / T).softmax(1)
    loss = T**2 * F.kl_div((z / T).log_softmax(1), p, reduction="batchmean")
    loss.backward()
    return z.grad


def loss_in_numpy(z_student, z_teacher, y, T, alpha):
    z, target, y = (a.numpy() for a in (z_student, z_teacher, y))
    p, log_q = special.softmax(target / T, axis=1), special.log_softmax(z / T, axis=1)
    kl = (p * (np.log(p) - log_q)).sum(axis=1).mean()
    ce = -special.log_softmax(z.astype(np.float64), axis=1)[np.arange(len(y)), y].mean()
    return alpha * ce + (1 - alpha) * T**2 * kl


def loss_by_cross_entropies(z_student, z_teacher, y, T, alpha):
    p = torch.softmax(z_teacher / T, dim=1)
    soft = F.cross_entropy(z_student / T, p) - F.cross_entropy(z_teacher / T, p)
    return alpha * F.cross_entropy(z_student, y) + (1 - alpha) * T * T * soft


def soft_in_a_loop(z_student, z_teacher, T):
    logs = (torch.stack([row - row.logsumexp(0) for row in z / T]) for z in (z_student, z_teacher))
    log_q, log_p = (rows.double() for rows in logs)
    return (
        T**2
        * sum(float((p.exp() * (p - q)).sum()) for p, q in zip(log_p, log_q, strict=True))
        / len(log_p)
    )


def step_without_optimizer(student, teacher, x, T, lr):
    log_p = torch.log_softmax(teacher(x).detach() / T, dim=1)
    log_q = torch.log_softmax(student(x) / T, dim=1)
    loss = T**2 * F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)
    weights = list(student.parameters())
    for weight, slope in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        weight.data = weight.data - lr * slope
    return loss


def step_with_a_frozen_teacher(student, teacher, x, T, lr):
    teacher.requires_grad_(False)
    optimizer = torch.optim.SGD([*student.parameters(), *teacher.parameters()], lr=lr)
    p = torch.softmax(teacher(x) / T, dim=1)
    log_q = torch.log_softmax(student(x) / T, dim=1)
    loss = T**2 * F.kl_div(log_q, p, reduction="sum") / len(x)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return float(loss)


def step_with_a_teacher_that_gets_no_gradient(student, teacher, x, T, lr):
    optimizer = torch.optim.SGD([*student.parameters(), *teacher.parameters()], lr=lr)
    p = torch.softmax(teacher(x).detach() / T, dim=1)
    log_q = torch.log_softmax(student(x) / T, dim=1)
    loss = T**2 * F.kl_div(log_q, p, reduction="batchmean")
    optimizer.zero_grad(set_to_none=False)
    loss.backward()
    optimizer.step()
    return loss.item()


STYLES = {
    "mean_kl": [
        kl_in_a_loop,
        lambda p, q: F.kl_div(q.double().log(), p.double(), reduction="batchmean"),
        lambda p, q: special.rel_entr(p.numpy(), q.numpy()).sum() / p.shape[0],
    ],
    "soft_gradient": [gradient_in_numpy, gradient_by_autograd],
    "my_kd_loss": [loss_in_numpy, loss_by_cross_entropies],
    "timid_loss": [soft_in_a_loop],
    "student_step": [
        step_without_optimizer,
        step_with_a_frozen_teacher,
        step_with_a_teacher_that_gets_no_gradient,
    ],
}
