-- What the console filters and searches by.

alter table cases add column attention integer not null default 0;
update cases set attention = 1 where state in ('nominated', 'in_review', 'approved');
create index cases_by_attention on cases (attention, changed_at desc);
-- The version of the cluster whose terms are below; null for a case from before there were terms.
alter table cases add column indexed integer;
create index cases_not_indexed on cases (cluster_id) where indexed is null;

-- Words by which a case is found: UTF-8 bytes, so that both databases order them alike whatever their locale.
create table case_terms (
    term blob not null,
    cluster_id text not null references cases (cluster_id),
    primary key (term, cluster_id)
--@sqlite
) without rowid;
--@postgres
);
--@all
create index case_terms_by_cluster on case_terms (cluster_id);
