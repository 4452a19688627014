"""What every configuration model shares: frozen, strict, and errors that name the nearest key."""

import difflib
import json
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator

from nsgf.errors import NsgfError


class Model(BaseModel):
    """A frozen model that refuses unknown keys; attribute docstrings become descriptions."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _numbers_are_no_truths(cls, values):
        """Refuse `on` or `yes` for a number, which YAML reads as true and pydantic as 1."""
        for name, field in cls.model_fields.items() if isinstance(values, dict) else ():
            kinds = {field.annotation, *typing.get_args(field.annotation)}
            if isinstance(values.get(name), bool) and kinds & {int, float}:
                raise ValueError(f"{name} is a number, not {values[name]}")
        return values


def _no_twice(values: tuple) -> tuple:
    if twice := [v for v in values if values.count(v) > 1]:
        raise ValueError(f"{twice[0]!r} is listed twice")
    return values


NO_TWICE = AfterValidator(_no_twice)  # of a field, as `Annotated[tuple[int, ...], NO_TWICE]`


class Idle:
    """Marks a field (`Annotated[int, Idle()]`) that changes no byte of any artefact."""


def deciding(value: object) -> object:
    """The JSON value of settings without their idle fields: what an artefact's bytes rest on."""
    if isinstance(value, Model):
        fields = type(value).model_fields.items()
        return {
            name: deciding(getattr(value, name))
            for name, about in fields
            if not any(isinstance(mark, Idle) for mark in about.metadata)
        }
    if isinstance(value, Mapping):
        return {str(key): deciding(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [deciding(part) for part in value]
    return value


ModelType = typing.TypeVar("ModelType", bound=Model)


def load(path: Path, model: type[ModelType]) -> ModelType:
    """Read a YAML or JSON file into `model`.

    Raises:
        NsgfError: the file is missing or unreadable, or holds an unknown key, a value outside its
            range, or an impossible combination.
    """
    return parse(read_yaml(path), model, str(path))


class Loader(yaml.SafeLoader):
    """Safe, and refuses a key that stands twice in a mapping, of which YAML takes the last."""

    def construct_mapping(self, node, deep=False):
        """A mapping, as SafeLoader makes it."""
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = next((k for n, k in enumerate(keys) if k in keys[:n] and k != "<<"), None)
        if twice is not None:
            raise yaml.YAMLError(f"key '{twice}' stands twice{node.start_mark}")
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> object:
    """The value in a YAML or JSON file.

    Raises:
        NsgfError: the file is missing or is not YAML.
    """
    try:
        return yaml.load(Path(path).read_text(), Loader)
    except OSError as error:
        there = sorted(p.stem for p in Path(path).parent.glob("*.yaml"))
        raise NsgfError(
            f"cannot read configuration '{path}': {error.strerror}",
            f"check the path; beside it are: {', '.join(there) or 'none'}",
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise NsgfError(
            f"'{path}' is not valid YAML: {error}", "mend the line that it names"
        ) from error


def parse(value: object, model: type[ModelType], where: str) -> ModelType:
    """Validate `value` as `model`; `where` names its origin in errors."""
    try:
        return part(value, model)
    except ValueError as error:
        raise NsgfError(
            f"configuration {where}: {error}",
            "correct the key; every key with its unit is in workflow/schemas/preset.schema.json",
        ) from error


def part(value: object, model: type[ModelType], section: str = "") -> ModelType:
    """Validate settings whose class another setting names, within a larger model's `section`.

    Raises:
        ValueError: they are not possible; the message says which and why.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise ValueError(problems(error, model, section)) from error


def problems(error: ValidationError, model: type[Model], section: str) -> str:
    """All that is wrong with a value for `model`, in words; `section` is where it stands."""
    found = []
    for item in error.errors():
        key = ".".join(str(part) for part in (section, *item["loc"]) if part != "") or "top level"
        if item["type"] == "extra_forbidden":
            hint = nearest(str(item["loc"][-1]), sorted(_field_names(model)))
            found.append(f"unknown key '{key}'{hint}")
        else:
            got = item["input"]
            shown = "" if isinstance(got, dict) else f", got {json.dumps(got, default=str)}"
            found.append(f"'{key}': {item['msg'].removeprefix('Value error, ')}{shown}")
    return "; ".join(found)


def nearest(key: str, keys: Iterable[str]) -> str:
    """What a message says of a key that is none of `keys`: the nearest, if one is near."""
    found = difflib.get_close_matches(key, list(keys), n=1, cutoff=0.5)
    return f" (nearest known key: '{found[0]}')" if found else ""


def _field_names(model: type[Model]) -> set[str]:
    """Names of all fields of `model` and of the models inside it."""
    fields = model.model_fields.values()
    inside = [inner for field in fields for inner in _models_in(field.annotation)]
    return set(model.model_fields).union(*map(_field_names, inside))


def _models_in(annotation: object) -> list[type[Model]]:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return [annotation]
    return [m for part in typing.get_args(annotation) for m in _models_in(part)]
