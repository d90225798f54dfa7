//! What partners get by a change of a case.

use casework::{
    attention::valid_until,
    case::Case,
    policy::{Class, Policy},
    retraction::without,
};
use jiff::{SignedDuration, Timestamp};

use super::{Inner, SharingError};
use crate::{
    config::Config,
    object::NewObject,
    publish::stix,
    store::{PartnerRow, StoredCase},
};

/// Objects by number of the collection.
pub(crate) type Publish = Vec<(i64, Vec<NewObject>)>;

/// Objects for every platform that the policy told of the version just released.
pub(super) fn share(
    stored: &mut StoredCase,
    config: &Config,
    policy: &Policy,
    partners: &[PartnerRow],
    now: Timestamp,
) -> Publish {
    let cluster = without(&stored.cluster, &stored.case.left_out);
    stix::note_shared(&mut stored.case, &cluster, now);
    let shared = StoredCase { cluster, ..stored.clone() };
    let told = |name: &str| shared.case.told.as_ref()?.get(name).copied();
    let told_now = |name: &str| told(name).is_some_and(|versions| versions.last == shared.case.version);
    let publish = for_partners(&shared, config, policy, partners, now, told_now, |p| p.objects());
    if let Some(before) = &stored.released {
        stix::note_withdrawn(&mut stored.case, before, Some(&shared.cluster));
    }
    stored.case.settle_attention();
    stored.case.valid_until = Some(valid_until(&shared.cluster, now, config.valid_days));
    stored.released = Some(shared.cluster);
    publish
}

/// Revoked versions of everything that platforms have, for every one that was told, whatever the policy would say of it today.
pub(super) fn withdraw(
    stored: &mut StoredCase,
    config: &Config,
    policy: &Policy,
    partners: &[PartnerRow],
    now: Timestamp,
) -> Publish {
    let Some(before) = stored.released.clone() else {
        return Vec::new();
    };
    // Partners have the released version; a newer one that was never shared is nothing to them.
    let shared = StoredCase { cluster: before.clone(), ..stored.clone() };
    let told = |name: &str| stored.case.told.as_ref().is_none_or(|told| told.contains_key(name));
    let publish = for_partners(&shared, config, policy, partners, now, told, |p| p.retraction());
    stix::note_withdrawn(&mut stored.case, &before, None);
    stored.case.settle_attention();
    publish
}

pub(super) fn for_partners(
    stored: &StoredCase,
    config: &Config,
    policy: &Policy,
    partners: &[PartnerRow],
    now: Timestamp,
    told: impl Fn(&str) -> bool,
    objects: impl Fn(&stix::Publication) -> Vec<NewObject>,
) -> Publish {
    // A platform that is told for the first time has no earlier version, whatever others have.
    let had = |name: &str, version: u32| {
        stored.case.told.as_ref().is_none_or(|told| told.get(name).is_some_and(|versions| versions.first <= version))
    };
    partners
        .iter()
        .filter(|partner| told(&partner.name))
        .map(|partner| {
            let publication = stix::Publication {
                identity: &config.identity,
                tlp: policy.rules.class(Class::Platform).tlp,
                valid_days: config.valid_days,
                partner: &partner.name,
                platform: &partner.platform,
                pseudonym_key: &partner.pseudonym_key,
                case: &stored.case,
                cluster: &stored.cluster,
                before: stored.released.as_ref().filter(|before| had(&partner.name, before.version)),
                now,
            };
            (partner.collection, objects(&publication))
        })
        .filter(|(_, objects)| !objects.is_empty())
        .collect()
}

/// A time after the case's last change, also where the clock went back: versions of an object are told apart by their time,
/// to the millisecond.
pub(super) fn after(case: &Case, now: Timestamp) -> Timestamp {
    let next = case.changed_at.checked_add(SignedDuration::from_millis(1));
    now.max(next.unwrap_or(now))
}

impl Inner {
    /// What every partner that was told gets of a case.
    pub(crate) fn for_partners(
        &self,
        stored: &StoredCase,
        now: Timestamp,
        objects: impl Fn(&stix::Publication) -> Vec<NewObject>,
    ) -> Result<Publish, SharingError> {
        let told = |name: &str| stored.case.told.as_ref().is_none_or(|told| told.contains_key(name));
        Ok(for_partners(stored, &self.config, &self.policy, &self.store.partners()?, now, told, objects))
    }
}
