"""What somebody does in Superset, over its REST API: database, dataset, chart, SQL Lab."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

CHART = {
    "columns": ["created_date"],
    "metrics": [
        {
            "expressionType": "SQL",
            "sqlExpression": f"sum({column})",
            "label": column,
        }
        for column in ("sessions_count", "acus_consumed")
    ],
    "row_limit": 10_000,
}


@dataclass
class Superset:
    """A Superset that is logged in to; every method is one request of somebody's."""

    client: httpx.Client

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.client.post(f"/api/v1/{path}", json=body)
        if answer.is_error:
            raise RuntimeError(f"{path}: {answer.status_code} {answer.text}")
        answered: dict[str, Any] = answer.json()
        return answered

    def _get(self, path: str) -> dict[str, Any]:
        answered: dict[str, Any] = self.client.get(f"/api/v1/{path}").raise_for_status().json()
        return answered

    def database(self, path: Path) -> int:
        """Connect it read-only, although its own setting allows DML."""
        created: int = self._post(
            "database/",
            {
                "database_name": "warehouse",
                "sqlalchemy_uri": f"duckdb:///{path}",
                "expose_in_sqllab": True,
                "allow_dml": True,
                "extra": json.dumps({"engine_params": {"connect_args": {"read_only": True}}}),
            },
        )["id"]
        return created

    def dataset(self, database: int, view: str) -> int:
        created: int = self._post(
            "dataset/", {"database": database, "schema": "analytics", "table_name": view}
        )["id"]
        return created

    def columns(self, dataset: int) -> list[tuple[str, str, str]]:
        """Name, type and description of each column, as its editor shows them."""
        found = self._get(f"dataset/{dataset}")["result"]["columns"]
        return [(each["column_name"], each["type"], each["description"]) for each in found]

    def chart(self, dataset: int) -> int:
        """Save a table of two sums a day."""
        created: int = self._post(
            "chart/",
            {
                "slice_name": "sessions and ACUs a day",
                "viz_type": "table",
                "datasource_id": dataset,
                "datasource_type": "table",
                "params": json.dumps({"viz_type": "table"}),
                "query_context": json.dumps(self._query(dataset)),
            },
        )["id"]
        return created

    def chart_data(self, dataset: int) -> list[dict[str, Any]]:
        """What an explorer of the dataset sees."""
        return self._rows(self._post("chart/data", self._query(dataset)))

    def saved_chart_data(self, chart: int) -> list[dict[str, Any]]:
        """What the saved chart shows to who presses Refresh."""
        return self._rows(self._get(f"chart/{chart}/data/?force=true"))

    def sql_lab(self, database: int, sql: str) -> list[dict[str, Any]]:
        """The rows of a statement; raises RuntimeError with the error shown."""
        rows: list[dict[str, Any]] = self._post(
            "sqllab/execute/",
            {"database_id": database, "schema": "analytics", "sql": sql, "runAsync": False},
        )["data"]
        return rows

    @staticmethod
    def _query(dataset: int) -> dict[str, Any]:
        return {
            "datasource": {"id": dataset, "type": "table"},
            "queries": [CHART],
            "result_format": "json",
            "result_type": "full",
            "force": True,
        }

    @staticmethod
    def _rows(answer: dict[str, Any]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = answer["result"][0]["data"]
        return rows
