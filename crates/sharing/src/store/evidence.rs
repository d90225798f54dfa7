//! The posts behind findings, kept for longer than the platforms and the topic of posts keep them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use messages::cluster::ClusterMessage;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{
    Change, Store, StoreError,
    audit_log::append_audit,
    database::{Row, Session, Value, values},
    from_json, to_json,
};
use crate::kept::{KeptPost, KeptPosts};
use casework::{accounts::account_key, audit::Entry};

/// Posts in one statement.
const AT_ONCE: usize = 200;

/// What was erased of an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Erased {
    /// Kept posts that were deleted.
    pub posts: u64,
    /// Versions of published objects that lost the texts of the account's posts.
    pub objects: u64,
}

impl Store {
    /// Cases whose newest version's posts were not looked up yet, by their cluster.
    pub fn evidence_wanted(&self, most: usize) -> Result<Vec<String>, StoreError> {
        self.read(|db| {
            let sql = "select cluster_id from cases where evidence_version is null or evidence_version < indexed
                       order by changed_at desc, cluster_id limit ?1";
            db.rows(sql, values![most])?.into_iter().map(|mut row| row.take(0)).collect()
        })
    }

    /// Keeps posts as evidence of a case. `done` says that all posts of this version were looked up. Returns how many are kept anew: posts
    /// that are known stay as they are, and posts of erased and of withdrawn accounts are not kept.
    pub fn keep_evidence(
        &self,
        cluster: &ClusterMessage,
        posts: &[KeptPost],
        done: bool,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.write(|tx| {
            let mut kept = 0;
            for post in posts {
                let key = digest(&account_key(&post.platform, &post.id));
                kept += tx.run(
                    "insert into evidence_posts (post, account, content, record_sha256, kept_at)
                     select ?1, ?2, ?3, ?4, cast(?5 as bigint)
                     where not exists (select 1 from evidence_erased where account = ?2)
                     on conflict (post) do nothing",
                    values![
                        &key,
                        digest(&account_key(&post.platform, &post.account_id)),
                        to_json(post)?,
                        &post.record_sha256,
                        now
                    ],
                )?;
                tx.run(
                    "insert into evidence_of_cases (cluster_id, post)
                     select ?1, post from evidence_posts where post = ?2
                     on conflict (cluster_id, post) do nothing",
                    values![&cluster.cluster_id, &key],
                )?;
            }
            if done {
                let sql = "update cases set evidence_version = ?2 where cluster_id = ?1";
                tx.run(sql, values![&cluster.cluster_id, cluster.version])?;
            }
            Ok(kept)
        })
    }

    /// The kept posts of these, given as platform and id.
    pub fn kept_posts<'a>(
        &self,
        posts: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Vec<KeptPost>, StoreError> {
        let keys: Vec<String> = posts.into_iter().map(|(platform, id)| digest(&account_key(platform, id))).collect();
        self.read(|db| {
            let mut found = Vec::new();
            for keys in keys.chunks(AT_ONCE) {
                let places: Vec<String> = (1..=keys.len()).map(|n| format!("?{n}")).collect();
                let sql = format!(
                    "select content, record_sha256 from evidence_posts where post in ({})",
                    places.join(", ")
                );
                let keys: Vec<Value> = keys.iter().map(Value::from).collect();
                for row in db.rows(&sql, &keys)? {
                    found.push(kept_post(row)?);
                }
            }
            Ok(found)
        })
    }

    /// The kept posts of a finding.
    pub fn kept_evidence(&self, cluster: &ClusterMessage) -> Result<KeptPosts, StoreError> {
        let posts = cluster.evidence.iter().flat_map(|evidence| &evidence.posts);
        let posts: BTreeMap<(&str, &str), ()> = posts.map(|post| ((&*post.platform, &*post.id), ())).collect();
        let kept = self.kept_posts(posts.into_keys())?;
        Ok(kept.into_iter().map(|post| ((post.platform.clone(), post.id.clone()), post)).collect())
    }

    /// Deletes the posts that were kept before a time; returns how many.
    pub fn forget_evidence_before(&self, time: Timestamp) -> Result<u64, StoreError> {
        self.write(|tx| {
            let old = "select post from evidence_posts where kept_at < ?1";
            tx.run(&format!("delete from evidence_of_cases where post in ({old})"), values![time])?;
            tx.run("delete from evidence_posts where kept_at < ?1", values![time])
        })
    }

    /// Erases the posts of an account, and their texts from all that was published. They are not kept again. `without_texts` gives a
    /// published object without the texts of the account's posts, or nothing where it has none.
    pub fn erase_evidence(
        &self,
        platform: &str,
        account_id: &str,
        without_texts: impl Fn(&str) -> Option<String>,
        entry: Entry,
        now: Timestamp,
    ) -> Result<Erased, StoreError> {
        self.write(|tx| {
            let account = digest(&account_key(platform, account_id));
            tx.run(
                "insert into evidence_erased (account, erased_at) values (?1, ?2) on conflict (account) do nothing",
                values![&account, now],
            )?;
            let posts = "select post from evidence_posts where account = ?1";
            tx.run(&format!("delete from evidence_of_cases where post in ({posts})"), values![&account])?;
            let mut erased = Erased {
                posts: tx.run("delete from evidence_posts where account = ?1", values![&account])?,
                objects: 0,
            };
            let partners = "select collection from partners where platform = ?1";
            let sql = format!(
                "select number, body from objects where type = 'observed-data' and collection in ({partners}) order by number"
            );
            for mut row in tx.rows(&sql, values![platform])? {
                let (number, body): (i64, String) = (row.take(0)?, row.take(1)?);
                if let Some(body) = without_texts(&body) {
                    erased.objects += tx.run("update objects set body = ?2 where number = ?1", values![number, body])?;
                }
            }
            append_audit(tx, vec![entry])?;
            Ok(erased)
        })
    }

    /// How many posts are kept, and the bytes of what they say.
    pub fn evidence_counts(&self) -> Result<(i64, i64), StoreError> {
        self.read(|db| {
            let row = db.row("select count(*), coalesce(sum(length(content)), 0) from evidence_posts", &[])?;
            let Some(mut row) = row else { return Ok((0, 0)) };
            Ok((row.take(0)?, row.take(1)?))
        })
    }
}

/// Posts of accounts that people withdrew are no evidence in that case any more; those that are evidence in no other case go.
pub(super) fn after_change(tx: &mut dyn Session, change: &Change) -> Result<(), StoreError> {
    let case = &change.stored.case;
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
    Ok(KeptPost { record_sha256: row.take(1)?, ..post })
}

fn digest(text: &str) -> String {
    text_format::hex(&Sha256::digest(text.as_bytes()))
}
