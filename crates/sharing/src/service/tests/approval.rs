//! What is approved is what is sent.

use super::*;
use crate::{object::NewObject, store::ObjectQuery};
use casework::CaseRecord;

on_both_databases!(async fn what_is_released_is_what_was_approved, other_objects_than_the_approved_ones_are_not_sent);

/// A case that ann has approved.
async fn approved(sharing: &Sharing) -> CaseRecord {
    sharing.on_clusters(vec![fixtures::cluster("a", 1)]).await.unwrap();
    sharing.step("a", Step::BeginReview, "ann").await.unwrap();
    record_facts(sharing).await;
    sharing.step("a", approve(), "ann").await.unwrap();
    record(sharing)
}

fn approve() -> Step {
    Step::Approve { comment: "clear".to_owned() }
}

fn record(sharing: &Sharing) -> CaseRecord {
    sharing.inner.store.case("a").unwrap().unwrap()
}

fn bodies(objects: Vec<NewObject>) -> Vec<String> {
    objects.into_iter().map(|object| object.body).collect()
}

/// Everything in the collection of the only partner, in its order.
fn published(sharing: &Sharing) -> Vec<String> {
    let store = &sharing.inner.store;
    let query = ObjectQuery::every_version(&[]);
    let (objects, _) = store.objects(store.partners().unwrap()[0].collection, &query).unwrap();
    objects.into_iter().map(|object| object.body).collect()
}

async fn what_is_released_is_what_was_approved((_folder, place): Place) {
    let sharing = open(&place, Reviewers::People, Tlp::Amber);
    let before = approved(&sharing).await;
    assert_eq!(before.case.approved_objects, sharing.inner.rendered(&before).unwrap());
    assert_eq!(before.case.approved_objects.keys().collect::<Vec<_>>(), ["birds"]);
    let now = Timestamp::now().checked_add(SignedDuration::from_secs(60)).unwrap();
    let mut shown = sharing.inner.would_send(&before, now).unwrap();
    sharing.inner.act("a", None, Act::Step(Step::Release), "bob", now).unwrap();
    // Byte for byte.
    assert_eq!(published(&sharing), bodies(shown.remove(0).1));
}

async fn other_objects_than_the_approved_ones_are_not_sent((_folder, place): Place) {
    let sharing = open(&place, Reviewers::People, Tlp::Amber);
    approved(&sharing).await;
    let mut config = sharing.config().clone();
    drop(sharing);
    // Neither who is told nor what their class sees is changed by this, but what they get is.
    config.identity = "Another desk".to_owned();
    let sharing = Sharing::open(config, &runtime::metrics::Metrics::new().unwrap()).unwrap();
    let refused = sharing.step("a", Step::Release, "bob").await.unwrap_err().to_string();
    assert!(refused.contains("what birds would receive is no longer what was approved"), "{refused}");
    assert!(published(&sharing).is_empty());
    sharing.step("a", approve(), "ann").await.unwrap();
    sharing.step("a", Step::Release, "bob").await.unwrap();
    assert!(published(&sharing).iter().any(|body| body.contains("Another desk")));
}
