-- One row per choice of organizations and period: pull requests by their first session's day.
-- A pull request's state is the last one observed. How long one took is known only of those that
-- runs saw open and later merged.
--
-- pull_requests_count: Pull requests whose first session was created in the period.
--   [pull requests = count of pull_requests by first_session_id]
-- merged_count: Of these, merged. [pull requests = count where state is merged]
-- closed_count: Of these, closed without being merged. [pull requests = count where state is closed]
-- open_count: Of these, open. [pull requests = count where state is open]
-- other_count: Of these, in another or no state. [pull requests = count of the others]
-- observed_count: Merged ones that a run saw open before.
--   [pull requests = count of pull_request_cycle_times where observed_open_to_merged_hours is known]
-- median_hours: Half of those took no longer from being seen open to being seen merged.
--   [hours = median of pull_request_cycle_times.observed_open_to_merged_hours]
-- p90_hours: Nine tenths of those took no longer.
--   [hours = 90th percentile of pull_request_cycle_times.observed_open_to_merged_hours]
with pull_requests as (
    select
        organizations.place as organization,
        sessions.created_date,
        lower(pull_requests.state) as state,
        cycle_times.observed_open_to_merged_hours as hours
    from analytics.pull_requests
    join prepared.session_facts as sessions on sessions.session_id = pull_requests.first_session_id
    join report_page.organizations
        on organizations.place = 0 or organizations.org_id = sessions.org_id
    left join analytics.pull_request_cycle_times as cycle_times
        on cycle_times.pr_url = pull_requests.pr_url
)

select
    pull_requests.organization,
    periods.place as period,
    count(*) as pull_requests_count,
    count(*) filter (where state = 'merged') as merged_count,
    count(*) filter (where state = 'closed') as closed_count,
    count(*) filter (where state = 'open') as open_count,
    count(*) filter (where coalesce(state, '') not in ('merged', 'closed', 'open')) as other_count,
    count(hours) as observed_count,
    quantile_cont(hours, 0.5) as median_hours,
    quantile_cont(hours, 0.9) as p90_hours
from pull_requests
join report_page.periods
    on pull_requests.created_date >= periods.since and pull_requests.created_date < periods.until
group by pull_requests.organization, periods.place
