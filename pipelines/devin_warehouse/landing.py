"""Landing: rows come into a database through dlt, in a schema of their own, to be merged there.

dlt gets Arrow tables and is told each column's type, so that it guesses none: an ACU figure that is
whole at first would become BIGINT otherwise, and 1.5 be stored as 2.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import dlt
import pyarrow as pa
from dlt.common.runtime.telemetry import stop_telemetry
from dlt.extract import DltResource
from dlt.pipeline.configuration import PipelineConfiguration

from devin_warehouse.tables import Table, Type

FileFormat = Literal["parquet", "insert_values"]
# dlt reads config.toml from the working directory only: what safety depends on is set here
DLT_SETTINGS = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__INTERCEPT_SIGNALS": "false",
    "RESTORE_FROM_DESTINATION": "false",
    "LOAD__RAISE_ON_FAILED_JOBS": "true",
    "LOAD__DELETE_COMPLETED_JOBS": "true",
}
DLT_TYPES: dict[Type, dict[str, Any]] = {
    Type.TEXT: {"data_type": "text"},
    Type.DOUBLE: {"data_type": "double"},
    Type.BIGINT: {"data_type": "bigint"},
    Type.BOOLEAN: {"data_type": "bool"},
    Type.TIMESTAMP: {"data_type": "timestamp", "timezone": False},
    Type.JSON: {"data_type": "json"},
}


def landing_pipeline(destination: Any, dataset: str, folder: Path) -> dlt.Pipeline:  # noqa: ANN401
    """A pipeline into a schema of one of dlt's destinations.

    `folder` is for dlt's local state, and made anew: whatever an earlier run left pending has been
    superseded by what is read now.
    """
    # FULL_REFRESH and its like, which dlt would obey, may be meant for anything
    for name in PipelineConfiguration.get_resolvable_fields():
        os.environ.pop(name.upper(), None)
    os.environ.update(DLT_SETTINGS)
    # whoever asked dlt for its configuration before has started it
    stop_telemetry()
    shutil.rmtree(folder, ignore_errors=True)
    pipeline = dlt.pipeline(
        "devin_warehouse",
        pipelines_dir=str(folder),
        destination=destination,
        dataset_name=dataset,
    )
    # it warns of each JSON column, which Arrow can only bring as text, and shows a traceback for
    # each of its tries; what comes of them is raised all the same
    logging.getLogger("dlt").setLevel(logging.CRITICAL)
    return pipeline


def land(
    pipeline: dlt.Pipeline,
    tables: Iterable[tuple[Table, pa.Table]],
    file_format: FileFormat = "parquet",
) -> None:
    """Append rows to tables of the pipeline's schema, typed; nothing is merged yet."""
    pipeline.run(_package(tables), loader_file_format=file_format)


def dlt_columns(table: Table) -> dict[str, Any]:
    """The columns of a table, as dlt is told of them."""
    return {
        column.name: {**DLT_TYPES[column.type], "description": column.description}
        for column in table.columns
    }


@dlt.source(name="devin", section="devin")
def _package(tables: Any) -> DltResource:  # noqa: ANN401 dlt would resolve a typed argument
    @dlt.resource(name="package")
    def package() -> Iterator[Any]:
        for table, rows in tables:
            hints = dlt.mark.make_hints(
                table_name=table.name, write_disposition="append", columns=dlt_columns(table)
            )
            yield dlt.mark.with_hints(rows, hints, create_table_variant=True)

    return package
