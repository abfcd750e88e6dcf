"""Rows of faces, and a table as colours."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import torch

from dcgan_lib.views.latent import face_rows, heat_map
from dcgan_lib.views.plots import rendered

mpl.use("agg")


def test_rows_are_named_and_lie_under_one_another_without_stretching():
    rows = {"first": torch.zeros(5, 3, 64, 64), "second": torch.ones(5, 3, 64, 64)}
    figure = face_rows(rows, list("abcde"), width=8)
    upper, lower = figure.axes
    assert [text.get_text() for text in upper.texts] == ["first", "a", "b", "c", "d", "e"]
    assert [text.get_text() for text in lower.texts] == ["second"]
    assert upper.get_position().y0 > lower.get_position().y0
    box, picture = upper.get_window_extent(), upper.images[0].get_array()
    assert box.width / box.height == pytest.approx(picture.shape[1] / picture.shape[0], rel=0.05)
    assert rendered(figure)


@pytest.mark.parametrize(("counts", "columns"), [((3, 4), ()), ((3, 3), ("a", "b"))])
def test_rows_that_do_not_fit_are_refused(counts, columns):
    rows = {str(index): torch.zeros(count, 3, 16, 16) for index, count in enumerate(counts)}
    with pytest.raises(ValueError, match="give as many of each"):
        face_rows(rows, columns)


def test_a_heat_map_says_every_number_in_hundredths_and_frames_what_was_meant():
    table = pd.DataFrame([[0.5, -0.004], [np.nan, -0.25]], ["Smiling", "at random"], ["Smiling", "Wavy_Hair"])
    axes, _ = heat_map(table).axes
    assert [text.get_text() for text in axes.texts] == ["+50", "0", "", "-25"]
    assert len(axes.patches) == 1
    assert [label.get_text() for label in axes.get_xticklabels()] == ["Smiling", "Wavy Hair"]
    assert len(heat_map(table, outlined=False).axes[0].patches) == 0
