-- One row per session and pull request that several sessions list.
-- stored by session_id: few rows, for which the lists would be searched at each question.
select
    pull_requests.pr_url,
    pull_requests.session_id,
    max(case when lower(pull_requests.pr_state) = 'merged' then 1 else 0 end) = 1 as is_merged
from devin.session_pull_requests as pull_requests
join analytics.pull_requests as urls on urls.pr_url = pull_requests.pr_url
where urls.sessions_count > 1
group by pull_requests.pr_url, pull_requests.session_id
