//! DISARM's objects of the techniques that a finding supports ([`casework::techniques`]).
//!
//! The objects are DISARM's own, of release [`RELEASE`], shipped as published: only who made an object may change it, and to add a
//! marking is to change it. So they carry the Foundation's statement (CC BY-SA 4.0) and no TLP; a note of ours beside each, TLP:CLEAR,
//! says that it is public, under which licence, and when Lockstep names it.

use casework::{
    Tlp,
    partners::{platform_key, technique_key},
    techniques::Technique,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    EPOCH, OURS, Publication,
    object::{id_of, marking, revoke},
};

/// The release that the objects are of.
pub(super) const RELEASE: &str = "1.6";
/// `attack-pattern`s with the identity and the marking that they refer to.
const OBJECTS: &str = include_str!("../../../assets/disarm/disarm-1.6.json");

/// DISARM's own STIX id.
pub(super) fn stix_id(technique: Technique) -> &'static str {
    match technique {
        Technique::BotsRepost => "attack-pattern--e6ab2793-a059-4354-bb60-045afb019833",
        Technique::Copypasta => "attack-pattern--4cd719a9-e817-4acc-9581-6b6a60e42f35",
        Technique::Amplify => "attack-pattern--836e9eef-b446-4f68-805f-0f10116d6e7f",
        Technique::AutomatedAccount => "attack-pattern--7e85d897-f480-4118-b571-556f4f99edd4",
        Technique::BulkCreated => "attack-pattern--71f85cbb-5f6e-4fd1-9ad4-fea19069bc5f",
    }
}

/// The technique as an external reference, for who gets none of DISARM's objects.
pub(super) fn reference(technique: Technique) -> Value {
    json!({
        "source_name": "DISARM",
        "external_id": technique.number(),
        "description": format!("DISARM {RELEASE} (DISARM Foundation, CC BY-SA 4.0). Named where: {}", technique.rule()),
    })
}

/// DISARM's objects for these techniques, each after those it refers to. Nothing for none.
pub(super) fn objects(techniques: &[Technique]) -> Vec<Value> {
    if techniques.is_empty() {
        return Vec::new();
    }
    // The text is part of the program, and a test reads it.
    let all: Vec<Value> = serde_json::from_str(OBJECTS).unwrap_or_default();
    all.into_iter()
        .filter(|object| {
            object["type"] != "attack-pattern" || techniques.iter().any(|technique| object["id"] == stix_id(*technique))
        })
        .collect()
}

impl Publication<'_> {
    /// DISARM's objects, a note of ours on each technique, and that the campaign uses it.
    pub(super) fn techniques(&self, techniques: &[Technique], revoked: bool) -> Vec<Value> {
        let mut objects = objects(techniques);
        for technique in techniques {
            let name = objects.iter().find(|o| o["id"] == stix_id(*technique)).map(|o| o["name"].clone());
            let name = name.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
            let number = technique.number();
            // The number counts changes of what the note says: its id and its time never change, so neither may its content.
            let seed = format!("note 2\u{1f}{}\u{1f}{number}\u{1f}{}", self.identity, RELEASE);
            objects.push(json!({
                "type": "note",
                "spec_version": "2.1",
                "id": format!("note--{}", Uuid::new_v5(&OURS, seed.as_bytes())),
                "created_by_ref": self.identity_id(),
                "created": EPOCH,
                "modified": EPOCH,
                "abstract": format!("DISARM {number}: licence, and when it is named"),
                "content": format!(
                    "{number} {name}, of DISARM {}, as the DISARM Foundation published it, unchanged. It is public: treat it as \
                     TLP:CLEAR. © DISARM Foundation, CC BY-SA 4.0.\n\nNamed where: {}",
                    RELEASE,
                    technique.rule()
                ),
                "external_references": [
                    {"source_name": "CC BY-SA 4.0", "url": "https://creativecommons.org/licenses/by-sa/4.0/"},
                ],
                "object_refs": [stix_id(*technique)],
                "object_marking_refs": [id_of(&marking(Tlp::Clear))],
            }));
            let key = technique_key(*technique);
            let platform = platform_key(self.platform);
            let mut uses = self.object(
                "relationship",
                &format!("uses\u{1f}{number}\u{1f}{}\u{1f}{}", self.generation(&key), self.generation(&platform)),
                self.since(&key).max(self.since(&platform)),
                json!({
                    "relationship_type": "uses",
                    "description": technique.rule(),
                    "source_ref": self.id("campaign", &self.platform_seed("campaign")),
                    "target_ref": stix_id(*technique),
                }),
            );
            revoke(&mut uses, revoked);
            objects.push(uses);
        }
        objects
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_objects_are_those_that_the_techniques_name() {
        let objects = objects(&Technique::ALL);
        assert_eq!(objects.len(), 2 + Technique::ALL.len());
        for technique in Technique::ALL {
            let object = objects.iter().find(|object| object["id"] == stix_id(technique)).unwrap();
            assert_eq!(object["external_references"][0]["external_id"], technique.number());
            assert_eq!(object["object_marking_refs"][0], objects[1]["id"]);
            assert_eq!(object["created_by_ref"], objects[0]["id"]);
        }
        assert_eq!(objects[1]["definition"]["statement"], "CC-BY-SA-4.0 DISARM Foundation");
    }
}
