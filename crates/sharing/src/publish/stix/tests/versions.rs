//! Later versions, withdrawals, and what comes back.

use super::*;

/// Whether anybody is told of it by `objects` as something that stands.
fn live<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    of(objects, kind).into_iter().filter(|object| object["revoked"] != true).collect()
}

fn by_id(objects: &[Value]) -> BTreeMap<String, Value> {
    objects.iter().map(|object| (id_of(object), object.clone())).collect()
}

#[test]
fn an_update_keeps_ids_renews_versions_and_withdraws_who_left() {
    let first = fixtures::cluster("c", 1);
    let left = first.accounts[0].clone();
    let second = without(&first, 2, |account| account.account_id == left.account_id);
    let mut case = released(&first);
    let before = share(&mut case, &first, None, 4);
    case.version = 2;
    let after = share(&mut case, &second, Some(&first), 9);
    let (old, new) = (by_id(&before), by_id(&after));
    for (id, object) in &old {
        let Some(renewed) = new.get(id) else {
            assert_eq!(object["user_id"], *left.account_id, "{object}");
            continue;
        };
        if object.get("modified").is_none() || object["created"] == EPOCH || object == renewed {
            assert_eq!(object, renewed, "what has no new version has no new content");
            continue;
        }
        assert!(renewed["modified"].as_str() > object["modified"].as_str(), "{renewed}");
        assert_eq!(renewed["created"], object["created"]);
    }
    let gone: Vec<&Value> = of(&after, "indicator").into_iter().filter(|o| o["revoked"] == true).collect();
    assert_eq!(gone.len(), 1);
    assert!(gone[0]["pattern"].as_str().unwrap().contains(&left.account_id));
    assert_eq!(gone[0]["valid_until"], gone[0]["modified"], "it is over now");
    let note = of(&after, "note").into_iter().find(|note| note["abstract"] == "Withdrawn").unwrap();
    assert_eq!(note["object_refs"], json!([id_of(gone[0])]));
    assert_eq!(note.get("revoked"), None);
    // Should it come back, its indicator is a new one: what was revoked stays revoked.
    let again = share(&mut case, &ClusterMessage { version: 3, ..first.clone() }, Some(&second), 12);
    let fresh: Vec<&Value> = of(&again, "indicator").into_iter().filter(|o| !old.contains_key(&id_of(o))).collect();
    assert_eq!(fresh.len(), 1);
    assert!(fresh[0]["pattern"].as_str().unwrap().contains(&left.account_id));
    assert_eq!(fresh[0]["created"], millis(time(12)));
    assert_eq!(live(&again, "indicator").len(), 10);
}

#[test]
fn a_retraction_revokes_everything_and_says_so() {
    let cluster = with_all_techniques(fixtures::cluster("c", 1));
    let mut case = released(&cluster);
    let before = by_id(&share(&mut case, &cluster, None, 4));
    let objects = withdraw(&mut case, &cluster, 20);
    assert_eq!(of(&objects, "indicator").len(), 10);
    for kind in ["indicator", "campaign", "observed-data", "grouping", "relationship"] {
        assert!(!of(&objects, kind).is_empty());
        assert!(live(&objects, kind).is_empty(), "{kind}");
    }
    for object in &objects {
        let id = id_of(object);
        if object["revoked"] == true {
            assert!(object["modified"].as_str() > before[&id]["modified"].as_str());
            assert_eq!(object["created"], before[&id]["created"]);
        }
        if object["type"] == "indicator" {
            assert_eq!(object["valid_until"], millis(time(20)));
        }
    }
    let note = of(&objects, "note").into_iter().find(|note| note["abstract"] == "Withdrawn").unwrap();
    assert_eq!(note.get("revoked"), None);
    assert_eq!(note["object_refs"].as_array().unwrap().len(), 11, "the campaign and every indicator");
}

#[test]
fn a_platform_that_leaves_a_finding_and_comes_back_gets_new_objects() {
    let all = fixtures::cluster("c", 1);
    let elsewhere = without(&all, 2, |account| account.platform == "twitter");
    let mut case = released(&all);
    let first = by_id(&share(&mut case, &all, None, 4));
    let gone = share(&mut case, &elsewhere, Some(&all), 9);
    assert!(live(&gone, "indicator").is_empty() && live(&gone, "campaign").is_empty());
    assert!(gone.iter().filter(|o| o["revoked"] == true).all(|o| first.contains_key(&id_of(o))));
    // While it is away there is nothing to say.
    let away = ClusterMessage { version: 3, ..elsewhere.clone() };
    assert!(share(&mut case, &away, Some(&elsewhere), 11).is_empty());
    let back = share(&mut case, &ClusterMessage { version: 4, ..all.clone() }, Some(&away), 14);
    for kind in ["indicator", "campaign", "observed-data", "grouping", "relationship"] {
        for object in of(&back, kind) {
            assert!(!first.contains_key(&id_of(object)), "{kind}");
            assert_eq!(object.get("revoked"), None);
            assert_eq!(object["created"], millis(time(14)));
        }
    }
}
