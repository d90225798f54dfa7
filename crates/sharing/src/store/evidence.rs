//! The posts behind findings, kept for longer than the platforms and the topic of posts keep them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use messages::cluster::ClusterMessage;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{
    Change, Store, StoreError,
    audit_log::append_covering,
    contents::{self, Covers},
    database::{Row, Session, Value, values},
    from_json, to_json,
};
use crate::kept::{KeptPost, KeptPosts};
use casework::{accounts::account_key, audit::Entry};

/// Posts that are evidence in a case under legal hold.
pub(super) const HELD_POSTS: &str =
    "(select e.post from evidence_of_cases e join cases c on c.cluster_id = e.cluster_id where c.held = 1)";
/// Posts in one statement.
const AT_ONCE: usize = 200;
/// Objects read at a time where texts are erased.
const OBJECTS_AT_ONCE: i64 = 200;

/// How much evidence was deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Erased {
    /// Kept posts that were deleted.
    pub posts: u64,
    /// Versions of shared objects that lost the texts of these posts.
    pub objects: u64,
    /// Kept posts that stay, because a case under legal hold has them as evidence.
    pub held: u64,
}

impl Store {
    /// Cases whose newest version's posts were not looked up yet, by their cluster. The one that changed last comes first.
    pub fn evidence_wanted(&self, most: usize) -> Result<Vec<String>, StoreError> {
        self.read(|db| {
            let sql = "select cluster_id from cases where evidence_version is null or evidence_version < indexed
                       order by changed_at desc, cluster_id limit ?1";
            db.rows(sql, values![most])?.into_iter().map(|mut row| row.take(0)).collect()
        })
    }

    /// Keeps posts as evidence of a case that has the revision `seen`. `done` says that all posts of this version were looked up. Returns
    /// how many are kept anew, or nothing where the case was changed in the meantime: accounts may have been withdrawn. Posts that are
    /// known stay as they are, and posts of erased accounts are not kept.
    pub fn keep_evidence(
        &self,
        cluster: &ClusterMessage,
        seen: i64,
        posts: &[KeptPost],
        done: bool,
        now: Timestamp,
    ) -> Result<Option<u64>, StoreError> {
        self.write(|tx| {
            let revision = "select revision from cases where cluster_id = ?1";
            if tx.value::<i64>(revision, values![&cluster.cluster_id])? != Some(seen) {
                return Ok(None);
            }
            let mut kept = 0;
            for post in posts {
                kept += keep_post(tx, post, now)?;
                tx.run(
                    "insert into evidence_of_cases (cluster_id, post)
                     select ?1, post from evidence_posts where post = ?2
                     on conflict (cluster_id, post) do nothing",
                    values![&cluster.cluster_id, digest(&account_key(&post.platform, &post.id))],
                )?;
            }
            if done {
                let sql = "update cases set evidence_version = ?2 where cluster_id = ?1";
                tx.run(sql, values![&cluster.cluster_id, i64::from(cluster.version)])?;
            }
            Ok(Some(kept))
        })
    }

    /// Keeps posts that no case has as evidence yet. Returns how many of them are new. Posts of erased
    /// accounts are not kept.
    pub fn keep_posts(&self, posts: &[KeptPost], now: Timestamp) -> Result<u64, StoreError> {
        self.write(|tx| posts.iter().map(|post| keep_post(tx, post, now)).sum())
    }

    /// The kept posts of these, given as platform and id.
    pub fn kept_posts<'a>(&self, posts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<KeptPosts, StoreError> {
        let keys: BTreeSet<(&str, &str)> = posts.into_iter().collect();
        let keys: Vec<String> = keys.into_iter().map(|(platform, id)| digest(&account_key(platform, id))).collect();
        self.read(|db| {
            let mut found = Vec::new();
            for keys in keys.chunks(AT_ONCE) {
                let sql = format!(
                    "select content, record_sha256, kept_at from evidence_posts where post in ({})",
                    places(keys.len())
                );
                let keys: Vec<Value> = keys.iter().map(Value::from).collect();
                for row in db.rows(&sql, &keys)? {
                    found.push(kept_post(row)?);
                }
            }
            Ok(found.into_iter().collect())
        })
    }

    /// The kept posts of a finding.
    pub fn kept_evidence(&self, cluster: &ClusterMessage) -> Result<KeptPosts, StoreError> {
        let posts = cluster.evidence.iter().flat_map(|evidence| &evidence.posts);
        self.kept_posts(posts.map(|post| (&*post.platform, &*post.id)))
    }

    /// Which of these accounts, given as platform and id, were erased.
    pub fn erased_accounts<'a>(
        &self,
        accounts: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<BTreeSet<(&'a str, &'a str)>, StoreError> {
        let by_digest: BTreeMap<String, (&str, &str)> =
            accounts.into_iter().map(|(platform, id)| (digest(&account_key(platform, id)), (platform, id))).collect();
        let keys: Vec<&String> = by_digest.keys().collect();
        self.read(|db| {
            let mut found = BTreeSet::new();
            for keys in keys.chunks(AT_ONCE) {
                let sql = format!("select account from evidence_erased where account in ({})", places(keys.len()));
                let keys: Vec<Value> = keys.iter().map(|key| Value::from(*key)).collect();
                for mut row in db.rows(&sql, &keys)? {
                    found.extend(by_digest.get(&row.take::<String>(0)?));
                }
            }
            Ok(found)
        })
    }

    /// Deletes posts that were kept before a time and are evidence in no case under legal hold, at most `most` of them, and their texts from all that was
    /// shared with the partners of their platforms. `without_texts` gives a shared object without the
    /// texts of these posts, given by their ids, or nothing if the object has none of them. The audit
    /// entry covers the shared objects in their new form.
    pub fn delete_evidence_before(
        &self,
        time: Timestamp,
        most: usize,
        without_texts: impl Fn(&str, &BTreeSet<String>) -> Option<String>,
        entry: impl FnOnce(Erased) -> Entry,
    ) -> Result<Erased, StoreError> {
        self.write(|tx| {
            let sql = format!(
                "select content, record_sha256, kept_at, post from evidence_posts where kept_at < ?1 and post not in {HELD_POSTS}
                 order by kept_at, post limit ?2"
            );
            let mut of_platform: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            let mut deleted = Erased::default();
            for mut row in tx.rows(&sql, values![time, most])? {
                let key: String = row.take(3)?;
                let KeptPost { platform, id, .. } = kept_post(row)?;
                of_platform.entry(platform).or_default().insert(id);
                tx.run("delete from evidence_of_cases where post = ?1", values![&key])?;
                deleted.posts += tx.run("delete from evidence_posts where post = ?1", values![&key])?;
            }
            let mut found = Vec::new();
            for (platform, ids) in &of_platform {
                found.extend(rewritten_objects(tx, platform, |body| without_texts(body, ids))?);
            }
            deleted.objects = found.len() as u64;
            if deleted.posts > 0 {
                let covers = if found.is_empty() { Covers::default() } else { rewrite(tx, &found)? };
                append_covering(tx, vec![entry(deleted)], covers.text()?)?;
            }
            Ok(deleted)
        })
    }

    /// Erases the posts of an account, and their texts from all that was shared with the platform's partners. They are not kept again.
    /// Posts and objects of cases under legal hold stay.
    /// `without_texts` gives a shared object without the texts of the account's posts, or nothing where it has none. The entry of the audit
    /// log covers the shared objects as they are from then on.
    pub fn erase_evidence(
        &self,
        platform: &str,
        account_id: &str,
        without_texts: impl Fn(&str) -> Option<String>,
        entry: impl FnOnce(Erased) -> Entry,
        now: Timestamp,
    ) -> Result<Erased, StoreError> {
        self.write(|tx| {
            let account = digest(&account_key(platform, account_id));
            tx.run(
                "insert into evidence_erased (account, erased_at) values (?1, ?2) on conflict (account) do nothing",
                values![&account, now],
            )?;
            let (posts, held) = delete_posts_of(tx, &account)?;
            let found = rewritten_objects(tx, platform, without_texts)?;
            let erased = Erased { posts, objects: found.len() as u64, held };
            let covers = if found.is_empty() { Covers::default() } else { rewrite(tx, &found)? };
            append_covering(tx, vec![entry(erased)], covers.text()?)?;
            Ok(erased)
        })
    }

    /// How many posts are kept.
    pub fn kept_posts_count(&self) -> Result<i64, StoreError> {
        self.read(|db| Ok(db.value("select count(*) from evidence_posts", values![])?.unwrap_or(0)))
    }
}

/// Deletes the kept posts of an account, given by its digest, and returns how many. Those of cases under legal hold stay: the second
/// number.
pub(super) fn delete_posts_of(tx: &mut dyn Session, account: &str) -> Result<(u64, u64), StoreError> {
    let posts = format!("select post from evidence_posts where account = ?1 and post not in {HELD_POSTS}");
    tx.run(&format!("delete from evidence_of_cases where post in ({posts})"), values![account])?;
    let sql = format!("delete from evidence_posts where account = ?1 and post not in {HELD_POSTS}");
    let deleted = tx.run(&sql, values![account])?;
    let left: Option<i64> = tx.value("select count(*) from evidence_posts where account = ?1", values![account])?;
    Ok((deleted, left.unwrap_or(0).unsigned_abs()))
}

fn keep_post(tx: &mut dyn Session, post: &KeptPost, now: Timestamp) -> Result<u64, StoreError> {
    tx.run(
        "insert into evidence_posts (post, account, content, record_sha256, kept_at)
         select ?1, ?2, ?3, ?4, cast(?5 as bigint)
         where not exists (select 1 from evidence_erased where account = ?2)
         on conflict (post) do nothing",
        values![
            digest(&account_key(&post.platform, &post.id)),
            digest(&account_key(&post.platform, &post.account_id)),
            to_json(post)?,
            &post.record_sha256,
            now
        ],
    )
}

/// A shared object, and its new body.
pub(super) struct Rewritten {
    pub number: i64,
    pub collection: i64,
    pub date_added: i64,
    pub body: String,
}

/// Objects of the platform's partners that have something to lose, except those of cases under legal hold.
fn rewritten_objects(
    tx: &mut dyn Session,
    platform: &str,
    without_texts: impl Fn(&str) -> Option<String>,
) -> Result<Vec<Rewritten>, StoreError> {
    let sql = "select number, collection, date_added, body from objects
               where type = 'observed-data' and number > ?2
                 and collection in (select collection from partners where platform = ?1)
               order by number limit ?3";
    let held = contents::held_spans(tx)?;
    let (mut found, mut last) = (Vec::new(), i64::MIN);
    loop {
        let rows = tx.rows(sql, values![platform, last, OBJECTS_AT_ONCE])?;
        if rows.is_empty() {
            return Ok(found);
        }
        for mut row in rows {
            last = row.take(0)?;
            let (collection, date_added, body): (i64, i64, String) = (row.take(1)?, row.take(2)?, row.take(3)?);
            if held.iter().any(|span| span.contains(collection, date_added)) {
                continue;
            }
            let body = without_texts(&body);
            found.extend(body.map(|body| Rewritten { number: last, collection, date_added, body }));
        }
    }
}

/// Stores the new bodies, and says what the audit log covers instead.
pub(super) fn rewrite(tx: &mut dyn Session, found: &[Rewritten]) -> Result<Covers, StoreError> {
    let places: Vec<(i64, i64)> = found.iter().map(|one| (one.collection, one.date_added)).collect();
    let rewritten = contents::change_covered(tx, &places, |tx| {
        for Rewritten { number, body, .. } in found {
            tx.run("update objects set body = ?2 where number = ?1", values![*number, body])?;
        }
        Ok(())
    })?;
    for collection in places.iter().map(|place| place.0).collect::<BTreeSet<i64>>() {
        // The ETag of a partner's feed is made of it. No object gets this time.
        tx.run("update collections set last_added = last_added + 1 where number = ?1", values![collection])?;
    }
    Ok(Covers { rewritten, ..Covers::default() })
}

/// Posts of accounts that people withdrew are no evidence in that case any more; those that are evidence in no other case go. A case
/// under legal hold keeps them.
pub(super) fn after_change(tx: &mut dyn Session, change: &Change) -> Result<(), StoreError> {
    let case = &change.stored.case;
    if case.hold.is_some() {
        return Ok(());
    }
    for account in &case.left_out {
        let account = digest(account);
        let posts = "select post from evidence_posts where account = ?1";
        let sql = format!("delete from evidence_of_cases where cluster_id = ?2 and post in ({posts})");
        if tx.run(&sql, values![&account, &case.cluster_id])? > 0 {
            tx.run(
                "delete from evidence_posts where account = ?1 and post not in (select post from evidence_of_cases)",
                values![&account],
            )?;
        }
    }
    Ok(())
}

fn kept_post(mut row: Row) -> Result<KeptPost, StoreError> {
    let post: KeptPost = from_json("a kept post", &row.take::<String>(0)?)?;
    Ok(KeptPost { record_sha256: row.take(1)?, kept_at: row.take(2)?, ..post })
}

/// `?1, ?2, …`.
fn places(count: usize) -> String {
    let places: Vec<String> = (1..=count).map(|n| format!("?{n}")).collect();
    places.join(", ")
}

pub(super) fn digest(text: &str) -> String {
    text_format::hex(&Sha256::digest(text.as_bytes()))
}
