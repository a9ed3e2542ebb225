"""The warehouse's tables, once: every column with its type, its meaning and where the API has it.

Arrow schemas, dlt hints, DDL, comments, `extra` and the README's tables derive from this list.
Paths (`at`) are those of the two payloads that own tables: a session (v3 list item, or v2 record
without its analysis) and its insights (v3 insights answer, or v2 `session_analysis` as `analysis`).
Sources: the API pages of v2 and v3; facts on the API, §1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

SCHEMA = "devin"
CONTRACT_VERSION = "1"


class Type(StrEnum):
    """A column's type as DuckDB names it; TIMESTAMP is UTC without a zone."""

    TEXT = "VARCHAR"
    DOUBLE = "DOUBLE"
    BIGINT = "BIGINT"
    BOOLEAN = "BOOLEAN"
    TIMESTAMP = "TIMESTAMP"
    JSON = "JSON"


class Owner(StrEnum):
    """The payload that owns a table: reading it replaces the session's rows there, whole."""

    SESSION = "session"
    INSIGHTS = "insights"


def bare_id(session_id: str) -> str:
    """A session id without the `devin-` that the API's paths want (v3 page, "devin_id")."""
    return session_id.removeprefix("devin-")


@dataclass(frozen=True)
class Column:
    """A column; `at` is its dotted path in a row's payload or element, `or_at` another spelling.

    `form` brings a text to the one form that the warehouse keeps. A record in which a required
    value is missing is rejected.
    """

    name: str
    type: Type
    description: str
    at: str = ""
    or_at: str = ""
    form: Callable[[str], str] | None = None
    is_required: bool = False

    @property
    def paths(self) -> tuple[str, ...]:
        """The spellings that the API may use, the preferred one first."""
        return tuple(path for path in (self.at, self.or_at) if path)


@dataclass(frozen=True)
class Table:
    """A table; `lists` are the payload's lists that its rows come from, by label.

    Without lists an owned table has one row a payload. `versions`: the API versions that fill it.
    """

    name: str
    key: tuple[str, ...]
    description: str
    columns: tuple[Column, ...]
    owner: Owner | None = None
    lists: tuple[tuple[str, str], ...] = ()
    versions: tuple[str, ...] = ("v2", "v3")

    @property
    def holds_objects(self) -> bool:
        """Whether the elements of its lists are objects; otherwise they are plain text."""
        return any(column.name == "extra" for column in self.columns)


T, D, B, F, AT, J = (
    Type.TEXT,
    Type.DOUBLE,
    Type.BIGINT,
    Type.BOOLEAN,
    Type.TIMESTAMP,
    Type.JSON,
)
SESSION_ID = Column(
    "session_id", T, "The Devin session, by its bare id (without the API's `devin-` prefix)."
)
POSITION = Column("position", B, "0-based place in the API's list.")
ELEMENT_EXTRA = Column("extra", J, "Keys of this list element that the contract does not know.")


def _listed(
    name: str, path: str, description: str, *columns: Column, owner: Owner = Owner.INSIGHTS
) -> Table:
    return Table(
        name,
        ("session_id", "position"),
        description,
        (SESSION_ID, POSITION, *columns),
        owner,
        (("", path),),
    )


TABLES: tuple[Table, ...] = (
    Table(
        "sessions",
        ("session_id",),
        "One row per Devin session, as it was when last read.",
        (
            SESSION_ID,
            Column("org_id", T, "The organization that the session belongs to.", "org_id"),
            Column("user_id", T, "The person who started it; NULL for service users.", "user_id"),
            Column("service_user_id", T, "The service user who started it.", "service_user_id"),
            Column("title", T, "Title as shown in Devin.", "title"),
            Column("url", T, "Address of the session in Devin's web app.", "url"),
            Column(
                "status",
                T,
                "new, claimed, running, exit, error, suspended, resuming; new ones may come.",
                "status",
            ),
            Column("status_detail", T, "Why it is in that status (v3).", "status_detail"),
            Column("origin", T, "Where it was started: webapp, slack, api, ... (v3).", "origin"),
            Column("category", T, "Kind of work, if Devin has categorised it (v3).", "category"),
            Column("subcategory", T, "Finer kind of work, as displayed (v3).", "subcategory"),
            Column("playbook_id", T, "The playbook that it followed (v3).", "playbook_id"),
            Column(
                "parent_session_id",
                T,
                "The session that started this one, by bare id (v3).",
                "parent_session_id",
                form=bare_id,
            ),
            Column("is_archived", F, "Whether it has been archived (v3).", "is_archived"),
            Column(
                "acus_consumed", D, "Agent compute units that it has used so far.", "acus_consumed"
            ),
            Column("created_at", AT, "When it was created, UTC.", "created_at"),
            Column(
                "updated_at",
                AT,
                "When the API last said that it changed, UTC.",
                "updated_at",
                is_required=True,
            ),
            Column(
                "structured_output",
                J,
                "The session's structured output, in the customer's own shape (v3).",
                "structured_output",
            ),
            Column("api_version", T, "The API version that the row was read from: v2 or v3."),
            Column("extra", J, "Keys of the API's record that the contract does not know."),
        ),
        Owner.SESSION,
    ),
    Table(
        "session_prompts",
        ("session_id",),
        "What the user asked for first; only API v2 tells, and a later v3 load keeps it.",
        (
            SESSION_ID,
            Column("initial_user_message", T, "The first message.", "initial_user_message"),
        ),
        Owner.SESSION,
        versions=("v2",),
    ),
    _listed(
        "session_tags",
        "tags",
        "One row per tag of a session.",
        Column("tag", T, "The tag."),
        owner=Owner.SESSION,
    ),
    _listed(
        "session_pull_requests",
        "pull_requests",
        "One row per pull request of a session; a pull request may belong to several sessions.",
        Column("pr_url", T, "Address of the pull request.", "pr_url", "url"),
        Column(
            "pr_state",
            T,
            "State as last read: usually open, closed or merged; NULL if unknown.",
            "pr_state",
            "state",
        ),
        ELEMENT_EXTRA,
        owner=Owner.SESSION,
    ),
    _listed(
        "session_children",
        "child_session_ids",
        "One row per session that a session started (v3).",
        Column("child_session_id", T, "The started session, by its bare id.", form=bare_id),
        owner=Owner.SESSION,
    ),
    Table(
        "insights",
        ("session_id",),
        "One row per session whose insights have been read. Analysis is triggered by users: "
        "analysed sessions are a biased sample.",
        (
            SESSION_ID,
            Column(
                "session_size",
                T,
                "xs, s, m, l or xl, by ACUs and messages (v3).",
                "session_size",
                form=str.lower,
            ),
            Column("num_user_messages", B, "Messages by the user (v3).", "num_user_messages"),
            Column("num_devin_messages", B, "Messages by Devin (v3).", "num_devin_messages"),
            Column("is_advanced", F, "Whether it ran in advanced mode (older v3).", "is_advanced"),
            Column("has_analysis", F, "Whether the API has an analysis of the session."),
            Column(
                "classification_category",
                T,
                "The analysis' own category, free text; not sessions.category (v3).",
                "analysis.classification.category",
            ),
            Column(
                "classification_confidence",
                D,
                "How sure the analysis is of its category; the scale is undocumented (v3).",
                "analysis.classification.confidence",
            ),
            Column(
                "original_prompt",
                T,
                "The prompt that the analysis looked at.",
                "analysis.suggested_prompt.original_prompt",
            ),
            Column(
                "suggested_prompt",
                T,
                "The prompt that the analysis would rather have seen.",
                "analysis.suggested_prompt.suggested_prompt",
            ),
            Column(
                "analysis_hash",
                T,
                "sha256 of the analysis: another value, another analysis. NULL without one.",
            ),
            Column(
                "extra",
                J,
                "Keys that the contract does not know; those inside analysis, classification, "
                "suggested_prompt and note_usage under these names.",
            ),
        ),
        Owner.INSIGHTS,
    ),
    _listed(
        "insight_issues",
        "analysis.issues",
        "One row per issue that an analysis found.",
        Column("issue_id", T, "Id within the session; v2 has none, it may be empty.", "id"),
        Column("label", T, "Kind of issue, free text.", "label"),
        Column("impact", T, "How bad, free text (High, Medium, ...).", "impact"),
        Column("issue", T, "What went wrong.", "issue"),
        Column("title", T, "Short form (newer v3).", "title"),
        ELEMENT_EXTRA,
    ),
    _listed(
        "insight_timeline",
        "analysis.timeline",
        "One row per event of an analysis' timeline; the API gives no times, only the order.",
        Column("title", T, "What happened, in short.", "title"),
        Column("description", T, "What happened.", "description"),
        Column("color", T, "Colour in Devin's timeline, free text (v3).", "color"),
        Column("issue_id", T, "The issue that it belongs to (v3).", "issue_id"),
        ELEMENT_EXTRA,
    ),
    _listed(
        "insight_action_items",
        "analysis.action_items",
        "One row per action item that an analysis proposes.",
        Column("type", T, "machine_setup, repo_config, knowledge, ...; new ones may come.", "type"),
        Column("action_item", T, "What to do.", "action_item"),
        Column("issue_id", T, "The issue that it would settle.", "issue_id"),
        ELEMENT_EXTRA,
    ),
    _listed(
        "insight_feedback_items",
        "analysis.suggested_prompt.feedback_items",
        "One row per remark of an analysis on the prompt.",
        Column("summary", T, "The remark in short.", "summary"),
        Column("excerpt", T, "The part of the prompt that is meant.", "excerpt"),
        Column("details", T, "The remark.", "details"),
        Column("issue_id", T, "The issue that it explains.", "issue_id"),
        ELEMENT_EXTRA,
    ),
    Table(
        "insight_note_usages",
        ("session_id", "usage", "position"),
        "One row per knowledge note that helped (good) or hurt (bad) a session (v3).",
        (
            SESSION_ID,
            Column("usage", T, "good or bad."),
            POSITION,
            Column("note_id", T, "The knowledge note.", "note_id"),
            Column("message", T, "Where it was used.", "message"),
            Column("reason", T, "Why it helped or hurt.", "reason"),
            ELEMENT_EXTRA,
        ),
        Owner.INSIGHTS,
        (("good", "analysis.note_usage.good_usages"), ("bad", "analysis.note_usage.bad_usages")),
    ),
    _listed(
        "insight_programming_languages",
        "analysis.classification.programming_languages",
        "One row per programming language that an analysis names (v3).",
        Column("programming_language", T, "The language."),
    ),
    _listed(
        "insight_tools_and_frameworks",
        "analysis.classification.tools_and_frameworks",
        "One row per tool or framework that an analysis names (v3).",
        Column("tool_or_framework", T, "The tool or framework."),
    ),
    Table(
        "session_versions",
        ("version_key",),
        "One row per distinct state in which a session was ever seen; rows are only added.",
        (
            Column("version_key", T, "sha256 over session_id and the state columns."),
            SESSION_ID,
            Column("observed_at", AT, "When a run first saw this state, UTC."),
            Column("updated_at", AT, "The session's updated_at in this state, UTC."),
            Column("status", T, "Status."),
            Column("status_detail", T, "Status detail (v3)."),
            Column("acus_consumed", D, "Agent compute units used until then."),
            Column("open_pull_requests_count", B, "Its pull requests in state open."),
            Column("merged_pull_requests_count", B, "Its pull requests in state merged."),
            Column("closed_pull_requests_count", B, "Its pull requests in state closed."),
            Column("analysis_hash", T, "The analysis that it had; NULL for none."),
        ),
    ),
    Table(
        "pull_request_states",
        ("session_id", "pr_url", "pr_state"),
        "One row per state in which a session's pull request was ever seen; rows are only added.",
        (
            SESSION_ID,
            Column("pr_url", T, "Address of the pull request."),
            Column("pr_state", T, "The state."),
            Column("first_observed_at", AT, "When a run first saw it in this state, UTC."),
        ),
    ),
    Table(
        "deleted_sessions",
        ("session_id",),
        "Sessions that the API no longer knows (404 by id); one seen again leaves this table.",
        (SESSION_ID, Column("detected_at", AT, "When a run found out, UTC.")),
    ),
    Table(
        "organizations",
        ("org_id",),
        "Names of organizations, where they could be read.",
        (Column("org_id", T, "The organization."), Column("name", T, "Its name.")),
    ),
    Table(
        "users",
        ("user_id",),
        "Names of users, where they could be read.",
        (
            Column("user_id", T, "The user."),
            Column("name", T, "Their name."),
            Column("email", T, "Their e-mail address."),
        ),
    ),
    Table(
        "rejected_records",
        ("record_key",),
        "Records that could not be read, whole; each run asks for them again, and one that can be "
        "read at last leaves this table.",
        (
            Column("record_key", T, "sha256 over kind of payload and session_id."),
            SESSION_ID,
            Column("endpoint", T, "Where the record first came from."),
            Column("reason", T, "What was wrong with it."),
            Column("record", J, "The record as the API sent it."),
            Column("first_seen_at", AT, "When a run first met it, UTC."),
            Column("last_seen_at", AT, "When a run last met it, UTC."),
        ),
    ),
    Table(
        "load_runs",
        ("run_id",),
        "The ledger: one row per run, written at its start. Kept for 400 days.",
        (
            Column("run_id", T, "The run."),
            Column("started_at", AT, "When it started, UTC."),
            Column("finished_at", AT, "When it ended, UTC; NULL while it runs."),
            Column("command", T, "The command line, without secrets."),
            Column("scope", T, "What a watermark is about: API host, version, organizations."),
            Column("api_version", T, "v2 or v3."),
            Column("mode", T, "incremental, full, backfill or narrowed."),
            Column("outcome", T, "running, done, failed or killed."),
            Column("exit_code", B, "The process's exit code; NULL while it runs or if killed."),
            Column("error", T, "What went wrong or deserves notice, in a sentence."),
            Column("watermark_before", AT, "Watermark at the start, UTC."),
            Column("watermark_after", AT, "Watermark as last committed, UTC."),
            Column("window_since", AT, "Start of what was read; NULL: from the beginning."),
            Column("window_until", AT, "End of what was read, UTC."),
            Column("requests", B, "Requests sent, retries included."),
            Column("retries", B, "Requests that repeated a failed one."),
            Column("rate_limited", B, "Answers 429."),
            Column("bytes_received", B, "Bytes of the answers' bodies."),
            Column("sessions_read", B, "Distinct sessions read."),
            Column("sessions_new", B, "Of these, never seen before."),
            Column("sessions_changed", B, "Of these, with other content than before."),
            Column("sessions_unchanged", B, "Of these, with the same content as before."),
            Column("sessions_rejected", B, "Of these, unreadable: see rejected_records."),
            Column("windows", B, "Windows proven complete."),
            Column("windows_reread", B, "Windows that had to be read again, or smaller."),
            Column("schema_drift", J, "Keys unknown to the contract, with how often each came."),
            Column("software_version", T, "Version of devin-warehouse."),
        ),
    ),
    Table(
        "warehouse_info",
        ("contract_version",),
        "One row about this file.",
        (
            Column("contract_version", T, "Version of these tables' contract."),
            Column("software_version", T, "Version of devin-warehouse that published the file."),
            Column("published_at", AT, "When it was published, UTC."),
        ),
    ),
)

BY_NAME = {table.name: table for table in TABLES}
# rows of these are only ever added
HISTORY = (BY_NAME["session_versions"], BY_NAME["pull_request_states"])


def owned(version: str) -> tuple[Table, ...]:
    """The tables that an API version's payloads fill."""
    return tuple(table for table in TABLES if table.owner and version in table.versions)
