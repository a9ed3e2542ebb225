"""The page: a template, a style, a script and the figures, in one file."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from importlib.resources import files
from pathlib import Path

import duckdb

from devin_warehouse import __version__
from devin_warehouse.errors import Misuse, OutOfResources
from devin_warehouse.layout import Layout
from devin_warehouse.publish import published
from devin_warehouse.report.rows import Price, Row, computed

SCRIPTS = ("elements.js", "figures.js", "tables.js", "charts.js", "sections.js", "page.js")
# an end tag, comment or line separator in somebody's text would end the script that holds the data
ESCAPED = str.maketrans(
    {char: f"\\u{ord(char):04x}" for char in ("<", ">", "&", "\u2028", "\u2029")}
)


def write_report(layout: Layout, path: Path, price: Price | None) -> None:
    """Write the report on a warehouse to a file, in one step.

    Its owner alone can read it, unless one that was there before has been opened to others. Raises
    Misuse if there is no warehouse, or one of another version, OutOfResources where the file cannot
    be written.
    """
    with published(layout) as connection:
        try:
            data = computed(connection, price)
        except (duckdb.BinderException, duckdb.CatalogException) as error:
            raise Misuse(
                f"{layout.database} was published by another version of devin-warehouse: "
                "run `devin-warehouse load` first."
            ) from error
    page = rendered({**data, "database": layout.database.name, "version": __version__})
    try:
        _replace(path, page.encode())
    except OSError as error:
        raise OutOfResources(f"{path} could not be written: {error.strerror}.") from error


def _replace(path: Path, content: bytes) -> None:
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        new.chmod(mode)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def rendered(data: Row) -> str:
    """The page that shows the data; its policy allows its own style and script, nothing else."""
    style = _asset("page.css")
    script = "".join(map(_asset, SCRIPTS))
    page = _asset("page.html")
    for name, text in (
        ("style_hash", _digest(style)),
        ("script_hash", _digest(script)),
        ("style", style),
        ("script", script),
        ("data", json.dumps(data, ensure_ascii=False, separators=(",", ":")).translate(ESCAPED)),
    ):
        page = page.replace(f"{{{{{name}}}}}", text, 1)
    return page


def _asset(name: str) -> str:
    return files("devin_warehouse.report").joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
