-- One row per session: what views group and count by, its lists counted, its place in its family.
-- stored by session_id: the views look up what they would else count each time.
-- A pull request that only one session lists is that session's own. Own ones add up over any group
-- of sessions; the shared ones, which are few, are left to be told apart in each group.
-- A family follows parent_session_id. Strays are those that no top leads to: they are in a circle,
-- or below one. A circle is cut at its smallest id.
with recursive links as (
    select
        child.session_id,
        child.parent_session_id
    from devin.sessions as child
    join devin.sessions as parent on parent.session_id = child.parent_session_id
),

descendants as (
    select
        links.session_id,
        links.parent_session_id as root_session_id,
        1 as depth
    from links
    left join links as upper_link on upper_link.session_id = links.parent_session_id
    where upper_link.session_id is null
    union all
    select
        links.session_id,
        descendants.root_session_id,
        descendants.depth + 1 as depth
    from descendants
    join links on links.parent_session_id = descendants.session_id
),

strays as (
    select
        links.session_id,
        links.parent_session_id
    from links
    left join descendants on descendants.session_id = links.session_id
    where descendants.session_id is null
),

climbs as (
    select
        session_id,
        parent_session_id as reached_session_id,
        least(session_id, parent_session_id) as smallest_session_id,
        1 as steps
    from strays
    union all
    select
        climbs.session_id,
        strays.parent_session_id as reached_session_id,
        least(climbs.smallest_session_id, strays.parent_session_id) as smallest_session_id,
        climbs.steps + 1 as steps
    from climbs
    join strays on strays.session_id = climbs.reached_session_id
    where
        climbs.reached_session_id <> climbs.session_id
        and climbs.steps < (select count(*) from strays)
),

circle_members as (
    select
        session_id as root_session_id,
        session_id,
        0 as depth
    from climbs
    where reached_session_id = session_id and smallest_session_id = session_id
    union all
    select
        circle_members.root_session_id,
        strays.session_id,
        circle_members.depth + 1 as depth
    from circle_members
    join strays on strays.parent_session_id = circle_members.session_id
    where strays.session_id <> circle_members.root_session_id
),

families as (
    select
        session_id,
        root_session_id,
        depth
    from descendants
    union all
    select
        session_id,
        root_session_id,
        depth
    from circle_members
),

elements as (
    select
        session_id,
        1 as pull_requests,
        case when lower(pr_state) = 'open' then 1 else 0 end as open_pull_requests,
        case when lower(pr_state) = 'merged' then 1 else 0 end as merged_pull_requests,
        case when lower(pr_state) = 'closed' then 1 else 0 end as closed_pull_requests,
        0 as merged_pull_requests_first,
        0 as own_pull_requests,
        0 as own_merged_pull_requests,
        0 as issues,
        0 as action_items,
        0 as feedback_items
    from devin.session_pull_requests
    union all
    select
        first_session_id as session_id,
        0 as pull_requests,
        0 as open_pull_requests,
        0 as merged_pull_requests,
        0 as closed_pull_requests,
        case when lower(state) = 'merged' then 1 else 0 end as merged_pull_requests_first,
        case when sessions_count = 1 then 1 else 0 end as own_pull_requests,
        case when sessions_count = 1 and lower(state) = 'merged' then 1 else 0 end as own_merged_pull_requests,
        0 as issues,
        0 as action_items,
        0 as feedback_items
    from analytics.pull_requests
    union all
    select
        session_id,
        0 as pull_requests,
        0 as open_pull_requests,
        0 as merged_pull_requests,
        0 as closed_pull_requests,
        0 as merged_pull_requests_first,
        0 as own_pull_requests,
        0 as own_merged_pull_requests,
        1 as issues,
        0 as action_items,
        0 as feedback_items
    from devin.insight_issues
    union all
    select
        session_id,
        0 as pull_requests,
        0 as open_pull_requests,
        0 as merged_pull_requests,
        0 as closed_pull_requests,
        0 as merged_pull_requests_first,
        0 as own_pull_requests,
        0 as own_merged_pull_requests,
        0 as issues,
        1 as action_items,
        0 as feedback_items
    from devin.insight_action_items
    union all
    select
        session_id,
        0 as pull_requests,
        0 as open_pull_requests,
        0 as merged_pull_requests,
        0 as closed_pull_requests,
        0 as merged_pull_requests_first,
        0 as own_pull_requests,
        0 as own_merged_pull_requests,
        0 as issues,
        0 as action_items,
        1 as feedback_items
    from devin.insight_feedback_items
),

counts as (
    select
        session_id,
        cast(sum(pull_requests) as bigint) as pull_requests_count,
        cast(sum(open_pull_requests) as bigint) as open_pull_requests_count,
        cast(sum(merged_pull_requests) as bigint) as merged_pull_requests_count,
        cast(sum(closed_pull_requests) as bigint) as closed_pull_requests_count,
        cast(sum(merged_pull_requests_first) as bigint) as merged_pull_requests_first_count,
        cast(sum(own_pull_requests) as bigint) as own_pull_requests_count,
        cast(sum(own_merged_pull_requests) as bigint) as own_merged_pull_requests_count,
        cast(sum(issues) as bigint) as issues_count,
        cast(sum(action_items) as bigint) as action_items_count,
        cast(sum(feedback_items) as bigint) as feedback_items_count
    from elements
    group by session_id
)

select
    sessions.session_id,
    sessions.org_id,
    sessions.user_id,
    sessions.service_user_id,
    sessions.status,
    sessions.origin,
    sessions.category,
    sessions.playbook_id,
    sessions.acus_consumed,
    sessions.created_at,
    cast(sessions.created_at as date) as created_date,
    cast(date_trunc('month', sessions.created_at) as date) as created_month,
    sessions.user_id is not null
    and coalesce(sessions.origin, '') not in ('automation', 'scheduled', 'code_scan') as is_human,
    coalesce(counts.merged_pull_requests_count, 0) > 0 as is_productive,
    insights.session_size,
    insights.num_user_messages,
    insights.num_devin_messages,
    coalesce(insights.has_analysis, false) as has_analysis,
    coalesce(counts.pull_requests_count, 0) as pull_requests_count,
    coalesce(counts.open_pull_requests_count, 0) as open_pull_requests_count,
    coalesce(counts.merged_pull_requests_count, 0) as merged_pull_requests_count,
    coalesce(counts.closed_pull_requests_count, 0) as closed_pull_requests_count,
    coalesce(counts.merged_pull_requests_first_count, 0)
        as merged_pull_requests_first_count,
    coalesce(counts.own_pull_requests_count, 0) as own_pull_requests_count,
    coalesce(counts.own_merged_pull_requests_count, 0)
        as own_merged_pull_requests_count,
    coalesce(counts.issues_count, 0) as issues_count,
    coalesce(counts.action_items_count, 0) as action_items_count,
    coalesce(counts.feedback_items_count, 0) as feedback_items_count,
    coalesce(families.root_session_id, sessions.session_id) as root_session_id,
    cast(coalesce(families.depth, 0) as bigint) as depth,
    deleted_sessions.session_id is not null as is_deleted
from devin.sessions
left join devin.insights on insights.session_id = sessions.session_id
left join counts on counts.session_id = sessions.session_id
left join families on families.session_id = sessions.session_id
left join devin.deleted_sessions on deleted_sessions.session_id = sessions.session_id
