-- The way out to endpoints of partners, and the way back.

-- Endpoints. Whoever signs needs the secret itself, so it is not hashed; whoever reads this file can sign in our name.
create table webhooks (
    partner text primary key references partners (name),
    collection integer not null unique references collections (number),
    url text not null,
    active integer not null,
    secret blob,
    -- After a rotation both sign until then.
    previous blob,
    previous_until integer,
    -- Set when the endpoint answered 410.
    disabled_at integer
);

-- The outbox: what was added to a collection in one transaction, after after_added up to until_added, is one delivery or, where it
-- is large, several.
create table deliveries (
    number integer primary key,
    id text not null unique,
    partner text not null references webhooks (partner),
    collection integer not null references collections (number),
    case_id text not null,
    after_added integer not null,
    until_added integer not null,
    objects integer not null,
    state text not null,
    attempts integer not null,
    created_at integer not null,
    -- When the time to give up began to run.
    since integer not null,
    next_at integer not null,
    -- Somebody is sending it until then.
    claimed_until integer not null,
    last_at integer,
    last_outcome text
);
create index deliveries_pending on deliveries (partner, number) where state = 'pending';
create index deliveries_by_state on deliveries (state, number);
create index deliveries_by_partner on deliveries (partner, number);

-- What each collection was told of: whole cases, and accounts in them.
create table told (
    collection integer not null references collections (number),
    object text not null,
    case_id text not null,
    cluster_id text not null,
    -- Null for what is about the whole case.
    account text,
    primary key (collection, object, case_id)
);
create index told_by_account on told (collection, case_id, account);

-- Withdrawals, one for each partner that had it.
create table retractions (
    number integer primary key,
    partner text not null references partners (name),
    collection integer not null references collections (number),
    case_id text not null,
    cluster_id text not null,
    -- A JSON list of account ids.
    accounts text not null,
    reason text not null,
    at integer not null,
    due integer not null,
    -- When the last revoked indicator was added: whoever fetched that has all.
    last_added integer not null,
    acked_at integer,
    acked_by text
);
create index retractions_waiting on retractions (collection, last_added) where acked_at is null;
create index retractions_by_case on retractions (case_id, number);

-- Cases that an organisation's rejection opened: withdraw or keep, decided by people.
create table retraction_cases (
    number integer primary key,
    case_id text not null,
    cluster_id text not null,
    platform text not null,
    -- A JSON list of account ids; empty for the whole case.
    accounts text not null,
    opened_at integer not null,
    opened_by text not null,
    reason text not null,
    state text not null,
    decided_at integer,
    decided_by text,
    decision text
);
create index retraction_cases_by_case on retraction_cases (case_id, number);
create index retraction_cases_open on retraction_cases (number) where state = 'open';

-- Collections that partners write to, and how far each has been read.
create table inboxes (
    partner text primary key references partners (name),
    collection integer not null unique references collections (number),
    read_until integer not null
);

-- What partners said, and whether it is on the topic yet.
create table feedback (
    number integer primary key,
    collection integer not null references collections (number),
    object text not null,
    version integer not null,
    partner text not null,
    case_id text not null,
    cluster_id text not null,
    platform text not null,
    -- Null for the whole case.
    account text,
    -- Null where it was taken back.
    verdict text,
    said_at integer not null,
    note text,
    published integer not null
);
create index feedback_by_object on feedback (collection, object);
create index feedback_by_case on feedback (case_id, number);
create index feedback_unpublished on feedback (number) where published = 0;

-- Cases that somebody has to come back to: their flags run out, or something happened that people have to look at.
create table watched (
    cluster_id text primary key,
    case_id text not null,
    valid_until integer,
    attention integer not null
);
create index watched_by_end on watched (valid_until);
