//! Cases, and the one transaction that changes them.

use jiff::Timestamp;
use messages::cluster::Status;

use super::{
    CaseQuery, CaseRow, Change, Store, StoreError, StoredCase,
    audit_log::append_audit,
    database::{Session, Value, values},
    from_json, objects, retractions, to_json,
};

impl Store {
    /// The case about a cluster.
    pub fn case(&self, cluster_id: &str) -> Result<Option<StoredCase>, StoreError> {
        self.read(|db| {
            let row = db.row(
                "select revision, life, cluster, released from cases where cluster_id = ?1",
                values![cluster_id],
            )?;
            let Some(mut row) = row else {
                return Ok(None);
            };
            let released: Option<String> = row.take(3)?;
            Ok(Some(StoredCase {
                case: from_json("a case", &row.take::<String>(1)?)?,
                cluster: from_json("a cluster", &row.take::<String>(2)?)?,
                released: released.map(|text| from_json("a cluster", &text)).transpose()?,
                revision: row.take(0)?,
            }))
        })
    }

    /// Cases, and how many there are without paging.
    pub fn cases(&self, query: &CaseQuery) -> Result<(Vec<CaseRow>, usize), StoreError> {
        let mut filter = Vec::new();
        let mut values: Vec<Value> = Vec::new();
        if let Some(state) = query.state {
            values.push(state.name().into());
            filter.push(format!("state = ?{}", values.len()));
        }
        if let Some(status) = &query.status {
            values.push(status.into());
            filter.push(format!("status = ?{}", values.len()));
        }
        let filter = if filter.is_empty() { String::new() } else { format!("where {}", filter.join(" and ")) };
        self.read(|db| {
            let total: i64 = db.value(&format!("select count(*) from cases {filter}"), &values)?.unwrap_or(0);
            let page = format!(
                "select cluster_id, case_id, state, status, demo, probability, log_e, accounts, platforms, kinds,
                        first_seen, last_seen, changed_at
                 from cases {filter} order by changed_at desc, cluster_id limit {} offset {}",
                query.limit, query.offset
            );
            let rows = db.rows(&page, &values)?.into_iter().map(|mut row| {
                Ok(CaseRow {
                    cluster_id: row.take(0)?,
                    case_id: row.take(1)?,
                    state: row.take(2)?,
                    status: row.take(3)?,
                    demo: row.take(4)?,
                    probability: row.take(5)?,
                    log_e: row.take(6)?,
                    accounts: row.take(7)?,
                    platforms: row.take(8)?,
                    kinds: row.take(9)?,
                    first_seen: row.take(10)?,
                    last_seen: row.take(11)?,
                    changed_at: row.take(12)?,
                })
            });
            Ok((rows.collect::<Result<_, StoreError>>()?, total as usize))
        })
    }

    /// How many cases there are in each state.
    pub fn cases_by_state(&self) -> Result<Vec<(String, i64)>, StoreError> {
        self.read(|db| {
            let rows = db.rows("select state, count(*) from cases group by state", values![])?;
            rows.into_iter().map(|mut row| Ok((row.take(0)?, row.take(1)?))).collect()
        })
    }

    /// Stores changes in one transaction; returns how many objects were added.
    pub fn commit(&self, changes: &[Change], now: Timestamp) -> Result<usize, StoreError> {
        self.write(|tx| {
            let mut added = 0;
            for change in changes {
                put_case(tx, &change.stored)?;
                append_audit(tx, change.entries.clone())?;
                for (collection, objects) in &change.publish {
                    let demo = change.stored.case.demo;
                    let before = retractions::last_added(tx, *collection)?;
                    added += objects::publish(tx, *collection, objects, demo, now.as_microsecond())?;
                    let due = self.retraction_due;
                    retractions::after_publish(tx, change, *collection, objects, before, due, now)?;
                }
                retractions::after_change(tx, change)?;
            }
            Ok(added)
        })
    }
}

fn put_case(tx: &mut dyn Session, stored: &StoredCase) -> Result<(), StoreError> {
    let StoredCase { case, cluster, released, revision } = stored;
    let mut platforms: Vec<&str> = cluster.accounts.iter().map(|a| &*a.platform).collect();
    platforms.sort_unstable();
    platforms.dedup();
    let kinds = crate::words::kinds_by_nats(cluster);
    let changed = tx.run(
        "insert into cases (cluster_id, case_id, revision, state, status, demo, probability, log_e, accounts, platforms,
                            kinds, first_seen, last_seen, changed_at, life, cluster, released)
         values (?1, ?2, 1, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
         on conflict (cluster_id) do update set
            revision = cases.revision + 1, state = ?4, status = ?5, demo = ?6, probability = ?7, log_e = ?8, accounts = ?9,
            platforms = ?10, kinds = ?11, first_seen = ?12, last_seen = ?13, changed_at = ?14, life = ?15,
            cluster = ?16, released = ?17
         where cases.revision = ?3",
        values![
            &case.cluster_id,
            &case.id,
            *revision,
            case.state.name(),
            status_name(cluster.status),
            case.demo,
            cluster.probability,
            cluster.log_e,
            cluster.accounts.len(),
            platforms.join(", "),
            kinds.join(", "),
            cluster.first_seen,
            cluster.last_seen,
            case.changed_at,
            to_json(case)?,
            to_json(cluster)?,
            released.as_ref().map(to_json).transpose()?,
        ],
    )?;
    if changed == 0 {
        return Err(StoreError::Conflict(case.id.clone()));
    }
    Ok(())
}

pub(crate) fn status_name(status: Status) -> &'static str {
    match status {
        Status::Flagged => "flagged",
        Status::SingleSource => "single_source",
        Status::Coordinated => "coordinated",
        Status::Faded => "faded",
    }
}
