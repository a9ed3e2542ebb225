"""Who is there: the names of organizations and users by their ids, as the API or a file tells them.

A file is a table with a header line (CSV), as whoever administers an enterprise can export it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from devin_warehouse.errors import Misuse
from devin_warehouse.tables import BY_NAME, Table

ORGANIZATIONS, USERS = BY_NAME["organizations"], BY_NAME["users"]
# of each id the texts that are told, by column
Names = dict[str, dict[str, str | None]]

DELIMITERS = (",", ";")
# Python's own limit is an eighth of it
LONGEST_CELL = 2**20


def entry(table: Table, told: Mapping[str, Any]) -> dict[str, str | None]:
    """What is told of one id, by column: texts without blanks around them, else None."""
    return {column.name: _text(told.get(column.name)) for column in table.columns[1:]}


def read_file(path: Path, table: Table) -> Names:
    """The names in a CSV file: of an id that comes twice the last ones, and only what is filled in.

    UTF-8, delimited by commas or semicolons; columns that the table does not have are ignored.
    Raises Misuse, naming the file, if it cannot be read, lacks the id or the name, or has a row
    without id.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeError) as error:
        said = error.strerror if isinstance(error, OSError) else f"not UTF-8 ({error})"
        raise Misuse(f"{path} cannot be read: {said}.") from error
    names: Names = {}
    try:
        for line, row in _rows(text, path, table):
            told = entry(table, row)
            if key := _text(row.get(table.key[0])):
                names[key] = {column: value for column, value in told.items() if value}
            elif any(map(_text, row.values())):
                raise Misuse(f"{path}, line {line}: no {table.key[0]}.")
    except csv.Error as error:
        raise Misuse(f"{path} cannot be read as CSV: {error}.") from error
    return names


def _rows(text: str, path: Path, table: Table) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row with the number of its last line; raises Misuse if a column is missing."""
    csv.field_size_limit(LONGEST_CELL)
    needed = {table.key[0], "name"}
    first_line = next(iter(StringIO(text, newline="")), "")
    headers = [_header(first_line, delimiter) for delimiter in DELIMITERS]
    header = max(headers, key=lambda columns: len(needed & set(columns)))
    if missing := needed - set(header):
        columns = ", ".join(column.name for column in table.columns)
        raise Misuse(
            f"{path} has no column {' and no '.join(sorted(missing))}: its first line has to name "
            f"its columns, out of {columns}."
        )
    reader = csv.reader(StringIO(text, newline=""), delimiter=DELIMITERS[headers.index(header)])
    next(reader)
    for cells in reader:
        yield reader.line_num, dict(zip(header, cells, strict=False))


def _header(line: str, delimiter: str) -> list[str]:
    cells = next(csv.reader([line], delimiter=delimiter), [])
    return [cell.strip().lower() for cell in cells]


def _text(value: Any) -> str | None:  # noqa: ANN401
    return (value.strip() or None) if isinstance(value, str) else None
