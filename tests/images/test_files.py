"""Any pile of images comes out as torchvision would prepare it, or with one clear line."""

import gzip
import io
import os
import random
import re
import shutil
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from helpers.pictures import picture, save_images, zip_folder
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, Resize

from dcgan_lib.images import files, lists

pytestmark = pytest.mark.filterwarnings("error")  # a warning that no test expects is one that a user would see


@pytest.mark.parametrize(("channels", "size"), [(1, 32), (3, 32), (3, 33)])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "CMYK"])
def test_equals_torchvisions_resize_and_centre_crop(tmp_path, ready, mode, channels, size):
    sizes = np.random.default_rng(1).integers(1, 120, (30, 2)).tolist()
    folder = tmp_path / "images"
    folder.mkdir()
    for i, sides in enumerate([*sizes, [32, 32], [178, 218], [5, 400], [31, 33]]):
        image = Image.fromarray(picture(*sides, seed=i)).convert(mode)
        image.save(folder / (f"{i:03d}.jpg" if mode == "CMYK" else f"{i:03d}.png"))
    got = ready(folder, image_size=size, channels=channels).images
    reference = Compose([Resize(size), CenterCrop(size)])
    for path, ours in zip(sorted(folder.iterdir()), got, strict=True):
        theirs = np.asarray(reference(Image.open(path).convert("RGB").convert("L" if channels == 1 else "RGB")))
        np.testing.assert_array_equal(ours, theirs.reshape(size, size, channels).transpose(2, 0, 1))
    if mode == "L":
        assert (got == got[:, :1]).all()  # three equal channels
    assert got.std() > 20


def test_sixteen_bits_are_scaled_not_clipped(tmp_path, ready):
    folder = tmp_path / "deep"
    folder.mkdir()
    ramp = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    Image.fromarray(ramp).save(folder / "grey.png")
    (folder / "grey.pgm").write_bytes(b"P5 8 8 65535\n" + ramp.astype(">u2").tobytes())
    (folder / "colour.ppm").write_bytes(b"P6 8 8 65535\n" + np.stack([ramp] * 3, -1).astype(">u2").tobytes())
    for image in ready(folder).images:
        np.testing.assert_allclose(image, np.broadcast_to(ramp / 257, (3, 8, 8)), atol=1)


def test_every_format_transparency_and_rotation(tmp_path, ready):
    folder = tmp_path / "formats"
    folder.mkdir()
    pixels = picture(8, 8)
    image = Image.fromarray(pixels)
    for name in ("a.PNG", "b.bmp", "c.ppm"):
        image.save(folder / name)
    image.save(folder / "d.webp", lossless=True)
    alpha = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    Image.fromarray(np.dstack([pixels, alpha])).save(folder / "e.png")
    palette = Image.fromarray(np.tile(np.uint8([0, 1]), (8, 4)))
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.save(folder / "f.png", transparency=0)
    turned = Image.Exif()
    turned[0x0112] = 6  # stored lying on its left side: viewers turn it a quarter clockwise
    Image.fromarray(np.rot90(pixels)).save(folder / "g.png", exif=turned)

    prepared = ready(folder)
    assert prepared.names == ["a.PNG", "b.bmp", "c.ppm", "d.webp", "e.png", "f.png", "g.png"]
    exact = pixels.transpose(2, 0, 1)
    for i in (0, 1, 2, 3, 6):
        np.testing.assert_array_equal(prepared.images[i], exact)
    share = alpha / 255
    np.testing.assert_allclose(prepared.images[4], exact * share + 255 * (1 - share), atol=1)
    assert prepared.images[5][:, 0, :2].T.tolist() == [[255, 255, 255], [0, 0, 255]]


def test_every_kind_of_source_gives_the_same_images(tmp_path, ready):
    flat = save_images(tmp_path / "flat" / "img_align_celeba", 4)
    tree = tmp_path / "tree"
    for i, file in enumerate(sorted(flat.iterdir())):
        (tree / f"class{i // 2}").mkdir(parents=True, exist_ok=True)
        shutil.copy(file, tree / f"class{i // 2}")
    official = tmp_path / "celeba" / "img_align_celeba.zip"
    official.parent.mkdir()
    zip_folder(flat, official, prefix="img_align_celeba/")
    shutil.copytree(flat, official.parent / "img_align_celeba")  # torchvision leaves both
    Image.fromarray(picture(9, 9)).save(official.parent / "preview.png")
    deep = tmp_path / "deep" / "down"
    deep.mkdir(parents=True)
    windows = zip_folder(flat, deep / "any.zip", prefix="a\\b\\")
    tarred = tmp_path / "images.tar"
    with tarfile.open(tarred, "w") as archive:
        archive.add(flat, "./faces")

    expected = ready(flat)
    assert expected.images.shape == (4, 3, 8, 8)
    assert expected.images.dtype == np.uint8
    assert len(expected) == 4
    assert expected.names == [f"{i:06d}.png" for i in range(1, 5)]
    assert expected.attribute_names == []
    assert expected.attributes.shape == (4, 0)
    assert expected.partition.tolist() == [-1] * 4
    small = zip_folder(flat, tmp_path / "small.zip", compression=zipfile.ZIP_DEFLATED)
    for source in (flat.parent, tree, official, official.parent, windows, deep.parent, str(deep), small, tarred):
        np.testing.assert_array_equal(ready(source).images, expected.images)
    assert ready(tree).names[0] == "class0/000001.png"
    assert ready(official.parent).names[0] == "img_align_celeba/000001.png"
    assert ready(windows).names[0] == "a/b/000001.png"
    assert ready(tarred).names[0] == "faces/000001.png"
    assert not list(deep.glob("*.png"))  # no zip was extracted


def test_litter_and_loops_do_not_count(tmp_path, ready):
    folder = save_images(tmp_path / "mac", 3)
    for name in ("__MACOSX/._000001.png", "._000002.png", ".DS_Store", ".hidden/000009.png", "notes.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"litter")
    packed = zip_folder(folder, tmp_path / "mac.zip")
    (folder / "again").symlink_to(folder)
    for source in (folder, packed):
        assert ready(source).names == ["000001.png", "000002.png", "000003.png"]
        assert ready(source).skipped == []


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [("tif", "TIFF"), ("gif", "GIF"), ("jfif", "JPEG"), ("jpe", "JPEG"), ("pbm", "PPM"), ("avif", "AVIF")],
)
def test_other_suffixes_and_kinds_are_read(tmp_path, ready, suffix, kind):
    folder = tmp_path / "images"
    folder.mkdir()
    frames = [Image.fromarray(picture(8, 8, seed=i)) for i in range(3)]
    for i in range(3):
        more = {"save_all": True, "append_images": frames} if kind in ("GIF", "TIFF") else {}
        frames[i].convert("1" if suffix == "pbm" else "RGB").save(folder / f"{i}.{suffix}", kind, **more)
    prepared = ready(folder)
    assert len(prepared) == 3
    for i in range(3):  # of several frames the first
        expected = frames[i].convert("1").convert("RGB") if suffix == "pbm" else frames[i]
        error = np.abs(prepared.images[i].astype(int) - np.asarray(expected).transpose(2, 0, 1))
        assert error.mean() < {"JPEG": 30, "AVIF": 30, "GIF": 20}.get(kind, 1)


def test_what_is_not_taken_is_counted_by_suffix(tmp_path, ready):
    folder = save_images(tmp_path / "images", 20)
    for i in range(8):
        (folder / f"{i}.HEIC").write_bytes(b"a photo")
    for name in ("IMG_1", "IMG_2", "tree.psd", "README.md", "labels.csv"):
        (folder / name).write_bytes(b"something")
    os.mkfifo(folder / "odd.jpg")  # who opened it would wait for ever
    packed = zip_folder(save_images(tmp_path / "packed", 2), tmp_path / "packed.zip")
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("a.heic", b"a photo")
    with pytest.warns(
        UserWarning, match=r"not taken: 8 \.heic, 2 without a suffix, 1 \.psd, 1 that are a pipe, .* device; images are"
    ) as said:
        assert len(ready(folder)) == 20
    assert len(said) == 1
    with pytest.warns(UserWarning, match=r"packed\.zip also holds files that are not taken: 1 \.heic"):
        assert len(ready(packed)) == 2


def test_max_images_of_several_folders_is_a_sample_of_all(tmp_path, ready):
    for kind in ("cat", "dog", "wild"):
        save_images(tmp_path / "animals" / kind, 60)
    some, again = (ready(tmp_path / "animals", max_images=60) for _ in range(2))
    kinds = [name.partition("/")[0] for name in some.names]
    assert min(kinds.count(kind) for kind in ("cat", "dog", "wild")) >= 10
    assert some.names == sorted(some.names) == again.names


def test_a_sample_of_many_folders_is_the_same_as_ever():
    names = [f"{i % 7}/{i:06d}.png" for i in range(40_000)]
    source = files.Source(Path(), names, [(0, 0)] * len(names), None, {})
    ordered = sorted(names)
    for count in (2, 5, 100, 300):
        kept = random.Random(0).sample(ordered, count)  # as up to 0.8, where they were looked up one by one
        assert source.first(count).names == sorted(kept)


def test_max_images_of_one_folder_takes_the_first_by_name(tmp_path, ready):
    folder = save_images(tmp_path / "images", 6)
    every, some = ready(folder), ready(folder, max_images=3)
    np.testing.assert_array_equal(some.images, every.images[:3])
    assert some.names == every.names[:3]
    assert some.fingerprint != every.fingerprint
    assert len(ready(folder, max_images=100)) == 6


def bomb():
    """A PNG of 41 bytes that promises 50,000 × 50,000 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + header
        + struct.pack(">I", zipfile.crc32(header))
        + bytes(4)
        + b"IDAT"
    )


def add_bad_images(folder):
    (folder / "000010a.png").write_bytes((folder / "000010.png").read_bytes()[:-150])
    (folder / "000020a.jpg").write_bytes(b"")
    (folder / "000030a.png").write_bytes(bomb())
    (folder / "000040a.ppm").write_bytes(b"P6 10000 10000 255\n")  # Pillow itself would only warn of this many
    (folder / "000050a.jpg").write_bytes(b"<!DOCTYPE html>")
    Image.new("L", (900, 1)).save(folder / "000060a.png")
    (folder / "000070a.png").symlink_to(folder / "nowhere.png")


def test_bad_images_are_skipped_named_and_counted(tmp_path, ready):
    folder = save_images(tmp_path / "images", 140)
    expected = np.array(ready(folder).images)
    add_bad_images(folder)
    with pytest.warns(UserWarning, match=r"7 of 147 images in .* left out: 000010a.png \(.*; …$") as caught:
        prepared = ready(folder)
    assert len(caught) == 1
    np.testing.assert_array_equal(prepared.images, expected)
    assert prepared.names == [f"{i:06d}.png" for i in range(1, 141)]
    reasons = dict(prepared.skipped)
    for name, reason in {
        "000010a.png": "truncated|broken",
        "000020a.jpg": "empty",
        "000030a.png": "50000x50000 pixels take 7152 MB of memory, more than 1024",
        "000040a.ppm": "truncated",
        "000050a.jpg": "not a JPEG",
        "000060a.png": "900x1 pixels: too oblong",
        "000070a.png": "No such file",
    }.items():
        assert any(word in reasons[name] for word in reason.split("|")), reasons[name]
    assert ready(folder).skipped == prepared.skipped  # without a second warning


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize(
    ("damage", "reason"),
    [({80: 255}, "Bad CRC-32|Error -3"), ({0: 255}, "Bad magic number"), ({6: 1, 8: 1}, "protected by a password")],
    ids=["contents", "header", "encrypted"],
)
def test_damaged_member_of_a_zip_is_skipped(tmp_path, ready, compression, damage, reason):
    folder = save_images(tmp_path / "images", 30)
    packed = zip_folder(folder, tmp_path / "images.zip", compression=compression)
    content = bytearray(packed.read_bytes())
    for place, bits in damage.items():  # from the first member's header on; 8 is in its row of the zip's list
        content[place + (content.index(b"PK\1\2") if place == 8 else 0)] ^= bits
    packed.write_bytes(content)
    with pytest.warns(UserWarning, match=rf"1 of 30 .* 000001.png \(.*({reason})"):
        prepared = ready(packed)
    np.testing.assert_array_equal(prepared.images, ready(folder).images[1:])


def test_members_are_found_behind_headers_of_any_length(tmp_path, ready):
    folder = save_images(tmp_path / "images", 4)
    with zipfile.ZipFile(tmp_path / "any.zip", "w") as archive:
        for i, file in enumerate(sorted(folder.iterdir())):
            with archive.open(file.name, "w", force_zip64=i % 2 == 1) as member:  # 20 bytes that the list knows not of
                member.write(file.read_bytes())
    np.testing.assert_array_equal(ready(tmp_path / "any.zip").images, ready(folder).images)


def test_a_zip_that_goes_away_on_the_way_cannot_be_read(tmp_path, ready, monkeypatch):
    packed = zip_folder(save_images(tmp_path / "images", 30), tmp_path / "images.zip")
    read_labels = lists.read_labels
    monkeypatch.setattr(lists, "read_labels", lambda *lists: (packed.unlink(), read_labels(*lists))[1])
    with pytest.raises(ValueError, match=r"images\.zip cannot be read any more: No such file"):
        ready(packed)


def test_too_many_bad_images_are_an_error_and_nothing_is_cached(tmp_path, ready):
    folder = save_images(tmp_path / "images", 40)
    for i in (5, 6, 7):
        (folder / f"{i:06d}.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"3 of the first 7 .* more than 5% of all 40: 000005.png \(not a JPEG"):
        ready(folder)
    assert [p.name for p in (tmp_path / "cache").iterdir()] == [".lock"]


def test_a_source_that_holds_nothing_says_so(tmp_path, ready):
    with pytest.raises(FileNotFoundError, match=r"no data at .*nowhere.*data/README\.md"):
        ready(tmp_path / "nowhere")
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "notes.txt").write_text("no image")
    with pytest.raises(ValueError, match=r"empty holds no images \(JPEG, PNG, .*at least two"):
        ready(empty)
    with pytest.raises(ValueError, match=r"empty\.zip holds no images \(JPEG"):
        ready(zip_folder(empty, tmp_path / "empty.zip"))
    one = save_images(tmp_path / "one", 1)
    with pytest.raises(ValueError, match="one holds only one image"):
        ready(one)
    zip_folder(one, one / "rest.zip")
    with pytest.raises(ValueError, match=r"one loose image, but also .*rest\.zip"):
        ready(one)
    for name in ("a.zip", "b.zip"):
        zip_folder(one, empty / name)
    with pytest.raises(ValueError, match=r"holds 2 archives \(a\.zip, b\.zip\): name one"):
        ready(empty)
    with pytest.raises(ValueError, match="max_images=1: "):
        ready(save_images(tmp_path / "two", 2), max_images=1)
    with pytest.raises(ValueError, match="channels=4"):
        ready(tmp_path / "two", channels=4)


def npz():
    """A file of NumPy's arrays, which is a zip."""
    file = io.BytesIO()
    np.savez(file, images=np.zeros((4, 8, 8, 3), np.uint8))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda whole: whole[: len(whole) // 2], r"is a zip that was cut short \(File is not a zip file\): download"),
        (lambda whole: b"", r"is empty: download it again"),
        (lambda whole: b"any text", r"is not a zip or a tar, or one cut short .*: see whether"),
        (lambda whole: b"7z\xbc\xaf\x27\x1c" + bytes(90), r"is a 7z archive, not a zip or a tar: unpack it"),
        (lambda whole: b"PAR1" + bytes(90) + b"PAR1", r"is a parquet table, not .*: write its images as files"),
        (lambda whole: npz(), r"holds arrays of NumPy's: write its images as files"),
        (lambda whole: gzip.compress(whole), r"is packed with gzip, not .*: unpack it"),
        (lambda whole: b"<!DOCTYPE html><html>Quota exceeded", r"a web page, .*quota.*data/README\.md"),
    ],
)
def test_a_file_that_is_no_whole_zip_is_refused(tmp_path, ready, content, message):
    packed = zip_folder(save_images(tmp_path / "images", 4), tmp_path / "images.zip")
    packed.write_bytes(content(packed.read_bytes()))
    with pytest.raises(ValueError, match=message):
        ready(packed)


def test_a_zip_packed_by_another_method_is_told_in_one_line(tmp_path, ready):
    packed = zip_folder(save_images(tmp_path / "images", 4), tmp_path / "images.zip")
    data = bytearray(packed.read_bytes())
    for mark, at in ((b"PK\3\4", 8), (b"PK\1\2", 10)):  # before each member, and in the list at the end
        for found in re.finditer(mark, bytes(data)):
            data[found.start() + at] = 9  # Deflate64
    packed.write_bytes(data)
    with pytest.raises(ValueError, match=r"cannot be read.*\(packed by a method that is not read here: pack") as error:
        ready(packed)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["../out.png", "a/../../out.png", "/etc/out.png", "C:/out.png", "..\\out.png"])
def test_a_zip_that_climbs_out_of_its_folder_is_refused(tmp_path, ready, name):
    packed = zip_folder(save_images(tmp_path / "images", 2), tmp_path / "images.zip")
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr(name, b"")
    with pytest.raises(ValueError, match=r"unsafe: its member .*out\.png' climbs out of the folder"):
        ready(packed)
