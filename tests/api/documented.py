"""The API's documentation in this folder, as schemas that answers can be held against."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import yaml

FOLDER = Path(__file__).parent
_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}


def openapi(page: str) -> dict[str, Any]:
    """The OpenAPI text in a page about v2."""
    text = (FOLDER / page).read_text()
    [block] = re.findall(r"^````yaml[^\n]*\n(.*?)^````", text, re.DOTALL | re.MULTILINE)
    return dict(yaml.safe_load(block))


def validator(name: str, page: str = "v2-list-sessions-insights.md"):
    """Of one of its schemas."""
    formats = jsonschema.FormatChecker(formats=())

    @formats.checks("date-time", raises=ValueError)
    def is_date_time(value: object) -> bool:
        return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None

    schema = {**openapi(page), "$ref": f"#/components/schemas/{name}"}
    return jsonschema.Draft202012Validator(schema, format_checker=formats)


def example(page: str) -> dict[str, Any]:
    """The example answer in a page."""
    text = (FOLDER / page).read_text()
    start, *_ = [found.start() for found in re.finditer(r"^\{\s", text, re.MULTILINE)]
    return dict(json.JSONDecoder().raw_decode(text[start:])[0])


@dataclass(frozen=True)
class Field:
    """A parameter or a key of an answer, as a page about v3 describes it."""

    type: str
    is_required: bool
    options: tuple[str, ...]

    def allows(self, value: object) -> bool:
        """An object may be null: its prose says when."""
        kind = self.type.removesuffix(" | null")
        if value is None:
            return kind != self.type or kind.endswith("object")
        if kind.endswith("[]"):
            element = Field(kind.removesuffix("[]"), True, self.options)
            return isinstance(value, list) and all(map(element.allows, value))
        if kind.startswith("enum"):
            return value in self.options
        if kind.endswith("object"):
            return isinstance(value, dict)
        return isinstance(value, _TYPES[kind]) and isinstance(value, bool) == (kind == "boolean")


def fields(page: str, section: str) -> dict[str, Field]:
    """The fields in a section of a page about v3, such as `Query Parameters`."""
    text = (FOLDER / page).read_text()
    part = rf"^{section}$(.*?)(?=^[A-Z]\w+ Parameters$|^Response$|\Z)"
    [found] = re.findall(part, text, re.DOTALL | re.MULTILINE)
    return dict(_fields([line for line in found.split("\n") if line]))


def _fields(lines: list[str]) -> Iterator[tuple[str, Field]]:
    kind = re.compile(
        r"((string|integer|number|boolean|enum<string>)|.* · object)(\[\])?( \| null)?"
    )
    starts = [
        place
        for place, (name, type_) in enumerate(pairwise(lines))
        if re.fullmatch("[a-z_]+", name) and kind.fullmatch(type_)
    ]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        rest = lines[start + 2 : end]
        options = (
            rest[rest.index("Available options:") + 1 :] if "Available options:" in rest else []
        )
        yield (
            lines[start],
            Field(
                lines[start + 1], "required" in rest, tuple(each.rstrip(",") for each in options)
            ),
        )
