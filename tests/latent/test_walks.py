"""Ways through the latent space: their ends, their lengths, their steps."""

import math

import pytest
import torch

from dcgan_lib.latent.walks import loop, noise_deviation, noise_radius, on_sphere, slerp, step_lengths, straight


@pytest.mark.parametrize("walk", [straight, slerp])
def test_a_walk_begins_and_ends_at_its_ends_and_takes_one_share_or_several(walk):
    a, b = 3 * torch.randn(2, 50, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(walk(a, b, [0.0, 1.0]), torch.stack([a, b]), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(walk(a, b, 0.3), walk(a, b, [0.1, 0.3])[1])
    assert walk(a, b, 0.3).shape == (50,)


def test_on_the_sphere_it_turns_evenly_and_goes_evenly_from_one_length_to_the_other():
    a, b = torch.tensor([2.0, 0.0, 0.0]), torch.tensor([0.0, 4.0, 0.0])
    walked = slerp(a, b, torch.linspace(0, 1, 5))
    angles = torch.atan2(walked[:, 1], walked[:, 0])
    torch.testing.assert_close(angles, torch.linspace(0, math.pi / 2, 5))
    torch.testing.assert_close(walked.norm(dim=1), torch.linspace(2, 4, 5))


@pytest.mark.parametrize("scale", [1.0, 2.0, -1.0])
def test_between_vectors_in_one_line_it_goes_straight(scale):
    a = torch.randn(10, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(slerp(a, scale * a, [0.0, 0.5, 1.0]), straight(a, scale * a, [0.0, 0.5, 1.0]))


@pytest.mark.parametrize("noise", ["normal", "uniform"])
def test_the_sphere_is_as_large_as_noise_is_long(tiny, noise):
    config = tiny.replace(noise=noise, latent_dim=400)
    random = torch.Generator().manual_seed(0)
    z = torch.randn(500, 400, generator=random) if noise == "normal" else 2 * torch.rand(500, 400, generator=random) - 1
    assert z.std().item() == pytest.approx(noise_deviation(config), rel=0.01)
    assert z.norm(dim=1).mean().item() == pytest.approx(noise_radius(config), rel=0.01)
    assert on_sphere(z, 3.0).norm(dim=1).tolist() == pytest.approx([3.0] * 500)


def test_a_loop_passes_each_point_once_and_closes():
    points = on_sphere(torch.randn(3, 20, generator=torch.Generator().manual_seed(0)), 4.0)
    walked = loop(points, 8)
    assert walked.shape == (24, 20)
    torch.testing.assert_close(walked[::8], points)
    assert walked.norm(dim=1).tolist() == pytest.approx([4.0] * 24, rel=1e-4)
    steps = (walked - walked.roll(1, 0)).norm(dim=1).reshape(3, 8)
    assert steps[0, 0].item() == pytest.approx(steps[2, 1].item(), rel=1e-3)  # from the last one back to the first


def test_steps_are_root_mean_squares_of_what_changes():
    stages = torch.tensor([[0.0, 0.0], [3.0, 4.0], [3.0, 4.0]])
    assert step_lengths(stages).tolist() == pytest.approx([math.sqrt(12.5), 0])
    assert step_lengths(stages[:, :, None, None]).tolist() == pytest.approx([math.sqrt(12.5), 0])
