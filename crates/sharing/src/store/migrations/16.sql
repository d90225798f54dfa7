-- Which objects of which case each collection received: the table gets the name that the code uses for them.
alter table told rename to shared_objects;
drop index told_by_account;
create index shared_objects_by_account on shared_objects (collection, case_id, account);
