"""Where a warehouse keeps its files, and which paths it refuses.

    warehouse.duckdb -> warehouse.<n>.duckdb    what people open: a link to the latest copy
    warehouse.status.json                       how the last run ended
    warehouse.duckdb.work/                      the loader's own: work file, lock, dlt's folder

The link is what lets a process that still holds an old copy see the new one on its next connect:
DuckDB caches databases by their real path (measured on 1.5.5 and 2.0.0).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from devin_warehouse.errors import Misuse, OutOfResources

RESERVED_NAMES = frozenset(
    {"devin", "analytics", "main", "temp", "system", "information_schema", "pg_catalog"}
)

UNSAFE = frozenset("'%?")


@dataclass(frozen=True)
class Layout:
    """The files of the warehouse that is published at `database`."""

    database: Path

    @classmethod
    def of(cls, database: Path) -> Layout:
        """The layout for a database path; raises Misuse if it cannot be one."""
        layout = cls(Path(os.path.abspath(database)))  # noqa: PTH100 resolve() would follow the link
        layout._check_name()
        layout._check_file()
        return layout

    @property
    def folder(self) -> Path:
        """The loader's own folder."""
        return self.database.with_name(f"{self.database.name}.work")

    @property
    def work_file(self) -> Path:
        """The loader's own database."""
        return self.folder / "work.duckdb"

    @property
    def dlt_folder(self) -> Path:
        """dlt's local state; disposable, made anew by each run."""
        return self.folder / "dlt"

    @property
    def lock_file(self) -> Path:
        """What the one writer locks."""
        return self.folder / "lock"

    @property
    def redaction_key_file(self) -> Path:
        """The key of redaction's hashes."""
        return self.folder / "redaction.key"

    @property
    def status_file(self) -> Path:
        """How the last run ended, as JSON."""
        return self.database.with_name(f"{self.database.stem}.status.json")

    @property
    def target(self) -> str | None:
        """The name of the copy that is published now; None if there is none."""
        return self.database.readlink().name if self.database.is_symlink() else None

    def target_path(self, number: int) -> Path:
        """The path of a published copy; readers see it under the database's own name."""
        return self.database.with_name(f"{self.database.stem}.{number}{self.database.suffix}")

    def number_of(self, target: str | None) -> int:
        """The number in a copy's name, 0 if it has none."""
        numbered = re.fullmatch(
            rf"{re.escape(self.database.stem)}\.(\d+){re.escape(self.database.suffix)}",
            target or "",
        )
        return int(numbered[1]) if numbered else 0

    def check_schemas(self, schemas: Iterable[str]) -> None:
        """Raise Misuse if readers would find a schema's tables ambiguous under this name."""
        names = {self.database.name.partition(".")[0].lower(), self.database.stem.lower()}
        if taken := sorted(names & {schema.lower() for schema in schemas}):
            raise Misuse(
                f"--database {self.database.name}: {taken[0]!r} is also the name of a schema of "
                "your views, so that DuckDB would find what is in it ambiguous."
            )

    def make_folder(self) -> None:
        """Make the loader's folder; raises OutOfResources where that is not permitted."""
        with local_resources():
            self.folder.mkdir(mode=0o700, exist_ok=True)
            if not os.access(self.database.parent, os.W_OK):
                raise PermissionError(13, "Permission denied", str(self.database.parent))

    def _check_name(self) -> None:
        catalog = self.database.name.partition(".")[0].lower()
        if {catalog, self.database.stem.lower()} & RESERVED_NAMES:
            raise Misuse(
                f"--database {self.database.name}: {catalog!r} is also the name of a schema in it, "
                f"so that DuckDB would find `{catalog}.sessions` ambiguous. Choose another name."
            )
        if found := UNSAFE & set(str(self.database)):
            raise Misuse(
                f"--database {self.database}: dlt cannot load from a path with {' '.join(found)}; "
                "nothing was touched."
            )
        if not catalog:
            raise Misuse(f"--database {self.database.name}: the name must not begin with a dot.")

    def _check_file(self) -> None:
        if not self.database.parent.is_dir():
            raise Misuse(f"--database: there is no folder {self.database.parent}; create it first.")
        if not self.database.exists():
            return
        if not self.database.is_file():
            raise Misuse(f"--database {self.database}: not a file.")
        try:
            with self.database.open("rb") as file:
                header = file.read(12)
        except PermissionError as error:
            raise Misuse(f"--database {self.database}: it may not be read.") from error
        if header[8:] != b"DUCK":
            raise Misuse(f"--database {self.database}: not a DuckDB file; nothing was touched.")


@contextmanager
def local_resources() -> Iterator[None]:
    """Turn what the operating system refuses into OutOfResources."""
    try:
        yield
    except OSError as error:
        raise OutOfResources(
            f"{error.strerror or error}: {error.filename or 'a local file'}. "
            "Nothing that was committed or published is lost."
        ) from error


def plain(value: object) -> str:
    """How JSON shows an instant (ISO 8601, UTC), or whatever else it does not know."""
    return f"{value:%Y-%m-%dT%H:%M:%SZ}" if isinstance(value, datetime) else str(value)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Replace a small JSON file whole, readable by its owner only."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    text = json.dumps(content, indent=2, ensure_ascii=False, default=plain)
    try:
        with os.fdopen(os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            file.write(f"{text}\n")
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise


def read_json(path: Path) -> dict[str, Any]:
    """A small JSON file's content; empty where there is none or it cannot be read."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
