-- A finding that no model has judged has no probability.
--@sqlite
alter table cases add column judged real;
update cases set judged = probability;
alter table cases drop column probability;
alter table cases rename column judged to probability;
--@postgres
alter table cases alter column probability drop not null;
