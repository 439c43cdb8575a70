"""Recipes and their kin as JSON files; what is wrong with one, in a sentence for its reader."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Self, get_args

from pydantic import BaseModel, ValidationError

from kdcore.errors import RecipeError, did_you_mean


class Written(BaseModel):
    """What a person writes as a JSON file, and reads back equal: a recipe, a sweep, a search.

    Raises RecipeError, one sentence, on any value that cannot be meant.
    """

    example: ClassVar[str]
    """The least that one must say, for whoever wrote something else."""

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise RecipeError(sentence(error, type(self))) from None

    def to_json(self) -> str:
        """Indented JSON that `from_json` reads back to an equal one."""
        return self.model_dump_json(indent=2)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read one. Raises RecipeError where the text is no JSON, or means none of this kind."""
        noun = cls.__name__.lower()
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:  # a number of 5,000 digits is a ValueError
            raise RecipeError(f"the {noun} is not valid JSON: {error}") from None
        if not isinstance(values, dict):
            raise RecipeError(f"the {noun} must be a JSON object, such as {cls.example}")
        return cls(**values)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read its file. Raises RecipeError where that is missing, unreadable or wrong."""
        return cls.from_json(file_content(path, cls.__name__.lower()))


def file_content(path: str | Path, what: str) -> bytes:
    """What a file holds. Raises RecipeError, a sentence, where it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise RecipeError(f"cannot read the {what} {path}: {error.strerror}") from None


def sentence(error: ValidationError, model: type[BaseModel]) -> str:
    """The first thing that is wrong: the value, the rule, and the field that was meant perhaps."""
    first = error.errors(include_url=False)[0]
    loc, kinds = first["loc"], _kinds(model)
    # after a place in a list comes the kind of part that stands there
    told = [
        part for before, part in pairwise(("", *loc)) if type(before) is str or part not in kinds
    ]
    where = ".".join(str(part) for part in told if part not in ("int", "literal['all']"))
    where = where.split(".constrained")[0].split(".literal")[0]
    value = first.get("input")
    match first["type"]:
        case "value_error":
            return str(first["ctx"]["error"])
        case "extra_forbidden":
            known = _fields_at(model, first["loc"][:-1])
            hint = did_you_mean(str(first["loc"][-1]), known)
            return (
                f"a {model.__name__.lower()} has no field {where!r}{hint} Known: {', '.join(known)}"
            )
        case "union_tag_invalid" | "union_tag_not_found":
            found, known = first["ctx"].get("tag"), sorted(_kinds(model))
            hint = did_you_mean(found, known) if found else "."
            return f"{where}.kind is {found!r}{hint} Known: {', '.join(known)}"
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            rule = first["msg"].replace("Input should be", "it must be")
            return f"{where} is {value!r}; {rule}"
        case "missing" if isinstance(loc[-1], str):
            example = getattr(model, "example", "")
            hint = f", as in {example}" if example and len(loc) == 1 else ""
            return f"a {model.__name__.lower()} needs {where!r}, which is missing; give it{hint}"
        case "int_type" if where in _COUNTS:
            word = _COUNTS[where]
            return f'{where} is {value!r}; give a whole number, or "{word}"'
        case kind:
            said = first["msg"].replace("Input should", "it should")
            rule = _PLAIN_RULES.get(kind, said[0].lower() + said[1:])
            return f"{where} is {value!r}; {rule}"


_COUNTS = {"transfer.labelled": "all", "transfer.unlabelled": "rest", "teacher_labelled": "all"}
"""Fields that take a whole number or this word."""

_PLAIN_RULES = {
    "model_type": "it should be an object with named fields",
    "model_attributes_type": "it should be an object with named fields",
    "dict_type": "it should be an object with named values",
    "tuple_type": "it should be a list",
    "too_short": "give at least one",
    "too_long": "that is one more than there may be",
    "missing": "one more value is needed here",
    "int_from_float": "it should be a whole number",
    "int_type": "it should be a whole number",
    "float_type": "it should be a number",
    "bool_type": "it should be true or false",
    "string_type": "it should be a text",
}
"""What pydantic says in the words of a type system, in those of a reader of JSON."""


def _fields_at(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    kinds: dict[str, type[BaseModel]] = {}
    for part in path:
        if isinstance(part, str) and part in model.model_fields:
            annotation = model.model_fields[part].annotation
            model, kinds = _part_in(annotation) or model, _by_kind(annotation)
        elif isinstance(part, str):
            model = kinds.get(part, model)
    return list(model.model_fields)


def _kinds(model: type[BaseModel]) -> set[str]:
    """The kinds of parts among which its fields have a choice."""
    return {kind for field in model.model_fields.values() for kind in _by_kind(field.annotation)}


def _by_kind(annotation: Any) -> dict[str, type[BaseModel]]:
    """Those parts, by what their field `kind` says."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        kind = annotation.model_fields.get("kind")
        return {} if kind is None else {get_args(kind.annotation)[0]: annotation}
    found: dict[str, type[BaseModel]] = {}
    for part in get_args(annotation):
        found |= _by_kind(part)
    return found


def _part_in(annotation: Any) -> type[BaseModel] | None:
    """The part of a recipe that an annotation speaks of: itself, or what its list holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_part_in, get_args(annotation))), None)
