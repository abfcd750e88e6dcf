"""The painted portraits: CelebA's layout, the same bytes for the same seed, and labels that are true of the pixels."""

import dataclasses
import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from dcgan_lib.faces import STAMP, draw_face, draw_faces
from dcgan_lib.faces.painting import paint
from dcgan_lib.faces.portrait import Portrait
from dcgan_lib.faces.sampling import sample

EYES = np.s_[97:128, 50:128]
FOREHEAD_UP = np.s_[30:75, 45:133]
CHEEKS = np.s_[128:140, 55:125]


@pytest.fixture(scope="module")
def portraits() -> list[Portrait]:
    return [sample(np.random.default_rng([7, i])) for i in range(200)]


@pytest.fixture(scope="module")
def pictures(portraits) -> np.ndarray:
    return np.stack([paint(portrait) for portrait in portraits]).astype(np.float32)


def quiet(work, **options):
    return work


def draw(folder, **settings):
    return draw_faces(folder, **{"count": 12, "progress": quiet, "workers": 1, **settings})


def pixels_of(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "img_align_celeba").iterdir())}


def test_layout_is_celebas(tmp_path):
    folder = draw(tmp_path / "faces", count=20)
    names = [f"{i:06d}.jpg" for i in range(1, 21)]
    assert [path.name for path in sorted((folder / "img_align_celeba").iterdir())] == names
    with Image.open(folder / "img_align_celeba/000020.jpg") as image:
        assert (image.size, image.mode, image.format) == ((178, 218), "RGB", "JPEG")

    count, header, *rows = (folder / "list_attr_celeba.txt").read_text().splitlines()
    assert count == "20"
    attributes = header.split()
    assert attributes == sorted(attributes)
    assert len(attributes) >= 18
    assert [row.split()[0] for row in rows] == names
    assert rows[0].startswith(("000001.jpg -1 ", "000001.jpg  1 "))
    for i, row in enumerate(rows):
        assert dict(zip(attributes, (v == "1" for v in row.split()[1:]), strict=True)) == draw_face(999, i)[1]

    parts = [line.split() for line in (folder / "list_eval_partition.txt").read_text().splitlines()]
    assert [name for name, _ in parts] == names
    assert [part for _, part in parts] == ["0"] * 16 + ["1"] * 2 + ["2"] * 2


def test_same_seed_same_bytes_whatever_the_workers_and_the_count(tmp_path):
    many = pixels_of(draw(tmp_path / "two_workers", count=230, workers=2))
    few = pixels_of(draw(tmp_path / "alone", count=12))
    assert few.items() <= many.items()
    other = pixels_of(draw(tmp_path / "other_seed", count=12, seed=1000))
    assert not set(other.values()) & set(few.values())


def test_progress_wraps_every_chunk(tmp_path):
    seen = []

    def progress(work, **options):
        for item in work:
            yield item
            seen.append(len(item))

    draw(tmp_path / "faces", count=120, progress=progress)
    assert sum(seen) == 120
    assert len(seen) > 1


def test_no_two_are_alike(pictures):
    small = pictures[:, 20:198:4, ::4].reshape(len(pictures), -1)
    gram = small @ small.T
    squares = np.diag(gram)
    distance = np.sqrt(np.maximum(squares[:, None] + squares - 2 * gram, 0) / small.shape[1])
    np.fill_diagonal(distance, np.inf)
    assert distance.min() > 12  # root mean square, of 255


def test_attributes_are_neither_rare_nor_everywhere():
    rows = [sample(np.random.default_rng([8, i])).attributes for i in range(1000)]
    for name in rows[0]:
        share = np.mean([row[name] for row in rows])
        assert 0.03 < share < 0.82, f"{name}: {share}"


def test_attributes_do_not_contradict_each_other(portraits):
    for row in (portrait.attributes for portrait in portraits):
        hair = [row[name] for name in ("Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair", "Bald")]
        assert sum(hair) <= 1
        assert not (row["Straight_Hair"] and row["Wavy_Hair"])
        assert not (row["Bald"] and (row["Bangs"] or row["Straight_Hair"] or row["Wavy_Hair"]))
        assert not (row["Wearing_Hat"] and row["Bangs"])
        assert not (row["No_Beard"] and (row["Goatee"] or row["Mustache"]))


@pytest.mark.parametrize(
    ("attribute", "change", "region"),
    [
        ("Eyeglasses", {"glasses": "round"}, EYES),
        ("Wearing_Hat", {"hat": "cap"}, FOREHEAD_UP),
        ("Bald", {"style": "bald"}, FOREHEAD_UP),
        ("Bangs", {"bangs": True}, np.s_[60:100, 45:133]),
        ("Goatee", {"facial_hair": "goatee"}, np.s_[145:185, 65:113]),
        ("Mustache", {"facial_hair": "mustache"}, np.s_[138:165, 60:118]),
        ("Smiling", {"smile": 7.0}, np.s_[145:172, 65:113]),
        ("Mouth_Slightly_Open", {"gape": 7.0}, np.s_[145:172, 65:113]),
        ("Rosy_Cheeks", {"rosy": True}, CHEEKS),
        ("Big_Nose", {"nose": 13.0}, np.s_[128:146, 70:108]),
        ("Bushy_Eyebrows", {"brow": 3.6}, np.s_[85:105, 50:128]),
        ("Wearing_Earrings", {"earrings": True}, np.s_[130:165, :]),
    ],
)
def test_a_changed_attribute_changes_its_part_of_the_picture(portraits, attribute, change, region):
    without = [p for p in portraits if not p.attributes[attribute] and not p.bangs and not p.hat and p.style != "bald"]
    for before in without[:5]:
        after = dataclasses.replace(before, **change)
        assert after.attributes[attribute]
        difference = np.abs(paint(after).astype(int) - paint(before).astype(int)).max(axis=2)
        assert (difference[region] > 12).mean() > 0.02
        outside = np.ones(difference.shape, bool)
        outside[region] = False
        assert (difference[region] > 12).mean() > (difference[outside] > 12).mean()


def test_glasses_put_dark_frames_round_the_eyes(portraits):
    bare = dataclasses.replace(
        portraits[0], glasses="", frame=np.array([0.1, 0.1, 0.1]), skin=np.array([0.9, 0.7, 0.6])
    )
    worn = dataclasses.replace(bare, glasses="square")
    dark = [(paint(p)[EYES].max(axis=2) < 70).mean() for p in (bare, worn)]
    assert dark[1] > dark[0] + 0.05


def test_hair_and_skin_have_the_colour_they_are_labelled_with(portraits, pictures):
    rows = [portrait.attributes for portrait in portraits]

    def mean_colour(attribute, region):
        chosen = [i for i, row in enumerate(rows) if row[attribute] and not row["Wearing_Hat"]]
        return pictures[chosen][(slice(None), *region)].mean(axis=(0, 1, 2))

    crown = np.s_[52:66, 75:103]
    blond, black, gray = (mean_colour(name, crown) for name in ("Blond_Hair", "Black_Hair", "Gray_Hair"))
    assert blond.mean() > black.mean() + 60
    assert blond[0] - blond[2] > 50  # yellow: more red than blue
    assert abs(gray[0] - gray[2]) < 25
    everyone = pictures[(slice(None), *CHEEKS)].mean()
    assert mean_colour("Pale_Skin", CHEEKS).mean() > everyone + 30


def test_a_whole_set_is_not_drawn_again(tmp_path):
    folder = draw(tmp_path / "faces")
    before = (folder / "img_align_celeba/000001.jpg").stat().st_mtime_ns

    def never(work, **options):
        raise AssertionError("painted again")

    assert draw(folder, progress=never) == folder
    assert (folder / "img_align_celeba/000001.jpg").stat().st_mtime_ns == before
    draw(folder, count=14)  # another count: the older set gives way
    assert len(pixels_of(folder)) == 14


def test_an_interrupted_drawing_is_never_taken_for_whole(tmp_path):
    folder = tmp_path / "faces"

    def interrupted(work, **options):
        yield from itertools.islice(work, 1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw(folder, count=60, progress=interrupted)
    assert not folder.exists()
    draw(folder, count=60)
    assert len(pixels_of(folder)) == 60
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == ["faces"]

    (folder / "img_align_celeba/000030.jpg").unlink()  # a set that lost an image is painted anew
    assert len(pixels_of(draw(folder, count=60))) == 60


def test_two_at_once_draw_one_set(tmp_path):
    drawn = []

    def progress(work, **options):
        for item in work:
            drawn.append(len(item))
            yield item

    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(draw, tmp_path / "faces", count=60, progress=progress) for _ in range(2)]
        assert {future.result() for future in both} == {tmp_path / "faces"}
    assert sum(drawn) == 60
    assert len(pixels_of(tmp_path / "faces")) == 60


def test_a_foreign_folder_is_refused_and_left_alone(tmp_path):
    real = tmp_path / "celeba" / "img_align_celeba" / "000001.jpg"
    real.parent.mkdir(parents=True)
    real.write_bytes(b"a photograph")
    with pytest.raises(FileExistsError, match=r"celeba holds img_align_celeba.*another folder") as caught:
        draw(tmp_path / "celeba")
    assert "\n" not in str(caught.value)
    assert real.read_bytes() == b"a photograph"

    drawn = draw(tmp_path / "faces")
    (drawn / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"notes\.txt"):
        draw(drawn, count=13)
    assert len(pixels_of(drawn)) == 12
    assert STAMP in {path.name for path in drawn.iterdir()}


@pytest.mark.parametrize("name", ["mine.jpg", "000013.jpg", "photo.png", "more/000001.jpg"])
def test_images_that_somebody_put_among_the_portraits_are_never_deleted(tmp_path, name):
    folder = draw(tmp_path / "faces")
    own = folder / "img_align_celeba" / name
    own.parent.mkdir(exist_ok=True)
    own.write_bytes(b"a photograph")
    with pytest.raises(FileExistsError, match=f"holds img_align_celeba/{name.split('/')[0]}, which.*another") as caught:
        draw(folder, count=13)
    assert "\n" not in str(caught.value)
    assert own.read_bytes() == b"a photograph"


@pytest.mark.parametrize("stamp", ["", "{", "[]", '{"count": "12"}'])
def test_with_a_damaged_stamp_nothing_is_taken_for_ours(tmp_path, stamp):
    folder = draw(tmp_path / "faces")
    (folder / STAMP).write_text(stamp)
    before = pixels_of(folder)
    with pytest.raises(FileExistsError, match=r"faces holds drawn\.json, which is damaged: give another folder"):
        draw(folder)
    assert pixels_of(folder) == before


def test_a_file_that_comes_while_portraits_are_painted_is_not_deleted(tmp_path):
    folder = draw(tmp_path / "faces")

    def progress(work, **options):
        (folder / "img_align_celeba/mine.jpg").write_bytes(b"a photograph")
        return work

    with pytest.raises(FileExistsError, match=r"img_align_celeba/mine\.jpg"):
        draw(folder, count=13, progress=progress)
    assert (folder / "img_align_celeba/mine.jpg").read_bytes() == b"a photograph"


@pytest.mark.parametrize(("settings", "line"), [({"count": 0}, "count is 0"), ({"seed": -1}, "seed is -1")])
def test_a_bad_setting_is_named(tmp_path, settings, line):
    with pytest.raises(ValueError, match=line):
        draw(tmp_path / "faces", **settings)
    assert not any(tmp_path.iterdir())
