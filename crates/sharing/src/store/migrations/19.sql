-- Whether a case is under legal hold: it is neither erased nor deleted. The case itself says by whom and why.
alter table cases add column held integer not null default 0;
