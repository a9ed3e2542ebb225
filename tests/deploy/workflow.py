"""The workflow, read by those who know workflows, and its own steps executed in order."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from devin_warehouse.layout import Layout
from devin_warehouse.locks import one_writer
from devin_warehouse.sandbox import World
from tests.deploy.place import (
    BIN,
    DEPLOY,
    KEY,
    ROOT,
    SESSIONS,
    ended,
    expect,
    runs,
    said_by,
    seconds_between,
)
from tests.served import served

WORKFLOW = DEPLOY / "github-actions.yml"
# what `pip install .` needs of a checkout
CHECKOUT = ("pyproject.toml", "README.md", "LICENSE", "constraints.txt", "pipelines", "sql")
IS_FULL = "${{ (inputs.full-refresh || github.event.schedule == '43 4 * * 0') && 'yes' || '' }}"


def checks(folder: Path) -> Iterator[tuple[str, str]]:
    """A run goes on from the copy of the run before, and ends as its load does."""
    yield "check-jsonschema", schema_errors(folder)
    yield "zizmor, strictest persona, offline", findings(folder)
    crons = [each["cron"] for each in on_schedule()]
    expect([*seconds_between(crons).values()], [[3600], [7 * 24 * 3600]])
    yield "croniter", "3,600 s and 7 days apart"
    yield from executed(folder)


def executed(folder: Path) -> Iterator[tuple[str, str]]:
    """The steps that are commands, with what is in between them done by hand."""
    world = World(1, SESSIONS)
    with served(world) as base_url:
        environment = python_of_its_own(folder) | {"DEVIN_BASE_URL": base_url}
        first = Runner(checked_out(folder / "first"), environment)
        first.install()
        yield "step Install", "from the checkout, as a wheel"
        expect(first.load(), (0, True))
        expect(runs(first.database), [("incremental", SESSIONS, 0)])
        assert not first.published.is_symlink()
        yield "step Load", f"{SESSIONS} sessions, published as a plain file"
        second = first.followed_by(folder / "second")
        with one_writer(Layout.of(second.database), 0):
            expect(second.load(), (0, False))
        yield "step Load, another one in progress", "exit 0, nothing published"
        world.add_malformed(1, "v3")
        expect(second.load(is_full=True), (8, True))
        expect(runs(second.database), [("incremental", SESSIONS, 0), ("full", 0, 8)])
        yield "step Load, full, a record cannot be read", "from the copy before; exit 8, published"


class Runner:
    """A job in a folder of its own: what a runner does with the steps that are commands."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.published = folder / "published" / "warehouse.duckdb"
        self.database = folder / "loading" / "warehouse.duckdb"

    def install(self) -> None:
        """Run the step of that name."""
        done = self._run(step("Install"), {})
        assert done.returncode == 0, done.stdout

    def load(self, *, is_full: bool = False) -> tuple[int, bool]:
        """Run the step of that name: its exit code, and whether it has published."""
        given = {"${{ secrets.DEVIN_API_KEY }}": KEY, IS_FULL: "yes" if is_full else ""}
        output = self.folder / "output"
        output.write_text("")
        variables = {name: given.get(text, text) for name, text in step("Load")["env"].items()}
        assert not [text for text in variables.values() if "${{" in text]
        done = self._run(step("Load"), variables | {"GITHUB_OUTPUT": str(output)})
        return done.returncode, output.read_text() == "is-published=true\n"

    def followed_by(self, folder: Path) -> Runner:
        """The next run, which has nothing of this one but what was in the cache."""
        shutil.copytree(self.folder / "published", folder / "published")
        (folder / "loading").mkdir()
        return Runner(folder, self.environment)

    def _run(
        self, step: dict[str, Any], variables: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        assert "${{" not in step["run"]
        script = self.folder / "script.sh"
        script.write_text(step["run"])
        return ended("bash", "-e", script, cwd=self.folder, env=self.environment | variables)


def step(name: str) -> dict[str, Any]:
    """A step of the workflow."""
    steps = yaml.safe_load(WORKFLOW.read_text())["jobs"]["load"]["steps"]
    (found,) = [step for step in steps if step["name"] == name]
    assert isinstance(found, dict)
    return found


def on_schedule() -> list[dict[str, str]]:
    """When the workflow runs; YAML takes the word `on` for true."""
    schedule: list[dict[str, str]] = yaml.safe_load(WORKFLOW.read_text())[True]["schedule"]
    return schedule


def schema_errors(folder: Path) -> str:
    """None; and a wrong workflow has some."""
    command = (BIN / "check-jsonschema", "--builtin-schema", "vendor.github-workflows")
    said_by(*command, WORKFLOW)
    wrong = folder / "wrong.yml"
    wrong.write_text(WORKFLOW.read_text().replace("timeout-minutes: 120", "timeout-minutes: [2]"))
    assert ended(*command, wrong).returncode
    return "valid; a wrong one is not"


def findings(folder: Path) -> str:
    """None of any severity; and an action that is not pinned is one."""
    command = (BIN / "zizmor", "--offline", "--no-config", "--no-progress", "--persona=auditor")
    said_by(*command, WORKFLOW)
    unpinned = folder / "unpinned.yml"
    unpinned.write_text(
        WORKFLOW.read_text().replace("8e8c483db84b4bee98b60c0593521ed34d9990e8", "v6")
    )
    assert "unpinned-uses" in ended(*command, unpinned).stdout
    return "no findings; an unpinned action is one"


def checked_out(folder: Path) -> Path:
    """What the first step leaves in a folder."""
    folder.mkdir()
    for name in CHECKOUT:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    return folder


def python_of_its_own(folder: Path) -> dict[str, str]:
    """The environment of a Python in which pip and the dependencies are there already."""
    python = folder / "python"
    said_by(sys.executable, "-m", "venv", "--without-pip", python)
    (site_packages,) = python.glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    kept = {name: text for name, text in os.environ.items() if not name.startswith("DEVIN_")}
    return kept | {
        "PATH": f"{python / 'bin'}:/usr/bin:/bin",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
