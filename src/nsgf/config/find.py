"""Presets by name, as people type them."""

from pathlib import Path

from nsgf.config.base import read_yaml
from nsgf.errors import NsgfError
from nsgf.registry import lookup

FOLDER = Path("config")
ENDINGS = (".yaml", ".yml", ".json")
KEYS = {"name", "studies"}  # with either a file means to be a preset; what else lies there has none


def preset_file(name: str) -> Path:
    """The file of a preset: a path as it is, or a name in config/.

    Raises:
        NsgfError: no preset has that name; the message names the nearest, and all presets there.
    """
    if "/" in name or name.endswith(ENDINGS):
        return Path(name)
    file = FOLDER / f"{name}.yaml"
    if file.exists() and _is_preset(file):
        return file
    if not FOLDER.is_dir():
        raise NsgfError(f"there is no folder '{FOLDER}' here", "run this in the project's folder")
    return lookup({p.stem: p for p in presets()}, name, "preset")


def presets() -> list[Path]:
    """All presets in config/."""
    return [p for p in sorted(FOLDER.glob("*.yaml")) if _is_preset(p)]


def _is_preset(file: Path) -> bool:
    try:
        body = read_yaml(file)
    except NsgfError:
        return True  # whoever loads it is told what is wrong with it
    return isinstance(body, dict) and not KEYS.isdisjoint(body)
