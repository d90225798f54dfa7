//! Finished cases and deliveries go when they are old, with all that belongs to them, and nothing else goes.

use super::*;
use crate::store::ObjectQuery;

on_both_databases!(async fn a_finished_case_goes_when_it_is_old_and_nothing_of_another_case_goes, by_default_everything_is_kept_for_ever, a_deletion_hides_no_manipulation);

fn after_days(days: i64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_hours(24 * days)
}

fn keeping(place: &str, cases_days: u32) -> Sharing {
    let sharing = open(place, Reviewers::Demo, Tlp::Amber);
    let mut config = sharing.config().clone();
    drop(sharing);
    config.retention.cases_days = cases_days;
    Sharing::open(config, &runtime::metrics::Metrics::new().unwrap()).unwrap()
}

/// Every object of the only partner's collection, as (id, body).
fn feed(sharing: &Sharing) -> Vec<(String, String)> {
    let store = &sharing.inner.store;
    let query = ObjectQuery::every_version(&[]);
    let (objects, more) = store.objects(store.partners().unwrap()[0].collection, &query).unwrap();
    assert!(!more);
    objects.into_iter().map(|object| (object.id, object.body)).collect()
}

fn rows(sharing: &Sharing, table: &str, case_id: &str) -> i64 {
    sharing.inner.store.number(&format!("select count(*) from {table} where case_id = '{case_id}'"))
}

/// Two cases with the same accounts were shared. The first one is withdrawn, and the partner knows.
async fn one_withdrawn(sharing: &Sharing) -> [String; 2] {
    sharing.on_clusters(vec![fixtures::cluster("a", 1), fixtures::cluster("b", 1)]).await.unwrap();
    sharing.step("a", Step::Retract { reason: "a fan club".to_owned() }, "ann").await.unwrap();
    ["a", "b"].map(|cluster| sharing.inner.store.case(cluster).unwrap().unwrap().case.id)
}

async fn acknowledge(sharing: &Sharing) {
    for retraction in sharing.retractions_waiting(false).await.unwrap() {
        sharing.acknowledge_retraction(retraction.number, "by telephone", "ann").await.unwrap();
    }
}

async fn a_finished_case_goes_when_it_is_old_and_nothing_of_another_case_goes((_folder, place): Place) {
    let sharing = keeping(&place, 30);
    let [withdrawn, stays] = one_withdrawn(&sharing).await;
    let has = |id: &str| sharing.inner.store.case(id).unwrap().is_some();
    sharing.inner.delete_old(after_days(31)).unwrap();
    assert!(has("a"), "the partner does not know of the withdrawal yet");
    acknowledge(&sharing).await;
    sharing.inner.delete_old(after_days(29)).unwrap();
    assert!(has("a"), "not old enough");
    let before = feed(&sharing);
    let reference = sharing.inner.store.references_of(&withdrawn).unwrap().into_values().next().unwrap();
    assert!(before.iter().any(|(_, body)| body.contains(&reference)));

    sharing.inner.delete_old(after_days(31)).unwrap();
    assert!(!has("a") && has("b"));
    for table in
        ["shared_objects", "case_references", "releases", "retractions", "retraction_cases", "feedback", "deliveries"]
    {
        assert_eq!(rows(&sharing, table, &withdrawn), 0, "{table}");
    }
    assert!(rows(&sharing, "shared_objects", &stays) > 0 && rows(&sharing, "case_references", &stays) == 1);
    assert_eq!(rows(&sharing, "releases", &stays), 1);
    let after = feed(&sharing);
    assert!(
        !after.iter().any(|(_, body)| body.contains(&reference)),
        "the partner's feed has nothing of the case any more"
    );
    // Everything that the other case refers to is still there.
    let ids: std::collections::BTreeSet<&str> = after.iter().map(|(id, _)| id.as_str()).collect();
    for (_, body) in &after {
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        for field in ["object_refs", "object_marking_refs", "created_by_ref", "source_ref", "target_ref"] {
            let refs = body[field].as_array().cloned().unwrap_or_else(|| vec![body[field].clone()]);
            for id in refs.iter().filter_map(serde_json::Value::as_str) {
                assert!(ids.contains(id), "{id} is gone, and {field} of {} refers to it", body["id"]);
            }
        }
    }
    assert!(after.iter().any(|(id, _)| id.starts_with("user-account--")), "the accounts are in the other case, too");
    // The history stays and says what was deleted, and the log verifies.
    let last = sharing.inner.store.history(&withdrawn).unwrap().pop().unwrap().entry;
    assert_eq!((&*last.action, &*last.actor), ("case_deleted", "lockstep"));
    let objects = before.len() - after.len();
    assert!(last.text.contains(&format!("{objects} shared objects")) && last.text.contains("30 days"), "{}", last.text);
    assert!(sharing.verify_audit().await.unwrap().is_ok());
    let counted = |what: &str| sharing.inner.metrics.deleted.with_label_values(&[what]).get();
    assert_eq!((counted("cases"), counted("objects")), (1, objects as u64));
    // The next finding about the cluster is a case again.
    sharing.on_clusters(vec![fixtures::cluster("a", 2)]).await.unwrap();
    assert!(has("a") && sharing.verify_audit().await.unwrap().is_ok());
}

async fn by_default_everything_is_kept_for_ever((_folder, place): Place) {
    let sharing = open(&place, Reviewers::Demo, Tlp::Amber);
    one_withdrawn(&sharing).await;
    acknowledge(&sharing).await;
    let before = feed(&sharing);
    sharing.inner.delete_old(after_days(100 * 365)).unwrap();
    assert!(sharing.inner.store.case("a").unwrap().is_some() && feed(&sharing) == before);
}

async fn a_deletion_hides_no_manipulation((_folder, place): Place) {
    let sharing = keeping(&place, 30);
    one_withdrawn(&sharing).await;
    acknowledge(&sharing).await;
    // Somebody changes a shared object of the case that is deleted afterwards.
    sharing.inner.store.on_everything(
        "update objects set body = '{}' where number = (select max(number) from objects where type = 'note')",
    );
    assert!(sharing.verify_audit().await.unwrap().is_err());
    sharing.inner.store.on_everything("update objects set type = 'identity' where body = '{}'");
    sharing.inner.delete_old(after_days(31)).unwrap();
    assert!(sharing.verify_audit().await.unwrap().is_err(), "what was changed outside of the service still shows");
}
