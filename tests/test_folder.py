"""Folders of images: what cameras, scanners and drawing programs write; what is refused by name."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from distill_lessons import data
from distill_lessons.sources import folder, picture
from distill_lessons.sources.find import find


def write(path: Path, mode: str = "L", size: tuple[int, int] = (6, 4), value: int = 51) -> None:
    """Write an image of `size` (width, height) whose brightness is `value` of 255."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, value).convert(mode).save(path)


def two_classes(root: Path, **options) -> Path:
    """Write an image of class a, and return the folder of class b."""
    write(root / "a" / "1.png", **options)
    (root / "b").mkdir()
    return root / "b"


def read(root: Path, side: int | None = None) -> tuple[torch.Tensor, torch.Tensor, tuple[str, ...]]:
    (x, y), own_test, classes = folder.read(root, side)
    assert own_test is None
    assert x.dtype == torch.float32
    assert x.is_contiguous()
    assert 0 <= x.min() <= x.max() <= 1
    return x, y, classes


# ---- Classes and files ---------------------------------------------------------------------------


def test_grey_folder_has_one_channel_and_sorted_classes(tmp_path: Path) -> None:
    for name, value in (("pear", 51), ("apple", 102), ("fig", 255)):
        write(tmp_path / name / "1.png", value=value)
        write(tmp_path / name / "2.PNG", "1" if name == "fig" else "L", value=value)
    write(tmp_path / ".hidden" / "1.png")
    x, y, classes = read(tmp_path)
    assert classes == ("apple", "fig", "pear")
    assert x.shape == (6, 1, 4, 6)
    assert y.tolist() == [0, 0, 1, 1, 2, 2]
    assert x[:, 0, 0, 0].tolist() == pytest.approx([0.4, 0.4, 1, 1, 0.2, 0.2])


def test_classes_and_files_have_one_order_on_every_system(tmp_path: Path) -> None:
    for name in ("cherry", "Banana", "apple", "e\u0301clair", "zebra"):  # e and an accent, as macOS
        for value, file in enumerate(("B.png", "a.png", "C.png")):
            write(tmp_path / name / file, value=value)
    x, _, classes = read(tmp_path)
    assert classes == ("apple", "Banana", "cherry", "zebra", "\u00e9clair")
    assert (x[:3, 0, 0, 0] * 255).round().tolist() == [1, 0, 2]


def test_hidden_files_are_skipped(tmp_path: Path) -> None:
    write(tmp_path / "a" / "photo.jpg")
    write(tmp_path / "b" / "photo.jpg")
    for name in ("a", "b"):
        (tmp_path / name / "._photo.jpg").write_bytes(b"\0\5\x16\7 of a Mac")
    (tmp_path / "__MACOSX" / "a").mkdir(parents=True)
    (tmp_path / "__MACOSX" / "a" / "._photo.jpg").write_bytes(b"\0\5\x16\7")
    x, _, classes = read(tmp_path)
    assert (len(x), classes) == (2, ("a", "b"))


def test_what_is_left_out_is_said(tmp_path: Path, capsys) -> None:
    for name in ("a", "b"):
        write(tmp_path / name / "1.png")
        (tmp_path / name / "2.HEIC").write_bytes(b"a phone's")
    (tmp_path / "a" / "notes.txt").write_text("no image")
    (tmp_path / "a" / "README").write_text("no image")
    (tmp_path / "readme.txt").write_text("no image")
    (tmp_path / "empty").mkdir()
    write(tmp_path / "stray.png")
    assert len(read(tmp_path)[0]) == 2
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.startswith(f"folder:{tmp_path}: left out: 2 .heic, ")
    for part in ("1 .txt", "1 without ending", "1 in no class's folder"):
        assert part in said
    assert "1 folder without images (empty)" in said


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"folder:.*nowhere does not exist. Write folder:P"):
        read(tmp_path / "nowhere")


def test_one_class_alone(tmp_path: Path) -> None:
    two_classes(tmp_path)
    with pytest.raises(ValueError, match="holds 1 folders with images; .* at least two, one per c"):
        read(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_that_would_never_end(tmp_path: Path) -> None:
    os.mkfifo(two_classes(tmp_path) / "2.png")
    with pytest.raises(ValueError, match=r"2\.png is not a file that can be read; remove it"):
        read(tmp_path)


def test_a_link_to_nothing_and_a_folder_named_like_an_image(tmp_path: Path) -> None:
    place = two_classes(tmp_path) / "2.png"
    place.symlink_to(tmp_path / "nothing")
    with pytest.raises(ValueError, match=r"2\.png is not a file that can be read; remove it"):
        read(tmp_path)
    place.unlink()
    place.mkdir()
    with pytest.raises(ValueError, match=r"2\.png is not a file that can be read; remove it"):
        read(tmp_path)


@pytest.mark.parametrize("place", ["b/red/1.png", "train/a/1.png", "b/x/y/1.png"])
def test_images_in_nested_folders_are_refused_not_dropped(tmp_path: Path, place: str) -> None:
    two_classes(tmp_path)
    write(tmp_path / place)
    with pytest.raises(ValueError, match="lies one folder too deep and would be dropped"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["$\\frac$", "line\nbreak", "\udcff", "US$"])
def test_a_class_that_no_figure_can_name(tmp_path: Path, name: str) -> None:
    two_classes(tmp_path)
    try:
        write(tmp_path / name / "1.png")
    except (OSError, UnicodeError):
        pytest.skip("this file system does not allow the name")
    with pytest.raises(ValueError, match="cannot be the name of a class: .* Rename the folder"):
        read(tmp_path)


def test_two_classes_that_read_the_same(tmp_path: Path) -> None:
    for name in ("\u00e9", "e\u0301"):
        write(tmp_path / name / "1.png")
    if len(list(tmp_path.iterdir())) == 1:
        pytest.skip("this file system takes both names for one")
    with pytest.raises(ValueError, match=r"two folders whose names read '\u00e9'; rename one"):
        read(tmp_path)


# ---- Colours, transparency, orientation ----------------------------------------------------------


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_one_colour_image_makes_three_channels(tmp_path: Path, mode: str, capsys) -> None:
    write(two_classes(tmp_path) / "1.png", mode)
    x, _, _ = read(tmp_path)
    assert x.shape == (2, 3, 4, 6)
    torch.testing.assert_close(x, torch.full_like(x, 0.2))
    assert "transparent" not in capsys.readouterr().out


def test_channels_are_in_the_order_red_green_blue(tmp_path: Path) -> None:
    for name, colour in (("a", (255, 0, 0)), ("b", (0, 51, 102))):
        (tmp_path / name).mkdir()
        Image.new("RGB", (5, 4), colour).save(tmp_path / name / "1.png")
    x, _, _ = read(tmp_path)
    assert x[0, :, 0, 0].tolist() == [1, 0, 0]
    assert x[1, :, 0, 0].tolist() == pytest.approx([0, 0.2, 0.4])


def test_grey_with_transparency_is_grey(tmp_path: Path) -> None:
    write(two_classes(tmp_path) / "1.png", "LA")
    assert read(tmp_path)[0].shape == (2, 1, 4, 6)


@pytest.mark.parametrize("mode", ["LA", "RGBA", "P", "L"])
def test_strokes_on_a_transparent_ground_lie_on_white(tmp_path: Path, mode: str, capsys) -> None:
    place = two_classes(tmp_path) / "1.png"
    if mode in ("LA", "RGBA"):
        image = Image.new(mode, (6, 4))  # black and wholly transparent
        image.paste(Image.new(mode, (2, 4), "black"), (0, 0))
        image.save(place)
    else:  # one value, or one entry of the palette, is declared transparent
        image = Image.new(mode, (6, 4), 7)
        image.paste(3, (0, 0, 2, 4))
        if mode == "P":
            image.putpalette([0] * 768)
        image.save(place, transparency=7)
    x, _, _ = read(tmp_path)
    assert x[1, :, :, 2:].min() == 1
    assert x[1, :, :, :2].max() == pytest.approx(3 / 255 if mode == "L" else 0)
    assert "images with transparent parts, now on white: 1." in capsys.readouterr().out


def test_half_transparent_is_half_way_to_white(tmp_path: Path) -> None:
    Image.new("RGBA", (6, 4), (255, 0, 0, 102)).save(two_classes(tmp_path) / "1.png")
    assert read(tmp_path)[0][1, :, 0, 0].tolist() == pytest.approx([1, 0.6, 0.6], abs=0.005)


ORIENTED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,  # what undoes the turn that the entry asks for
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("kind", ["png", "jpg", "tif", "webp"])
@pytest.mark.parametrize("orientation", ORIENTED)
def test_pictures_stand_upright(tmp_path: Path, kind: str, orientation: int) -> None:
    upright = Image.new("RGB", (24, 16), "white")
    upright.paste("black", (0, 0, 8, 8))  # top left
    turn = ORIENTED[orientation]
    stored = upright if turn is None else upright.transpose(turn)
    entry = Image.Exif()
    entry[picture.ORIENTATION] = orientation
    place = two_classes(tmp_path, size=(24, 16))
    stored.save(place / f"1.{kind}", exif=entry, **({"lossless": True} if kind == "webp" else {}))
    assert picture.size(place / f"1.{kind}") == (24, 16)
    x, _, _ = read(tmp_path)
    assert x.shape == (2, 3, 16, 24)
    expected = torch.ones(3, 16, 24)
    expected[:, :8, :8] = 0
    torch.testing.assert_close(x[1], expected, atol=0.1, rtol=0)


def test_an_orientation_that_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    place = two_classes(tmp_path) / "1.jpg"
    Image.new("L", (6, 4), 51).save(place, exif=b"Exif\0\0nonsense")
    torch.testing.assert_close(read(tmp_path)[0][1, 0], torch.full((4, 6), 0.2), atol=0.01, rtol=0)


# ---- Sixteen bits --------------------------------------------------------------------------------


def sixteen_bits(pixels: np.ndarray) -> bytes:
    """Return a PNG of 16 bits: grey, or colour for pixels (H, W, 3), which Pillow cannot write."""
    h, w, *colour = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", w, h, 16, 2 if colour else 0, 0, 0, 0)
    chunks = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_grey_of_sixteen_bits_is_scaled_by_the_bits_in_use(
    tmp_path: Path, bits: int, capsys
) -> None:
    white = 2**bits - 1
    ramp = (np.arange(24).reshape(4, 6) / 23 * white).round()
    (two_classes(tmp_path) / "1.png").write_bytes(sixteen_bits(ramp))
    (tmp_path / "b" / "2.png").write_bytes(sixteen_bits(ramp // 2))  # darker, by the same scale
    x, _, _ = read(tmp_path)
    assert x.shape == (3, 1, 4, 6)
    np.testing.assert_allclose(x[0], 0.2, atol=1e-6)
    np.testing.assert_allclose(x[1, 0], ramp / white, atol=1e-6)
    np.testing.assert_allclose(x[2, 0], (ramp // 2) / white, atol=1e-6)
    assert f"images of 16 bits, whose white is {white:,}: 2." in capsys.readouterr().out


def test_grey_of_sixteen_bits_beside_colour(tmp_path: Path) -> None:
    write(tmp_path / "a" / "1.png", "RGB")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "1.png").write_bytes(sixteen_bits(np.full((4, 6), 65535)))
    x, _, _ = read(tmp_path)
    assert x.shape == (2, 3, 4, 6)
    assert x[1].unique().tolist() == [1]


def test_colour_of_sixteen_bits(tmp_path: Path) -> None:
    place = two_classes(tmp_path) / "1.png"
    place.write_bytes(sixteen_bits(np.full((4, 6, 3), (0x3300, 0x3300, 0x9900))))
    place.with_name("2.png").write_bytes(sixteen_bits(np.full((4, 6, 3), 0xFFFF)))
    assert read(tmp_path)[0][1, :, 0, 0].tolist() == pytest.approx([0.2, 0.2, 0.6])
    # Of 12 bits Pillow leaves 16 shades.
    place.with_name("2.png").unlink()
    place.write_bytes(sixteen_bits(np.full((4, 6, 3), 4095)))
    with pytest.raises(
        ValueError, match=r"1\.png has 16 bits a channel, .* end at 4095: .* 8 bits"
    ):
        read(tmp_path)


def test_pixels_of_unknown_range(tmp_path: Path) -> None:
    Image.fromarray(np.ones((4, 6), dtype=np.float32)).save(two_classes(tmp_path) / "1.tif")
    with pytest.raises(ValueError, match=r"1\.tif is not .*type F, whose .* use 8 bits"):
        read(tmp_path)


# ---- Sizes ---------------------------------------------------------------------------------------


def test_all_images_take_the_size_in_the_middle(tmp_path: Path) -> None:
    write(tmp_path / "a" / "1.png", size=(12, 10))
    write(tmp_path / "a" / "2.png", size=(6, 4))
    write(tmp_path / "b" / "1.jpg", size=(3, 9))
    x, _, _ = read(tmp_path)
    assert x.shape == (3, 1, 9, 3)
    torch.testing.assert_close(x, torch.full_like(x, 0.2), atol=0.01, rtol=0)


def test_a_huge_first_image_enlarges_no_other(tmp_path: Path) -> None:
    write(tmp_path / "a" / "0.png", size=(3000, 2000))
    for i in range(1, 4):
        write(tmp_path / "b" / f"{i}.png", size=(8, 8))
    assert read(tmp_path)[0].shape == (4, 1, 8, 8)


@pytest.mark.parametrize(
    ("size", "side", "shape"),
    [
        ((28, 28), None, (28, 28)),
        ((640, 480), None, (24, 32)),
        ((480, 640), None, (32, 24)),
        ((640, 480), 64, (48, 64)),
        ((8, 8), 16, (16, 16)),
        ((4000, 10), None, (1, 32)),
    ],
)
def test_the_longer_side_has_at_most_32_pixels_or_as_many_as_asked_for(
    tmp_path: Path, size: tuple[int, int], side: int | None, shape: tuple[int, int]
) -> None:
    write(two_classes(tmp_path, size=size) / "1.png", size=size)
    query = f"?size={side}" if side else ""
    source = find(f"folder:{tmp_path}{query}")
    assert source.reader(source, Path()).train[0].shape == (2, 1, *shape)


@pytest.mark.parametrize("size", ["", "0", "3", "513", "-8", "8.5", "big", "8x8", "²"])
def test_a_size_that_means_nothing(size: str) -> None:
    with pytest.raises(ValueError, match=r"asks for size=.*; .* whole number from 4 to 512, as in"):
        find(f"folder:fruit?size={size}")


def test_photographs_cost_no_more_than_one_at_a_time(tmp_path: Path, capsys) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    photo, body = Image.fromarray(noise).resize((2000, 1500)), io.BytesIO()
    photo.save(body, "JPEG", quality=70)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(10):
            (tmp_path / name / f"{i}.jpg").write_bytes(body.getvalue())
    tracemalloc.start()  # numpy's arrays; Pillow's pixels are counted below
    x, _, _ = read(tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert x.shape == (20, 3, 24, 32)
    assert peak < 5e6
    said = f"folder:{tmp_path}: 20 images of 24×32 pixels, at most 1 MB. Another size: "
    assert capsys.readouterr().out.startswith(said)
    # Averages of the whole photograph: what a thumbnail is.
    expected = np.asarray(photo.resize((32, 24), Image.Resampling.BOX)) / 255
    assert np.abs(x[0].permute(1, 2, 0).numpy() - expected).mean() < 0.02


def test_a_photograph_is_decoded_at_a_fraction_of_its_size(tmp_path: Path, monkeypatch) -> None:
    loaded: list[tuple[int, int]] = []
    turn = picture._turn_upright

    def noting(image: Image.Image) -> None:
        loaded.append(image.size)
        turn(image)

    monkeypatch.setattr(picture, "_turn_upright", noting)
    write(tmp_path / "a" / "1.jpg", size=(4000, 3000))
    write(tmp_path / "b" / "1.jpg", size=(4000, 3000))
    read(tmp_path)
    assert loaded == [(500, 375)] * 2  # an eighth, the least that the format allows


def test_more_than_fits_into_memory_is_refused_before_the_first_is_decoded(
    tmp_path: Path, monkeypatch
) -> None:
    free = type("Free", (), {"available": 10_000})
    monkeypatch.setattr("psutil.virtual_memory", lambda: free)
    monkeypatch.setattr(picture, "read", lambda *a: pytest.fail("decoded"))
    write(two_classes(tmp_path, size=(40, 40)) / "1.png", size=(40, 40))
    expected = r"would need 0\.\d GB of memory and .* are free: .*smaller size, as in folder:.*"
    with pytest.raises(ValueError, match=expected):
        read(tmp_path)


def test_an_image_of_too_many_pixels_is_named(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    for size in ((120, 120), (300, 300)):  # where Pillow warns, and where it refuses
        write(two_classes(tmp_path / str(size)) / "2.png", size=size)
        with pytest.raises(ValueError, match=r"2\.png has more than 0 million pixels; make it sm"):
            read(tmp_path / str(size))


# ---- Damage --------------------------------------------------------------------------------------


def test_text_that_says_it_is_an_image(tmp_path: Path) -> None:
    (two_classes(tmp_path) / "fake.png").write_text("no image")
    with pytest.raises(ValueError, match=r"fake\.png is not a readable image \(.*\); remove it"):
        read(tmp_path)


@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "bmp", "tif", "webp"])
def test_damaged_image_is_named(tmp_path: Path, ending: str) -> None:
    whole = two_classes(tmp_path) / f"2.{ending}"
    write(whole, "L", size=(60, 40))
    content = whole.read_bytes()
    read(tmp_path)
    refused = 0
    for keep in range(0, len(content), max(1, len(content) // 25)):  # cut short
        refused += _refused(whole, content[:keep])
    for place in range(0, len(content), max(1, len(content) // 25)):  # one byte is another
        refused += _refused(whole, content[:place] + b"\xff\x00" + content[place + 2 :])
    assert refused >= 10


def _refused(path: Path, content: bytes) -> bool:
    path.write_bytes(content)
    try:
        read(path.parents[1])
    except ValueError as error:
        return str(path) in str(error)
    return False  # what Pillow can still read is not damaged enough


# ---- As a data set -------------------------------------------------------------------------------


def test_a_folder_becomes_a_data_set(tmp_path: Path, monkeypatch) -> None:
    for k, name in enumerate(("plum", "Apple", "fig")):
        for i in range(10):
            write(tmp_path / name / f"{i}.png", value=20 * k + i)
    found = data.load(f"folder:{tmp_path}")
    assert found.classes == ("Apple", "fig", "plum")
    assert found.image_shape == (1, 4, 6)
    assert [len(s) for s in (found.train, found.valid, found.test)] == [21, 3, 6]
    parts = (found.train, found.valid, found.test)
    pixels = [round(255 * v) for s in parts for v in s.x[:, 0, 0, 0].tolist()]
    assert sorted(pixels) == [20 * k + i for k in range(3) for i in range(10)]
    monkeypatch.setenv("HOME", str(tmp_path.parent))
    assert torch.equal(data.load(f"folder:~/{tmp_path.name}").test.x, found.test.x)
    assert data.load(f"folder:{tmp_path}?size=12").image_shape == (1, 8, 12)
