-- The key that encrypts the secrets of webhooks and the keys of pseudonyms: one row once they are encrypted.
create table encryption (
    one integer primary key check (one = 1),
    key_id text not null
);
