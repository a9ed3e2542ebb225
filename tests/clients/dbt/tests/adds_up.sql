select * from {{ ref('copy') }} where counted != summed
