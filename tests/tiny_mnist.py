"""A data set of 90 tiny images in MNIST's format, and a server on this machine that may fail.

Needs neither torch nor numpy, so that processes that only download start quickly.
"""

from __future__ import annotations

import gzip
import hashlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from distill_lessons.sources.catalogue import SOURCES
from distill_lessons.sources.record import Download, File, Source

N_TRAIN, N_TEST = 60, 30
TRAIN_X, TRAIN_Y = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_X, TEST_Y = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def images(first: int, n: int) -> bytes:
    """Every image is of one brightness, by which it can be told from all others."""
    return struct.pack(">HBBIII", 0, 8, 3, n, 4, 4) + bytes(first + i // 16 for i in range(16 * n))


def labels(values: list[int]) -> bytes:
    return struct.pack(">HBBI", 0, 8, 1, len(values)) + bytes(values)


CONTENT = {
    TRAIN_X: images(0, N_TRAIN),
    TRAIN_Y: labels([i % 3 for i in range(N_TRAIN)]),
    TEST_X: images(100, N_TEST),
    TEST_Y: labels([i % 3 for i in range(N_TEST)]),
}
# An address where nobody answers.
NOWHERE = "http://127.0.0.1:9/"


def source(*mirrors: str, content: Mapping[str, bytes] = CONTENT) -> Source:
    """Return MNIST's record with the tiny files in place of its own."""
    return replace(
        SOURCES["mnist"],
        classes=("0", "1", "2"),
        shape=(1, 4, 4),
        images=(N_TRAIN, N_TEST),
        mirrors=mirrors or (NOWHERE,),
        downloads=downloads(content),
    )


def downloads(content: Mapping[str, bytes]) -> tuple[Download, ...]:
    """Return what MNIST's record says of files with this content."""
    return tuple(
        Download(f"{name}.gz", (File(f"MNIST/raw/{name}", hashlib.md5(raw).hexdigest()),))
        for name, raw in content.items()
    )


def write(root: Path, content: Mapping[str, bytes] = CONTENT) -> Path:
    """Write the files below a data folder and return the folder that holds them."""
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name, raw in content.items():
        (folder / name).write_bytes(raw)
    return folder


Answer = Callable[[BaseHTTPRequestHandler, bytes], None]


def whole(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    send(handler, body, len(body))


def send(handler: BaseHTTPRequestHandler, body: bytes, promised: int, kind: str = "x/y") -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(promised))
    handler.end_headers()
    handler.wfile.write(body)
    handler.wfile.flush()


class Server(ThreadingHTTPServer):
    """Answers with the packed tiny files, in the way that `answer` says.

    Attributes:
        asked: the names that were asked for, in order.
        closing: set when the test is over, for answers that wait.
    """

    daemon_threads = True

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.asked: list[str] = []
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        name = self.path.strip("/")
        self.server.asked.append(name)
        raw = CONTENT.get(name.removesuffix(".gz"))
        if raw is None:
            self.send_error(404)
            return
        try:
            self.server.answer(self, gzip.compress(raw))
        except OSError:
            self.close_connection = True  # whoever asked has gone

    def log_message(self, *args: object) -> None:
        pass


def reset(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    """Break the connection off in the middle, with the packet that says so."""
    send(handler, body[: len(body) // 2], len(body))
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    socket.close(handler.connection.detach())


@contextmanager
def serving(answer: Answer = whole) -> Iterator[Server]:
    server = Server(answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
