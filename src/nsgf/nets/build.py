"""Build a network from its configuration; store it with that configuration; read it back."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from pydantic import TypeAdapter
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import nn

from nsgf.artifact import atomic
from nsgf.config.train import Net
from nsgf.errors import NsgfError
from nsgf.registry import NETS, module_of
from nsgf.rng import stream_seed


def build(config: Net, shape: tuple[int, ...]) -> nn.Module:
    """The network that `config` describes, for points of `shape`, with torch's current stream."""
    net = module_of(NETS[config.kind]).build(config, tuple(shape))
    net.built_from = (config, tuple(shape))
    return net


def initialise(config: Net, shape: tuple[int, ...], seed: int, *names: object) -> nn.Module:
    """`build` with initial weights from the named stream."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed(seed, "initial weights", *names))
        return build(config, shape)


def save(path: Path, modules: Mapping[str, nn.Module]) -> None:
    """Write named networks, weights and architecture, as one safetensors file or not at all.

    Args:
        path: where to.
        modules: made by `build`.
    """
    about, tensors = {}, {}
    for name, net in modules.items():
        config, shape = net.built_from
        about[name] = {"config": config.model_dump(), "shape": shape}
        weights = net.state_dict().items()
        tensors |= {f"{name}.{k}": v.detach().cpu().contiguous() for k, v in weights}
    # One metadata entry only: safetensors does not keep the order of several.
    about = {"nets": json.dumps(about, sort_keys=True)}
    with atomic(path) as temporary:
        temporary.write_bytes(serialise(tensors, metadata=about))


def load(path: Path, device: torch.device | str = "cpu") -> dict[str, nn.Module]:
    """Rebuild stored networks by their names, in evaluation mode.

    Raises:
        NsgfError: the file is missing or damaged.
    """
    try:
        with safe_open(path, "pt") as file:
            about = json.loads(file.metadata()["nets"])
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        modules = {}
        for name, said in about.items():
            config = TypeAdapter(Net).validate_python(said["config"])
            modules[name] = build(config, tuple(said["shape"]))
            mine = {k: v for k, v in weights.items() if k.startswith(f"{name}.")}
            modules[name].load_state_dict({k[len(name) + 1 :]: v for k, v in mine.items()})
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise NsgfError(
            f"network '{path}' cannot be read: {error}", "remove it and run again"
        ) from error
    return {name: net.eval().to(device) for name, net in modules.items()}
