//! DISARM's objects of the techniques that a finding supports ([`casework::techniques`]).
//!
//! The objects are DISARM's own, of release [`RELEASE`], shipped as published: only who made an object may change it, and to add a
//! marking is to change it. So they carry the Foundation's statement (CC BY-SA 4.0) and no TLP; a note of ours beside each, TLP:CLEAR,
//! says that it is public, under which licence, and when Lockstep names it.

use casework::techniques::Technique;
use serde_json::{Value, json};

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
