//! Erasing an account from everything that the database holds, in one transaction. Cases under legal hold keep it, with
//! their posts, their shared objects and their entries of the audit log.

use std::collections::{BTreeMap, BTreeSet};

use casework::{
    CaseRecord,
    accounts::{account_key, key_of_account},
    audit::{Entry, Redacted, Sealed},
    case::{Case, LegalHold},
};
use messages::{cluster::ClusterMessage, erasure::Erasure};
use serde::Serialize;

use super::{
    Store, StoreError,
    audit_log::{PAGE, after, append_covering},
    cases::{self, cluster_of},
    contents::{self, Covers},
    database::{Dialect, Row, Session, Value, values},
    evidence::{HELD_POSTS, Rewritten, delete_posts_of, digest, rewrite},
    from_json, to_json,
};

/// Rows read at a time.
const AT_ONCE: usize = 200;
/// Cases under legal hold.
const HELD: &str = "(select case_id from cases where held = 1)";
const HELD_CLUSTERS: &str = "(select cluster_id from cases where held = 1)";

/// A case under legal hold that names the account, and so keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeldCase {
    /// The case.
    pub case: String,
    /// The cluster that the case is about.
    pub cluster_id: String,
    /// Who placed the hold, when, and why.
    pub hold: LegalHold,
}

/// What was erased from the database, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ErasedFromStore {
    /// Rows that were changed or deleted, by what they are.
    pub rows: BTreeMap<&'static str, u64>,
    /// Cases that keep the account.
    pub held: Vec<HeldCase>,
}

impl ErasedFromStore {
    fn add(&mut self, what: &'static str, rows: u64) {
        if rows > 0 {
            *self.rows.entry(what).or_default() += rows;
        }
    }
}

/// Texts in a table: its key, which columns have texts that people or programs wrote, and which rows belong to held cases.
struct Texts {
    what: &'static str,
    table: &'static str,
    key: &'static str,
    columns: &'static [&'static str],
    held: &'static str,
}

const TEXTS: [Texts; 8] = [
    Texts { what: "feedback", table: "feedback", key: "number", columns: &["note"], held: "case_id" },
    Texts { what: "withdrawals", table: "retractions", key: "number", columns: &["reason"], held: "case_id" },
    Texts {
        what: "retraction cases",
        table: "retraction_cases",
        key: "number",
        columns: &["reason", "decision"],
        held: "case_id",
    },
    Texts { what: "deliveries", table: "deliveries", key: "number", columns: &["last_outcome"], held: "case_id" },
    Texts { what: "appeals", table: "appeals", key: "number", columns: &["appeal"], held: "cluster_id" },
    Texts { what: "answers to partners", table: "statuses", key: "id", columns: &["body"], held: "" },
    Texts {
        what: "groups of the watch list",
        table: "watch_groups",
        key: "cluster_id",
        columns: &["reason"],
        held: "cluster_id",
    },
    Texts {
        what: "answers about the sample",
        table: "watch_answers",
        key: "cluster_id",
        columns: &["reason"],
        held: "cluster_id",
    },
];

/// Columns that hold an account's id, or a JSON list of ids: table, column, and which rows are about the account's platform.
const IDS: [(&str, &str, &str, &str); 4] = [
    ("shared objects by account", "shared_objects", "account", PARTNERS_COLLECTION),
    ("feedback", "feedback", "account", "platform = ?1"),
    ("withdrawals", "retractions", "accounts", "partner in (select name from partners where platform = ?1)"),
    ("retraction cases", "retraction_cases", "accounts", "platform = ?1"),
];
const PARTNERS_COLLECTION: &str = "collection in (select collection from partners where platform = ?1)";

impl Store {
    /// Learns the account's names from all cases and groups.
    pub fn learn_account(&self, erasure: &mut Erasure) -> Result<(), StoreError> {
        self.read(|db| {
            for sql in [
                "select cluster_id, cluster from cases where cluster_id > ?1 order by cluster_id limit ?2",
                "select cluster_id, released from cases where cluster_id > ?1 and released is not null order by cluster_id limit ?2",
                "select cluster_id, cluster from watch_groups where cluster_id > ?1 and cluster is not null order by cluster_id limit ?2",
            ] {
                each_page(db, sql, |mut row| {
                    let id: String = row.take(0)?;
                    erasure.learn_from(&cluster_of(&row.take::<String>(1)?)?);
                    Ok(id)
                })?;
            }
            Ok(())
        })
    }

    /// Cases that partners have with this account and that are not held, by their cluster, with all accounts that partners have.
    pub fn shared_with_account(&self, erasure: &Erasure) -> Result<Vec<(String, usize)>, StoreError> {
        let key = account_key(erasure.platform(), erasure.id());
        self.read(|db| {
            let mut found = Vec::new();
            let sql = "select cluster_id, life, released from cases
                       where cluster_id > ?1 and held = 0 and released is not null order by cluster_id limit ?2";
            each_page(db, sql, |mut row| {
                let id: String = row.take(0)?;
                let case: Case = from_json("a case", &row.take::<String>(1)?)?;
                let released = cluster_of(&row.take::<String>(2)?)?;
                if case.state.is_shared() && released.accounts.iter().any(|account| key_of_account(account) == key) {
                    found.push((id.clone(), released.accounts.len()));
                }
                Ok(id)
            })?;
            Ok(found)
        })
    }

    /// Who received the account in any case: partners by their collections, and recipients that cases name.
    pub fn received_account(&self, erasure: &Erasure) -> Result<BTreeSet<String>, StoreError> {
        let key = account_key(erasure.platform(), erasure.id());
        self.read(|db| {
            let sql = "select distinct p.name from shared_objects s join partners p on p.collection = s.collection
                       where s.account = ?1 and p.platform = ?2";
            let rows = db.rows(sql, values![erasure.id(), erasure.platform()])?;
            let mut names: BTreeSet<String> =
                rows.into_iter().map(|mut row| row.take(0)).collect::<Result<_, StoreError>>()?;
            let sql = "select cluster_id, life, released from cases where cluster_id > ?1 order by cluster_id limit ?2";
            each_page(db, sql, |mut row| {
                let id: String = row.take(0)?;
                let case: Case = from_json("a case", &row.take::<String>(1)?)?;
                let released: Option<String> = row.take(2)?;
                let released = released.map(|text| cluster_of(&text)).transpose()?;
                let named = released.is_some_and(|cluster| cluster.accounts.iter().any(|a| key_of_account(a) == key));
                if named || case.withdrawn.contains_key(&key) || case.shared_since.contains_key(&key) {
                    names.extend(case.notified.into_iter().flatten().map(|(name, _)| name));
                }
                Ok(id)
            })?;
            Ok(names)
        })
    }

    /// Erases an account. `without_posts` gives a shared object without the account's posts, or nothing if it has none. `entry`
    /// says in the audit log what was erased; without one nothing is changed, and the result is what would be. Where nothing names
    /// the account, no entry is added, unless `elsewhere` says that the account was erased elsewhere.
    pub fn erase_account(
        &self,
        erasure: &Erasure,
        without_posts: impl Fn(&str) -> Option<String>,
        entry: Option<impl FnOnce(&ErasedFromStore) -> Entry>,
        elsewhere: bool,
    ) -> Result<ErasedFromStore, StoreError> {
        self.write(|tx| {
            tx.script("savepoint before_erasure")?;
            let mut erased = ErasedFromStore::default();
            let mut covers = Covers { cases: erase_cases(tx, erasure, &mut erased)?, ..Covers::default() };
            covers.rewritten = erase_objects(tx, erasure, without_posts, &mut erased)?;
            erase_posts(tx, erasure, &mut erased)?;
            erase_groups(tx, erasure, &mut erased)?;
            for (what, table, column, platform) in IDS {
                let rows = erase_ids(tx, erasure, (table, column), platform)?;
                erased.add(what, rows);
            }
            for texts in &TEXTS {
                let rows = erase_texts(tx, erasure, texts)?;
                erased.add(texts.what, rows);
            }
            covers.redacted = erase_from_audit(tx, erasure)?;
            erased.add("entries of the audit log", covers.redacted.len() as u64);
            match entry {
                None => tx.script("rollback to before_erasure")?,
                Some(entry) if !erased.rows.is_empty() || elsewhere => {
                    append_covering(tx, vec![entry(&erased)], covers.text()?)?;
                }
                Some(_) => {}
            }
            Ok(erased)
        })
    }

    /// Overwrites what was deleted in the files of the database.
    pub fn scrub(&self) -> Result<(), StoreError> {
        self.database.scrub()
    }
}

/// Reads rows by pages; `each` gives the key after which the next page begins, as in `?1`; `?2` is the size of a page.
fn each_page(
    db: &mut dyn Session,
    sql: &str,
    mut each: impl FnMut(Row) -> Result<String, StoreError>,
) -> Result<(), StoreError> {
    let mut last = String::new();
    loop {
        let rows = db.rows(sql, values![&last, AT_ONCE])?;
        if rows.is_empty() {
            return Ok(());
        }
        for row in rows {
            last = each(row)?;
        }
    }
}

fn cannot_write(error: serde_json::Error) -> StoreError {
    StoreError::Unreadable { what: "a cluster without the account", why: error.to_string() }
}

/// A case without the account. `None` if the case does not name it.
fn case_without(erasure: &Erasure, record: &CaseRecord) -> Result<Option<CaseRecord>, StoreError> {
    let in_cluster = |cluster: &ClusterMessage| erasure.in_cluster(cluster).map_err(cannot_write);
    let cluster = in_cluster(&record.cluster)?;
    let released = record.released.as_ref().map(in_cluster).transpose()?.flatten();
    let case = erasure.in_json_text(&to_json(&record.case)?);
    if cluster.is_none() && released.is_none() && case.is_none() {
        return Ok(None);
    }
    Ok(Some(CaseRecord {
        case: case.map(|text| from_json("a case", &text)).transpose()?.unwrap_or_else(|| record.case.clone()),
        cluster: cluster.unwrap_or_else(|| record.cluster.clone()),
        released: released.or_else(|| record.released.clone()),
        revision: record.revision,
    }))
}

/// Returns the digests of the cases that were changed.
fn erase_cases(
    tx: &mut dyn Session,
    erasure: &Erasure,
    erased: &mut ErasedFromStore,
) -> Result<BTreeMap<String, String>, StoreError> {
    let mut changed = Vec::new();
    let sql = "select cluster_id, revision, life, cluster, released from cases where cluster_id > ?1 order by cluster_id limit ?2";
    each_page(tx, sql, |mut row| {
        let cluster_id: String = row.take(0)?;
        let record = cases::record(row.take(1)?, &row.take::<String>(2)?, &row.take::<String>(3)?, row.take(4)?)?;
        if let Some(without) = case_without(erasure, &record)? {
            match record.case.hold {
                Some(hold) => erased.held.push(HeldCase { case: record.case.id, cluster_id: cluster_id.clone(), hold }),
                None => changed.push(without),
            }
        }
        Ok(cluster_id)
    })?;
    let mut digests = BTreeMap::new();
    for record in &changed {
        cases::put_case(tx, record)?;
        cases::put_terms(tx, &record.case, &record.cluster)?;
        digests.extend([contents::case(tx, &record.case.cluster_id)?]);
    }
    erased.add("cases", changed.len() as u64);
    Ok(digests)
}

/// Shared objects, and those that partners wrote. Returns what the audit log covers instead.
fn erase_objects(
    tx: &mut dyn Session,
    erasure: &Erasure,
    without_posts: impl Fn(&str) -> Option<String>,
    erased: &mut ErasedFromStore,
) -> Result<Vec<contents::Published>, StoreError> {
    let held = contents::held_spans(tx)?;
    let sql = "select collection from partners where platform = ?1
               union select feedback from partners where platform = ?1 and feedback is not null";
    let rows = tx.rows(sql, values![erasure.platform()])?;
    let own: BTreeSet<i64> = rows.into_iter().map(|mut row| row.take(0)).collect::<Result<_, StoreError>>()?;
    // Besides the objects that were published with a held case: those of earlier versions, and what partners wrote about one.
    let sql = "select number, collection, date_added, body from objects o where number > ?1
        and not exists (select 1 from shared_objects s join cases c on c.case_id = s.case_id
                        where c.held = 1 and s.collection = o.collection and s.object = o.id)
        and not exists (select 1 from feedback f join cases c on c.case_id = f.case_id
                        where c.held = 1 and f.collection = o.collection and f.object = o.id)
        order by number limit ?2";
    let (mut found, mut last) = (Vec::new(), i64::MIN);
    loop {
        let rows = tx.rows(sql, values![last, AT_ONCE])?;
        if rows.is_empty() {
            break;
        }
        for mut row in rows {
            last = row.take(0)?;
            let (collection, date_added, body): (i64, i64, String) = (row.take(1)?, row.take(2)?, row.take(3)?);
            if held.iter().any(|span| span.contains(collection, date_added)) {
                continue;
            }
            // The ids in the feed of another platform are not this account's.
            let (rest, without) = match own.contains(&collection) {
                true => {
                    let rest = without_posts(&body);
                    let without = erasure.in_json_text(rest.as_deref().unwrap_or(&body));
                    (rest, without)
                }
                false => (None, erasure.in_json_text_elsewhere(&body)),
            };
            let body = without.or(rest);
            found.extend(body.map(|body| Rewritten { number: last, collection, date_added, body }));
        }
    }
    erased.add("shared objects", found.len() as u64);
    if found.is_empty() { Ok(Vec::new()) } else { Ok(rewrite(tx, &found)?.rewritten) }
}

/// The account's kept posts, and its names in the kept posts of others.
fn erase_posts(tx: &mut dyn Session, erasure: &Erasure, erased: &mut ErasedFromStore) -> Result<(), StoreError> {
    let account = digest(&account_key(erasure.platform(), erasure.id()));
    let (deleted, _) = delete_posts_of(tx, &account)?;
    erased.add("kept posts", deleted);
    let mut changed = Vec::new();
    let sql = format!(
        "select post, content from evidence_posts where post > ?1 and post not in {HELD_POSTS} order by post limit ?2"
    );
    each_page(tx, &sql, |mut row| {
        let post: String = row.take(0)?;
        let without = erasure.in_json_text(&row.take::<String>(1)?);
        changed.extend(without.map(|content| (post.clone(), content)));
        Ok(post)
    })?;
    for (post, content) in &changed {
        tx.run("update evidence_posts set content = ?2 where post = ?1", values![post, content])?;
    }
    erased.add("kept posts of others", changed.len() as u64);
    Ok(())
}

/// Clusters of the watch list.
fn erase_groups(tx: &mut dyn Session, erasure: &Erasure, erased: &mut ErasedFromStore) -> Result<(), StoreError> {
    let mut changed = Vec::new();
    let sql = format!(
        "select cluster_id, cluster from watch_groups where cluster_id > ?1 and cluster is not null
         and cluster_id not in {HELD_CLUSTERS} order by cluster_id limit ?2"
    );
    each_page(tx, &sql, |mut row| {
        let id: String = row.take(0)?;
        let cluster = cluster_of(&row.take::<String>(1)?)?;
        changed.extend(erasure.in_cluster(&cluster).map_err(cannot_write)?.map(|without| (id.clone(), without)));
        Ok(id)
    })?;
    for (id, cluster) in &changed {
        let accounts = i64::try_from(presentation::description::size(cluster)).unwrap_or(i64::MAX);
        let sql = "update watch_groups set cluster = ?2, accounts = ?3 where cluster_id = ?1";
        tx.run(sql, values![id, to_json(cluster)?, accounts])?;
    }
    erased.add("groups of the watch list", changed.len() as u64);
    Ok(())
}

fn erase_ids(
    tx: &mut dyn Session,
    erasure: &Erasure,
    (table, column): (&str, &str),
    platform: &str,
) -> Result<u64, StoreError> {
    let here = format!("{platform} and case_id not in {HELD}");
    let id = to_json(&erasure.id())?;
    // A single id, or a JSON list of them.
    let sql = format!("select distinct {column} from {table} where {here} and ({column} = ?2 or {column} like '[%')");
    let mut changed = 0;
    for mut row in tx.rows(&sql, values![erasure.platform(), erasure.id()])? {
        let before: String = row.take(0)?;
        let after = match before == erasure.id() {
            true => erasure.token().to_owned(),
            false => before.replace(&id, &to_json(&erasure.token())?),
        };
        if after != before {
            let sql = format!("update {table} set {column} = ?2 where {here} and {column} = ?3");
            changed += tx.run(&sql, values![erasure.platform(), after, before])?;
        }
    }
    Ok(changed)
}

fn erase_texts(tx: &mut dyn Session, erasure: &Erasure, texts: &Texts) -> Result<u64, StoreError> {
    let Texts { table, key, columns, held, .. } = texts;
    let free = match *held {
        "" => String::new(),
        "case_id" => format!("where case_id not in {HELD}"),
        _ => format!("where cluster_id not in {HELD_CLUSTERS}"),
    };
    let mut changed = 0;
    for column in *columns {
        let some = if free.is_empty() { "where" } else { "and" };
        let sql = format!("select {key}, {column} from {table} {free} {some} {column} is not null");
        let mut found = Vec::new();
        for row in tx.rows(&sql, values![])? {
            let [key, Value::Text(text)] = row.values() else { continue };
            found.extend(erasure.in_json_text(text).map(|without| (key.clone(), without)));
        }
        for (of, text) in found {
            changed +=
                tx.run(&format!("update {table} set {column} = ?2 where {key} = ?1"), &[of, Value::Text(text)])?;
        }
    }
    Ok(changed)
}

/// Entries of the audit log. They keep their seals; returns what is left of them, for the entry about the erasure to cover.
fn erase_from_audit(tx: &mut dyn Session, erasure: &Erasure) -> Result<Vec<Redacted>, StoreError> {
    let rows = tx.rows("select case_id from cases where held = 1", values![])?;
    let held: BTreeSet<String> = rows.into_iter().map(|mut row| row.take(0)).collect::<Result<_, StoreError>>()?;
    let (mut changed, mut last) = (Vec::<Sealed>::new(), 0);
    loop {
        let page = after(tx, last, PAGE)?;
        let Some(end) = page.last() else { break };
        last = end.seq;
        for mut sealed in page.into_iter().filter(|sealed| !held.contains(&sealed.entry.subject)) {
            let Entry { actor, subject, text, .. } = &mut sealed.entry;
            let mut named = false;
            for part in [actor, subject, text] {
                if let Some(without) = erasure.in_text(part) {
                    (*part, named) = (without, true);
                }
            }
            changed.extend(named.then_some(sealed));
        }
    }
    if !changed.is_empty() {
        tx.script(match tx.dialect() {
            Dialect::Sqlite => "drop trigger audit_is_append_only_1",
            Dialect::Postgres => "drop trigger audit_is_append_only on audit",
        })?;
        for Sealed { seq, entry, .. } in &changed {
            let sql = "update audit set actor = ?2, subject = ?3, text = ?4 where seq = ?1";
            tx.run(sql, values![*seq, &entry.actor, &entry.subject, &entry.text])?;
        }
        tx.script(match tx.dialect() {
            Dialect::Sqlite => {
                "create trigger audit_is_append_only_1 before update on audit
                 begin select raise(abort, 'the audit log is append-only'); end"
            }
            Dialect::Postgres => {
                "create trigger audit_is_append_only before update or delete on audit
                 for each row execute function audit_is_append_only()"
            }
        })?;
    }
    Ok(changed.iter().map(Redacted::of).collect())
}
