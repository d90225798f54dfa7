//! Keeps the posts behind findings: platforms delete them, and the topic of posts holds them for
//! days only.
//!
//! When a case has a new version, its posts are read from the log and put into the database, where
//! they stay for `sharing.evidence_days`. A post that is no longer on the log then is not kept, and
//! the pages and the feed say that its text is gone.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use casework::{accounts::without, audit::Entry};
use jiff::{SignedDuration, Timestamp};
use messages::{
    cluster::{ClusterMessage, PostRef, Status},
    topics,
};
use runtime::shutdown::Shutdown;
use sha2::{Digest, Sha256};

use super::{Inner, Sharing, SharingError};
use crate::{
    kept::{KeptPost, KeptPosts},
    publish::stix::evidence::{without_texts_of_account, without_texts_of_posts},
    store::Erased,
};

/// How often cases are looked for whose posts are not kept yet.
const EVERY: Duration = Duration::from_secs(5);
/// How often old posts are deleted.
const DELETE_EVERY: Duration = Duration::from_secs(3_600);
/// Most posts that one transaction deletes because they are old.
const DELETED_AT_ONCE: usize = 5_000;
/// Cases in one look.
const CASES: usize = 20;
/// Posts read from the log in one go, and how long that may take.
const AT_ONCE: usize = 500;
const PATIENCE: Duration = Duration::from_secs(20);

/// Keeps the posts of new versions until `shutdown`, and deletes old ones.
pub(crate) async fn run(sharing: &Sharing, log: &runtime::Log, shutdown: &Shutdown) -> Result<(), SharingError> {
    let mut deleted = None::<Instant>;
    while !shutdown.is_stopping() {
        let round = async {
            if deleted.is_none_or(|deleted| deleted.elapsed() >= DELETE_EVERY) {
                sharing.blocking(|inner| inner.delete_old_evidence(Timestamp::now())).await?;
                deleted = Some(Instant::now());
            }
            sharing.keep_evidence(log).await
        };
        // What was read from the log and is not stored yet is read again after the next start.
        let done = tokio::select! {
            done = round => done,
            () = shutdown.stopping() => break,
        };
        match done {
            Ok(()) => sharing.inner.succeeded("evidence", "posts behind findings are kept"),
            Err(error) => {
                sharing.inner.failed("evidence", &error, "posts behind findings could not be kept, it is tried again");
            }
        }
        tokio::select! {
            () = shutdown.stopping() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
    Ok(())
}

/// What is known of a case whose posts are to be kept.
struct Wanted {
    /// Without withdrawn accounts.
    cluster: ClusterMessage,
    revision: i64,
    kept: KeptPosts,
}

impl Sharing {
    /// Erases what is kept of an account's posts, here and in the objects that partners can fetch.
    /// What partners fetched before is with them. The account's posts are not kept again.
    pub async fn erase_evidence(&self, platform: &str, account_id: &str, by: &str) -> Result<Erased, SharingError> {
        let (platform, account_id, by) = (platform.to_owned(), account_id.to_owned(), by.to_owned());
        self.blocking(move |inner| inner.erase_evidence(&platform, &account_id, &by, Timestamp::now())).await
    }

    /// Keeps the posts of cases that have a new version.
    pub(crate) async fn keep_evidence(&self, log: &runtime::Log) -> Result<(), SharingError> {
        for cluster_id in self.blocking(|inner| Ok(inner.store.evidence_wanted(CASES)?)).await? {
            self.keep_evidence_of(log, cluster_id).await?;
        }
        Ok(())
    }

    /// Keeps the posts of a case. Returns whether all of them were looked up.
    pub(crate) async fn keep_evidence_of(&self, log: &runtime::Log, cluster_id: String) -> Result<bool, SharingError> {
        let wanted = self.blocking(move |inner| inner.wanted_evidence(&cluster_id)).await?;
        let Some(wanted) = wanted else { return Ok(true) };
        let (read, done) = self.read_posts(log, &wanted.cluster, &wanted.kept).await?;
        self.blocking(move |inner| inner.keep(&wanted, &read, done, Timestamp::now())).await?;
        Ok(done)
    }

    /// Keeps the posts of flagged clusters before their cases are decided. Without these posts the
    /// cases are decided all the same, and the shared objects say that the texts are gone.
    pub(crate) async fn keep_posts_before_review(&self, log: &runtime::Log, clusters: &[ClusterMessage]) {
        for cluster in clusters.iter().filter(|cluster| cluster.status == Status::Flagged) {
            if let Err(error) = self.keep_posts_of(log, cluster.clone()).await {
                self.inner.metrics.errors.with_label_values(&["evidence"]).inc();
                tracing::warn!(cluster = cluster.cluster_id, %error, "its posts could not be kept before the review");
            }
        }
    }

    async fn keep_posts_of(&self, log: &runtime::Log, cluster: ClusterMessage) -> Result<(), SharingError> {
        let (cluster, kept) = self
            .blocking(move |inner| {
                let left_out = inner.store.case(&cluster.cluster_id)?.map(|record| record.case.left_out);
                let cluster = without(&cluster, &left_out.unwrap_or_default());
                let kept = inner.store.kept_evidence(&cluster)?;
                Ok((cluster, kept))
            })
            .await?;
        let (read, _) = self.read_posts(log, &cluster, &kept).await?;
        self.blocking(move |inner| {
            let fresh = inner.store.keep_posts(&read, Timestamp::now())?;
            inner.metrics.evidence.with_label_values(&["kept"]).inc_by(fresh);
            inner.count_evidence()
        })
        .await
    }

    /// Reads the posts of a finding that are not `kept` yet from the log. Returns also whether all
    /// of them were looked up.
    async fn read_posts(
        &self,
        log: &runtime::Log,
        cluster: &ClusterMessage,
        kept: &KeptPosts,
    ) -> Result<(Vec<KeptPost>, bool), SharingError> {
        let missing: BTreeMap<(i32, i64), (&str, &str)> = posts_of(cluster)
            .filter(|post| kept.of(post).is_none())
            .filter_map(|post| Some(((post.log?.partition, post.log?.offset), (&*post.platform, &*post.id))))
            .collect();
        let places: Vec<(i32, i64)> = missing.keys().copied().collect();
        let mut posts = Vec::new();
        for places in places.chunks(AT_ONCE) {
            let (records, all) = log.records_at(topics::POSTS, places, PATIENCE).await?;
            for record in records {
                let Some(post) = record.value.as_deref().and_then(kept_post) else { continue };
                // The log may be another one than that of the time.
                if missing.get(&(record.partition, record.offset)) == Some(&(&*post.platform, &*post.id)) {
                    posts.push(post);
                }
            }
            if !all {
                return Ok((posts, false));
            }
        }
        Ok((posts, true))
    }
}

impl Inner {
    /// The newest version of a case without withdrawn accounts, and what is kept of its posts.
    fn wanted_evidence(&self, cluster_id: &str) -> Result<Option<Wanted>, SharingError> {
        let Some(record) = self.store.case(cluster_id)? else { return Ok(None) };
        // Of a case under legal hold everything is kept.
        let cluster = match record.case.hold {
            Some(_) => record.cluster.clone(),
            None => without(&record.cluster, &record.case.left_out),
        };
        let kept = self.store.kept_evidence(&cluster)?;
        Ok(Some(Wanted { cluster, revision: record.revision, kept }))
    }

    /// Stores what was read, beside what is kept already: that may have been kept for another case.
    fn keep(&self, wanted: &Wanted, read: &[KeptPost], done: bool, now: Timestamp) -> Result<(), SharingError> {
        let Wanted { cluster, revision, kept } = wanted;
        let posts: Vec<KeptPost> = kept.iter().chain(read).cloned().collect();
        let Some(fresh) = self.store.keep_evidence(cluster, *revision, &posts, done, now)? else {
            return Ok(());
        };
        self.metrics.evidence.with_label_values(&["kept"]).inc_by(fresh);
        if done {
            let all: BTreeSet<(&str, &str)> = posts_of(cluster).map(|post| (&*post.platform, &*post.id)).collect();
            let gone = all.len().saturating_sub(posts.len());
            self.metrics.evidence.with_label_values(&["gone"]).inc_by(gone as u64);
        }
        self.count_evidence()
    }

    /// Deletes posts that were kept for longer than `sharing.evidence_days`, here and in the
    /// objects that partners can fetch.
    pub(crate) fn delete_old_evidence(&self, now: Timestamp) -> Result<(), SharingError> {
        let days = self.config.evidence_days;
        let age = SignedDuration::from_hours(24 * i64::from(days));
        let before = now.checked_sub(age).unwrap_or(Timestamp::MIN);
        loop {
            let entry = |Erased { posts, objects, .. }| Entry {
                at: now,
                actor: "lockstep".to_owned(),
                subject: "evidence".to_owned(),
                action: "evidence_expired".to_owned(),
                text: format!(
                    "{} that were kept as evidence for {days} days are deleted, and their texts in {}",
                    text_format::count(posts, "post"),
                    text_format::count(objects, "shared object"),
                ),
            };
            let deleted = self.store.delete_evidence_before(before, DELETED_AT_ONCE, without_texts_of_posts, entry)?;
            self.metrics.evidence.with_label_values(&["deleted"]).inc_by(deleted.posts);
            if deleted.posts < DELETED_AT_ONCE as u64 {
                return self.count_evidence();
            }
        }
    }

    fn count_evidence(&self) -> Result<(), SharingError> {
        self.metrics.evidence_posts.set(self.store.kept_posts_count()?);
        Ok(())
    }

    pub(crate) fn erase_evidence(
        &self,
        platform: &str,
        account_id: &str,
        by: &str,
        now: Timestamp,
    ) -> Result<Erased, SharingError> {
        for (text, what) in [(platform, "the platform"), (account_id, "the account"), (by, "who erases it")] {
            if text_format::is_blank(text) {
                return Err(SharingError::Refused(format!("{what} is empty: enter it")));
            }
        }
        let entry = |Erased { posts, objects, held }| Entry {
            at: now,
            actor: by.to_owned(),
            subject: format!("{platform}:{account_id}"),
            action: "evidence_erased".to_owned(),
            text: format!(
                "{} of this account that were kept as evidence are erased, and their texts in {}; its posts are not kept again{}",
                text_format::count(posts, "post"),
                text_format::count(objects, "shared object"),
                match held {
                    0 => String::new(),
                    held => format!("; {} stay for cases under legal hold", text_format::count(held, "post")),
                },
            ),
        };
        let without_texts = |body: &str| without_texts_of_account(body, account_id);
        let erased = self.store.erase_evidence(platform, account_id, without_texts, entry, now)?;
        self.metrics.evidence.with_label_values(&["deleted"]).inc_by(erased.posts);
        self.count_evidence()?;
        Ok(erased)
    }
}

/// The post of a record, to be kept. None where it cannot be read, or its time cannot be written.
fn kept_post(value: &[u8]) -> Option<KeptPost> {
    let post = messages::post::decode(value).ok()?;
    let owned = |texts: &[Cow<'_, str>]| texts.iter().map(|text| text.clone().into_owned()).collect();
    Some(KeptPost {
        platform: post.platform.to_string(),
        id: post.id.to_string(),
        account_id: post.account_id.to_string(),
        created_at: Timestamp::from_millisecond(post.created_at).ok()?,
        text: post.text.to_string(),
        links: owned(&post.urls),
        media: owned(&post.media),
        record_sha256: text_format::hex(&Sha256::digest(value)),
        kept_at: Timestamp::default(),
    })
}

fn posts_of(cluster: &ClusterMessage) -> impl Iterator<Item = &PostRef> {
    cluster.evidence.iter().flat_map(|evidence| &evidence.posts)
}
