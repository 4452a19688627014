"""`nsgf schema`: the JSON schema of presets, from the configuration models."""

from pathlib import Path

from nsgf.artifact import write_json
from nsgf.config.preset import Preset


def run(out: Path) -> None:
    """Write the schema to `out`."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    write_json(out, dialect | Preset.model_json_schema())
