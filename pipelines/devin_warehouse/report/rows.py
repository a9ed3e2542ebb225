"""What the page shows, computed by the queries of sql/report over the published file.

All figures are computed here, for each organization and period that can be chosen; what the page's
script does is choosing. A query's rows are for the page where its header says what they mean.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

import duckdb

from devin_warehouse.sql_files import REPORT, SqlFile, report_queries

# figures are shown with three digits or so, and a page has some ten thousand of them
DIGITS = 6
USUAL_PERIOD = "Last 12 weeks"
CHOICES = ("organization", "period")
Row = dict[str, Any]


@dataclass(frozen=True)
class Price:
    """What an ACU costs, in which currency (ISO 4217)."""

    amount: float
    currency: str


def computed(connection: duckdb.DuckDBPyConnection, price: Price | None) -> Row:
    """All that a page shows of the published file that `connection` has open, ready for JSON.

    `rows` holds, by query, its `columns` and `of[organization][period]`, lists of rows; those of a
    query that knows no period are under "all". `definitions` holds what the columns mean.
    """
    connection.execute(f"ATTACH ':memory:' AS {REPORT} (READ_WRITE)")
    connection.execute("SET VARIABLE acu_price = CAST(? AS DOUBLE)", [price and price.amount])
    queries = report_queries()
    for query in queries:
        connection.execute(f"CREATE TABLE {REPORT}.{query.name} AS {query.text}")
    periods = _objects(connection, f"{REPORT}.periods")
    usual = [period["place"] for period in periods if period["title"] == USUAL_PERIOD]
    shown = [query for query in queries if _is_shown(connection, query)]
    return {
        "watermark": _objects(connection, f"{REPORT}.calendar")[0]["watermark"],
        "published_at": _objects(connection, "devin.warehouse_info")[0]["published_at"],
        "currency": price and price.currency,
        "periods": periods,
        "period": (usual or [period["place"] for period in periods[-1:]] or [None])[0],
        "organizations": _objects(connection, f"{REPORT}.organizations"),
        "scopes": _objects(connection, f"{REPORT}.freshness"),
        "rows": {query.name: _chosen(connection, query) for query in shown},
        "definitions": {
            query.name: {name: asdict(said) for name, said in query.meanings.items()}
            for query in shown
        },
    }


def _is_shown(connection: duckdb.DuckDBPyConnection, query: SqlFile) -> bool:
    names, _ = _read(connection, f"{REPORT}.{query.name} LIMIT 0")
    return bool(query.meanings) and CHOICES[0] in names


def _chosen(connection: duckdb.DuckDBPyConnection, query: SqlFile) -> Row:
    """A query's rows by what can be chosen, in its order."""
    names, rows = _read(connection, f"{REPORT}.{query.name}")
    keys = [names.index(name) for name in CHOICES if name in names]
    kept = [place for place in range(len(names)) if place not in keys]
    of: dict[Any, dict[Any, list[Any]]] = {}
    for row in rows:
        organization, period = (*(row[key] for key in keys), "all")[:2]
        places = of.setdefault(organization, {})
        places.setdefault(period, []).append([_plain(row[place]) for place in kept])
    return {"columns": [names[place] for place in kept], "of": of}


def _objects(connection: duckdb.DuckDBPyConnection, table: str) -> list[Row]:
    names, rows = _read(connection, table)
    return [dict(zip(names, map(_plain, row), strict=True)) for row in rows]


def _read(
    connection: duckdb.DuckDBPyConnection, table: str
) -> tuple[list[str], list[tuple[Any, ...]]]:
    cursor = connection.execute(f"FROM {table}")
    return [column[0] for column in cursor.description or []], cursor.fetchall()


def _plain(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, float):
        return round(value, DIGITS)
    return value.isoformat() if isinstance(value, date | datetime) else value
