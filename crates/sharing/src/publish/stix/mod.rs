//! STIX 2.1 objects for one partner from one released finding.
//!
//! Pure: the same case, finding, partner and time give the same objects. A partner gets accounts of its own platform; of the
//! rest it gets counts and pseudonyms made with a key of its own. What its class does not see is left out, and so is every key, source
//! and name that would name an account on another platform.
//!
//! - An account: `user-account` with the id that STIX prescribes, and one `indicator`, which expires and can be revoked, with a
//!   relationship `indicates` to the campaign.
//! - The group: `campaign`, `observed-data`, a `note` that says why, a `grouping` of everything.
//! - The evidence: an `observed-data` for each key, with the posts on it ([`evidence`]).
//! - What it does: relationships `uses` to DISARM's `attack-pattern`s ([`disarm`]), with a note on the licence and the rule of each.
//! - For all of it: TLP 2.0 markings with the OASIS ids, the producer's `identity`, the definition of our extension ([`finding`]).
//!
//! Every reference resolves within a publication. The extension key of the TLP markings is none: OASIS publishes those markings without
//! the definition of that extension, whose creator (CISA, for OASIS) has no part in this and must not seem to.
//!
//! **Versions.** A later release has the same ids, the same `created` and a later `modified`. What is withdrawn gets a version with
//! `revoked: true`, and a note says so. What was revoked stays revoked: an account, a platform or a technique that comes back gets a new id.

mod disarm;
pub(crate) mod evidence;
mod explanation;
pub(crate) mod feedback;
mod finding;
pub(crate) mod object;
pub(crate) mod withdrawal;

use std::collections::{BTreeMap, BTreeSet};

use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use messages::cluster::{ClusterAccount, ClusterMessage};
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use crate::{kept::KeptPosts, object::NewObject};
use casework::{
    Tlp,
    accounts::key_of_account,
    case::Case,
    partners::platform_key,
    policy::{AccountIds, Elsewhere as Others, Redaction, VOLUNTARY},
    techniques::techniques,
};
pub(crate) use finding::EXTENSION;
use finding::{Elsewhere, Finding, TestWindow};
use object::{finite, id_of, ids, marking, millis, pattern_text, revoke, stored, user_account_id};
use presentation::description;
use text_format::hex;

/// The namespace of our own deterministic ids.
const OURS: Uuid = Uuid::from_u128(0x6c6f636b_7374_4570_a1b2_73686172696e);
/// Who defined our extension: the same at every installation, unlike the producer.
const PROJECT: &str = "identity--5b5afca4-bab5-516f-9c93-a45d7bb09abc";
/// When fixed objects were made; part of their content.
const EPOCH: &str = "2026-11-01T00:00:00.000Z";

/// What is shared with whom.
#[derive(Clone, Copy)]
pub(crate) struct Publication<'a> {
    /// Name of the producer.
    pub identity: &'a str,
    pub tlp: Tlp,
    pub valid_days: u32,
    /// Whether techniques are shared as DISARM's objects; else the campaign names them.
    pub disarm_objects: bool,
    /// What platforms see.
    pub shows: Redaction,
    pub partner: &'a str,
    pub platform: &'a str,
    pub pseudonym_key: &'a [u8],
    pub case: &'a Case,
    /// The id under which the partner knows the case.
    pub reference: &'a str,
    pub cluster: &'a ClusterMessage,
    /// The version that the partner had before.
    pub before: Option<&'a ClusterMessage>,
    /// The posts of which there are texts.
    pub kept: &'a KeptPosts,
    /// When it is shared.
    pub now: Timestamp,
}

impl Publication<'_> {
    /// The objects, each after those it refers to. Empty where the partner's platform has no account in it.
    pub fn objects(&self) -> Vec<NewObject> {
        let own = self.own();
        if own.is_empty() {
            // Every account of this platform has left the finding: what was said of them is withdrawn.
            return self.retraction();
        }
        let mut objects = self.group(&own, false);
        let was = self.before.map(|before| on_platform(before, self.platform)).unwrap_or_default();
        if let Some(before) = self.before.filter(|_| !was.is_empty()) {
            let stays = |old: &ClusterAccount| own.iter().any(|new| new.account_id == old.account_id);
            let left: Vec<&ClusterAccount> = was.into_iter().filter(|old| !stays(old)).collect();
            let withdrawn = self.withdrawn_evidence(before, &objects);
            let refers = |object: &Value, id: &str| {
                object["object_refs"].as_array().is_some_and(|refs| refs.iter().any(|reference| reference == id))
            };
            let acted = left.iter().filter(|account| {
                let id = user_account_id(account);
                withdrawn.iter().any(|object| refers(object, &id))
            });
            objects.extend(acted.map(|account| self.user_account(account)));
            objects.extend(withdrawn);
            if !left.is_empty() {
                let revoked: Vec<Value> = left.iter().flat_map(|account| self.indicator(account, true)).collect();
                let indicators = ids(&revoked, "indicator");
                objects.extend(revoked);
                objects.push(self.withdrawn(left.len(), &self.left_seed(), indicators));
            }
            let mut dropped = techniques(before);
            dropped.retain(|technique| !techniques(self.cluster).contains(technique));
            if self.disarm_objects {
                objects.extend(self.techniques(&dropped, true));
            }
        }
        self.grouped(objects, false)
    }

    /// Revoked versions of what the partner has, and a note. Accounts themselves cannot be revoked in STIX.
    pub fn retraction(&self) -> Vec<NewObject> {
        let Some(before) = self.before else {
            return Vec::new();
        };
        let own = on_platform(before, self.platform);
        if own.is_empty() {
            return Vec::new();
        }
        let mut objects = Publication { cluster: before, ..*self }.group(&own, true);
        let mut withdrawn = ids(&objects, "indicator");
        withdrawn.insert(0, self.id("campaign", &self.platform_seed("campaign")));
        objects.push(self.withdrawn(own.len(), &self.retraction_seed(), withdrawn));
        self.grouped(objects, true)
    }

    /// Everything of the group and these accounts of it.
    fn group(&self, own: &[&ClusterAccount], revoked: bool) -> Vec<Value> {
        let mut objects: Vec<Value> = own.iter().map(|account| self.user_account(account)).collect();
        let selection = self.selection();
        let observed = self.observed(objects.iter().map(id_of).collect(), &selection);
        let campaign = self.campaign(own.len());
        let why = self.platform_object(
            "note",
            "why",
            json!({
                "abstract": "Why these accounts are reported, and what the numbers mean",
                "content": explanation::why(self, own.len(), &selection),
                "object_refs": [id_of(&campaign)],
            }),
        );
        let mut group = [campaign, observed, why];
        group.iter_mut().for_each(|object| revoke(object, revoked));
        objects.extend(group);
        objects.extend(if revoked { self.withdrawn_evidence(self.cluster, &[]) } else { self.evidence() });
        objects.extend(own.iter().flat_map(|account| self.indicator(account, revoked)));
        if self.disarm_objects {
            objects.extend(self.techniques(&techniques(self.cluster), revoked));
        }
        objects
    }

    /// With what they refer to before them and a grouping of them behind, for the store.
    fn grouped(&self, mut objects: Vec<Value>, revoked: bool) -> Vec<NewObject> {
        // DISARM's identity and marking may be there twice.
        let mut seen = BTreeSet::new();
        objects.retain(|object| seen.insert(id_of(object)));
        // Not the markings: python-stix2 refuses a grouping that refers to them.
        let is_marking = |object: &&Value| object["type"] == "marking-definition";
        let grouped: Vec<String> = objects.iter().filter(|object| !is_marking(object)).map(id_of).collect();
        let mut grouping = self.platform_object(
            "grouping",
            "grouping",
            json!({
                "name": format!("Everything shared with {} about {}", self.partner, self.reference),
                "context": "suspicious-activity",
                "object_refs": grouped,
            }),
        );
        revoke(&mut grouping, revoked);
        self.common().into_iter().chain(objects).chain([grouping]).map(stored).collect()
    }

    /// Marking definitions, producer, extension: what every other object refers to.
    fn common(&self) -> Vec<Value> {
        let clear = marking(Tlp::Clear);
        let identity = |id: &str, name: &str| {
            json!({
                "type": "identity",
                "spec_version": "2.1",
                "id": id,
                "created": EPOCH,
                "modified": EPOCH,
                "name": name,
                "identity_class": "organization",
                "object_marking_refs": [id_of(&clear)],
            })
        };
        let extension = json!({
            "type": "extension-definition",
            "spec_version": "2.1",
            "id": EXTENSION,
            "created_by_ref": PROJECT,
            "created": EPOCH,
            "modified": finding::DEFINED,
            "name": "Lockstep finding",
            "description": "How a detector of coordinated accounts came to a finding: how often members repeat each other, beside \
                            everybody else and the people near them; evidence in nats, calibrated probability, model, review \
                            state; and, on a campaign, how much of it lies on other platforms. Its JSON Schema is \
                            crates/sharing/schemas/stix-finding.v2.json in Lockstep's source.",
            "schema": finding::SCHEMA,
            "version": finding::VERSION,
            "extension_types": ["property-extension"],
            "object_marking_refs": [id_of(&clear)],
        });
        let identities = [identity(PROJECT, "Lockstep project"), identity(&self.identity_id(), self.identity)];
        let mut objects = vec![clear];
        if self.tlp != Tlp::Clear {
            objects.push(marking(self.tlp));
        }
        objects.extend(identities);
        objects.push(extension);
        objects.push(evidence::definition(PROJECT, &marking(Tlp::Clear)));
        objects
    }

    fn user_account(&self, account: &ClusterAccount) -> Value {
        let mut object = json!({
            "type": "user-account",
            "spec_version": "2.1",
            "id": user_account_id(account),
            "account_type": account.platform,
            "user_id": account.account_id,
            "object_marking_refs": [id_of(&marking(self.tlp))],
        });
        // A name that is the id of a member: importers that match by value would take one for the other.
        let is_id = self.cluster.accounts.iter().any(|member| member.account_id == account.account_name);
        if self.shows.handles && !account.account_name.is_empty() && !is_id {
            object["display_name"] = json!(account.account_name);
        }
        object
    }

    /// The indicator of one account and its relationship to the campaign.
    fn indicator(&self, account: &ClusterAccount, revoked: bool) -> [Value; 2] {
        let key = key_of_account(account);
        let seed = format!("{key}\u{1f}{}", self.generation(&key));
        let created = self.since(&key);
        let from = self.cluster.first_seen;
        // What is withdrawn is over now, also for readers that do not look at `revoked`.
        let days = if revoked { 0 } else { i64::from(self.valid_days) };
        let until = if revoked { self.now } else { self.now.max(self.cluster.last_seen) };
        let until = until.checked_add(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MAX);
        let until = until.max(from.checked_add(SignedDuration::from_millis(1)).unwrap_or(from));
        let mut indicator = self.object(
            "indicator",
            &seed,
            created,
            json!({
                "name": format!(
                    "Account {} on {} acts in lockstep with {}",
                    text_format::shorten(&account.account_id, 80),
                    text_format::shorten(&account.platform, 40),
                    text_format::count(self.cluster.accounts.len().saturating_sub(1) as u64, "other"),
                ),
                "description": format!("{} {}", description::headline(self.cluster), VOLUNTARY),
                "indicator_types": ["anomalous-activity"],
                "pattern": format!("[user-account:user_id = '{}']", pattern_text(&account.account_id)),
                "pattern_type": "stix",
                "valid_from": millis(from),
                "valid_until": millis(until),
            }),
        );
        // No number stands in for one that is not known.
        if let Some(probability) = self.cluster.probability.and_then(finite).filter(|_| self.shows.model_internals) {
            indicator["confidence"] = json!((probability.clamp(0.0, 1.0) * 100.0).round() as i64);
        }
        let finding = self.as_shown(self.finding().of_account(account));
        indicator["extensions"] = json!({ EXTENSION: finding });
        let mut relationship = self.object(
            "relationship",
            &format!("indicates\u{1f}{seed}"),
            created,
            json!({
                "relationship_type": "indicates",
                "source_ref": id_of(&indicator),
                "target_ref": self.id("campaign", &self.platform_seed("campaign")),
            }),
        );
        revoke(&mut indicator, revoked);
        revoke(&mut relationship, revoked);
        [indicator, relationship]
    }

    fn campaign(&self, own: usize) -> Value {
        let mut campaign = self.platform_object(
            "campaign",
            "campaign",
            json!({
                "name": format!("Coordinated accounts, {}", self.reference),
                "description": match self.shows.model_internals {
                    true => format!("{} {}", description::headline(self.cluster), explanation::strength(self.cluster)),
                    false => description::headline(self.cluster),
                },
                "first_seen": millis(self.cluster.first_seen),
                "last_seen": millis(self.cluster.last_seen.max(self.cluster.first_seen)),
            }),
        );
        let mut elsewhere: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for account in &self.cluster.accounts {
            if account.platform != self.platform && self.shows.elsewhere != Others::Total {
                elsewhere.entry(&account.platform).or_default().push(self.pseudonym(account));
            }
        }
        let finding = Finding {
            accounts_total: Some(self.cluster.accounts.len()),
            accounts_on_your_platform: Some(own),
            accounts_elsewhere: elsewhere
                .into_iter()
                .map(|(platform, mut pseudonyms)| {
                    // In an order of their own, not that of the evidence.
                    pseudonyms.sort();
                    let accounts = pseudonyms.len();
                    pseudonyms.retain(|_| self.shows.elsewhere == Others::Pseudonyms);
                    Elsewhere { platform: platform.to_owned(), accounts, pseudonyms }
                })
                .collect(),
            ..self.as_shown(self.finding())
        };
        campaign["extensions"] = json!({ EXTENSION: finding });
        let named = techniques(self.cluster);
        if !self.disarm_objects && !named.is_empty() {
            campaign["external_references"] = named.into_iter().map(disarm::reference).collect();
        }
        campaign
    }

    /// HMAC-SHA256 of the account with the partner's own key: the same account has the same pseudonym in every finding for
    /// this partner, and another one for every other partner.
    fn pseudonym(&self, account: &ClusterAccount) -> String {
        hmac(self.pseudonym_key, &key_of_account(account))
    }

    /// Accounts of the platform, if its class sees them.
    fn own(&self) -> Vec<&ClusterAccount> {
        match self.shows.account_ids {
            AccountIds::None => Vec::new(),
            _ => on_platform(self.cluster, self.platform),
        }
    }

    fn as_shown(&self, finding: Finding) -> Finding {
        if self.shows.model_internals { finding } else { finding.without_internals() }
    }

    fn finding(&self) -> Finding {
        let c = self.cluster;
        // An e-value's inverse is a p-value; times the number tested it bounds the false discovery rate (Wang and Ramdas).
        let q = (c.candidates_tested.max(1) as f64 * (-c.log_e_leave_one_source_out).exp()).min(1.0);
        let state = if self.case.demo { "demo_policy_no_person_looked" } else { self.case.state.name() };
        Finding {
            extension_type: "property-extension".to_owned(),
            detector: "lockstep".to_owned(),
            case: self.reference.to_owned(),
            cluster_version: c.version,
            log_e_nats: finite(c.log_e),
            log_e_leave_one_source_out_nats: finite(c.log_e_leave_one_source_out),
            bar_nats: c.test.and_then(|test| finite(test.bar)),
            alpha: c.test.and_then(|test| finite(test.alpha)),
            safety_factor: c.test.and_then(|test| finite(test.safety)),
            windows: c.windows.iter().map(TestWindow::new).collect(),
            q_value_upper_bound: finite(q),
            candidates_tested: c.candidates_tested,
            history_hours: finite(c.history_hours),
            score_nats: c.score.and_then(finite),
            probability: c.probability.and_then(finite),
            model: c.model.as_ref().map(|model| model.name.clone()),
            model_version: c.model.as_ref().map(|model| model.version.clone()),
            review_state: state.to_owned(),
            account_log_e_nats: None,
            account_probability: None,
            account_came: None,
            account_outcomes: None,
            account_left_out_nats: None,
            account_posts_seen: None,
            accounts_total: None,
            accounts_on_your_platform: None,
            accounts_elsewhere: Vec::new(),
        }
    }

    /// An object of ours about the group as this partner sees it.
    fn platform_object(&self, kind: &str, seed: &str, properties: Value) -> Value {
        let created = self.since(&platform_key(self.platform));
        self.object(kind, &self.platform_seed(seed), created, properties)
    }

    /// An object of ours with its fixed properties.
    fn object(&self, kind: &str, seed: &str, created: Timestamp, properties: Value) -> Value {
        let mut object = json!({
            "type": kind,
            "spec_version": "2.1",
            "id": self.id(kind, seed),
            "created_by_ref": self.identity_id(),
            "created": millis(created.min(self.now)),
            "modified": millis(self.now),
            "object_marking_refs": [id_of(&marking(self.tlp))],
        });
        if self.case.demo {
            object["labels"] = json!(["demo"]);
        }
        if let (Some(object), Value::Object(properties)) = (object.as_object_mut(), properties) {
            object.extend(properties);
        }
        object
    }

    /// How often it was withdrawn before.
    fn generation(&self, key: &str) -> u32 {
        self.case.withdrawn.get(key).copied().unwrap_or(0)
    }

    /// Since when it is shared.
    fn since(&self, key: &str) -> Timestamp {
        self.case.shared_since.get(key).copied().or(self.case.first_released_at).unwrap_or(self.now)
    }

    fn platform_seed(&self, seed: &str) -> String {
        format!("{seed}\u{1f}{}", self.generation(&platform_key(self.platform)))
    }

    /// Not the same for two partners: what they see of a finding differs.
    fn id(&self, kind: &str, seed: &str) -> String {
        let name = format!("{kind}\u{1f}{}\u{1f}{}\u{1f}{seed}", self.partner, self.reference);
        format!("{kind}--{}", Uuid::new_v5(&OURS, name.as_bytes()))
    }

    fn identity_id(&self) -> String {
        let name = format!("identity\u{1f}{}", self.identity);
        format!("identity--{}", Uuid::new_v5(&OURS, name.as_bytes()))
    }
}

/// HMAC-SHA256, the first 16 bytes in hex.
fn hmac(key: &[u8], text: &str) -> String {
    // Hmac takes keys of any length, so the error cannot happen; an empty text would still name nobody.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return String::new();
    };
    mac.update(text.as_bytes());
    hex(&mac.finalize().into_bytes()[..16])
}

fn on_platform<'a>(cluster: &'a ClusterMessage, platform: &str) -> Vec<&'a ClusterAccount> {
    cluster.accounts.iter().filter(|account| account.platform == platform).collect()
}

/// Compares a committed JSON Schema with that of its type, or writes it with UPDATE_SCHEMAS.
#[cfg(test)]
fn check_schema(file: &str, id: &str, schema: &schemars::Schema) {
    let path = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schemas").join(file);
    assert_eq!(schema.as_value()["$id"], id);
    let text = format!("{}\n", serde_json::to_string_pretty(schema.as_value()).unwrap());
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(&path, text).unwrap();
    } else {
        let old = std::fs::read_to_string(&path).unwrap_or_default();
        let how = "run `UPDATE_SCHEMAS=1 cargo test --workspace --lib -- schema` and commit";
        assert!(old == text, "{how} {}", path.display());
    }
}

#[cfg(test)]
mod tests;
