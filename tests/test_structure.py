"""The house: imports go one way, one module does HTTP, the README and the settings are current."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

from devin_warehouse.settings import SETTINGS
from devin_warehouse.sql_files import ANALYTICS, Sql
from tests.questions import QUESTIONS
from tests.readme import README, with_generated

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pipelines" / "devin_warehouse"
# a module may import from the lines above it only
LAYERS = (
    "errors tables windows together times",
    "process layout settings payloads sql_files directories api.brake",
    "api.client explode locks landing",
    "api.directory redaction",
    "api.listing destination",
    "api.v2 api.v3 events",
    "walk lookup",
    "reader",
    "insights recheck schedule",
    "feed checks alarm report.rows",
    "source ledger plan doctor",
    "bookkeeping status",
    "history",
    "work_file preview redacted",
    "merge views names seeding",
    "reach",
    "copying",
    "publish delivered_views",
    "deliver export",
    "intake report.page",
    "packages summary",
    "load",
    "console options",
    "cli",
)


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def modules() -> dict[str, Path]:
    paths = [path for room in ("", "api", "report") for path in (PACKAGE / room).glob("*.py")]
    named = {".".join(p.relative_to(PACKAGE).with_suffix("").parts): p for p in paths}
    return {name: path for name, path in named.items() if not name.endswith("__init__")}


def test_imports_go_one_way():
    """cli -> load -> source -> reader -> api, and nothing back."""
    level = {name: depth for depth, names in enumerate(LAYERS) for name in names.split()}
    assert modules().keys() == level.keys()
    for name, path in modules().items():
        for other in imports(path):
            target = other.removeprefix("devin_warehouse.")
            if other.startswith("devin_warehouse.") and target in level:
                assert level[target] < level[name], f"{name} imports {target}"


def test_each_room_keeps_to_its_own():
    """Only api/client speaks HTTP; tables and explode know no dlt; publish knows no API."""
    for name, path in modules().items():
        found = {module.split(".")[0] for module in imports(path)}
        ours = {m.removeprefix("devin_warehouse.") for m in imports(path)}
        assert "httpx" not in found or name in ("api.client", "feed"), name
        assert "dlt" not in found or name in (
            "source",
            "landing",
            "merge",
            "settings",
            "destination",
        ), name
        assert not (name == "publish" and any(m.startswith(("api", "feed")) for m in ours))
        assert not any("sandbox" in m for m in ours) or name == "cli", name


def test_the_readme_says_what_the_code_says():
    """Settings, exit codes and tables in it are generated; `python -m tests.readme` renews them."""
    text = README.read_text()
    assert with_generated(text) == text


def test_the_configuration_file_shows_every_default():
    """One line on each, and the value that holds without the file, to be taken out of a comment."""
    text = (ROOT / ".dlt" / "config.toml").read_text()
    assert tomllib.loads(text)["sources"]["devin"] == {}
    configured = tomllib.loads(re.sub(r"(?m)^#(\w+ = )", r"\1", text))["sources"]["devin"]
    assert configured == {name: setting.default for name, setting in SETTINGS.items()}
    for setting in SETTINGS.values():
        assert f"# {setting.meaning}\n#{setting.name} = " in text


def test_every_sql_file_says_what_it_is():
    """Line 1 of a view is its grain, that of a check its severity."""
    sql = Sql.of()
    for file in sql.views:
        assert file.grain.startswith("One row per "), file.source
    for file in sql.checks:
        assert file.severity in ("error", "warn"), file.source
    assert {view.name for view in sql.views if view.schema == ANALYTICS} == QUESTIONS.keys()
    assert sql.checks


def test_the_makefile_helps():
    """Its list comes from its own comments."""
    shown = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for target in (
        "setup",
        "demo",
        "load",
        "test",
        "test-clients",
        "test-deploy",
        "test-superset",
        "soak",
        "audit",
        "bench",
    ):
        assert f"make {target}" in shown
