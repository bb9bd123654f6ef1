"""A net behind an address of this machine: pixels in, classes out, over HTTP.

For a lesson and for tests: it listens on this machine alone, on a free port, and knows nothing of
users. What does not fit is answered with a sentence that says why, and never with a traceback.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from distill_lessons import evaluation
from distill_lessons.tensors import check_type

HERE = "127.0.0.1"
MOST_BYTES = 2**24
SECONDS = 10.0


@contextmanager
def serving(
    net: nn.Module, image_shape: Sequence[int], classes: Sequence[str]
) -> Iterator[tuple[str, int]]:
    """Serve a net while a block runs, and stop with it.

    ``POST /`` takes ``{"images": [...]}``, nested lists ``(N, C, H, W)`` of numbers in [0, 1], and
    returns ``{"classes": [...], "logits": [...]}``. One image at a time is computed, whoever asks.

    Args:
        net: any net; asked in eval mode.
        image_shape: ``(C, H, W)``.
        classes: a name for each logit.

    Yields:
        Host and port.

    Raises:
        TypeError: if `net` is no module.
        ValueError: if it cannot take such images, or has not a logit for each class.
    """
    shape, names = tuple(image_shape), list(classes)
    evaluation.check_built(net)
    z = evaluation.predict(net, torch.zeros(1, *shape))
    if z.shape != (1, len(names)):
        raise ValueError(f"classes has {len(names)} names for logits {tuple(z.shape)}.")
    one_at_a_time = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        timeout = SECONDS

        def do_POST(self) -> None:
            try:
                x = _images(self._body(), shape)
            except ValueError as error:
                return self._answer(400, {"error": str(error)})
            with one_at_a_time:
                z = evaluation.predict(net, x)
            found = [names[k] for k in z.argmax(1).tolist()]
            return self._answer(200, {"classes": found, "logits": z.tolist()})

        def do_GET(self) -> None:
            self._answer(200, {"takes": ["N", *shape], "classes": names})

        def _body(self) -> bytes:
            length = self.headers.get("Content-Length", "")
            if not length.isdigit() or int(length) > MOST_BYTES:
                self.close_connection = True  # what was not read would be taken for a request
                raise ValueError(
                    f"Content-Length={length!r} must be a number of bytes up to {MOST_BYTES}."
                )
            return self.rfile.read(int(length))

        def _answer(self, status: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: a notebook's page is no log."""

    server = ThreadingHTTPServer((HERE, 0), Handler)  # port 0: the system picks a free one
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield HERE, server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(address: tuple[str, int], content: Any) -> dict[str, Any]:
    """Send content to a served net as JSON and return its answer.

    Args:
        address: host and port, from `serving`.
        content: such as ``{"images": x.tolist()}``.

    Raises:
        ValueError: if the server refuses it; the message is the server's.
        OSError: if nobody answers.
    """
    connection = http.client.HTTPConnection(*address, timeout=SECONDS)  # goes through no proxy
    try:
        connection.request("POST", "/", json.dumps(content), {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
    finally:
        connection.close()
    if response.status != 200:
        raise ValueError(answer["error"])
    return answer


def _images(body: bytes, shape: tuple[int, ...]) -> Tensor:
    """Return the images of a request, or raise a ValueError that tells the sender what to send."""
    try:
        content = json.loads(body)
        check_type("the request", content, dict, 'an object, {"images": [...]}')
        pixels = np.asarray(content["images"], dtype=np.float32)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(
            f'the request is not {{"images": numbers}} ({type(error).__name__}: {error}).'
        ) from None
    if pixels.ndim != len(shape) + 1 or pixels.shape[1:] != shape or len(pixels) == 0:
        raise ValueError(f"images have shape {pixels.shape}; this net takes {('N', *shape)}.")
    if not np.isfinite(pixels).all() or pixels.min() < 0 or pixels.max() > 1:
        raise ValueError("images hold pixels that are not in [0, 1]; divide by the largest value.")
    return torch.from_numpy(pixels)
