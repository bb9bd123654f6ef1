"""Lesson 05: what a learner reads whose bracket pairs the order with the group."""

from __future__ import annotations

import torch

from distill_lessons.exercises import lesson_05


def test_one_bracket_with_both_is_explained() -> None:
    def with_torch(x, group, order):
        mixed = x.flatten(1).clone()
        mixed[:, group] = mixed[order, group]
        return mixed.view_as(x)

    def with_numpy(x, group, order):
        mixed = x.numpy().reshape(len(x), -1).copy()
        mixed[:, group] = mixed[order.numpy(), group.numpy()]
        return mixed

    for answer in (with_torch, with_numpy):
        verdict = lesson_05.shuffle_group.judge(answer)
        assert verdict.state == "not yet"
        assert "pairs the first of `order` with the first of `group`" in verdict.text
        assert "at the line `mixed[:, group] = " in verdict.text


def test_another_index_error_is_left_as_it_is() -> None:
    verdict = lesson_05.shuffle_group.judge(lambda x, group, order: x[torch.tensor(99)])
    assert "IndexError" in verdict.text
    assert "pairs" not in verdict.text
