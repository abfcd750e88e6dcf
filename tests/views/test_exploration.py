"""Looking for faces without widgets: what each step does, what undo brings back, that a face kept is the same later."""

import json

import numpy as np
import pytest
import torch

from dcgan_lib.gan import GAN
from dcgan_lib.latent.directions import Direction, closed_form_directions
from dcgan_lib.views.exploration import Exploration, read_state, write_state


@pytest.fixture
def gan(tiny):
    return GAN(tiny)


@pytest.fixture
def e(gan):
    return Exploration(gan, closed_form_directions(gan, 3))


def with_two_kept(e):
    e.keep()
    e.another()
    e.keep()
    return e.place.kept[1], e.place.kept[2]


def test_a_seed_gives_the_same_faces_in_the_same_order_and_none_gives_others(gan):
    one, other = Exploration(gan, [], seed=3), Exploration(gan, [], seed=3)
    for _ in range(2):
        assert torch.equal(one.z, other.z)
        one.another(), other.another()
    assert not torch.equal(Exploration(gan, [], seed=None).z, Exploration(gan, [], seed=None).z)


def test_a_slider_goes_along_its_direction_in_deviations_of_the_noise(tiny):
    for noise, deviation in (("normal", 1.0), ("uniform", 3**-0.5)):
        gan = GAN(tiny.replace(noise=noise))
        e = Exploration(gan, closed_form_directions(gan, 2))
        base = e.z
        e.slide([2, -1])
        (one, other) = (each.vector for each in e.directions)
        torch.testing.assert_close(e.z, base + deviation * (2 * one - other))
        assert e.draw(e.z).shape == (16, 16, 3)


def test_the_moves_of_one_slider_are_undone_as_one(e):
    start = e.z
    for amounts in ([1, 0, 0], [2, 0, 0], [2, 0, 0], [2, 1, 0], [2, 3, 0]):
        e.slide(amounts)
    e.undo()
    assert e.place.amounts == (2, 0, 0)
    e.undo()
    assert torch.equal(e.z, start)
    assert not e.undo()


def test_after_undo_a_slider_begins_a_new_step(e):
    e.slide([1, 0, 0])
    e.slide([1, 2, 0])
    e.undo()
    e.slide([3, 0, 0])
    e.undo()
    assert e.place.amounts == (1, 0, 0)


def test_a_face_is_kept_once_and_with_what_the_sliders_add(e):
    e.slide([1, 0, 0])
    shown = e.z
    assert (e.keep(), e.keep()) == (1, 1)
    e.another()
    assert e.keep() == 2
    e.drop([1])
    e.another()
    assert e.keep() == 3
    e.show(2)
    assert torch.equal(e.z, e.place.kept[2])
    for _ in range(4):
        e.undo()
    assert torch.equal(e.place.kept[1], shown)  # what was dropped is back


def test_a_mixture_goes_from_one_kept_face_to_the_other_on_the_sphere(e):
    one, other = with_two_kept(e)
    e.slide([1, 0, 0])
    for share, end in ((0, one), (1, other)):
        e.mix(1, 2, share)
        torch.testing.assert_close(e.z, end)
    e.mix(1, 2)
    torch.testing.assert_close(e.z.norm(), (one.norm() + other.norm()) / 2)
    e.undo()
    assert e.place.amounts == (1, 0, 0)  # the mixture was one step


def test_a_face_kept_today_is_the_same_tomorrow(e, gan, tmp_path):
    with_two_kept(e)
    e.slide([0.7, 0, -1.3])
    write_state(tmp_path / "deep/er/faces.json", e.state())
    back = Exploration.from_state(read_state(tmp_path / "deep/er/faces.json"), gan)
    assert torch.equal(back.z, e.z)
    assert back.place.amounts == e.place.amounts
    assert [*back.place.kept] == [1, 2]
    assert all(torch.equal(back.place.kept[n], e.place.kept[n]) for n in (1, 2))
    assert np.array_equal(back.draw(back.z), e.draw(e.z))
    assert [d.name for d in back.directions] == [d.name for d in e.directions]
    back.another()
    assert not torch.equal(back.z, e.place.base)


def spoilt(state):
    """What may have become of a file, by what was done to it."""
    whole = json.dumps(state)
    yield "cut short", whole[: len(whole) // 2]
    yield "empty", ""
    yield "of something else", '{"steps": [1, 2]}'
    yield "a list", "[]"
    yield "nested without end", "[" * 100_000
    for name in state:
        yield f"without {name}", json.dumps({k: v for k, v in state.items() if k != name})
    for name, value in {
        "base": [1.0],
        "amounts": [0, 0],
        "directions": 3,
        "kept": [{"number": 1}],
        "source": 3,
    }.items():
        yield f"another {name}", json.dumps(state | {name: value})
    yield "not finite", json.dumps(state | {"base": [float("nan")] * len(state["base"])})


def test_a_damaged_file_gets_one_clear_line(e, gan, tmp_path):
    path = tmp_path / "faces.json"
    for what, text in spoilt(e.state()):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"is damaged, or holds no kept faces: put back a copy") as told:
            Exploration.from_state(read_state(path), gan, path)
        assert str(told.value).startswith(str(path)), what
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="is damaged"):
        read_state(path)
    with pytest.raises(FileNotFoundError, match="no kept faces at"):
        read_state(tmp_path / "none.json")


def test_faces_of_another_generator_are_refused(e, tiny):
    with pytest.raises(ValueError, match="faces of another generator: give the source"):
        Exploration.from_state(e.state(), GAN(tiny.replace(seed=1)))
    with pytest.raises(ValueError, match="faces of another generator"):
        Exploration.from_state(e.state(), GAN(tiny.replace(latent_dim=12)))


def test_a_direction_of_another_length_is_told(gan):
    with pytest.raises(ValueError, match=r"'smile' has 7 numbers: this generator's z has 10"):
        Exploration(gan, [Direction("smile", torch.ones(7) / 7**0.5)])
