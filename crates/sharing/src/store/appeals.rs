//! Appeals of accounts that a case names. What follows from them: [`casework::appeal`].

use jiff::Timestamp;

use super::{
    Change, Store, StoreError,
    audit_log::append_audit,
    cases,
    database::{Session, values},
    from_json, to_json,
};
use casework::{appeal::Appeal, audit::Entry};

impl Store {
    /// The number of the next appeal.
    pub fn next_appeal(&self) -> Result<i64, StoreError> {
        self.read(|db| Ok(db.value("select coalesce(max(number), 0) + 1 from appeals", values![])?.unwrap_or(1)))
    }

    /// Stores a new appeal with what it changes of its case: together or not at all.
    pub fn add_appeal(&self, appeal: &Appeal, change: &Change, now: Timestamp) -> Result<(), StoreError> {
        self.write(|tx| {
            let known = tx.row("select 1 from appeals where number = ?1", values![appeal.number])?;
            if known.is_some() {
                return Err(StoreError::Conflict(appeal.case.clone()));
            }
            put(tx, appeal)?;
            cases::commit_in(tx, std::slice::from_ref(change), self.retraction_due, now).map(drop)
        })
    }

    /// Stores the outcome of an open appeal, with what it changes of the case. Returns how many objects were added.
    pub fn end_appeal(
        &self,
        appeal: &Appeal,
        entry: Entry,
        change: Option<&Change>,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        self.write(|tx| {
            let open = tx.row("select 1 from appeals where number = ?1 and decided = 0", values![appeal.number])?;
            if open.is_none() {
                return Err(StoreError::Conflict(appeal.case.clone()));
            }
            put(tx, appeal)?;
            append_audit(tx, vec![entry])?;
            match change {
                Some(change) => cases::commit_in(tx, std::slice::from_ref(change), self.retraction_due, now),
                None => Ok(0),
            }
        })
    }

    /// Open appeals, the first due first; with `all` the decided ones too.
    pub fn appeals(&self, all: bool) -> Result<Vec<Appeal>, StoreError> {
        let filter = if all { "" } else { "where decided = 0" };
        self.read(|db| {
            let sql = format!("select appeal from appeals {filter} order by decided, due, number");
            let rows = db.rows(&sql, values![])?.into_iter();
            rows.map(|mut row| from_json("an appeal", &row.take::<String>(0)?)).collect()
        })
    }

    /// Open appeals of accounts in the case about a cluster.
    pub fn open_appeals_of(&self, cluster_id: &str) -> Result<Vec<Appeal>, StoreError> {
        if cluster_id.contains('\0') {
            return Ok(Vec::new());
        }
        self.read(|db| {
            let sql = "select appeal from appeals where cluster_id = ?1 and decided = 0 order by number";
            let rows = db.rows(sql, values![cluster_id])?.into_iter();
            rows.map(|mut row| from_json("an appeal", &row.take::<String>(0)?)).collect()
        })
    }

    /// How many appeals are open, and how many of these are overdue.
    pub fn appeal_counts(&self, now: Timestamp) -> Result<(i64, i64), StoreError> {
        self.read(|db| {
            let open = "select count(*) from appeals where decided = 0";
            let overdue = "select count(*) from appeals where decided = 0 and due <= ?1";
            Ok((db.value(open, values![])?.unwrap_or(0), db.value(overdue, values![now])?.unwrap_or(0)))
        })
    }
}

fn put(tx: &mut dyn Session, appeal: &Appeal) -> Result<(), StoreError> {
    tx.run(
        "insert into appeals (number, cluster_id, due, decided, appeal) values (?1, ?2, ?3, ?4, ?5)
         on conflict (number) do update set decided = ?4, appeal = ?5",
        values![appeal.number, &appeal.cluster_id, appeal.due, appeal.outcome.is_some(), to_json(appeal)?],
    )
    .map(drop)
}

#[cfg(test)]
mod tests {
    use casework::{
        CaseRecord,
        appeal::{AppealOutcome, NewAppeal},
        case::Case,
    };
    use jiff::SignedDuration;
    use presentation::fixtures;

    use super::*;
    use crate::store::database::tests::{Place, on_both_databases};

    on_both_databases!(fn an_appeal_is_stored_with_its_case_and_decided_once);

    fn an_appeal_is_stored_with_its_case_and_decided_once((_folder, place): Place) {
        let store = Store::open(&place, 4).unwrap();
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let cluster = fixtures::cluster("a", 1);
        let (case, _) = Case::nominate("a", 1, now);
        let change = |record: CaseRecord, entries| Change { stored: record, entries, publish: Vec::new(), label: None };
        let record = CaseRecord { case, cluster, released: None, revision: 0 };
        store.commit(&[change(record, Vec::new())], now).unwrap();
        let mut record = store.case("a").unwrap().unwrap();
        let stale = record.clone();
        let account = record.cluster.accounts[0].clone();
        let new = NewAppeal {
            platform: account.platform,
            account_id: account.account_id,
            from: "Jo".to_owned(),
            text: "mine".to_owned(),
        };
        let due = now + SignedDuration::from_hours(24);
        let number = store.next_appeal().unwrap();
        let (appeal, entry) = new.record(&mut record, (number, due), "ann", now).unwrap();
        store.add_appeal(&appeal, &change(record, vec![entry.clone()]), now).unwrap();
        // Two at a time: neither the number nor the case is what the second has seen.
        let second = Appeal { number: 2, ..appeal.clone() };
        let late = store.add_appeal(&second, &change(stale, vec![entry]), now);
        assert!(matches!(late, Err(StoreError::Conflict(_))), "{late:?}");
        assert_eq!(store.open_appeals_of("a").unwrap(), std::slice::from_ref(&appeal));
        assert_eq!((store.next_appeal().unwrap(), store.appeal_counts(now).unwrap()), (2, (1, 0)));
        assert_eq!(store.appeal_counts(due).unwrap(), (1, 1));
        let outcome = AppealOutcome { upheld: false, by: "eve".to_owned(), at: now, reason: "x".to_owned() };
        let decided = Appeal { outcome: Some(outcome), ..appeal };
        let entry = store.case("a").unwrap().unwrap().case.entry("eve", "appeal_decided", "x".to_owned(), now);
        store.end_appeal(&decided, entry.clone(), None, now).unwrap();
        assert!(matches!(store.end_appeal(&decided, entry, None, now), Err(StoreError::Conflict(_))));
        assert!(store.appeals(false).unwrap().is_empty() && store.open_appeals_of("a\u{0}").unwrap().is_empty());
        assert_eq!(store.appeals(true).unwrap(), [decided]);
        assert!(store.verify_audit(None).unwrap().is_ok());
    }
}
