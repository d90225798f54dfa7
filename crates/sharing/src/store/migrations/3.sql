-- When a key ends by itself, and when it was last used, to the quarter of an hour.
alter table api_keys add column expires_at integer;
alter table api_keys add column last_used_at integer;

create table sessions (
    -- SHA-256 of the id, which only the browser has.
    hash blob primary key,
    person text not null,
    -- Given by the provider at login. Empty for a person of the users file: there the file says.
    roles text not null,
    -- Which password the session began with; null for a person that the provider vouched for.
    stamp text,
    csrf text not null,
    began_at integer not null,
    seen_at integer not null
);
create index sessions_by_begin on sessions (began_at);
