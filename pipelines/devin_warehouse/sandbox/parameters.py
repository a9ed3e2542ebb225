"""Reading a query as the API documents it: what is wrong answers 422, what is unknown nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from starlette.datastructures import QueryParams
from starlette.responses import JSONResponse

T = TypeVar("T")
D = TypeVar("D")

_FLAGS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True)
class InvalidParameterError(Exception):
    """A parameter that is not as documented: one ValidationError of a 422."""

    name: str
    message: str
    type: str

    def as_detail(self) -> dict[str, Any]:
        """Its documented shape."""
        return {"loc": ["query", self.name], "msg": self.message, "type": self.type}


class Parameters:
    """Reads the query; collects what is wrong with it. Unknown parameters are ignored."""

    # RFC 3339, which `format: date-time` means: an offset is a must.
    _DATE_TIME = re.compile(
        r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
    )

    def __init__(self, query: QueryParams) -> None:
        self._query = query
        self.problems: list[InvalidParameterError] = []

    def refusal(self) -> JSONResponse | None:
        """The HTTPValidationError that names everything wrong, where anything is."""
        if not self.problems:
            return None
        return JSONResponse({"detail": [problem.as_detail() for problem in self.problems]}, 422)

    def integer(
        self, name: str, default: D, least: int | None = None, most: int | None = None
    ) -> int | D:
        """An integer within its documented range."""

        def parse(text: str) -> int:
            if not re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII):
                raise InvalidParameterError(name, "Input should be a valid integer", "int_parsing")
            number = int(text)
            if least is not None and number < least:
                message = f"Input should be greater than or equal to {least}"
                raise InvalidParameterError(name, message, "greater_than_equal")
            if most is not None and number > most:
                message = f"Input should be less than or equal to {most}"
                raise InvalidParameterError(name, message, "less_than_equal")
            return number

        return self.value(name, parse, default)

    def date_time(self, name: str) -> datetime | None:
        """A date-time, or None where it is not asked for."""

        def parse(text: str) -> datetime:
            try:
                if self._DATE_TIME.fullmatch(text):
                    # Python knows microseconds at most.
                    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.upper()))
            except ValueError:
                pass
            raise InvalidParameterError(
                name, "Input should be a valid datetime", "datetime_parsing"
            )

        return self.value(name, parse, None)

    def flag(self, name: str) -> bool:
        """A boolean, false by default."""

        def parse(text: str) -> bool:
            if text.lower() not in _FLAGS:
                raise InvalidParameterError(name, "Input should be a valid boolean", "bool_parsing")
            return _FLAGS[text.lower()]

        return self.value(name, parse, default=False)

    def string(self, name: str, among: Collection[str] | None = None) -> str | None:
        """A text; one of the enum's, where there is one."""
        return self.value(name, lambda text: _member(name, text, among), None)

    def strings(self, name: str, among: Collection[str] | None = None) -> frozenset[str] | None:
        """An array: the parameter repeated."""
        values = self._query.getlist(name)
        return self.value(
            name, lambda _last: frozenset(_member(name, text, among) for text in values), None
        )

    def value(self, name: str, parse: Callable[[str], T], default: D) -> T | D:
        """What `parse` makes of it. An InvalidParameterError is noted, and the default stands."""
        if name not in self._query:
            return default
        try:
            return parse(self._query[name])
        except InvalidParameterError as problem:
            self.problems.append(problem)
            return default


def _member(name: str, text: str, among: Collection[str] | None) -> str:
    if among is not None and text not in among:
        message = f"Input should be one of {', '.join(among)}"
        raise InvalidParameterError(name, message, "enum")
    return text
