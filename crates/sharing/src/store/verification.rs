//! The check of the audit log and of what it covers.

use std::collections::{BTreeMap, BTreeSet};

use casework::audit::{Broken, Chain, ERASED};

use super::{
    Store, StoreError,
    audit_log::{PAGE, after},
    contents::{Covered, Covers},
    database::{Session, values},
    from_json,
};

impl Store {
    /// Checks the whole audit log, and the contents that it covers: how many entries it has and the last seal, or what is wrong. It must
    /// hold the seal `expected`, where one is given.
    pub fn verify_audit(&self, expected: Option<&str>) -> Result<Result<(i64, String), Broken>, StoreError> {
        self.verify_audit_with(expected, &BTreeMap::new())
    }

    /// How many entries lost an account by an erasure.
    pub fn redacted_entries(&self) -> Result<u64, StoreError> {
        self.read(|db| {
            let sql = "select covers from audit where action = ?1 and covers is not null order by seq";
            let mut entries = BTreeSet::new();
            for mut row in db.rows(sql, values![ERASED])? {
                let covers: Covers = from_json("what an audit entry covers", &row.take::<String>(0)?)?;
                entries.extend(covers.redacted.into_iter().map(|one| one.seq));
            }
            Ok(entries.len() as u64)
        })
    }

    /// The same, and it must hold the seals that were kept elsewhere, by position.
    pub fn verify_audit_with(
        &self,
        expected: Option<&str>,
        kept: &BTreeMap<i64, String>,
    ) -> Result<Result<(i64, String), Broken>, StoreError> {
        let mut checking = Checking { chain: Chain::new().expecting(expected), covered: Covered::default(), kept };
        // What stands outside the chain would be shown in a case's history all the same.
        let before: Option<i64> = self.read(|db| db.value("select count(*) from audit where seq < 1", values![]))?;
        if before != Some(0) {
            return Ok(Err(Broken { seq: 0, what: "there are entries before the first".into() }));
        }
        for _ in 0..UNDISTURBED_TRIES {
            let found = self.read(|db| checking.go_on(db).and_then(|found| checking.compare(db, found)))?;
            // Somebody may have stored something between two statements: then the contents are of different moments.
            if found.is_ok() || self.audit_end()?.0 == checking.chain.len() {
                return Ok(checking.end(found));
            }
        }
        // Nobody stores anything in the meantime.
        let found = self.write(|tx| checking.go_on(tx).and_then(|found| checking.compare(tx, found)))?;
        Ok(checking.end(found))
    }
}

/// How often contents are compared while others store, before everybody has to wait for it.
const UNDISTURBED_TRIES: usize = 3;

/// A check of the log that goes on where it was.
struct Checking<'a> {
    chain: Chain,
    covered: Covered,
    kept: &'a BTreeMap<i64, String>,
}

impl Checking<'_> {
    /// Checks the entries that were not checked yet.
    fn go_on(&mut self, db: &mut dyn Session) -> Result<Result<(), Broken>, StoreError> {
        loop {
            let page = after(db, self.chain.len(), PAGE)?;
            if page.is_empty() {
                return Ok(Ok(()));
            }
            for entry in page {
                let (seq, covers, seal) = (entry.seq, entry.covers.clone(), entry.seal.clone());
                if let Err(broken) = self.chain.check(entry) {
                    return Ok(Err(broken));
                }
                if self.kept.get(&seq).is_some_and(|kept| *kept != seal) {
                    let what =
                        "its seal is not the one that was kept outside of the database: the log was written anew"
                            .into();
                    return Ok(Err(Broken { seq, what }));
                }
                if let Some(Err(error)) = covers.map(|covers| self.covered.take(seq, &covers)) {
                    // What cannot be read was probably changed.
                    return self.chain.redacted().map_or_else(|broken| Ok(Err(broken)), |_| Err(error));
                }
            }
        }
    }

    fn compare(&self, db: &mut dyn Session, found: Result<(), Broken>) -> Result<Result<(), Broken>, StoreError> {
        match found.and_then(|()| self.chain.redacted()) {
            Ok(_) => self.covered.compare(db, self.chain.len()),
            Err(broken) => Ok(Err(broken)),
        }
    }

    fn end(self, found: Result<(), Broken>) -> Result<(i64, String), Broken> {
        found?;
        let len = self.chain.len();
        match self.kept.last_key_value() {
            Some((last, _)) if *last > len => Err(Broken {
                seq: len + 1,
                what: format!(
                    "entries were cut off at the end: the seal of entry {last} was kept outside of the database"
                )
                .into(),
            }),
            _ => self.chain.end(),
        }
    }
}
