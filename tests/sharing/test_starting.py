"""`start_from`: a new run begins with another's weights, at its own rates, and says which."""

import json
import shutil
import warnings

import pytest
import torch
from helpers.pictures import save_images

from dcgan_lib import GAN, Config, load_run, train_run
from dcgan_lib.launch.sweep_file import read_sweep
from dcgan_lib.launch.training import check_folder
from dcgan_lib.train import fit, train_step

PARTS = ("generator", "discriminator", "averaged")


@pytest.fixture
def run(tiny, images, tmp_path):
    """A run that has ended: 12 steps with an averaged generator."""
    train_run(tiny.replace(average_half_life=40, beta1=0.3), tmp_path / "other", images)
    return tmp_path / "other"


@pytest.fixture
def config(tiny, run):
    changed = {"seed": 5, "learning_rate_g": 1e-5, "learning_rate_d": 2e-5, "batch_size": 4, "epochs": 2}
    return tiny.replace(start_from=run, average_half_life=60, **changed)


def weights(gan):
    return {name: getattr(gan, name).state_dict() for name in PARTS}


def same(one, two):
    return all(torch.equal(value, two[name]) for name, value in one.items())


def test_a_new_run_begins_with_the_others_weights_and_with_its_own_rates(config, run, tiny):
    gan, other = GAN(config), GAN.load(run)
    for name in PARTS:
        assert same(weights(gan)[name], weights(other)[name])
    assert gan.step == 0
    assert gan.optimizer_g.state_dict()["state"] == {}  # Adam starts afresh
    [group] = gan.optimizer_g.param_groups
    assert (group["lr"], group["betas"]) == (1e-5, (0.5, 0.999))
    assert torch.equal(gan.fixed_noise, GAN(config.replace(start_from="")).fixed_noise)
    z = torch.randn(7, 10, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(gan.sample(z), other.sample(z))
    assert not torch.allclose(gan.sample(z), GAN(config.replace(start_from="")).sample(z))


def test_a_pretrained_folder_gives_g_alone_and_a_line_says_so(config, run, tmp_path):
    folder = GAN.load(run).save_pretrained(tmp_path / "faces")
    gan = GAN(config.replace(start_from=folder))
    fresh = GAN(config.replace(start_from=""))
    assert same(weights(gan)["discriminator"], weights(fresh)["discriminator"])
    for name in ("generator", "averaged"):
        assert same(weights(gan)[name], GAN.load(run).averaged.state_dict())
    assert gan.start.source == {"run": "faces", "step": 12, "networks": "G"}
    with pytest.warns(UserWarning, match=r"faces holds a generator alone: D begins untrained$"):
        gan.generate(gan.noise(4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # once
        gan.sample()


def test_a_run_that_goes_on_has_its_own_d_and_is_not_told_of_an_untrained_one(config, run, images, tmp_path):
    config = config.replace(start_from=GAN.load(run).save_pretrained(tmp_path / "faces"))
    with pytest.warns(UserWarning, match="D begins untrained"):
        train_run(config, tmp_path / "new", images, steps=4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert train_run(config, tmp_path / "new", images).state == "finished"


def test_without_an_averaged_generator_on_either_side(tiny, run, config, images, tmp_path):
    gan = GAN(config.replace(average_half_life=0))
    assert same(gan.generator.state_dict(), GAN.load(run).generator.state_dict())
    assert gan.averaged is None
    plain = GAN(tiny)
    list(fit(plain, images))
    plain.save(tmp_path / "plain.pt")
    gan = GAN(config.replace(start_from=tmp_path / "plain.pt"))
    assert same(gan.averaged.state_dict(), plain.generator.state_dict())


def test_the_run_says_what_it_began_with_and_its_first_grid_is_the_others_faces(config, run, images, tmp_path):
    record = train_run(config, tmp_path / "new", images)
    assert record.state == "finished"
    assert record.settings["start_from"] == run.as_posix()
    assert json.loads((tmp_path / "new/config.json").read_text())["config"]["start_from"] == run.as_posix()
    said = {key: record.fields[f"training/started_from/{key}"] for key in ("run", "step", "networks")}
    assert said == {"run": "other", "step": 12, "networks": "both"}
    assert record.steps == 10
    gan = GAN.load(tmp_path / "new")
    assert gan.config.start_from == run.as_posix()
    assert not same(gan.generator.state_dict(), GAN.load(run).generator.state_dict())


def test_a_run_goes_on_though_its_source_is_gone_and_ends_at_the_same_weights(config, run, images, tmp_path):
    train_run(config, tmp_path / "whole", images)
    train_run(config, tmp_path / "halves", images, steps=4)
    shutil.rmtree(run)
    record = train_run(config, tmp_path / "halves", images)
    assert record.state == "finished"
    assert record.fields["training/started_from/run"] == "other"
    one, two = (weights(GAN.load(tmp_path / name)) for name in ("whole", "halves"))
    for name in PARTS:
        assert same(one[name], two[name])


def test_a_source_that_is_not_there_stops_a_new_run_before_it_begins(config, run, images, tmp_path):
    gone = config.replace(start_from=tmp_path / "gone")
    with pytest.raises(FileNotFoundError, match=r"no generator at .*gone: give a run's folder"):
        train_run(gone, tmp_path / "new", images)
    assert not (tmp_path / "new").exists()
    gan = GAN(gone)
    for use in (gan.sample, lambda: list(fit(gan, images)), lambda: train_step(gan, gan.fixed_noise, gan.noise(4))):
        with pytest.raises(FileNotFoundError, match="no generator at"):
            use()
    (run / "checkpoint.pt").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"checkpoint\.pt is damaged or cut short"):
        GAN(config).sample()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"generator_width": 16}, "generator_width is 8 there and 16 here"),
        (
            {"upsampling": "nearest", "image_size": 32},
            "image_size is 16 there and 32 here, upsampling is 'transposed' th",
        ),
        ({"discriminator_norm": "none"}, "discriminator_norm is 'batch' there and 'none' here"),
    ],
)
def test_networks_of_other_shapes_are_told_by_the_settings_that_differ(config, images, tmp_path, changed, told):
    other = config.replace(**changed)
    said = f"^start_from: the networks of .*other have other shapes: .*{told}.*; set it as it is there, or leave"
    for use in (GAN(other).sample, lambda: check_folder(tmp_path / "new", other, images)):
        with pytest.raises(ValueError, match=said):
            use()


def test_a_discriminator_of_another_shape_is_no_matter_where_none_is_taken(config, run, tmp_path):
    folder = GAN.load(run).save_pretrained(tmp_path / "faces")
    with pytest.warns(UserWarning, match="D begins untrained"):
        GAN(config.replace(start_from=folder, discriminator_width=16)).sample()


def rewritten(path, **settings):
    """A config.json with other settings, as an earlier version wrote it."""
    about = json.loads(path.read_text())
    path.write_text(json.dumps(about | {"config": about["config"] | settings}))


@pytest.mark.parametrize("pretrained", [False, True])
def test_a_source_with_a_setting_that_is_gone_is_taken(config, run, images, tmp_path, pretrained):
    source = GAN.load(run).save_pretrained(tmp_path / "faces") if pretrained else run
    rewritten(source / "config.json", mixed_batches=True)
    check_folder(tmp_path / "new", config.replace(start_from=source), images)
    rewritten(source / "config.json", generator_width=16)
    with pytest.raises(ValueError, match="generator_width is 16 there and 8 here"):
        check_folder(tmp_path / "new", config.replace(start_from=source), images)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[1]", "holds no settings: get the source again, or leave start_from out"),
        ('{"config": 1}', "holds no settings"),
        ('{"config": ', r"line 1, column \d+: "),
        ('{"config": {"epochs": "x"}}', "epochs is 'x'"),
        ('{"config": {"depth": 3}}', "unknown setting 'depth'"),
    ],
)
def test_a_sources_damaged_settings_are_told_in_one_line(config, run, images, tmp_path, text, told):
    (run / "config.json").write_text(text)
    with pytest.raises(ValueError, match=rf"other/config\.json.*{told}") as caught:
        check_folder(tmp_path / "new", config, images)
    assert "\n" not in str(caught.value)


def test_it_is_found_from_the_working_directory(config, run, monkeypatch):
    monkeypatch.chdir(run.parent)
    gan = GAN(config.replace(start_from="other"))
    assert gan.start.source["step"] == 12
    assert gan.config.start_from == "other"


def test_a_sweep_compares_what_it_began_with(run, tmp_path):
    save_images(tmp_path / "photos", 12)
    (tmp_path / "begin.yaml").write_text(f"settings: {{data: photos}}\ngrid:\n  start_from: ['', {run}]\n")
    runs = read_sweep(tmp_path / "begin.yaml")
    assert [each.config.start_from for each in runs] == ["", run.as_posix()]
    assert runs[0].name == "begin-start_from=none"
    assert Config.from_dict({"start_from": run}).start_from == run.as_posix()


def test_another_source_is_another_run(config, run, images, tmp_path):
    train_run(config, tmp_path / "new", images, steps=4)
    with pytest.raises(ValueError, match=r"is a run of other settings: start_from was .* and is now ''"):
        train_run(config.replace(start_from=""), tmp_path / "new", images)
    assert load_run(tmp_path / "new").fields["training/started_from/step"] == 12
