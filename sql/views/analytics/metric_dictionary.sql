-- One row per view and column: what it means, in which unit, and how it is computed.
-- Made at publication from the comments of the views' SQL files.
--
-- view_name: The view; one of a user's own with its schema. [text = name of the SQL file]
-- column_name: The column. [text = name in the view]
-- meaning: What a value of it says. [text = comment in the SQL file]
-- unit: In which unit. [text = comment in the SQL file]
-- formula: How it is computed, in terms of other views and tables. [text = comment in the SQL file]
select
    view_name,
    column_name,
    meaning,
    unit,
    formula
from prepared.metric_dictionary
