"""A training step that a GPU repeats by itself, launched once instead of operation by operation.

A step of a small net is some twenty-five operations of microseconds each, and launching them takes
longer than their arithmetic. CUDA keeps them as a graph and runs the whole with one call. The first
steps run plainly, and are watched; a step that does the same each time is captured then, any other
goes on plainly. Either way the weights are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer

from distill_lessons import settings, tensors
from distill_lessons.fast import watching

# The first step makes the optimiser's state and what else is made once; of the two that follow, the
# second must do what the first did.
_WARM_UP = 3


class Engine(Protocol):
    """What records work and repeats it: CUDA, or a stand-in under test."""

    def running(self) -> AbstractContextManager[None]:
        """Enclose a training: everything in it runs where work can be recorded."""
        ...

    def capture(
        self, work: Callable[[], Tensor], generators: Sequence[torch.Generator]
    ) -> Callable[[], Tensor]:
        """Record what `work` does, without doing it, and return what repeats it."""
        ...


class Cuda:
    """CUDA's graphs, on a stream of their own: the default stream cannot be captured."""

    def __init__(self, device: torch.device) -> None:
        """Take one of the device's streams."""
        self._stream = torch.cuda.Stream(device)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let all that is launched inside run on the stream, after what was launched before."""
        outer = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(outer)
        try:
            with torch.cuda.stream(self._stream):
                yield
        finally:
            outer.wait_stream(self._stream)

    def capture(
        self, work: Callable[[], Tensor], generators: Sequence[torch.Generator]
    ) -> Callable[[], Tensor]:
        """Capture `work` with the generators that it draws from."""
        graph = torch.cuda.CUDAGraph()
        for generator in generators:
            graph.register_generator_state(generator)
        with torch.cuda.graph(graph, stream=self._stream):
            out = work()

        def replay() -> Tensor:
            graph.replay()
            return out

        return replay


def engine_for(device: torch.device) -> Engine | None:
    """Return what captures steps on a device; None where they run plainly."""
    return Cuda(device) if device.type == "cuda" and settings.graphs() else None


class Step:
    """One optimiser step after another, captured where that changes nothing.

    Call it with the index of a batch; it returns what `compute` returns, for this step only, since
    the next one overwrites it.
    """

    def __init__(
        self,
        compute: Callable[[Tensor], Tensor],
        optimizer: Optimizer,
        device: torch.device,
        *,
        uses: Sequence[object],
        steady: bool = True,
    ) -> None:
        """Prepare a step.

        Args:
            compute: leaves the gradients for the batch at an index, and returns a tensor.
            optimizer: takes the step.
            device: where the weights are.
            uses: the nets and functions that `compute` runs; an object among them that a step
                changes in Python is a reason not to capture.
            steady: whether the optimiser's numbers stay the same. A learning rate with a schedule
                is a number of Python's, so then the graph ends before the optimiser.
        """
        self._compute, self._optimizer, self._device = compute, optimizer, device
        self._uses, self._steady = (*uses, optimizer) if steady else uses, steady
        self._engine = engine_for(device)
        self._shape: torch.Size | None = None  # of the batches that are captured
        self._done = 0
        self._before: tuple[watching.Trace, list[object] | None] | None = None
        self._index: Tensor | None = None
        self._replay: Callable[[], Tensor] | None = None
        self._gradients: list[tuple[Tensor, Tensor | None]] = []

    def running(self) -> AbstractContextManager[None]:
        """Enclose the training, see `Engine`."""
        return nullcontext() if self._engine is None else self._engine.running()

    def __call__(self, index: Tensor) -> Tensor:
        """Take the step for the batch at an index."""
        if self._engine is None:
            return self._plainly(index)
        if self._shape is None:
            self._shape = index.shape
        if index.shape != self._shape:  # the last batch of an epoch
            return self._plainly(index)
        if self._replay is None and self._done < _WARM_UP:
            self._done += 1
            return self._watched(index)
        if self._replay is None:
            self._capture(index)
        return self._plainly(index) if self._replay is None else self._repeated(index)

    def _work(self, index: Tensor) -> Tensor:
        """Do what a graph holds; the first step was a plain one, which has checked the numbers."""
        with tensors.trusting_values():
            value = self._compute(index)
        if self._steady:
            self._optimizer.step()
        return value

    def _plainly(self, index: Tensor) -> Tensor:
        value = self._compute(index)
        self._optimizer.step()
        return value

    def _watched(self, index: Tensor) -> Tensor:
        if self._done == 1:
            return self._plainly(index)
        if self._before is None:
            self._before = watching.Trace(self._device), watching.state(*self._uses)
        trace = watching.Trace(self._device)
        with trace:
            value = self._work(index)
        if not self._steady:
            self._optimizer.step()
        now = watching.state(*self._uses)
        trace_before, state_before = self._before
        again = self._done == 2 or trace.calls == trace_before.calls
        if not (trace.fixed and again and watching.unchanged(state_before, now)):
            self._engine = None
        self._before = trace, now
        return value

    def _capture(self, index: Tensor) -> None:
        assert self._engine is not None
        assert self._before is not None
        trace, _ = self._before
        held = index.clone()
        weights = [w for group in self._optimizer.param_groups for w in group["params"]]
        for group in self._optimizer.param_groups:
            group["capturable"] = True  # torch asks for it, and only while it captures
        try:
            self._replay = self._engine.capture(lambda: self._work(held), trace.generators)
            self._index = held
            self._gradients = [(w, w.grad) for w in weights]
        except Exception:  # what torch cannot record; a fault of the step's own comes up plainly
            self._engine = None
        finally:
            for group in self._optimizer.param_groups:
                group["capturable"] = False
            self._before = None

    def _repeated(self, index: Tensor) -> Tensor:
        assert self._replay is not None
        assert self._index is not None
        self._index.copy_(index)
        value = self._replay()
        if not self._steady:
            for weight, gradient in self._gradients:  # a plain step has put others there
                weight.grad = gradient
            self._optimizer.step()
        return value
