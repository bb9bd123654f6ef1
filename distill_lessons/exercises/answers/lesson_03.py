"""Solutions of lesson 03."""

import torch
from torch.nn import functional as F

from distill_lessons.exercises.exercise import Mistake


# The classes are weighed by p, and p sums to 1 over them: so they are summed. Only the images are
# averaged. A mean over both would make the loss K times too small.
def mean_kl(p, q):
    return (p * (p.log() - q.log())).sum(1).mean()


# One image's KL has the gradient (q - p) / T. T² times that is T (q - p), and in the mean over the
# batch every image has a share of 1/N.
def soft_gradient(z_student, z_teacher, T):
    q = (z_student / T).softmax(1)
    p = (z_teacher / T).softmax(1)
    return T * (q - p) / len(z_student)


# T in both softmaxes of the soft term and in none of the hard term; log-softmax for the student,
# softmax for the teacher; the student first; a sum over classes; the factor T².
def my_kd_loss(z_student, z_teacher, y, T, alpha):
    log_q = torch.log_softmax(z_student / T, dim=1)
    p = torch.softmax(z_teacher.detach() / T, dim=1)
    soft = F.kl_div(log_q, p, reduction="batchmean")
    return alpha * F.cross_entropy(z_student, y) + (1 - alpha) * T**2 * soft


# The student's softmax lacked its temperature: such a loss is 0 for a student whose logits are the
# teacher's divided by T, with the teacher's guesses and little confidence. And "mean" averages over
# the classes too, which makes the loss K times too small.
def timid_loss(z_student, z_teacher, T):
    p = torch.softmax(z_teacher / T, dim=1)
    log_q = torch.log_softmax(z_student / T, dim=1)
    return T**2 * F.kl_div(log_q, p, reduction="batchmean")


# The optimiser held the weights of both nets, and the loss sent a gradient to both. Now it holds
# the student's only, and the teacher's probabilities are constants. (With constants and zero_grad,
# SGD would leave the teacher alone even in its list. But it has no business there.)
def student_step(student, teacher, x, T, lr):
    optimizer = torch.optim.SGD(student.parameters(), lr=lr)
    with torch.no_grad():
        p = torch.softmax(teacher(x) / T, dim=1)
    log_q = torch.log_softmax(student(x) / T, dim=1)
    loss = T**2 * F.kl_div(log_q, p, reduction="batchmean")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


# Without T² the labels' weight in force is 0.5 at T = 1 and 0.998 at T = 20: the students become
# students of the labels alone, 84.5 %, as run B does. At T = 1 the factor is 1, and both runs are
# the same run. That Adam learns more slowly from a smaller loss is not so: it divides by the size
# of the gradient. And that probabilities become even at a high T holds for both runs.
which_run = "b3"

# T² = 100 is missing, so c = 0.3 + 0.7 / 100, and alpha' = 0.3 / c = 0.977. What the paper calls a
# mixture is almost training on labels alone.
alpha_to_set = 0.3 / (0.3 + 0.7 / 10**2)

_READS_A = "Run A does best where T is highest. A missing T² does not matter less as T grows."
_READS_C = (
    "Temperature cannot be the reason by itself: both runs have the same one, column by column."
)
_SLOWER = (
    "B is the run. But the reason is another: Adam divides the gradient by its own size, so that a "
    "smaller loss does not learn more slowly. What else does the missing factor change?"
)
_EVEN = (
    "B is the run. But the probabilities become even in run A too, which has the same temperatures."
)

_TAKE_OVER = (
    "Your reason is right: without T² the labels take over. Then at T = 20 such a run ends where "
    "labels alone end."
)

MISTAKES = {
    "which_run": (
        *(Mistake(f"run A, {n}", f"a{n}", _READS_A) for n in "12"),
        Mistake("run A, labels take over", "a3", f"{_TAKE_OVER} Which of the two is that?"),
        Mistake("slower", "b1", _SLOWER),
        Mistake("even", "b2", _EVEN),
        *(Mistake(f"temperature, {n}", f"c{n}", _READS_C) for n in "12"),
        Mistake("temperature, labels take over", "c3", f"{_TAKE_OVER} Does neither row do so?"),
    ),
    "alpha_to_set": (
        Mistake("unchanged", 0.3, "That is what the paper wrote. Its loss had no T²."),
        Mistake(
            "per cent",
            30 / (0.3 + 0.7 / 10**2),
            "alpha is a fraction between 0 and 1, not a percentage.",
        ),
        Mistake("T for T²", 0.3 / (0.3 + 0.7 / 10), "You divided by T. The missing factor is T²."),
        Mistake(
            "multiplied",
            0.3 / (0.3 + 0.7 * 100),
            "You made the soft term larger. Without T² it was too small, so the labels had more "
            "weight than alpha says.",
        ),
        Mistake(
            "the soft weight",
            0.7 / 100 / (0.3 + 0.7 / 100),
            "That is the weight in force of the soft term. alpha is that of the labels.",
        ),
    ),
}
