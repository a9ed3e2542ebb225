"""The warehouse in Apache Spark: tables and views over an export, by the same SQL as in DuckDB.

    devin-warehouse export /data/devin
    spark-submit spark_views.py /data/devin "SELECT * FROM analytics.outcomes_monthly"

Wants pyspark 4.1 or newer (whose SQL knows recursion), devin-warehouse beside it, and the export
where all executors can read it. In a notebook: `register(spark, "/data/devin")`, then any SQL; once
more after the next export.
"""

from __future__ import annotations

import sys
from pathlib import Path

import sqlglot
from pyspark.sql import SparkSession

from devin_warehouse.sql_files import PREPARED, Sql
from devin_warehouse.tables import SCHEMA, TABLES
from devin_warehouse.views import DICTIONARY, DICTIONARY_COLUMNS, rehearse

SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    # a division by nothing is NULL, as in DuckDB
    "spark.sql.ansi.enabled": "false",
    # families may be of any depth
    "spark.sql.cteRecursionLevelLimit": "-1",
    "spark.sql.cteRecursionRowLimit": "-1",
}


def register(spark: SparkSession, export: str | Path) -> None:
    """Create `devin`, `analytics` and what they need as databases of the session, over an export.

    They show that export, also after the next one has taken its place. Rows of stored views are
    computed here, once, into the session's warehouse directory.
    """
    for name, value in SETTINGS.items():
        spark.conf.set(name, value)
    views = Sql.of().views
    for schema in dict.fromkeys([SCHEMA, PREPARED, *(view.schema for view in views)]):
        spark.sql(f"CREATE DATABASE IF NOT EXISTS {schema}")
    folder = Path(export).resolve()
    for table in TABLES:
        columns = ", ".join(column.name for column in table.columns)
        create(
            spark,
            f"{SCHEMA}.{table.name}",
            f"SELECT {columns} FROM parquet.`{folder}/{table.name}`",
        )
    rows = ", ".join(map(str, map(literals, rehearse(views).dictionary)))
    columns = ", ".join(DICTIONARY_COLUMNS)
    create(spark, DICTIONARY, f"SELECT * FROM VALUES {rows} AS entries ({columns})")
    for view in views:
        name = f"{view.schema}.{view.name}"
        query = carried_over(view.text)
        if view.is_stored:
            spark.sql(f"DROP TABLE IF EXISTS {name}")
            spark.sql(f"CREATE TABLE {name} USING parquet AS {query}")
        else:
            create(spark, name, query)


def carried_over(sql: str) -> str:
    """DuckDB's SQL as Spark's."""
    # Spark's PERCENTILE interpolates as quantile_cont does; sqlglot writes a name that it has not
    return sqlglot.transpile(sql, read="duckdb", write="spark")[0].replace(
        "PERCENTILE_CONT(", "PERCENTILE("
    )


def create(spark: SparkSession, name: str, query: str) -> None:
    """Create a view, or replace it."""
    spark.sql(f"CREATE OR REPLACE VIEW {name} AS {query}")


def literals(row: tuple[str | None, ...]) -> str:
    """A row of texts in Spark's SQL."""
    values = (sqlglot.exp.convert(value).sql("spark") for value in row)
    return f"({', '.join(values)})"


def main() -> None:
    """Ask one question, or list the views."""
    spark = SparkSession.builder.appName("devin-warehouse").getOrCreate()
    register(spark, sys.argv[1])
    spark.sql(sys.argv[2] if len(sys.argv) > 2 else "SHOW VIEWS IN analytics").show(truncate=False)


if __name__ == "__main__":
    main()
