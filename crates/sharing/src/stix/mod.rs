//! STIX 2.1 objects for one partner from one released finding.
//!
//! Pure: the same case, finding, partner and time give the same objects. A partner gets accounts of its own platform; of the
//! rest it gets counts and pseudonyms made with a key of its own.

use std::collections::{BTreeMap, BTreeSet};

use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use messages::cluster::{ClusterAccount, ClusterMessage};
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use crate::{audit::hex, case::Case, config::Tlp, demo, store::NewObject, words};

/// The namespace of ids of cyber-observable objects (STIX 2.1, section 2.9).
const OBSERVABLES: Uuid = Uuid::from_u128(0x00abedb4_aa42_466c_9c01_fed23315a9b7);
/// The namespace of our own deterministic ids.
const OURS: Uuid = Uuid::from_u128(0x6c6f636b_7374_4570_a1b2_73686172696e);
/// Our property extension.
pub const EXTENSION: &str = "extension-definition--5a0f1f3e-6f0b-4f5e-9a57-3d8c2b7e4c11";
/// The OASIS property extension that carries TLP 2.0.
const TLP_EXTENSION: &str = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d";
/// When the producer's identity and the extension were first described; part of their fixed content.
const EPOCH: &str = "2026-11-01T00:00:00.000Z";

/// What is shared with whom.
pub(crate) struct Publication<'a> {
    /// Name of the producer.
    pub identity: &'a str,
    pub tlp: Tlp,
    pub valid_days: u32,
    pub partner: &'a str,
    pub platform: &'a str,
    pub pseudonym_key: &'a [u8],
    pub case: &'a Case,
    pub cluster: &'a ClusterMessage,
    /// The version that the partner had before.
    pub before: Option<&'a ClusterMessage>,
    /// When it is shared.
    pub now: Timestamp,
}

impl Publication<'_> {
    /// The objects, each after those it refers to. Empty where the partner's platform has no account in it.
    pub fn objects(&self) -> Vec<NewObject> {
        let own: Vec<&ClusterAccount> = on_platform(self.cluster, self.platform);
        let gone: Vec<&ClusterAccount> = self
            .before
            .map(|before| on_platform(before, self.platform))
            .unwrap_or_default()
            .into_iter()
            .filter(|old| own.iter().all(|new| new.account_id != old.account_id))
            .collect();
        if own.is_empty() && gone.is_empty() {
            return Vec::new();
        }
        let mut objects = self.common();
        let mut grouped = Vec::new();
        let accounts: Vec<Value> = own.iter().map(|account| self.user_account(account)).collect();
        let account_ids: Vec<String> = accounts.iter().map(id_of).collect();
        objects.extend(accounts);
        grouped.extend(account_ids.iter().cloned());
        if own.is_empty() {
            // Every account of this platform has left the finding: what was said of them is withdrawn.
            objects.extend(gone.iter().flat_map(|account| self.indicator(account, true)));
            return objects.into_iter().map(stored).collect();
        }
        let campaign = self.campaign(own.len());
        let campaign_id = id_of(&campaign);
        objects.push(campaign);
        grouped.push(campaign_id.clone());
        for account in &own {
            let pair = self.indicator(account, false);
            grouped.extend(pair.iter().map(id_of));
            objects.extend(pair);
        }
        objects.extend(gone.iter().flat_map(|account| self.indicator(account, true)));
        let seen: Vec<Timestamp> = self
            .cluster
            .evidence
            .iter()
            .flat_map(|e| &e.posts)
            .filter(|post| post.platform == self.platform)
            .map(|post| post.created_at)
            .collect();
        let observed = self.object(
            "observed-data",
            "observed",
            json!({
                "first_observed": millis(seen.iter().min().copied().unwrap_or(self.cluster.first_seen)),
                "last_observed": millis(seen.iter().max().copied().unwrap_or(self.cluster.last_seen)),
                "number_observed": seen.len().clamp(1, 999_999_999),
                "object_refs": account_ids,
            }),
        );
        grouped.push(id_of(&observed));
        objects.push(observed);
        let note = self.object(
            "note",
            "why",
            json!({
                "abstract": "Why these accounts are reported, and what the numbers mean",
                "content": self.why(own.len()),
                "object_refs": [campaign_id],
            }),
        );
        grouped.push(id_of(&note));
        objects.push(note);
        objects.push(self.object(
            "grouping",
            "grouping",
            json!({
                "name": format!("Everything shared with {} about {}", self.partner, self.case.id),
                "context": "suspicious-activity",
                "object_refs": grouped,
            }),
        ));
        objects.into_iter().map(stored).collect()
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
        let mut objects = self.common();
        objects.extend(own.iter().flat_map(|account| self.indicator(account, true)));
        let mut campaign = self.campaign(own.len());
        campaign["revoked"] = json!(true);
        objects.push(campaign);
        objects.push(self.object(
            "note",
            "retraction",
            json!({
                "abstract": "Withdrawn",
                "content": format!(
                    "What was said of {} in {} is withdrawn: please undo what rests on it.",
                    words::count(own.len() as u64, "account"), self.case.id
                ),
                "object_refs": [self.id("campaign", "campaign")],
            }),
        ));
        objects.into_iter().map(stored).collect()
    }

    /// Marking definitions, producer, extension: what every other object refers to.
    fn common(&self) -> Vec<Value> {
        let clear = marking(Tlp::Clear);
        let identity = json!({
            "type": "identity",
            "spec_version": "2.1",
            "id": self.identity_id(),
            "created": EPOCH,
            "modified": EPOCH,
            "name": self.identity,
            "identity_class": "organization",
            "object_marking_refs": [id_of(&clear)],
        });
        let extension = json!({
            "type": "extension-definition",
            "spec_version": "2.1",
            "id": EXTENSION,
            "created_by_ref": self.identity_id(),
            "created": EPOCH,
            "modified": EPOCH,
            "name": "Lockstep finding",
            "description": "How a detector of coordinated accounts came to a finding: evidence in nats, calibrated \
                            probability, model, review state; and, on a campaign, how much of it lies on other platforms.",
            "schema": "urn:lockstep:stix:finding:1",
            "version": "1.0.0",
            "extension_types": ["property-extension"],
            "object_marking_refs": [id_of(&clear)],
        });
        let mut objects = vec![clear];
        if self.tlp != Tlp::Clear {
            objects.push(marking(self.tlp));
        }
        objects.push(identity);
        objects.push(extension);
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
        if !account.account_name.is_empty() {
            object["display_name"] = json!(account.account_name);
        }
        object
    }

    /// The indicator of one account and its relationship to the campaign.
    fn indicator(&self, account: &ClusterAccount, revoked: bool) -> [Value; 2] {
        let generation = self.case.withdrawn.get(&account_key(account)).copied().unwrap_or(0);
        let seed = format!("{}\u{1f}{generation}", account_key(account));
        let from = self.cluster.first_seen;
        let until = self.now.max(self.cluster.last_seen);
        let until =
            until.checked_add(SignedDuration::from_hours(24 * i64::from(self.valid_days))).unwrap_or(Timestamp::MAX);
        let mut indicator = self.object(
            "indicator",
            &seed,
            json!({
                "name": format!(
                    "Account {} on {} acts in lockstep with {} others",
                    words::shorten(&account.account_id, 80),
                    words::shorten(&account.platform, 40),
                    self.cluster.accounts.len().saturating_sub(1),
                ),
                "description": format!("{} {}", words::headline(self.cluster), words::VOLUNTARY),
                "indicator_types": ["anomalous-activity"],
                "pattern": format!("[user-account:user_id = '{}']", pattern_text(&account.account_id)),
                "pattern_type": "stix",
                "valid_from": millis(from),
                "valid_until": millis(until),
                "confidence": (self.cluster.probability.clamp(0.0, 1.0) * 100.0).round() as i64,
            }),
        );
        let mut finding = self.finding();
        finding["account_log_e_nats"] = number(account.log_e);
        finding["account_posts_seen"] = json!(account.posts);
        indicator["extensions"] = json!({ EXTENSION: without_nulls(finding) });
        let mut relationship = self.object(
            "relationship",
            &format!("indicates\u{1f}{seed}"),
            json!({
                "relationship_type": "indicates",
                "source_ref": id_of(&indicator),
                "target_ref": self.id("campaign", "campaign"),
            }),
        );
        if revoked {
            indicator["revoked"] = json!(true);
            relationship["revoked"] = json!(true);
        }
        [indicator, relationship]
    }

    fn campaign(&self, own: usize) -> Value {
        let mut campaign = self.object(
            "campaign",
            "campaign",
            json!({
                "name": format!("Coordinated accounts, {}", self.case.id),
                "description": format!("{} {}", words::headline(self.cluster), words::strength(self.cluster)),
                "first_seen": millis(self.cluster.first_seen),
                "last_seen": millis(self.cluster.last_seen),
            }),
        );
        let techniques = techniques(self.cluster);
        if !techniques.is_empty() {
            campaign["external_references"] = json!(techniques);
        }
        let mut elsewhere: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for account in &self.cluster.accounts {
            if account.platform != self.platform {
                elsewhere.entry(&account.platform).or_default().push(self.pseudonym(account));
            }
        }
        let mut finding = self.finding();
        finding["accounts_total"] = json!(self.cluster.accounts.len());
        finding["accounts_on_your_platform"] = json!(own);
        let elsewhere: Vec<Value> = elsewhere
            .into_iter()
            .map(|(platform, pseudonyms)| {
                json!({"platform": platform, "accounts": pseudonyms.len(), "pseudonyms": pseudonyms})
            })
            .collect();
        if !elsewhere.is_empty() {
            finding["accounts_elsewhere"] = json!(elsewhere);
        }
        campaign["extensions"] = json!({ EXTENSION: without_nulls(finding) });
        campaign
    }

    /// HMAC-SHA256 of the account with the partner's own key: the same account has the same pseudonym in every finding for
    /// this partner, and another one for every other partner.
    fn pseudonym(&self, account: &ClusterAccount) -> String {
        // Hmac takes keys of any length, so the error cannot happen; an empty text would still name nobody.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.pseudonym_key) else {
            return String::new();
        };
        mac.update(account_key(account).as_bytes());
        hex(&mac.finalize().into_bytes()[..16])
    }

    fn finding(&self) -> Value {
        let c = self.cluster;
        // An e-value's inverse is a p-value; times the number tested it bounds the false discovery rate (Wang and Ramdas).
        let q = (c.candidates_tested.max(1) as f64 * (-c.log_e_leave_one_source_out).exp()).min(1.0);
        json!({
            "extension_type": "property-extension",
            "detector": "lockstep",
            "case": self.case.id,
            "cluster_version": c.version,
            "log_e_nats": number(c.log_e),
            "log_e_leave_one_source_out_nats": number(c.log_e_leave_one_source_out),
            "q_value_upper_bound": number(q),
            "candidates_tested": c.candidates_tested,
            "history_hours": number(c.history_hours),
            "score_nats": number(c.score),
            "probability": number(c.probability),
            "model": c.model.name,
            "model_version": c.model.version,
            "review_state": if self.case.demo { "demo_policy_no_person_looked" } else { self.case.state.name() },
        })
    }

    fn why(&self, own: usize) -> String {
        let c = self.cluster;
        let mut text = String::new();
        if self.case.demo {
            text.push_str(demo::NOTICE);
            text.push_str(".\n\n");
        }
        text.push_str(&format!("{}\n\n{}\n\n", words::headline(c), words::strength(c)));
        text.push_str(&format!(
            "{} of the {} are on {}; of the others you get counts and pseudonyms that are stable for you.\n\n",
            own,
            words::count(c.accounts.len() as u64, "account"),
            words::shorten(self.platform, 40)
        ));
        text.push_str(&format!(
            "Probability that the coordination is inauthentic, by model {} {}: {}. Reasons, by weight:\n",
            c.model.name,
            c.model.version,
            words::percent(c.probability)
        ));
        for reason in c.reasons.iter().take(8) {
            text.push_str(&format!(
                "- {} ({} nats)\n",
                words::shorten(&reason.text, 200),
                words::number(reason.contribution)
            ));
        }
        text.push_str(&format!("\n{}\n\n{}", words::history(c), words::VOLUNTARY));
        if !techniques(c).is_empty() {
            text.push_str("\n\nTechniques are named as in DISARM (DISARM Foundation, CC BY-SA 4.0).");
        }
        text
    }

    /// A domain or relationship object of ours with its fixed properties.
    fn object(&self, kind: &str, seed: &str, properties: Value) -> Value {
        let created = self.case.first_released_at.unwrap_or(self.now);
        let mut object = json!({
            "type": kind,
            "spec_version": "2.1",
            "id": self.id(kind, seed),
            "created_by_ref": self.identity_id(),
            "created": millis(created),
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

    /// Not the same for two partners: what they see of a finding differs.
    fn id(&self, kind: &str, seed: &str) -> String {
        let name = format!("{kind}\u{1f}{}\u{1f}{}\u{1f}{seed}", self.partner, self.case.id);
        format!("{kind}--{}", Uuid::new_v5(&OURS, name.as_bytes()))
    }

    fn identity_id(&self) -> String {
        let name = format!("identity\u{1f}{}", self.identity);
        format!("identity--{}", Uuid::new_v5(&OURS, name.as_bytes()))
    }
}

/// Notes which accounts leave a finding with `next`, so that their next indicators get new ids.
pub(crate) fn note_withdrawn(case: &mut Case, before: &ClusterMessage, next: Option<&ClusterMessage>) {
    let kept: BTreeSet<String> = next.map(|next| next.accounts.iter().map(account_key).collect()).unwrap_or_default();
    for account in &before.accounts {
        let key = account_key(account);
        if !kept.contains(&key) {
            *case.withdrawn.entry(key).or_insert(0) += 1;
        }
    }
}

fn on_platform<'a>(cluster: &'a ClusterMessage, platform: &str) -> Vec<&'a ClusterAccount> {
    cluster.accounts.iter().filter(|account| account.platform == platform).collect()
}

fn account_key(account: &ClusterAccount) -> String {
    format!("{}\u{1f}{}", account.platform, account.account_id)
}

/// UUIDv5 over the canonical JSON of the contributing properties (STIX 2.1, sections 2.9 and 6.15).
fn user_account_id(account: &ClusterAccount) -> String {
    let name = format!(
        r#"{{"account_type":{},"user_id":{}}}"#,
        Value::from(account.platform.as_str()),
        Value::from(account.account_id.as_str())
    );
    format!("user-account--{}", Uuid::new_v5(&OBSERVABLES, name.as_bytes()))
}

/// The OASIS marking definitions for TLP 2.0.
fn marking(tlp: Tlp) -> Value {
    let (id, value) = match tlp {
        Tlp::Clear => ("94868c89-83c2-464b-929b-a1a8aa3c8487", "clear"),
        Tlp::Green => ("bab4a63c-aed9-4cf5-a766-dfca5abac2bb", "green"),
        Tlp::Amber => ("55d920b0-5e8b-4f79-9ee9-91f868d9b421", "amber"),
        Tlp::AmberStrict => ("939a9414-2ddd-4d32-a0cd-375ea402b003", "amber+strict"),
        Tlp::Red => ("e828b379-4e03-4974-9ac4-e53a884c97c1", "red"),
    };
    json!({
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": format!("marking-definition--{id}"),
        "created": "2022-10-01T00:00:00.000Z",
        "name": tlp.label(),
        "extensions": {
            TLP_EXTENSION: {"extension_type": "property-extension", "tlp_2_0": value}
        },
    })
}

/// DISARM techniques by their own ids, for the trace kinds where the match is plain.
fn techniques(cluster: &ClusterMessage) -> Vec<Value> {
    words::kinds_by_nats(cluster)
        .into_iter()
        .filter_map(|kind| match kind {
            "repost" => Some(("T0049.003", "Bots Amplify via Automated Forwarding and Reposting")),
            "text" => Some(("T0084.001", "Use Copypasta")),
            _ => None,
        })
        .map(|(id, name)| {
            json!({"source_name": "DISARM", "external_id": id, "description": format!("{name} (DISARM, CC BY-SA 4.0)")})
        })
        .collect()
}

/// Text inside quotes in a STIX pattern.
fn pattern_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

fn millis(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// JSON has no NaN.
fn number(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number)
}

/// STIX has no null: what is not known is left out.
fn without_nulls(mut object: Value) -> Value {
    if let Some(object) = object.as_object_mut() {
        object.retain(|_, value| !value.is_null());
    }
    object
}

fn id_of(object: &Value) -> String {
    object["id"].as_str().unwrap_or_default().to_owned()
}

fn stored(object: Value) -> NewObject {
    let time = |name: &str| {
        let text = object[name].as_str()?;
        Some(text.parse::<Timestamp>().ok()?.as_microsecond())
    };
    NewObject {
        id: id_of(&object),
        kind: object["type"].as_str().unwrap_or_default().to_owned(),
        spec_version: object["spec_version"].as_str().unwrap_or("2.0").to_owned(),
        version: time("modified").or_else(|| time("created")),
        body: object.to_string(),
    }
}

#[cfg(test)]
mod tests;
