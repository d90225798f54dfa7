//! Carries out what a case's effects say of partners: renders the objects that each of them gets.

use std::collections::{BTreeMap, BTreeSet};

use casework::{
    CaseRecord, Effects, Notice, Publish, Settings,
    accounts::without,
    case::{Case, State},
    partners::note_shared,
    policy::{self, Class, Decision, Rendered},
};
use jiff::Timestamp;
use messages::cluster::ClusterMessage;
use sha2::{Digest, Sha256};

use super::{Inner, SharingError};
use crate::{
    kept::KeptPosts,
    key,
    object::NewObject,
    publish::{
        redaction::{self, Beside, Texts},
        stix::{Publication, withdrawal::withdrawal},
    },
    store::{Change, PartnerRow, Published},
};

impl Inner {
    /// What decides beside the case itself.
    pub(super) fn settings(&self) -> Settings<'_> {
        Settings {
            policy: &self.policy,
            reviewers: self.config.reviewers,
            valid_days: self.config.valid_days,
            expiry_notice_days: self.config.expiry_notice_days,
            rendered: None,
        }
    }

    /// The transaction that carries out the effects.
    pub(super) fn change_of(&self, effects: Effects, partners: &[PartnerRow]) -> Result<Change, SharingError> {
        let Effects { at, record, audit, publish, label, refused } = effects;
        if let Some(refused) = refused {
            tracing::warn!(%refused, "the demo's reviewers cannot go on with a case, it waits for people");
        }
        let publish = publish.map(|publish| self.render(&publish, partners, at)).transpose()?.unwrap_or_default();
        Ok(Change { stored: record, entries: audit, publish, label })
    }

    /// The objects for each partner's collection.
    fn render(
        &self,
        publish: &Publish,
        partners: &[PartnerRow],
        now: Timestamp,
    ) -> Result<Vec<Published>, SharingError> {
        let given = self.store.references_of(&publish.case.id)?;
        let kept = self.sent_evidence(&publish.case, &publish.cluster)?;
        let to_partner = |partner: &PartnerRow| {
            let reference = match given.get(&partner.collection) {
                Some(given) => given.clone(),
                None => key::case_reference(&partner.pseudonym_key, &publish.case.id),
            };
            let before = publish.before_of(&partner.name);
            let publication = Publication {
                before,
                kept: &kept,
                ..self.publication(partner, &reference, &publish.case, &publish.cluster, now)
            };
            let objects = match &publish.what {
                Notice::Shared => publication.objects(),
                Notice::Withdrawn => publication.retraction(),
                Notice::AccountsWithdrawn { gone } => withdrawal(&publication, gone),
            };
            Published { collection: partner.collection, reference, objects }
        };
        let to_all = partners.iter().filter(|partner| publish.goes_to(&partner.name)).map(to_partner);
        Ok(to_all.filter(|published| !published.objects.is_empty()).collect())
    }

    fn publication<'a>(
        &'a self,
        partner: &'a PartnerRow,
        reference: &'a str,
        case: &'a Case,
        cluster: &'a ClusterMessage,
        now: Timestamp,
    ) -> Publication<'a> {
        let rule = self.policy.rules.class(Class::Platform);
        Publication {
            identity: &self.config.identity,
            tlp: rule.tlp,
            valid_days: self.config.valid_days,
            disarm_objects: self.config.disarm_objects,
            shows: rule.shows,
            partner: &partner.name,
            platform: &partner.platform,
            pseudonym_key: &partner.pseudonym_key,
            case,
            reference,
            cluster,
            before: None,
            kept: KeptPosts::NONE,
            now,
        }
    }

    /// The kept posts of which a platform may get the texts.
    fn sent_evidence(&self, case: &Case, cluster: &ClusterMessage) -> Result<KeptPosts, SharingError> {
        Ok(as_approved(self.store.kept_evidence(cluster)?, case, cluster))
    }

    /// What a recipient will see of a case, beside what is known.
    pub(crate) fn beside(
        &self,
        record: &CaseRecord,
        decisions: &[&Decision],
    ) -> Result<BTreeMap<String, Vec<Beside>>, SharingError> {
        let kept = self.store.kept_evidence(&record.cluster)?;
        let sent = as_approved(kept.clone(), &record.case, &record.cluster);
        let texts = Texts { kept: &kept, sent: &sent };
        let platform = |name: &str| self.policy.recipients.iter().find(|known| known.name == name)?.platform.as_deref();
        let of = |decision: &&Decision| {
            let beside = redaction::beside(record, &decision.shows, platform(&decision.recipient), texts);
            (decision.recipient.clone(), beside)
        };
        Ok(decisions.iter().map(of).collect())
    }

    /// What each platform would get if the case were released at `at`. Only times depend on `at`.
    pub(crate) fn would_send(
        &self,
        record: &CaseRecord,
        at: Timestamp,
    ) -> Result<Vec<(String, Vec<NewObject>)>, SharingError> {
        let outcome = policy::decide(&record.case, &self.policy.terms(&record.cluster), Timestamp::now());
        let recipients: BTreeSet<String> = outcome.notified().map(|decision| decision.recipient.clone()).collect();
        let state = if record.case.first_released_at.is_none() { State::Released } else { State::Updated };
        let cluster = without(&record.cluster, &record.case.left_out);
        let mut case = Case { state, ..record.case.clone() };
        note_shared(&mut case, &cluster, at);
        let publish = Publish {
            what: Notice::Shared,
            case,
            cluster,
            before: record.released.clone(),
            recipients: Some(recipients),
        };
        let partners = self.store.partners()?;
        let rendered = self.render(&publish, &partners, at)?;
        let name = |collection: i64| partners.iter().find(|partner| partner.collection == collection);
        Ok(rendered
            .into_iter()
            .filter_map(|published| Some((name(published.collection)?.name.clone(), published.objects)))
            .collect())
    }

    /// Digests of what a release would send now. Times of the release are not known yet and are left out of it, by a fixed time.
    pub(crate) fn rendered(&self, record: &CaseRecord) -> Result<Rendered, SharingError> {
        let sent = self.would_send(record, Timestamp::UNIX_EPOCH)?;
        let digest = |objects: &[NewObject]| {
            let mut digest = Sha256::new();
            objects.iter().for_each(|object| {
                digest.update(object.body.as_bytes());
                digest.update(b"\n");
            });
            text_format::hex(&digest.finalize())
        };
        Ok(sent.into_iter().map(|(name, objects)| (name, digest(&objects))).collect())
    }

    /// The same for a new approval: with all posts that are kept now.
    pub(super) fn rendered_anew(&self, record: &CaseRecord) -> Result<Rendered, SharingError> {
        self.rendered(&CaseRecord { case: Case { approved: None, ..record.case.clone() }, ..record.clone() })
    }

    /// The case about a cluster.
    pub(super) fn record(&self, cluster_id: &str) -> Result<CaseRecord, SharingError> {
        self.store.case(cluster_id)?.ok_or_else(|| SharingError::NoCase(cluster_id.to_owned()))
    }
}

/// What is approved is what is sent: posts that were kept after this version was approved, or else released, are not in it.
fn as_approved(kept: KeptPosts, case: &Case, cluster: &ClusterMessage) -> KeptPosts {
    let words = [&case.approved, &case.released_by].into_iter().flatten();
    match words.into_iter().find(|statement| statement.version == cluster.version) {
        Some(word) => kept.until(word.at),
        None => kept,
    }
}
