"""A generator in another program's hands draws what it draws here, any number at once, or no file is left."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dcgan_lib import GAN
from dcgan_lib.__main__ import main
from dcgan_lib.sharing import networks, pretrained
from dcgan_lib.sharing.folder import DIRECTIONS
from dcgan_lib.sharing.networks import export_onnx, export_torch
from dcgan_lib.train import fit

PROJECT = Path(__file__).parents[2]
KINDS = {
    "averaged": {"average_half_life": 40},
    "nearest": {"upsampling": "nearest", "noise": "uniform"},
    "minimal": {"architecture": "minimal", "image_size": 64, "generator_width": 4},
}


@pytest.fixture(params=KINDS)
def gan(request, tiny, images):
    gan = GAN(tiny.replace(**KINDS[request.param]))
    if gan.config.image_size == 16:
        list(fit(gan, images))
    return gan


@pytest.fixture
def source(tiny, tmp_path):
    (tmp_path / "run").mkdir()
    GAN(tiny).save(tmp_path / "run/checkpoint.pt")
    return tmp_path / "run"


def z(count):
    return torch.randn(count, 10, generator=torch.Generator().manual_seed(count))


def test_onnx_takes_any_number_and_gives_what_sample_gives(gan, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    path = export_onnx(gan, tmp_path / "new/generator.onnx")
    assert list(path.parent.iterdir()) == [path]
    session = runtime.InferenceSession(path)
    [given], [made] = session.get_inputs(), session.get_outputs()
    assert (given.name, made.name) == ("z", "images")
    for count in (1, 2, 40):
        [images] = session.run(None, {"z": z(count).numpy()})
        torch.testing.assert_close(torch.from_numpy(images), gan.sample(z(count)), atol=1e-5, rtol=1e-4)
    about = session.get_modelmeta().custom_metadata_map
    assert about["z"] == f"(N, 10), {'uniform in [-1, 1]' if gan.config.noise == 'uniform' else 'standard normal'}"
    assert json.loads(about["config"])["latent_dim"] == 10
    assert str(PROJECT).encode() not in path.read_bytes()  # nothing of this machine


def test_as_a_program_of_pytorch_it_takes_any_number_and_gives_what_sample_gives(gan, tmp_path):
    path = export_torch(gan, tmp_path / "generator.pt2")
    about = {"about.json": ""}
    loaded = torch.export.load(path, extra_files=about).module()
    for count in (1, 2, 40):
        torch.testing.assert_close(loaded(z(count)), gan.sample(z(count)), atol=1e-5, rtol=1e-4)
    assert json.loads(about["about.json"])["step"] == str(gan.step)
    assert str(PROJECT).encode() not in path.read_bytes()


def test_pytorch_loads_it_without_this_library(tiny, tmp_path):
    path = export_torch(GAN(tiny), tmp_path / "generator.pt2")
    code = f"import sys, torch; print(*torch.export.load({str(path)!r}).module()(torch.zeros(3, 10)).shape[:2])"
    code += "; print('dcgan_lib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/", check=True)
    assert done.stdout.split() == ["3", "3", "False"]


def test_what_trains_stays_as_it_is(tiny, tmp_path):
    gan = GAN(tiny)
    export_torch(gan, tmp_path / "generator.pt2")
    assert gan.generator.training
    assert all(weight.requires_grad for weight in gan.generator.parameters())


def test_an_export_that_draws_other_images_leaves_no_file(tiny, tmp_path, monkeypatch):
    gan, load = GAN(tiny), torch.export.load

    class Wrong:
        def __init__(self, program, change):
            self.program, self.change = program, change

        def module(self):
            network = self.program.module()
            return lambda z: self.change(network(z))

    for change, told in (
        (
            lambda images: images + 1e-3,
            r"in a batch of 1 its images differ from the network's by 0\.001; please",
        ),
        (lambda images: images * float("nan"), "differ from the network's by nan"),
        (lambda images: images[:3], r"in a batch of 7 its images differ from the network's by inf"),
        (lambda images: images.reshape(1, 3, 16, 16), "the export takes no batch of 7: shape"),
    ):
        monkeypatch.setattr(torch.export, "load", lambda file, change=change: Wrong(load(file), change))
        with pytest.raises(RuntimeError, match=rf"generator\.pt2 is not written: .*{told}"):
            export_torch(gan, tmp_path / "generator.pt2")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_there_is_replaced_by_a_whole_one_or_stays(tiny, tmp_path, monkeypatch):
    path = tmp_path / "generator.pt2"
    path.write_text("the one before")
    monkeypatch.setattr(networks, "TOLERANCE", -1)
    with pytest.raises(RuntimeError, match="is not written"):
        export_torch(GAN(tiny), path)
    assert path.read_text() == "the one before"
    monkeypatch.undo()
    export_torch(GAN(tiny), path)
    assert torch.export.load(io.BytesIO(path.read_bytes())).module()(z(2)).shape == (2, 3, 16, 16)


def test_without_the_packages_of_onnx_a_line_says_what_to_install(tiny, tmp_path, monkeypatch):
    for name in ("onnxscript", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)
    told = r"^ONNX needs more packages: pip install (onnx )?onnxscript onnxruntime$"
    with pytest.raises(RuntimeError, match=told):
        export_onnx(GAN(tiny), tmp_path / "generator.onnx")


def test_an_exporter_that_fails_is_told_in_one_line(tiny, tmp_path, monkeypatch):
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name)

    def fail(*given, **options):
        raise ModuleNotFoundError("No module named 'onnxscript._framework_apis.torch_2_11'\nmore")

    monkeypatch.setattr(torch.onnx, "export", fail)
    told = r"^PyTorch could not export it as ONNX: No module .*2_11'; try pip install --upgrade onnx onnxscript$"
    with pytest.raises(RuntimeError, match=told):
        export_onnx(GAN(tiny), tmp_path / "generator.onnx")


def test_the_command_puts_it_beside_the_runs_and_says_what_it_takes(source, capsys):
    assert main(["export", str(source), "--to", "torch"]) == 0
    path = source.parent / "exports/run.pt2"
    assert path.is_file()
    told = "z (N, 10) to images (N, 3, 16, 16) in [-1, 1], as the network draws them"
    assert capsys.readouterr().out == f"{path}: {told}\n"


def test_the_command_writes_a_pretrained_folder_that_the_command_takes(source, tmp_path, capsys):
    assert main(["export", str(source / "checkpoint.pt"), "--to", "pretrained", "--dtype", "float16"]) == 0
    folder = source.parent / "exports/run"
    assert capsys.readouterr().out.startswith(f'a generator in {folder}: GAN.from_pretrained("{folder}")')
    assert main(["sample", str(folder), "--count", "3", "--grid", str(tmp_path / "grid.png")]) == 0
    assert main(["export", str(folder), "--to", "torch", "--into", str(tmp_path / "again.pt2")]) == 0


def test_a_pretrained_folder_is_sent_as_it_lies_there_unless_it_is_to_change(source, monkeypatch, capsys):
    sent = []
    monkeypatch.setattr(pretrained, "push_to_hub", lambda folder, name: sent.append(folder) or f"https://hub/{name}")
    assert main(["export", str(source), "--to", "pretrained", "--push", "me/faces"]) == 0
    folder = source.parent / "exports/run"
    card = folder / "README.md"
    card.write_text(card.read_text() + "my own line\n")
    assert main(["export", str(folder), "--to", "pretrained", "--push", "me/faces"]) == 0
    assert card.read_text().endswith("my own line\n")
    assert main(["export", str(folder), "--to", "pretrained", "--push", "me/faces", "--dtype", "float16"]) == 0
    assert sent == [folder, folder, folder.parent / "exports/run"]
    assert capsys.readouterr().out.count("sent to https://hub/me/faces") == 3


def test_directions_go_with_the_generator_that_they_were_found_in(tiny, tmp_path):
    gan, folder = GAN(tiny), tmp_path / "faces"
    gan.save_pretrained(folder)
    (folder / DIRECTIONS).write_text("{}")
    gan.save_pretrained(folder)
    assert (folder / DIRECTIONS).exists()
    GAN(tiny.replace(seed=2)).save_pretrained(folder)
    assert not (folder / DIRECTIONS).exists()


def test_a_network_is_not_written_over_a_folder(source, tmp_path, capsys):
    assert main(["export", str(source), "--to", "torch", "--into", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"{tmp_path} is a folder: name a file, {tmp_path}/run.pt2, say\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["no/where", "--to", "onnx"], "no/where"),
        (["{}", "{}", "--to", "torch"], "--to torch takes one generator, and 2 are given: name one"),
        (["{}", "--to", "torch", "--measure"], "--dtype, --licence, --measure, --data, --push are for --to pretrained"),
        (["{}", "--to", "csv", "--push", "me/faces"], "are for --to pretrained: leave them out"),
        (["{}", "--to", "csv"], "no runs in"),
    ],
)
def test_what_is_not_possible_is_one_line(source, arguments, told, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert main(["export", *(each.format(source) for each in arguments)]) == 1
    said = capsys.readouterr()
    assert told in said.err
    assert len(said.err.splitlines()) == 1
    assert said.out == ""
