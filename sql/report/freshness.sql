-- One row per scope that is loaded into the warehouse, as of publication.
select
    scope,
    watermark,
    last_success_at,
    last_failure_at,
    last_failure_error
from analytics.freshness
order by scope
