"""Downloads that race, fail or are cut short; folders of images, good and bad. No network."""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
import urllib.error
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fake_torchvision
import numpy as np
import pytest
import torch
from PIL import Image

from distill_lessons import sources
from distill_lessons.sources import read_digits, read_folder, read_torchvision


@pytest.fixture(autouse=True)
def fake(monkeypatch) -> None:
    """Replace torchvision, so that nothing can reach a network."""
    monkeypatch.setitem(sys.modules, "torchvision", fake_torchvision)
    monkeypatch.setattr(fake_torchvision, "on_download", fake_torchvision.nothing)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def assert_whole(root: Path, *beside: str) -> None:
    assert names(root) == sorted(["MNIST", *beside])
    assert names(root / "MNIST" / "raw") == ["test", "train"]
    for name in ("test", "train"):
        assert (root / "MNIST" / "raw" / name).read_text() == "whole"


# ---- Downloads -----------------------------------------------------------------------------------


def test_download_once_then_read_what_is_there(tmp_path: Path, monkeypatch) -> None:
    downloads: list[Path] = []
    monkeypatch.setattr(fake_torchvision, "on_download", downloads.append)
    root = tmp_path / "not" / "yet there"
    (x, y), (x_test, y_test), classes = read_torchvision("mnist", root)
    assert_whole(root)
    assert x.shape == (60, 1, 4, 4)
    assert x_test.shape == (30, 1, 4, 4)
    assert x.dtype == torch.float32
    assert x[7].unique().tolist() == [torch.tensor(7 / 255)]  # brightness 7 of 255
    assert y[:4].tolist() == [0, 1, 2, 0]
    assert y_test.dtype == torch.int64
    assert classes == ("0", "1", "2")
    read_torchvision("mnist", root)
    assert len(downloads) == 1


def test_download_is_written_beside_and_appears_only_whole(tmp_path: Path, monkeypatch) -> None:
    def look(folder: Path) -> None:
        assert not (tmp_path / "MNIST").exists()
        assert folder.is_relative_to(tmp_path)  # one file system, so that the rename is atomic

    monkeypatch.setattr(fake_torchvision, "on_download", look)
    read_torchvision("mnist", tmp_path)
    assert_whole(tmp_path)


def half_a_data_set(root: Path) -> None:
    (root / "MNIST" / "raw").mkdir(parents=True)
    (root / "MNIST" / "raw" / "train").write_text("the user's")


@pytest.mark.parametrize("half", [False, True], ids=["empty folder", "half a data set"])
def test_many_threads_at_once_end_with_one_whole_copy(tmp_path, monkeypatch, half: bool) -> None:
    n = 8
    for attempt in range(10):  # the order of threads is another one each time
        root = tmp_path / str(attempt)
        if half:
            half_a_data_set(root)
        everyone = threading.Barrier(n, timeout=30)
        monkeypatch.setattr(fake_torchvision, "on_download", lambda folder, b=everyone: b.wait())
        with ThreadPoolExecutor(n) as pool:
            found = list(pool.map(lambda _, r=root: read_torchvision("mnist", r), range(n)))
        assert all(torch.equal(f[0][0], found[0][0][0]) for f in found)
        aside = [name for name in names(root) if name.startswith("MNIST-set-aside-")]
        assert len(aside) == (1 if half else 0)
        assert_whole(root, *aside)
        assert [names(root / name / "MNIST" / "raw") for name in aside] == [["train"]] * half


PROCESS = """
import sys, time
from pathlib import Path
root, meeting, me, n = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
import fake_torchvision
sys.modules["torchvision"] = fake_torchvision
from distill_lessons.sources import read_torchvision
def wait_for_all(folder):
    (meeting / me).touch()
    end = time.monotonic() + 60
    while len(list(meeting.iterdir())) < n and time.monotonic() < end:
        time.sleep(0.01)
fake_torchvision.on_download = wait_for_all
print(len(read_torchvision("mnist", root)[0][0]))
"""


def test_many_processes_at_once_end_with_one_whole_copy(tmp_path: Path) -> None:
    root, meeting, n = tmp_path / "data", tmp_path / "meeting", 3
    meeting.mkdir()
    here = Path(__file__).parent
    code = f"import sys; sys.path[:0] = {[str(here), str(here.parent)]!r}\n{PROCESS}"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(root), str(meeting), str(i), str(n)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(n)
    ]
    outputs = [process.communicate(timeout=120) for process in running]
    assert [out.strip() for out, _ in outputs] == ["60"] * n, outputs
    assert len(names(meeting)) == n  # all of them were downloading at once
    assert_whole(root)


def test_a_kernel_that_comes_second_uses_the_copy_of_the_first(tmp_path, monkeypatch) -> None:
    def overtaken(folder: Path) -> None:
        monkeypatch.setattr(fake_torchvision, "on_download", fake_torchvision.nothing)
        read_torchvision("mnist", tmp_path)  # another kernel, from start to end
        (tmp_path / "MNIST" / "raw" / "mark").touch()

    monkeypatch.setattr(fake_torchvision, "on_download", overtaken)
    read_torchvision("mnist", tmp_path)
    assert names(tmp_path) == ["MNIST"]
    assert (tmp_path / "MNIST" / "raw" / "mark").exists()


def test_a_good_copy_that_comes_between_look_and_move_stays(tmp_path: Path) -> None:
    target, staged, good = tmp_path / "MNIST", tmp_path / "staged", tmp_path / "good"
    half_a_data_set(tmp_path)
    for folder in (staged, good):
        folder.mkdir()
        (folder / "owner").write_text(folder.name)
    looks: list[bool] = []

    def is_whole(root: Path) -> bool:
        looks.append((target / "owner").exists())
        if len(looks) == 1:  # another kernel does all its work just after our first look
            target.replace(tmp_path / "MNIST-set-aside-by-another")
            good.replace(target)
        return looks[-1]

    sources._place(staged, target, is_whole)
    assert looks == [False, True, True]
    assert names(target) == ["owner"]
    assert (target / "owner").read_text() == "good"
    assert names(tmp_path) == ["MNIST", "MNIST-set-aside-by-another", "staged"]


@pytest.mark.parametrize("text", ["the user's", ""])
def test_a_damaged_data_set_is_set_aside_and_not_deleted(tmp_path: Path, text: str) -> None:
    half_a_data_set(tmp_path)
    (tmp_path / "MNIST" / "raw" / "train").write_text(text)
    (tmp_path / "MNIST" / "raw" / "test").write_text(text)
    read_torchvision("mnist", tmp_path)
    [aside] = tmp_path.glob("MNIST-set-aside-*")
    assert_whole(tmp_path, aside.name)
    assert (aside / "MNIST" / "raw" / "train").read_text() == text
    assert names(aside / "MNIST") == ["raw"]


FAILURES: dict[str, Exception] = {
    "no network": urllib.error.URLError("Name or service not known"),
    "torchvision's own": RuntimeError("Error downloading train-images-idx3-ubyte.gz"),
    "connection reset": ConnectionResetError("Connection reset by peer"),
    "cut short": http.client.IncompleteRead(b"half"),
    "disk full": OSError(28, "No space left on device"),
}


def failing(error: BaseException) -> Callable[[Path], None]:
    def fail(folder: Path) -> None:
        raise error

    return fail


@pytest.mark.parametrize("error", FAILURES.values(), ids=FAILURES)
def test_failing_download_says_what_where_and_two_ways_out(tmp_path, monkeypatch, error) -> None:
    monkeypatch.setattr(fake_torchvision, "on_download", failing(error))
    with pytest.raises(FileNotFoundError) as caught:
        read_torchvision("mnist", tmp_path)
    text = str(caught.value)
    assert f"The data set 'mnist' was looked for in {tmp_path / 'MNIST'} and is not there" in text
    assert str(error) in text
    assert f"copy the folder 'MNIST' from a machine that has it to {tmp_path}" in text
    assert "point DISTILL_DATA to where it is" in text
    assert "work with the digits" in text
    assert "unset DISTILL_DATASET" in text
    assert names(tmp_path) == []
    monkeypatch.setattr(fake_torchvision, "on_download", fake_torchvision.nothing)
    read_torchvision("mnist", tmp_path)  # the network is back
    assert_whole(tmp_path)


def test_failing_download_leaves_half_a_data_set_where_it_was(tmp_path, monkeypatch) -> None:
    half_a_data_set(tmp_path)
    monkeypatch.setattr(fake_torchvision, "on_download", failing(urllib.error.URLError("off")))
    with pytest.raises(FileNotFoundError, match="MNIST and is incomplete or damaged there"):
        read_torchvision("mnist", tmp_path)
    assert names(tmp_path) == ["MNIST"]
    assert (tmp_path / "MNIST" / "raw" / "train").read_text() == "the user's"


def test_interrupted_download_leaves_nothing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(fake_torchvision, "on_download", failing(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        read_torchvision("mnist", tmp_path)
    assert names(tmp_path) == []


def test_data_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileNotFoundError, match=r"file.MNIST and is not there; .*Two ways out"):
        read_torchvision("mnist", tmp_path / "file")


def test_data_set_that_cannot_be_put_in_its_place(tmp_path: Path, monkeypatch) -> None:
    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(FileNotFoundError, match="Permission denied.*Two ways out"):
        read_torchvision("mnist", tmp_path)
    assert names(tmp_path) == []


def test_every_named_data_set_is_one_that_torchvision_has(monkeypatch) -> None:
    monkeypatch.undo()
    import torchvision

    for class_name, folder in sources._TORCHVISION.values():
        made = getattr(torchvision.datasets, class_name)
        assert getattr(made, "base_folder", class_name) == folder


def test_colour_images_of_torchvision_become_channels_first() -> None:
    class Source:  # as CIFAR10 has them: an array (N, H, W, 3) and a list
        data = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
        targets = [1, 0]  # noqa: RUF012

    x, y = sources._tensors(Source)
    assert x.shape == (2, 3, 4, 5)
    assert x[1, 2, 3, 4] == torch.tensor(int(Source.data[1, 3, 4, 2]) / 255)
    assert y.tolist() == [1, 0]


# ---- Digits --------------------------------------------------------------------------------------


def test_digits_are_those_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    x, y, classes = read_digits()
    bunch = load_digits()
    np.testing.assert_allclose(x[:, 0].numpy() * 16, bunch.images)
    assert y.tolist() == bunch.target.tolist()
    assert x.min() == 0
    assert x.max() == 1
    assert classes == tuple("0123456789")


# ---- Folders -------------------------------------------------------------------------------------


def write(path: Path, mode: str = "L", size: tuple[int, int] = (6, 4), value: int = 51) -> None:
    """Write an image of `size` (width, height) whose brightness is `value` of 255."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, value).convert(mode).save(path)


def test_grey_folder_has_one_channel_and_sorted_classes(tmp_path: Path) -> None:
    for name, value in (("pear", 51), ("apple", 102), ("fig", 255)):
        write(tmp_path / name / "1.png", value=value)
        write(tmp_path / name / "2.PNG", "1" if name == "fig" else "L", value=value)
    write(tmp_path / ".hidden" / "1.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "readme.txt").write_text("no image")
    (tmp_path / "pear" / "notes.txt").write_text("no image")
    x, y, classes = read_folder(tmp_path)
    assert classes == ("apple", "fig", "pear")
    assert x.shape == (6, 1, 4, 6)
    assert y.tolist() == [0, 0, 1, 1, 2, 2]
    assert x[:, 0, 0, 0].tolist() == pytest.approx([0.4, 0.4, 1, 1, 0.2, 0.2])
    assert x.is_contiguous()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_one_colour_image_makes_three_channels(tmp_path: Path, mode: str) -> None:
    write(tmp_path / "a" / "1.png")
    write(tmp_path / "b" / "1.png", mode)
    x, _, _ = read_folder(tmp_path)
    assert x.shape == (2, 3, 4, 6)
    torch.testing.assert_close(x, torch.full_like(x, 0.2))


def test_channels_are_in_the_order_red_green_blue(tmp_path: Path) -> None:
    for name, colour in (("a", (255, 0, 0)), ("b", (0, 51, 102))):
        (tmp_path / name).mkdir()
        Image.new("RGB", (3, 2), colour).save(tmp_path / name / "1.png")
    x, _, _ = read_folder(tmp_path)
    assert x[0, :, 0, 0].tolist() == [1, 0, 0]
    assert x[1, :, 0, 0].tolist() == pytest.approx([0, 0.2, 0.4])


def test_all_images_take_the_size_of_the_first(tmp_path: Path) -> None:
    write(tmp_path / "a" / "1.png", size=(6, 4))
    write(tmp_path / "a" / "2.png", size=(12, 5))
    write(tmp_path / "b" / "1.jpg", size=(3, 9))
    x, _, _ = read_folder(tmp_path)
    assert x.shape == (3, 1, 4, 6)
    torch.testing.assert_close(x, torch.full_like(x, 0.2), atol=0.01, rtol=0)


def test_grey_with_transparency_is_grey(tmp_path: Path) -> None:
    write(tmp_path / "a" / "1.png", "LA")
    write(tmp_path / "b" / "1.png")
    assert read_folder(tmp_path)[0].shape == (2, 1, 4, 6)


def test_grey_of_sixteen_bits_is_scaled_and_not_cut_off(tmp_path: Path) -> None:
    write(tmp_path / "a" / "1.png")
    (tmp_path / "b").mkdir()
    ramp = np.array([[0, 0x3300, 0x6600, 0xFFFF]], dtype=np.uint16).repeat(4, 0)
    Image.fromarray(ramp).save(tmp_path / "b" / "1.png")
    x, _, _ = read_folder(tmp_path)
    assert x.shape[1] == 1
    assert x[1, 0, 0, [0, -1]].tolist() == [0, 1]
    assert 0.1 < x[1, 0, 0].median() < 0.6


def test_pixels_of_unknown_range(tmp_path: Path) -> None:
    write(tmp_path / "a" / "1.png")
    (tmp_path / "b").mkdir()
    Image.fromarray(np.ones((4, 6), dtype=np.float32)).save(tmp_path / "b" / "1.tif")
    with pytest.raises(ValueError, match=r"1\.tif is not .*type F, whose .* use 8 bits"):
        read_folder(tmp_path)


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"folder:.*nowhere does not exist. Write folder:P"):
        read_folder(tmp_path / "nowhere")


def test_one_class_alone(tmp_path: Path) -> None:
    write(tmp_path / "a" / "1.png")
    (tmp_path / "b").mkdir()
    with pytest.raises(ValueError, match="holds 1 folders with images; .* at least two, one per c"):
        read_folder(tmp_path)


def test_text_that_says_it_is_an_image(tmp_path: Path) -> None:
    write(tmp_path / "a" / "1.png")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "fake.png").write_text("no image")
    with pytest.raises(ValueError, match=r"fake\.png is not a readable image \(.*\); remove it"):
        read_folder(tmp_path)


@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "bmp"])
def test_damaged_image_is_named(tmp_path: Path, ending: str) -> None:
    write(tmp_path / "a" / "1.png")
    whole = tmp_path / "b" / f"2.{ending}"
    write(whole, "L", size=(60, 40))
    content = whole.read_bytes()
    read_folder(tmp_path)
    refused = 0
    for keep in range(0, len(content), max(1, len(content) // 25)):  # cut short
        refused += _refused(whole, content[:keep])
    for place in range(0, len(content), max(1, len(content) // 25)):  # one byte is another
        refused += _refused(whole, content[:place] + b"\xff\x00" + content[place + 2 :])
    assert refused >= 10


def _refused(path: Path, content: bytes) -> bool:
    path.write_bytes(content)
    try:
        read_folder(path.parents[1])
    except ValueError as error:
        return f"{path} is not a readable image (" in str(error)
    return False  # what Pillow can still read is not damaged enough
