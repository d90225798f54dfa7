//! Keeps the posts behind findings: platforms delete them, and the topic of posts holds them for days only.
//!
//! When a case has a new version, its posts are read from the log and put into the database, where they stay for `sharing.evidence_days`.
//! A post that is no longer on the log then is not kept, and the pages say that what it says is not known.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use casework::{
    accounts::{account_key, without},
    audit::Entry,
};
use jiff::{SignedDuration, Timestamp};
use messages::{cluster::ClusterMessage, topics};
use runtime::shutdown::Shutdown;
use sha2::{Digest, Sha256};

use super::{Inner, Sharing, SharingError};
use crate::{
    kept::{KeptPost, KeptPosts},
    publish::stix::evidence::without_texts_of,
    store::Erased,
};

/// How often cases are looked for whose posts are not kept yet.
const EVERY: Duration = Duration::from_secs(5);
/// How often old posts are deleted.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);
/// Cases in one look.
const CASES: usize = 20;
/// Posts read from the log in one go, and how long that may take.
const AT_ONCE: usize = 500;
const PATIENCE: Duration = Duration::from_secs(20);

/// Keeps the posts of new versions until `shutdown`, and deletes old ones.
pub(crate) async fn run(sharing: &Sharing, log: &runtime::Log, shutdown: &Shutdown) -> Result<(), SharingError> {
    let mut forgot = None::<Instant>;
    while !shutdown.is_stopping() {
        let look = forgot.is_none_or(|forgot| forgot.elapsed() >= FORGET_EVERY);
        let done = async {
            if look {
                sharing.blocking(|inner| inner.forget_old_evidence(Timestamp::now())).await?;
            }
            sharing.keep_evidence(log).await
        };
        match done.await {
            Ok(()) if look => forgot = Some(Instant::now()),
            Ok(()) => {}
            Err(error) => {
                sharing.inner.metrics.errors.with_label_values(&["evidence"]).inc();
                tracing::warn!(%error, "posts behind findings could not be kept, it is tried again");
            }
        }
        tokio::select! {
            () = shutdown.stopping() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
    Ok(())
}

impl Sharing {
    /// Erases what is kept of an account's posts, here and in the objects that partners can fetch. What partners fetched before is with
    /// them. The account's posts are not kept again.
    pub async fn erase_evidence(&self, platform: &str, account_id: &str, by: &str) -> Result<Erased, SharingError> {
        let (platform, account_id, by) = (platform.to_owned(), account_id.to_owned(), by.to_owned());
        self.blocking(move |inner| inner.erase_evidence(&platform, &account_id, &by, Timestamp::now())).await
    }

    /// Keeps the posts of cases that have a new version.
    pub(crate) async fn keep_evidence(&self, log: &runtime::Log) -> Result<(), SharingError> {
        for cluster_id in self.blocking(|inner| Ok(inner.store.evidence_wanted(CASES)?)).await? {
            let found = self.blocking(move |inner| inner.kept_so_far(&cluster_id)).await?;
            let Some((cluster, kept)) = found else { continue };
            let (read, done) = self.read_posts(log, &cluster, &kept).await?;
            self.blocking(move |inner| {
                let posts: Vec<KeptPost> = kept.into_values().chain(read).collect();
                let fresh = inner.store.keep_evidence(&cluster, &posts, done, Timestamp::now())?;
                inner.metrics.evidence_kept.inc_by(fresh);
                if done {
                    let all: BTreeSet<(&str, &str)> = posts_of(&cluster).map(|post| (&*post.platform, &*post.id)).collect();
                    let gone = all.len().saturating_sub(posts.len());
                    inner.metrics.evidence_gone.inc_by(gone as u64);
                }
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    /// Reads the posts of a finding that are not kept yet from the log; and whether all of them were looked for.
    async fn read_posts(
        &self,
        log: &runtime::Log,
        cluster: &ClusterMessage,
        kept: &KeptPosts,
    ) -> Result<(Vec<KeptPost>, bool), SharingError> {
        let wanted: BTreeMap<(i32, i64), (&str, &str)> = posts_of(cluster)
            .filter(|post| !kept.contains_key(&(post.platform.clone(), post.id.clone())))
            .filter_map(|post| Some(((post.log?.partition, post.log?.offset), (&*post.platform, &*post.id))))
            .collect();
        let places: Vec<(i32, i64)> = wanted.keys().copied().collect();
        let mut posts = Vec::new();
        for places in places.chunks(AT_ONCE) {
            let (records, all) = log.records_at(topics::POSTS, places, PATIENCE).await?;
            for record in records {
                let Some(value) = record.value.as_deref() else { continue };
                let Ok(post) = messages::post::decode(value) else { continue };
                // The log may be another one than that of the time.
                if wanted.get(&(record.partition, record.offset)) == Some(&(&*post.platform, &*post.id)) {
                    posts.push(KeptPost {
                        platform: post.platform.to_string(),
                        id: post.id.to_string(),
                        account_id: post.account_id.to_string(),
                        created_at: Timestamp::from_millisecond(post.created_at)?,
                        text: post.text.to_string(),
                        links: post.urls.iter().map(ToString::to_string).collect(),
                        record_sha256: text_format::hex(&Sha256::digest(value)),
                    });
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
    fn kept_so_far(&self, cluster_id: &str) -> Result<Option<(ClusterMessage, KeptPosts)>, SharingError> {
        let Some(record) = self.store.case(cluster_id)? else { return Ok(None) };
        let cluster = without(&record.cluster, &record.case.left_out);
        let kept = self.store.kept_evidence(&cluster)?;
        Ok(Some((cluster, kept)))
    }

    /// Deletes what was kept for longer than the configuration says, and counts the rest.
    pub(crate) fn forget_old_evidence(&self, now: Timestamp) -> Result<(), SharingError> {
        let age = SignedDuration::from_hours(24 * i64::from(self.config.evidence_days));
        let gone = self.store.forget_evidence_before(now.checked_sub(age).unwrap_or(Timestamp::MIN))?;
        self.metrics.evidence_deleted.inc_by(gone);
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
        let entry = Entry {
            at: now,
            actor: by.to_owned(),
            subject: account_key(platform, account_id).replace('\u{1f}', ":"),
            action: "evidence_erased".to_owned(),
            text: "the posts of this account that were kept as evidence, and their texts in published objects".to_owned(),
        };
        let erased =
            self.store.erase_evidence(platform, account_id, |body| without_texts_of(body, account_id), entry, now)?;
        self.metrics.evidence_deleted.inc_by(erased.posts);
        Ok(erased)
    }
}

fn posts_of(cluster: &ClusterMessage) -> impl Iterator<Item = &messages::cluster::PostRef> {
    cluster.evidence.iter().flat_map(|evidence| &evidence.posts)
}
