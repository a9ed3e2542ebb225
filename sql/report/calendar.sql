-- One row: the days that the page is about.
-- The watermark's own day is incomplete, so that periods end with the day before it. Without a
-- watermark (only parts were read) the last update stands for it, as in the outcomes views.
with watermark as (
    select
        coalesce(
            (select max(watermark) from analytics.freshness),
            (select max(updated_at) from devin.sessions)
        ) as watermark
)

select
    watermark.watermark,
    cast(watermark.watermark as date) as today,
    watermark.watermark - interval '14 days' as settled_before,
    (select min(created_date) from prepared.session_facts) as first_date
from watermark
