"""What a run did, for whoever asked for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from devin_warehouse.intake import Counts


@dataclass
class Summary:
    """What a run did."""

    counts: Counts = field(default_factory=Counts)
    rows: dict[str, int] = field(default_factory=dict)
    watermarks: dict[str, str] = field(default_factory=dict)
    requests: int = 0
    retries: int = 0
    seconds: float = 0
    watermark_before: datetime | None = None
    watermark_after: datetime | None = None
    rejected_records: int = 0
    insights_failed: int = 0
    sessions_deleted: int = 0
    is_published: bool = False
    notices: list[str] = field(default_factory=list)
    warnings: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0, or 8 if there is something that could not be read."""
        return 8 if self.rejected_records or self.insights_failed else 0
