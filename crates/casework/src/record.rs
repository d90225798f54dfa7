//! A case with its cluster, and the effects of every event. All decisions about a case are made
//! here.
//!
//! Input: an event and the time. Output: [`Effects`], which hold the case to store, the audit
//! entries, what partners receive or lose, and the training label of a reviewer. The caller carries
//! the effects out in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use messages::cluster::{ClusterMessage, Status};

use crate::{
    Reviewers,
    accounts::{only, without},
    act::Act,
    attention::{self, day, days_after, valid_until},
    audit::Entry,
    case::{AttentionReason, Case, Illegal, Step, Versions},
    demo::{self, Reviewed},
    partners::{note_shared, note_withdrawn},
    policy::{Policy, Rendered, Terms},
    steps::Label,
};

/// A case with its finding.
#[derive(Debug, Clone)]
pub struct CaseRecord {
    /// The case.
    pub case: Case,
    /// The newest version of the cluster.
    pub cluster: ClusterMessage,
    /// The version that partners have.
    pub released: Option<ClusterMessage>,
    /// Revision in the database; 0 for a case that is not stored yet. A step names the revision
    /// that the person saw.
    pub revision: i64,
}

/// Inputs of a decision other than the case.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// Recipients and rules of sharing.
    pub policy: &'a Policy,
    /// Who decides cases.
    pub reviewers: Reviewers,
    /// Number of days from sharing until a flag expires.
    pub valid_days: u32,
    /// Number of days before expiry at which a case needs attention.
    pub expiry_notice_days: u32,
    /// Digests of the objects that a release would send now. An approval and a release by people
    /// need them.
    pub rendered: Option<&'a Rendered>,
}

/// Effects of an event.
#[derive(Debug, Clone)]
pub struct Effects {
    /// Time of the event, made later than the case's last change.
    pub at: Timestamp,
    /// The case to store.
    pub record: CaseRecord,
    /// Audit entries, in order. If there are none, nothing has to be stored.
    pub audit: Vec<Entry>,
    /// What partners receive.
    pub publish: Option<Publish>,
    /// The training label that a reviewer gives with the step.
    pub label: Option<Label>,
    /// The step that was refused to the demo's reviewers: the case waits for people.
    pub refused: Option<Illegal>,
}

/// What partners receive. Each partner receives only what concerns accounts of its own platform.
#[derive(Debug, Clone)]
pub struct Publish {
    /// The kind of notice.
    pub what: Notice,
    /// The case as partners see it.
    pub case: Case,
    /// The version of the cluster that partners have from now on.
    pub cluster: ClusterMessage,
    /// The version of the cluster that partners had before.
    pub before: Option<ClusterMessage>,
    /// Names of the recipients. `None` if recipients were not recorded: then every partner with
    /// accounts in the case.
    pub recipients: Option<BTreeSet<String>>,
}

/// Kind of a notice to partners.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// The cluster, or a later version, is shared.
    Shared,
    /// The whole case is withdrawn.
    Withdrawn,
    /// These accounts are withdrawn.
    AccountsWithdrawn {
        /// The cluster with only these accounts.
        gone: Box<ClusterMessage>,
    },
}

impl Publish {
    /// Whether a recipient receives it.
    pub fn goes_to(&self, name: &str) -> bool {
        self.recipients.as_ref().is_none_or(|names| names.contains(name))
    }

    /// The version that this recipient had before. `None` if it receives the case for the first
    /// time, even if others had a version.
    pub fn before_of(&self, name: &str) -> Option<&ClusterMessage> {
        let had = |version: u32| {
            self.case
                .notified
                .as_ref()
                .is_none_or(|notified| notified.get(name).is_some_and(|versions| versions.first <= version))
        };
        self.before.as_ref().filter(|before| had(before.version))
    }
}

impl Case {
    /// Effects of a version of a cluster from the topic of flagged clusters: opens a case or
    /// records a newer version. `None` if nothing changes.
    pub fn on_cluster(
        known: Option<CaseRecord>,
        cluster: &ClusterMessage,
        settings: &Settings<'_>,
        now: Timestamp,
    ) -> Result<Option<Effects>, Illegal> {
        let mut effects = match known {
            // The cluster was flagged, and was no longer flagged when its message was read. Nothing
            // was shared, so there is nothing to decide.
            None if cluster.status != Status::Flagged => return Ok(None),
            None => {
                let (case, entry) = Case::nominate(&cluster.cluster_id, cluster.version, now);
                let record = CaseRecord { case, cluster: cluster.clone(), released: None, revision: 0 };
                Effects::of(record, now, vec![entry])
            }
            Some(mut record) => {
                let now = record.case.after(now);
                let Some(entry) = record.case.record_newer_version(cluster.version, now) else {
                    return Ok(None);
                };
                let mut audit = vec![entry];
                audit.extend(attention::on_status(&mut record.case, cluster.status, settings.reviewers, now));
                record.cluster = cluster.clone();
                Effects::of(record, now, audit)
            }
        };
        let now = effects.at;
        if settings.reviewers != Reviewers::Demo {
            return Ok(Some(effects.with_duties()));
        }
        let record = &mut effects.record;
        let terms = settings.policy.terms(cluster);
        if cluster.status == Status::Flagged {
            let Reviewed { entries, released, refused } = demo::review(&mut record.case, &terms, now);
            effects.audit.extend(entries);
            effects.refused = refused;
            if released {
                effects.publish = Some(record.share(settings, now));
            }
        } else {
            let reason = format!("version {} is no longer flagged", cluster.version);
            if let Some(entry) = demo::retract(&mut record.case, reason, &terms, now)? {
                effects.audit.push(entry);
                effects.publish = record.withdraw();
            }
        }
        Ok(Some(effects.with_duties()))
    }

    /// `now`, or a time just after the case's last change if the clock went back. Versions of an
    /// object are distinguished by their time in milliseconds.
    pub fn after(&self, now: Timestamp) -> Timestamp {
        let next = self.changed_at.checked_add(SignedDuration::from_millis(1));
        now.max(next.unwrap_or(now))
    }
}

impl CaseRecord {
    /// Effects of the merge of the cluster into another cluster. The demo withdraws what was
    /// shared; if people decide, the case needs attention. `None` if nothing changes.
    pub fn on_absorbed(self, by: &str, settings: &Settings<'_>, now: Timestamp) -> Result<Option<Effects>, Illegal> {
        Effects::of(self, now, Vec::new()).and_absorbed(by, settings, now)
    }

    /// Effects of a person's action, or the reason for its refusal.
    pub fn on_act(self, mut act: Act, by: &str, settings: &Settings<'_>, now: Timestamp) -> Result<Effects, Illegal> {
        act.clean();
        self.act(act, by, settings, now).map(Effects::with_duties)
    }

    fn act(self, act: Act, by: &str, settings: &Settings<'_>, now: Timestamp) -> Result<Effects, Illegal> {
        let (mut record, said_at) = (self, now);
        let now = record.case.after(now);
        let case = &mut record.case;
        match act {
            Act::Step(step) => {
                let label = Label::of(&step, by, said_at);
                let (shares, withdraws) =
                    (matches!(step, Step::Release | Step::Update), matches!(step, Step::Retract { .. }));
                let closes = matches!(step, Step::Close);
                let terms = settings.policy.terms(&record.cluster).with_rendered(settings.rendered);
                let entry = case.take(step, by, &terms, now)?;
                if closes {
                    case.settle_attention();
                }
                let publish = if shares {
                    Some(record.share(settings, now))
                } else if withdraws {
                    record.withdraw()
                } else {
                    None
                };
                Ok(Effects { publish, label: Some(label), ..Effects::of(record, now, vec![entry]) })
            }
            Act::RecordHandover(handover) => {
                // Bring the duties up to date first: the delivery fulfils the duties that are open
                // now.
                let mut audit: Vec<Entry> = case.refresh_duties(now).into_iter().collect();
                let terms = settings.policy.terms(&record.cluster);
                audit.push(case.record_handover(handover, by, &terms, now)?);
                Ok(Effects::of(record, now, audit))
            }
            Act::Attend { comment } => {
                let entry = case.attend(&comment, by, now)?;
                Ok(Effects::of(record, now, vec![entry]))
            }
            Act::ProposeRenewal { reason } => {
                let entry = case.propose_renewal(&reason, by, now)?;
                Ok(Effects::of(record, now, vec![entry]))
            }
            Act::PlaceHold { reason } => {
                let entry = case.place_hold(&reason, by, now)?;
                Ok(Effects::of(record, now, vec![entry]))
            }
            Act::LiftHold { reason } => {
                let entry = case.lift_hold(&reason, by, now)?;
                Ok(Effects::of(record, now, vec![entry]))
            }
            Act::Renew => {
                let entry = case.renew(by, now)?;
                // The renewed version is the one that partners have. A newer version is not
                // approved.
                let publish = record.released.clone().map(|released| {
                    let publish = record.publish(Notice::Shared, released);
                    record.case.valid_until = Some(valid_until(&publish.cluster, now, settings.valid_days));
                    publish
                });
                Ok(Effects { publish, ..Effects::of(record, now, vec![entry]) })
            }
            Act::WithdrawAccounts { accounts, reason } => {
                let entry = case.withdraw_accounts(record.released.as_ref(), &accounts, &reason, by, now)?;
                let publish = record.released.clone().map(|before| {
                    let (gone, rest) = (Box::new(only(&before, &accounts)), without(&before, &accounts));
                    let publish = record.publish(Notice::AccountsWithdrawn { gone }, rest.clone());
                    note_withdrawn(&mut record.case, &before, Some(&rest));
                    record.released = Some(rest);
                    publish
                });
                Ok(Effects { publish, ..Effects::of(record, now, vec![entry]) })
            }
        }
    }

    /// Effects of the passing of time: expired flags close the case, and some days before that the
    /// case needs attention. `None` if nothing changes.
    pub fn on_tick(mut self, settings: &Settings<'_>, now: Timestamp) -> Option<Effects> {
        let at = self.case.after(now);
        let case = &mut self.case;
        let mut audit = Vec::new();
        audit.extend(case.refresh_duties(at));
        if let Some(valid_until) = case.valid_until {
            // The case stays open as long as a duty is open. The flags at partners expire by
            // themselves.
            if valid_until <= now && case.duties.is_empty() {
                audit.extend(case.expire(at));
            } else if valid_until <= days_after(now, settings.expiry_notice_days) {
                let text = format!("its flags expire on {}: renew them or let them expire", day(valid_until));
                audit.extend(case.mark_for_attention(AttentionReason::RunsOut, text, at));
            }
        }
        (!audit.is_empty()).then(|| Effects::of(self, at, audit))
    }

    /// The terms for decisions about the newest version.
    pub fn terms<'a>(&'a self, policy: &'a Policy) -> Terms<'a> {
        policy.terms(&self.cluster)
    }

    /// Publishes the version just released to all recipients that the policy names.
    fn share(&mut self, settings: &Settings<'_>, now: Timestamp) -> Publish {
        let cluster = without(&self.cluster, &self.case.left_out);
        note_shared(&mut self.case, &cluster, now);
        let notified_now = |notified: &BTreeMap<String, Versions>| {
            notified.iter().filter(|(_, v)| v.last == self.case.version).map(|(name, _)| name.clone()).collect()
        };
        let recipients = Some(self.case.notified.as_ref().map(notified_now).unwrap_or_default());
        let publish = Publish { recipients, ..self.publish(Notice::Shared, cluster) };
        if let Some(before) = &self.released {
            note_withdrawn(&mut self.case, before, Some(&publish.cluster));
        }
        self.case.settle_attention();
        self.case.valid_until = Some(valid_until(&publish.cluster, now, settings.valid_days));
        self.released = Some(publish.cluster.clone());
        publish
    }

    /// Withdraws everything that partners have, from every recipient that was notified, whatever
    /// the policy says now.
    fn withdraw(&mut self) -> Option<Publish> {
        // Partners have the released version. A newer version was never shared, so there is nothing
        // to withdraw from it.
        let before = self.released.clone()?;
        let publish = self.publish(Notice::Withdrawn, before);
        note_withdrawn(&mut self.case, &publish.cluster, None);
        self.case.settle_attention();
        Some(publish)
    }

    /// A notice about the case as it is now, to every recipient that was notified.
    fn publish(&self, what: Notice, cluster: ClusterMessage) -> Publish {
        let recipients = self.case.notified.as_ref().map(|notified| notified.keys().cloned().collect());
        Publish { what, case: self.case.clone(), cluster, before: self.released.clone(), recipients }
    }
}

impl Effects {
    fn of(record: CaseRecord, at: Timestamp, audit: Vec<Entry>) -> Effects {
        Effects { at, record, audit, publish: None, label: None, refused: None }
    }

    /// The same with the duties of the case brought up to date.
    fn with_duties(mut self) -> Effects {
        self.audit.extend(self.record.case.refresh_duties(self.at));
        self
    }

    /// Adds the effects of a merge of the cluster into another cluster, as part of the same change.
    /// `None` if nothing changes.
    pub fn and_absorbed(
        mut self,
        by: &str,
        settings: &Settings<'_>,
        now: Timestamp,
    ) -> Result<Option<Effects>, Illegal> {
        let case = &mut self.record.case;
        let now = case.after(now);
        self.at = now;
        let reason = format!("its cluster was merged into {by}");
        if settings.reviewers == Reviewers::Demo {
            let terms = settings.policy.terms(&self.record.cluster);
            let Some(entry) = demo::retract(case, reason, &terms, now)? else { return Ok(None) };
            self.audit.push(entry);
            self.publish = self.record.withdraw();
        } else {
            self.audit.extend(case.mark_for_attention(AttentionReason::Absorbed, reason, now));
        }
        Ok((!self.audit.is_empty()).then_some(self))
    }
}

#[cfg(test)]
mod tests;
