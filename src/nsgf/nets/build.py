"""Build a network from its configuration; store it with that configuration; read it back."""

import json
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
    return module_of(NETS[config.kind]).Net(config, shape)


def initialise(config: Net, shape: tuple[int, ...], seed: int, *names: object) -> nn.Module:
    """`build` with initial weights from the named stream."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed(seed, "initial weights", *names))
        return build(config, shape)


def save(path: Path, net: nn.Module, config: Net, shape: tuple[int, ...]) -> None:
    """Write weights and architecture as one safetensors file, whole or not at all."""
    # One metadata entry only: safetensors does not keep the order of several.
    about = {"net": json.dumps({"config": config.model_dump(), "shape": shape}, sort_keys=True)}
    tensors = {k: v.detach().cpu().contiguous() for k, v in net.state_dict().items()}
    with atomic(path) as temporary:
        temporary.write_bytes(serialise(tensors, metadata=about))


def load(path: Path, device: torch.device | str = "cpu") -> nn.Module:
    """Rebuild a stored network, in evaluation mode.

    Raises:
        NsgfError: the file is missing or damaged.
    """
    try:
        with safe_open(path, "pt") as file:
            about = json.loads(file.metadata()["net"])
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        net = build(TypeAdapter(Net).validate_python(about["config"]), tuple(about["shape"]))
        net.load_state_dict(weights)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise NsgfError(
            f"network '{path}' cannot be read: {error}", "remove it and run again"
        ) from error
    return net.eval().to(device)
