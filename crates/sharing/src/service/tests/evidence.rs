//! The posts behind findings outlive the log and the platform, and are gone when they have to be.

use super::*;
use crate::{
    kept::KeptPosts,
    service::{
        evidence,
        posts::{Wanted, look_up},
    },
    store::{Erased, ObjectQuery},
};
use messages::cluster::{LogPosition, PostRef};
use sha2::{Digest, Sha256};

on_both_databases!(async fn posts_outlive_the_log, the_demo_shares_texts_with_the_first_release, the_task_keeps_posts_and_ends_with_the_service, withdrawn_accounts_keep_no_posts, posts_of_a_case_that_changed_meanwhile_are_not_kept, an_erased_account_is_gone_from_the_feed_too, an_erasure_hides_no_manipulation, old_posts_are_deleted_from_the_feed_too, texts_of_a_post_that_did_not_expire_stay_in_the_feed, what_is_kept_after_the_approval_is_not_sent, an_erasure_takes_the_approval_back, texts_that_name_others_or_are_not_seen_are_withheld);

/// A log with the posts of a cluster, all but the last one, and the cluster with their places.
async fn log_of(mut cluster: ClusterMessage) -> (tempfile::TempDir, runtime::Log, ClusterMessage) {
    let folder = tempfile::tempdir().unwrap();
    let log = runtime::Log::open_embedded(folder.path()).await.unwrap();
    let topic =
        runtime::TopicSpec { name: topics::POSTS, partitions: 1, cleanup: runtime::Cleanup::Delete, retention: None };
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
    let query = ObjectQuery::every_version(&["observed-data"]);
    let (objects, _) = store.objects(store.partners().unwrap()[0].collection, &query).unwrap();
    objects.into_iter().map(|object| object.body).collect()
}

async fn approve(sharing: &Sharing) {
    sharing.step("a", Step::BeginReview, "ann").await.unwrap();
    record_facts(sharing).await;
    sharing.step("a", clear(), "ann").await.unwrap();
}

fn clear() -> Step {
    Step::Approve { comment: "clear".to_owned() }
}

async fn release(sharing: &Sharing) {
    approve(sharing).await;
    sharing.step("a", Step::Release, "bob").await.unwrap();
}

fn counted(sharing: &Sharing, outcome: &str) -> u64 {
    sharing.inner.metrics.evidence.with_label_values(&[outcome]).get()
}

/// A case about a cluster whose posts are kept.
async fn with_kept(place: &str) -> (Sharing, (tempfile::TempDir, runtime::Log), ClusterMessage) {
    let sharing = open(place, Reviewers::People, Tlp::Amber);
    let (folder, log, cluster) = log_of(fixtures::cluster("a", 1)).await;
    sharing.on_clusters(vec![cluster.clone()]).await.unwrap();
    sharing.keep_evidence(&log).await.unwrap();
    (sharing, (folder, log), cluster)
}

/// Whether one of the bodies has the text of a post.
fn says(bodies: &[String], post: &PostRef) -> bool {
    bodies.concat().contains(&format!("words of post {} ", post.id))
}

async fn posts_outlive_the_log((_folder, place): Place) {
    let (sharing, log, cluster) = with_kept(&place).await;
    let all = posts_of(&cluster);
    let found = kept(&sharing, &cluster);
    assert_eq!(found.len(), all.len() - 1);
    for post in &all[..all.len() - 1] {
        let kept = found.of(post).unwrap();
        assert_eq!(
            (&kept.text, &kept.account_id, kept.created_at),
            (&text_of(post), &post.account_id, post.created_at)
        );
        assert_eq!(kept.links, [format!("https://example.org/{}", post.id)]);
        assert_eq!(kept.record_sha256, text_format::hex(&Sha256::digest(record_of(post))));
    }
    assert_eq!((counted(&sharing, "kept"), counted(&sharing, "gone")), (all.len() as u64 - 1, 1));
    assert!(sharing.inner.store.evidence_wanted(10).unwrap().is_empty());
    assert_eq!(sharing.inner.metrics.evidence_posts.get(), all.len() as i64 - 1);

    // The log is gone, the service starts again, and people still see what the posts say.
    log.1.shutdown().await.unwrap();
    drop((sharing, log));
    let sharing = open(&place, Reviewers::People, Tlp::Amber);
    let wanted: Vec<Wanted> = all.iter().map(|post| Wanted::from(*post)).take(50).collect();
    let shown = look_up(&sharing, wanted).await;
    assert_eq!(
        (shown.get(&all[0].platform, &all[0].id).unwrap().text.clone(), shown.remark()),
        (text_of(all[0]), None)
    );
    // So does the partner, of its own accounts.
    release(&sharing).await;
    let text = feed(&sharing).concat();
    let own = all[..all.len() - 1].iter().filter(|post| post.platform == "twitter").collect::<Vec<_>>();
    assert!(own.iter().all(|post| text.contains(&format!("words of post {} ", post.id))));
    let sha = |post: &PostRef| found.of(post).unwrap().record_sha256.clone();
    assert!(text.contains(&sha(own[0])) && text.contains("\"text_status\":\"shown\""));
    let elsewhere = all.iter().find(|post| post.platform != "twitter").unwrap();
    assert!(!text.contains(&format!("words of post {}", elsewhere.id)) && !text.contains(&sha(elsewhere)));
    assert!(sharing.verify_audit().await.unwrap().is_ok());
}

async fn the_task_keeps_posts_and_ends_with_the_service((_folder, place): Place) {
    let sharing = open(&place, Reviewers::People, Tlp::Amber);
    let (_log, log, cluster) = log_of(fixtures::cluster("a", 1)).await;
    sharing.on_clusters(vec![cluster.clone()]).await.unwrap();
    let shutdown = Shutdown::new();
    let running = {
        let (sharing, log, shutdown) = (sharing.clone(), log.clone(), shutdown.clone());
        tokio::spawn(async move { evidence::run(&sharing, &log, &shutdown).await })
    };
    while !sharing.inner.store.evidence_wanted(1).unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    shutdown.stop();
    running.await.unwrap().unwrap();
    assert_eq!(kept(&sharing, &cluster).len(), posts_of(&cluster).len() - 1);
    assert_eq!(sharing.inner.metrics.errors.with_label_values(&["evidence"]).get(), 0);

    // A log that cannot be read is counted, and tried again until the service ends.
    log.shutdown().await.unwrap();
    sharing.on_clusters(vec![ClusterMessage { version: 2, ..with_more_posts(&cluster) }]).await.unwrap();
    let shutdown = Shutdown::new();
    let running = {
        let (sharing, shutdown) = (sharing.clone(), shutdown.clone());
        tokio::spawn(async move { evidence::run(&sharing, &log, &shutdown).await })
    };
    while sharing.inner.metrics.errors.with_label_values(&["evidence"]).get() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    shutdown.stop();
    running.await.unwrap().unwrap();
    assert_eq!(sharing.inner.store.evidence_wanted(10).unwrap(), ["a"]);
}

/// With a post that is at another place of the log.
fn with_more_posts(cluster: &ClusterMessage) -> ClusterMessage {
    let mut more = cluster.clone();
    let mut post = more.evidence[0].posts[0].clone();
    post.id = "another".to_owned();
    more.evidence[0].posts.push(post);
    more
}

async fn the_demo_shares_texts_with_the_first_release((_folder, place): Place) {
    let sharing = open(&place, Reviewers::Demo, Tlp::Amber);
    let (_log, log, cluster) = log_of(fixtures::cluster("a", 1)).await;
    let topic = runtime::TopicSpec {
        name: topics::CLUSTERS_FLAGGED,
        partitions: 1,
        cleanup: runtime::Cleanup::Delete,
        retention: None,
    };
    log.create_topics(&[topic]).await.unwrap();
    let mut message = cluster.clone();
    let positions = message.take_positions();
    let record = runtime::NewRecord {
        headers: positions.header(&message).into_iter().collect(),
        ..runtime::NewRecord::new(topics::CLUSTERS_FLAGGED, "a", message.encode().unwrap())
    };
    log.append(vec![record]).await.unwrap();
    let shutdown = Shutdown::new();
    let running = {
        let (sharing, log, shutdown) = (sharing.clone(), log.clone(), shutdown.clone());
        tokio::spawn(async move { sharing.read_clusters(&log, &shutdown).await })
    };
    while sharing.inner.store.case("a").unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    shutdown.stop();
    running.await.unwrap().unwrap();
    let bodies = feed(&sharing);
    let all = posts_of(&cluster);
    let own: Vec<&PostRef> = all[..all.len() - 1].iter().copied().filter(|post| post.platform == "twitter").collect();
    assert!(!own.is_empty() && own.iter().all(|post| says(&bodies, post)));
    assert_eq!(sharing.inner.metrics.errors.with_label_values(&["evidence"]).get(), 0);
    // The task that follows finds them, and makes them evidence of the case.
    sharing.keep_evidence(&log).await.unwrap();
    assert_eq!(counted(&sharing, "kept"), posts_of(&cluster).len() as u64 - 1);
    assert!(sharing.inner.store.evidence_wanted(10).unwrap().is_empty());
    assert!(sharing.verify_audit().await.unwrap().is_ok());
}

async fn withdrawn_accounts_keep_no_posts((_folder, place): Place) {
    let (sharing, (_log, log), cluster) = with_kept(&place).await;
    release(&sharing).await;
    let gone = cluster.accounts[0].clone();
    let of_gone = |posts: &KeptPosts| posts.iter().filter(|post| post.account_id == gone.account_id).count();
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

async fn posts_of_a_case_that_changed_meanwhile_are_not_kept((_folder, place): Place) {
    let sharing = open(&place, Reviewers::People, Tlp::Amber);
    let (_log, log, cluster) = log_of(fixtures::cluster("a", 1)).await;
    sharing.on_clusters(vec![cluster.clone()]).await.unwrap();
    let seen = sharing.inner.store.case("a").unwrap().unwrap().revision;
    sharing.step("a", Step::BeginReview, "ann").await.unwrap();
    let keep = |seen| sharing.inner.store.keep_evidence(&cluster, seen, &[], true, Timestamp::now()).unwrap();
    assert_eq!(keep(seen), None);
    assert_eq!(sharing.inner.store.evidence_wanted(10).unwrap(), ["a"]);
    sharing.keep_evidence(&log).await.unwrap();
    assert!(sharing.inner.store.evidence_wanted(10).unwrap().is_empty());
}

async fn an_erased_account_is_gone_from_the_feed_too((_folder, place): Place) {
    let (sharing, (_log, log), cluster) = with_kept(&place).await;
    release(&sharing).await;
    let gone = cluster.accounts[0].account_id.clone();
    let posts: Vec<&PostRef> = posts_of(&cluster).into_iter().filter(|post| post.account_id == gone).collect();
    let before = feed(&sharing);
    assert!(posts.iter().any(|post| says(&before, post)));
    let erased = sharing.erase_evidence("twitter", &gone, "ann").await.unwrap();
    assert!(erased.posts > 0 && erased.objects > 0, "{erased:?}");
    let after = feed(&sharing);
    assert_eq!(before.len(), after.len());
    let of_account = |post: &&PostRef| post.platform == "twitter" && post.account_id == gone;
    let shas: Vec<String> = posts.iter().map(|post| text_format::hex(&Sha256::digest(record_of(post)))).collect();
    assert!(posts.iter().all(|post| !says(&after, post)) && shas.iter().all(|sha| !after.concat().contains(sha)));
    let all = posts_of(&cluster);
    assert!(all.iter().filter(|post| !of_account(post)).all(|post| says(&before, post) == says(&after, post)));
    // What else the objects hold stays.
    for (before, after) in before.iter().zip(&after) {
        let ids = |body: &str| {
            let object: serde_json::Value = serde_json::from_str(body).unwrap();
            (object["id"].clone(), object["modified"].clone(), object["external_references"].clone())
        };
        assert_eq!(ids(before), ids(after));
    }
    assert!(kept(&sharing, &cluster).iter().all(|post| post.account_id != gone));

    // The audit log says so, and agrees with the objects as they are now.
    let entry = sharing.inner.store.history(&format!("twitter:{gone}")).unwrap().pop().unwrap().entry;
    assert_eq!((&*entry.actor, &*entry.action), ("ann", "evidence_erased"));
    assert!(entry.text.contains(&text_format::count(erased.posts, "post")), "{}", entry.text);
    assert!(sharing.verify_audit().await.unwrap().is_ok());

    // Neither a newer version nor a page brings them back, though they are still on the log.
    let newer = ClusterMessage { version: 2, ..cluster.clone() };
    sharing.on_clusters(vec![newer]).await.unwrap();
    sharing.keep_evidence(&log).await.unwrap();
    assert!(kept(&sharing, &cluster).iter().all(|post| post.account_id != gone));
    assert!(sharing.inner.log.set(log).is_ok());
    let shown = look_up(&sharing, posts.iter().map(|post| Wanted::from(*post)).collect()).await;
    let (platform, id) = (&posts[0].platform, &posts[0].id);
    assert_eq!((shown.get(platform, id).is_none(), shown.missing(platform, id)), (true, Some("Text was erased")));
    // Asked for twice, it erases nothing more. Somebody has to say who asks.
    assert_eq!(sharing.erase_evidence("twitter", &gone, "ann").await.unwrap(), Erased::default());
    assert!(sharing.erase_evidence("twitter", &gone, " ").await.is_err());
    assert!(sharing.verify_audit().await.unwrap().is_ok());
    // What comes after it is covered as before.
    record_facts(&sharing).await;
    sharing.step("a", clear(), "ann").await.unwrap();
    sharing.step("a", Step::Update, "bob").await.unwrap();
    assert!(sharing.verify_audit().await.unwrap().is_ok());
    sharing.inner.store.on_everything("update objects set body = body || ' ' where type = 'observed-data'");
    assert!(sharing.verify_audit().await.unwrap().is_err());
}

async fn an_erasure_hides_no_manipulation((_folder, place): Place) {
    let (sharing, _log, cluster) = with_kept(&place).await;
    release(&sharing).await;
    sharing.inner.store.on_everything("update objects set body = body || ' ' where type = 'campaign'");
    assert!(sharing.verify_audit().await.unwrap().is_err());
    let erased = sharing.erase_evidence("twitter", &cluster.accounts[0].account_id, "ann").await.unwrap();
    assert!(erased.objects > 0);
    let broken = sharing.verify_audit().await.unwrap().unwrap_err();
    assert!(broken.to_string().contains("birds"), "{broken}");
}

async fn old_posts_are_deleted_from_the_feed_too((_folder, place): Place) {
    let (sharing, (_log, log), cluster) = with_kept(&place).await;
    release(&sharing).await;
    let many = kept(&sharing, &cluster).len();
    let days = i64::from(sharing.config().evidence_days);
    let after = |days: i64| Timestamp::now().checked_add(SignedDuration::from_hours(24 * days)).unwrap();
    let before = feed(&sharing);
    let own: Vec<&PostRef> = posts_of(&cluster).into_iter().filter(|post| post.platform == "twitter").collect();
    assert!(own.iter().any(|post| says(&before, post)));
    sharing.inner.delete_old_evidence(after(days - 1)).unwrap();
    assert_eq!((kept(&sharing, &cluster).len(), feed(&sharing)), (many, before.clone()));
    sharing.inner.delete_old_evidence(after(days + 1)).unwrap();
    assert_eq!(kept(&sharing, &cluster).len(), 0);
    assert_eq!((counted(&sharing, "deleted"), sharing.inner.metrics.evidence_posts.get()), (many as u64, 0));

    // What was shared loses the texts, and keeps everything else.
    let now = feed(&sharing);
    assert_eq!(now.len(), before.len());
    assert!(!now.concat().contains("words of post") && !now.concat().contains("record_sha256"));
    for (before, now) in before.iter().zip(&now) {
        let without_texts = |body: &str| {
            let mut object: serde_json::Value = serde_json::from_str(body).unwrap();
            for extension in object["extensions"].as_object_mut().unwrap().values_mut() {
                for post in extension["posts"].as_array_mut().into_iter().flatten() {
                    for name in ["text", "links", "record_sha256", "text_status"] {
                        post.as_object_mut().unwrap().remove(name);
                    }
                }
            }
            object
        };
        assert_eq!(without_texts(before), without_texts(now));
    }
    let entry = sharing.inner.store.history("evidence").unwrap().pop().unwrap().entry;
    assert_eq!((&*entry.actor, &*entry.action), ("lockstep", "evidence_expired"));
    assert!(entry.text.contains(&text_format::count(many as u64, "post")), "{}", entry.text);
    assert!(sharing.verify_audit().await.unwrap().is_ok());
    // The next look finds nothing, and writes nothing to the audit log.
    sharing.inner.delete_old_evidence(after(days + 2)).unwrap();
    assert_eq!(sharing.inner.store.history("evidence").unwrap().len(), 1);

    // The page says that the texts are gone, once the log does not have them any more either.
    drop(log);
    let folder = tempfile::tempdir().unwrap();
    let empty = runtime::Log::open_embedded(folder.path()).await.unwrap();
    let topic =
        runtime::TopicSpec { name: topics::POSTS, partitions: 1, cleanup: runtime::Cleanup::Delete, retention: None };
    empty.create_topics(&[topic]).await.unwrap();
    assert!(sharing.inner.log.set(empty).is_ok());
    let shown = look_up(&sharing, vec![Wanted::from(own[0])]).await;
    assert_eq!(shown.missing(&own[0].platform, &own[0].id), Some("Text is gone"));
    assert!(
        shown.remark().unwrap().contains("it was not kept, and it is no longer on the log"),
        "{:?}",
        shown.remark()
    );
}

async fn texts_of_a_post_that_did_not_expire_stay_in_the_feed((_folder, place): Place) {
    let (sharing, _log, cluster) = with_kept(&place).await;
    release(&sharing).await;
    let own: Vec<&PostRef> = posts_of(&cluster).into_iter().filter(|post| post.platform == "twitter").collect();
    let before = feed(&sharing);
    // One post is older than the others.
    let digest =
        text_format::hex(&Sha256::digest(casework::accounts::account_key(&own[0].platform, &own[0].id).as_bytes()));
    sharing.inner.store.on_everything(&format!("update evidence_posts set kept_at = 0 where post = '{digest}'"));
    sharing.inner.delete_old_evidence(Timestamp::now()).unwrap();
    let now = feed(&sharing);
    assert!(says(&before, own[0]) && !says(&now, own[0]));
    assert!(own.iter().filter(|post| post.id != own[0].id).all(|post| says(&before, post) == says(&now, post)));
    assert!(sharing.verify_audit().await.unwrap().is_ok());
    sharing.inner.store.on_everything("update objects set body = body || ' ' where type = 'observed-data'");
    assert!(sharing.verify_audit().await.unwrap().is_err());
}

async fn what_is_kept_after_the_approval_is_not_sent((_folder, place): Place) {
    let sharing = open(&place, Reviewers::People, Tlp::Amber);
    let (_log, log, cluster) = log_of(fixtures::cluster("a", 1)).await;
    sharing.on_clusters(vec![cluster.clone()]).await.unwrap();
    approve(&sharing).await;
    let record = || sharing.inner.store.case("a").unwrap().unwrap();
    let approved = sharing.inner.rendered(&record()).unwrap();
    sharing.keep_evidence(&log).await.unwrap();
    assert!(kept(&sharing, &cluster).len() > 0);
    assert_eq!(sharing.inner.rendered(&record()).unwrap(), approved);
    assert_eq!(record().case.approved_objects, approved);
    sharing.step("a", Step::Release, "bob").await.unwrap();
    let first = feed(&sharing);
    assert!(!first.concat().contains("words of post") && first.concat().contains("\"text_status\":\"gone\""));
    // Nor by a renewal of what is shared. With the next approval they are sent.
    sharing
        .inner
        .act("a", None, Act::ProposeRenewal { reason: "goes on".to_owned() }, "ann", Timestamp::now())
        .unwrap();
    sharing.inner.act("a", None, Act::Renew, "bob", Timestamp::now()).unwrap();
    assert!(feed(&sharing).len() > first.len() && !feed(&sharing).concat().contains("words of post"));
    let newer = ClusterMessage { version: 2, ..cluster.clone() };
    sharing.on_clusters(vec![newer]).await.unwrap();
    record_facts(&sharing).await;
    sharing.step("a", clear(), "ann").await.unwrap();
    sharing.step("a", Step::Update, "bob").await.unwrap();
    assert!(feed(&sharing).concat().contains("words of post"));
    assert!(sharing.verify_audit().await.unwrap().is_ok());
}

async fn an_erasure_takes_the_approval_back((_folder, place): Place) {
    let (sharing, _log, cluster) = with_kept(&place).await;
    approve(&sharing).await;
    let gone = &cluster.accounts[0].account_id;
    assert!(sharing.erase_evidence("twitter", gone, "ann").await.unwrap().posts > 0);
    let refused = sharing.step("a", Step::Release, "bob").await.unwrap_err().to_string();
    assert!(refused.contains("what birds would receive is no longer what was approved"), "{refused}");
    sharing.step("a", clear(), "ann").await.unwrap();
    sharing.step("a", Step::Release, "bob").await.unwrap();
    let (erased, others): (Vec<&PostRef>, Vec<&PostRef>) =
        posts_of(&cluster).into_iter().partition(|post| post.account_id == *gone);
    let bodies = feed(&sharing);
    assert!(erased.iter().all(|post| !says(&bodies, post)) && others.iter().any(|post| says(&bodies, post)));
}

async fn texts_that_name_others_or_are_not_seen_are_withheld((_folder, place): Place) {
    let sharing = open(&place, Reviewers::People, Tlp::Amber);
    let mut cluster = fixtures::cluster("a", 1);
    // What the posts of this test say holds their ids: here the id of an account on another platform.
    let stranger = cluster.accounts.iter().find(|account| account.platform != "twitter").unwrap().account_name.clone();
    let own = cluster.evidence[0].posts.iter().position(|post| post.platform == "twitter").unwrap();
    cluster.evidence[0].posts[own].id = format!("of {stranger}");
    let (_log, log, cluster) = log_of(cluster).await;
    sharing.on_clusters(vec![cluster.clone()]).await.unwrap();
    sharing.keep_evidence(&log).await.unwrap();
    assert!(kept(&sharing, &cluster).of(&cluster.evidence[0].posts[own]).is_some());
    release(&sharing).await;
    let bodies = feed(&sharing);
    assert!(!says(&bodies, &cluster.evidence[0].posts[own]));
    assert!(bodies.concat().contains("\"text_status\":\"withheld\"") && bodies.concat().contains("words of post"));
}
