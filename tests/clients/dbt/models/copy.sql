-- the numbers of live.py's statements
{{ config(materialized='table') }}
select
    (select epoch_us(published_at) from {{ source('devin', 'warehouse_info') }}) as published,
    (select epoch_us(max(updated_at)) from {{ source('devin', 'sessions') }}) as newest,
    (select count(*) from {{ source('devin', 'sessions') }}) as counted,
    (select sum(sessions_count)::bigint from {{ source('analytics', 'usage_daily') }}) as summed
