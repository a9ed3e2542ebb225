-- One row per organization that can be chosen, and one for all of them together.
-- Those with the most ACUs are offered; the others are in the page with all of them together.
--
-- place: 0 for all together, then by ACUs over all time, most first.
-- org_id: The organization; NULL for all together.
-- title: Its name, else its id.
-- others_count: On the row of all together, how many organizations are not offered.
with ranked as (
    select
        org_id,
        max(org_name) as title,
        row_number() over (order by sum(acus_consumed) desc nulls last, org_id) as place
    from analytics.sessions
    where org_id is not null
    group by org_id
)

select
    0 as place,
    cast(null as varchar) as org_id,
    'All organizations' as title,
    (select count(*) from ranked where place > 20) as others_count
union all
select
    place,
    org_id,
    title,
    0 as others_count
from ranked
where place <= 20
order by place
