"""A generator that leaves: what is written draws what `sample` draws, wherever it is read, or a line says why not."""

import json
import sys
import types

import pytest
import torch
import yaml
from helpers.records import write_run

from dcgan_lib import GAN, __version__
from dcgan_lib.checkpoint import CheckpointError
from dcgan_lib.config import FACES
from dcgan_lib.records.writing import log_scores, open_run
from dcgan_lib.sharing import folder as folders
from dcgan_lib.sharing import from_pretrained, push_to_hub, save_pretrained, share
from dcgan_lib.train import fit

FILES = ["README.md", "config.json", "model.safetensors"]


@pytest.fixture(params=[0, 40], ids=["plain", "averaged"])
def gan(request, tiny, images):
    gan = GAN(tiny.replace(average_half_life=request.param, data=FACES))
    list(fit(gan, images))
    return gan


@pytest.fixture
def z():
    return torch.randn(9, 10, generator=torch.Generator().manual_seed(3))


def front_matter(folder):
    _, head, text = (folder / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(head), text


def test_what_is_saved_draws_what_sample_draws(gan, z, tmp_path):
    drawn, before = gan.sample(z), torch.get_rng_state()
    folder = gan.save_pretrained(tmp_path / "faces")
    assert sorted(path.name for path in folder.iterdir()) == FILES
    again = GAN.from_pretrained(folder, "cpu")
    assert torch.equal(again.sample(z), drawn)
    assert torch.equal(again.sampler().eval()(z), drawn)  # the network itself, too
    assert again.step == gan.step
    assert again.config == gan.config
    assert torch.equal(torch.get_rng_state(), before)


def test_half_the_size_draws_the_same_to_the_rounding_of_its_precision(gan, z, tmp_path):
    whole, half = (save_pretrained(gan, tmp_path / dtype, dtype) for dtype in ("float32", "float16"))
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (whole, half)]
    assert sizes[1] < 0.6 * sizes[0]
    difference = (from_pretrained(half, "cpu").sample(z) - gan.sample(z)).abs().max()
    assert 0 < difference < 2 / 255  # rounding by 2^-11 of its size, in each of three layers


def test_a_runs_folder_and_a_checkpoint_are_sources_as_well(gan, z, tmp_path):
    gan.save(tmp_path / "checkpoint.pt")
    for source in (tmp_path, tmp_path / "checkpoint.pt", str(tmp_path)):
        torch.testing.assert_close(from_pretrained(source, "cpu").sample(z), gan.sample(z))
    assert "main.0.weight" in from_pretrained(tmp_path).discriminator.state_dict()


def test_the_package_has_a_generator_of_its_own():
    gan = GAN.from_pretrained()
    assert gan.config == GAN.from_pretrained("portraits").config
    images = gan.sample(gan.noise(4))
    assert images.shape == (4, 3, 64, 64)
    assert images.std() > 0.2
    size = sum(path.stat().st_size for path in folders.SHIPPED.iterdir())
    assert size <= 4e6
    assert front_matter(folders.SHIPPED)[0]["license"] == "mit"


def test_saving_again_replaces_and_nothing_of_anybody_else_is_overwritten(gan, z, tmp_path):
    folder = gan.save_pretrained(tmp_path / "faces")
    other = GAN(gan.config.replace(seed=5))
    other.save_pretrained(folder)
    torch.testing.assert_close(from_pretrained(folder).sample(z), other.sample(z))
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.json").write_text('{"config": {}}')
    (tmp_path / "file").write_text("mine")
    for taken in ("run", "file"):
        with pytest.raises(FileExistsError, match=r"choose a(nother)? folder$"):
            gan.save_pretrained(tmp_path / taken)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["config.json"]


def test_weights_that_the_precision_does_not_hold_are_not_written(gan, tmp_path):
    with torch.no_grad():
        gan.sampler().main[0].weight[0, 0, 0, 0] = 1e5
    gan.save_pretrained(tmp_path / "whole")
    with pytest.raises(ValueError, match="a weight is not finite in float16"):
        gan.save_pretrained(tmp_path / "half", "float16")
    with pytest.raises(ValueError, match="dtype is 'int8': choose one of float32, float16"):
        gan.save_pretrained(tmp_path / "half", "int8")
    assert not (tmp_path / "half").exists()


def damage(folder, name, change):
    path = folder / name
    path.write_bytes(change(path.read_bytes()))


def with_setting(**settings):
    def change(text):
        about = json.loads(text)
        about["config"] |= settings
        return json.dumps(about).encode()

    return change


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("model.safetensors", lambda data: data[:-7], "model.safetensors is not a safetensors file, or damaged"),
        ("model.safetensors", lambda data: b"PK" + data, "model.safetensors is not a safetensors file, or damaged"),
        (
            "model.safetensors",
            lambda data: data[:-1] + b"\x01",
            "model.safetensors is damaged, or of another model: get",
        ),
        ("config.json", lambda text: text[:-9], "config.json is not of save_pretrained: "),
        ("config.json", lambda text: b'{"model_type": "bert"}', "is not of save_pretrained: it lacks 'config'"),
        ("config.json", lambda text: b"[]", "config.json is not of save_pretrained: "),
        ("config.json", lambda text: text.replace(b'"step": 0', b'"step": -7'), "of save_pretrained: step is -7"),
        (
            "config.json",
            lambda text: with_setting(newer=3)(text).replace(__version__.encode(), b"99.0"),
            f"config.json is of dcgan_lib 99.0, and this is {__version__}: install that: unknown setting 'newer'",
        ),
        ("config.json", with_setting(generator_wdth=3), "unknown setting 'generator_wdth': did you mean"),
        ("config.json", with_setting(image_size=17), "image_size is 17: choose one of"),
        ("config.json", with_setting(generator_width=16), "is of another network than config.json says: main.0.weight"),
        ("config.json", with_setting(generator_width=10**7), "is of another network than config.json says"),
        ("config.json", with_setting(image_size=32), "is of another network than config.json says: main."),
    ],
)
def test_what_is_damaged_or_foreign_is_one_line(tiny, tmp_path, name, change, said):
    folder = GAN(tiny).save_pretrained(tmp_path / "faces")
    damage(folder, name, change)
    with pytest.raises(CheckpointError) as raised:
        from_pretrained(folder)
    assert said in str(raised.value)
    assert str(folder) in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_settings_of_another_version_are_read_as_those_of_today(tiny, z, tmp_path):
    gan = GAN(tiny)
    folder = gan.save_pretrained(tmp_path / "faces")
    damage(folder, "config.json", with_setting(mixed_batches=True))
    assert torch.equal(from_pretrained(folder).sample(z), gan.sample(z))


def test_weights_that_are_not_finite_are_told_where_no_checksum_tells(tiny, tmp_path):
    folder = GAN(tiny).save_pretrained(tmp_path / "faces")
    damage(folder, "config.json", lambda text: text.replace(b"sha256", b"other"))
    damage(folder, "model.safetensors", lambda data: data[:-4] + b"\x00\x00\xc0\x7f")
    with pytest.raises(CheckpointError, match=r"model\.safetensors holds weights that are not finite: get it again"):
        from_pretrained(folder)


def test_what_is_missing_is_told(tiny, tmp_path, monkeypatch):
    folder = GAN(tiny).save_pretrained(tmp_path / "faces")
    (folder / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"faces has no config\.json"):
        from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"faces holds neither checkpoint\.pt nor model\.safetensors"):
        from_pretrained(folder)
    monkeypatch.chdir(tmp_path)
    for source in (tmp_path / "no", "faces/no", "no"):  # `faces` is a folder here: "faces/no" is no owner's
        with pytest.raises(FileNotFoundError, match=f"^no generator at {source}: give a run's folder"):
            from_pretrained(source)


def test_neither_a_device_nor_a_folder_of_this_machine_is_told_to_others(tiny, tmp_path):
    config = tiny.replace(data=str(tmp_path / "my photos"))
    folder = GAN(config).save_pretrained(tmp_path / "faces")
    for path in folder.iterdir():
        assert str(tmp_path).encode() not in path.read_bytes()
    assert from_pretrained(folder).config.data == "my photos"
    assert json.loads((folder / "config.json").read_text())["config"]["device"] == "auto"


def test_the_card_says_what_whoever_finds_it_needs(gan, tmp_path):
    head, text = front_matter(gan.save_pretrained(tmp_path / "faces"))
    assert head["license"] == "mit"
    assert head["pipeline_tag"] == "unconditional-image-generation"
    for words in ("16 × 16", "`data/faces`", "| `batch_size` | 8 | 128 |", "dcgan train config.json", "not measured"):
        assert words in text
    assert "sample_every" not in text  # a matter of reports
    other, text = front_matter(GAN(gan.config.replace(data="photos")).save_pretrained(tmp_path / "others"))
    assert other["license"] == "other"
    assert "whether they may be used so" in text


def test_the_card_has_the_runs_scores_and_its_examples_draw(tiny, images, tmp_path, monkeypatch):
    run, folder = tmp_path / "run", tmp_path / "faces"
    gan = GAN(tiny)
    list(fit(gan, images))
    with open_run(tiny, run, images=images) as record:
        log_scores(record, {"swd": 5.0, "swd_16": 3.0}, 8)
        log_scores(record, {"swd": 2.5, "swd_16": 1.5, "diversity": 0.9}, 12)
    gan.save(run / "checkpoint.pt")
    _, text = front_matter(share(run, folder, licence="cc0-1.0"))
    assert "| swd | 2.5 | sliced Wasserstein" in text
    assert "| diversity | 0.9 |" in text
    assert "images: 20" in text
    [code] = [part.removeprefix("python\n") for part in text.split("```") if part.startswith("python\n")]
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code, names)
    assert names["images"].shape == (16, 3, 16, 16)
    (run / "best.json").write_text('{"step": 12, "scores": {"swd": 2.0}}')
    assert "| swd | 2 | sliced" in front_matter(share(run, folder))[1]


def test_scores_measured_for_the_card_stand_beside_those_of_real_images(tiny, tmp_path, monkeypatch):
    from helpers.pictures import save_images

    save_images(tmp_path / "photos", 60, size=(16, 16))
    monkeypatch.chdir(tmp_path)
    GAN(tiny.replace(data="photos")).save("checkpoint.pt")
    _, text = front_matter(share("checkpoint.pt", "faces", measure=True))
    [row] = [line.split("|") for line in text.splitlines() if line.startswith("| swd |")]
    assert float(row[2]) > float(row[3]) > 0  # noise against images, and images against others


class Hub:
    """As much of `huggingface_hub` as is asked of it; it keeps what it was sent."""

    def __init__(self):
        self.sent = {}

    def HfApi(self):
        return self

    def create_repo(self, name, private, exist_ok):
        assert exist_ok
        self.private = private
        return f"https://hub/{name}"

    def upload_folder(self, folder_path, repo_id, commit_message):
        self.sent[repo_id] = {path.name: path.read_bytes() for path in folder_path.iterdir()}

    def snapshot_download(self, name, allow_patterns):
        if name not in self.sent:
            raise OSError(f"404 for {name}\nmore\n")
        folder = self.cache / "0123abcd"
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in self.sent[name].items():
            (folder / file).write_bytes(content)
        return str(folder)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    hub, module = Hub(), types.ModuleType("huggingface_hub")
    hub.cache = tmp_path / "hub"
    module.HfApi, module.snapshot_download = hub.HfApi, hub.snapshot_download
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return hub


def test_what_is_sent_to_the_hub_comes_back_from_there(gan, z, tmp_path, hub):
    folder = gan.save_pretrained(tmp_path / "faces")
    assert push_to_hub(folder, "me/faces", private=True) == "https://hub/me/faces"
    assert hub.private
    assert sorted(hub.sent["me/faces"]) == FILES
    assert b'from_pretrained("me/faces")' in hub.sent["me/faces"]["README.md"]
    assert torch.equal(from_pretrained("me/faces", "cpu").sample(z), gan.sample(z))
    push_to_hub(gan, "me/again")
    assert hub.sent["me/again"]["model.safetensors"] == hub.sent["me/faces"]["model.safetensors"]


def test_sending_leaves_the_folder_as_it_was_and_foreign_files_in_it(gan, tmp_path, hub, monkeypatch):
    folder = gan.save_pretrained(tmp_path / "faces")
    for name in (folders.DIRECTIONS, "notes.txt"):
        (folder / name).write_text("{}")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    push_to_hub(folder, "me/faces")
    assert sorted(hub.sent["me/faces"]) == sorted([*FILES, folders.DIRECTIONS])
    monkeypatch.setattr(hub, "upload_folder", None)
    with pytest.raises(RuntimeError, match="did not take me/other"):
        push_to_hub(folder, "me/other")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_what_the_hub_has_not_or_will_not_is_one_line(gan, tmp_path, hub, monkeypatch):
    with pytest.raises(RuntimeError, match=r"^no folder me/none is here, and the .* did not give it: 404 for me/none$"):
        from_pretrained("me/none")
    with pytest.raises(ValueError, match="'faces' is no name on the Hub: give owner/name"):
        push_to_hub(gan, "faces")
    write_run(tmp_path / "run")
    with pytest.raises(ValueError, match=r"run is no pretrained folder: write one with dcgan export"):
        push_to_hub(tmp_path / "run", "me/faces")
    monkeypatch.setattr(sys.modules["huggingface_hub"], "HfApi", lambda: object())
    with pytest.raises(RuntimeError, match="did not take me/faces: 'object' object has no attribute 'create_repo'"):
        push_to_hub(gan, "me/faces")


def test_without_the_hubs_package_a_line_says_what_to_install(gan, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for call in (lambda: from_pretrained("me/faces"), lambda: push_to_hub(gan, "me/faces")):
        with pytest.raises(RuntimeError, match=r"pip install huggingface_hub$"):
            call()
