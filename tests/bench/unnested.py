"""Records of the API in DuckDB, and the SQL that makes tables of them: nothing but lists unnested.

What contenders use that have no tables of their own: no key, no history, no `extra`.
"""

from __future__ import annotations

import duckdb

# the temporary tables that `save` reads; with v2 one record tells both
SESSIONS, INSIGHTS = "session_records", "insight_records"

PROMPT = """STRUCT(
    original_prompt VARCHAR, suggested_prompt VARCHAR,
    feedback_items STRUCT(issue_id VARCHAR, summary VARCHAR, excerpt VARCHAR, details VARCHAR)[]
)"""
USAGES = "STRUCT(note_id VARCHAR, message VARCHAR, reason VARCHAR)[]"
RECORDS = {
    "v2": f"""STRUCT(
        session_id VARCHAR, url VARCHAR, status VARCHAR, title VARCHAR, tags VARCHAR[],
        user_id VARCHAR, org_id VARCHAR, created_at TIMESTAMP, updated_at TIMESTAMP,
        acus_consumed DOUBLE, initial_user_message VARCHAR,
        pull_requests STRUCT(url VARCHAR, state VARCHAR, pr_url VARCHAR, pr_state VARCHAR)[],
        session_analysis STRUCT(
            issues STRUCT(issue VARCHAR, impact VARCHAR, label VARCHAR)[],
            timeline STRUCT(title VARCHAR, description VARCHAR, color VARCHAR)[],
            action_items STRUCT(issue_id VARCHAR, type VARCHAR, action_item VARCHAR)[],
            suggested_prompt {PROMPT}
        )
    )""",
    "v3": f"""STRUCT(
        session_id VARCHAR, url VARCHAR, status VARCHAR, status_detail VARCHAR, title VARCHAR,
        tags VARCHAR[], org_id VARCHAR, user_id VARCHAR, service_user_id VARCHAR, origin VARCHAR,
        category VARCHAR, subcategory VARCHAR, playbook_id VARCHAR, parent_session_id VARCHAR,
        child_session_ids VARCHAR[], is_archived BOOLEAN, created_at BIGINT, updated_at BIGINT,
        acus_consumed DOUBLE, pull_requests STRUCT(pr_url VARCHAR, pr_state VARCHAR)[],
        structured_output JSON, num_user_messages BIGINT, num_devin_messages BIGINT,
        session_size VARCHAR, is_advanced BOOLEAN,
        analysis STRUCT(
            issues STRUCT(
                id VARCHAR, title VARCHAR, issue VARCHAR, impact VARCHAR, label VARCHAR
            )[],
            timeline STRUCT(
                title VARCHAR, description VARCHAR, color VARCHAR, issue_id VARCHAR
            )[],
            action_items STRUCT(issue_id VARCHAR, type VARCHAR, action_item VARCHAR)[],
            suggested_prompt {PROMPT},
            classification STRUCT(
                category VARCHAR, confidence DOUBLE,
                programming_languages VARCHAR[], tools_and_frameworks VARCHAR[]
            ),
            note_usage STRUCT(good_usages {USAGES}, bad_usages {USAGES})
        )
    )""",
}
TABLES = {
    "v2": {
        "sessions": "* EXCLUDE (tags, pull_requests, session_analysis, initial_user_message) "
        f"FROM {SESSIONS}",
        "session_prompts": f"session_id, initial_user_message FROM {SESSIONS}",
        "insights": "session_id, session_analysis IS NOT NULL AS has_analysis, "
        "session_analysis.suggested_prompt.original_prompt, "
        f"session_analysis.suggested_prompt.suggested_prompt FROM {INSIGHTS}",
    },
    "v3": {
        "sessions": "* EXCLUDE (tags, pull_requests, child_session_ids, num_user_messages, "
        "num_devin_messages, session_size, is_advanced, analysis) REPLACE "
        "(make_timestamp(created_at * 1_000_000) AS created_at, "
        f"make_timestamp(updated_at * 1_000_000) AS updated_at) FROM {SESSIONS}",
        "insights": "session_id, num_user_messages, num_devin_messages, session_size, is_advanced, "
        "analysis IS NOT NULL AS has_analysis, analysis.classification.category, "
        "analysis.classification.confidence, analysis.suggested_prompt.original_prompt, "
        f"analysis.suggested_prompt.suggested_prompt FROM {INSIGHTS}",
    },
}
LISTS = {
    "v2": {
        "session_tags": (SESSIONS, "tags"),
        "session_pull_requests": (SESSIONS, "pull_requests"),
        "insight_issues": (INSIGHTS, "session_analysis.issues"),
        "insight_timeline": (INSIGHTS, "session_analysis.timeline"),
        "insight_action_items": (INSIGHTS, "session_analysis.action_items"),
        "insight_feedback_items": (INSIGHTS, "session_analysis.suggested_prompt.feedback_items"),
    },
    "v3": {
        "session_tags": (SESSIONS, "tags"),
        "session_pull_requests": (SESSIONS, "pull_requests"),
        "session_children": (SESSIONS, "child_session_ids"),
        "insight_issues": (INSIGHTS, "analysis.issues"),
        "insight_timeline": (INSIGHTS, "analysis.timeline"),
        "insight_action_items": (INSIGHTS, "analysis.action_items"),
        "insight_feedback_items": (INSIGHTS, "analysis.suggested_prompt.feedback_items"),
        "insight_good_usages": (INSIGHTS, "analysis.note_usage.good_usages"),
        "insight_bad_usages": (INSIGHTS, "analysis.note_usage.bad_usages"),
        "insight_programming_languages": (
            INSIGHTS,
            "analysis.classification.programming_languages",
        ),
        "insight_tools_and_frameworks": (INSIGHTS, "analysis.classification.tools_and_frameworks"),
    },
}


def save(connection: duckdb.DuckDBPyConnection, api: str) -> None:
    """Make a table of each list in SESSIONS and INSIGHTS, which have a column for each key."""
    for name, select in TABLES[api].items():
        connection.execute(f"CREATE TABLE {name} AS SELECT {select}")
    for name, (records, at) in LISTS[api].items():
        connection.execute(
            f"CREATE TABLE {name} AS SELECT session_id, generate_subscripts({at}, 1) - 1 "
            f"AS position, unnest({at}, recursive := true) FROM {records}"
        )
