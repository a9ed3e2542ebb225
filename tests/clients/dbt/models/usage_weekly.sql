{{ config(materialized='table') }}
select
    date_trunc('week', created_date)::date as week,
    sum(sessions_count)::bigint as sessions_count,
    sum(acus_consumed) as acus_consumed
from {{ source('analytics', 'usage_daily') }}
group by week
