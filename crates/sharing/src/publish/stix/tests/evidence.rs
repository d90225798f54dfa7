//! The posts and keys by which a platform can check a finding.

use super::{
    super::evidence::{EXTENSION as EVIDENCE, Evidence, TextStatus, without_texts_of_account},
    *,
};
use crate::publish::evidence::KEYS;
use casework::policy::{AccountIds, Elsewhere as Others};

fn evidence(objects: &[Value]) -> Vec<(&Value, Evidence)> {
    let read = |object: &&Value| Some(serde_json::from_value(object["extensions"].get(EVIDENCE)?.clone()).unwrap());
    of(objects, "observed-data").into_iter().filter_map(|object| Some((object, read(&object)?))).collect()
}

/// Those of single keys.
fn keys(objects: &[Value]) -> Vec<(&Value, Evidence)> {
    evidence(objects).into_iter().filter(|(_, evidence)| evidence.kind.is_some()).collect()
}

#[test]
fn a_platform_gets_the_posts_of_its_own_accounts_with_what_they_have_in_common() {
    let cluster = fixtures::cluster("c", 1);
    let case = released(&cluster);
    for platform in ["twitter", "bluesky"] {
        let objects = values(&publication(&case, &cluster, platform).objects());
        let shared = keys(&objects);
        let with_posts =
            cluster.evidence.iter().filter(|evidence| evidence.posts.iter().any(|post| post.platform == platform));
        assert_eq!(shared.len(), with_posts.clone().count());
        for evidence in with_posts {
            let (object, found) =
                shared.iter().find(|(_, found)| found.key.as_deref() == Some(&*evidence.key)).unwrap();
            assert_eq!(
                (found.kind.as_deref(), found.source.as_deref()),
                (Some(evidence.kind.name()), Some(&*evidence.source))
            );
            let own: Vec<_> = evidence.posts.iter().filter(|post| post.platform == platform).collect();
            assert_eq!(object["number_observed"], own.len());
            assert_eq!(object["first_observed"], millis(own[0].created_at));
            let ids =
                |posts: &[&messages::cluster::PostRef]| posts.iter().map(|post| post.id.clone()).collect::<Vec<_>>();
            assert_eq!(found.posts.iter().map(|post| post.id.clone()).collect::<Vec<_>>(), ids(&own));
            let referred = object["external_references"].as_array().unwrap().iter();
            assert_eq!(referred.map(|r| r["external_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>(), ids(&own));
            let authors: BTreeSet<&str> = own.iter().map(|post| &*post.account_id).collect();
            assert_eq!(object["object_refs"].as_array().unwrap().len(), authors.len());
        }
        let all = evidence(&objects).into_iter().find(|(_, evidence)| evidence.kind.is_none()).unwrap().1;
        assert_eq!((all.keys_in_all, all.keys_shared), (Some(shared.len()), Some(shared.len())));
        assert_eq!(all.posts_in_all, shared.iter().map(|(_, evidence)| evidence.posts.len()).sum::<usize>());
    }
}

/// No importer shall block a site that a group has linked to.
#[test]
fn links_are_no_objects_of_their_own() {
    let cluster = fixtures::cluster("c", 1);
    let objects = values(&publication(&released(&cluster), &cluster, "twitter").objects());
    assert!(of(&objects, "url").is_empty() && of(&objects, "domain-name").is_empty());
}

#[test]
fn what_is_left_out_is_counted() {
    let cluster = fixtures::sized("big", 3, 120, 80);
    let objects = values(&publication(&released(&cluster), &cluster, "twitter").objects());
    let shared = keys(&objects);
    assert_eq!(shared.len(), KEYS);
    let all = evidence(&objects).into_iter().find(|(_, evidence)| evidence.kind.is_none()).unwrap().1;
    assert_eq!((all.keys_in_all, all.keys_shared), (Some(80), Some(KEYS)));
    assert!(all.posts_in_all > all.posts_shared);
    assert!(shared.iter().any(|(_, key)| key.posts_in_all > key.posts_shared && key.posts.len() == key.posts_shared));
    let says_so = |note: &&Value| note["content"].as_str().unwrap().contains("60 keys, 20 weaker keys left out");
    assert!(of(&objects, "note").iter().any(says_so));
}

/// The redaction that is in force for platforms holds for the feed.
#[test]
fn the_feed_holds_what_the_class_sees() {
    let cluster = fixtures::cluster("c", 1);
    let case = released(&cluster);
    let with = |change: fn(&mut Redaction)| {
        let mut publication = publication(&case, &cluster, "twitter");
        change(&mut publication.shows);
        values(&publication.objects())
    };
    let text = |objects: &[Value]| objects.iter().map(Value::to_string).collect::<String>();
    let name = &cluster.accounts[0].account_name;
    assert!(text(&with(|_| ())).contains(name) && !text(&with(|shows| shows.handles = false)).contains(name));
    let post = cluster.evidence[0].posts.iter().find(|post| post.platform == "twitter").unwrap();
    assert!(text(&with(|_| ())).contains(&post.id) && !text(&with(|shows| shows.post_ids = false)).contains(&post.id));
    let url = &cluster.evidence.iter().find(|evidence| evidence.kind == TraceKind::Url).unwrap().key;
    assert!(text(&with(|_| ())).contains(url) && !text(&with(|shows| shows.keys = false)).contains(url));
    let source = "@source_";
    assert!(text(&with(|_| ())).contains(source) && !text(&with(|shows| shows.source_names = false)).contains(source));
    let neither = with(|shows| (shows.post_ids, shows.keys) = (false, false));
    assert!(keys(&neither).is_empty());
    let plain = with(|shows| shows.model_internals = false);
    for inside in ["nats", "probability", "confidence", "windows"] {
        assert!(text(&with(|_| ())).contains(inside));
        assert!(
            !of(&plain, "indicator").iter().any(|object| object.to_string().contains(&format!("\"{inside}"))),
            "{inside}"
        );
        assert!(
            !of(&plain, "note").iter().any(|object| object["content"].as_str().unwrap().contains(" nats")),
            "{inside}"
        );
    }
    let elsewhere =
        |objects: &[Value]| of(objects, "campaign")[0]["extensions"][EXTENSION]["accounts_elsewhere"].clone();
    let counts = elsewhere(&with(|shows| shows.elsewhere = Others::Counts));
    assert_eq!((&counts[0]["accounts"], &counts[0]["pseudonyms"]), (&json!(2), &json!([])));
    assert!(elsewhere(&with(|shows| shows.elsewhere = Others::Total)).is_null());
    assert!(with(|shows| shows.account_ids = AccountIds::None).is_empty());
}

#[test]
fn a_key_that_is_gone_is_withdrawn_and_holds_nothing() {
    let cluster = fixtures::cluster("c", 1);
    let mut case = released(&cluster);
    let first = share(&mut case, &cluster, None, 4);
    let mut second = without(&cluster, 2, |account| account.account_id == cluster.accounts[0].account_id);
    let dropped = second.evidence.remove(0);
    let next = share(&mut case, &second, Some(&cluster), 9);
    let id = |objects: &[Value]| {
        let has = |(_, found): &(&Value, Evidence)| found.key.as_deref() == Some(&*dropped.key);
        keys(objects).into_iter().find(has).map(|(object, _)| id_of(object))
    };
    let gone = id(&first).unwrap();
    assert_eq!(id(&next), None);
    let (object, found) = keys(&next).into_iter().find(|(object, _)| id_of(object) == gone).unwrap();
    assert_eq!((&object["revoked"], object.get("external_references")), (&json!(true), None));
    assert_eq!((&found.key, &found.source, found.posts.len(), found.nats), (&None, &None, 0, None));
    // The others go on under their ids, without the posts of the account that left.
    let left = &cluster.accounts[0].account_id;
    for (object, found) in keys(&next).into_iter().filter(|(object, _)| object["revoked"] != true) {
        assert!(keys(&first).iter().any(|(earlier, _)| earlier["id"] == object["id"]));
        assert!(found.posts.iter().all(|post| post.account_id != *left));
    }
    // A retraction takes all of it back.
    let retracted = withdraw(&mut case, &second, 14);
    let current: BTreeSet<String> =
        keys(&next).iter().filter(|(object, _)| object["revoked"] != true).map(|(object, _)| id_of(object)).collect();
    let taken: BTreeSet<String> = keys(&retracted).iter().map(|(object, _)| id_of(object)).collect();
    assert_eq!(taken, current);
    for (object, found) in keys(&retracted) {
        assert!(object["revoked"] == true && found.key.is_none() && found.posts.is_empty());
    }
}

/// A text is cut, a NUL is replaced, and what is erased is gone.
#[test]
fn texts_are_bounded_and_can_be_erased() {
    let cluster = fixtures::cluster("c", 1);
    let case = released(&cluster);
    let posts = cluster.evidence.iter().flat_map(|evidence| &evidence.posts);
    let kept = posts.map(|post| crate::kept::KeptPost {
        platform: post.platform.clone(),
        id: post.id.clone(),
        account_id: post.account_id.clone(),
        created_at: post.created_at,
        text: format!("\0{}", "a".repeat(6_000)),
        links: (0..30).map(|n| format!("https://example.org/{n}")).collect(),
        media: Vec::new(),
        record_sha256: "0f".repeat(32),
        kept_at: Timestamp::default(),
    });
    let kept: KeptPosts = kept.collect();
    let with = |classes: fn(&mut Redaction)| {
        let mut publication = Publication { kept: &kept, ..publication(&case, &cluster, "twitter") };
        classes(&mut publication.shows);
        publication.objects()
    };
    let objects = with(|_| ());
    let shared = values(&objects);
    for post in keys(&shared).iter().flat_map(|(_, key)| &key.posts) {
        let text = post.text.as_ref().unwrap();
        assert!(text.starts_with("\u{fffd}a") && text.ends_with('…') && text.chars().count() == 5_001);
        assert_eq!((post.text_status, post.links.len()), (Some(TextStatus::Shown), 20));
        assert_eq!(post.record_sha256, Some("0f".repeat(32)));
    }
    let says = |objects: &[Value], what: &str| {
        of(objects, "note").iter().any(|note| note["content"].as_str().unwrap().contains(what))
    };
    assert!(says(&shared, "are in the feed."));
    let withheld = values(&with(|shows| shows.keys = false));
    assert!(says(&withheld, "Texts of posts are withheld."));
    let all = keys(&withheld);
    let mut posts = all.iter().flat_map(|(_, key)| &key.posts);
    assert!(posts.all(|post| (post.text_status, &post.text) == (Some(TextStatus::Withheld), &None)));
    let gone = values(&publication(&case, &cluster, "twitter").objects());
    assert!(says(&gone, "The texts of these posts are gone"));

    let account = &cluster.accounts[0].account_id;
    let body = |object: &&NewObject| without_texts_of_account(&object.body, account);
    let erased: Vec<Value> =
        objects.iter().filter_map(|o| body(&o)).map(|b| serde_json::from_str(&b).unwrap()).collect();
    assert!(!erased.is_empty());
    for post in keys(&erased).iter().flat_map(|(_, key)| &key.posts) {
        let is_gone = (post.text_status, &post.text) == (Some(TextStatus::Gone), &None);
        assert_eq!(is_gone, post.account_id == *account);
    }
    assert!(erased.iter().all(|object| without_texts_of_account(&object.to_string(), account).is_none()));
}

/// Whoever guesses a key that is withheld must not be able to tell by the id that the guess is right.
#[test]
fn the_id_of_a_key_needs_the_secret_of_the_partner() {
    let cluster = fixtures::cluster("c", 1);
    let case = released(&cluster);
    let ids = |key: &'static [u8]| {
        let publication = Publication { pseudonym_key: key, ..publication(&case, &cluster, "twitter") };
        let objects = values(&publication.objects());
        keys(&objects).into_iter().map(|(object, _)| id_of(object)).collect::<BTreeSet<_>>()
    };
    assert_eq!(ids(b"one"), ids(b"one"));
    assert!(ids(b"one").is_disjoint(&ids(b"two")));
}
