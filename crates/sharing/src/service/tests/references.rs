//! The ids under which partners know cases.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::store::ObjectQuery;

fn open_for_two(place: &str) -> Sharing {
    let partner = |name: &str, platform: &str| Partner {
        name: name.to_owned(),
        platform: platform.to_owned(),
        ..Partner::default()
    };
    let config = Config {
        database: place.to_owned(),
        reviewers: Reviewers::Demo,
        invented_recipients: true,
        partners: vec![partner("birds", "twitter"), partner("skies", "bluesky"), partner("empty", "nowhere")],
        ..Config::default()
    };
    Sharing::open(config, &runtime::metrics::Metrics::new().unwrap()).unwrap()
}

/// Every version of every object that a partner has.
fn objects(sharing: &Sharing, partner: &str) -> Vec<Value> {
    let row = sharing.inner.store.partners().unwrap().into_iter().find(|row| row.name == partner).unwrap();
    let query = ObjectQuery::every_version(&[]);
    let rows = sharing.inner.store.objects(row.collection, &query).unwrap().0;
    rows.iter().map(|row| serde_json::from_str(&row.body).unwrap()).collect()
}

fn ids_of(objects: &[Value], kinds: &[&str]) -> BTreeSet<String> {
    let wanted = objects.iter().filter(|object| kinds.contains(&object["type"].as_str().unwrap()));
    wanted.map(|object| object["id"].as_str().unwrap().to_owned()).collect()
}

const OF_A_CASE: [&str; 6] = ["indicator", "relationship", "campaign", "observed-data", "grouping", "user-account"];

on_both_databases!(async fn two_partners_cannot_tell_that_they_have_the_same_case, ids_that_were_given_out_before_stay);

async fn two_partners_cannot_tell_that_they_have_the_same_case((_folder, place): Place) {
    let sharing = open_for_two(&place);
    sharing.on_clusters(vec![fixtures::cluster("a", 1), fixtures::cluster("b", 1)]).await.unwrap();
    let store = &sharing.inner.store;
    let case = store.case("a").unwrap().unwrap().case;
    let [birds, skies] = ["birds", "skies"].map(|partner| objects(&sharing, partner));
    let [of_birds, of_skies] = ["birds", "skies"].map(|partner| store.reference_for(partner, &case.id).unwrap());
    assert_eq!(BTreeSet::from([&of_birds, &of_skies, &case.id]).len(), 3);
    assert!(ids_of(&birds, &OF_A_CASE).is_disjoint(&ids_of(&skies, &OF_A_CASE)));
    for (objects, own, other) in [(&birds, &of_birds, &of_skies), (&skies, &of_skies, &of_birds)] {
        let text = serde_json::to_string(objects).unwrap();
        assert!(text.contains(own.as_str()) && !text.contains(other.as_str()) && !text.contains(&case.id));
        let campaigns = objects.iter().filter(|object| object["type"] == "campaign");
        let named: BTreeSet<String> = campaigns
            .map(|campaign| campaign["extensions"][crate::publish::stix::EXTENSION]["case"].to_string())
            .collect();
        assert_eq!(named.len(), 2, "each case has its own");
    }
    // People find the case by what a partner quotes.
    assert_eq!(
        store.references_by_partner(&case.id).unwrap(),
        [("birds".to_owned(), of_birds.clone()), ("skies".to_owned(), of_skies)].into()
    );
    assert_eq!(store.cluster_by_reference(&of_birds).unwrap().as_deref(), Some("a"));
    let query = crate::store::CaseQuery { search: Some(of_birds.clone()), limit: 9, ..Default::default() };
    let (found, _) = store.cases(&query).unwrap();
    assert_eq!(found.iter().map(|row| row.cluster_id.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(explain(sharing.config(), &of_birds, Timestamp::now()).unwrap().cluster_id, "a");
    // A command beside the service reads the key of a partner that has no id for the case yet.
    let refused =
        make_documents(sharing.config(), "a", "empty", None, false, Timestamp::now()).unwrap_err().to_string();
    assert!(refused.contains("empty is not notified of"), "{refused}");
    // A later version has the same ids.
    sharing.on_clusters(vec![fixtures::cluster("a", 2)]).await.unwrap();
    assert_eq!(ids_of(&objects(&sharing, "birds"), &["campaign"]), ids_of(&birds, &["campaign"]));
    assert_eq!(store.reference_for("birds", &case.id).unwrap(), of_birds);
}

async fn ids_that_were_given_out_before_stay((_folder, place): Place) {
    let sharing = open_for_two(&place);
    sharing.on_clusters(vec![fixtures::cluster("a", 1)]).await.unwrap();
    let case = sharing.inner.store.case("a").unwrap().unwrap().case;
    // A store as it was before each partner had an id of its own.
    sharing.inner.store.migrate_references_again().unwrap();
    drop(sharing);
    let sharing = open_for_two(&place);
    let given = sharing.inner.store.references_by_partner(&case.id).unwrap();
    assert_eq!(given, ["birds", "skies"].map(|partner| (partner.to_owned(), case.id.clone())).into());
    sharing.on_clusters(vec![fixtures::cluster("a", 2), fixtures::cluster("b", 1)]).await.unwrap();
    // As they were made then, from the case's own id.
    let ours = uuid::Uuid::from_u128(0x6c6f636b_7374_4570_a1b2_73686172696e);
    let name = format!("campaign\u{1f}birds\u{1f}{}\u{1f}campaign\u{1f}0", case.id);
    let old = format!("campaign--{}", uuid::Uuid::new_v5(&ours, name.as_bytes()));
    let birds = objects(&sharing, "birds");
    assert!(ids_of(&birds, &["campaign"]).contains(&old), "{old}");
    let newest = birds.iter().rfind(|object| object["id"] == old.as_str()).unwrap();
    assert_eq!(newest["extensions"][crate::publish::stix::EXTENSION]["case"], case.id);
    // What is shared for the first time has an id of the partner's own.
    let later = sharing.inner.store.case("b").unwrap().unwrap().case.id;
    assert!(!serde_json::to_string(&birds).unwrap().contains(&later));
    // Its withdrawal has the ids that were given out.
    sharing.step("a", Step::Retract { reason: "a fan club".to_owned() }, "ann").await.unwrap();
    let newest = objects(&sharing, "birds").into_iter().rfind(|object| object["id"] == old.as_str()).unwrap();
    assert_eq!(newest["revoked"], true);
}
