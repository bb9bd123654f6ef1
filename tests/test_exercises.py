import numpy as np
import pytest
import torch

from distill_lessons.exercises import check


@pytest.mark.parametrize(
    ("answer", "expected", "said"),
    [
        (None, 1.0, "Not attempted yet."),
        (..., "b", "Not attempted yet."),
        (0.5, 0.5, "Correct."),
        (0.5004, 0.5, "Correct."),
        (0.51, 0.5, "Not yet: got 0.51, expected 0.5."),
        (torch.tensor([1.0, 2.0], requires_grad=True), np.array([1, 2]), "Correct."),
        ([[1, 2], [3, 5]], torch.tensor([[1, 2], [3, 4]]), "Not yet at [1, 1]: got 5, expected 4."),
        ([1, 2, 3], [1, 2], "Not yet: shape (3,), expected (2,)."),
        (float("nan"), 0.5, "Not yet: got nan, expected 0.5."),
        (0.0, 0.5, "Not yet: got 0, expected 0.5."),
        ("half", 0.5, "Not yet: a number is due, this is str."),
        (print, 0.5, "Not yet: a number is due, this is builtin_function_or_method."),
        (" B ", "b", "Correct."),
        ("c", "b", "Not yet: 'c' is not it."),
        (3, "b", "Not yet: 3 is not it."),
    ],
)
def test_an_answer_is_correct_not_yet_or_not_attempted(answer, expected, said, capsys):
    assert check(answer, expected) is None
    captured = capsys.readouterr()
    assert captured.out == said + "\n"
    assert captured.err == ""
