"""Networks: the paper's shapes, and the UNet against torchcfm's own wrapper."""

import math

import pytest
import torch
from torch.testing import assert_close
from torchcfm.models.unet.unet import UNetModelWrapper

from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.nets.build import initialise
from nsgf.nets.mlp import Config as MLPNet
from nsgf.nets.phase import Config as PhaseNet
from nsgf.nets.unet import Config as UNetNet

PAPER = load("config/paper.yaml", Preset)
SHAPES = {"table2": (3, 32, 32), "table3": (1, 28, 28)}
THEIRS = {
    "table2": {
        "num_channels": 128,
        "num_res_blocks": 2,
        "channel_mult": [1, 2, 2, 2],
        "num_heads": 4,
        "num_head_channels": 64,
        "attention_resolutions": "16",
    },
    "table3": {"num_channels": 32, "num_res_blocks": 1},
}


@pytest.mark.parametrize("study", SHAPES)
def test_the_papers_unet_is_torchcfms(study):
    shape = SHAPES[study]
    ours = initialise(PAPER.studies[study].networks["straight"].net, shape, 0)
    theirs = UNetModelWrapper(dim=shape, **THEIRS[study])
    # Same modules in the same order: their weights fit and give the same function.
    weights = {f"body.{name}": value for name, value in theirs.state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    for value in weights.values():
        value.copy_(0.05 * torch.randn(value.shape, generator=generator))
    theirs.load_state_dict({k.removeprefix("body."): v for k, v in weights.items()})
    ours.load_state_dict(weights)
    x, t = torch.randn(2, *shape), torch.rand(2)
    with torch.no_grad():
        assert_close(ours(x.flatten(1), t), theirs(t, x).flatten(1), rtol=1e-4, atol=1e-5)


def test_the_mlp_is_the_papers():
    net = initialise(MLPNet(), (2,), 0)
    assert sum(p.numel() for p in net.parameters()) == 4 * 256 + 2 * 257 * 256 + 257 * 2


def test_the_predictor_is_the_papers():
    net = initialise(PhaseNet(), (1, 28, 28), 0)
    convolutions = [m for m in net.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == [32, 64, 128, 256]
    times = net(torch.randn(3, 784))
    assert times.shape == (3,)
    assert bool(((times > 0) & (times < 1)).all())


@pytest.mark.parametrize(("shape", "patch"), [((1, 28, 28), 2), ((3, 32, 32), 4)])
def test_patches_fold_and_unfold(shape, patch):
    config = UNetNet(channels=32, multipliers=(1,), patch=patch)
    net = initialise(config, shape, 0)
    net.body = torch.nn.Identity()
    net.body.forward = lambda t, x: x
    x = torch.randn(2, math.prod(shape))
    assert torch.equal(net(x, torch.zeros(2)), x)
