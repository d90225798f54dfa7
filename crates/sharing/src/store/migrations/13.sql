-- The posts behind findings, as they were when the findings came: platforms delete them, and the topic of posts holds them for days only.
create table evidence_posts (
    -- SHA-256 of platform and id, in hex: ids have any length and any character.
    post text primary key,
    -- SHA-256 of platform and account, in hex.
    account text not null,
    -- Platform, id, account, time, text and links, as JSON.
    content text not null,
    -- SHA-256 of the record on the topic, in hex.
    record_sha256 text not null,
    kept_at integer not null
);
create index evidence_posts_by_account on evidence_posts (account);
create index evidence_posts_by_age on evidence_posts (kept_at);
-- Which case each of them is evidence in.
create table evidence_of_cases (
    cluster_id text not null references cases (cluster_id),
    post text not null references evidence_posts (post),
    primary key (cluster_id, post)
);
create index evidence_of_cases_by_post on evidence_of_cases (post);
-- Accounts whose posts were erased, as in evidence_posts: their posts are not kept again.
create table evidence_erased (
    account text primary key,
    erased_at integer not null
);
-- The version of the cluster whose posts were looked up.
alter table cases add column evidence_version integer;
