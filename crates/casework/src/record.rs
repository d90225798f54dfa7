//! A case with its cluster, and what follows from an event: the one place where everything that a case can meet is decided.
//!
//! An event and the time go in; [`Effects`] come out: the case as it is to be stored, what the audit log has to say, what partners get or
//! lose, and what a reviewer said of the finding by it. Whoever calls carries them out in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use messages::cluster::{ClusterMessage, Status};

use crate::{
    Reviewers,
    accounts::{only, without},
    act::Act,
    attention::{self, day, days_after, valid_until},
    audit::Entry,
    case::{Case, Illegal, Step, Versions, Why},
    demo::{self, Reviewed},
    partners::{note_shared, note_withdrawn},
    policy::{Policy, Terms},
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
    /// As stored; 0 for a case not stored yet. A step names the revision it was decided on.
    pub revision: i64,
}

/// What decides beside the case itself.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// Who may be told, and by which rules.
    pub policy: &'a Policy,
    /// Who decides cases.
    pub reviewers: Reviewers,
    /// Days after it was shared until a flag expires by itself.
    pub valid_days: u32,
    /// Days before flags run out on which a case asks for attention.
    pub expiry_notice_days: u32,
}

/// What follows from an event.
#[derive(Debug, Clone)]
pub struct Effects {
    /// When it happened: after the case's last change.
    pub at: Timestamp,
    /// The case as it is to be stored.
    pub record: CaseRecord,
    /// What the audit log has to say, in this order. Nothing is to be stored where it has nothing to say.
    pub audit: Vec<Entry>,
    /// What partners get.
    pub publish: Option<Publish>,
    /// What a reviewer says of the finding by it.
    pub label: Option<Label>,
    /// The step at which the demo's reviewers could not go on: the case waits for people.
    pub refused: Option<Illegal>,
}

/// What partners get, each about accounts of its own platform.
#[derive(Debug, Clone)]
pub struct Publish {
    /// What is told.
    pub what: Notice,
    /// The case as partners see it.
    pub case: Case,
    /// The version of the cluster that partners have from now on.
    pub cluster: ClusterMessage,
    /// The version that they had before.
    pub before: Option<ClusterMessage>,
    /// Names of those who get it; everybody who has accounts in it where recipients were not noted.
    pub told: Option<BTreeSet<String>>,
}

/// What partners are told.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// The cluster, or a later version of it.
    Shared,
    /// That everything is withdrawn.
    Withdrawn,
    /// That these accounts are withdrawn.
    AccountsWithdrawn {
        /// The cluster with these accounts only.
        gone: Box<ClusterMessage>,
    },
}

impl Publish {
    /// Whether a recipient gets it.
    pub fn goes_to(&self, name: &str) -> bool {
        self.told.as_ref().is_none_or(|told| told.contains(name))
    }

    /// The version that a recipient had before: none where it is told for the first time, whatever others have.
    pub fn before_of(&self, name: &str) -> Option<&ClusterMessage> {
        let had = |version: u32| {
            self.case.told.as_ref().is_none_or(|told| told.get(name).is_some_and(|versions| versions.first <= version))
        };
        self.before.as_ref().filter(|before| had(before.version))
    }
}

impl Case {
    /// What a version of a cluster on the topic of flagged clusters changes: opens its case, or takes note of a newer version. `None` where
    /// it changes nothing.
    pub fn on_cluster(
        known: Option<CaseRecord>,
        cluster: &ClusterMessage,
        settings: &Settings<'_>,
        now: Timestamp,
    ) -> Result<Option<Effects>, Illegal> {
        let mut effects = match known {
            // Flagged once and no longer when it gets here: nothing was shared, and there is nothing to decide.
            None if cluster.status != Status::Flagged => return Ok(None),
            None => {
                let (case, entry) = Case::nominate(&cluster.cluster_id, cluster.version, now);
                let record = CaseRecord { case, cluster: cluster.clone(), released: None, revision: 0 };
                Effects::of(record, now, vec![entry])
            }
            Some(mut record) => {
                let now = record.case.after(now);
                let Some(entry) = record.case.see(cluster.version, now) else {
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
            let reason = format!("version {} is flagged no longer", cluster.version);
            if let Some(entry) = demo::retract(&mut record.case, reason, &terms, now)? {
                effects.audit.push(entry);
                effects.publish = record.withdraw();
            }
        }
        Ok(Some(effects.with_duties()))
    }

    /// A time after the case's last change, also where the clock went back: versions of an object are told apart by their time, to the
    /// millisecond.
    pub fn after(&self, now: Timestamp) -> Timestamp {
        let next = self.changed_at.checked_add(SignedDuration::from_millis(1));
        now.max(next.unwrap_or(now))
    }
}

impl CaseRecord {
    /// The case of a cluster that became part of another. In the demo what was shared of it is withdrawn; where people decide, the case
    /// asks for their attention. `None` where it changes nothing.
    pub fn on_absorbed(self, by: &str, settings: &Settings<'_>, now: Timestamp) -> Result<Option<Effects>, Illegal> {
        Effects::of(self, now, Vec::new()).and_absorbed(by, settings, now)
    }

    /// A person does something, or why it is refused.
    pub fn on_act(self, act: Act, by: &str, settings: &Settings<'_>, now: Timestamp) -> Result<Effects, Illegal> {
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
                let terms = settings.policy.terms(&record.cluster);
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
                // The terms before the case: a delivery is recorded for whoever has a duty now.
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
            Act::Renew => {
                let entry = case.renew(by, now)?;
                // The version that partners have goes on, not a newer one that nobody has approved.
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

    /// Time goes on: flags that have run out close the case, and some days before the case asks for attention. `None` where it changes
    /// nothing.
    pub fn on_tick(mut self, settings: &Settings<'_>, now: Timestamp) -> Option<Effects> {
        let at = self.case.after(now);
        let case = &mut self.case;
        let mut audit = Vec::new();
        audit.extend(case.refresh_duties(at));
        if let Some(valid_until) = case.valid_until {
            // The case stays open as long as somebody must be told; what partners have expires by itself.
            if valid_until <= now && case.duties.is_empty() {
                audit.extend(case.expire(at));
            } else if valid_until <= days_after(now, settings.expiry_notice_days) {
                let text = format!("its flags run out on {}: renew or leave them", day(valid_until));
                audit.extend(case.ask_attention(Why::RunsOut, text, at));
            }
        }
        (!audit.is_empty()).then(|| Effects::of(self, at, audit))
    }

    /// What the newest version is decided under.
    pub fn terms<'a>(&'a self, policy: &'a Policy) -> Terms<'a> {
        policy.terms(&self.cluster)
    }

    /// Everybody whom the policy told of the version just released gets it.
    fn share(&mut self, settings: &Settings<'_>, now: Timestamp) -> Publish {
        let cluster = without(&self.cluster, &self.case.left_out);
        note_shared(&mut self.case, &cluster, now);
        let told_now = |told: &BTreeMap<String, Versions>| {
            told.iter().filter(|(_, v)| v.last == self.case.version).map(|(name, _)| name.clone()).collect()
        };
        let told = Some(self.case.told.as_ref().map(told_now).unwrap_or_default());
        let publish = Publish { told, ..self.publish(Notice::Shared, cluster) };
        if let Some(before) = &self.released {
            note_withdrawn(&mut self.case, before, Some(&publish.cluster));
        }
        self.case.settle_attention();
        self.case.valid_until = Some(valid_until(&publish.cluster, now, settings.valid_days));
        self.released = Some(publish.cluster.clone());
        publish
    }

    /// Everything that partners have is withdrawn from everybody who was told, whatever the policy would say of it today.
    fn withdraw(&mut self) -> Option<Publish> {
        // Partners have the released version; a newer one that was never shared is nothing to them.
        let before = self.released.clone()?;
        let publish = self.publish(Notice::Withdrawn, before);
        note_withdrawn(&mut self.case, &publish.cluster, None);
        self.case.settle_attention();
        Some(publish)
    }

    /// To everybody who was told, of the case as it is now.
    fn publish(&self, what: Notice, cluster: ClusterMessage) -> Publish {
        let told = self.case.told.as_ref().map(|told| told.keys().cloned().collect());
        Publish { what, case: self.case.clone(), cluster, before: self.released.clone(), told }
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

    /// The same where the cluster also became part of another: both are one change. `None` where nothing changes.
    pub fn and_absorbed(
        mut self,
        by: &str,
        settings: &Settings<'_>,
        now: Timestamp,
    ) -> Result<Option<Effects>, Illegal> {
        let case = &mut self.record.case;
        let now = case.after(now);
        self.at = now;
        let reason = format!("its cluster became part of {by}");
        if settings.reviewers == Reviewers::Demo {
            let terms = settings.policy.terms(&self.record.cluster);
            let Some(entry) = demo::retract(case, reason, &terms, now)? else { return Ok(None) };
            self.audit.push(entry);
            self.publish = self.record.withdraw();
        } else {
            self.audit.extend(case.ask_attention(Why::Absorbed, reason, now));
        }
        Ok((!self.audit.is_empty()).then_some(self))
    }
}

#[cfg(test)]
mod tests;
