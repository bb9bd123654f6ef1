"""Sources: one record each; files verified; downloads that race, fail, stall or are killed."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import pickle
import signal
import struct
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_mnist
import torch
from tiny_mnist import CONTENT, TEST_X, TEST_Y, TRAIN_X, TRAIN_Y, send, serving
from typer.testing import CliRunner

from distill_lessons import data, settings, training
from distill_lessons.course import doctor
from distill_lessons.course.cli import app
from distill_lessons.sources import fetch
from distill_lessons.sources.catalogue import SOURCES
from distill_lessons.sources.find import find
from distill_lessons.sources.record import Contents, Download, File, NotUsable, Source

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def directly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the servers of these tests without a proxy."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def assert_whole(root: Path, *beside: str) -> None:
    visible = [name for name in names(root) if not name.endswith(".lock")]
    assert visible == ["MNIST"]
    assert names(root / "MNIST" / "raw") == sorted([*CONTENT, *beside])
    for name, raw in CONTENT.items():
        assert (root / "MNIST" / "raw" / name).read_bytes() == raw


# ---- One record ----------------------------------------------------------------------------------


def test_a_new_data_set_is_one_entry_and_one_reader(tmp_path: Path, monkeypatch) -> None:
    def read(source: Source, root: Path) -> Contents:
        y = torch.arange(80) % len(source.classes)
        return Contents((torch.rand(80, *source.shape), y), None, source.classes)

    stripes = Source("stripes", read, ("up", "down"), (1, 2, 3), (80, 0), threshold=0.3)
    monkeypatch.setitem(SOURCES, "stripes", stripes)
    config = settings.load({"DISTILL_DATASET": "stripes", "DISTILL_DATA": str(tmp_path)})
    found = data.load(config.dataset)
    assert (found.classes, found.image_shape) == (("up", "down"), (1, 2, 3))
    assert len(found.train) + len(found.valid) + len(found.test) == 80
    assert training.threshold("stripes", 2) == 0.3
    assert doctor.data_set(config).state == "OK"
    said = CliRunner().invoke(app, ["data", "list"]).stdout
    assert [line.split()[1:3] for line in said.splitlines() if "stripes" in line] == [
        ["80", "1×2×3"]
    ]
    assert "stripes is ready" in CliRunner().invoke(app, ["data", "check", "stripes"]).stdout


def test_a_source_may_hold_texts_with_a_mask(monkeypatch) -> None:
    def read(source: Source, root: Path) -> Contents:
        x = torch.arange(60)[:, None].expand(60, 5) % 50
        return Contents((x, torch.arange(60) % 2, x < 40), None, source.classes)

    texts = Source("texts", read, ("no", "yes"), (5,), (60, 0))
    monkeypatch.setitem(SOURCES, "texts", texts)
    found = data.load("texts", limits=(20, None, None))
    assert [len(s) for s in (found.train, found.valid, found.test)] == [20, 6, 12]
    for split in (found.train, found.valid, found.test):
        assert split.mask is not None
        assert torch.equal(split.mask, split.x < 40)
        assert torch.equal(split.y, split.x[:, 0] % 2)
    assert training.threshold("texts", 2) == 0.35  # half of log 2 = 0.693


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_a_record_is_complete(source: Source) -> None:
    assert SOURCES[source.name] is source
    assert len(set(source.classes)) == len(source.classes) == 10
    assert source.threshold is not None
    assert source.reference
    assert len({file.path for file in source.files}) == len(source.files)
    assert all(len(file.md5) == 32 for file in source.files)
    assert bool(source.files) == bool(source.mirrors) == bool(source.megabytes)
    assert bool(source.files) != bool(source.place)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "kmnist", "cifar10"])
def test_files_hashes_and_classes_are_those_of_torchvision(name: str) -> None:
    import torchvision.datasets as datasets

    class_name = {"fashion_mnist": "FashionMNIST"}.get(name, name.upper())
    theirs, ours = getattr(datasets, class_name), SOURCES[name]
    if name == "cifar10":
        listed = dict(theirs.train_list + theirs.test_list)
        assert {f.path: f.md5 for f in ours.files} == {
            f"{theirs.base_folder}/{file}": md5 for file, md5 in listed.items()
        }
        assert [m + d.name for d in ours.downloads for m in ours.mirrors] == [theirs.url]
        return
    assert ours.classes == tuple(c.split(" - ")[0] for c in theirs.classes)
    assert [d.name for d in ours.downloads] == [file for file, _ in theirs.resources]
    assert {Path(f.path).parent.as_posix() for f in ours.files} == {f"{class_name}/raw"}
    assert set(theirs.mirrors) & set(ours.mirrors)
    for file, (_, md5) in zip(ours.files, theirs.resources, strict=True):
        assert not file.path.endswith(".gz") or file.md5 == md5


def test_an_unknown_source_names_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"name='minst' is unknown. Did you mean 'mnist'\?"):
        find("minst")
    with pytest.raises(TypeError, match="name=None is not text; write a name such as 'digits'"):
        find(None)  # type: ignore[arg-type]


# ---- Reading -------------------------------------------------------------------------------------


def test_digits_are_those_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    source = SOURCES["digits"]
    (x, y), own_test, classes = source.reader(source, Path("nowhere"))
    bunch = load_digits()
    np.testing.assert_allclose(x[:, 0].numpy() * 16, bunch.images)
    assert y.tolist() == bunch.target.tolist()
    assert (x.min(), x.max()) == (0, 1)
    assert own_test is None
    assert classes == tuple("0123456789")


@pytest.mark.parametrize("packed", [False, True], ids=["unpacked", "packed"])
def test_images_and_labels_of_idx_files(tmp_path: Path, packed: bool) -> None:
    content = CONTENT
    source = tiny_mnist.source()
    if packed:  # as KMNIST, of which only the packed files' hashes are published
        content = {f"{name}.gz": gzip.compress(raw) for name, raw in CONTENT.items()}
        source = replace(
            source,
            downloads=tuple(
                Download(name, (File(f"MNIST/raw/{name}", hashlib.md5(raw).hexdigest()),))
                for name, raw in content.items()
            ),
        )
    tiny_mnist.write(tmp_path, content)
    (x, y), own_test, classes = source.reader(source, tmp_path)
    assert own_test is not None
    assert x.shape == (60, 1, 4, 4)
    assert own_test[0].shape == (30, 1, 4, 4)
    assert x.dtype == own_test[0].dtype == torch.float32
    assert x[7].unique().tolist() == [torch.tensor(7 / 255)]  # brightness 7 of 255
    assert own_test[0][7].unique().tolist() == [torch.tensor(107 / 255)]
    assert y[:4].tolist() == [0, 1, 2, 0]
    assert own_test[1].dtype == y.dtype == torch.int64
    assert classes == ("0", "1", "2")


def python_2_pickle(x: np.ndarray, y: list[int]) -> bytes:
    """Return what Python 2 wrote of ``{"data": x, "labels": y}``, as CIFAR-10's authors did."""
    raw, (n, width) = x.tobytes(), x.shape
    return (
        b"\x80\x02}(U\x04datacnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01b"
        b"tR(K\x01J" + struct.pack("<i", n) + b"J" + struct.pack("<i", width) + b"\x86cnumpy\ndtype"
        b"\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
        + struct.pack("<i", len(raw)) + raw + b"tbU\x06labels]("
        + b"".join(b"K" + bytes([label]) for label in y) + b"eu."
    )  # fmt: skip


def cifar(batches: list[bytes]) -> Source:
    cifar10 = SOURCES["cifar10"]
    files = tuple(
        File(file.path, hashlib.md5(raw).hexdigest())
        for file, raw in zip(cifar10.files, batches, strict=True)
    )
    return replace(cifar10, downloads=(replace_files(cifar10.downloads[0], files),))


def replace_files(download: Download, files: tuple[File, ...]) -> Download:
    return Download(download.name, files)


def test_colour_images_of_cifar(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    x = [generator.integers(0, 256, (2, 3072), dtype=np.uint8) for _ in range(6)]
    y = [[i, 9 - i] for i in range(6)]
    batches = [python_2_pickle(images, labels) for images, labels in zip(x, y, strict=True)]
    source = cifar(batches)
    for file, raw in zip(source.files, batches, strict=True):
        (tmp_path / file.path).parent.mkdir(exist_ok=True)
        (tmp_path / file.path).write_bytes(raw)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train, own_test, classes = source.reader(source, tmp_path)
    assert own_test is not None
    assert train[0].shape == (10, 3, 32, 32)
    assert own_test[0].shape == (2, 3, 32, 32)
    assert train[1].tolist() == [0, 9, 1, 8, 2, 7, 3, 6, 4, 5]
    assert own_test[1].tolist() == [5, 4]
    # A row holds the red plane, the green one, the blue one, each row by row.
    assert train[0][3, 1, 2, 5] == torch.tensor(x[1][1, 1024 + 2 * 32 + 5] / 255).float()
    assert classes[3] == "cat"


def test_a_pickle_that_is_not_the_authors_is_never_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
            return Path.touch, (tmp_path / "sprung",)  # type: ignore[return-value]

    source = SOURCES["cifar10"]
    for file in source.files:
        (tmp_path / file.path).parent.mkdir(exist_ok=True)
        (tmp_path / file.path).write_bytes(pickle.dumps(Trap()))
    with pytest.raises(NotUsable, match="data_batch_1 is damaged or altered"):
        source.reader(source, tmp_path)
    assert not (tmp_path / "sprung").exists()
    # The old processed files that torchvision would prefer to the images.
    tiny_mnist.write(tmp_path)
    (tmp_path / "MNIST" / "processed").mkdir()
    for name in ("training.pt", "test.pt"):
        torch.save(Trap(), tmp_path / "MNIST" / "processed" / name)
    assert len(fetch.read(tiny_mnist.source(), tmp_path).train[1]) == 60
    assert not (tmp_path / "sprung").exists()


MISFITS = {
    "label 200": ({TRAIN_Y: tiny_mnist.labels([200, *[0] * 59])}, "labels from 0 to 200"),
    "labels missing": ({TRAIN_Y: tiny_mnist.labels([0] * 59)}, r"shape \(60, 1, 4, 4\)"),
    "no IDX": ({TEST_X: b"something else"}, f"{TEST_X} is no IDX file of bytes"),
    "too short": ({TEST_X: CONTENT[TEST_X][:-1]}, f"{TEST_X} is no IDX file of bytes"),
    "two bytes": ({TEST_X: b"\0\0"}, f"{TEST_X} is no IDX file of bytes"),
}


@pytest.mark.parametrize(("change", "said"), MISFITS.values(), ids=MISFITS)
def test_a_record_that_does_not_fit_its_own_files(tmp_path: Path, change, said: str) -> None:
    content = {**CONTENT, **change}
    tiny_mnist.write(tmp_path, content)
    with pytest.raises(ValueError, match=said):
        fetch.read(tiny_mnist.source(content=content), tmp_path)


# ---- Verifying -----------------------------------------------------------------------------------


def altered(raw: bytes, place: int) -> bytes:
    return raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]


FAULTS: dict[str, dict[str, bytes]] = {
    "one pixel": {TRAIN_X: altered(CONTENT[TRAIN_X], 500)},
    "one label": {TEST_Y: altered(CONTENT[TEST_Y], 20)},
    "cut short": {TEST_X: CONTENT[TEST_X][:-1]},
    "longer": {TEST_X: CONTENT[TEST_X] + b"\0"},
    "empty": {TRAIN_Y: b""},
    "noise": {TRAIN_X: CONTENT[TRAIN_X][:16] + bytes(i * 7 % 256 for i in range(960))},
    "a web page": {TRAIN_X: b"<html>Please log in</html>"},
    "train and test exchanged": {
        **{TRAIN_X: CONTENT[TEST_X], TEST_X: CONTENT[TRAIN_X]},
        **{TRAIN_Y: CONTENT[TEST_Y], TEST_Y: CONTENT[TRAIN_Y]},
    },
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_altered_files_are_refused_by_name(tmp_path: Path, fault: dict[str, bytes]) -> None:
    folder = tiny_mnist.write(tmp_path, {**CONTENT, **fault})
    source = tiny_mnist.source()
    problems = source.problems(tmp_path)
    assert len(problems) == len(fault)
    for name, problem in zip((n for n in CONTENT if n in fault), problems, strict=True):
        said = f"{folder / name} is damaged or altered: its hash is not the published one"
        assert problem == said
    with pytest.raises(FileNotFoundError) as caught:
        fetch.read(source, tmp_path)
    assert all(problem in str(caught.value) for problem in problems)
    assert not any(str(folder / name) in str(caught.value) for name in CONTENT if name not in fault)
    # Offline nothing was moved or replaced.
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {**CONTENT, **fault}


def test_a_missing_file_and_a_folder_in_its_place_are_named(tmp_path: Path) -> None:
    folder = tiny_mnist.write(tmp_path)
    (folder / TRAIN_X).unlink()
    (folder / TEST_Y).unlink()
    (folder / TEST_Y).mkdir()
    assert tiny_mnist.source().problems(tmp_path) == [
        f"{folder / TRAIN_X} is not there",
        f"{folder / TEST_Y} cannot be read (Is a directory)",
    ]


def test_files_that_are_still_packed_are_read(tmp_path: Path) -> None:
    folder = tiny_mnist.write(tmp_path)
    plain = fetch.read(tiny_mnist.source(), tmp_path)
    for name, raw in CONTENT.items():
        (folder / name).unlink()
        (folder / f"{name}.gz").write_bytes(gzip.compress(raw))
    assert tiny_mnist.source().problems(tmp_path) == []
    assert torch.equal(fetch.read(tiny_mnist.source(), tmp_path).train[0], plain.train[0])
    assert names(folder) == sorted(f"{name}.gz" for name in CONTENT)  # nothing was unpacked there


@pytest.mark.parametrize(
    ("packed", "said"),
    [
        (gzip.compress(b"other images"), "is damaged or altered: its hash is not the published"),
        (gzip.compress(CONTENT[TRAIN_X])[:-9], "cannot be unpacked"),
        (b"<html>not found</html>", "cannot be unpacked"),
        (gzip.compress(CONTENT[TRAIN_X])[:20] + bytes(30), "cannot be unpacked"),
    ],
    ids=["altered", "cut off", "a page", "broken inside"],
)
def test_what_is_wrong_with_a_packed_file_is_named(
    tmp_path: Path, packed: bytes, said: str
) -> None:
    folder = tiny_mnist.write(tmp_path)
    (folder / TRAIN_X).unlink()
    (folder / f"{TRAIN_X}.gz").write_bytes(packed)
    [problem] = tiny_mnist.source().problems(tmp_path)
    assert problem.startswith(f"{folder / TRAIN_X}.gz {said}")


def test_mnist_in_the_data_folder_is_the_published_one(mnist_folder: Path) -> None:
    assert SOURCES["mnist"].problems(mnist_folder) == []


# ---- Downloading ---------------------------------------------------------------------------------


def test_download_once_then_read_what_is_there(tmp_path: Path) -> None:
    root = tmp_path / "not" / "yet there"
    with serving() as server:
        source = tiny_mnist.source(server.url)
        first = fetch.read(source, root)
        again = fetch.read(source, root)
    assert server.asked == [f"{name}.gz" for name in CONTENT]
    assert torch.equal(first.train[0], again.train[0])
    assert_whole(root)


def test_only_what_is_damaged_is_fetched_and_the_damaged_file_is_kept(tmp_path: Path) -> None:
    folder = tiny_mnist.write(tmp_path, {**CONTENT, TRAIN_Y: b"the user's"})
    with serving() as server:
        source = tiny_mnist.source(server.url)
        fetch.read(source, tmp_path)
        assert server.asked == [f"{TRAIN_Y}.gz"]
        assert_whole(tmp_path, f"{TRAIN_Y}.damaged")
        (folder / TRAIN_Y).write_bytes(b"again")
        fetch.read(source, tmp_path)
    assert_whole(tmp_path, f"{TRAIN_Y}.damaged", f"{TRAIN_Y}.damaged-2")
    assert (folder / f"{TRAIN_Y}.damaged").read_bytes() == b"the user's"


def test_what_an_older_version_left_behind_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "MNIST").mkdir()
    (tmp_path / "MNIST" / ".being-set-aside").touch()
    with serving() as server:
        fetch.read(tiny_mnist.source(server.url), tmp_path)
    assert names(tmp_path / "MNIST") == [".being-set-aside", "raw"]
    assert names(tmp_path / "MNIST" / "raw") == sorted(CONTENT)


def stalls(handler, body: bytes) -> None:
    send(handler, body[: len(body) // 2], len(body))
    handler.server.closing.wait(30)


def says_nothing(handler, body: bytes) -> None:
    handler.server.closing.wait(30)


def drips(handler, body: bytes) -> None:
    send(handler, b"", 10**6)
    while not handler.server.closing.wait(0.02):
        handler.wfile.write(b"x")
        handler.wfile.flush()


def never_ends(handler, body: bytes) -> None:
    send(handler, b"", 10**9)
    while not handler.server.closing.is_set():
        handler.wfile.write(bytes(1000))


def redirects(handler, body: bytes) -> None:
    handler.send_response(302)
    handler.send_header("Location", handler.path)
    handler.end_headers()


FAILING: dict[str, tuple[tiny_mnist.Answer, str]] = {
    "stalls": (stalls, "timed out"),
    "says nothing": (says_nothing, "timed out"),
    "drips": (drips, r"only \d+ bytes in"),
    "never ends": (never_ends, "does not end after"),
    "resets": (tiny_mnist.reset, "reset by peer|broke off"),
    "refuses": (lambda h, b: h.send_error(503), "HTTP Error 503"),
    "turns in a circle": (redirects, "infinite loop"),
    "web page": (
        lambda h, b: send(h, b"<html>Log in</html>", 19, "text/html"),
        "sent 19 bytes of text/html, not the published file",
    ),
    "empty": (lambda h, b: send(h, b"", 0), "sent 0 bytes of x/y, not the published"),
    "shorter than promised": (
        lambda h, b: send(h, b[:-9], len(b)),
        r"broke off after \d+ of \d+ bytes",
    ),
    "cut short": (lambda h, b: send(h, b[:-9], len(b) - 9), "not the published file"),
    "altered": (
        lambda h, b: tiny_mnist.whole(h, gzip.compress(altered(gzip.decompress(b), 20))),
        "not the published file",
    ),
    "no length, cut short": (
        lambda h, b: (h.send_response(200), h.end_headers(), h.wfile.write(b[:-9]))[2],
        "not the published file",
    ),
}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "TIMEOUT", 0.3)
    monkeypatch.setattr(fetch, "LARGEST", 10**6)


@pytest.mark.parametrize(("answer", "said"), FAILING.values(), ids=FAILING)
def test_a_mirror_that_fails_is_followed_by_the_next(
    tmp_path: Path, impatient: None, answer: tiny_mnist.Answer, said: str
) -> None:
    with serving(answer) as bad, serving() as good:
        fetch.fetch(tiny_mnist.source(bad.url, good.url), tmp_path)
        assert good.asked == [f"{name}.gz" for name in CONTENT]
        assert_whole(tmp_path)
        alone = tmp_path / "alone"
        with pytest.raises(FileNotFoundError, match=said) as caught:
            fetch.fetch(tiny_mnist.source(bad.url), alone)
    assert f"{bad.url}{TRAIN_X}.gz" in str(caught.value)
    assert [name for name in names(alone) if not name.endswith(".lock")] == []


def test_offline_the_message_says_what_where_and_two_ways_out(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        fetch.read(tiny_mnist.source(), tmp_path)
    text = str(caught.value)
    assert "The data set 'mnist' is not usable" in text
    assert f"mnist is not in {tmp_path}" in text
    assert "Connection refused" in text
    assert f"copy the folder 'MNIST' from a machine that has it to {tmp_path}" in text
    assert "point DISTILL_DATA to where it is" in text
    assert "unset DISTILL_DATASET" in text
    with serving() as server:  # the network is back
        fetch.read(tiny_mnist.source(server.url), tmp_path)
    assert_whole(tmp_path)


def test_a_data_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with serving() as server, pytest.raises(FileNotFoundError, match="Two ways out"):
        fetch.fetch(tiny_mnist.source(server.url), tmp_path / "file")


def test_on_a_full_disk_no_other_mirror_is_asked(tmp_path: Path, monkeypatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with (
        serving() as first,
        serving() as second,
        pytest.raises(FileNotFoundError, match=r"No space left on device.*Two ways out"),
    ):
        fetch.fetch(tiny_mnist.source(first.url, second.url), tmp_path)
    assert (len(first.asked), second.asked) == (1, [])
    assert [name for name in names(tmp_path) if not name.endswith(".lock")] == []


def test_a_file_that_cannot_be_put_in_its_place(tmp_path: Path, monkeypatch) -> None:
    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(13, "Permission denied")

    with serving() as server:
        monkeypatch.setattr(Path, "replace", refuse)
        with pytest.raises(FileNotFoundError, match=r"Permission denied.*Two ways out"):
            fetch.fetch(tiny_mnist.source(server.url), tmp_path)
    assert names(tmp_path / "MNIST" / "raw") == []


def test_an_interrupted_download_leaves_nothing(tmp_path: Path, monkeypatch) -> None:
    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with serving() as server, pytest.raises(KeyboardInterrupt):
        fetch.fetch(tiny_mnist.source(server.url), tmp_path)
    assert [name for name in names(tmp_path) if not name.endswith(".lock")] == []


def test_an_archive_gives_its_named_members_only(tmp_path: Path) -> None:
    import tarfile
    from io import BytesIO

    batches = [bytes([i]) * 9 for i in range(6)]
    source = replace(cifar(batches), mirrors=(tiny_mnist.NOWHERE,))
    packed = tmp_path / "packed"
    with tarfile.open(packed, "w:gz") as tar:
        for file, raw in [*zip(source.files, batches, strict=True), (File("../evil", ""), b"x")]:
            member = tarfile.TarInfo(file.path)
            member.size = len(raw)
            tar.addfile(member, BytesIO(raw))
    staging = tmp_path / "staging"
    fetch._unpack(source.downloads[0], packed, staging)
    assert not (tmp_path / "evil").exists()
    assert source.problems(staging) == []
    assert len(list(staging.rglob("*"))) == 7


# ---- Many at once, and killed ones ---------------------------------------------------------------

PROCESS = """
import multiprocessing, sys
from pathlib import Path
import tiny_mnist
from distill_lessons.sources import fetch
def one():
    fetch.fetch(tiny_mnist.source(sys.argv[2]), Path(sys.argv[1]))
    assert "torch" not in sys.modules
if __name__ == "__main__":
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)  # a fork spares each its imports
    all = [context.Process(target=one) for _ in range(int(sys.argv[3]))]
    [process.start() for process in all]
    [process.join() for process in all]
    print([process.exitcode for process in all])
"""


def start(script: Path, root: Path, url: str, n: int) -> subprocess.Popen[str]:
    script.write_text(PROCESS)
    path = os.pathsep.join([str(HERE), str(HERE.parent)])
    return subprocess.Popen(
        [sys.executable, str(script), str(root), url, str(n)],
        env={**os.environ, "PYTHONPATH": path, "DISTILL_LIVE": "0", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_thirty_processes_on_an_empty_folder_make_one_copy(tmp_path: Path) -> None:
    def slowly(handler, body: bytes) -> None:
        time.sleep(0.2)
        tiny_mnist.whole(handler, body)

    root = tmp_path / "data"
    with serving(slowly) as server:
        out, err = start(tmp_path / "many.py", root, server.url, 30).communicate(timeout=300)
    assert out.splitlines()[-1] == str([0] * 30), err
    assert server.asked == [f"{name}.gz" for name in CONTENT]
    assert out.count("Downloading mnist") == 1
    assert_whole(root)


def test_many_threads_at_once_make_one_copy(tmp_path: Path) -> None:
    with serving() as server, ThreadPoolExecutor(8) as pool:
        source = tiny_mnist.source(server.url)
        found = list(pool.map(lambda _: fetch.read(source, tmp_path), range(8)))
    assert server.asked == [f"{name}.gz" for name in CONTENT]
    assert all(torch.equal(f.train[0], found[0].train[0]) for f in found)
    assert_whole(tmp_path)


@pytest.mark.parametrize("before", [{}, {**CONTENT, TRAIN_X: b"damaged"}], ids=["empty", "damaged"])
def test_without_locks_everyone_ends_with_a_whole_copy(
    tmp_path: Path, monkeypatch, before: dict[str, bytes]
) -> None:
    import filelock

    def unsupported(*args: object, **options: object) -> None:
        raise NotImplementedError("no locks on this file system")

    monkeypatch.setattr(filelock.FileLock, "acquire", unsupported)
    for attempt in range(5):  # the order of threads is another one each time
        root = tmp_path / str(attempt)
        tiny_mnist.write(root, before)
        with serving() as server, ThreadPoolExecutor(8) as pool:
            source = tiny_mnist.source(server.url)
            found = list(pool.map(lambda _, s=source, r=root: fetch.read(s, r), range(8)))
        assert all(torch.equal(f.train[0], found[0].train[0]) for f in found)
        kept = [name for name in names(root / "MNIST" / "raw") if ".damaged" not in name]
        assert kept == sorted(CONTENT)
        assert tiny_mnist.source().problems(root) == []
        assert [n for n in names(root) if n != "MNIST" and not n.endswith(".lock")] == []


def test_who_comes_second_to_set_a_damaged_file_aside_keeps_it_and_the_whole_one(
    tmp_path: Path, monkeypatch, capsys
) -> None:
    """Without locks another kernel may do all of it while this one is about to begin."""
    folder = tiny_mnist.write(tmp_path / "data", {**CONTENT, TRAIN_X: b"the user's"})
    for who in ("first", "second"):
        tiny_mnist.write(tmp_path / who)
    [file] = [f for f in tiny_mnist.source().files if f.path.endswith(TRAIN_X)]
    link, seen = os.link, []

    def overtaken(old: Path, new: Path) -> None:
        monkeypatch.setattr(os, "link", link)
        fetch._place(file, tmp_path / "first", tmp_path / "data")
        try:
            link(old, new)
        finally:
            seen.append(file.problem(tmp_path / "data"))

    monkeypatch.setattr(os, "link", overtaken)
    replace = Path.replace

    def watched(old: Path, new: Path) -> Path:
        assert old.parent != folder, "for a moment there is nothing under the final name"
        return replace(old, new)

    monkeypatch.setattr(Path, "replace", watched)
    fetch._place(file, tmp_path / "second", tmp_path / "data")
    assert seen == [""]
    assert_whole(tmp_path / "data", f"{TRAIN_X}.damaged")
    assert (folder / f"{TRAIN_X}.damaged").read_bytes() == b"the user's"
    assert capsys.readouterr().out.count("it is kept as") == 1


def test_a_lock_that_is_never_given_back_is_named(tmp_path: Path, monkeypatch, capsys) -> None:
    import filelock

    monkeypatch.setattr(fetch, "PATIENCE", 0.1)
    with (
        filelock.FileLock(tmp_path / ".mnist.lock"),
        pytest.raises(FileNotFoundError, match=r"another process has held .*\.mnist\.lock for"),
    ):
        fetch.fetch(tiny_mnist.source(), tmp_path)
    assert "Another kernel is downloading mnist" in capsys.readouterr().out


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """Give a data folder in which a download was killed in the middle of its first file."""
    root = tmp_path / "data"
    with serving(stalls) as server:
        process = start(tmp_path / "one.py", root, server.url, 1)
        deadline = time.monotonic() + 60
        while not list(root.glob(".mnist-part-*/packed")) and time.monotonic() < deadline:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
    return root


@pytest.mark.skipif(os.name == "nt", reason="kills a group of processes")
def test_a_killed_download_leaves_no_file_and_the_next_one_tidies_up(killed: Path) -> None:
    assert len(list(killed.glob(".mnist-part-*"))) == 1
    assert not (killed / "MNIST").exists()
    with serving() as server:
        fetch.fetch(tiny_mnist.source(server.url), killed)
    assert_whole(killed)


@pytest.mark.skipif(os.name == "nt", reason="kills a group of processes")
def test_whoever_waits_for_a_killed_download_does_it_instead(tmp_path: Path) -> None:
    root = tmp_path / "data"
    with serving(stalls) as bad, serving() as good:
        first = start(tmp_path / "first.py", root, bad.url, 1)
        while not list(root.glob(".mnist-part-*/packed")) and first.poll() is None:
            time.sleep(0.01)
        second = start(tmp_path / "second.py", root, good.url, 1)
        assert second.stdout is not None
        assert "waiting for it" in second.stdout.readline()
        assert good.asked == []
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate(timeout=60)
        said, err = second.communicate(timeout=60)
    assert said.splitlines()[-1] == "[0]", err
    assert good.asked == [f"{name}.gz" for name in CONTENT]
    assert_whole(root)


# ---- The commands --------------------------------------------------------------------------------


@pytest.fixture
def cli(tmp_path: Path, monkeypatch) -> Iterator[Callable[..., tuple[int, str]]]:
    monkeypatch.setenv("DISTILL_DATA", str(tmp_path))

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["data", *arguments])
        return result.exit_code, result.output

    with serving() as server:
        monkeypatch.setitem(SOURCES, "mnist", tiny_mnist.source(server.url))
        yield run


def test_get_then_check_then_damage(cli, tmp_path: Path) -> None:
    file = tmp_path / "MNIST" / "raw" / TEST_Y
    code, said = cli("check", "mnist")
    assert code == 1
    assert f"problem: mnist is not in {tmp_path}" in said
    assert "Fetch what is missing or damaged: distill-lessons data get mnist" in said
    code, said = cli("get", "mnist")
    assert code == 0
    assert f"mnist is ready in {tmp_path}: 54 images to train on, 6 to validate, 30" in said
    assert cli("check", "mnist")[0] == 0
    file.write_bytes(b"altered")
    code, said = cli("check", "mnist")
    assert (code, file.read_bytes()) == (1, b"altered")
    assert f"problem: {file} is damaged or altered" in said
    assert cli("get", "mnist")[0] == cli("check", "mnist")[0] == 0


def test_list_says_what_is_there_and_what_the_rest_costs(cli, tmp_path: Path) -> None:
    def state(name: str) -> str:
        [line] = [line for line in cli("list")[1].splitlines() if line.startswith(f"{name} ")]
        return line

    assert state("digits").endswith("none  is inside scikit-learn")
    assert state("mnist").endswith(f"1×4×4        12 MB  mnist is not in {tmp_path}")
    folder = tiny_mnist.write(tmp_path)
    assert state("mnist").endswith(f"12 MB  is in {tmp_path}")
    (folder / TEST_X).write_bytes(b"altered")
    assert f"12 MB  {folder / TEST_X} is damaged or altered" in state("mnist")
    assert "171 MB  cifar10 is not in" in state("cifar10")


def test_the_commands_take_the_data_set_of_the_settings(cli, monkeypatch) -> None:
    assert cli("get")[1].startswith("digits is ready inside scikit-learn: 1,258 images")
    monkeypatch.setenv("DISTILL_DATASET", "mnist")
    assert "mnist is ready" in cli("get")[1]


@pytest.mark.parametrize("command", ["get", "check"])
def test_an_unknown_name_is_refused(cli, command: str) -> None:
    code, said = cli(command, "mnits")
    assert code == 2
    assert "problem: NAME='mnits' is unknown. Did you mean 'mnist'?" in said


def test_get_offline_is_one_line(cli, monkeypatch) -> None:
    monkeypatch.setitem(SOURCES, "mnist", tiny_mnist.source())
    code, said = cli("get", "mnist")
    assert code == 2
    assert "problem: The data set 'mnist' is not usable" in said
    assert "Traceback" not in said
