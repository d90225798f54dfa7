-- Collections that can be written to, below any API root, by alias; who may do what with them; answers to POST.
alter table collections add column root text not null default 'lockstep';
alter table collections add column alias text;
alter table collections add column media_types text not null default 'application/stix+json;version=2.1';
update collections set alias = (select 'findings-' || name from partners where collection = number);
create unique index collections_by_alias on collections (root, alias);

-- The collection that a partner writes its feedback to.
alter table partners add column feedback integer references collections (number);

create table grants (
    -- A partner's name, or `test user NAME` of a seed: no partner can have a name with a space.
    holder text not null,
    collection integer not null references collections (number),
    can_read integer not null,
    can_write integer not null,
    primary key (holder, collection)
);
insert into grants (holder, collection, can_read, can_write) select name, collection, 1, 0 from partners;

-- Only what the service adds has a date_added of its own; objects of a seed may share one, so the number tells them apart.
-- is_first and is_last: 1 of all versions of the object, 2 only of those of its spec_version, 0 neither.
drop index objects_by_date;
drop index objects_last_by_date;
drop index objects_last_by_type;
create index objects_by_date on objects (collection, date_added, number);
create index objects_by_type on objects (collection, type, date_added, number);
create index objects_by_modified on objects (collection, version, date_added, number);
create index objects_last_by_date on objects (collection, date_added, number) where is_last > 0;
create index objects_last_by_type on objects (collection, type, date_added, number) where is_last > 0;
create index objects_of_other_spec on objects (collection, date_added, number) where spec_version <> '2.1';

create table statuses (
    id text primary key,
    root text not null,
    holder text not null,
    expires_at integer not null,
    body text not null
);
create index statuses_by_expiry on statuses (expires_at);
