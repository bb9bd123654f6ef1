"""Lesson 03, the distillation loss: KL, its gradient, the whole loss, and what goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from scipy import special
from torch import Tensor, nn
from torch.nn import functional as F

from distill_lessons import losses, models
from distill_lessons.exercises.exercise import Case, Exercise, Mistake


def _softmaxes(z_student: Tensor, z_teacher: Tensor, T: float) -> tuple[Tensor, Tensor]:
    return losses.soft_targets(z_student, T), losses.soft_targets(z_teacher, T)


# ---- KL of a batch -------------------------------------------------------------------------------


def _distributions(seed: int) -> list[Case]:
    dice = torch.Generator().manual_seed(seed)
    p, q = (2 * torch.randn(2, 4, 10, generator=dice)).softmax(2)
    more_p, more_q = torch.randn(2, 6, 3, generator=dice).softmax(2)
    by_hand = torch.tensor([[0.7, 0.2, 0.1]]), torch.tensor([[0.5, 0.25, 0.25]])
    return [
        Case("p = [[0.7, 0.2, 0.1]], q = [[0.5, 0.25, 0.25]]", by_hand),
        Case("four images, ten classes", (p, q)),
        Case("six images, three classes", (more_p, more_q)),
    ]


mean_kl = Exercise(
    lesson="03",
    name="mean_kl",
    title="The KL of a batch",
    kind="code",
    difficulty="easy",
    importance="high",
    minutes=4,
    hints=(
        "Two steps: one number for each image, then one number for the batch.",
        "Within an image the teacher's probabilities do the weighing, so its classes are summed, "
        "along dimension 1. Over the images you take the mean.",
        "The surprise in excess at a class is `p.log() - q.log()`.",
    ),
    cases=_distributions,
    reference=lambda p, q: special.rel_entr(p.double().numpy(), q.double().numpy()).sum(1).mean(),
    mistakes=(
        Mistake(
            "mean over classes",
            lambda p, q: (p * (p / q).log()).mean(),
            "Your KL is averaged over classes. They are summed; only the images are averaged.",
        ),
        Mistake(
            "sum over the batch",
            lambda p, q: (p * (p / q).log()).sum(),
            "Your KL is summed over the images too, so it grows with the batch. Average over them.",
        ),
        Mistake(
            "one number per image",
            lambda p, q: (p * (p / q).log()).sum(1),
            "You have one number for each image. The mean over the batch is missing.",
        ),
        Mistake(
            "one number per class",
            lambda p, q: (p * (p / q).log()).sum(0),
            "You summed along dimension 0, the images. The classes are dimension 1.",
        ),
        Mistake(
            "arguments swapped",
            lambda p, q: (q * (q / p).log()).sum(1).mean(),
            "That is KL(q‖p), the student's. The teacher's probabilities p do the weighing.",
        ),
        Mistake(
            "cross-entropy",
            lambda p, q: -(p * q.log()).sum(1).mean(),
            "That is the cross-entropy. It is not 0 for q = p: the teacher's own entropy is still "
            "in it.",
        ),
        Mistake(
            "softmax for log-softmax",
            lambda p, q: F.kl_div(q, p, reduction="batchmean"),
            "`F.kl_div` got probabilities as its first argument. It is due the student's "
            "*logarithms* there.",
        ),
        Mistake(
            "log of the teacher",
            lambda p, q: F.kl_div(q.log(), p.log(), reduction="batchmean"),
            "`F.kl_div` got the teacher's logarithms. It takes the logarithm of its second "
            "argument itself, and there is none of a negative number.",
        ),
    ),
)

# ---- Its gradient --------------------------------------------------------------------------------


def _logits(seed: int) -> list[Case]:
    dice = torch.Generator().manual_seed(seed)
    z_student, z_teacher = 3 * torch.randn(2, 4, 3, generator=dice)
    more_student, more_teacher = torch.randn(2, 3, 5, generator=dice)
    by_hand = torch.tensor([[1.0, 2.0, 0.0]]), torch.tensor([[4.0, 2.0, 0.0]])
    return [
        Case("z_student = [[1, 2, 0]], z_teacher = [[4, 2, 0]], T = 2", (*by_hand, 2.0)),
        Case("four images, three classes, T = 4", (z_student, z_teacher, 4.0)),
        Case("three images, five classes, T = 0.5", (more_student, more_teacher, 0.5)),
    ]


def _by_autograd(z_student: Tensor, z_teacher: Tensor, T: float) -> Tensor:
    leaf = z_student.double().requires_grad_()
    loss = losses.kd_loss(leaf, z_teacher.double(), None, T=T, alpha=0.0)
    return torch.autograd.grad(loss, leaf)[0]


def _scaled(factor: Callable[[int, int, float], float]) -> Callable[..., Tensor]:
    """Return the gradient of one image's KL times T, (q - p), times another factor of N, K, T."""

    def gradient(z_student: Tensor, z_teacher: Tensor, T: float) -> Tensor:
        q, p = _softmaxes(z_student, z_teacher, T)
        n, k = q.shape
        return factor(n, k, T) * (q - p)

    return gradient


def _at_one(z_student: Tensor, z_teacher: Tensor, T: float) -> Tensor:
    return _scaled(lambda n, k, _: T / n)(z_student, z_teacher, 1.0)


def _student_at_one(z_student: Tensor, z_teacher: Tensor, T: float) -> Tensor:
    return _scaled(lambda n, k, _: T / n)(z_student * T, z_teacher, T)


soft_gradient = Exercise(
    lesson="03",
    name="soft_gradient",
    title="The gradient of the soft term",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=6,
    points=2,
    hints=(
        "Start from the gradient of one image's KL, derived above. What do the factor T² and the "
        "mean over N images do to it?",
        "T² times 1/T is one T. Each image has a share of 1/N in a mean.",
        "Make both softmaxes first, of logits that are divided by T: q of the student, p of the "
        "teacher. N is `len(z_student)`.",
    ),
    cases=_logits,
    reference=_by_autograd,
    mistakes=(
        Mistake(
            "sign",
            _scaled(lambda n, k, T: -T / n),
            "The sign is turned: where the student gives too much, the loss rises with its logit.",
        ),
        Mistake(
            "no mean",
            _scaled(lambda n, k, T: T),
            "That is right for one image by itself. In the mean over the batch each image has a "
            "share of 1/N.",
        ),
        Mistake(
            "no T²",
            _scaled(lambda n, k, T: 1 / T / n),
            "That is the gradient of the KL. The soft term is T² times the KL.",
        ),
        Mistake(
            "one image's plain KL",
            _scaled(lambda n, k, T: 1 / T),
            "That is the gradient of one image's plain KL. T² and the mean over the batch are "
            "still to come.",
        ),
        Mistake(
            "1/T missing",
            _scaled(lambda n, k, T: T**2 / n),
            "The factor T² is there, but a 1/T is missing: the logits are divided by T before the "
            "softmax, and the chain rule brings that out.",
        ),
        Mistake(
            "no factor at all",
            _scaled(lambda n, k, T: 1 / n),
            "q − p has the right direction. T is still missing in its length.",
        ),
        Mistake(
            "mean over classes",
            _scaled(lambda n, k, T: T / (n * k)),
            "You also averaged over the classes. The KL sums over them.",
        ),
        Mistake(
            "softmax at T = 1",
            _at_one,
            "Both softmaxes lack the temperature: logits are divided by T first.",
        ),
        Mistake(
            "temperature for the teacher only",
            _student_at_one,
            "The teacher's softmax has the temperature, the student's has not. Both need it.",
        ),
    ),
)

# ---- The whole loss ------------------------------------------------------------------------------


def _labelled(seed: int) -> list[Case]:
    dice = torch.Generator().manual_seed(seed)
    z_student, z_teacher = 3 * torch.randn(2, 5, 10, generator=dice)
    more_student, more_teacher = 2 * torch.randn(2, 3, 4, generator=dice)
    y, more_y = torch.randint(10, (5,), generator=dice), torch.randint(4, (3,), generator=dice)
    by_hand = (
        torch.tensor([[1.0, 2.0, 0.0], [0.0, 2.0, 1.0]]),
        torch.tensor([[4.0, 2.0, 0.0], [0.0, 6.0, 4.0]]),
        torch.tensor([0, 1]),
    )
    return [
        Case("the tiny batch of this lesson, T = 2, alpha = 0.3", (*by_hand, 2.0, 0.3)),
        Case("five images, ten classes, T = 4, alpha = 0.1", (z_student, z_teacher, y, 4.0, 0.1)),
        Case(
            "three images, four classes, T = 1, alpha = 0.8",
            (more_student, more_teacher, more_y, 1.0, 0.8),
        ),
    ]


def _hard(z: Tensor, y: Tensor) -> Tensor:
    return -z.log_softmax(1)[torch.arange(len(y)), y].mean()


def _mixture(
    soft: Callable[..., Tensor] = lambda z, target, T: losses.kl_divergence(target, z, T).mean(),
    hard: Callable[..., Tensor] = lambda z, y, T: _hard(z, y),
    weights: Callable[[float, float], tuple[float, float]] = lambda a, T: (a, (1 - a) * T**2),
) -> Callable[..., Tensor]:
    """Return the distillation loss, with room for mistakes."""

    def loss(z_student: Tensor, z_teacher: Tensor, y: Tensor, T: float, alpha: float) -> Tensor:
        of_hard, of_soft = weights(alpha, T)
        return of_hard * hard(z_student, y, T) + of_soft * soft(z_student, z_teacher, T)

    return loss


def _kl_of_probabilities(z: Tensor, target: Tensor, T: float) -> Tensor:
    q, p = _softmaxes(z, target, T)
    return (p * (p.log() - q)).sum(1).mean()


my_kd_loss = Exercise(
    lesson="03",
    name="my_kd_loss",
    title="The whole loss, with torch's functions",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=8,
    points=2,
    hints=(
        "Write the two terms in a line each, the soft one first: it needs p, the logarithm of q, "
        "and `F.kl_div`.",
        "`F.kl_div` takes the student's log-softmax, then the teacher's softmax, and has a "
        "`reduction` that sums over classes and averages over the batch. Both softmaxes at T.",
        "`F.cross_entropy` takes the student's logits as they are. alpha weighs it, and the factor "
        "of the other term is `(1 - alpha) * T**2`.",
    ),
    cases=_labelled,
    reference=lambda zs, zt, y, T, alpha: losses.kd_loss(zs, zt, y, T=T, alpha=alpha),
    mistakes=(
        Mistake(
            "no T²",
            _mixture(weights=lambda a, T: (a, 1 - a)),
            "The soft term lacks its factor T².",
        ),
        Mistake(
            "no T², mean over classes",
            _mixture(
                soft=lambda z, t, T: losses.kl_divergence(t, z, T).mean() / z.shape[1],
                weights=lambda a, T: (a, 1 - a),
            ),
            "Two things are off in the soft term: its factor T² is missing, and the KL is averaged "
            "over classes.",
        ),
        Mistake(
            "T for T²",
            _mixture(weights=lambda a, T: (a, (1 - a) * T)),
            "The soft term's factor is T; it has to be T².",
        ),
        Mistake(
            "alpha on the wrong term",
            _mixture(weights=lambda a, T: (1 - a, a * T**2)),
            "alpha weighs the soft term here. In this course it is the weight of the hard term.",
        ),
        Mistake(
            "T² on both terms",
            _mixture(weights=lambda a, T: (a * T**2, (1 - a) * T**2)),
            "T² multiplies the hard term as well. That term has no temperature to make up for.",
        ),
        Mistake(
            "temperature in the hard term",
            _mixture(hard=lambda z, y, T: _hard(z / T, y)),
            "The hard term has a temperature too. It uses the student's logits as they are.",
        ),
        Mistake(
            "two softmaxes",
            _mixture(hard=lambda z, y, T: _hard(z.softmax(1), y)),
            "`F.cross_entropy` got probabilities. It takes logits and does the softmax itself.",
        ),
        Mistake(
            "mean over classes",
            _mixture(soft=lambda z, t, T: losses.kl_divergence(t, z, T).mean() / z.shape[1]),
            "Your KL is averaged over classes. Which `reduction` averages over the batch alone?",
        ),
        Mistake(
            "sum over the batch",
            _mixture(soft=lambda z, t, T: losses.kl_divergence(t, z, T).sum()),
            "Your KL is summed over the batch, the hard term is averaged over it. Average both.",
        ),
        Mistake(
            "arguments swapped",
            _mixture(soft=lambda z, t, T: losses.kl_divergence(z, t, T).mean()),
            "The KL is the other way round, KL(q‖p). `F.kl_div` takes the student's logarithms "
            "first, the teacher's probabilities second.",
        ),
        Mistake(
            "softmax for log-softmax",
            _mixture(soft=_kl_of_probabilities),
            "`F.kl_div` got the student's probabilities. It is due their logarithms.",
        ),
        Mistake(
            "temperature for the teacher only",
            _mixture(soft=lambda z, t, T: losses.kl_divergence(t, z * T, T).mean()),
            "The student's softmax lacks the temperature in the soft term. Both need it.",
        ),
    ),
)

# ---- Two bugs in a soft term ---------------------------------------------------------------------


def _pairs(seed: int) -> list[Case]:
    dice = torch.Generator().manual_seed(seed)
    z_student, z_teacher = 3 * torch.randn(2, 4, 10, generator=dice)
    more_student, more_teacher = 4 * torch.randn(2, 3, 5, generator=dice)
    by_hand = torch.tensor([[2.0, 1.0, 0.0]]), torch.tensor([[8.0, 4.0, 0.0]])
    return [
        Case("z_student = [[2, 1, 0]], z_teacher = [[8, 4, 0]], T = 4", (*by_hand, 4.0)),
        Case("four images, ten classes, T = 2", (z_student, z_teacher, 2.0)),
        Case("three images, five classes, T = 8", (more_student, more_teacher, 8.0)),
    ]


def _same(T: float) -> float:
    return T


def _reduced(
    reduction: str,
    of_student: Callable[[float], float],
    of_teacher: Callable[[float], float] = _same,
) -> Callable[..., Tensor]:
    def soft(z_student: Tensor, z_teacher: Tensor, T: float) -> Tensor:
        p = losses.soft_targets(z_teacher, of_teacher(T))
        each = F.kl_div((z_student / of_student(T)).log_softmax(1), p, reduction="none")
        return T**2 * {"mean": each.mean(), "sum": each.sum(), "due": each.sum(1).mean()}[reduction]

    return soft


_COLD = (
    "The two softmaxes agree now, but at T = 1: you took the teacher's temperature away. It is the "
    "student's that is missing."
)

timid_loss = Exercise(
    lesson="03",
    name="timid_loss",
    title="Find the bugs: a timid student",
    kind="bug",
    difficulty="medium",
    importance="high",
    minutes=6,
    points=2,
    hints=(
        "In the first of the check's inputs the student's logits are the teacher's divided by T. "
        "Do they agree, then? Compute both softmaxes at T = 4.",
        "One mistake is in a softmax. The other is in what is summed and what is averaged.",
        "Compare both softmaxes, letter by letter. Then look up what `reduction` may be, in the "
        'section "The loss, in six lines".',
    ),
    cases=_pairs,
    reference=lambda zs, zt, T: losses.kd_loss(zs, zt, None, T=T, alpha=0.0),
    mistakes=(
        Mistake("as given", _reduced("mean", lambda T: 1.0), "", given=True),
        Mistake(
            "mean over classes remains",
            _reduced("mean", _same),
            "One bug is mended: both softmaxes have the temperature. The other remains: your KL is "
            "averaged over classes.",
        ),
        Mistake(
            "temperature remains missing",
            _reduced("due", lambda T: 1.0),
            "One bug is mended: classes are summed, images averaged. The other remains: the two "
            "softmaxes are not at the same temperature.",
        ),
        Mistake(
            "sum over the batch",
            _reduced("sum", _same),
            "Both softmaxes are right now. But the KL is summed over the images; it has to be "
            "averaged over them.",
        ),
        Mistake("no temperature", _reduced("due", lambda T: 1.0, lambda T: 1.0), _COLD),
        Mistake(
            "no temperature, mean over classes",
            _reduced("mean", lambda T: 1.0, lambda T: 1.0),
            f"{_COLD} And the KL is still averaged over classes.",
        ),
    ),
)

# ---- The teacher that was not frozen -------------------------------------------------------------


def _nets(seed: int) -> list[Case]:
    cases = []
    for n, shape, T in ((2, (1, 1, 2), 2.0), (6, (1, 2, 2), 4.0)):
        student = models.mlp(shape, 3, (), seed=seed)
        teacher = models.mlp(shape, 3, (5,), seed=seed + 100).eval()
        with torch.no_grad():
            for weight in teacher.parameters():
                weight.mul_(4)  # a teacher that is sure of something, so that steps are long
        for net in (student, teacher):  # as if left over from a training before this one
            for weight in net.parameters():
                weight.grad = torch.full_like(weight, 0.5)
        x = torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed))
        words = f"{n} images of {shape[1] * shape[2]} pixels, three classes, T = {T:g}, lr = 0.1"
        cases.append(Case(words, (student, teacher, x, T, 0.1)))
    return cases


def _after_a_step(
    step: Callable[..., Any], student: nn.Module, teacher: nn.Module, x: Tensor, T: float, lr: float
) -> dict[str, Any] | None:
    nets = (student, teacher)
    before = [nn.utils.parameters_to_vector(net.parameters()).detach() for net in nets]
    left_over = [
        (weight, weight.grad.clone()) for weight in teacher.parameters() if weight.grad is not None
    ]
    loss = step(student, teacher, x, T, lr)
    if loss is None:
        return None
    moved, drifted = (
        nn.utils.parameters_to_vector(net.parameters()).detach() - old
        for net, old in zip(nets, before, strict=True)
    )
    return {
        "the loss": loss,
        "the teacher's weights stay": bool((drifted == 0).all()),
        "no new gradient reaches the teacher": all(
            weight.grad is None or not weight.grad.any() or torch.equal(weight.grad, old)
            for weight, old in left_over
        ),
        "how far the student's weights move": moved,
    }


def _step(moves: str, *, detached: bool = False, clears: bool = True) -> Callable[..., float]:
    """Return a step of gradient descent that needs no optimiser, with room for mistakes."""

    def step(student: nn.Module, teacher: nn.Module, x: Tensor, T: float, lr: float) -> float:
        loss = T**2 * losses.kl_divergence(teacher(x), student(x), T).mean()
        for name, net in (("student", student), ("teacher", teacher)):
            weights = list(net.parameters())
            slopes = torch.autograd.grad(loss, weights, retain_graph=True)
            for weight, slope in zip(weights, slopes, strict=True):
                new = torch.zeros_like(slope) if detached and net is teacher else slope
                weight.grad = new if clears or weight.grad is None else new + weight.grad
                weight.data -= (name in moves) * lr * weight.grad
        return loss.item()

    return step


student_step = Exercise(
    lesson="03",
    name="student_step",
    title="Find the bug: the teacher gives way",
    kind="bug",
    difficulty="medium",
    importance="high",
    minutes=6,
    points=2,
    hints=(
        "Whose weights may change in a step of distillation? Whose does this optimiser hold?",
        "With the optimiser mended, autograd still works its way back through the teacher. Its "
        "logits are constants: how does the loss of this lesson say so?",
        "`torch.no_grad()` around the call of the teacher, or `.detach()` on what it returns.",
    ),
    cases=_nets,
    ask=_after_a_step,
    reference=_step("student", detached=True),
    mistakes=(
        Mistake("as given", _step("student and teacher"), "", given=True),
        Mistake(
            "gradient still flows",
            _step("student"),
            "The teacher's weights stay now, since the optimiser does not hold them. But every "
            "step still computes a gradient for them: time and memory for nothing, and the next "
            "optimiser that holds them will use it.",
        ),
        Mistake(
            "the student frozen too",
            _step("nobody", detached=True),
            "The teacher is frozen, and so is the student: nothing moves any more.",
        ),
        Mistake(
            "the wrong one frozen",
            _step("teacher"),
            "The optimiser holds the teacher's weights only. The student is the one to move.",
        ),
        Mistake(
            "the teacher's old gradient",
            _step("student and teacher", detached=True, clears=False),
            "No new gradient reaches the teacher, but the optimiser still holds its weights: a "
            "gradient left over from the teacher's own training moves them.",
        ),
        Mistake(
            "no zero_grad",
            _step("student", detached=True, clears=False),
            "The teacher is safe now. But the student's step carries an older gradient along: "
            "gradients add up unless they are cleared.",
        ),
    ),
)

# ---- Reading -------------------------------------------------------------------------------------

which_run = Exercise(
    lesson="03",
    name="which_run",
    title="Read a result: which run lacks T²?",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "Without T², the mixture is the right loss with another weight. Which way does that weight "
        "go as T grows?",
        "Compare each row with the students that had labels only. Which row goes back there?",
        "Of the reasons, one is about the whole loss, which Adam rescales, and one about both runs "
        "alike. Neither can tell A from B.",
    ),
    options=tuple(letter + digit for letter in "abc" for digit in "123"),
)

alpha_to_set = Exercise(
    lesson="03",
    name="alpha_to_set",
    title="Read a result: the alpha of a paper",
    kind="read",
    difficulty="medium",
    importance="medium",
    minutes=4,
    points=2,
    hints=(
        'Use the formula of the section "What a missing T² does to a mixture".',
        "alpha' = alpha / c, and c is alpha plus (1 − alpha) / T². What is T² here?",
    ),
    tolerance=5e-3,
)
