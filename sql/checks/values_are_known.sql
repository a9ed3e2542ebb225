-- severity: warn
-- Statuses and their like are among those that the API's documentation names.
-- A new one may fall out of is_terminal, is_finished, is_human or the counts of pull requests.
with found as (
    select 'sessions.status' as column_name, status as value, count(*) as rows_count
    from devin.sessions
    group by status
    union all
    select 'sessions.status_detail', status_detail, count(*)
    from devin.sessions
    group by status_detail
    union all
    select 'sessions.origin', origin, count(*)
    from devin.sessions
    group by origin
    union all
    select 'sessions.category', category, count(*)
    from devin.sessions
    group by category
    union all
    select 'session_pull_requests.pr_state', lower(pr_state), count(*)
    from devin.session_pull_requests
    group by lower(pr_state)
    union all
    select 'insights.session_size', session_size, count(*)
    from devin.insights
    group by session_size
    union all
    select 'insight_action_items.type', type, count(*)
    from devin.insight_action_items
    group by type
),

known (column_name, value) as (
    values
    ('sessions.status', 'new'),
    ('sessions.status', 'claimed'),
    ('sessions.status', 'creating'),
    ('sessions.status', 'running'),
    ('sessions.status', 'exit'),
    ('sessions.status', 'error'),
    ('sessions.status', 'suspended'),
    ('sessions.status', 'resuming'),
    ('sessions.status_detail', 'working'),
    ('sessions.status_detail', 'waiting_for_user'),
    ('sessions.status_detail', 'waiting_for_approval'),
    ('sessions.status_detail', 'finished'),
    ('sessions.status_detail', 'inactivity'),
    ('sessions.status_detail', 'user_request'),
    ('sessions.status_detail', 'usage_limit_exceeded'),
    ('sessions.status_detail', 'user_usage_limit_exceeded'),
    ('sessions.status_detail', 'org_usage_limit_exceeded'),
    ('sessions.status_detail', 'total_session_limit_exceeded'),
    ('sessions.status_detail', 'out_of_credits'),
    ('sessions.status_detail', 'out_of_quota'),
    ('sessions.status_detail', 'no_quota_allocation'),
    ('sessions.status_detail', 'payment_declined'),
    ('sessions.status_detail', 'contract_expired'),
    ('sessions.status_detail', 'error'),
    ('sessions.origin', 'webapp'),
    ('sessions.origin', 'slack'),
    ('sessions.origin', 'teams'),
    ('sessions.origin', 'api'),
    ('sessions.origin', 'linear'),
    ('sessions.origin', 'jira'),
    ('sessions.origin', 'scheduled'),
    ('sessions.origin', 'automation'),
    ('sessions.origin', 'cli'),
    ('sessions.origin', 'desktop'),
    ('sessions.origin', 'code_scan'),
    ('sessions.origin', 'other'),
    ('sessions.category', 'bug_fixing'),
    ('sessions.category', 'ci_cd_and_devops'),
    ('sessions.category', 'code_quality_and_security'),
    ('sessions.category', 'code_review'),
    ('sessions.category', 'code_review_and_analysis'),
    ('sessions.category', 'data_and_automation'),
    ('sessions.category', 'documentation_and_content'),
    ('sessions.category', 'feature_development'),
    ('sessions.category', 'migrations_and_upgrades'),
    ('sessions.category', 'other'),
    ('sessions.category', 'production_investigation'),
    ('sessions.category', 'refactoring_and_optimization'),
    ('sessions.category', 'research_and_exploration'),
    ('sessions.category', 'security'),
    ('sessions.category', 'unit_test_generation'),
    ('session_pull_requests.pr_state', 'open'),
    ('session_pull_requests.pr_state', 'merged'),
    ('session_pull_requests.pr_state', 'closed'),
    ('insights.session_size', 'xs'),
    ('insights.session_size', 's'),
    ('insights.session_size', 'm'),
    ('insights.session_size', 'l'),
    ('insights.session_size', 'xl'),
    ('insight_action_items.type', 'machine_setup'),
    ('insight_action_items.type', 'repo_config'),
    ('insight_action_items.type', 'knowledge'),
    ('insight_action_items.type', 'prompt_improvement'),
    ('insight_action_items.type', 'external'),
    ('insight_action_items.type', 'other')
)

select found.column_name, found.value, found.rows_count
from found
left join known on known.column_name = found.column_name and known.value = found.value
where found.value is not null and known.value is null
order by found.column_name, found.value
