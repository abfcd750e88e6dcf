"""CelebA's lists are found, and matched with the images, in the forms that people have them in."""

import shutil

import numpy as np
import pytest
from helpers.pictures import save_images, zip_folder

ATTRIBUTES = "4\nMale Smiling \n000001.png  1 -1\n000003.png -1  1\n999999.png  1  1\n"
PARTITION = "000001.png 0\n000002.png 1\n000003.png 2\n"


KAGGLE = {
    "list_attr_celeba.csv": "image_id,Male,Smiling\n000001.png,1,-1\n000003.png,-1,1\n",
    "list_eval_partition.csv": "image_id,partition\n000001.png,0\n000002.png,1\n000003.png,2\n",
}


OFFICIAL = {"list_attr_celeba.txt": ATTRIBUTES, "list_eval_partition.txt": PARTITION}


@pytest.mark.parametrize("lists", [OFFICIAL, KAGGLE], ids=["official", "kaggle"])
@pytest.mark.parametrize("place", ["folder", "above", "beside the zip", "in the zip", "in a folder with the zip"])
def test_lists_are_found_and_matched_by_file_name(tmp_path, ready, place, lists):
    images = save_images(tmp_path / "celeba" / "img_align_celeba", 4)
    base = images.parent
    for name, text in lists.items():
        (base / name).write_text(text)
    source = {"folder": base, "above": images}.get(place)
    if source is None:
        source = tmp_path / "alone.zip" if place == "in the zip" else base / "some.zip"
        zip_folder(base if place == "in the zip" else images, source)
        shutil.rmtree(images)
        if place == "in a folder with the zip":
            source = base
    prepared = ready(source)
    assert prepared.attribute_names == ["Male", "Smiling"]
    assert prepared.attributes.tolist() == [[1, -1], [0, 0], [-1, 1], [0, 0]]  # 0: no row
    assert prepared.partition.tolist() == [0, 1, 2, -1]
    assert prepared.attributes.dtype == prepared.partition.dtype == np.int8


def test_a_damaged_list_is_an_error(tmp_path, ready):
    folder = save_images(tmp_path / "images", 3)
    (folder / "list_attr_celeba.txt").write_text(ATTRIBUTES[: ATTRIBUTES.index("  1\n999")] + "\n")  # cut short
    with pytest.raises(ValueError, match=r"list_attr_celeba is damaged: the row of 000003.png should hold 2 of -1/1"):
        ready(folder)
    (folder / "list_attr_celeba.txt").write_text("<!DOCTYPE html><title>Quota exceeded</title>")
    with pytest.raises(ValueError, match=r"list_attr_celeba is damaged: it is a web page.*quota"):
        ready(folder)


@pytest.mark.parametrize("rows", [3, 20_000], ids=["short", "beyond the csv module's bound"])
def test_a_list_with_an_open_quote_is_told_in_one_line(tmp_path, ready, rows):
    folder = save_images(tmp_path / "images", 3)
    lines = "".join(f"{i:06d}.png,0\n" for i in range(2, rows + 1))
    (folder / "list_eval_partition.csv").write_text(f'image_id,partition\n"000001.png,0\n{lines}')
    with pytest.raises(
        ValueError, match=r"^list_eval_partition is damaged: a quote .*download .* take it away$"
    ) as told:
        ready(folder)
    assert "\n" not in str(told.value)


def attributes_of(row, sep=" ", head=""):
    """A list of forty rows with two attributes; `row` makes the name of an image, 000001 to 000040."""
    values = [[1 if (i + k) % 2 else -1 for k in range(2)] for i in range(1, 41)]
    return head + "".join(row(i) + sep + sep.join(map(str, v)) + "\n" for i, v in enumerate(values, start=1))


def split_of(row, sep=" ", head=""):
    return head + "".join(f"{row(i)}{sep}{0 if i <= 30 else 1 if i <= 35 else 2}\n" for i in range(1, 41))


FORMS = {  # suffix of the images and of the lists, their head, separator, and how they name an image
    "PNG": ("png", "txt", ("40\nMale Young\n", ""), " ", "{:06d}.jpg"),
    "JPG": ("JPG", "txt", ("40\nMale Young\n", ""), " ", "{:06d}.jpg"),
    "index": ("jpg", "csv", (",image_id,Male,Young\n", ",image_id,partition\n"), ",", "7,{:06d}.jpg"),
    "quotes": ("jpg", "csv", ('"image_id","Male","Young"\n', '"image_id","partition"\n'), ",", '"{:06d}.jpg"'),
    "semicolons": ("jpg", "csv", ("image_id;Male;Young\n", "image_id;partition\n"), ";", "{:06d}.jpg"),
    "tabs": ("jpg", "csv", ("image_id\tMale\tYoung\n", "image_id\tpartition\n"), "\t", "{:06d}.jpg"),
    "no suffix": ("jpg", "csv", ("image_id,Male,Young\n", "image_id,partition\n"), ",", "{:06d}"),
    "folder": ("jpg", "csv", ("image_id,Male,Young\n", "image_id,partition\n"), ",", "img\\{:06d}.jpg"),
    "id last": ("jpg", "csv", ("Male,image_id,Young\n", "image_id,partition\n"), ",", "{:06d}.jpg"),
}


@pytest.mark.parametrize("form", FORMS)
def test_rows_match_whatever_the_suffix_its_case_the_folder_and_the_form_of_csv(tmp_path, ready, form):
    suffix, kind, heads, separator, name = FORMS[form]
    save_images(tmp_path / "faces" / "img", 40, names="{:06d}." + suffix)
    attributes = attributes_of(name.format, separator, heads[0])
    if form == "id last":  # the first attribute before the name
        rows = [row.split(",") for row in attributes.splitlines()[1:]]
        attributes = heads[0] + "".join(f"{first},{file},{second}\n" for file, first, second in rows)
    (tmp_path / "faces" / f"list_attr_celeba.{kind}").write_text(attributes)
    (tmp_path / "faces" / f"list_eval_partition.{kind}").write_text(split_of(name.format, separator, heads[1]))
    prepared = ready(tmp_path / "faces")
    assert prepared.attribute_names == ["Male", "Young"]
    assert prepared.attributes.tolist() == [[1, -1] if i % 2 else [-1, 1] for i in range(1, 41)]
    assert prepared.test_rows().tolist() == [35, 36, 37, 38, 39]


@pytest.mark.parametrize(("known", "told"), [(0, True), (19, True), (20, False)])
def test_a_list_that_matches_few_images_is_told(tmp_path, ready, recwarn, known, told):
    folder = save_images(tmp_path / "faces", 40)
    rows = "".join(f"{i if i <= known else i + 500:06d}.jpg 1\n" for i in range(1, 41))
    (folder / "list_eval_partition.txt").write_text(rows)
    ready(folder)
    says = [str(warning.message) for warning in recwarn]
    lacking, spare = f"{known + 1:06d}.png", f"{known + 501:06d}.jpg"
    line = f"list_eval_partition has rows for {known} of 40 images only: none for '{lacking}', but one for '{spare}', "
    assert [text.startswith(line) for text in says] == [True] * told


def test_images_of_one_name_in_several_folders_each_have_its_row(tmp_path, ready, recwarn):
    for kind in ("cat", "dog", "wild"):
        save_images(tmp_path / "animals" / kind, 10)
    rows = "".join(f"{i:06d}.png {0 if i < 9 else 2}\n" for i in range(1, 11))
    (tmp_path / "animals/list_eval_partition.txt").write_text(rows)
    assert ready(tmp_path / "animals").test_rows().tolist() == [8, 9, 18, 19, 28, 29]
    assert len(recwarn) == 0


def test_a_list_that_was_cut_short_is_told_as_that(tmp_path, ready):
    folder = save_images(tmp_path / "faces", 40)
    (folder / "list_eval_partition.txt").write_text("".join(f"{i:06d}.png 0\n" for i in range(1, 10)))
    with pytest.warns(
        UserWarning, match=r"for 9 of 40 images only: none for '000010.png'; it may be cut short: get it"
    ):
        ready(folder)


def test_a_list_that_would_fill_the_memory_is_refused(tmp_path, ready):
    folder = save_images(tmp_path / "faces", 2)
    with (folder / "list_attr_celeba.csv").open("wb") as file:
        file.truncate(200 << 20)
    with pytest.raises(ValueError, match=r"list_attr_celeba\.csv has 200 MB: a list .* at most 64"):
        ready(folder)
    packed = zip_folder(folder, tmp_path / "faces.zip", compression=8)  # 200 KB
    with pytest.raises(ValueError, match=r"list_attr_celeba\.csv in .*faces\.zip has 200 MB"):
        ready(packed)
