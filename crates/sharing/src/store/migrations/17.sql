-- Groups that the detector reported, flagged or not: the watch list of reviewers, and the groups from which the sample is drawn. The
-- cluster of one that was flagged or has a case is with the case; that of one that left the list is gone.
create table watch_groups (
    cluster_id text primary key,
    revision integer not null,
    version integer not null,
    status text not null,
    standing text not null,
    -- Highest first.
    place real not null,
    accounts integer not null,
    platforms text not null,
    kinds text not null,
    probability real,
    log_e real not null,
    first_seen integer not null,
    last_seen integer not null,
    arrived_at integer not null,
    changed_at integer not null,
    decided_by text,
    decided_at integer,
    decided_version integer,
    reason text,
    cluster text
);
create index watch_groups_by_place on watch_groups (standing, place);
-- Draws of the sample: how many groups each part had, and how many of them were drawn.
create table watch_draws (
    draw integer not null,
    stratum text not null,
    drawn_at integer not null,
    seed text not null,
    population integer not null,
    drawn integer not null,
    primary key (draw, stratum)
);
create table watch_sample (
    draw integer not null,
    cluster_id text not null,
    stratum text not null,
    primary key (draw, cluster_id)
);
create index watch_sample_by_cluster on watch_sample (cluster_id);
-- What reviewers answered about groups of the sample.
create table watch_answers (
    cluster_id text primary key,
    answer text not null,
    answered_by text not null,
    answered_at integer not null,
    version integer not null,
    reason text not null
);
