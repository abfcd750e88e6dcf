"""The course's diagrams say what is computed."""

import pytest

from dcgan_lib.views import distance_pictures, game_picture


def test_the_game_names_its_parts_and_where_the_gradient_is_cut():
    [axes] = game_picture().axes
    words = " ".join(text.get_text() for text in axes.texts)
    assert all(part in words for part in ("noise z", "generator G", "fake G(z)", "real x", "discriminator D", "detach"))


@pytest.mark.parametrize(
    ("fake", "wasserstein", "frechet"),
    [([2, 0, 1], 0, 0), ([1, 2, 3], 1, 1), ([0, 2, 4], 1, 1 + 2 / 3)],  # deviations √(2/3) and 2 √(2/3)
)
def test_the_titles_of_the_distances_are_their_values(fake, wasserstein, frechet):
    left, right = distance_pictures([0, 1, 2], fake).axes
    assert left.get_title().endswith(f" {wasserstein:.2f}")
    assert right.get_title().endswith(f" {frechet:.2f}")
