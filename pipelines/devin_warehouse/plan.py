"""What a load is asked to do, and the window of `updated_at` that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from devin_warehouse.api import v2, v3
from devin_warehouse.directories import USERS, Names
from devin_warehouse.errors import Misuse
from devin_warehouse.feed import Connection
from devin_warehouse.layout import Layout
from devin_warehouse.redaction import Policy
from devin_warehouse.sql_files import Sql
from devin_warehouse.windows import Window

if TYPE_CHECKING:
    from devin_warehouse.destination import Destination

RECHECK_REQUESTS = 20
FILTERS = {v2.VERSION: v2.FILTERS, v3.VERSION: v3.FILTERS}


@dataclass(frozen=True)
class Order:
    """What a load is asked to do; `connection.filters` say which sessions, these which times.

    `names` are those that files tell, by table. Without a destination the file is published.
    """

    layout: Layout
    connection: Connection
    overlap: timedelta = timedelta(hours=1)
    wait_seconds: float = 0
    initial_since: datetime | None = None
    since: datetime | None = None
    until: datetime | None = None
    is_full: bool = False
    with_insights: bool = True
    recheck_requests: int = RECHECK_REQUESTS
    is_confirmed: bool = False
    sql: Sql = field(default_factory=Sql.of)
    policy: Policy = field(default_factory=Policy)
    names: Mapping[str, Names] = field(default_factory=dict)
    destination: Destination | None = None

    def __post_init__(self) -> None:
        if self.is_full and (self.since or self.until or self.connection.filters.is_narrowed):
            raise Misuse(
                "--full-refresh reads everything of a scope: it goes neither with --since, --until "
                "nor with a filter that narrows the load."
            )
        if self.since and self.until and self.since >= self.until:
            raise Misuse(f"--since {self.since} is not before --until {self.until}.")
        filters = self.connection.filters
        created = (filters.created_since, filters.created_until)
        if created[0] and created[1] and created[0] >= created[1]:
            raise Misuse("--created-since is not before --created-until.")
        if filters.session_ids and (self.since or self.until or len(self._narrowing) > 1):
            raise Misuse("--session-id goes with no other filter, nor with --since or --until.")
        if USERS.name in self.names and self.policy.hides("user_id"):
            raise Misuse("--users-csv: the redaction of user_id leaves no user to name.")
        self._check_version()
        self.layout.check_schemas(view.schema for view in self.sql.views)

    @property
    def _narrowing(self) -> frozenset[str]:
        filters = self.connection.filters
        return filters.set_names - filters.of_scope().set_names

    def _check_version(self) -> None:
        """What only v3 has is refused for v2, rather than ignored."""
        version = self.connection.version
        unknown = sorted(self.connection.filters.set_names - FILTERS[version])
        named = [_option(name) for name in unknown]
        named += ["--no-insights"] if version == "v2" and not self.with_insights else []
        if named:
            raise Misuse(f"API {version} has nothing for {', '.join(named)}; v3 does.")

    @property
    def place(self) -> str:
        """Where it publishes, for people."""
        return self.destination.name if self.destination else self.layout.database.name

    @property
    def mode(self) -> str:
        """As the ledger calls it."""
        if self.connection.filters.is_narrowed:
            return "narrowed"
        if self.is_full:
            return "full"
        return "backfill" if self.since or self.until else "incremental"

    @property
    def moves_watermark(self) -> bool:
        """Whether all of a scope is read, from the watermark or the beginning on, until now."""
        return self.mode in ("incremental", "full")

    def window(self, watermark: datetime | None, now: datetime) -> Window:
        """What to read, given how far the scope has been read; ends now unless asked otherwise.

        Raises Misuse if it would begin in the future.
        """
        if self.mode in ("backfill", "narrowed"):
            start, name = self.since, "--since"
        elif self.is_full or watermark is None:
            start, name = self.initial_since, "--initial-since"
        else:
            return Window(min(watermark, now) - self.overlap, now)
        if start and start > now:
            raise Misuse(f"{name} {start:%Y-%m-%d %H:%M} lies in the future.")
        end = min(self.until, now) if self.until else now
        return Window(start and start.replace(microsecond=0), end.replace(microsecond=0))

    def is_open_ended(self, window: Window) -> bool:
        """Whether the window ends now, so that what is newer still belongs to it."""
        return self.until is None or window.until < self.until


def _option(filter_name: str) -> str:
    """The option that sets a filter."""
    singular = {"include_deleted_orgs": "include-deleted-orgs", "category": "category"}
    return f"--{singular.get(filter_name, filter_name.removesuffix('s').replace('_', '-'))}"
