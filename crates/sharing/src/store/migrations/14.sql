-- The roles in which a person that a provider vouched for may sign off: a JSON list.
alter table sessions add column sign_off_roles text not null default '[]';
