-- The id by which the service knows this database again, and what the last check wrote.
create table store_identity (
    one integer primary key check (one = 1),
    id text not null,
    checked_at integer,
    room blob
);
