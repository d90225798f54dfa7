-- Times are microseconds since the Unix epoch, UTC.

create table cases (
    cluster_id text primary key,
    case_id text not null unique,
    -- Counts changes, so that two writers notice each other.
    revision integer not null,
    state text not null,
    status text not null,
    demo integer not null,
    probability real not null,
    log_e real not null,
    accounts integer not null,
    platforms text not null,
    kinds text not null,
    first_seen integer not null,
    last_seen integer not null,
    changed_at integer not null,
    -- The case, the newest version of its cluster, and the version that partners have: JSON.
    life text not null,
    cluster text not null,
    released text
);
create index cases_by_change on cases (changed_at desc, cluster_id);
create index cases_by_state on cases (state, changed_at desc);
create index cases_by_status on cases (status, changed_at desc);

create table collections (
    number integer primary key,
    id text not null unique,
    title text not null,
    description text not null,
    demo integer not null default 0,
    -- The newest date_added given out; the next one is greater.
    last_added integer not null default 0
);

create table partners (
    name text primary key,
    platform text not null,
    tlp_ceiling text not null,
    active integer not null,
    pseudonym_key blob not null,
    collection integer not null unique references collections (number)
);

create table api_keys (
    key_id text primary key,
    partner text not null references partners (name),
    hash blob not null,
    created_at integer not null,
    revoked_at integer
);

create table objects (
    number integer primary key,
    collection integer not null references collections (number),
    date_added integer not null,
    id text not null,
    type text not null,
    spec_version text not null,
    version integer not null,
    is_first integer not null,
    is_last integer not null,
    body text not null
);
create unique index objects_by_date on objects (collection, date_added);
create unique index objects_by_version on objects (collection, id, version);
create index objects_last_by_date on objects (collection, date_added) where is_last = 1;
create index objects_last_by_type on objects (collection, type, date_added) where is_last = 1;

create table audit (
    seq integer primary key,
    at integer not null,
    actor text not null,
    subject text not null,
    action text not null,
    text text not null,
    seal text not null
);
create index audit_by_subject on audit (subject, seq);
--@sqlite
create trigger audit_is_append_only_1 before update on audit
begin select raise(abort, 'the audit log is append-only'); end;
create trigger audit_is_append_only_2 before delete on audit
begin select raise(abort, 'the audit log is append-only'); end;
--@postgres
create function audit_is_append_only() returns trigger language plpgsql as
$$ begin raise exception 'the audit log is append-only'; end $$;
create trigger audit_is_append_only before update or delete on audit
for each row execute function audit_is_append_only();
