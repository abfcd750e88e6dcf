"""Scores of generated images beside those of real ones, the best checkpoint, and the command that prints a table."""

import dataclasses
import json
import sys
import types
import warnings
from functools import partial
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image

from dcgan_lib.__main__ import main
from dcgan_lib.data import ImageSet
from dcgan_lib.faces import draw_faces
from dcgan_lib.gan import GAN
from dcgan_lib.images.grid import to_floats
from dcgan_lib.quality import evaluate, metrics
from dcgan_lib.quality.evaluate import Evaluator, fid_and_kid, keep_best
from dcgan_lib.train import fit


class Reader:
    """Stands for a classifier: its attributes are whether each colour is strong, its features how strong they are."""

    accuracy = 0.9

    def read(self, pixels):
        colours = metrics.as_floats(pixels).mean((2, 3))
        return colours, colours > 0


def scenes(count, seed):
    """Images of one of eight plain colours each, with noise: (count, 3, 32, 32) uint8."""
    random = np.random.default_rng(seed)
    colours = random.choice([-60, 60], (count, 3, 1, 1))
    return (128 + colours + random.normal(0, 20, (count, 3, 32, 32))).clip(0, 255).astype(np.uint8)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Fewer patches and pairs than a real measurement has."""
    monkeypatch.setattr(metrics, "sliced_wasserstein", partial(metrics.sliced_wasserstein, patches=2048, directions=64))
    monkeypatch.setattr(metrics, "pairwise_distance", partial(metrics.pairwise_distance, pairs=2000))


@pytest.fixture
def real(images) -> ImageSet:
    """400 scenes, of which the last 100 are the test split."""
    partition = np.repeat(np.array([0, 2], np.int8), [300, 100])
    return dataclasses.replace(images, images=scenes(400, seed=0), partition=partition)


@pytest.fixture
def run(tiny, tmp_path):
    """The folder of a run on 40 scenes, with a checkpoint."""
    (tmp_path / "data").mkdir()
    for i, scene in enumerate(scenes(40, seed=0)):
        Image.fromarray(scene.transpose(1, 2, 0)).save(tmp_path / f"data/{i:02d}.png")
    (tmp_path / "run").mkdir()
    GAN(tiny.replace(data=tmp_path / "data")).save(tmp_path / "run/checkpoint.pt")
    return tmp_path / "run"


def rows_of(pixels):
    """The images as a set, to see which are among them."""
    return {image.numpy().tobytes() for image in pixels}


def test_with_hold_out_fakes_are_compared_with_the_test_split(real):
    evaluator = Evaluator(real, hold_out=True)
    assert rows_of(evaluator.real) == rows_of(torch.from_numpy(real.images[300:]))
    assert rows_of(evaluator.training) == rows_of(torch.from_numpy(real.images[:300]))
    assert rows_of(evaluator.others) <= rows_of(evaluator.training)


@pytest.mark.parametrize("count", [50, 2000])
def test_without_it_two_halves_of_the_training_images_are_compared_with_each_other(real, count):
    evaluator = Evaluator(real, hold_out=False, count=count)
    assert len(evaluator.real) == len(evaluator.others) == min(count, 200)
    assert not rows_of(evaluator.real) & rows_of(evaluator.others)
    assert "novelty" not in evaluator.floor()


def test_new_images_of_the_same_kind_are_near_the_floor_and_noise_is_not(real):
    evaluator = Evaluator(real, hold_out=True, classifier=Reader())
    floor, fresh = evaluator.floor(), evaluator.compare(torch.from_numpy(scenes(300, seed=1)))
    random = torch.Generator().manual_seed(0)
    noise = evaluator.compare(torch.rand(300, 3, 32, 32, generator=random) * 2 - 1)
    names = set(evaluate.MEANING) - {"swd_", "fid", "kid"} | {"swd_32", "swd_16"}
    assert set(floor) == set(fresh) | {"overfitting"} == names
    for name in ("swd", "frechet", "kernel"):
        assert noise[name] > 3 * max(floor[name], abs(fresh[name])), name
    assert fresh["swd"] == pytest.approx((fresh["swd_32"] + fresh["swd_16"]) / 2)
    assert fresh["diversity"] == pytest.approx(1, abs=0.1)
    assert fresh["contrast"] == pytest.approx(1, abs=0.05)
    assert fresh["saturation"] == pytest.approx(0, abs=0.01)
    assert fresh["novelty"] == pytest.approx(1, abs=0.1)
    assert fresh["copying"] == pytest.approx(1, abs=0.05)
    assert floor["novelty"] == floor["copying"] == 1
    assert floor["overfitting"] == 0
    assert fresh["combinations"] == floor["combinations"] == 1


def test_the_reference_itself_has_the_best_scores(real):
    evaluator = Evaluator(real, hold_out=True, classifier=Reader())
    scores = evaluator.compare(evaluator.real)
    assert scores["frechet"] == pytest.approx(0, abs=1e-6)
    assert scores["attribute_error"] == 0
    assert scores["diversity"] == scores["novelty"] == scores["combinations"] == 1
    assert evaluator.compare(evaluator.real[::25])["combinations"] == 1  # of as many, not of all


def test_a_collapsed_generator_has_no_diversity_and_one_combination(real):
    evaluator = Evaluator(real, hold_out=True, classifier=Reader())
    scores = evaluator.compare(torch.ones(200, 3, 32, 32))
    assert scores["diversity"] == 0
    assert scores["combinations"] == 1 / 8
    share = (real.images[300:].mean((2, 3)) > 127.5).mean()
    assert scores["attribute_error"] == pytest.approx(1 - share)
    assert scores["kernel"] > 100 * abs(evaluator.floor()["kernel"])


def test_burnt_out_images_have_too_much_contrast_and_values_at_the_ends_of_the_range(real):
    evaluator = Evaluator(real, hold_out=True)
    burnt = (5 * to_floats(evaluator.real)).clamp(-1, 1)
    scores = evaluator.compare(burnt)
    assert scores["contrast"] > 1.3
    shares = [(images.abs() > 0.99).float().mean().item() for images in (burnt, to_floats(evaluator.real))]
    assert scores["saturation"] == pytest.approx(shares[0] - shares[1])
    assert scores["saturation"] > 0.2


def test_copies_of_training_images_are_not_new(real):
    evaluator = Evaluator(real, hold_out=True)
    for copied in (evaluator.training[:50], evaluator.training[-50:]):
        copies, nearly = (evaluator.compare(images) for images in (copied, to_floats(copied) + 0.01))
        assert copies["novelty"] == 0
        assert copies["copying"] < 0.01  # twins' distances are rounded
        assert max(nearly["novelty"], nearly["copying"]) < 0.1
    blurred = torch.full((20, 3, 32, 32), 128, dtype=torch.uint8)
    assert evaluator.compare(blurred)["copying"] > 0.95  # near to all of them, and a copy of none


@pytest.mark.parametrize(("held_out", "expected"), [(255, 0.0), (191, 0.5), (128, 1.0)])
def test_overfitting_is_how_far_d_puts_held_out_images_towards_fakes(real, tiny, monkeypatch, held_out, expected):
    """A D that says how bright an image is: training images 1, the grey fakes of an untrained G 0."""
    real.images[:300], real.images[300:] = 255, held_out
    gan = GAN(tiny.replace(image_size=32))
    before = {name: value.clone() for name, value in gan.generator.state_dict().items()}
    monkeypatch.setattr(gan, "logits", lambda images: images.mean((1, 2, 3)))
    assert Evaluator(real, hold_out=True).overfitting(gan) == pytest.approx(expected, abs=0.02)
    assert all(torch.equal(value, before[name]) for name, value in gan.generator.state_dict().items())


def test_images_that_are_sorted_by_class_are_judged_evenly_over_all_classes(real, tiny, monkeypatch):
    """The same classes on either side: the first images, dark ones, are a smaller share of the many."""
    real.images[:300] = np.repeat(np.array([60, 200], np.uint8), [50, 250])[:, None, None, None]
    real.images[300:] = np.repeat(np.array([60, 200], np.uint8), [17, 83])[:, None, None, None]
    monkeypatch.setattr(evaluate, "JUDGED_BY_D", 60)
    gan = GAN(tiny.replace(image_size=32))
    monkeypatch.setattr(gan, "logits", lambda images: images.mean((1, 2, 3)))
    evaluator = Evaluator(real, hold_out=True, classifier=Reader())
    assert evaluator.overfitting(gan) == pytest.approx(0, abs=0.05)
    assert evaluator.compare(evaluator.real[::5])["combinations"] == 1  # 20 of them, of both classes


def test_a_d_that_tells_nothing_apart_has_learnt_nothing_by_heart(real, tiny, monkeypatch):
    """The difference of two noisy means, over a distance that is noise as well, would be any number."""
    gan, random = GAN(tiny.replace(image_size=32)), torch.Generator().manual_seed(0)
    monkeypatch.setattr(gan, "logits", lambda images: torch.randn(len(images), generator=random))
    assert abs(Evaluator(real, hold_out=True).overfitting(gan)) < 0.5


def test_the_same_gan_has_the_same_scores_whatever_was_drawn_before(real, tiny):
    tiny = tiny.replace(image_size=32)
    gan, evaluator = GAN(tiny), Evaluator(real, hold_out=True, count=50)
    first = evaluator(gan)
    torch.rand(3)
    gan.noise(3)
    assert evaluator(gan) == first
    assert evaluator(gan, overfitting=False).keys() == first.keys() - {"overfitting"}
    assert Evaluator(real, hold_out=True, count=50)(gan) == first
    assert evaluator(GAN(tiny.replace(seed=1))) != first


def test_evaluating_leaves_the_training_as_it_was(real, tiny, tmp_path):
    gan = GAN(tiny.replace(image_size=32, average_half_life=10, batch_size=100, epochs=1))
    list(fit(gan, real))

    def state():  # weights, optimisers, BatchNorm's statistics, the run's noise and all global random states
        gan.save(tmp_path / "state.pt")
        return (tmp_path / "state.pt").read_bytes()

    gan.sample()  # the first look at a step fits the averaged generator's statistics
    before = state()
    evaluator = Evaluator(real, hold_out=True, count=50, classifier=Reader())
    evaluator(gan)
    evaluator.floor()
    assert state() == before
    assert gan.generator.training
    gan.noise(1)
    assert state() != before


def test_only_the_lowest_score_is_kept_over_a_resume(tiny, tmp_path):
    gan, kept = GAN(tiny), []
    for gan.step, swd in enumerate([5.0, float("nan"), 7.0, 3.0, 3.0, 4.0]):
        kept.append(keep_best(gan, tmp_path, {"swd": swd, "frechet": -swd}, None))
    assert kept == [True, False, False, True, False, False]
    assert GAN.load(tmp_path / "best.pt").step == 3
    assert json.loads((tmp_path / "best.json").read_text()) == {"step": 3, "scores": {"swd": 3.0, "frechet": -3.0}}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.json", "best.pt"]
    assert keep_best(gan, str(tmp_path), {"swd": 9.0, "frechet": -9.0}, None, by="frechet")


@pytest.mark.parametrize("text", ["", "[]", '{"scores": {"swd": null}}', "\udcff"])
def test_a_damaged_record_of_the_best_is_begun_again(tiny, tmp_path, text):
    (tmp_path / "best.json").write_text(text, encoding="utf-8", errors="surrogateescape")
    assert keep_best(GAN(tiny), tmp_path, {"swd": 5.0}, None)
    assert not keep_best(GAN(tiny), tmp_path, {"swd": 6.0}, None)


def inception(monkeypatch, error=None):
    """Put a stand-in for torch-fidelity in its place, which answers or raises; returns what it is called with."""
    calls = []

    def calculate_metrics(**arguments):
        calls.append(arguments)
        if error:
            raise error
        return {"frechet_inception_distance": 12.5, "kernel_inception_distance_mean": 0.004}

    module = types.SimpleNamespace(calculate_metrics=calculate_metrics)
    monkeypatch.setitem(sys.modules, "torch_fidelity", module)
    return calls


def test_fid_and_kid_are_told_of_bytes_and_kid_times_1000(monkeypatch):
    calls = inception(monkeypatch)
    monkeypatch.setattr(evaluate, "FEWEST_FOR_FID", 20)
    pixels = torch.from_numpy(scenes(30, seed=0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fid_and_kid(to_floats(pixels[:20]), pixels)
    assert found == {"fid": 12.5, "kid": pytest.approx(4)}
    fake, real = (torch.stack(list(calls[0][name])) for name in ("input1", "input2"))
    assert fake.dtype == torch.uint8
    assert torch.equal(fake, pixels[:20])
    assert torch.equal(real, pixels)
    assert calls[0]["kid_subset_size"] == 20
    with pytest.warns(UserWarning, match="FID of 19 images comes out too high; .* or take 20 a side"):
        fid_and_kid(pixels[:19], pixels)


def test_without_inceptions_weights_one_line_says_what_to_do(monkeypatch):
    inception(monkeypatch, error=URLError("no route to host"))
    monkeypatch.setattr(evaluate, "FEWEST_FOR_FID", 2)
    pixels = torch.from_numpy(scenes(4, seed=0))
    with pytest.raises(RuntimeError, match=r"^Inception's weights cannot be downloaded \(.*no route to host.*\): .*$"):
        fid_and_kid(pixels, pixels)


def evaluation(run, tmp_path, *options):
    """The exit code of `dcgan evaluate`, with a cache of its own."""
    return main(["evaluate", str(run), *map(str, options), "--cache", str(tmp_path / "cache")])


@pytest.mark.parametrize("checkpoint", ["", "checkpoint.pt"])
def test_the_command_prints_a_table(run, tmp_path, capsys, checkpoint):
    assert evaluation(run / checkpoint, tmp_path, "--count", 10) == 0
    title, head, *rows, seconds = capsys.readouterr().out.splitlines()
    assert title == "step 0: 10 fakes against 10 training images (hold_out is off)"
    assert head.split() == ["fakes", "real"]
    assert [row.split()[0] for row in rows] == ["swd", "swd_16", "diversity", "contrast", "saturation"]
    fakes, real = (float(text) for text in rows[0].split()[1:3])
    assert fakes > real > 0
    assert rows[1].endswith("at that many pixels a side")
    assert seconds.endswith(" s")


def test_the_command_says_more_with_a_classifier_a_test_split_and_inception(run, tiny, tmp_path, capsys, monkeypatch):
    inception(monkeypatch)
    monkeypatch.setattr(evaluate, "load_classifier", lambda *_: Reader())
    GAN(tiny.replace(data="moved", hold_out=True)).save(run / "checkpoint.pt")
    with pytest.warns(UserWarning, match="FID of 4 images"):
        assert evaluation(run, tmp_path, "--count", 10, "--fid", "--data", tmp_path / "data") == 0
    out = capsys.readouterr().out
    title, second = out.splitlines()[:2]
    assert title.endswith("against 4 held-out images")
    assert second == "the attribute classifier reads 90.0% of held-out attributes right"
    for name in ("novelty", "frechet", "kernel", "attribute_error", "combinations", "fid", "kid"):
        assert f"{evaluate.MEANING[name]}\n" in out
    assert [line.split()[1] for line in out.splitlines() if line.startswith(("fid ", "kid "))] == ["12.5", "4"]


def test_without_inceptions_weights_the_other_scores_are_printed(run, tmp_path, capsys, monkeypatch):
    inception(monkeypatch, error=URLError("no route to host"))
    with pytest.warns(UserWarning, match="FID of 10 images"):
        assert evaluation(run, tmp_path, "--count", 10, "--fid") == 1
    out, err = capsys.readouterr()
    assert out.splitlines()[2].startswith("swd ")
    assert err.startswith("Inception's weights cannot be downloaded")


def test_the_courses_own_faces_are_painted_where_they_are_missing(run, tiny, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    painted, few = [], partial(draw_faces, count=20, workers=1)
    monkeypatch.setattr(evaluate, "draw_faces", lambda folder: painted.append(few(folder)))
    GAN(tiny).save(run / "checkpoint.pt")
    assert evaluation(run, tmp_path, "--count", 5) == 0
    assert [str(folder) for folder in painted] == ["data/faces"]
    assert evaluation(run, tmp_path, "--count", 5, "--data", tmp_path / "data") == 0
    assert len(painted) == 1


def test_a_pretrained_folder_is_measured_but_for_what_its_d_would_tell(run, tiny, tmp_path, capsys):
    gan = GAN(tiny.replace(data=tmp_path / "data", hold_out=True))
    gan.save(run / "checkpoint.pt")
    folder = gan.save_pretrained(tmp_path / "faces")
    printed = []
    for source in (run, folder):
        assert evaluation(source, tmp_path, "--data", tmp_path / "data") == 0
        printed.append(capsys.readouterr().out.splitlines()[:-1])  # without the seconds
    ours, theirs = printed
    assert [line for line in ours if not line.startswith("overfitting")] == theirs
    assert len(ours) == len(theirs) + 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "nowhere"], "no data at nowhere ("),
        (["--count", "1"], "--count 1: a comparison needs at least 2 of each\n"),
        (["--count", "-5"], "--count -5: a comparison needs at least 2 of each\n"),
        (["--fid", "--count", "4"], "FID and KID need a package: pip install -r requirements-fid.txt\n"),
    ],
)
def test_what_is_in_the_way_is_told_in_one_line(run, tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    monkeypatch.setattr(evaluate, "load_classifier", None)  # which may take minutes: what is wrong is told before
    assert evaluation(run, tmp_path, *options) == 1
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
