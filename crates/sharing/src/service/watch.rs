//! The watch list: news of groups from the topic `clusters` in, decisions of reviewers, and the sample that they are asked about. What is
//! decided: [`casework::watch`].
//!
//! Nothing of it reaches a partner: it has no part in collections, webhooks, documents or feeds. A case that a reviewer opens from a
//! group begins as every other case, with nothing shared.

use std::time::{Duration, Instant};

use casework::watch::{
    Action, Outcome, Outcomes, Refused,
    estimate::{self, Answers, Figures},
    open_case, reason_of,
    sample::Answer,
    subject,
};
use jiff::{SignedDuration, Timestamp};
use messages::{cluster::ClusterMessage, topics};
use runtime::{NewRecord, Record, shutdown::Shutdown};

use super::{Inner, Sharing, SharingError, clusters::dead_letter, reading::Reading};
use crate::store::{
    StoreError,
    watch::{AnswerRow, Bounds},
};

/// The consumer group of the watch list: the topic is read from its beginning, apart from that of flagged clusters.
pub(crate) const GROUP: &str = "sharing-watch";
/// How often groups are forgotten, and it is looked whether a sample is due.
const MAINTAIN_EVERY: Duration = Duration::from_secs(600);
/// How often groups and answers are counted for the metrics.
const COUNT_EVERY: Duration = Duration::from_secs(30);
/// The wait between two looks whether anything is due.
const TICK: Duration = Duration::from_secs(5);

/// News of a group, with its id. Without a cluster it was withdrawn.
pub(crate) type GroupNews = (String, Option<ClusterMessage>);

/// Reads the topic until `shutdown`. News is stored before its offset is committed; twice the same changes nothing.
pub(crate) async fn read(sharing: &Sharing, log: &runtime::Log, shutdown: &Shutdown) -> Result<(), SharingError> {
    let mut reading = Reading::new(sharing, log, (GROUP, topics::CLUSTERS), shutdown).await?;
    while let Some(records) = reading.next().await? {
        let (news, dead) = news_of(&records, Timestamp::now());
        let store = || sharing.take_group_news(news.clone());
        if !reading.store("watch", "groups cannot be stored, it is tried again", store).await? {
            break;
        }
        let letters = dead.len() as u64;
        if reading.commit(dead).await? {
            sharing.inner.metrics.watch.count(&Outcomes::from([(Outcome::Unreadable, letters)]));
        }
    }
    reading.close().await
}

/// Forgets groups, draws samples and counts until `shutdown`.
pub(crate) async fn maintain(sharing: &Sharing, shutdown: &Shutdown) -> Result<(), SharingError> {
    let (mut maintained, mut counted) = (None::<Instant>, None::<Instant>);
    while !shutdown.is_stopping() {
        let due = maintained.is_none_or(|at| at.elapsed() >= MAINTAIN_EVERY);
        let count = due || counted.is_none_or(|at| at.elapsed() >= COUNT_EVERY);
        let done = sharing
            .blocking(move |inner| {
                if due {
                    inner.maintain_groups(Timestamp::now())?;
                }
                if count {
                    inner.count_groups()?;
                }
                Ok(())
            })
            .await;
        match done {
            Ok(()) => {
                let now = Some(Instant::now());
                sharing.inner.succeeded("watch", "the watch list is kept up to date");
                maintained = if due { now } else { maintained };
                counted = if count { now } else { counted };
            }
            Err(error) => {
                sharing.inner.failed("watch", &error, "the watch list could not be kept up to date, it is tried again");
            }
        }
        tokio::select! {
            () = shutdown.stopping() => {}
            () = tokio::time::sleep(TICK) => {}
        }
    }
    Ok(())
}

/// The news of records, and the dead letters of those that cannot be read.
fn news_of(records: &[Record], now: Timestamp) -> (Vec<GroupNews>, Vec<NewRecord>) {
    let (mut news, mut dead) = (Vec::new(), Vec::new());
    for record in records {
        let Some(value) = record.value.as_deref() else {
            news.push((String::from_utf8_lossy(&record.key).into_owned(), None));
            continue;
        };
        match ClusterMessage::decode(value) {
            Ok(mut cluster) => {
                if let Err(error) = cluster.set_positions(&record.headers) {
                    tracing::warn!(cluster = %cluster.cluster_id, %error, "where its posts stand on the log is not known");
                }
                news.push((cluster.cluster_id.clone(), Some(cluster)));
            }
            Err(error) => {
                tracing::error!(
                    topic = %record.topic,
                    partition = record.partition,
                    offset = record.offset,
                    %error,
                    "a cluster cannot be read, the watch list does not have it; it goes to the dead letters"
                );
                dead.push(dead_letter(record, value, &error, now));
            }
        }
    }
    (news, dead)
}

/// Why a decision about a group was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotDecided {
    /// There is no such group, or none in the sample.
    #[error("there is no such group")]
    NoGroup,
    /// It is refused.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Somebody else, or the detector, changed it meanwhile.
    #[error("the group was changed in the meantime: load it again and repeat the decision")]
    Changed,
    /// It failed.
    #[error(transparent)]
    Failed(#[from] SharingError),
}

impl From<StoreError> for NotDecided {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(_) => NotDecided::Changed,
            error => NotDecided::Failed(error.into()),
        }
    }
}

impl Sharing {
    /// Takes news of groups. When it returns, everything is on the disk.
    pub(crate) async fn take_group_news(&self, news: Vec<GroupNews>) -> Result<(), SharingError> {
        self.blocking(move |inner| inner.take_group_news(news, Timestamp::now())).await
    }

    /// Takes a reviewer's decision about a group that has the revision `seen`.
    pub(crate) async fn decide_group(
        &self,
        cluster_id: &str,
        seen: i64,
        action: Action,
        by: &str,
    ) -> Result<(), NotDecided> {
        let (id, by) = (cluster_id.to_owned(), by.to_owned());
        self.blocking(move |inner| Ok(inner.decide_group(&id, seen, &action, &by, Timestamp::now()))).await?
    }

    /// Takes a reviewer's answer about a group of the sample.
    pub(crate) async fn answer_sample(
        &self,
        cluster_id: &str,
        seen: i64,
        (answer, reason): (Answer, String),
        by: &str,
    ) -> Result<(), NotDecided> {
        let (id, by) = (cluster_id.to_owned(), by.to_owned());
        let at = Timestamp::now();
        self.blocking(move |inner| Ok(inner.answer_sample(&id, seen, (answer, &reason), &by, at))).await?
    }
}

impl Inner {
    pub(crate) fn take_group_news(&self, news: Vec<GroupNews>, now: Timestamp) -> Result<(), SharingError> {
        let mut fit = Vec::with_capacity(news.len());
        let mut outcomes = Outcomes::new();
        for (id, cluster) in news {
            // Numbers that JSON cannot carry would be stored as something that cannot be read again.
            match cluster.as_ref().map(ClusterMessage::encode).transpose() {
                Ok(_) => fit.push((id, cluster)),
                Err(error) => {
                    *outcomes.entry(Outcome::Unreadable).or_default() += 1;
                    tracing::error!(cluster = id, %error, "a cluster cannot be stored, the watch list does not have it");
                }
            }
        }
        outcomes.extend(self.store.take_group_news(&fit, self.config.watch.groups, now)?);
        self.metrics.watch.count(&outcomes);
        // The case that a reviewer opened from a group gets later versions from here: the topic of flagged clusters has none of it.
        let ids: Vec<&str> = fit.iter().map(|(id, _)| id.as_str()).collect();
        let cases = self.store.cases_from_groups(&ids)?;
        let of_cases: Vec<ClusterMessage> =
            fit.into_iter().filter(|(id, _)| cases.contains(id)).filter_map(|(_, cluster)| cluster).collect();
        if !of_cases.is_empty() {
            self.on_clusters(of_cases, now)?;
        }
        Ok(())
    }

    pub(crate) fn maintain_groups(&self, now: Timestamp) -> Result<(), SharingError> {
        let watch = &self.config.watch;
        let days = |days: u32| SignedDuration::from_hours(24 * i64::from(days));
        let bounds = Bounds { groups: watch.groups, since: now - days(watch.days) };
        self.metrics.watch.count(&self.store.forget_groups(bounds, now)?);
        if watch.sample > 0 {
            let every = days(watch.sample_every_days);
            if self.store.draw_sample(watch.sample_seed, watch.sample, every, now)? {
                tracing::info!("a sample of groups was drawn for reviewers");
            }
        }
        Ok(())
    }

    pub(crate) fn count_groups(&self) -> Result<(), SharingError> {
        self.metrics.watch.show_groups(&self.store.group_counts()?);
        let (answers, figures) = self.estimate()?;
        let sum = |of: fn(&Answers) -> u64| answers.iter().map(of).sum();
        self.metrics.watch.show_sample(sum(|a| a.waiting), sum(|a| a.answers.len() as u64), sum(|a| a.unclear));
        self.metrics.watch.show_figures(&figures);
        Ok(())
    }

    /// What is known from the sample, and what follows from it.
    pub(crate) fn estimate(&self) -> Result<(Vec<Answers>, Figures), SharingError> {
        let answers = self.store.sample_answers()?;
        let figures = estimate::figures(&answers, self.config.watch.sample_seed);
        Ok((answers, figures))
    }

    pub(crate) fn decide_group(
        &self,
        cluster_id: &str,
        seen: i64,
        action: &Action,
        by: &str,
        now: Timestamp,
    ) -> Result<(), NotDecided> {
        let Some((row, cluster)) = self.store.group(cluster_id)? else { return Err(NotDecided::NoGroup) };
        let taken = row.group.take(action, by, now)?;
        let Action::OpenCase { reason } = action else {
            return Ok(self.store.decide_group(&taken, seen, None, now)?);
        };
        let cluster = cluster.ok_or_else(|| Refused("its evidence is not kept any more".to_owned()))?;
        let effects = open_case(cluster, reason, by, now);
        let change = self.change_of(effects, &self.store.partners().map_err(SharingError::from)?)?;
        self.store.decide_group(&taken, seen, Some(&change), now)?;
        self.count_cases();
        Ok(())
    }

    pub(crate) fn answer_sample(
        &self,
        cluster_id: &str,
        seen: i64,
        (answer, reason): (Answer, &str),
        by: &str,
        now: Timestamp,
    ) -> Result<(), NotDecided> {
        let Some((row, _)) = self.store.group(cluster_id)? else { return Err(NotDecided::NoGroup) };
        let Some((_, answered)) = self.store.sample_of(cluster_id)? else { return Err(NotDecided::NoGroup) };
        if let Some(other) = answered.filter(|answer| answer.by != by) {
            return Err(Refused(format!("{} has answered already", other.by)).into());
        }
        row.group.check_answer(by)?;
        let reason = reason_of(reason, true)?;
        let answer = AnswerRow { answer, by: by.to_owned(), at: now, version: row.group.version, reason };
        self.store.answer_sample(cluster_id, seen, &answer)?;
        Ok(())
    }

    /// What the audit log says of a group, oldest first.
    pub(crate) fn group_history(&self, cluster_id: &str) -> Result<Vec<casework::audit::Sealed>, SharingError> {
        Ok(self.store.history(&subject(cluster_id))?)
    }
}
