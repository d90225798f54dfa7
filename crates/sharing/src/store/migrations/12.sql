-- Digests of what an entry covers beside its own words: cases, shared objects, keys. The seal covers them.
alter table audit add column covers text;
