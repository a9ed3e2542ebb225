-- One row per month, dimension, value and pull request that several sessions list.
-- stored: few rows, for which all groups would be searched at each question.
select
    session_groups.month,
    session_groups.dimension,
    session_groups.value,
    shared.pr_url,
    max(case when shared.is_merged then 1 else 0 end) = 1 as is_merged
from prepared.shared_pull_requests as shared
join prepared.session_groups on session_groups.session_id = shared.session_id
join analytics.pull_requests as urls on urls.pr_url = shared.pr_url
where
    session_groups.dimension <> 'repository'
    or session_groups.value = coalesce(urls.repository, '(none)')
group by
    session_groups.month, session_groups.dimension, session_groups.value, shared.pr_url
