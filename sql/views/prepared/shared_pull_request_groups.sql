-- One row per month, dimension, value and pull request that several sessions list.
-- stored by pr_url: few rows, for which all groups would be searched at each question.
with grouped as (
    select
        shared.session_id,
        session_values.dimension,
        session_values.value,
        shared.pr_url,
        shared.is_merged
    from prepared.shared_pull_requests as shared
    join prepared.session_values on session_values.session_id = shared.session_id
    union all
    select
        shared.session_id,
        'repository' as dimension,
        coalesce(urls.repository, '(none)') as value,
        shared.pr_url,
        shared.is_merged
    from prepared.shared_pull_requests as shared
    join analytics.pull_requests as urls on urls.pr_url = shared.pr_url
)

select
    facts.created_month as month,
    grouped.dimension,
    grouped.value,
    grouped.pr_url,
    max(case when grouped.is_merged then 1 else 0 end) = 1 as is_merged
from grouped
join prepared.session_facts as facts on facts.session_id = grouped.session_id
group by
    facts.created_month,
    grouped.dimension,
    grouped.value,
    grouped.pr_url
