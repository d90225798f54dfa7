//! Carries out what a case's effects say of partners: renders the objects that each of them gets.

use casework::{CaseRecord, Effects, Notice, Publish, Settings, policy::Class};
use jiff::Timestamp;

use super::{Inner, SharingError};
use crate::{
    key,
    publish::stix::{Publication, withdrawal::withdrawal},
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
        let to_partner = |partner: &PartnerRow| {
            let reference = match given.get(&partner.collection) {
                Some(given) => given.clone(),
                None => key::case_reference(&partner.pseudonym_key, &publish.case.id),
            };
            let publication = Publication {
                identity: &self.config.identity,
                tlp: self.policy.rules.class(Class::Platform).tlp,
                valid_days: self.config.valid_days,
                partner: &partner.name,
                platform: &partner.platform,
                pseudonym_key: &partner.pseudonym_key,
                case: &publish.case,
                reference: &reference,
                cluster: &publish.cluster,
                before: publish.before_of(&partner.name),
                now,
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

    /// The case about a cluster.
    pub(super) fn record(&self, cluster_id: &str) -> Result<CaseRecord, SharingError> {
        self.store.case(cluster_id)?.ok_or_else(|| SharingError::NoCase(cluster_id.to_owned()))
    }
}
