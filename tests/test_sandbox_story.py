"""The story that the invented data tell can be read from the views, whatever the seed."""

from collections import Counter
from datetime import timedelta
from statistics import mean, median

import pytest

from devin_warehouse.sandbox import World
from devin_warehouse.sandbox.story import ENDLESS, SHUT_OUT
from devin_warehouse.sql_files import Sql
from tests.conftest import NOW, Warehouse

TOKEN = "Add the registry token to the machine setup of acme/shop-web"


@pytest.fixture(scope="module", params=[0, 1, 7])
def told(request, tmp_path_factory):
    """A warehouse with the views, loaded once, of 2,000 sessions."""
    path = tmp_path_factory.mktemp("story") / "warehouse.duckdb"
    warehouse = Warehouse(path, World(request.param, 2000, now=NOW), version="v3")
    warehouse.load(sql=Sql.of())
    return warehouse


def in_trouble(told):
    """The organization for which the token is proposed most."""
    [(org_id, count)] = told.rows(f"""
        select org_id, count(*) from analytics.action_items
        where action_item = '{TOKEN}' group by all order by 2 desc limit 1
    """)
    assert count > 30
    return org_id


def monthly(told, measure, months):
    """A measure of each organization in each of these months of 2026."""
    return told.rows(f"""
        select value, {measure} from analytics.outcomes_monthly
        where dimension = 'org' and month(month) in ({months}) group by value
    """)


COST = "sum(acus_consumed) / sum(merged_pull_requests_count)"
MERGES = "sum(sessions_with_merged_pr_count) / sum(sessions_with_pr_count)"


def test_a_merged_pull_request_costs_one_organization_a_multiple(told):
    """Those that have been there all along stay as they were."""
    before, after = (dict(monthly(told, COST, months)) for months in ("6, 7, 8", "10"))
    settled = dict(monthly(told, "sum(sessions_count) > 150", "6, 7, 8"))
    growth = {org_id: after[org_id] / before[org_id] for org_id in before if settled[org_id]}
    org_id = in_trouble(told)
    assert growth.pop(org_id) > 2.5
    assert len(growth) == 3
    assert all(0.6 < each < 1.8 for each in growth.values())
    assert after.pop(org_id) > 2 * max(after.values())


def test_its_merge_rate_drops_below_all_others(told):
    before, after = (dict(monthly(told, MERGES, months)) for months in ("6, 7, 8", "10"))
    org_id = in_trouble(told)
    assert after[org_id] < 0.75 * before[org_id]
    assert after[org_id] == min(after.values())


def test_the_same_remedy_is_proposed_again_and_again(told):
    rows = told.rows("""
        select distinct action_item, type, times_repeated from analytics.action_items
        order by times_repeated desc limit 2
    """)
    (first, kind, times), (_, _, next_times) = rows
    assert (first, kind) == (TOKEN, "machine_setup")
    assert times > 1.3 * next_times
    [(since, until)] = told.rows(
        f"select min(created_at), max(created_at) from analytics.action_items"
        f" where action_item = '{TOKEN}'"
    )
    now = NOW.replace(tzinfo=None)
    assert now - timedelta(days=49) <= since < now - timedelta(days=40)
    assert until > now - timedelta(days=8)


def test_the_environment_is_the_costliest_issue_of_high_impact(told):
    rows = told.rows("""
        select label from analytics.issue_labels where impact = 'High'
        order by acus_consumed desc limit 1
    """)
    assert rows == [("Environment",)]


def test_one_note_misleads_and_the_others_help(told):
    rows = told.rows("select bad_usages_count, good_usages_count from analytics.knowledge_notes")
    misleading = [(bad, good) for bad, good in rows if bad > good]
    assert len(misleading) == 1
    assert misleading[0][0] > 2 * misleading[0][1]
    assert all(good > 4 * bad for bad, good in rows if bad <= good)


def test_use_grows_and_one_organization_begins_late(told):
    began = told.rows("""
        select org_id, min(date), max(mau) from analytics.adoption_daily
        where dau > 0 group by all order by 2
    """)
    start, *_, (late, began_late, users) = [row for row in began if row[0] is not None]
    assert timedelta(days=85) < began_late - start[1] < timedelta(days=130)
    assert users >= 6
    active = [
        mau
        for (mau,) in told.rows("""
            select mau from analytics.adoption_daily where org_id is null order by date
        """)
    ]
    assert active[-1] > 1.5 * active[60] > 0
    [(early, recent)] = told.rows(f"""
        select sum(dau) filter (month(date) = 8), sum(dau) filter (month(date) = 10)
        from analytics.adoption_daily where org_id = '{late}'
    """)
    assert recent > 2 * early


def test_better_prompts_are_merged_more(told):
    prompts = told.rows("""
        select org_id, sum(feedback_items_count) / sum(analysed_sessions_count) as remarks
        from analytics.prompt_quality_by_user group by all order by 2
    """)
    (best, remarks), (_, next_remarks), *_ = prompts
    assert remarks < 0.7 * next_remarks
    rates = dict(
        told.rows("""
            select value, session_merge_rate from analytics.outcomes_by_dimension
            where dimension = 'org'
        """)
    )
    assert rates.pop(best) > 1.1 * median(rates.values())


def test_a_few_sessions_cost_most_and_come_to_nothing(told):
    dearest = told.rows("""
        select acus_consumed, merged_pull_requests_count from analytics.sessions
        order by acus_consumed desc limit 4
    """)
    [(average,)] = told.rows("select avg(acus_consumed) from analytics.sessions")
    assert all(acus > 8 * average and merged == 0 for acus, merged in dearest)
    courses = Counter(session.course for session in told.world.sessions.values())
    assert 1 <= courses[ENDLESS] < 20


def test_the_trouble_goes_on_while_life_does():
    world = World(1, 2000, now=NOW)
    known = set(world.sessions)
    world.advance("14 days")
    new = [session for key, session in world.sessions.items() if key not in known]
    shut_out = [session for session in new if session.course is SHUT_OUT]
    assert 0.05 < len(shut_out) / len(new) < 0.3
    others = [session for session in new if session.course is not SHUT_OUT]
    assert mean(s.acus_consumed for s in shut_out) > 1.5 * mean(s.acus_consumed for s in others)
    remedies = {
        item.action_item
        for session in shut_out
        if session.analysis
        for item in session.analysis.action_items
    }
    assert TOKEN in remedies


@pytest.mark.parametrize("days", [0.01, 1, 14, 2000])
@pytest.mark.parametrize("sessions", [0, 1, 400])
def test_every_size_and_span_hold_the_story(sessions, days):
    world = World(3, sessions, now=NOW, span_days=days)
    since = NOW - timedelta(days=days) * (49.001 / 180)
    shut_out = [s for s in world.sessions.values() if s.course is SHUT_OUT]
    assert all(session.created_at > since for session in shut_out)
    assert len(world.sessions) == sessions
    assert sessions < 400 or len(shut_out) > 5
