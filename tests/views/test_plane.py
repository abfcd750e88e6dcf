"""The plane: D's opinion as colour, points where they are, arrows where they go."""

import numpy as np
import torch
from matplotlib.quiver import Quiver

from dcgan_lib.views.plane import Plane, plane_frame, plot_planes


def right_is_real(points):
    return 50 * points[:, :1]


PLANE = Plane(right_is_real, torch.tensor([[2.0, 0.0]]), torch.tensor([[-2.0, 1.0]]), torch.tensor([[1.0, 0.5]]))


def test_each_plane_stands_under_its_title_with_its_points_and_arrows():
    first, second, bar = plot_planes({"one": PLANE, "two": PLANE._replace(arrows=None)}).axes
    assert (first.get_title(), second.get_title()) == ("one", "two")
    assert "probability" in bar.get_ylabel()
    [arrows] = first.findobj(Quiver)
    assert (arrows.X[0], arrows.Y[0], arrows.U[0], arrows.V[0]) == (-2, 1, 1, 0.5)
    assert second.findobj(Quiver) == []


def test_a_frame_is_a_square_picture_with_real_in_blue_and_fake_in_orange():
    picture = np.asarray(plane_frame(PLANE, pixels=100).convert("RGB")).astype(int)
    assert picture.shape == (100, 100, 3)
    red, _, blue = picture[50, 75]
    assert blue > red
    red, _, blue = picture[50, 25]
    assert red > blue
