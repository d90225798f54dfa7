-- Tokens of people and services for the JSON API, by the hash of their secret; and up to which entry the audit log was reported as events.
create table api_tokens (
    token_id text primary key,
    owner text not null,
    service integer not null,
    scopes text not null,
    hash blob not null,
    created_at integer not null,
    created_by text not null,
    expires_at integer not null,
    last_used_at integer,
    revoked_at integer
);
create table audit_events (
    one integer primary key,
    reported_until integer not null
);
insert into audit_events (one, reported_until) select 1, coalesce(max(seq), 0) from audit;
