-- The first release of each case to each partner, with the times of the scoreboard. It has no account.
create table releases (
    collection integer not null references collections (number),
    case_id text not null,
    -- When the case was opened, and when the release was stored.
    found_at integer not null,
    released_at integer not null,
    -- date_added of the last indicator of the release: whoever was handed that has all.
    last_added integer not null,
    -- When the partner was first handed it.
    fetched_at integer,
    primary key (collection, case_id)
);
create index releases_waiting on releases (collection, last_added) where fetched_at is null;
create index releases_by_time on releases (released_at);
-- Digests of partners by period, claimed before they are sent: there are never two for one period.
create table digests (
    partner text not null,
    days integer not null,
    until integer not null,
    claimed_at integer not null,
    sent_at integer,
    primary key (partner, days, until)
);
