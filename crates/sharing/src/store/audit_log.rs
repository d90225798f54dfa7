//! The audit log's table. What a seal is: [`crate::audit`].

use super::{
    Store, StoreError,
    database::{Row, Session, values},
};
use crate::audit::{self, Broken, Chain, Entry, Sealed};

/// Entries read at a time.
const PAGE: usize = 1_000;

impl Store {
    /// The history of a case or partner, oldest first.
    pub fn history(&self, subject: &str) -> Result<Vec<Sealed>, StoreError> {
        self.read(|db| {
            let rows = db.rows(
                "select seq, at, actor, subject, action, text, seal from audit where subject = ?1 order by seq",
                values![subject],
            )?;
            rows.into_iter().map(sealed).collect()
        })
    }

    /// Entries after that place in the log, oldest first, a page at a time; none at its end.
    pub fn audit_after(&self, seq: i64) -> Result<Vec<Sealed>, StoreError> {
        self.read(|db| {
            let rows = db.rows(
                "select seq, at, actor, subject, action, text, seal from audit where seq > ?1 order by seq limit ?2",
                values![seq, PAGE],
            )?;
            rows.into_iter().map(sealed).collect()
        })
    }

    /// Entries before that place in the log, or its last ones, newest first.
    pub fn audit_before(&self, seq: Option<i64>, limit: i64) -> Result<Vec<Sealed>, StoreError> {
        self.read(|db| {
            let rows = db.rows(
                "select seq, at, actor, subject, action, text, seal from audit where seq < ?1 order by seq desc limit ?2",
                values![seq.unwrap_or(i64::MAX), limit],
            )?;
            rows.into_iter().map(sealed).collect()
        })
    }

    /// Checks the whole audit log: how many entries it has and the last seal, or where it is broken.
    pub fn verify_audit(&self) -> Result<Result<(i64, String), Broken>, StoreError> {
        let mut chain = Chain::new();
        loop {
            let page = self.audit_after(chain.len())?;
            if page.is_empty() {
                return Ok(Ok(chain.end()));
            }
            for entry in page {
                if let Err(broken) = chain.check(entry) {
                    return Ok(Err(broken));
                }
            }
        }
    }
}

/// Seals entries and puts them at the end.
pub(super) fn append_audit(tx: &mut dyn Session, entries: Vec<Entry>) -> Result<(), StoreError> {
    let last = tx.row("select seq, seal from audit order by seq desc limit 1", values![])?;
    let (mut seq, mut before) = match last {
        Some(mut row) => (row.take(0)?, row.take(1)?),
        None => (0, audit::GENESIS.to_owned()),
    };
    for mut entry in entries {
        // PostgreSQL's text has no NUL, and what was sealed must come back as it was.
        for text in [&mut entry.actor, &mut entry.subject, &mut entry.action, &mut entry.text] {
            if text.contains('\0') {
                *text = text.replace('\0', "\u{fffd}");
            }
        }
        seq += 1;
        let Sealed { entry, seal, .. } = audit::seal(&before, seq, entry);
        tx.run(
            "insert into audit (seq, at, actor, subject, action, text, seal) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            values![seq, entry.at, entry.actor, entry.subject, entry.action, entry.text, &seal],
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
        seal: row.take(6)?,
    })
}
