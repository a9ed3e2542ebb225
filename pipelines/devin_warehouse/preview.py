"""What a load would do, without doing it: `load --dry-run` writes nothing and locks nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb
import pendulum

from devin_warehouse import ledger
from devin_warehouse.api.listing import PAGE_LIMIT, Api
from devin_warehouse.errors import ContractBroken, KeyRefused, NotFound
from devin_warehouse.feed import open_feed
from devin_warehouse.insights import STRETCH
from devin_warehouse.layout import Layout, read_json
from devin_warehouse.plan import Order
from devin_warehouse.walk import WALKERS
from devin_warehouse.windows import Window


@dataclass(frozen=True)
class Preview:
    """What a load would read; numbers are None where the API does not say.

    `insight_requests` is an upper bound: sessions that have not changed need none.
    """

    mode: str
    scope: str
    watermark: datetime | None
    window: Window
    windows: int | None
    sessions: int | None
    session_requests: int | None
    insight_requests: int | None
    has_insights_list: bool | None


def preview(order: Order) -> Preview:
    """Ask the API what there is in the window that a load would read; a few requests.

    Raises what the API's answers raise, and Misuse for what a load refuses.
    """
    scope = order.connection.scope
    _check_version(order.layout, scope)
    watermark = _watermark(order.layout, scope)
    with open_feed(order.connection) as feed:
        _, now = feed.survey()
        window = order.window(watermark, now.replace(microsecond=0))
        is_open = order.is_open_ended(window)
        sessions, _ = feed.survey(window.asked(open_ended=is_open))
        has_list = None
        if order.with_insights and len(feed.kinds) > 1:
            has_list = feed.ask(_has_insights_list)
    return Preview(
        order.mode,
        scope,
        watermark,
        window,
        None if sessions is None else _windows(sessions, order.connection.version),
        sessions,
        None if sessions is None else 2 + -(-sessions // (PAGE_LIMIT - 1)),
        None if sessions is None or has_list is None else _insight_requests(sessions, has_list),
        has_list,
    )


def _windows(sessions: int, version: str) -> int:
    walker = WALKERS[version]
    return 1 if sessions <= walker.largest else -(-sessions // walker.aimed_at)


def _insight_requests(sessions: int, has_list: bool) -> int:
    return -(-sessions // STRETCH) if has_list else sessions


async def _has_insights_list(api: Api) -> bool:
    try:
        if api.insights:
            await api.insights.page(None, None, 1)
            return True
    except (NotFound, ContractBroken, KeyRefused):
        pass
    return False


def _check_version(layout: Layout, scope: str) -> None:
    if layout.database.exists():
        with duckdb.connect(str(layout.database), read_only=True) as connection:
            ledger.check_version(connection, scope)


def _watermark(layout: Layout, scope: str) -> datetime | None:
    """As the last run left word; a connection to the work file would keep a load from it."""
    told = read_json(layout.status_file).get("watermarks", {}).get(scope)
    if told:
        return pendulum.instance(datetime.fromisoformat(told), tz="UTC")
    if not layout.database.exists():
        return None
    with duckdb.connect(str(layout.database), read_only=True) as connection:
        return ledger.watermark(connection, scope)
