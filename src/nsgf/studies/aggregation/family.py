"""Networks of this kind as families of measures."""

from torch import nn

from nsgf.jko.measure import Grid, Particles, Pushforward


def family_of(net: nn.Module, d: int) -> nn.Module:
    """The family whose present member a network is; to move one is to move the other."""
    kind = net.built_from[0].kind
    if kind == "points":
        return Particles(net.x)
    return Grid(net.points, net.cell, net.logits) if kind == "grid" else Pushforward(net, d)
