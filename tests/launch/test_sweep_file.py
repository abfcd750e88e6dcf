"""What a sweep's file asks for: expanded, named, and refused where it can't be done."""

from pathlib import Path

import pytest
import yaml

from dcgan_lib.config import Config
from dcgan_lib.launch.sweep_file import Search, is_search, read_search, read_sweep

SWEEPS = Path(__file__).parents[2] / "configs/sweeps"


@pytest.fixture
def write(tmp_path):
    """A function that writes a sweep's file, by default called `mine`, and gives its path."""

    def write(content, name="mine"):
        path = tmp_path / f"{name}.yaml"
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))
        return path

    return write


def test_a_grid_is_every_combination_on_top_of_base_settings_and_overrides(write, tmp_path):
    (tmp_path / "base.yaml").write_text("epochs: 3\nimage_size: 32\nbatch_size: 16\n")
    file = {"base": "base.yaml", "settings": {"image_size": 16}, "grid": {"seed": [1, 2], "learning_rate_d": ["2e-4"]}}
    runs = read_sweep(write(file), batch_size=8)
    expected = Config(epochs=3, image_size=16, batch_size=8, seed=1, learning_rate_d=2e-4)
    assert [run.config for run in runs] == [expected, expected.replace(seed=2)]
    assert [run.name for run in runs] == ["mine-seed=1-learning_rate_d=0.0002", "mine-seed=2-learning_rate_d=0.0002"]
    assert {run.tag for run in runs} == {"mine"}


def test_a_list_of_runs_is_taken_as_it_stands(write):
    runs = read_sweep(write({"runs": [{}, {"flip": True}, {"seed": 3, "epochs": 2}]}))
    assert [run.name for run in runs] == ["mine-base", "mine-flip=true", "mine-seed=3-epochs=2"]
    assert runs[2].config == Config(seed=3, epochs=2)


def test_runs_can_be_named(write):
    runs = read_sweep(write({"runs": {"slow g": {"learning_rate_g": 1e-4}, 16: {"generator_width": 16}, "none": {}}}))
    assert [run.name for run in runs] == ["mine-slow-g", "mine-16", "mine-none"]
    assert runs[1].config == Config(generator_width=16)


def test_of_the_setting_that_the_sweep_is_named_after_the_value_is_enough(write):
    assert [run.name for run in read_sweep(write({"grid": {"epochs": [5, 10]}}, "epochs"))] == ["epochs-5", "epochs-10"]


def test_names_suit_every_file_system_and_are_unique(write):
    values = ["../a b/c.zip", "A-b/c.zip", "/" + "long/" * 20 + "end", "…"]
    names = [run.name for run in read_sweep(write({"grid": {"data": values}}, "my data"))]
    assert names[:2] == ["my-data-data=a-b-c.zip", "my-data-data=A-b-c.zip-2"]
    assert names[2].endswith("long-end")
    assert len(names[2]) < 60
    assert names[3] == "my-data-data=none"


@pytest.mark.parametrize("path", sorted(SWEEPS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_sweeps_that_ship_can_be_planned(path):
    runs = read_sweep(path)
    assert all(run.config.data == "data/faces" for run in runs)
    assert len({run.name for run in runs}) == len(runs) >= 2
    lines = path.read_text().splitlines()
    assert max(map(len, lines)) <= 88  # a notebook shows them


@pytest.mark.parametrize(
    ("content", "messages"),
    [
        ({"grdi": {"seed": [1]}}, ["unknown word 'grdi': did you mean 'grid'?"]),
        ({"zzz": 1, "runs": [{}]}, ["unknown word 'zzz'; known are base, settings, grid, runs, search"]),
        ({"epochs": 5, "seed": 1}, ["is a file of settings: train it with dcgan train, or name it as"]),
        ({"epochs": 5, "runs": [{}]}, ["epochs: write it below `settings:`, or as a list below `grid:`"]),
        ({"settings": {"seed": 1}}, ["has neither `grid:` nor `runs:`: write one"]),
        ({"grid": {"seed": [1]}, "runs": [{}]}, ["has `grid:` and `runs:`: delete one"]),
        ("grid:", ["grid is empty: write lists of values on lines below it, as in `epochs: [5, 10]`"]),
        ({"grid": {"seed": 1}}, ["grid: seed is 1: give a list of values, as in [1, 2]"]),
        ({"grid": {"seed": []}}, ["grid: seed is an empty list: give a list of values, as in [1, 2]"]),
        ({"grid": {"seed": [1, 2, 1]}}, ["grid: seed has 1 twice: leave one out"]),
        ({"runs": {"seed": 1}}, ["runs: seed is 1: give settings, as in {epochs: 5}"]),
        (
            {"base": {"seed": 1}, "runs": [{}]},
            ["base is {'seed': 1}: name a file of settings, as in `base: ../cpu.yaml`"],
        ),
        ({"runs": [{}, {"epoch": 1}]}, ["runs: 2: unknown setting 'epoch': did you mean 'epochs'?"]),
        ({"runs": {"long": {"epoch": 1}}}, ["runs: long: unknown setting 'epoch': did you mean 'epochs'?"]),
        (
            {"settings": {"epoch": 2}, "grid": {"image_size": [48, 64], "lerning_rate_d": [1e-4], "epochs": [1, "x"]}},
            [
                "settings: unknown setting 'epoch': did you mean 'epochs'?",
                "grid: image_size is 48: choose one of",
                "grid: unknown setting 'lerning_rate_d': did you mean 'learning_rate_d'?",
                "grid: epochs is 'x': it must be of type int",
            ],
        ),
        ({"runs": [{"seed": 1}, {"seed": 2}, {"seed": 1}]}, ["runs 1 and 3 have the same settings"]),
        ({"runs": {"a": {"seed": 1}, "b": {"seed": "1e0"}}}, ["runs: b: seed is '1e0': it must be of type int"]),
        ({"runs": {"a": {"beta1": 0.5}, "b": {}}}, ["runs a and b have the same settings: leave one out"]),
        ("[1, 2", [", line 1, column 6: expected ',' or ']'"]),
        (
            "grid:\n\tseed: [1]",
            [", line 2, column 1: found character '\\t' that cannot start any token: a tab; indent"],
        ),
        ("grid: {seed: [1]}\ngrid: {seed: [2]}", [", line 2, column 1: 'grid' is written twice"]),
        ("just words", [" holds no sweep: "]),
        ({"search": {"trials": 1}}, ["has `search:`: its runs are not known before they are trained"]),
    ],
)
def test_what_is_wrong_with_a_file_is_told_all_at_once_with_its_name(write, content, messages):
    path = write(content)
    with pytest.raises(ValueError, match="mine") as error:
        read_sweep(path)
    lines = str(error.value).splitlines()
    assert len(lines) == len(messages)
    for message in messages:
        assert any(line.startswith(str(path)) and message in line for line in lines), lines


def test_what_is_wrong_with_base_or_overrides_is_told_with_where(write, tmp_path):
    (tmp_path / "base.yaml").write_text("epoch: 3\n")
    file = write({"base": "base.yaml", "grid": {"seed": [1, 2]}})
    with pytest.raises(ValueError, match="--set") as error:
        read_sweep(file, seed=5, image_size=48)
    assert str(error.value).splitlines() == [
        f"{file}: base: {tmp_path / 'base.yaml'}: unknown setting 'epoch': did you mean 'epochs'?",
        f"{file}: --set: image_size is 48: choose one of 16, 32, 64, 128, 256",
        f"{file}: --set: seed is what this sweep varies: change its values in the file",
    ]


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("bsae.yaml", r"base: .*bsae\.yaml .*: did you mean 'base\.yaml'\?"),
        ("mine.yaml", r"base: .*mine\.yaml is a sweep"),
    ],
)
def test_a_base_that_cannot_be_used_is_told_with_the_sweeps_name(write, tmp_path, base, message):
    (tmp_path / "base.yaml").write_text("epochs: 3\n")
    with pytest.raises(ValueError, match=rf"^.*mine\.yaml: {message}"):
        read_sweep(write({"base": base, "grid": {"seed": [1, 2]}}))


@pytest.mark.parametrize("path", sorted(SWEEPS.parent.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_settings_file_that_comes_with_the_course_can_be_read(path):
    assert Config.from_file(path).data.startswith("data/")


def test_a_run_may_take_another_recipe_and_is_named_by_it(tmp_path):
    (tmp_path / "s.yaml").write_text("runs: [{recipe: minimal}, {recipe: modern, batch_size: 32}]")
    assert [run.name for run in read_sweep(tmp_path / "s.yaml")] == [
        "s-recipe=minimal",
        "s-recipe=modern-batch_size=32",
    ]


def test_a_search_is_a_space_of_settings_and_a_number_of_runs(write):
    space = {"learning_rate_g": {"low": 1e-5, "high": 1e-3, "log": True}, "generator_width": [8, 16]}
    path = write({"settings": {"evaluate_every": 10}, "search": {"trials": 3, "space": space}}, "my search")
    assert is_search(path)
    assert not is_search(write({"grid": {"seed": [1]}}))
    assert not is_search(write("just words"))
    assert read_search(path, seed=5) == Search("my-search", Config(evaluate_every=10, seed=5), space, 3, "swd")


@pytest.mark.parametrize(
    ("search", "messages"),
    [
        ({"trials": 0, "space": {"beta1": [0.0, 0.5]}}, ["trials is 0: give a number of runs, as in `trials: 20`"]),
        ({"trials": 2}, ["space is None: write settings on lines below it, as in `beta1: [0.0, 0.5]`"]),
        (
            {"trials": 2, "score": "fid", "spaec": {}, "space": {"beta1": [0.0]}},
            ["unknown word 'spaec': did you mean 'space'?", "score is 'fid': choose one of swd, frechet, kernel"],
        ),
        (
            {
                "trials": 2,
                "space": {
                    "beta2": [1, 1],
                    "batch_size": {"low": 8, "hihg": 64},
                    "learning_rate_g": {"low": 0, "high": 1, "log": True},
                    "beta1": {"low": 0.0, "high": 9.0},
                    "epoch": [1, 2],
                },
            },
            [
                "beta2 has 1 twice",
                "batch_size is {'low': 8, 'hihg': 64}: give a list of values, or a range, as in {low: 0.0001, high",
                "learning_rate_g is {'low': 0, 'high': 1, 'log': True}: on a logarithmic scale a range begins above 0",
                "beta1 is 9.0",
                "unknown setting 'epoch': did you mean 'epochs'?",
            ],
        ),
    ],
)
def test_what_is_wrong_with_a_search_is_told_all_at_once(write, search, messages):
    path = write({"settings": {"evaluate_every": 10}, "search": search})
    with pytest.raises(ValueError, match="mine") as error:
        read_search(path)
    for message in messages:
        assert message in str(error.value)


def test_a_search_without_measurements_is_refused(write):
    with pytest.raises(
        ValueError, match="search: nothing is measured: write a line below `settings:`, as in `evaluate_e"
    ):
        read_search(write({"search": {"trials": 2, "space": {"beta1": [0.0, 0.5]}}}))
