"""The Inception path: clean-fid's own features, and no number called FID from other weights."""

import inspect

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from PIL import Image
from torch import nn

from nsgf.artifact import sha256_file
from nsgf.errors import NsgfError
from nsgf.metrics.extractor import INCEPTION_SHA256
from nsgf.metrics.inception import (
    _accepted,
    download_inception,
    inception,
    inception_available,
)
from nsgf.metrics.weights import INCEPTION_FILE

MODES = ("clean", "legacy_tensorflow")
# TorchScript is what the published weights come in and what clean-fid loads.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")


class StandIn(nn.Module):
    """Random weights behind the signature of the published Inception module."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.AvgPool2d(23), nn.Conv2d(3, 8, 13), nn.Flatten(), nn.Linear(8, 2048), nn.ReLU()
        )
        self.output = nn.Linear(2048, 1008)

    def forward(
        self,
        img: torch.Tensor,
        return_features: bool = False,
        use_fp16: bool = False,
        no_output_bias: bool = False,
    ) -> torch.Tensor:
        x = nn.functional.interpolate(img.float(), [299, 299], mode="bilinear")
        x = self.layers((x - 128) / 128)
        if return_features:
            return x
        logits = x @ self.output.weight.t()
        if not no_output_bias:
            logits = logits + self.output.bias
        return logits.softmax(dim=1)


@pytest.fixture(autouse=True)
def _no_weights(monkeypatch, tmp_path):
    """An empty cache, and nothing of the user's environment."""
    monkeypatch.delenv("NSGF_INCEPTION", raising=False)
    monkeypatch.delenv("NSGF_TEST_INCEPTION_SHA256", raising=False)
    monkeypatch.setenv("NSGF_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A stand-in's TorchScript file, under the name that clean-fid wants."""
    path = tmp_path_factory.mktemp("weights") / INCEPTION_FILE
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        torch.jit.script(StandIn()).save(path)
    return path


@pytest.fixture
def standin(weights, monkeypatch):
    """The stand-in's weights, accepted by the tests' override alone."""
    monkeypatch.setenv("NSGF_INCEPTION", str(weights))
    monkeypatch.setenv("NSGF_TEST_INCEPTION_SHA256", sha256_file(weights))
    return weights


def pictures(n: int, channels: int = 3, side: int = 32) -> torch.Tensor:
    stream = torch.Generator().manual_seed(n)
    return torch.randint(0, 256, (n, channels, side, side), generator=stream, dtype=torch.uint8)


def test_without_weights_there_is_no_inception():
    assert not inception_available()
    with pytest.raises(NsgfError, match="there is no FID"):
        inception()


@pytest.mark.parametrize("place", ["environment", "cache"])
def test_weights_of_another_digest_are_refused(place, weights, monkeypatch, tmp_path):
    if place == "environment":
        monkeypatch.setenv("NSGF_INCEPTION", str(weights))
    else:
        (tmp_path / "cache").mkdir()
        (tmp_path / "cache" / INCEPTION_FILE).write_bytes(weights.read_bytes()[:1000])
    for use in (inception, inception_available):
        with pytest.raises(NsgfError, match="does not hold the expected weights") as caught:
            use()
        assert INCEPTION_SHA256 in str(caught.value)


def test_the_override_accepts_one_digest_only(standin, monkeypatch):
    assert inception_available()
    monkeypatch.setenv("NSGF_TEST_INCEPTION_SHA256", "0" * 64)
    with pytest.raises(NsgfError, match="expected weights"):
        inception()


def test_a_setting_that_names_no_file_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("NSGF_INCEPTION", str(tmp_path / "absent.pt"))
    with pytest.raises(NsgfError, match="no file"):
        inception_available()


def test_a_stand_in_never_yields_a_number_called_fid(standin, monkeypatch):
    extractor = inception()
    monkeypatch.delenv("NSGF_TEST_INCEPTION_SHA256")  # the name was settled when it was built
    assert extractor.name == "standin_inception"
    assert extractor.fid_name is None
    assert [extractor.metric(k) for k in ("frechet", "kernel", "score")] == [
        "fd_standin_inception",
        "kid_standin_inception",
        "score_standin_inception",
    ]


def test_even_the_published_digest_is_a_stand_in_under_the_override(monkeypatch):
    monkeypatch.setenv("NSGF_TEST_INCEPTION_SHA256", INCEPTION_SHA256)
    assert _accepted() == ("standin_inception", INCEPTION_SHA256)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("channels", [1, 3])
def test_inception_features_are_those_of_clean_fid_on_a_folder(
    mode, channels, standin, monkeypatch, tmp_path
):
    import cleanfid.features
    from cleanfid.fid import get_folder_features
    from cleanfid.inception_torchscript import InceptionV3W

    images = pictures(6, channels, side=28)
    for i, image in enumerate(images.permute(0, 2, 3, 1).numpy()):
        Image.fromarray(image if channels == 3 else image[..., 0]).save(tmp_path / f"{i}.png")

    def local(path, download, resize_inside):
        return InceptionV3W(str(standin.parent), download=False, resize_inside=resize_inside)

    # Only where the weights lie differs from clean-fid's own run.
    monkeypatch.setattr(cleanfid.features, "InceptionV3W", local)
    cpu = torch.device("cpu")
    model = cleanfid.features.build_feature_extractor(mode, cpu, use_dataparallel=False)
    theirs = get_folder_features(
        str(tmp_path), model, num_workers=0, device=cpu, mode=mode, verbose=False
    )
    ours = inception(mode=mode).features(images, batch_size=4)
    assert ours.shape == (6, 2048)
    assert ours.dtype == np.float32
    assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_inception_probabilities_are_the_modules_without_output_bias(mode, standin):
    images = pictures(4)
    found = inception(mode=mode).probabilities(images)
    assert found.shape == (4, 1008)
    assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    if mode == "legacy_tensorflow":
        module = torch.jit.load(standin)
        with torch.no_grad():
            assert_allclose(found, module(images, no_output_bias=True), rtol=1e-4, atol=1e-7)


def test_clean_fid_still_takes_the_arguments_that_are_relied_on():
    from cleanfid.inception_torchscript import InceptionV3W

    assert list(inspect.signature(InceptionV3W).parameters) == ["path", "download", "resize_inside"]


def test_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="received 'legacy_pytorch'"):
        inception(mode="legacy_pytorch")


def test_a_download_of_other_bytes_is_refused_and_leaves_nothing(tmp_path, weights):
    with pytest.raises(NsgfError, match="expected weights"):
        download_inception(weights.as_uri())
    with pytest.raises(NsgfError, match="could not be fetched"):
        download_inception((tmp_path / "absent.pt").as_uri())
    assert not inception_available()
    assert list((tmp_path / "cache").iterdir()) == []
