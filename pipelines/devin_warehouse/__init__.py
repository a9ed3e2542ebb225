"""devin-warehouse: Devin sessions and their insights in a DuckDB file that others read.

`devin_source` is the dlt source, for pipelines of your own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["__version__", "devin_source"]

if TYPE_CHECKING:
    from devin_warehouse.source import devin_source


def __getattr__(name: str) -> Any:  # noqa: ANN401
    # dlt takes half a second to import; `--help` and `status` do without
    if name == "devin_source":
        from devin_warehouse.source import devin_source  # noqa: PLC0415

        return devin_source
    raise AttributeError(name)
