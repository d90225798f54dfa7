-- What kind of event a delivery is: objects.added, or objects.withdrawn. One that was made before keeps the bytes that it had.
alter table deliveries add column event text not null default 'objects.added';

-- The id under which each collection's partner knows a case. What was published before has the case's own id, which was common to all
-- partners: ids that were given out do not change.
create table case_references (
    collection integer not null references collections (number),
    case_id text not null,
    reference text not null,
    primary key (collection, case_id)
);
create index case_references_by_reference on case_references (reference);
create index case_references_by_case on case_references (case_id);
insert into case_references (collection, case_id, reference)
    select distinct collection, case_id, case_id from told;
-- Of cases that were published before the table told was there, it is not known to whom.
insert into case_references (collection, case_id, reference)
    select p.collection, c.case_id, c.case_id from partners p cross join cases c
    where c.released is not null and c.case_id not in (select case_id from told);
