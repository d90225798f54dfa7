-- Duties to tell somebody: how many are due, since when the oldest, and when the next delay ends.
alter table watched add column duties integer not null default 0;
alter table watched add column duties_since integer;
alter table watched add column delayed_until integer;
