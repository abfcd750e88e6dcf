"""The explorer of a notebook: what its panel is told, the files it writes, and the same without a front end."""

import io

import numpy as np
import pytest
import torch
from IPython.display import Image as Picture
from PIL import Image

from dcgan_lib.gan import GAN
from dcgan_lib.latent.directions import Direction, save_directions
from dcgan_lib.views import LatentExplorer, explorer


@pytest.fixture
def gan(tiny):
    return GAN(tiny)


@pytest.fixture
def live(monkeypatch):
    """As with a person at the notebook."""
    monkeypatch.setattr(explorer, "has_front_end", lambda: True)


@pytest.fixture
def shown(monkeypatch):
    shown = []
    monkeypatch.setattr(explorer, "display", shown.append)
    return shown


def ask(view, act, **given):
    """A question of the panel; returns the line that answers it."""
    view._answer(view.panel, {"act": act, **given}, [])
    return view.panel.place["message"]


def pixels(view):
    return np.frombuffer(view.panel.place["pixels"], np.uint8).reshape(16, 16, 3)


def test_without_a_front_end_the_face_is_shown_along_each_direction(gan, shown, capsys):
    view = LatentExplorer(gan)
    view.exploration.keep()
    view._ipython_display_()
    assert capsys.readouterr().out.startswith("a face along 5 directions, from −3 to +3")
    [picture] = shown
    assert isinstance(picture, Picture)
    assert picture.alt
    assert Image.open(io.BytesIO(picture.data)).format == "JPEG"
    titles = [axes.get_title() for axes in view.rows().axes if axes.get_title()]
    assert titles == [*(f"closed form {i}" for i in range(1, 6)), "kept"]
    assert LatentExplorer(gan, []).rows().axes


def test_in_the_middle_of_a_row_is_the_face_itself_and_at_its_ends_three_deviations_away(gan):
    view = LatentExplorer(gan, [Direction("smile", torch.eye(10)[0])])
    [axes] = view.rows().axes
    strip = np.asarray(axes.images[0].get_array())
    e = view.exploration
    for place, amount in enumerate((-3, -1.5, 0, 1.5, 3)):
        left = 2 + place * 18
        expected = e.draw(e.place.base + amount * torch.eye(10)[0])
        assert np.abs(strip[2:18, left : left + 16].astype(int) - expected).max() <= 1


def test_the_panel_shows_what_was_asked_for(gan, live, shown):
    view = LatentExplorer(gan)
    view._ipython_display_()
    assert shown == [view.panel]
    assert view.panel.about["names"] == [f"closed form {i}" for i in range(1, 6)]
    assert view.panel.about["size"] == 16
    first = pixels(view)
    ask(view, "slide", amounts=[2, 0, 0, 0, 0], drag="slide")
    assert np.array_equal(pixels(view), view.exploration.draw(view.z))
    assert not np.array_equal(pixels(view), first)
    assert view.panel.place["amounts"] == [2, 0, 0, 0, 0]
    assert ask(view, "undo") == "undone"
    assert np.array_equal(pixels(view), first)
    assert ask(view, "undo") == "nothing to undo"


def test_kept_faces_are_mixed_shown_and_removed(gan, live):
    view = LatentExplorer(gan)
    assert view.kept.shape == (0, 10)
    assert ask(view, "keep") == "kept as face 1"
    ask(view, "another")
    assert ask(view, "keep") == "kept as face 2"
    assert [each["number"] for each in view.panel.kept] == [1, 2]
    assert view.panel.kept[1]["pixels"] == view.panel.place["pixels"]
    sent = view.panel.kept
    ask(view, "mix", picked=[1, 2], share=0.0)
    torch.testing.assert_close(view.z, view.kept[0])
    ask(view, "show", picked=[2])
    assert torch.equal(view.z, view.kept[1])
    assert view.panel.kept is sent  # not sent again
    ask(view, "drop", picked=[1])
    assert [each["number"] for each in view.panel.kept] == [2]


def test_what_a_button_needs_is_said_and_changes_nothing(gan, live, tmp_path):
    view = LatentExplorer(gan, folder=tmp_path)
    before = view.state()
    assert ask(view, "mix", picked=[1]) == "tick two of the kept faces first"
    assert ask(view, "show", picked=[]) == "tick one of the kept faces first"
    assert ask(view, "drop") == "tick the kept faces that may go first"
    assert ask(view, "save", form="GIF").startswith("keep two faces first")
    assert view.state() == before
    assert list(tmp_path.iterdir()) == []


def test_what_goes_wrong_is_shown_and_the_panel_goes_on(gan, live, tmp_path):
    (tmp_path / "file").write_text("no folder")
    view = LatentExplorer(gan, folder=tmp_path / "file")
    answers = view.panel.place["answer"]
    assert "Error" in ask(view, "save", form="PNG")
    assert view.panel.place["answer"] == answers + 1
    assert ask(view, "another") == ""


def test_files_hold_what_is_shown(gan, live, tmp_path):
    view = LatentExplorer(gan, folder=tmp_path / "new")
    for act in ("keep", "another", "keep", "another", "keep"):
        ask(view, act)
    ask(view, "slide", amounts=[1, 0, 0, 0, 0])
    paths = {}
    for form in ("PNG", "z", "GIF"):
        line = ask(view, "save", form=form)
        paths[form] = line.removeprefix("written to ")
        assert paths[form] != line
    assert np.array_equal(np.asarray(Image.open(paths["PNG"])), pixels(view))

    film = Image.open(paths["GIF"])
    assert (film.n_frames, film.size, film.info["loop"]) == (3 * explorer.LEG, (256, 256), 0)
    for face in range(3):  # each kept face is a frame of it
        film.seek(face * explorer.LEG)
        small = np.asarray(film.convert("RGB").resize((16, 16), Image.Resampling.BOX)).astype(int)
        assert np.abs(small - view.exploration.draw(view.kept[face])).mean() < 12

    back = LatentExplorer.read(paths["z"], gan)
    assert torch.equal(back.z, view.z)
    assert torch.equal(back.kept, view.kept)
    assert np.array_equal(pixels(back), pixels(view))


def test_a_file_knows_its_source_and_says_what_is_wrong(gan, tmp_path):
    gan.save(tmp_path / "checkpoint.pt")
    view = LatentExplorer(tmp_path / "checkpoint.pt")
    view.write(tmp_path / "faces.json")
    back = LatentExplorer.read(tmp_path / "faces.json")
    assert torch.equal(back.z, view.z)
    assert back.state() == view.state()
    LatentExplorer(gan).write(tmp_path / "sourceless.json")
    assert torch.equal(LatentExplorer.read(tmp_path / "sourceless.json", tmp_path).z, view.z)  # a run's folder
    (tmp_path / "faces.json").write_text("{")
    with pytest.raises(ValueError, match=r"faces\.json is damaged, or holds no kept faces"):
        LatentExplorer.read(tmp_path / "faces.json")


def test_directions_beside_the_source_have_the_sliders(gan, tmp_path):
    gan.save(tmp_path / "checkpoint.pt")
    save_directions(tmp_path / "directions.json", [Direction("Smiling", torch.eye(10)[3])])
    for source in (tmp_path, tmp_path / "checkpoint.pt"):
        [direction] = LatentExplorer(source).exploration.directions
        assert direction.name == "Smiling"
        assert torch.equal(direction.vector, torch.eye(10)[3])
    assert len(LatentExplorer(gan).exploration.directions) == 5
    assert LatentExplorer(tmp_path, []).exploration.directions == []


def test_the_generator_of_the_package_is_explored_by_default():
    view = LatentExplorer()
    assert view.exploration.draw(view.z).shape[2] == 3
    assert view.exploration.directions
