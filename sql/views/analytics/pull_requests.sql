-- One row per pull request: each different address in the sessions' lists.
-- stored by pr_url: sorting all lists by address takes longer than a reader wants to wait.
-- A pull request may belong to several sessions, and stand twice in one list. It is given to its
-- first session, by created_at and session_id, so that counts of it add up. Provider, repository
-- and number are read from the address; repository and number are NULL where it has another shape.
--
-- pr_url: Address of the pull request. [text = session_pull_requests.pr_url]
-- provider: github, gitlab, bitbucket or azure_devops, by the host's name, else by the shape of
--   the address; other for anything else. [text = from pr_url]
-- repository: The repository's path on its host, as in acme/ledger. [text = from pr_url]
-- number: The pull request's number in its repository. [number = from pr_url]
-- state: As observed last; merged, once any session says so. [text =
--   session_pull_requests.pr_state]
-- sessions_count: Sessions that list it. [sessions = distinct session_id]
-- first_session_id: The first of these, by created_at and session_id. [id = sessions.session_id]
-- org_id: Organization of its first session. [id = sessions.org_id]
-- org_name: That organization's name, else its id. [text = organizations.name, else org_id]
-- first_observed_at: When a run first saw it, in whatever state, UTC.
--   [timestamp = min of pull_request_states.first_observed_at]
-- first_merged_observed_at: When a run first saw it merged, UTC; NULL if none did.
--   [timestamp = min of pull_request_states.first_observed_at where merged]
with listed as (
    select
        pull_requests.pr_url,
        pull_requests.pr_state,
        pull_requests.position,
        sessions.session_id,
        sessions.org_id,
        sessions.created_at,
        sessions.updated_at
    from devin.session_pull_requests as pull_requests
    join devin.sessions on sessions.session_id = pull_requests.session_id
    where pull_requests.pr_url is not null
),

listed_once as (
    select
        pr_url,
        cast(1 as bigint) as sessions_count,
        max(session_id) as first_session_id,
        max(org_id) as org_id,
        max(pr_state) as state
    from listed
    group by pr_url
    having count(*) = 1
),

listed_again as (
    select pr_url
    from listed
    group by pr_url
    having count(*) > 1
),

placed as (
    select
        listed.pr_url,
        listed.pr_state,
        listed.session_id,
        listed.org_id,
        row_number() over (
            partition by listed.pr_url
            order by listed.created_at, listed.session_id, listed.position
        ) as place,
        row_number() over (
            partition by listed.pr_url
            order by
                case when lower(listed.pr_state) = 'merged' then 0 else 1 end,
                states.first_observed_at desc,
                case when lower(listed.pr_state) = 'closed' then 0 else 1 end,
                listed.updated_at desc,
                listed.session_id desc,
                listed.position desc
        ) as place_by_state
    from listed
    join listed_again on listed_again.pr_url = listed.pr_url
    left join devin.pull_request_states as states
        on
            states.session_id = listed.session_id
            and states.pr_url = listed.pr_url
            and states.pr_state is not distinct from listed.pr_state
),

urls as (
    select
        pr_url,
        sessions_count,
        first_session_id,
        org_id,
        state
    from listed_once
    union all
    select
        pr_url,
        count(distinct session_id) as sessions_count,
        max(case when place = 1 then session_id end) as first_session_id,
        max(case when place = 1 then org_id end) as org_id,
        max(case when place_by_state = 1 then pr_state end) as state
    from placed
    group by pr_url
),

observed as (
    select
        pr_url,
        min(first_observed_at) as first_observed_at,
        min(first_observed_at) filter (where lower(pr_state) = 'merged')
            as first_merged_observed_at
    from devin.pull_request_states
    group by pr_url
),

-- host/path, without what follows the path
addresses as (
    select
        pr_url,
        split_part(
            split_part(
                case when pr_url like '%://%' then split_part(pr_url, '://', 2) else pr_url end,
                '?', 1
            ),
            '#', 1
        ) as address
    from urls
),

-- host/owner/repository/pull/number: there the repository may be called pull too
shapes as (
    select
        pr_url,
        address,
        split_part(address, '/', 4) = 'pull'
        and split_part(address, '/', 5) <> ''
        and translate(split_part(address, '/', 5), '0123456789', '') = '' as is_of_github,
        case
            when address like '%/-/merge_requests/%' then '/-/merge_requests/'
            when address like '%/merge_requests/%' then '/merge_requests/'
            when address like '%/pull-requests/%' then '/pull-requests/'
            when address like '%/pullrequest/%' then '/pullrequest/'
            when address like '%/pull/%' then '/pull/'
        end as marker
    from addresses
),

parts as (
    select
        pr_url,
        lower(split_part(address, '/', 1)) as host,
        case when is_of_github then '/pull/' else marker end as marker,
        case
            when is_of_github
                then split_part(address, '/', 2) || '/' || split_part(address, '/', 3)
            else substr(split_part(address, marker, 1), length(split_part(address, '/', 1)) + 2)
        end as repository,
        case
            when is_of_github then split_part(address, '/', 5)
            else split_part(split_part(address, marker, 2), '/', 1)
        end as number
    from shapes
)

select
    urls.pr_url,
    case
        when parts.host like '%github%' then 'github'
        when parts.host like '%gitlab%' then 'gitlab'
        when parts.host like '%bitbucket%' then 'bitbucket'
        when parts.host like '%azure%' or parts.host like '%visualstudio%' then 'azure_devops'
        when parts.marker = '/pull/' then 'github'
        when parts.marker like '%/merge_requests/' then 'gitlab'
        when parts.marker = '/pull-requests/' then 'bitbucket'
        when parts.marker = '/pullrequest/' then 'azure_devops'
        else 'other'
    end as provider,
    nullif(parts.repository, '') as repository,
    case
        when
            parts.number <> ''
            and length(parts.number) <= 18
            and translate(parts.number, '0123456789', '') = ''
            then cast(parts.number as bigint)
    end as number,
    urls.state,
    urls.sessions_count,
    urls.first_session_id,
    urls.org_id,
    coalesce(organizations.name, urls.org_id) as org_name,
    observed.first_observed_at,
    observed.first_merged_observed_at
from urls
join parts on parts.pr_url = urls.pr_url
left join observed on observed.pr_url = urls.pr_url
left join devin.organizations on organizations.org_id = urls.org_id
