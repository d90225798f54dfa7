//! The posts behind findings outlive the log and the platform, and are gone when they have to be.

use super::*;
use crate::{
    kept::KeptPosts,
    service::posts::{Wanted, look_up},
    store::{ObjectQuery, Position, Versions},
};
use messages::cluster::{LogPosition, PostRef};
use sha2::{Digest, Sha256};

on_both_databases!(async fn posts_outlive_the_log, withdrawn_accounts_keep_no_posts, an_erased_account_is_gone_from_the_feed_too, old_posts_are_deleted, a_case_whose_posts_were_not_looked_up_is_found);

/// A log with the posts of a cluster, all but the last one, and the cluster with their places.
async fn log_of(mut cluster: ClusterMessage) -> (tempfile::TempDir, runtime::Log, ClusterMessage) {
    let folder = tempfile::tempdir().unwrap();
    let log = runtime::Log::open_embedded(folder.path()).await.unwrap();
    let topic = runtime::TopicSpec {
        name: topics::POSTS,
        partitions: 1,
        cleanup: runtime::Cleanup::Delete,
        retention: None,
    };
    log.create_topics(&[topic]).await.unwrap();
    let mut records = Vec::new();
    for (offset, post) in cluster.evidence.iter_mut().flat_map(|evidence| &mut evidence.posts).enumerate() {
        post.log = Some(LogPosition { partition: 0, offset: offset as i64 });
        records.push(runtime::NewRecord::new(topics::POSTS, "k", record_of(post)));
    }
    records.pop();
    log.append(records).await.unwrap();
    (folder, log, cluster)
}

fn record_of(post: &PostRef) -> Vec<u8> {
    let record = serde_json::json!({"id": post.id, "platform": post.platform, "account_id": post.account_id,
        "created_at": post.created_at.to_string(), "text": text_of(post)});
    record.to_string().into_bytes()
}

fn text_of(post: &PostRef) -> String {
    format!("words of post {} \u{0} https://example.org/{}", post.id, post.id)
}

fn posts_of(cluster: &ClusterMessage) -> Vec<&PostRef> {
    cluster.evidence.iter().flat_map(|evidence| &evidence.posts).collect()
}

fn kept(sharing: &Sharing, cluster: &ClusterMessage) -> KeptPosts {
    sharing.inner.store.kept_evidence(cluster).unwrap()
}

/// All bodies of the only partner's evidence, newest version of each.
fn feed(sharing: &Sharing) -> Vec<String> {
    let store = &sharing.inner.store;
    let query = ObjectQuery {
        ids: Vec::new(),
        kinds: vec!["observed-data".to_owned()],
        spec_versions: Vec::new(),
        versions: Versions::All,
        after: Position::START,
        limit: 1_000,
    };
    let (objects, _) = store.objects(store.partners().unwrap()[0].collection, &query).unwrap();
    objects.into_iter().map(|object| object.body).collect()
}

async fn release(sharing: &Sharing) {
    sharing.step("a", Step::BeginReview, "ann").await.unwrap();
    let check = Step::CheckSourcesAndMethods { finding: "public posts only".to_owned() };
    sharing.step("a", check, "ann").await.unwrap();
    for fact in casework::fixtures::facts() {
        sharing.step("a", Step::Record(fact), "ann").await.unwrap();
    }
    sharing.step("a", Step::Approve { comment: "clear".to_owned() }, "ann").await.unwrap();
    sharing.step("a", Step::Release, "bob").await.unwrap();
}

async fn posts_outlive_the_log((_folder, place): Place) {
    let sharing = open(&place, Reviewers::People, Tlp::Amber);
    let (_log, log, cluster) = log_of(fixtures::cluster("a", 1)).await;
    sharing.on_clusters(vec![cluster.clone()]).await.unwrap();
    sharing.keep_evidence(&log).await.unwrap();
    let all = posts_of(&cluster);
    let found = kept(&sharing, &cluster);
    assert_eq!(found.len(), all.len() - 1);
    for post in &all[..all.len() - 1] {
        let kept = &found[&(post.platform.clone(), post.id.clone())];
        assert_eq!((&kept.text, &kept.account_id, kept.created_at), (&text_of(post), &post.account_id, post.created_at));
        assert_eq!(kept.links, [format!("https://example.org/{}", post.id)]);
        assert_eq!(kept.record_sha256, text_format::hex(&Sha256::digest(record_of(post))));
    }
    let metrics = &sharing.inner.metrics;
    assert_eq!((metrics.evidence_kept.get(), metrics.evidence_gone.get()), (all.len() as u64 - 1, 1));
    assert!(sharing.inner.store.evidence_wanted(10).unwrap().is_empty());
    assert_eq!(sharing.inner.store.evidence_counts().unwrap().0, all.len() as i64 - 1);

    // There is no log any more, and people still see what the posts say.
    let wanted: Vec<Wanted> = all.iter().map(|post| Wanted::from(*post)).take(50).collect();
    let shown = look_up(&sharing, wanted).await;
    assert_eq!(shown.get(&all[0].platform, &all[0].id).unwrap().text, text_of(all[0]));
    // So does the partner, of its own accounts.
    release(&sharing).await;
    let text = feed(&sharing).concat();
    let own = all[..all.len() - 1].iter().filter(|post| post.platform == "twitter").collect::<Vec<_>>();
    assert!(own.iter().all(|post| text.contains(&format!("words of post {} ", post.id))));
    let sha = |post: &PostRef| found[&(post.platform.clone(), post.id.clone())].record_sha256.clone();
    assert!(text.contains(&sha(own[0])));
    let elsewhere = all.iter().find(|post| post.platform != "twitter").unwrap();
    assert!(!text.contains(&format!("words of post {}", elsewhere.id)) && !text.contains(&sha(elsewhere)));
}

async fn withdrawn_accounts_keep_no_posts((_folder, place): Place) {
    let sharing = open(&place, Reviewers::People, Tlp::Amber);
    let (_log, log, cluster) = log_of(fixtures::cluster("a", 1)).await;
    sharing.on_clusters(vec![cluster.clone()]).await.unwrap();
    sharing.keep_evidence(&log).await.unwrap();
    release(&sharing).await;
    let gone = cluster.accounts[0].clone();
    let of_gone = |posts: &KeptPosts| posts.values().filter(|post| post.account_id == gone.account_id).count();
    let before = kept(&sharing, &cluster);
    assert!(of_gone(&before) > 0);
    let accounts = vec![(gone.platform.clone(), gone.account_id.clone())];
    sharing.withdraw_accounts("a", accounts, "a newspaper", "ann").await.unwrap();
    let after = kept(&sharing, &cluster);
    assert_eq!((of_gone(&after), after.len()), (0, before.len() - of_gone(&before)));
    // Nor are they kept again with a newer version.
    let newer = ClusterMessage { version: 2, ..cluster.clone() };
    sharing.on_clusters(vec![newer]).await.unwrap();
    sharing.keep_evidence(&log).await.unwrap();
    assert_eq!(kept(&sharing, &cluster), after);
}

async fn an_erased_account_is_gone_from_the_feed_too((_folder, place): Place) {
    let sharing = open(&place, Reviewers::People, Tlp::Amber);
    let (_log, log, cluster) = log_of(fixtures::cluster("a", 1)).await;
    sharing.on_clusters(vec![cluster.clone()]).await.unwrap();
    sharing.keep_evidence(&log).await.unwrap();
    release(&sharing).await;
    let gone = cluster.accounts[0].account_id.clone();
    let posts: Vec<&PostRef> = posts_of(&cluster).into_iter().filter(|post| post.account_id == gone).collect();
    let says = |bodies: &[String], post: &PostRef| bodies.concat().contains(&format!("words of post {} ", post.id));
    let before = feed(&sharing);
    assert!(posts.iter().any(|post| says(&before, post)));
    let erased = sharing.erase_evidence("twitter", &gone, "ann").await.unwrap();
    assert!(erased.posts > 0 && erased.objects > 0, "{erased:?}");
    let after = feed(&sharing);
    assert_eq!(before.len(), after.len());
    assert!(posts.iter().all(|post| !says(&after, post)));
    let others = posts_of(&cluster);
    let mut others = others.into_iter().filter(|post| post.account_id != gone && says(&before, post));
    assert!(others.all(|post| says(&after, post)));
    assert!(kept(&sharing, &cluster).values().all(|post| post.account_id != gone));
    let newer = ClusterMessage { version: 2, ..cluster.clone() };
    sharing.on_clusters(vec![newer]).await.unwrap();
    sharing.keep_evidence(&log).await.unwrap();
    assert!(kept(&sharing, &cluster).values().all(|post| post.account_id != gone));
    // Asked for twice, it erases nothing more. Somebody has to say who asks.
    assert_eq!(sharing.erase_evidence("twitter", &gone, "ann").await.unwrap(), crate::store::Erased::default());
    assert!(sharing.erase_evidence("twitter", &gone, " ").await.is_err());
    assert!(sharing.verify_audit().await.unwrap().is_ok());
}

async fn old_posts_are_deleted((_folder, place): Place) {
    let sharing = open(&place, Reviewers::People, Tlp::Amber);
    let (_log, log, cluster) = log_of(fixtures::cluster("a", 1)).await;
    sharing.on_clusters(vec![cluster.clone()]).await.unwrap();
    sharing.keep_evidence(&log).await.unwrap();
    let many = kept(&sharing, &cluster).len();
    let days = i64::from(sharing.config().evidence_days);
    let after = |days: i64| Timestamp::now().checked_add(SignedDuration::from_hours(24 * days)).unwrap();
    sharing.inner.forget_old_evidence(after(days - 1)).unwrap();
    assert_eq!(kept(&sharing, &cluster).len(), many);
    sharing.inner.forget_old_evidence(after(days + 1)).unwrap();
    assert!(kept(&sharing, &cluster).is_empty());
    assert_eq!(sharing.inner.store.evidence_counts().unwrap(), (0, 0));
    assert_eq!(sharing.inner.metrics.evidence_deleted.get(), many as u64);
}

async fn a_case_whose_posts_were_not_looked_up_is_found((_folder, place): Place) {
    let sharing = open(&place, Reviewers::People, Tlp::Amber);
    let (_log, log, cluster) = log_of(fixtures::cluster("a", 1)).await;
    sharing.on_clusters(vec![cluster.clone()]).await.unwrap();
    assert_eq!(sharing.inner.store.evidence_wanted(10).unwrap(), ["a"]);
    sharing.keep_evidence(&log).await.unwrap();
    let record = sharing.inner.store.case("a").unwrap().unwrap();
    let sent = sharing.inner.would_send(&record, &kept(&sharing, &cluster), Timestamp::now()).unwrap();
    assert!(sent.iter().flat_map(|(_, objects)| objects).any(|object| object.body.contains("words of post")));
}
