"""`nsgf schema`: the JSON schema of presets, from the configuration models."""

from pathlib import Path

from nsgf.artifact import write_json
from nsgf.config.preset import Preset
from nsgf.registry import STUDIES, kind_of


def run(out: Path) -> None:
    """Write the schema to `out`."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    write_json(out, dialect | schema())


def schema() -> dict:
    """Of a preset, with the metrics of every kind of study."""
    found = Preset.model_json_schema()
    settings = found["$defs"]["Study"]["properties"]
    another = settings["metrics"] | {"title": "Metrics of another kind"}
    settings["metrics"] = {"anyOf": [], "description": another.pop("description")}
    for name in STUDIES:
        metrics, called = kind_of(name).metrics.model_json_schema(), f"{name}-metrics"
        found["$defs"] |= metrics.pop("$defs", {}) | {called: metrics}
        settings["metrics"]["anyOf"].append({"$ref": f"#/$defs/{called}"})
    settings["metrics"]["anyOf"].append(another)
    return found
