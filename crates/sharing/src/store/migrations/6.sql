-- Reviewers' verdicts are feedback too: they come from steps of a case, not from an object in a collection, and are not about one platform.
create table feedback_of_all (
    number integer primary key,
    -- Collection, object and its version; null for a reviewer.
    collection integer references collections (number),
    object text,
    version integer,
    -- The partner, or `reviewer:` and a name.
    partner text not null,
    case_id text not null,
    cluster_id text not null,
    -- Null for a reviewer.
    platform text,
    -- Null for the whole case.
    account text,
    -- Null where it was taken back.
    verdict text,
    said_at integer not null,
    note text,
    published integer not null
);
insert into feedback_of_all (number, collection, object, version, partner, case_id, cluster_id, platform, account, verdict, said_at, note, published)
    select number, collection, object, version, partner, case_id, cluster_id, platform, account, verdict, said_at, note, published from feedback;
drop table feedback;
alter table feedback_of_all rename to feedback;
create index feedback_by_object on feedback (collection, object);
create index feedback_by_case on feedback (case_id, number);
create index feedback_unpublished on feedback (number) where published = 0;
