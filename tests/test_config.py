"""Settings: the articles' defaults, round trips, and one clear line for whatever is wrong."""

import dataclasses

import pytest

from dcgan_lib.config import Config
from dcgan_lib.settings import RECIPES


def test_defaults_are_the_articles():
    config = Config()
    assert (config.image_size, config.channels, config.latent_dim) == (64, 3, 100)
    assert (config.generator_width, config.discriminator_width) == (64, 64)
    assert (config.batch_size, config.epochs, config.seed) == (128, 5, 999)
    assert (config.learning_rate_d, config.learning_rate_g, config.beta1, config.beta2) == (2e-4, 2e-4, 0.5, 0.999)
    assert (config.sample_count, config.sample_every, config.log_every) == (64, 500, 50)
    assert (config.label_smoothing, config.average_half_life, config.flip, config.precision) == (0, 0, False, "fp32")
    assert (config.objective, config.r1_weight, config.spectral_norm) == ("non-saturating", 0, False)
    assert (config.augment, config.hold_out, config.evaluate_every) == (False, False, 0)
    assert (config.d_updates, config.g_updates, config.noise, config.cuda_graphs) == (1, 1, "normal", True)
    assert (config.discriminator_norm, config.discriminator_slope, config.gradient_penalty) == ("batch", 0.2, 0)


@pytest.mark.parametrize("suffix", [".yaml", ".json"])
def test_round_trip_through_a_file(tmp_path, suffix):
    config = Config(learning_rate_d=3e-5, flip=True, data="my faces/ü", average_half_life=1000)
    config.save(tmp_path / f"config{suffix}")
    assert Config.from_file(tmp_path / f"config{suffix}") == config


def test_yaml_reads_2e_4_as_text_and_config_takes_it(tmp_path):
    (tmp_path / "c.yaml").write_text("learning_rate_g: 2e-4\n")
    assert Config.from_file(tmp_path / "c.yaml").learning_rate_g == 2e-4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"config": {"epochs": 7', r", line 1, column 24: expected ',' or '}'"),
        (b"epochs: 7\n\tseed: 1", r", line 2, column 1: found character '\\t' .*: a tab; indent with spaces$"),
        (b"epochs: 7\nseed: 1\nepochs: 8", r", line 3, column 1: 'epochs' is written twice$"),
        (b"data: 2026-13-01", " is not valid YAML: month must be in"),
        (b"[" * 5000, " is not valid YAML: maximum recursion depth"),
        (b"data: \xff", " is not valid YAML: unacceptable character #x00ff"),
        (b"just words", " holds no settings: "),
        (b"- a\n- list", " holds no settings: "),
        (b"config: ../cpu.yaml", " holds no settings: "),
        (b"config:", " holds no settings: "),
        (b"recipe: [paper]", r": recipe is \['paper'\]: choose one of"),
        (b"beta1: 1" + b"0" * 400, ": beta1 is 1"),
        (b"epoch: 7", ": unknown setting 'epoch'"),
        (b"epochs: seven", ": epochs is 'seven'"),
        (b"grid: {epochs: [5, 10]}", r" is a sweep: train it with `dcgan sweep`, or name a file of settings here$"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_name_and_place(tmp_path, content, message):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises((TypeError, ValueError), match=r"config\.json" + message) as caught:
        Config.from_file(tmp_path / "config.json")
    assert "\n" not in str(caught.value)


def test_a_config_cannot_be_changed_by_accident():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().epochs = 6


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"image_size": 48}, r"image_size is 48: choose one of 16, 32, 64, 128, 256"),
        ({"channels": 4}, r"channels is 4: choose one of 1, 3"),
        ({"batch_size": 1}, r"batch_size is 1: .*at least 2"),
        ({"learning_rate_d": -1e-4}, r"learning_rate_d is -0\.0001: .*above 0"),
        ({"learning_rate_g": float("nan")}, r"learning_rate_g is nan"),
        ({"beta1": 1.0}, r"beta1 is 1\.0"),
        ({"epochs": 0}, r"epochs is 0: .*at least 1"),
        ({"label_smoothing": 0.7}, r"label_smoothing is 0\.7"),
        ({"precision": "fp16"}, r"precision is 'fp16': choose one of fp32, bf16, auto"),
        ({"objective": "wgan"}, r"objective is 'wgan': choose one of non-saturating, saturating, least-squares, hinge"),
        ({"objective": "wasserstein"}, r"objective is 'wasserstein', which needs a bound on D's slope: set"),
        ({"objective": "wasserstein", "spectral_norm": True}, r"needs a bound on D's slope: set discriminator_norm to"),
        (
            {
                "objective": "wasserstein",
                "spectral_norm": True,
                "discriminator_norm": "none",
                "label_smoothing": 0.1,
            },
            r"label_smoothing is 0\.1, but the objective wasserstein has no labels: set it to 0",
        ),
        (
            {"gradient_penalty": 10},
            r"gradient_penalty is 10\.0, but it is about single images, .*: set discriminator_norm to none",
        ),
        ({"gradient_penalty": -1}, r"gradient_penalty is -1\.0: .*0 \(none\) or more"),
        ({"discriminator_norm": "layer"}, r"discriminator_norm is 'layer': choose one of batch, none"),
        ({"discriminator_slope": 2}, r"discriminator_slope is 2\.0: it must be in \[0, 1\]"),
        ({"noise": "gaussian"}, r"noise is 'gaussian': choose one of normal, uniform"),
        ({"d_updates": 0}, r"d_updates is 0: it must be at least 1"),
        ({"g_updates": 0}, r"g_updates is 0: it must be at least 1"),
        ({"objective": "hinge", "label_smoothing": 0.1}, r"label_smoothing is 0\.1, but .* no labels: set it to 0"),
        ({"objective": "hinge", "recipe": "modern"}, r"label_smoothing is 0\.1, but .* no labels: set it to 0"),
        ({"r1_weight": -1}, r"r1_weight is -1\.0: .*0 \(none\) or more"),
        ({"r1_weight": float("nan")}, r"r1_weight is nan"),
        ({"r1_weight": float("inf")}, r"r1_weight is inf"),
        ({"evaluate_every": -1}, r"evaluate_every is -1: it must be 0 or more"),
        ({"recipe": "modren"}, r"recipe is 'modren': choose one of paper, modern"),
        ({"seed": -1}, r"seed is -1"),
        ({"seed": 2**63}, r"seed is 9223372036854775808: it must be 0 or more, and below"),
        ({"data": ""}, r"data is empty"),
        ({"lerning_rate_d": 1e-4}, r"unknown setting 'lerning_rate_d': did you mean 'learning_rate_d'\?"),
        ({"penalty_every": 0}, "penalty_every is 0: it must be at least 1"),
        ({"q": 1}, r"unknown setting 'q'; known are data, image_size, "),
        ({"learning_rate": 1e-4}, r"unknown setting .*: did you mean 'learning_rate_d' or 'learning_rate_g'\?"),
        ({5: 1}, r"unknown setting 5; known are data"),
        ({"zzz": 1}, r"unknown setting 'zzz'; known are data, image_size"),
    ],
)
def test_a_bad_value_is_named_with_what_to_do(setting, message):
    with pytest.raises(ValueError, match=message) as caught:
        Config.from_dict(setting)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("setting", [{"epochs": "five"}, {"epochs": 2.5}, {"flip": 1}, {"seed": True}, {"beta1": "x"}])
def test_a_mistyped_value_is_named_with_its_type(setting):
    (name,) = setting
    with pytest.raises(TypeError, match=rf"{name} is .*must be of type \w+, not \w+"):
        Config.from_dict(setting)


def test_from_notebook_takes_the_parameters_and_leaves_the_rest():
    namespace = {"epochs": 7, "run_id": "first", "something_else": object(), "In": ["import os"]}
    assert Config.from_notebook(namespace, also=("run_id",)) == Config(epochs=7)


def test_from_notebook_refuses_a_parameter_that_papermill_made_up():
    namespace = {"epochs": 7, "epoch": 3, "In": ["epochs = 5", "# Parameters\nepochs = 7\nepoch = 3\n"]}
    with pytest.raises(ValueError, match=r"papermill passed 'epoch', no parameter here: did you mean 'epochs'\?"):
        Config.from_notebook(namespace)


def test_a_recipe_that_papermill_passes_wins_over_the_notebooks_values_and_not_over_those_beside_it():
    cell = {"batch_size": 16, "learning_rate_d": 1e-3, "epochs": 2, "recipe": "modern"}
    namespace = cell | {
        "learning_rate_d": 5e-4,
        "In": ["", "# Parameters\nrecipe = 'modern'\nlearning_rate_d = 5e-4\n"],
    }
    config = Config.from_notebook(namespace)
    assert (config.batch_size, config.learning_rate_d, config.epochs) == (RECIPES["modern"]["batch_size"], 5e-4, 2)


def test_a_recipe_in_the_notebooks_own_cell_comes_before_what_stands_beside_it():
    config = Config.from_notebook({"recipe": "modern", "batch_size": 16, "In": []})
    assert config == Config.from_dict({"recipe": "modern", "batch_size": 16})


def test_a_setting_that_the_notebooks_cell_lacks_can_be_passed_as_well():
    passed = {"spectral_norm": True, "In": ["# Parameters\nspectral_norm = True\n"]}
    assert Config.from_notebook({"epochs": 3} | passed) == Config(epochs=3, spectral_norm=True)


def test_what_an_earlier_version_saved_is_understood_and_what_trains_otherwise_is_told():
    assert Config.from_dict({"epochs": 7, "mixed_batches": False}) == Config(epochs=7)
    with pytest.raises(
        ValueError, match=r"^mixed_batches is True, but it is no setting any more: give `fit` .* a step"
    ):
        Config.from_dict({"mixed_batches": True})


def test_a_step_takes_a_batch_for_each_update_of_d():
    config = Config(batch_size=8, d_updates=3)
    assert config.images_per_step == 24
    assert [config.steps_per_epoch(count) for count in (24, 25, 48)] == [1, 2, 2]
    with pytest.raises(ValueError, match=r"24 images \(batch_size 8 × d_updates 3\), but there are 23: lower one"):
        config.check_count(23)


def test_differences_name_both_values():
    assert Config(seed=1).differences(Config(seed=2)) == {"seed": (1, 2)}


def test_a_runs_own_file_is_read_too(tmp_path):
    (tmp_path / "config.json").write_text('{"config": {"epochs": 7}, "environment": {"torch": "2.11"}}')
    assert Config.from_file(tmp_path / "config.json") == Config(epochs=7)


def test_replace_checks_like_a_new_config():
    assert Config().replace(epochs=7, beta1=0.0) == Config(epochs=7, beta1=0.0)
    with pytest.raises(ValueError, match="unknown setting 'epoch'"):
        Config().replace(epoch=7)


def test_the_papers_recipe_is_the_defaults():
    assert Config.from_dict({"recipe": "paper"}) == Config()


def test_the_recipes_set_the_same_settings_so_that_one_undoes_the_other():
    paper, modern = RECIPES["paper"], RECIPES["modern"]  # "minimal" is an architecture of its own
    assert paper.keys() == modern.keys()
    assert Config().replace(recipe="modern").replace(recipe="paper") == Config()
    assert Config().differences(Config(**modern)).keys() == paper.keys()  # none is named in vain


@pytest.mark.parametrize("settings", [{"recipe": "modern", "batch_size": 32}, {"batch_size": 32, "recipe": "modern"}])
def test_what_is_set_beside_a_recipe_wins_wherever_it_stands(tmp_path, settings):
    expected = Config(**RECIPES["modern"] | {"batch_size": 32})
    (tmp_path / "c.yaml").write_text("".join(f"{name}: {value}\n" for name, value in settings.items()))
    assert Config.from_dict(settings) == Config.from_file(tmp_path / "c.yaml") == expected
    assert Config(seed=7, batch_size=16).replace(**settings) == dataclasses.replace(expected, seed=7)


def test_a_recipe_takes_the_place_of_what_was_set_before():
    assert Config(batch_size=16).replace(recipe="modern").batch_size == 64


def test_an_unknown_recipe_in_a_file_is_told_with_the_files_name(tmp_path):
    (tmp_path / "c.yaml").write_text("recipe: articles\n")
    with pytest.raises(ValueError, match=r"c\.yaml: recipe is 'articles': choose one of paper, modern, minimal$"):
        Config.from_file(tmp_path / "c.yaml")
