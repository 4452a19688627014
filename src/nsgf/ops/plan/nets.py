"""Size and cost of a network, from its configuration alone: importing torch takes seconds."""

import functools
import math
from dataclasses import astuple, dataclass

from nsgf.config.net import NetModel


@dataclass(frozen=True)
class NetSize:
    """Weights, and what one sample's forward pass computes and keeps for the backward pass."""

    parameters: int = 0
    macs: int = 0  # multiply-adds
    activations: int = 0  # numbers

    def __add__(self, other: "NetSize") -> "NetSize":
        return NetSize(*map(sum, zip(astuple(self), astuple(other), strict=True)))


@functools.cache
def size_of(net: NetModel, shape: tuple[int, ...]) -> NetSize:
    """Size of `net` on points of `shape`, (d,) or (channels, height, width); nothing if unknown."""
    return SIZES[net.kind](net, shape) if is_known(net) else NetSize()


def is_known(net: NetModel) -> bool:
    """Whether there is a model of this kind of network; others are forecast from history."""
    return net.kind in SIZES


def _total(layers) -> NetSize:
    return sum(layers, NetSize())


def _linear(before: int, after: int) -> NetSize:
    return NetSize((before + 1) * after, before * after, after)


def _conv(before: int, after: int, places: int, side: int = 3, bias: int = 1) -> NetSize:
    weights = before * after * side**2
    return NetSize(weights + bias * after, weights * places, after * places)


def _norm(channels: int, places: int) -> NetSize:
    return NetSize(2 * channels, 0, 2 * channels * places)  # itself and the activation after it


def _mlp(net: NetModel, shape: tuple[int, ...]) -> NetSize:
    d, w = math.prod(shape), net.width
    hidden = (_linear(w, w) for _ in range(net.depth - 1))
    return _total([_linear(d + 1, w), *hidden, _linear(w, d)])


def _potential(net: NetModel, shape: tuple[int, ...]) -> NetSize:
    d, w = math.prod(shape), net.width
    return _total([_linear(d, w), *(_linear(w, w) for _ in range(net.depth - 1)), _linear(w, 1)])


def _real_nvp(net: NetModel, shape: tuple[int, ...]) -> NetSize:
    """Couplings take turns: of an odd dimension one half is larger."""
    d, w, layers = math.prod(shape), net.width, []
    for k in range(net.couplings):
        still = (d + 1 - k % 2) // 2
        layers += [_linear(still, w), *(_linear(w, w) for _ in range(net.depth - 1))]
        layers += [_linear(w, 2 * (d - still)), NetSize(d - still)]
    return _total(layers)


def _icnn(net: NetModel, shape: tuple[int, ...]) -> NetSize:
    d, w = math.prod(shape), net.width
    each = NetSize((2 * d + 1) * w, 2 * d * w, 2 * w)
    inner = (NetSize(w * w, w * w, w) for _ in range(net.depth - 1))
    return _total([NetSize(d * d + w, d * d + w, d), *net.depth * [each], *inner])


def _points(net: NetModel, shape: tuple[int, ...]) -> NetSize:
    return NetSize(net.count * math.prod(shape), 0, math.prod(shape))


def _grid(net: NetModel, shape: tuple[int, ...]) -> NetSize:
    return NetSize(net.side**2, 0, math.prod(shape))


def _generator(net: NetModel, shape: tuple[int, ...]) -> NetSize:
    d, w = math.prod(shape), net.width
    inner = (_linear(w, w) for _ in range(net.depth - 1))
    return _total([_linear(d, w), *inner, _linear(w, d)])


def _phase(net: NetModel, shape: tuple[int, ...]) -> NetSize:
    before, side, layers = shape[0], shape[-1], []
    for after in net.channels:
        layers.append(_conv(before, after, side**2))
        before, side = after, side // 2
    return _total([*layers, _linear(before * side**2, 1)])


def _classifier(net: NetModel, shape: tuple[int, ...]) -> NetSize:
    before, side, layers = shape[0], shape[-1], []
    for after, kernel in ((16, 5), (32, 3), (64, 3)):
        side = math.ceil(side / 2)
        layers += [_conv(before, after, side**2, kernel, bias=0), _norm(after, side**2)]
        before = after
    return _total([*layers, _linear(before * side**2, 128), _linear(128, net.classes)])


def _unet(net: NetModel, shape: tuple[int, ...]) -> NetSize:
    """Follows torchcfm's UNetModel: down, middle, up, each level with its skips."""
    colours, side = shape[0] * net.patch**2, shape[-1] // net.patch
    time = 4 * net.channels
    widths = [net.channels * m for m in net.multipliers]
    layers = [_linear(net.channels, time), _linear(time, time)]
    layers.append(_conv(colours, widths[0], side**2))
    now, skips, rate = widths[0], [widths[0]], 1

    def level(before: int, after: int) -> list[NetSize]:
        block = [_residual(before, after, time, side**2)]
        return block + ([_attention(after, side**2)] if rate in net.attention_downsampling else [])

    for i, width in enumerate(widths):
        for _ in range(net.depth):
            layers += level(now, width)
            now = width
            skips.append(now)
        if i + 1 < len(widths):
            side, rate = side // 2, rate * 2
            layers.append(_conv(now, now, side**2))
            skips.append(now)
    middle = _residual(now, now, time, side**2)
    layers += [middle, _attention(now, side**2), middle]
    for i, width in reversed(list(enumerate(widths))):
        for _ in range(net.depth + 1):
            layers += level(now + skips.pop(), width)
            now = width
        if i:
            side, rate = side * 2, rate // 2
            layers.append(_conv(now, now, side**2))
    return _total([*layers, _norm(now, side**2), _conv(widths[0], colours, side**2)])


def _residual(before: int, after: int, time: int, places: int) -> NetSize:
    skip = NetSize() if before == after else _conv(before, after, places, side=1)
    inner = _norm(before, places) + _conv(before, after, places) + _linear(time, after)
    return inner + _norm(after, places) + _conv(after, after, places) + skip


def _attention(channels: int, places: int) -> NetSize:
    maps = _conv(channels, 3 * channels, places, side=1) + _conv(channels, channels, places, side=1)
    weights = NetSize(0, 2 * channels * places**2, 2 * places**2)
    return _norm(channels, places) + maps + weights


SIZES = {
    "mlp": _mlp,
    "potential_mlp": _potential,
    "unet": _unet,
    "phase_cnn": _phase,
    "classifier": _classifier,
    "real_nvp": _real_nvp,
    "icnn": _icnn,
    "points": _points,
    "grid": _grid,
    "generator": _generator,
}
# Whose rates a network has, where it has none of its own.
LIKE = dict.fromkeys(("potential_mlp", "real_nvp", "icnn", "points", "grid", "generator"), "mlp")
