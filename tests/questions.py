"""A question to each view, as the README shows it: the query, and its answer on invented data.

The data: 2,000 sessions of the sandbox as on 2026-11-02, loaded over v3, and again a day later.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from typing import Any

from devin_warehouse.sandbox import World
from devin_warehouse.sql_files import Sql
from tests.conftest import Warehouse

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)

QUESTIONS: dict[str, tuple[str, str]] = {
    "sessions": (
        "Which sessions cost most, and came to nothing?",
        """
        select title, acus_consumed, status, issues_count, pull_requests_count
        from analytics.sessions
        where is_terminal and not is_productive
        order by acus_consumed desc, session_id
        limit 5
        """,
    ),
    "pull_requests": (
        "How many pull requests are waiting for somebody, and where?",
        """
        select repository, count(*) as open_pull_requests_count
        from analytics.pull_requests
        where lower(state) = 'open'
        group by repository
        order by open_pull_requests_count desc, repository
        limit 5
        """,
    ),
    "usage_daily": (
        "What did the sessions of each of the last days come to?",
        """
        select
            created_date,
            sum(sessions_count) as sessions,
            round(sum(acus_consumed), 1) as acus,
            sum(merged_pull_requests_first_count) as merged_pull_requests
        from analytics.usage_daily
        group by created_date
        order by created_date desc
        limit 5
        """,
    ),
    "usage_monthly_by_user": (
        "Who used most in October?",
        """
        select actor_type, left(actor_id, 20) as actor, sessions_count, round(acus_consumed) as acus
        from analytics.usage_monthly_by_user
        where month = date '2026-10-01'
        order by acus_consumed desc, actor
        limit 5
        """,
    ),
    "acu_daily": (
        "By how much did the counters grow from run to run?",
        """
        select date, round(sum(acus_observed), 1) as acus_observed
        from analytics.acu_daily
        group by date
        order by date
        """,
    ),
    "outcomes_by_dimension": (
        "Which kinds of work get merged, and what does a merged pull request cost there?",
        """
        select
            value,
            sessions_count,
            round(session_merge_rate, 2) as session_merge_rate,
            round(acus_per_merged_pull_request, 1) as acus_per_merged_pull_request
        from analytics.outcomes_by_dimension
        where dimension = 'category'
        order by acus_per_merged_pull_request desc, value
        limit 5
        """,
    ),
    "outcomes_monthly": (
        "What does a merged pull request cost each organization, month by month?",
        """
        select
            value_name as organization,
            round(max(acus_per_merged_pull_request) filter (month(month) = 7), 1) as july,
            round(max(acus_per_merged_pull_request) filter (month(month) = 8), 1) as august,
            round(max(acus_per_merged_pull_request) filter (month(month) = 9), 1) as september,
            round(max(acus_per_merged_pull_request) filter (month(month) = 10), 1) as october
        from analytics.outcomes_monthly
        where dimension = 'org'
        group by value_name
        order by october desc
        """,
    ),
    "adoption_daily": (
        "How many people use it, and since when in the organization that began last?",
        """
        with first as (
            select org_id, min(date) as began
            from analytics.adoption_daily
            where org_id is not null and dau > 0
            group by org_id
        )

        select
            date, everywhere.mau as mau_everywhere, everywhere.wau as wau_everywhere,
            latest.org_name as organization, latest.mau as its_mau
        from analytics.adoption_daily as everywhere
        join analytics.adoption_daily as latest using (date)
        where everywhere.org_id is null
            and latest.org_id = (select max_by(org_id, began) from first)
            and day(date) = 1
        order by date
        """,
    ),
    "issue_labels": (
        "Which issues cost most, and in which share of the analysed sessions do they come up?",
        """
        select
            label, impact, issues_count, round(share_of_analysed_sessions, 2) as share,
            round(acus_consumed) as acus
        from analytics.issue_labels
        order by acus_consumed desc, label, impact
        limit 5
        """,
    ),
    "action_items": (
        "What is proposed again and again?",
        """
        select distinct type, action_item, times_repeated
        from analytics.action_items
        order by times_repeated desc, action_item
        limit 5
        """,
    ),
    "prompt_quality_by_user": (
        "Who writes prompts that draw few remarks, and are sessions without remarks merged more?",
        """
        select
            org_name as organization,
            left(user_name, 20) as user_name,
            analysed_sessions_count,
            round(feedback_share, 2) as feedback_share,
            round(session_merge_rate_with_feedback, 2) as merged_with,
            round(session_merge_rate_without_feedback, 2) as merged_without
        from analytics.prompt_quality_by_user
        where analysed_sessions_count >= 30
        order by feedback_share, user_name
        limit 5
        """,
    ),
    "insight_coverage_monthly": (
        "How far can the insights be trusted?",
        """
        select
            month,
            sum(analysed_sessions_count) as analysed,
            sum(sessions_count) as sessions,
            round(sum(analysed_sessions_count) / sum(sessions_count), 2) as coverage
        from analytics.insight_coverage_monthly
        group by month
        order by month
        """,
    ),
    "session_families": (
        "What do sessions cost that start others?",
        """
        select depth, count(*) as families, round(avg(own_acus), 1) as own_acus,
            round(avg(family_acus), 1) as family_acus
        from analytics.session_families
        group by depth
        order by depth
        """,
    ),
    "knowledge_notes": (
        "Which knowledge notes mislead, and how?",
        """
        select mode(usages.message) as note, good_usages_count as good, bad_usages_count as bad,
            mode(usages.reason) filter (usages.usage = 'bad') as how
        from analytics.knowledge_notes
        join devin.insight_note_usages as usages using (note_id)
        group by note_id, good, bad
        order by bad / (good + bad) desc, note_id
        limit 3
        """,
    ),
    "session_durations_weekly": (
        "How long does a bug take?",
        """
        select week, sessions_count, round(median_seconds / 3600, 1) as median_hours,
            round(p90_seconds / 3600, 1) as p90_hours
        from analytics.session_durations_weekly
        where category = 'bug_fixing'
        order by week desc
        limit 5
        """,
    ),
    "pull_request_cycle_times": (
        "How long do pull requests wait that were seen both open and merged?",
        """
        select count(*) as pull_requests, round(avg(observed_open_to_merged_hours), 1) as hours,
            round(avg(upper_bound_hours), 1) as at_most_hours
        from analytics.pull_request_cycle_times
        where observed_open_to_merged_hours is not null
        """,
    ),
    "acu_accrual": (
        "Which sessions have used most since the run before?",
        """
        select left(session_id, 8) as session, observed_at, acus_consumed, round(step, 2) as step
        from analytics.acu_accrual
        where observed_at = (select max(observed_at) from analytics.acu_accrual)
        order by step desc, session_id
        limit 5
        """,
    ),
    "load_runs": (
        "What did the last runs do?",
        """
        select mode, outcome, watermark_after, sessions_new, sessions_changed, requests
        from analytics.load_runs
        order by started_at
        """,
    ),
    "freshness": (
        "Up to when is this copy complete?",
        """
        select scope, watermark, last_failure_at
        from analytics.freshness
        """,
    ),
    "metric_dictionary": (
        "What does a column mean?",
        """
        select meaning, unit, formula
        from analytics.metric_dictionary
        where view_name = 'usage_daily' and column_name = 'merged_pull_requests_first_count'
        """,
    ),
}


def answers() -> Iterator[tuple[str, str, str, list[str], list[tuple[Any, ...]]]]:
    """Each view with its question, query, and the answer's columns and rows."""
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Warehouse(
            Path(folder) / "warehouse.duckdb", World(7, 2_000, now=NOW), version="v3"
        )
        warehouse.load(sql=Sql.of())
        warehouse.world.advance("1 day")
        warehouse.load(sql=Sql.of())
        with warehouse.connect() as connection:
            for view, (question, query) in QUESTIONS.items():
                sql = dedent(query).strip()
                cursor = connection.execute(sql)
                columns = [column[0] for column in cursor.description or []]
                yield view, question, sql, columns, cursor.fetchall()
