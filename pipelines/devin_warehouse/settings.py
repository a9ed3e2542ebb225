"""The settings: what each is called on the command line, in the environment and in dlt's config.

An option wins over the environment, that over `.dlt/config.toml` (section `sources.devin`), that
over the default.
"""

from __future__ import annotations

import os
import tempfile
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from devin_warehouse.errors import KeyRefused, Misuse

# those that lead dlt to values or to other places for them
DLT_VARIABLES = ("SOURCES__", "PROVIDERS__", "DLT_")


@dataclass(frozen=True)
class Setting:
    """One setting; its option is `--name`, its key in dlt's config is `name`."""

    name: str
    default: str | int
    meaning: str
    environment: str = ""

    @property
    def option(self) -> str:
        """As it is spelled on the command line."""
        return f"--{self.name.replace('_', '-')}"


SETTINGS = {
    setting.name: setting
    for setting in (
        Setting("database", "warehouse.duckdb", "The published file.", "DEVIN_DATABASE"),
        Setting(
            "base_url",
            "https://api.devin.ai",
            "Where the API is: https, or loopback.",
            "DEVIN_BASE_URL",
        ),
        Setting("api", "auto", "API version: v2, v3, or auto, by the key's prefix."),
        Setting("initial_since", "", "A first load of recent history only, from this time on."),
        Setting("overlap", "1h", "How far behind the watermark a run starts; at least 5m."),
        Setting("concurrency", 8, "Requests in flight at most."),
        Setting(
            "recheck_requests",
            20,
            "Requests a run at most for the re-check of unsettled sessions.",
        ),
        Setting("wait", "0s", "How long to wait for another load, or a reader of the work file."),
        Setting(
            "destination",
            "duckdb",
            "Where to publish: duckdb, the file; postgres, ducklake, or another destination of "
            "dlt's, with dlt's credentials.",
        ),
        Setting(
            "redact",
            "",
            "Columns to drop, hash or cut short before anything is stored, as in "
            "title=hash, initial_user_message=truncate:80, extra=drop.",
        ),
        Setting(
            "organizations_csv",
            "",
            "Organizations' names, which go before the API's: CSV with org_id and name.",
        ),
        Setting(
            "users_csv",
            "",
            "Users' names, which go before the API's: CSV with user_id, name and maybe email.",
        ),
        Setting("views", "", "A folder of views of your own, `<schema>/<view>.sql`."),
        Setting("report", "", "Write the report here whenever a new copy has been published."),
        Setting(
            "acu_price",
            "",
            "What an ACU costs, for the report, as in 2.25 or 2.25 EUR (USD if not said).",
        ),
        Setting(
            "on_failure",
            "",
            "A shell command to run when a load fails; it gets the outcome as JSON on stdin.",
        ),
    )
}


def resolved(name: str, given: str | int | None) -> str:
    """A setting's value as text: what was given, else dlt's config, else the default.

    Raises Misuse if dlt's configuration cannot be read.
    """
    if given is not None:
        return str(given)
    configured = _configured(name)
    return str(SETTINGS[name].default if configured is None else configured)


def api_key(environment: str | None) -> str:
    """The key: DEVIN_API_KEY, else dlt's `sources.devin.api_key`; raises KeyRefused without one."""
    key = environment or _configured("api_key", is_secret=True)
    if not key:
        raise KeyRefused(
            "There is no API key: set DEVIN_API_KEY, or sources.devin.api_key in "
            ".dlt/secrets.toml, to a service user's key (cog_..., API v3) or the personal key "
            "(apk_user_..., API v2) of an enterprise admin."
        )
    return str(key)


def _configured(name: str, *, is_secret: bool = False) -> str | int | None:
    if not _is_dlt_told():
        return None
    try:
        import dlt  # noqa: PLC0415 most of the time of a run that finds nothing new

        found: object = (dlt.secrets if is_secret else dlt.config).get(f"sources.devin.{name}")
    except Exception as error:  # dlt's config errors share no base with TOML's and the system's
        said = " ".join(str(error).split())
        raise Misuse(f"The configuration in .dlt cannot be read: {said}") from error
    return found if isinstance(found, str | int) else None


def _is_dlt_told() -> bool:
    """Whether any place that dlt may look at says something of us, or of other places."""
    if find_spec("airflow") or any(name.startswith(DLT_VARIABLES) for name in os.environ):
        return True
    folders = [Path(".dlt"), Path("/var/dlt"), Path(tempfile.gettempdir(), "dlt")]
    with suppress(RuntimeError):  # nobody's home
        folders.append(Path.home() / ".dlt")
    if data := os.environ.get("XDG_DATA_HOME"):
        folders.append(Path(data, "dlt"))
    files = (folder / name for folder in folders for name in ("config.toml", "secrets.toml"))
    return any(_is_about_us(file) for file in files)


def _is_about_us(file: Path) -> bool:
    try:
        content = tomllib.loads(file.read_text())
        return bool("providers" in content or content.get("sources", {}).get("devin"))
    except FileNotFoundError:
        return False
    except (OSError, ValueError, AttributeError):
        return True  # dlt says what is wrong with it
