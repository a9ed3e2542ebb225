"""harlequin without a terminal: statements in its editor, rows and errors as on its screen."""

from __future__ import annotations

import asyncio
import threading
from queue import SimpleQueue
from typing import Any

from harlequin import Harlequin
from harlequin.components import ErrorModal
from harlequin_duckdb.adapter import DuckDbAdapter

PAUSE = 0.02


class Connection:
    """One harlequin, in a thread of its own."""

    def __init__(self, path: str) -> None:
        self._asked: SimpleQueue[tuple[str, str] | None] = SimpleQueue()
        self._answers: SimpleQueue[dict[str, Any] | Exception] = SimpleQueue()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(path)), daemon=True)
        self._thread.start()
        self._answer()

    def ask(self, name: str, sql: str) -> dict[str, Any]:
        self._asked.put((name, sql))
        return self._answer()

    def close(self) -> None:
        self._asked.put(None)
        self._thread.join()

    def _answer(self) -> dict[str, Any]:
        answer = self._answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _serve(self, path: str) -> None:
        """Show the file, then answer until nothing more is asked."""
        adapter = DuckDbAdapter([path], no_init=True, read_only=True)
        app = Harlequin(adapter, record_history=False, viewer_max_rows=None)
        try:
            async with app.run_test(size=(150, 50)) as pilot:
                while app.editor is None or app.connection is None:
                    await pilot.pause(PAUSE)
                self._answers.put({})
                while asked := await asyncio.to_thread(self._asked.get):
                    name, sql = asked
                    answer = listed(pilot) if name == "views" else submitted(pilot, sql)
                    self._answers.put(await answer)
        except Exception as error:  # noqa: BLE001  whoever waits is to know
            self._answers.put(error)


async def submitted(pilot: Any, sql: str) -> dict[str, Any]:
    """The rows shown for a statement, or the error."""
    app = pilot.app
    before = app.results_viewer.get_visible_table()
    app.editor.text = sql
    await app.editor.action_submit()  # a key could meet an editor that has no focus yet
    while True:
        await pilot.pause(PAUSE)
        if isinstance(app.screen, ErrorModal):
            text = app.screen.text
            await pilot.press("space")
            return {"error": text}
        table = app.results_viewer.get_visible_table()
        if table not in (None, before) and not app.results_viewer.loading:
            await pilot.pause()  # until its tab is in front, as who asks next has seen it
            rows = [[*row.values()] for row in table.backend.source_data.to_pylist()]
            return {"columns": table.plain_column_labels, "rows": rows}


async def listed(pilot: Any) -> dict[str, Any]:
    """The views below `analytics` in its catalog, whose nodes are made anew whenever it loads."""
    views: list[str] = []
    while not all(views) or not views:  # it shows a node without a label while it loads
        await pilot.pause(PAUSE)
        for database in opened(pilot.app.data_catalog.database_tree.root):
            for schema in opened(database):
                if schema.data.label == "analytics":
                    views = [view.data.label for view in opened(schema)]
    return {"rows": [[view] for view in views]}


def opened(node: Any) -> Any:
    """What is below a node of the catalog so far."""
    if not node.is_expanded:
        node.expand()
    return node.children
