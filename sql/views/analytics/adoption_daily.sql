-- One row per day and organization, and per day for all of them together (org_id NULL).
-- stored: distinct people of 28 days, day by day, take longer than a reader wants to wait.
-- Days run from the first session's to the watermark's without gaps, for each organization; the
-- last is incomplete. Only human sessions count. People are counted once however many sessions they
-- start: the counts do not add up over days or organizations. New users do: somebody is new once,
-- on the day and in the organization of the first human session ever.
--
-- date: The day, UTC. [date = each from the first session's to the watermark's]
-- org_id: The organization; NULL for all together. [id = sessions.org_id]
-- org_name: Its name, else its id; NULL for all together. [text = organizations.name, else org_id]
-- dau: People with a session that day. [users = distinct user_id of sessions where is_human]
-- wau: People with a session within the seven days that end with it.
--   [users = distinct user_id over 7 days]
-- mau: People with a session within the 28 days that end with it.
--   [users = distinct user_id over 28 days]
-- new_users_count: People whose first human session ever it was.
--   [users = distinct user_id whose first session by created_at, session_id is of this row]
-- returning_users_count: The others of that day. [users = dau - new_users_count]
-- stickiness: Share of the people of 28 days who came that day. [ratio = dau / mau]
with people as (
    select
        session_id,
        org_id,
        user_id,
        created_at,
        created_date as date,
        row_number() over (partition by user_id order by created_at, session_id) = 1 as is_first
    from prepared.session_facts
    where is_human and created_date is not null
),

people_of_groups as (
    select org_id, user_id, date, is_first, false as is_total
    from people
    where org_id is not null
    union all
    select cast(null as varchar) as org_id, user_id, date, is_first, true as is_total
    from people
),

active_days as (
    select
        is_total,
        org_id,
        user_id,
        date,
        count(*) filter (where is_first) as new_users_count
    from people_of_groups
    group by is_total, org_id, user_id, date
),

-- a day of activity counts until it is too old, or until the next one, which then counts instead
spans as (
    select
        is_total,
        org_id,
        date,
        new_users_count,
        coalesce(
            lead(date) over (partition by is_total, org_id, user_id order by date), date + 28
        ) as next_date
    from active_days
),

steps as (
    select is_total, org_id, date, 1 as dau, 1 as wau, 1 as mau, new_users_count
    from spans
    union all
    select
        is_total, org_id, least(next_date, date + 7) as date,
        0 as dau, -1 as wau, 0 as mau, 0 as new_users_count
    from spans
    union all
    select
        is_total, org_id, least(next_date, date + 28) as date,
        0 as dau, 0 as wau, -1 as mau, 0 as new_users_count
    from spans
),

steps_of_days as (
    select
        is_total,
        org_id,
        date,
        sum(dau) as dau,
        sum(wau) as wau,
        sum(mau) as mau,
        sum(new_users_count) as new_users_count
    from steps
    group by is_total, org_id, date
),

bounds as (
    select
        cast(min(created_at) as date) as first_date,
        coalesce(
            (select cast(max(watermark) as date) from analytics.freshness),
            cast(max(updated_at) as date)
        ) as last_date
    from devin.sessions
),

digits as (
    select digit
    from (values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) as digits (digit)
),

numbers as (
    select ones.digit + 10 * tens.digit + 100 * hundreds.digit + 1000 * thousands.digit as number
    from digits as ones
    cross join digits as tens
    cross join digits as hundreds
    cross join digits as thousands
),

days as (
    select bounds.first_date + numbers.number as date
    from bounds
    cross join numbers
    where numbers.number <= date_diff('day', bounds.first_date, bounds.last_date)
),

groups as (
    select
        false as is_total,
        sessions.org_id,
        coalesce(organizations.name, sessions.org_id) as org_name
    from (select distinct org_id from devin.sessions) as sessions
    left join devin.organizations on organizations.org_id = sessions.org_id
    where sessions.org_id is not null
    union all
    select true as is_total, cast(null as varchar) as org_id, cast(null as varchar) as org_name
),

counts as (
    select
        days.date,
        groups.org_id,
        groups.org_name,
        coalesce(steps_of_days.dau, 0) as dau,
        sum(steps_of_days.wau) over running as wau,
        sum(steps_of_days.mau) over running as mau,
        coalesce(steps_of_days.new_users_count, 0) as new_users_count
    from days
    cross join groups
    left join steps_of_days
        on
            steps_of_days.date = days.date
            and steps_of_days.is_total = groups.is_total
            and steps_of_days.org_id is not distinct from groups.org_id
    window running as (partition by groups.is_total, groups.org_id order by days.date)
)

select
    date,
    org_id,
    org_name,
    cast(dau as bigint) as dau,
    cast(coalesce(wau, 0) as bigint) as wau,
    cast(coalesce(mau, 0) as bigint) as mau,
    cast(new_users_count as bigint) as new_users_count,
    cast(dau - new_users_count as bigint) as returning_users_count,
    dau / nullif(cast(mau as double), 0) as stickiness
from counts
