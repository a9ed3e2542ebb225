-- One row per text that several action items say, whatever their case and surrounding space.
-- stored: few rows, for which all action items would be counted at each question.
select
    lower(trim(action_item)) as action_item,
    count(*) as times_repeated
from devin.insight_action_items
group by lower(trim(action_item))
having count(*) > 1
