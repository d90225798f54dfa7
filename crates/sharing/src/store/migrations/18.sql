-- Appeals of accounts that a case names: somebody says that the account is in it by mistake. `appeal` is the whole of it, as JSON.
create table appeals (
    number integer primary key,
    cluster_id text not null,
    due integer not null,
    decided integer not null,
    appeal text not null
);
create index appeals_open on appeals (due) where decided = 0;
create index appeals_by_cluster on appeals (cluster_id);
