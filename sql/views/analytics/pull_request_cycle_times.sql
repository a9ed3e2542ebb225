-- One row per pull request that was ever seen merged.
-- stored by pr_url: one pass over the whole history takes longer than a reader wants to wait.
-- Runs see states, not events: a pull request was merged at some time before a run saw it merged,
-- and one that was merged between two runs, or before the first, was never seen open.
--
-- pr_url: Address of the pull request. [text = pull_request_states.pr_url]
-- first_open_observed_at: When a run first saw it open, UTC; NULL if none did.
--   [timestamp = min of pull_request_states.first_observed_at where open]
-- first_merged_observed_at: When a run first saw it merged, UTC.
--   [timestamp = min of pull_request_states.first_observed_at where merged]
-- observed_open_to_merged_hours: From being seen open to being seen merged; NULL if it was not seen
--   open before. [hours = first_merged_observed_at - first_open_observed_at]
-- upper_bound_hours: At most so long did it take from being opened to being merged.
--   [hours = first_merged_observed_at - created_at of its first session]
with states as (
    select
        pr_url,
        min(first_observed_at) filter (where lower(pr_state) = 'open') as first_open_observed_at,
        min(first_observed_at) filter (where lower(pr_state) = 'merged')
            as first_merged_observed_at
    from devin.pull_request_states
    where pr_url is not null
    group by pr_url
),

first_sessions as (
    select
        states.pr_url,
        min(sessions.created_at) as created_at
    from devin.pull_request_states as states
    join devin.sessions on sessions.session_id = states.session_id
    group by states.pr_url
)

select
    states.pr_url,
    states.first_open_observed_at,
    states.first_merged_observed_at,
    case
        when states.first_open_observed_at <= states.first_merged_observed_at
            then
                date_diff(
                    'microsecond', states.first_open_observed_at, states.first_merged_observed_at
                ) / cast(3600000000 as double)
    end as observed_open_to_merged_hours,
    date_diff('microsecond', first_sessions.created_at, states.first_merged_observed_at)
    / cast(3600000000 as double) as upper_bound_hours
from states
left join first_sessions on first_sessions.pr_url = states.pr_url
where states.first_merged_observed_at is not null
