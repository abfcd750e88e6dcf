"""The pair of networks: sampling, averaging, and going on from a checkpoint that fits, or saying why it doesn't."""

import copy
import pickle

import pytest
import torch

from dcgan_lib.checkpoint import CheckpointError
from dcgan_lib.compute.device import choose_device
from dcgan_lib.config import CHOICES, Config
from dcgan_lib.data import epoch_order
from dcgan_lib.gan import GAN
from dcgan_lib.train import fit, train_step


def test_sampling_is_repeatable_and_leaves_the_statistics_alone(tiny, images):
    gan = GAN(tiny)
    list(fit(gan, images))
    before = {name: value.clone() for name, value in gan.generator.state_dict().items()}
    one, two = gan.sample(), gan.sample()
    assert torch.equal(one, two)
    assert one.shape == (4, 3, 16, 16)
    assert one.abs().max() <= 1
    assert gan.generator.training
    assert all(torch.equal(value, before[name]) for name, value in gan.generator.state_dict().items())


def test_an_image_does_not_depend_on_its_neighbours_in_the_batch(tiny, images):
    gan = GAN(tiny)
    list(fit(gan, images))
    torch.testing.assert_close(gan.sample()[:1], gan.sample(gan.fixed_noise[:1]))


def test_many_images_are_drawn_in_parts_and_come_out_the_same(tiny):
    gan, sizes = GAN(tiny), []
    z = torch.randn(600, 10, generator=torch.Generator().manual_seed(1))
    gan.generator.register_forward_hook(lambda _, __, images: sizes.append(len(images)))
    drawn = gan.sample(z)
    assert sizes == [256, 256, 88]
    assert torch.equal(drawn, torch.cat([gan.sample(z[:256]), gan.sample(z[256:512]), gan.sample(z[512:])]))


def test_noise_is_what_the_config_says_wherever_it_is_drawn(tiny):
    for gan, spread in {GAN(tiny): 1.0, GAN(tiny.replace(noise="uniform", sample_count=400)): (1 / 3) ** 0.5}.items():
        own, fresh = gan.noise(1000), gan.noise(1000, torch.Generator().manual_seed(1))
        for z in (own, fresh):
            assert z.shape == (1000, 10)
            assert abs(z.mean()) < 5 * spread / 100
            assert abs(z.std() - spread) < 5 * spread / 100
        assert torch.equal(fresh, gan.noise(1000, torch.Generator().manual_seed(1)))
    assert gan.fixed_noise.abs().max() <= 1
    assert own.abs().max() <= 1


def test_the_average_lags_half_life_images_behind(tiny):
    gan = GAN(tiny.replace(average_half_life=100))
    with torch.no_grad():
        for parameter in gan.generator.parameters():
            parameter.add_(1.0)
    start = [p.clone() for p in gan.averaged.parameters()]
    gan.step = 10_000  # past the ramp
    gan.update_average(100)
    for before, after in zip(start, gan.averaged.parameters(), strict=True):
        torch.testing.assert_close(after - before, torch.full_like(before, 0.5))


def test_the_averaged_generator_draws_with_statistics_of_its_own_weights(tiny, images):
    gan = GAN(tiny.replace(average_half_life=40))
    list(fit(gan, images))
    z = torch.randn(512, 10, generator=torch.Generator().manual_seed(5))
    drawn = gan.sample(z)
    with torch.no_grad():
        by_batch = copy.deepcopy(gan.averaged).train()(z)
    errors = (drawn - by_batch).square().mean().sqrt()
    assert errors < 0.1 * by_batch.std()  # both are estimates, from 256 and 512 vectors
    assert torch.equal(drawn, gan.sample(z))


def test_the_statistics_are_measured_once_for_each_step_that_is_looked_at(tiny, images, monkeypatch):
    gan, measured = GAN(tiny.replace(average_half_life=40)), []
    original = gan.fit_statistics
    monkeypatch.setattr(gan, "fit_statistics", lambda: (measured.append(gan.step), original()))
    for report in fit(gan, images):
        if report.sample_due:
            gan.sample()
            gan.sample()
    assert measured == [4, 8, 12]


def test_the_average_is_short_at_first_and_grows_to_its_half_life(tiny):
    def share_taken(step):
        gan = GAN(tiny.replace(average_half_life=100))
        gan.step = step
        with torch.no_grad():
            for parameter in gan.generator.parameters():
                parameter.add_(1.0)
        before = next(gan.averaged.parameters()).clone()
        gan.update_average(8)
        return (next(gan.averaged.parameters()) - before).mean().item()

    assert share_taken(1) == pytest.approx(0.5, abs=1e-4)  # a half-life of one batch
    assert share_taken(100) == pytest.approx(1 - 0.5 ** (8 / 80), abs=1e-4)  # 800 images seen, a tenth of them
    assert share_taken(5000) == pytest.approx(1 - 0.5 ** (8 / 100), abs=1e-4)  # its own


def test_logits_are_those_of_training_and_leave_d_alone(tiny, images):
    """17 images in batches of 8: the last has its own statistics with the one before."""
    gan = GAN(tiny)
    batch = images.batch(range(17), "cpu")
    before = {name: value.clone() for name, value in gan.discriminator.state_dict().items()}
    logits = gan.logits(batch)
    assert all(torch.equal(value, before[name]) for name, value in gan.discriminator.state_dict().items())
    expected = torch.cat([gan.discriminator(batch[:8]), gan.discriminator(batch[8:])])
    torch.testing.assert_close(logits, expected.detach())


def test_load_draws_from_a_checkpoint_in_three_lines(tiny, images, tmp_path):
    gan = GAN(tiny)
    list(fit(gan, images))
    gan.save(tmp_path / "c.pt", images)
    state = torch.get_rng_state()
    again = GAN.load(tmp_path / "c.pt")
    assert torch.equal(again.sample(), gan.sample())
    assert torch.equal(torch.get_rng_state(), state)


def test_resume_takes_more_epochs_and_refuses_another_config(tiny, images, tmp_path):
    path = tmp_path / "c.pt"
    gan = GAN(tiny)
    list(fit(gan, images))
    gan.save(path, images)

    longer = GAN(tiny.replace(epochs=5, log_every=1)).resume(path, images)
    assert [r.step for r in fit(longer, images)] == [13, 14, 15]
    with pytest.raises(CheckpointError, match=r"another Config: batch_size was 8 and is now 4; set it back, or"):
        GAN(tiny.replace(batch_size=4)).resume(path, images)


def test_where_it_is_computed_may_change_when_a_run_goes_on(tiny, images, tmp_path):
    GAN(tiny).save(tmp_path / "c.pt", images)
    moved = GAN(tiny.replace(device="auto", cuda_graphs=False)).resume(tmp_path / "c.pt", images)
    assert moved.config.cuda_graphs is False


@pytest.mark.parametrize("theirs", [{"fused": False, "capturable": False}, {"fused": True, "capturable": True}])
def test_the_optimisers_of_another_device_go_on_as_this_device_computes_them(tiny, images, theirs):
    gan = GAN(tiny)
    list(fit(gan, images))
    own, state = gan.optimizer_d.state_dict(), gan.state_dict()
    for name in ("optimizer_d", "optimizer_g"):
        state[name]["param_groups"][0].update(theirs)  # as MPS has them, and as CUDA
    again = GAN(tiny)
    again.load_state_dict(state)
    assert again.optimizer_d.state_dict()["param_groups"] == own["param_groups"]
    for index, moments in again.optimizer_d.state_dict()["state"].items():
        assert all(torch.equal(value, own["state"][index][name]) for name, value in moments.items())


def test_one_seed_gives_one_start_with_spectral_norm_too_and_draws_from_no_global_source(tiny, monkeypatch):
    monkeypatch.setattr(torch.cuda, "manual_seed_all", None)  # the GPUs' global sources are not to be seeded
    config = tiny.replace(spectral_norm=True)
    one = GAN(config).discriminator.state_dict()
    torch.rand(3)
    before = torch.get_rng_state()
    two = GAN(config).discriminator.state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(value, two[name]) for name, value in one.items())
    vectors = [name for name in one if name.endswith("._u")]
    other = GAN(config.replace(seed=1)).discriminator.state_dict()
    assert len(vectors) == 3
    assert not torch.equal(one[vectors[0]], other[vectors[0]])


def test_a_checkpoint_of_something_else_is_told(tiny, tmp_path):
    torch.save({"module.main.0.weight": torch.zeros(1)}, tmp_path / "c.pt")
    for use in (GAN.load, GAN(tiny).resume):
        with pytest.raises(CheckpointError, match=r"is not a checkpoint of GAN\.save; plain weights go into"):
            use(tmp_path / "c.pt")


def test_resume_refuses_other_images(tiny, images, tmp_path):
    gan = GAN(tiny)
    gan.save(tmp_path / "c.pt", images)
    import dataclasses

    others = dataclasses.replace(images, fingerprint="of others")
    with pytest.raises(CheckpointError, match="trained on other images than memory holds"):
        GAN(tiny).resume(tmp_path / "c.pt", others)


def test_an_architecture_that_nobody_has_added_to_make_networks_is_not_built_as_another(monkeypatch):
    monkeypatch.setitem(CHOICES, "architecture", (*CHOICES["architecture"], "mine"))
    with pytest.raises(ValueError, match=r"architecture is 'mine', which make_networks can't build: add it there"):
        GAN(Config(architecture="mine"))


def test_a_device_that_is_not_here_is_told():
    with pytest.raises(ValueError, match=r"device is 'cuda:99', which this machine does not have: try"):
        choose_device("cuda:99")
    with pytest.raises(ValueError, match="device is 'gpu'"):
        choose_device("gpu")


def trained(config, images, steps=6):
    gan = GAN(config)
    for indices, _ in epoch_order(len(images), 4, seed=0, epoch=0) * 2:
        real = images.batch(indices, "cpu")
        train_step(gan, real, gan.noise(len(real)))
        if gan.averaged:
            gan.update_average(len(real))
        if gan.step == 2:
            gan.sample()  # the newest grid: its statistics are of this step
        if gan.step == steps:
            return gan


def test_the_averaged_generator_draws_what_sample_draws_as_soon_as_it_is_saved_or_loaded(tiny, images, tmp_path):
    gan = trained(tiny.replace(average_half_life=20), images)
    gan.save(tmp_path / "checkpoint.pt")
    z = torch.randn(8, 10, generator=torch.Generator().manual_seed(1))
    for each in (gan, GAN.load(tmp_path / "checkpoint.pt", "cpu")):
        with torch.no_grad():
            direct = each.averaged.eval()(z)
        torch.testing.assert_close(direct, each.sample(z))


def test_weights_put_into_the_generator_are_those_that_sample_draws_with(tiny, images):
    other = trained(tiny, images)
    gan = trained(tiny.replace(average_half_life=20, seed=5), images)
    drawn = copy.deepcopy(gan.generator)
    drawn.load_state_dict(other.generator.state_dict())  # a copy's business is its own
    z = torch.randn(8, 10, generator=torch.Generator().manual_seed(1))
    assert not torch.allclose(gan.sample(z), other.sample(z))
    gan.generator.load_state_dict(other.generator.state_dict())
    torch.testing.assert_close(gan.sample(z), other.sample(z))


def test_a_state_that_does_not_fit_changes_nothing_and_rates_are_the_configs(tiny, images):
    gan = trained(tiny, images)
    before = copy.deepcopy(gan.state_dict())
    wider = trained(tiny.replace(discriminator_width=16), images).state_dict()
    lacking = {name: part for name, part in before.items() if name != "optimizer_d"}
    unnoisy = {name: part for name, part in before.items() if name != "noise"}
    told = (
        (wider, ""),
        (lacking, "it lacks 'optimizer_d'"),
        (before | {"generator": 3}, ""),
        (unnoisy, "it lacks 'noise"),
    )
    for state, reason in told:
        with pytest.raises(CheckpointError, match=f"the state doesn't fit this GAN's networks: {reason}"):
            gan.load_state_dict(state)
        for name, weight in gan.discriminator.state_dict().items():
            assert torch.equal(weight, before["discriminator"][name])
    assert gan.step == before["step"]
    slower = GAN(tiny.replace(learning_rate_g=1e-5))
    slower.load_state_dict(before)
    assert [group["lr"] for group in slower.optimizer_g.param_groups] == [1e-5]


def test_statistics_are_measured_again_after_a_state_that_does_not_fit(tiny, images):
    gan = trained(tiny.replace(average_half_life=20), images)
    drawn = gan.sample()
    for layer in gan.averaged.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.fill_(9.0)  # as those of an earlier step may be
    with pytest.raises(CheckpointError):
        gan.load_state_dict(gan.state_dict() | {"optimizer_d": 3})
    assert torch.equal(gan.sample(), drawn)


def test_a_copy_of_g_or_its_file_has_g_alone_in_it(tiny, images):
    gan, copied = trained(tiny.replace(average_half_life=20), images), {}
    again = pickle.loads(pickle.dumps(copy.deepcopy(gan.generator, copied)))
    assert id(gan) not in copied
    assert id(gan.discriminator) not in copied
    assert len(pickle.dumps(gan.generator)) < len(pickle.dumps(GAN(tiny).generator)) + 1000
    again.load_state_dict(gan.generator.state_dict())  # nobody follows it
    twin = copy.deepcopy(gan)  # all of it: this one's averaged generator follows its own G
    twin.generator.load_state_dict(GAN(tiny.replace(seed=7)).generator.state_dict())
    assert not torch.allclose(twin.sample(), gan.sample())
