//! The audit log's table. What a seal is: [`casework::audit`].

use std::{collections::BTreeMap, path::Path};

use super::{
    Store, StoreError,
    database::{Row, Session, values},
};
use crate::seals;
use casework::audit::{self, Broken, Entry, Sealed};

/// The audit log of a database, to be checked or exported beside a running service.
pub struct AuditLog(Store);

/// Entries read at a time.
pub(crate) const PAGE: i64 = 1_000;

impl AuditLog {
    /// Opens the log in a database that is there, a file or `postgres://…`, and changes nothing in it. Blocks, as its methods do.
    pub fn open(database: &str) -> Result<Self, StoreError> {
        if !database.starts_with("postgres") && !std::path::Path::new(database).is_file() {
            return Err(StoreError::Open {
                path: database.to_owned(),
                why: "there is no such file; name the configuration of the service with --config".to_owned(),
            });
        }
        Ok(AuditLog(Store::open(database, 2)?))
    }

    /// Checks the whole log: how many entries it has and the last seal, or where it is broken. It must hold the seal `expected`,
    /// where one is given, and the seals of the file that `sharing.audit.seal_file` names.
    pub fn verify(
        &self,
        expected: Option<&str>,
        seal_file: Option<&Path>,
    ) -> Result<Result<(i64, String), Broken>, StoreError> {
        self.0.verify_audit_with(expected, &kept(seal_file)?)
    }

    /// How many entries lost an account by an erasure.
    pub fn redacted(&self) -> Result<u64, StoreError> {
        self.0.redacted_entries()
    }

    /// Writes the entries after `since` as lines that [`audit::verify_export`] checks; returns the last entry written and its seal.
    pub fn export(&self, since: i64, out: &mut impl std::io::Write) -> Result<(i64, String), audit::ExportError> {
        let before = self.seal_of(since)?;
        audit::export_header(out, since, &before)?;
        self.each_from((since, before), |entry| audit::export_entry(out, &entry))
    }

    /// Gives the entries after `since` to `write`, oldest first; returns the last entry and its seal.
    pub fn each_after(
        &self,
        since: i64,
        write: impl FnMut(Sealed) -> std::io::Result<()>,
    ) -> Result<(i64, String), audit::ExportError> {
        self.each_from((since, self.seal_of(since)?), write)
    }

    fn seal_of(&self, seq: i64) -> Result<String, audit::ExportError> {
        let seal = self.0.audit_seal(seq).map_err(std::io::Error::other)?;
        seal.ok_or_else(|| {
            let why = format!("there is no entry {seq} to begin after: lockstep audit verify says how many there are");
            std::io::Error::new(std::io::ErrorKind::NotFound, why).into()
        })
    }

    fn each_from(
        &self,
        mut end: (i64, String),
        mut write: impl FnMut(Sealed) -> std::io::Result<()>,
    ) -> Result<(i64, String), audit::ExportError> {
        loop {
            let page = self.0.audit_after(end.0, PAGE).map_err(std::io::Error::other)?;
            let Some(last) = page.last() else { return Ok(end) };
            end = (last.seq, last.seal.clone());
            page.into_iter().try_for_each(&mut write)?;
        }
    }
}

/// The seals that were kept in a file, by position.
pub(crate) fn kept(seal_file: Option<&Path>) -> Result<BTreeMap<i64, String>, StoreError> {
    let read = |path| seals::read(path).map_err(|why| StoreError::Unreadable { what: "seals kept in a file", why });
    seal_file.map_or(Ok(BTreeMap::new()), read)
}

impl Store {
    /// The history of a case or partner, oldest first.
    pub fn history(&self, subject: &str) -> Result<Vec<Sealed>, StoreError> {
        self.read(|db| {
            let rows = db.rows(
                "select seq, at, actor, subject, action, text, covers, seal from audit where subject = ?1 order by seq",
                values![subject],
            )?;
            rows.into_iter().map(sealed).collect()
        })
    }

    /// At most so many entries after that place in the log, oldest first; none at its end.
    pub fn audit_after(&self, seq: i64, limit: i64) -> Result<Vec<Sealed>, StoreError> {
        self.read(|db| after(db, seq, limit))
    }

    /// Entries before that place in the log, or its last ones, newest first.
    pub fn audit_before(&self, seq: Option<i64>, limit: i64) -> Result<Vec<Sealed>, StoreError> {
        self.read(|db| {
            let rows = db.rows(
                "select seq, at, actor, subject, action, text, covers, seal from audit where seq < ?1 order by seq desc limit ?2",
                values![seq.unwrap_or(i64::MAX), limit],
            )?;
            rows.into_iter().map(sealed).collect()
        })
    }

    /// The seal of an entry; that before the first for 0.
    pub fn audit_seal(&self, seq: i64) -> Result<Option<String>, StoreError> {
        if seq == 0 {
            return Ok(Some(audit::GENESIS.to_owned()));
        }
        self.read(|db| db.value("select seal from audit where seq = ?1", values![seq]))
    }

    /// Position and seal of the last entry.
    pub fn audit_end(&self) -> Result<(i64, String), StoreError> {
        self.read(|db| end_of(db))
    }
}

fn end_of(db: &mut dyn Session) -> Result<(i64, String), StoreError> {
    let last = db.row("select seq, seal from audit order by seq desc limit 1", values![])?;
    last.map_or(Ok((0, audit::GENESIS.to_owned())), |mut row| Ok((row.take(0)?, row.take(1)?)))
}

pub(super) fn after(db: &mut dyn Session, seq: i64, limit: i64) -> Result<Vec<Sealed>, StoreError> {
    let rows = db.rows(
        "select seq, at, actor, subject, action, text, covers, seal from audit where seq > ?1 order by seq limit ?2",
        values![seq, limit],
    )?;
    rows.into_iter().map(sealed).collect()
}

/// Seals entries and puts them at the end.
pub(super) fn append_audit(tx: &mut dyn Session, entries: Vec<Entry>) -> Result<(), StoreError> {
    append_covering(tx, entries, None)
}

/// The same; the last of the entries covers this, as [`super::contents::Covers::text`] writes it.
pub(super) fn append_covering(
    tx: &mut dyn Session,
    entries: Vec<Entry>,
    covers: Option<String>,
) -> Result<(), StoreError> {
    let (mut seq, mut before) = end_of(tx)?;
    let count = entries.len();
    let mut covers = covers;
    for (n, mut entry) in entries.into_iter().enumerate() {
        let covers = if n + 1 == count { covers.take() } else { None };
        // PostgreSQL's text has no NUL, and what was sealed must come back as it was.
        for text in [&mut entry.actor, &mut entry.subject, &mut entry.action, &mut entry.text] {
            if text.contains('\0') {
                *text = text.replace('\0', "\u{fffd}");
            }
        }
        seq += 1;
        let Sealed { entry, covers, seal, .. } = audit::seal(&before, seq, entry, covers);
        tx.run(
            "insert into audit (seq, at, actor, subject, action, text, covers, seal) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            values![seq, entry.at, entry.actor, entry.subject, entry.action, entry.text, covers, &seal],
        )?;
        before = seal;
    }
    Ok(())
}

fn sealed(mut row: Row) -> Result<Sealed, StoreError> {
    Ok(Sealed {
        seq: row.take(0)?,
        entry: Entry {
            at: row.take(1)?,
            actor: row.take(2)?,
            subject: row.take(3)?,
            action: row.take(4)?,
            text: row.take(5)?,
        },
        covers: row.take(6)?,
        seal: row.take(7)?,
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::store::database::{
        Dialect, Value,
        tests::{Place, on_both_databases},
    };

    fn entry(text: &str) -> Entry {
        Entry {
            at: Timestamp::from_microsecond(1_700_000_000_123_456).unwrap(),
            actor: "ann".to_owned(),
            subject: "case-1".to_owned(),
            action: "approved".to_owned(),
            text: text.to_owned(),
        }
    }

    on_both_databases!(fn what_is_exported_verifies_without_the_database, tampering_with_any_field_of_any_row_is_found);

    fn tampering_with_any_field_of_any_row_is_found((_folder, place): Place) {
        let store = Store::open(&place, 4).unwrap();
        let entries = ["one", "twö", "", "four 'quoted' \\ \u{202e}"].map(entry);
        store.write(|tx| append_audit(tx, entries.to_vec())).unwrap();
        let (n, seal) = store.verify_audit(None).unwrap().unwrap();
        assert_eq!(n, 4);
        store
            .write(|tx| match tx.dialect() {
                Dialect::Sqlite => {
                    tx.script("drop trigger audit_is_append_only_1; drop trigger audit_is_append_only_2")
                }
                Dialect::Postgres => tx.script("drop trigger audit_is_append_only on audit"),
            })
            .unwrap();
        let run = |sql: &str, values: &[Value]| store.write(|tx| tx.run(sql, values)).unwrap();
        let found = |what: &str| {
            let broken = matches!(store.verify_audit(Some(&seal)), Ok(Err(_)) | Err(_));
            assert!(broken, "{what}");
        };
        for seq in 1..=4i64 {
            for column in ["actor", "subject", "action", "text", "seal"] {
                let old: String = store
                    .read(|db| db.value(&format!("select {column} from audit where seq = ?1"), values![seq]))
                    .unwrap()
                    .unwrap();
                let update = format!("update audit set {column} = ?2 where seq = ?1");
                // Every character replaced by its neighbour, one left out, one put in.
                for at in 0..=old.chars().count() {
                    let with = |change: fn(&mut Vec<char>, usize)| {
                        let mut chars: Vec<char> = old.chars().collect();
                        change(&mut chars, at);
                        chars.into_iter().collect::<String>()
                    };
                    for new in [
                        with(|chars, at| {
                            if let Some(c) = chars.get_mut(at) {
                                *c = char::from_u32(*c as u32 ^ 1).unwrap();
                            }
                        }),
                        with(|chars, at| {
                            if at < chars.len() {
                                chars.remove(at);
                            }
                        }),
                        with(|chars, at| chars.insert(at, 'x')),
                    ] {
                        if new != old {
                            run(&update, values![seq, &new]);
                            found(&format!("{column} of {seq}: {new}"));
                        }
                    }
                }
                run(&update, values![seq, &old]);
            }
            for bit in 0..62 {
                let flip = "update audit set at = at + ?2 where seq = ?1";
                run(flip, values![seq, 1i64 << bit]);
                found(&format!("at of {seq}, bit {bit}"));
                run(flip, values![seq, -(1i64 << bit)]);
            }
            run("update audit set seq = seq + 100 where seq = ?1", values![seq]);
            found("moved");
            run("update audit set seq = -seq where seq = ?1", values![seq + 100]);
            found("moved before the first");
            run("update audit set seq = ?2 where seq = ?1", values![-seq - 100, seq]);
        }
        assert_eq!(store.verify_audit(Some(&seal)).unwrap().unwrap(), (4, seal.clone()));
        // An entry that stands outside the chain.
        run(
            "insert into audit (seq, at, actor, subject, action, text, seal) values (0, 1, 'a', 'case-1', 'x', 'y', 'z')",
            values![],
        );
        found("put in before the first");
        run("delete from audit where seq = 0", values![]);
        run("delete from audit where seq = 4", values![]);
        found("cut off the end");
        assert!(store.verify_audit(None).unwrap().is_ok(), "which nothing but the kept seal shows");
    }

    fn what_is_exported_verifies_without_the_database((_folder, place): Place) {
        let store = Store::open(&place, 4).unwrap();
        let many: Vec<Entry> = (0..2 * PAGE + 3).map(|n| entry(&format!("step {n}"))).collect();
        store.write(|tx| append_audit(tx, many)).unwrap();
        let end = store.verify_audit(None).unwrap().unwrap();
        let log = AuditLog::open(&place).unwrap();
        for since in [0, 7, end.0] {
            let mut file = Vec::new();
            assert_eq!(log.export(since, &mut file).unwrap(), end);
            let export = audit::verify_export(&mut file.as_slice(), Some(&end.1)).unwrap();
            assert_eq!((export.last, export.seal), end);
        }
        let refused = log.export(end.0 + 1, &mut Vec::new()).unwrap_err().to_string();
        assert!(refused.contains("there is no entry"), "{refused}");
        assert!(AuditLog::open("/nowhere/at/all.sqlite").is_err());
    }
}
