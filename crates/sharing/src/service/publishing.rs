//! Carries out what a case's effects say of partners: renders the objects that each of them gets.

use casework::{CaseRecord, Effects, Notice, Publish, Settings, policy::Class};
use jiff::Timestamp;

use super::{Inner, SharingError};
use crate::{
    object::NewObject,
    publish::stix::{Publication, withdrawal::withdrawal},
    store::{Change, PartnerRow},
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
    pub(super) fn change_of(&self, effects: Effects, partners: &[PartnerRow]) -> Change {
        let Effects { at, record, audit, publish, label, refused } = effects;
        if let Some(refused) = refused {
            tracing::warn!(%refused, "the demo's reviewers cannot go on with a case, it waits for people");
        }
        let publish = publish.map(|publish| self.render(&publish, partners, at)).unwrap_or_default();
        Change { stored: record, entries: audit, publish, label }
    }

    /// The objects, by number of the partner's collection.
    fn render(&self, publish: &Publish, partners: &[PartnerRow], now: Timestamp) -> Vec<(i64, Vec<NewObject>)> {
        partners
            .iter()
            .filter(|partner| publish.goes_to(&partner.name))
            .map(|partner| {
                let publication = Publication {
                    identity: &self.config.identity,
                    tlp: self.policy.rules.class(Class::Platform).tlp,
                    valid_days: self.config.valid_days,
                    disarm_objects: self.config.disarm_objects,
                    partner: &partner.name,
                    platform: &partner.platform,
                    pseudonym_key: &partner.pseudonym_key,
                    case: &publish.case,
                    cluster: &publish.cluster,
                    before: publish.before_of(&partner.name),
                    now,
                };
                let objects = match &publish.what {
                    Notice::Shared => publication.objects(),
                    Notice::Withdrawn => publication.retraction(),
                    Notice::AccountsWithdrawn { gone } => withdrawal(&publication, gone),
                };
                (partner.collection, objects)
            })
            .filter(|(_, objects)| !objects.is_empty())
            .collect()
    }

    /// The case about a cluster.
    pub(super) fn record(&self, cluster_id: &str) -> Result<CaseRecord, SharingError> {
        self.store.case(cluster_id)?.ok_or_else(|| SharingError::NoCase(cluster_id.to_owned()))
    }
}
