//! What entries of the audit log say of the contents of the database: digests of cases as they are from then on, of the objects that were
//! added for whom, and of the keys. The seal of an entry covers them, so an edited case, object or key is noticed.

use std::collections::BTreeMap;

use casework::audit::{Broken, Entry, Redacted};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    Store, StoreError,
    audit_log::append_covering,
    database::{Row, Session, Value, values},
    from_json, to_json,
};

/// Cases in one entry, where an entry covers what was stored before entries covered anything.
const CASES_AT_ONCE: i64 = 500;
/// Entries read at a time.
const ENTRIES_AT_ONCE: i64 = 500;

/// What an entry covers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Covers {
    /// SHA-256 of each case, by its id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub cases: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<Published>,
    /// Objects that earlier entries cover, as they are since texts were erased from them or some of them were deleted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rewritten: Vec<Published>,
    /// What is left of earlier entries from which an account was erased.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub redacted: Vec<Redacted>,
    /// Cases that were deleted because they are old, by their ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deleted: Vec<String>,
    /// SHA-256 of all API keys of partners.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<String>,
    /// SHA-256 of all tokens for the JSON API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<String>,
}

/// Objects that were added to a partner's collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Published {
    /// The partner.
    pub to: String,
    /// Number of its collection.
    pub collection: i64,
    /// They are those with a `date_added` after this one, in microseconds,
    pub after: i64,
    /// up to this one.
    pub until: i64,
    pub objects: u64,
    pub sha256: String,
}

impl Covers {
    /// As entries hold it. `None` if nothing is covered.
    pub fn text(&self) -> Result<Option<String>, StoreError> {
        if *self == Covers::default() { Ok(None) } else { to_json(self).map(Some) }
    }
}

impl Published {
    /// Whether an object with this `date_added` in that collection is one of them.
    pub fn contains(&self, collection: i64, date_added: i64) -> bool {
        collection == self.collection && date_added > self.after && date_added <= self.until
    }
}

/// Digest of rows: of each the JSON array of its columns, on a line of its own.
struct Rows {
    hash: Sha256,
    count: u64,
}

impl Rows {
    fn new() -> Self {
        Self { hash: Sha256::new(), count: 0 }
    }

    fn add(&mut self, columns: &[Value]) -> Result<(), StoreError> {
        let columns: Vec<serde_json::Value> = columns
            .iter()
            .map(|column| match column {
                Value::Null => serde_json::Value::Null,
                Value::Int(number) => (*number).into(),
                Value::Real(number) => (*number).into(),
                Value::Text(text) => text.as_str().into(),
                Value::Blob(bytes) => text_format::hex(bytes).into(),
            })
            .collect();
        self.hash.update(to_json(&columns)?.as_bytes());
        self.hash.update(b"\n");
        self.count += 1;
        Ok(())
    }

    fn of(rows: Vec<Row>) -> Result<Self, StoreError> {
        let mut digest = Self::new();
        rows.iter().try_for_each(|row| digest.add(row.values()))?;
        Ok(digest)
    }

    fn end(self) -> String {
        text_format::hex(&self.hash.finalize())
    }
}

const CASE: &str = "case_id, cluster_id, state, status, demo, life, cluster, released";

fn case_digest(columns: &[Value]) -> Result<String, StoreError> {
    let mut digest = Rows::new();
    digest.add(columns)?;
    Ok(digest.end())
}

/// Id and digest of a case.
pub(super) fn case(tx: &mut dyn Session, cluster_id: &str) -> Result<(String, String), StoreError> {
    let row = tx.row(&format!("select {CASE} from cases where cluster_id = ?1"), values![cluster_id])?;
    let mut row = row.ok_or_else(|| StoreError::Conflict(cluster_id.to_owned()))?;
    let digest = case_digest(row.values())?;
    Ok((row.take(0)?, digest))
}

/// The objects of a collection in a span of time; none where there are none.
pub(super) fn published(
    tx: &mut dyn Session,
    collection: i64,
    after: i64,
    until: i64,
) -> Result<Option<Published>, StoreError> {
    let to: Option<String> = tx.value("select name from partners where collection = ?1", values![collection])?;
    let digest = objects(tx, collection, after, until)?;
    if digest.count == 0 {
        return Ok(None);
    }
    let objects = digest.count;
    Ok(Some(Published { to: to.unwrap_or_default(), collection, after, until, objects, sha256: digest.end() }))
}

/// Whether objects are still as an entry covers them.
pub(super) fn is_unchanged(tx: &mut dyn Session, published: &Published) -> Result<bool, StoreError> {
    let digest = objects(tx, published.collection, published.after, published.until)?;
    Ok(digest.count == published.objects && digest.end() == published.sha256)
}

/// The spans of objects that the entries about a subject cover.
pub(super) fn spans_of(tx: &mut dyn Session, subject: &str) -> Result<Vec<Published>, StoreError> {
    let rows =
        tx.rows("select covers from audit where subject = ?1 and covers is not null order by seq", values![subject])?;
    let mut spans = Vec::new();
    for mut row in rows {
        let covers: Covers = from_json("what an audit entry covers", &row.take::<String>(0)?)?;
        spans.extend(covers.published);
    }
    Ok(spans)
}

/// The spans of objects that were shared of cases under legal hold.
pub(super) fn held_spans(tx: &mut dyn Session) -> Result<Vec<Published>, StoreError> {
    let mut spans = Vec::new();
    for mut row in tx.rows("select case_id from cases where held = 1 order by case_id", values![])? {
        spans.extend(spans_of(tx, &row.take::<String>(0)?)?);
    }
    Ok(spans)
}

/// Changes objects at these places (collection and `date_added`), and says what the audit log covers instead. What was changed outside of
/// the service before is not covered anew: the check of the log goes on to find it.
pub(super) fn change_covered(
    tx: &mut dyn Session,
    places: &[(i64, i64)],
    change: impl FnOnce(&mut dyn Session) -> Result<(), StoreError>,
) -> Result<Vec<Published>, StoreError> {
    let covered = Covered::read(tx)?;
    let mut whole = Vec::new();
    for published in covered.published() {
        if places.iter().any(|(collection, at)| published.contains(*collection, *at)) && is_unchanged(tx, published)? {
            whole.push(published.clone());
        }
    }
    change(tx)?;
    let as_now = |covered: Published| {
        let digest = objects(tx, covered.collection, covered.after, covered.until)?;
        Ok(Published { objects: digest.count, sha256: digest.end(), ..covered })
    };
    whole.into_iter().map(as_now).collect()
}

fn objects(tx: &mut dyn Session, collection: i64, after: i64, until: i64) -> Result<Rows, StoreError> {
    Rows::of(tx.rows(
        "select date_added, id, type, spec_version, version, body from objects
         where collection = ?1 and date_added > ?2 and date_added <= ?3 order by date_added, number",
        values![collection, after, until],
    )?)
}

pub(super) fn keys(tx: &mut dyn Session) -> Result<String, StoreError> {
    let sql = "select key_id, partner, hash, created_at, expires_at, revoked_at from api_keys order by key_id";
    Ok(Rows::of(tx.rows(sql, values![])?)?.end())
}

pub(super) fn tokens(tx: &mut dyn Session) -> Result<String, StoreError> {
    let sql =
        "select token_id, owner, service, scopes, hash, created_at, created_by, expires_at, revoked_at from api_tokens
               order by token_id";
    Ok(Rows::of(tx.rows(sql, values![])?)?.end())
}

/// What the entries of a log cover in the end.
#[derive(Default)]
pub(super) struct Covered {
    /// Whether any entry covers anything; a log of an earlier version does not.
    any: bool,
    cases: BTreeMap<String, (i64, String)>,
    published: Vec<(i64, Published)>,
    keys: Option<(i64, String)>,
    tokens: Option<(i64, String)>,
}

impl Covered {
    /// What the whole log of a database covers; whether the log itself is whole is not checked.
    pub fn read(db: &mut dyn Session) -> Result<Self, StoreError> {
        let (mut covered, mut last) = (Self::default(), i64::MIN);
        loop {
            let page = "select seq, covers from audit where covers is not null and seq > ?1 order by seq limit ?2";
            let rows = db.rows(page, values![last, ENTRIES_AT_ONCE])?;
            if rows.is_empty() {
                return Ok(covered);
            }
            for mut row in rows {
                last = row.take(0)?;
                covered.take(last, &row.take::<String>(1)?)?;
            }
        }
    }

    /// The objects that entries cover, by partner and time.
    pub fn published(&self) -> impl Iterator<Item = &Published> {
        self.published.iter().map(|(_, published)| published)
    }

    pub fn take(&mut self, seq: i64, covers: &str) -> Result<(), StoreError> {
        let covers: Covers = from_json("what an audit entry covers", covers)?;
        self.any = true;
        self.cases.extend(covers.cases.into_iter().map(|(case, digest)| (case, (seq, digest))));
        for case in &covers.deleted {
            self.cases.remove(case);
        }
        self.published.extend(covers.published.into_iter().map(|published| (seq, published)));
        for new in covers.rewritten {
            let is_same =
                |old: &Published| (old.collection, old.after, old.until) == (new.collection, new.after, new.until);
            match self.published.iter_mut().find(|(_, old)| is_same(old)) {
                Some(published) => *published = (seq, new),
                // Nobody was told of them: there are more objects than entries tell of, which the comparison finds.
                None => self.published.push((seq, new)),
            }
        }
        self.keys = covers.keys.map(|digest| (seq, digest)).or(self.keys.take());
        self.tokens = covers.tokens.map(|digest| (seq, digest)).or(self.tokens.take());
        Ok(())
    }

    /// Compares with what is stored. `Err` inside says what differs.
    pub fn compare(&self, db: &mut dyn Session, end: i64) -> Result<Result<(), Broken>, StoreError> {
        if !self.any {
            return Ok(Ok(()));
        }
        let broken = |seq: i64, what: String| Ok(Err(Broken { seq, what: what.into() }));
        let mut found = 0;
        let mut last = String::new();
        loop {
            let page = format!("select {CASE} from cases where case_id > ?1 order by case_id limit ?2");
            let rows = db.rows(&page, values![&last, CASES_AT_ONCE])?;
            if rows.is_empty() {
                break;
            }
            for mut row in rows {
                let digest = case_digest(row.values())?;
                last = row.take(0)?;
                found += 1;
                match self.cases.get(&last) {
                    Some((_, covered)) if *covered == digest => {}
                    Some((seq, _)) => {
                        return broken(*seq, format!("case {last} was changed outside of the service since then"));
                    }
                    None => {
                        return broken(
                            end,
                            format!("no entry tells of case {last}: it was put in outside of the service"),
                        );
                    }
                }
            }
        }
        if found != self.cases.len() {
            return broken(end, format!("{} cases are gone that entries tell of", self.cases.len() - found));
        }
        let mut counts: BTreeMap<i64, u64> = BTreeMap::new();
        for (seq, published) in &self.published {
            *counts.entry(published.collection).or_default() += published.objects;
            if !is_unchanged(db, published)? {
                return broken(
                    *seq,
                    format!(
                        "objects that were shared with {} were changed outside of the service since then",
                        published.to
                    ),
                );
            }
        }
        for mut row in db.rows(
            "select p.name, p.collection, (select count(*) from objects o where o.collection = p.collection) from partners p order by p.name",
            values![],
        )? {
            let (name, collection, stored): (String, i64, i64) = (row.take(0)?, row.take(1)?, row.take(2)?);
            if counts.get(&collection).copied().unwrap_or_default() != stored.unsigned_abs() {
                return broken(end, format!("the collection of {name} has objects that no entry tells of"));
            }
        }
        for (what, covered, digest) in [("API keys", &self.keys, keys(db)?), ("tokens", &self.tokens, tokens(db)?)] {
            if let Some((seq, covered)) = covered
                && *covered != digest
            {
                return broken(*seq, format!("{what} were changed outside of the service since then"));
            }
        }
        Ok(Ok(()))
    }
}

/// Entries that cover anything.
const COVERING: &str = "audit where covers is not null";

fn has_rows(db: &mut dyn Session, from: &str) -> Result<bool, StoreError> {
    let found: Option<i64> =
        db.value(&format!("select count(*) from (select 1 as n from {from} limit 1) t"), values![])?;
    Ok(found == Some(1))
}

impl Store {
    /// Covers what was stored before entries covered anything, once. Returns whether there was any.
    pub fn cover_contents(&self, now: Timestamp) -> Result<bool, StoreError> {
        if self.read(|db| has_rows(db, COVERING))? {
            return Ok(false);
        }
        self.write(|tx| {
            if has_rows(tx, COVERING)? {
                return Ok(false);
            }
            let mut all: Vec<Covers> = Vec::new();
            let mut last = String::new();
            loop {
                let page = format!("select {CASE} from cases where case_id > ?1 order by case_id limit ?2");
                let rows = tx.rows(&page, values![&last, CASES_AT_ONCE])?;
                let mut covers = Covers::default();
                for mut row in rows {
                    let digest = case_digest(row.values())?;
                    last = row.take(0)?;
                    covers.cases.insert(last.clone(), digest);
                }
                if covers.cases.is_empty() {
                    break;
                }
                all.push(covers);
            }
            let mut rest = Covers::default();
            for mut row in tx.rows("select p.collection, c.last_added from partners p join collections c on c.number = p.collection order by p.name", values![])? {
                rest.published.extend(published(tx, row.take(0)?, i64::MIN, row.take(1)?)?);
            }
            if has_rows(tx, "api_keys")? {
                rest.keys = Some(keys(tx)?);
            }
            if has_rows(tx, "api_tokens")? {
                rest.tokens = Some(tokens(tx)?);
            }
            if rest != Covers::default() {
                all.push(rest);
            }
            for covers in &all {
                let text = "the log covers the contents of the database from here on; what was changed before does not show";
                let entry = Entry {
                    at: now,
                    actor: "lockstep".to_owned(),
                    subject: "database".to_owned(),
                    action: "contents_covered".to_owned(),
                    text: text.to_owned(),
                };
                append_covering(tx, vec![entry], covers.text()?)?;
            }
            Ok(!all.is_empty())
        })
    }
}

#[cfg(test)]
impl Store {
    /// Runs a statement beside the service.
    pub fn on_everything(&self, sql: &str) {
        self.write(|tx| tx.run(sql, values![])).unwrap();
    }

    /// The only number that a query gives.
    pub fn number(&self, sql: &str) -> i64 {
        self.read(|db| db.value(sql, values![])).unwrap().unwrap()
    }

    /// Adds an entry to the audit log.
    pub fn append_for_tests(&self, entry: Entry) {
        self.write(|tx| append_covering(tx, vec![entry], None)).unwrap();
    }

    /// Removes what keeps a log from being changed, as whoever may write to the database can.
    pub fn without_protection_of_the_log(&self) {
        use super::database::Dialect;
        self.write(|tx| match tx.dialect() {
            Dialect::Sqlite => tx.script("drop trigger audit_is_append_only_1; drop trigger audit_is_append_only_2"),
            Dialect::Postgres => tx.script("drop trigger audit_is_append_only on audit"),
        })
        .unwrap();
    }
}
