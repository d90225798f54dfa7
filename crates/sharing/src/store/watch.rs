//! The watch list: groups that the detector reported without flagging them, and what people decided. What follows from news and from
//! decisions: [`casework::watch`].

mod sample;

use jiff::Timestamp;
use messages::{
    cluster::{ClusterMessage, Status},
    feedback::Verdict,
};
use serde::Serialize;

use super::{
    Change, Store, StoreError,
    audit_log::append_audit,
    cases,
    database::{Row, Session, values},
    feedback, to_json,
};
use casework::{
    audit::Entry,
    watch::{Changed, Decision, Group, LabelChange, News, Outcome, Outcomes, Standing, Taken, rank, subject},
};
pub(crate) use sample::{AnswerRow, DrawRow, SampledRow};

/// A group in a list.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct GroupRow {
    #[serde(flatten)]
    pub group: Group,
    /// Number of the group's changes. A decision names the revision that the person saw.
    pub revision: i64,
    pub accounts: i64,
    pub platforms: String,
    pub kinds: String,
    /// That the coordination is inauthentic, 0 to 1; null where no model has judged it.
    pub probability: Option<f64>,
    pub log_e: f64,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
}

/// Which groups to list.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct GroupQuery {
    /// Only this standing; without one, those on the list.
    pub standing: Option<Standing>,
    pub status: Option<Status>,
    pub offset: usize,
    pub limit: usize,
}

/// How much the table may hold, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub groups: usize,
    /// Groups on the list without news since then leave it, and others that did not change since then are deleted.
    pub since: Timestamp,
}

const GROUP: &str =
    "cluster_id, version, status, standing, arrived_at, changed_at, decided_by, decided_at, decided_version, reason,
                     revision, accounts, platforms, kinds, probability, log_e, first_seen, last_seen";
/// A group on the list about which a case was opened in the meantime is on the list no more, before its news says so.
const WITHOUT_CASE: &str = "not exists (select 1 from cases c where c.cluster_id = watch_groups.cluster_id)";
/// What goes first where the table is full: what left the list, then what was decided, then the last of the list. Groups that the
/// sample waits for go last of all.
const EVICTED_FIRST: &str = "case when cluster_id in (select s.cluster_id from watch_sample s where not exists (
                                 select 1 from watch_answers a where a.cluster_id = s.cluster_id)) then 1 else 0 end,
                             case standing when 'gone' then 0 when 'case' then 1 when 'flagged' then 1 when 'dismissed' then 2
                                 when 'open' then 3 else 4 end, place, changed_at, cluster_id";

impl Store {
    /// Takes news of groups, each with its id, in their order. A cluster of `None` was withdrawn.
    pub fn take_group_news(
        &self,
        news: &[(String, Option<ClusterMessage>)],
        most: usize,
        now: Timestamp,
    ) -> Result<Outcomes, StoreError> {
        self.write(|tx| {
            let mut outcomes = Outcomes::new();
            for (cluster_id, cluster) in news {
                let known = read_group(tx, cluster_id)?;
                let has_case = has_case(tx, cluster_id)?;
                let said = cluster.as_ref().map_or(News::Withdrawn, News::Version);
                let known = known.map(|row| row.group);
                let Some(changed) = Group::on_news(known, cluster_id, said, has_case, now) else { continue };
                if changed.outcome != Outcome::Known {
                    put_changed(tx, &changed, cluster.as_ref())?;
                }
                *outcomes.entry(changed.outcome).or_default() += 1;
            }
            let evicted = evict(tx, most)?;
            if evicted > 0 {
                outcomes.insert(Outcome::Evicted, evicted);
            }
            Ok(outcomes)
        })
    }

    /// Ends what got no news for long, and deletes what left the list long ago.
    pub fn forget_groups(&self, bounds: Bounds, now: Timestamp) -> Result<Outcomes, StoreError> {
        self.write(|tx| {
            let mut outcomes = Outcomes::new();
            let sql = format!("select {GROUP} from watch_groups where standing in ('open', 'watched') and arrived_at < ?1");
            for row in tx.rows(&sql, values![bounds.since])? {
                let Some(changed) = group_row(row)?.group.expire(now) else { continue };
                put_changed(tx, &changed, None)?;
                *outcomes.entry(changed.outcome).or_default() += 1;
            }
            let deleted = tx.run(
                "delete from watch_groups where standing not in ('open', 'watched') and changed_at < ?1 and arrived_at < ?1",
                values![bounds.since],
            )?;
            tx.run(
                "delete from watch_sample where draw in (select draw from watch_draws where drawn_at < ?1)",
                values![bounds.since],
            )?;
            tx.run("delete from watch_draws where drawn_at < ?1", values![bounds.since])?;
            tx.run(
                "delete from watch_answers where answered_at < ?1
                 and not exists (select 1 from watch_sample s where s.cluster_id = watch_answers.cluster_id)",
                values![bounds.since],
            )?;
            let evicted = evict(tx, bounds.groups)?;
            for (outcome, n) in [(Outcome::Deleted, deleted), (Outcome::Evicted, evicted)] {
                if n > 0 {
                    outcomes.insert(outcome, n);
                }
            }
            Ok(outcomes)
        })
    }

    /// Groups, first those that a person can decide best, and how many there are without paging.
    pub fn groups(&self, query: &GroupQuery) -> Result<(Vec<GroupRow>, usize), StoreError> {
        let mut filter = match query.standing {
            None => format!("standing in ('open', 'watched') and {WITHOUT_CASE}"),
            Some(standing) if standing.is_listed() => format!("standing = '{}' and {WITHOUT_CASE}", standing.name()),
            Some(standing) => format!("standing = '{}'", standing.name()),
        };
        if let Some(status) = query.status {
            filter.push_str(&format!(" and status = '{}'", status.name()));
        }
        self.read(|db| {
            let total: i64 =
                db.value(&format!("select count(*) from watch_groups where {filter}"), values![])?.unwrap_or(0);
            let page = format!(
                "select {GROUP} from watch_groups where {filter} order by place desc, cluster_id limit {} offset {}",
                query.limit, query.offset
            );
            let rows = db.rows(&page, values![])?.into_iter().map(group_row).collect::<Result<_, StoreError>>()?;
            Ok((rows, usize::try_from(total).unwrap_or(0)))
        })
    }

    /// A group, and its cluster where it is kept: with the group, or with the case about it.
    pub fn group(&self, cluster_id: &str) -> Result<Option<(GroupRow, Option<ClusterMessage>)>, StoreError> {
        self.read(|db| {
            let Some(row) = read_group(db, cluster_id)? else { return Ok(None) };
            let text: Option<Option<String>> = db.value(
                "select coalesce(c.cluster, w.cluster) from watch_groups w left join cases c on c.cluster_id = w.cluster_id
                 where w.cluster_id = ?1",
                values![cluster_id],
            )?;
            Ok(Some((row, text.flatten().map(|text| cases::cluster_of(&text)).transpose()?)))
        })
    }

    /// Those of the ids from which a reviewer opened a case.
    pub fn cases_from_groups(&self, ids: &[&str]) -> Result<Vec<String>, StoreError> {
        self.read(|db| {
            let mut found = Vec::new();
            for id in ids.iter().filter(|id| !id.contains('\0')) {
                let sql = "select cluster_id from watch_groups where cluster_id = ?1 and standing = 'case'";
                found.extend(db.value::<String>(sql, values![*id])?);
            }
            Ok(found)
        })
    }

    /// How many groups there are of each standing.
    pub fn group_counts(&self) -> Result<Vec<(Standing, i64)>, StoreError> {
        self.read(|db| {
            let rows = db.rows("select standing, count(*) from watch_groups group by standing", values![])?;
            rows.into_iter().map(|mut row| Ok((standing_of(&row.take::<String>(0)?)?, row.take(1)?))).collect()
        })
    }

    /// Stores a decision about a group that has the revision `seen`, with the case that it opens: together or not at all.
    pub fn decide_group(
        &self,
        taken: &Taken,
        seen: i64,
        case: Option<&Change>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let id = &taken.group.cluster_id;
        self.write(|tx| {
            let revision: Option<i64> =
                tx.value("select revision from watch_groups where cluster_id = ?1", values![id])?;
            if revision != Some(seen) || (case.is_some() && has_case(tx, id)?) {
                return Err(StoreError::Conflict(subject(id)));
            }
            update_group(tx, &taken.group)?;
            append_audit(tx, vec![taken.entry.clone()])?;
            change_labels(
                tx,
                id,
                taken.label,
                &taken.entry,
                taken.group.decision.as_ref().map(|decision| &*decision.reason),
            )?;
            if let Some(case) = case {
                cases::commit_in(tx, std::slice::from_ref(case), self.retraction_due, now)?;
                // The case has it.
                tx.run("update watch_groups set cluster = null where cluster_id = ?1", values![id])?;
            }
            Ok(())
        })
    }
}

fn has_case(db: &mut dyn Session, cluster_id: &str) -> Result<bool, StoreError> {
    Ok(db.row("select 1 from cases where cluster_id = ?1", values![cluster_id])?.is_some())
}

fn read_group(db: &mut dyn Session, cluster_id: &str) -> Result<Option<GroupRow>, StoreError> {
    // No text of PostgreSQL has a NUL, not even one that is only looked for.
    if cluster_id.contains('\0') {
        return Ok(None);
    }
    let sql = format!("select {GROUP} from watch_groups where cluster_id = ?1");
    db.row(&sql, values![cluster_id])?.map(group_row).transpose()
}

fn standing_of(name: &str) -> Result<Standing, StoreError> {
    Standing::from_name(name)
        .ok_or_else(|| StoreError::Unreadable { what: "a group's standing", why: format!("{name:?} is unknown") })
}

fn status_of(name: &str) -> Result<Status, StoreError> {
    Status::ALL
        .into_iter()
        .find(|status| status.name() == name)
        .ok_or_else(|| StoreError::Unreadable { what: "a group's status", why: format!("{name:?} is unknown") })
}

fn group_row(mut row: Row) -> Result<GroupRow, StoreError> {
    let version = |n: i64| {
        u32::try_from(n)
            .map_err(|_| StoreError::Unreadable { what: "a group's version", why: format!("{n} is too large") })
    };
    let decision = match (row.take::<Option<String>>(6)?, row.take(7)?, row.take::<Option<i64>>(8)?, row.take(9)?) {
        (Some(by), Some(at), Some(number), Some(reason)) => {
            Some(Decision { by, at, version: version(number)?, reason })
        }
        _ => None,
    };
    Ok(GroupRow {
        group: Group {
            cluster_id: row.take(0)?,
            version: version(row.take(1)?)?,
            status: status_of(&row.take::<String>(2)?)?,
            standing: standing_of(&row.take::<String>(3)?)?,
            arrived_at: row.take(4)?,
            changed_at: row.take(5)?,
            decision,
        },
        revision: row.take(10)?,
        accounts: row.take(11)?,
        platforms: row.take(12)?,
        kinds: row.take(13)?,
        probability: row.take(14)?,
        log_e: row.take(15)?,
        first_seen: row.take(16)?,
        last_seen: row.take(17)?,
    })
}

/// Stores a group after news, with the newest cluster if it is on the list or was dismissed.
fn put_changed(tx: &mut dyn Session, changed: &Changed, cluster: Option<&ClusterMessage>) -> Result<(), StoreError> {
    let group = &changed.group;
    match cluster {
        Some(cluster) => {
            let kept = group.standing.is_listed() || group.standing == Standing::Dismissed;
            let platforms = presentation::description::platforms(cluster);
            let kinds = presentation::description::kinds_by_nats(cluster);
            tx.run(
                "insert into watch_groups (cluster_id, revision, version, status, standing, place, accounts, platforms, kinds,
                                           probability, log_e, first_seen, last_seen, arrived_at, changed_at, cluster)
                 values (?1, 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
                 on conflict (cluster_id) do update set
                    revision = watch_groups.revision + 1, version = ?2, status = ?3, standing = ?4, place = ?5, accounts = ?6,
                    platforms = ?7, kinds = ?8, probability = ?9, log_e = ?10, first_seen = ?11, last_seen = ?12,
                    arrived_at = ?13, changed_at = ?14, cluster = ?15",
                values![
                    &group.cluster_id,
                    group.version,
                    group.status.name(),
                    group.standing.name(),
                    rank(cluster),
                    i64::try_from(presentation::description::size(cluster)).unwrap_or(i64::MAX),
                    platforms.join(", "),
                    kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", "),
                    cluster.probability.filter(|probability| probability.is_finite()),
                    cluster.log_e,
                    cluster.first_seen,
                    cluster.last_seen,
                    group.arrived_at,
                    group.changed_at,
                    if kept { Some(to_json(cluster)?) } else { None },
                ],
            )?;
            put_decision(tx, group)?;
        }
        None => {
            update_group(tx, group)?;
            if group.standing == Standing::Gone {
                tx.run("update watch_groups set cluster = null where cluster_id = ?1", values![&group.cluster_id])?;
            }
        }
    }
    append_audit(tx, changed.entry.clone().into_iter().collect())
}

fn update_group(tx: &mut dyn Session, group: &Group) -> Result<(), StoreError> {
    tx.run(
        "update watch_groups set revision = revision + 1, standing = ?2, changed_at = ?3 where cluster_id = ?1",
        values![&group.cluster_id, group.standing.name(), group.changed_at],
    )?;
    put_decision(tx, group)
}

fn put_decision(tx: &mut dyn Session, group: &Group) -> Result<(), StoreError> {
    let decision = group.decision.as_ref();
    tx.run(
        "update watch_groups set decided_by = ?2, decided_at = ?3, decided_version = ?4, reason = ?5 where cluster_id = ?1",
        values![
            &group.cluster_id,
            decision.map(|decision| &decision.by),
            decision.map(|decision| decision.at),
            decision.map(|decision| decision.version),
            decision.map(|decision| &decision.reason),
        ],
    )
    .map(drop)
}

/// Deletes what is too much; returns how many.
fn evict(tx: &mut dyn Session, most: usize) -> Result<u64, StoreError> {
    let count: i64 = tx.value("select count(*) from watch_groups", values![])?.unwrap_or(0);
    let surplus = count - i64::try_from(most).unwrap_or(i64::MAX);
    if surplus <= 0 {
        return Ok(0);
    }
    let sql = format!(
        "delete from watch_groups where cluster_id in (
             select cluster_id from watch_groups order by {EVICTED_FIRST} limit {surplus})"
    );
    tx.run(&sql, values![])
}

/// Changes the training labels that reviewers gave to a group, by the entry of what they did.
fn change_labels(
    tx: &mut dyn Session,
    cluster_id: &str,
    change: LabelChange,
    entry: &Entry,
    note: Option<&str>,
) -> Result<(), StoreError> {
    let label = |tx: &mut dyn Session, by: &str, verdict: Option<Verdict>| {
        let note = note.filter(|text| verdict.is_some() && !text.is_empty());
        feedback::put_group_label(tx, cluster_id, by, verdict, note, entry.at)
    };
    match change {
        LabelChange::None => Ok(()),
        LabelChange::Give(verdict) => label(tx, &entry.actor, Some(verdict)),
        LabelChange::TakeBackOwn | LabelChange::TakeBackAll => {
            for by in feedback::group_labels(tx, cluster_id)? {
                if change == LabelChange::TakeBackAll || by == entry.actor {
                    label(tx, &by, None)?;
                }
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
