-- One row per knowledge note that helped or hurt; users trigger analyses, so a biased sample.
-- See insight_coverage_monthly for which share of all sessions has been analysed. Only API v3 tells
-- which notes were used.
--
-- note_id: The knowledge note. [id = insight_note_usages.note_id]
-- good_usages_count: How often it helped. [usages = count of insight_note_usages where good]
-- bad_usages_count: How often it hurt. [usages = count of insight_note_usages where bad]
-- sessions_count: Sessions in which it did either; does not add up over notes.
--   [sessions = distinct session_id]
select
    note_id,
    count(*) filter (where usage = 'good') as good_usages_count,
    count(*) filter (where usage = 'bad') as bad_usages_count,
    count(distinct session_id) as sessions_count
from devin.insight_note_usages
group by note_id
