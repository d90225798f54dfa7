mod evidence;
mod outside;
mod privacy;
mod versions;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use casework::partners::{note_shared, note_withdrawn};

use super::{
    object::{OBSERVABLES, TLP_EXTENSION},
    *,
};
use casework::{
    case::Step,
    policy::{Class, Rules},
    techniques::Technique,
};
use messages::cluster::TraceKind;
use presentation::fixtures;

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + second).unwrap()
}

fn released(cluster: &ClusterMessage) -> Case {
    let (mut case, _) = Case::nominate(&cluster.cluster_id, cluster.version, time(0));
    let check = Step::CheckSourcesAndMethods { finding: "public posts only".to_owned() };
    let approve = Step::Approve { comment: "clear".to_owned() };
    // Suggests no target.
    let plain = fixtures::cluster("c1", cluster.version);
    casework::fixtures::take(&mut case, &plain, Step::BeginReview, "ann", time(1)).unwrap();
    for fact in casework::fixtures::facts() {
        casework::fixtures::take(&mut case, &plain, Step::Record(fact), "ann", time(1)).unwrap();
    }
    casework::fixtures::take(&mut case, &plain, check, "ann", time(2)).unwrap();
    casework::fixtures::take(&mut case, &plain, approve, "ann", time(3)).unwrap();
    casework::fixtures::take(&mut case, &plain, Step::Release, "bob", time(4)).unwrap();
    case
}

fn publication<'a>(case: &'a Case, cluster: &'a ClusterMessage, platform: &'a str) -> Publication<'a> {
    Publication {
        identity: "Lockstep test",
        tlp: Tlp::Amber,
        valid_days: 30,
        disarm_objects: true,
        shows: Rules::with_marking(Tlp::Amber).class(Class::Platform).shows,
        partner: platform,
        platform,
        pseudonym_key: platform.as_bytes(),
        case,
        reference: &case.id,
        cluster,
        before: None,
        kept: KeptPosts::NONE,
        now: time(4),
    }
}

fn values(objects: &[NewObject]) -> Vec<Value> {
    objects.iter().map(|o| serde_json::from_str(&o.body).unwrap()).collect()
}

fn of<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|o| o["type"] == kind).collect()
}

/// Every id that an object refers to, also inside extensions.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                if name.ends_with("_ref") {
                    found.extend(value.as_str().map(str::to_owned));
                } else if name.ends_with("_refs") {
                    let refs = value.as_array().unwrap();
                    found.extend(refs.iter().map(|r| r.as_str().unwrap().to_owned()));
                } else {
                    references(value, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

/// What the service does when a version is released: the objects for one partner, and the case's notes.
fn share(case: &mut Case, cluster: &ClusterMessage, before: Option<&ClusterMessage>, second: i64) -> Vec<Value> {
    note_shared(case, cluster, time(second));
    let publication = Publication { before, now: time(second), ..publication(case, cluster, "twitter") };
    let objects = values(&publication.objects());
    if let Some(before) = before {
        note_withdrawn(case, before, Some(cluster));
    }
    objects
}

/// The same for a retraction.
fn withdraw(case: &mut Case, before: &ClusterMessage, second: i64) -> Vec<Value> {
    let publication = Publication { before: Some(before), now: time(second), ..publication(case, before, "twitter") };
    let objects = values(&publication.retraction());
    note_withdrawn(case, before, None);
    objects
}

fn without(cluster: &ClusterMessage, version: u32, gone: impl Fn(&ClusterAccount) -> bool) -> ClusterMessage {
    let mut next = cluster.clone();
    next.version = version;
    next.accounts.retain(|account| !gone(account));
    next.ties.clear();
    next
}

/// Ids that try to break out of a pattern, or to be mistaken for a part of one.
fn hostile_ids() -> Vec<String> {
    let mut ids: Vec<String> = [
        "o'brien",
        r"back\slash",
        r"\",
        r"\'",
        "'",
        "\"quoted\"",
        "x' OR user-account:user_id != 'y",
        "a NOT LIKE b] FOLLOWEDBY [c",
        "a]b[c",
        "日本語🦀",
        "\u{202E}rtl\u{200B}",
        "\u{7f}\u{85}\u{2028}",
        "e\u{301}",
        " ",
        "%00%27",
        "t'2020-01-01T00:00:00Z'",
    ]
    .map(str::to_owned)
    .into();
    ids.push("x".repeat(10_000));
    ids.push("'\\".repeat(5_000));
    ids
}

/// Ids with control characters.
fn control_ids() -> Vec<String> {
    ["nul\0and\u{7}bell", "line\nfeed\ttab\r", "\n'\\", "\0"].map(str::to_owned).into()
}

/// A cluster whose accounts have those ids, and names as bad.
fn hostile_accounts(ids: &[String]) -> ClusterMessage {
    let mut cluster = fixtures::hostile("<b>");
    let sample = cluster.accounts[0].clone();
    cluster.accounts = ids
        .iter()
        .cloned()
        .rev()
        .enumerate()
        .map(|(n, id)| ClusterAccount {
            account_id: id.clone(),
            account_name: id,
            platform: if n % 5 == 4 { "bluesky" } else { "twitter" }.to_owned(),
            ..sample.clone()
        })
        .collect();
    // The worst ones are those of the platform that is looked at.
    cluster.accounts.extend(ids.iter().map(|id| ClusterAccount {
        account_id: format!("{id}-"),
        account_name: format!("name {id}"),
        ..sample.clone()
    }));
    cluster
}

/// Every technique is supported by it.
fn with_all_techniques(mut cluster: ClusterMessage) -> ClusterMessage {
    cluster.ties.iter_mut().for_each(|tie| {
        tie.co_acts = 9;
        tie.median_lag_s = 2.0;
    });
    cluster.reasons.push(messages::cluster::Reason {
        feature: "creation_burst".to_owned(),
        value: Some(0.9),
        contribution: 0.7,
        text: "the part of the accounts made within one week is 90 %".to_owned(),
    });
    assert_eq!(techniques(&cluster), Technique::ALL);
    cluster
}

/// Publications of every kind, by name, with the accounts that are live after each.
fn publications(cluster: &ClusterMessage, demo: bool, tlp: Tlp) -> Vec<(&'static str, Vec<Value>, Vec<String>)> {
    publications_with(cluster, demo, tlp, true)
}

/// The same with or without DISARM's objects.
fn publications_with(
    cluster: &ClusterMessage,
    demo: bool,
    tlp: Tlp,
    disarm_objects: bool,
) -> Vec<(&'static str, Vec<Value>, Vec<String>)> {
    let mut case = released(cluster);
    case.demo = demo;
    let own = |cluster: &ClusterMessage| -> Vec<String> {
        on_platform(cluster, "twitter").iter().map(|account| account.account_id.clone()).collect()
    };
    let leaver = own(cluster)[0].clone();
    let second = without(cluster, 2, |account| account.platform == "twitter" && account.account_id == leaver);
    let elsewhere = without(cluster, 3, |account| account.platform == "twitter");
    let publish = |case: &Case, cluster, before, second: i64| {
        let publication = publication(case, cluster, "twitter");
        values(&Publication { tlp, disarm_objects, before, now: time(second), ..publication }.objects())
    };
    let mut all = Vec::new();
    note_shared(&mut case, cluster, time(4));
    all.push(("released", publish(&case, cluster, None, 4), own(cluster)));
    note_shared(&mut case, &second, time(9));
    case.state = casework::case::State::Updated;
    all.push(("updated", publish(&case, &second, Some(cluster), 9), own(&second)));
    note_withdrawn(&mut case, cluster, Some(&second));
    all.push(("left", publish(&case, &elsewhere, Some(&second), 14), Vec::new()));
    case.state = casework::case::State::Retracted;
    let retracted = publication(&case, &second, "twitter");
    let retracted = Publication { tlp, disarm_objects, before: Some(&second), now: time(15), ..retracted };
    all.push(("retracted", values(&retracted.retraction()), Vec::new()));
    note_withdrawn(&mut case, &second, None);
    note_shared(&mut case, cluster, time(20));
    case.state = casework::case::State::Updated;
    all.push(("again", publish(&case, cluster, None, 20), own(cluster)));
    all
}

fn bundle(objects: &[Value]) -> Value {
    json!({ "type": "bundle", "id": format!("bundle--{}", Uuid::new_v4()), "objects": objects })
}

#[test]
fn every_object_comes_after_those_it_refers_to() {
    for cluster in
        [with_all_techniques(fixtures::cluster("c", 1)), hostile_accounts(&[hostile_ids(), control_ids()].concat())]
    {
        for (what, objects, _) in publications(&cluster, false, Tlp::Amber) {
            let mut known = BTreeSet::new();
            for object in &objects {
                let mut wanted = BTreeSet::new();
                references(object, &mut wanted);
                assert!(wanted.is_subset(&known), "{what}: {:?} in {object}", wanted.difference(&known));
                assert!(known.insert(id_of(object)), "{what}: twice {}", id_of(object));
            }
        }
    }
}

#[test]
fn a_partner_sees_its_own_platform_and_counts_of_the_rest() {
    let cluster = fixtures::cluster("c", 1);
    let case = released(&cluster);
    for (platform, own) in [("twitter", 10), ("bluesky", 2)] {
        let objects = publication(&case, &cluster, platform).objects();
        let text: String = objects.iter().map(|o| o.body.clone()).collect();
        for account in &cluster.accounts {
            let seen = text.contains(&account.account_id) || text.contains(&account.account_name);
            assert_eq!(seen, account.platform == platform, "{}", account.account_id);
        }
        let objects = values(&objects);
        assert_eq!(of(&objects, "indicator").len(), own);
        assert_eq!(of(&objects, "user-account").len(), own);
        let campaign = of(&objects, "campaign")[0];
        let elsewhere = &campaign["extensions"][EXTENSION]["accounts_elsewhere"][0];
        assert_eq!(elsewhere["accounts"], 12 - own);
        assert_eq!(elsewhere["pseudonyms"].as_array().unwrap().len(), 12 - own);
    }
    assert!(publication(&case, &cluster, "mastodon").objects().is_empty());
}

/// MISP's importer, for one, gives a display name the weight of the id that it equals.
#[test]
fn a_name_that_is_the_id_of_a_member_is_left_out() {
    let mut cluster = fixtures::cluster("c", 1);
    cluster.accounts[0].account_name = cluster.accounts[0].account_id.clone();
    cluster.accounts[1].account_name = cluster.accounts[5].account_id.clone();
    let case = released(&cluster);
    let publication = publication(&case, &cluster, "twitter");
    let named = |n: usize| publication.user_account(&cluster.accounts[n]).get("display_name").is_some();
    assert_eq!([named(0), named(1), named(2)], [false, false, true]);
}

#[test]
fn pseudonyms_are_stable_for_a_partner_and_differ_between_partners() {
    let cluster = fixtures::cluster("c", 1);
    let case = released(&cluster);
    let account = &cluster.accounts[0];
    let one = publication(&case, &cluster, "bluesky");
    let two = Publication { pseudonym_key: b"another key", ..publication(&case, &cluster, "bluesky") };
    assert_eq!(one.pseudonym(account), one.pseudonym(account));
    assert_ne!(one.pseudonym(account), two.pseudonym(account));
    assert_eq!(one.pseudonym(account).len(), 32);
}

#[test]
fn accounts_have_the_ids_that_stix_prescribes() {
    let mut account = fixtures::cluster("c", 1).accounts[0].clone();
    account.platform = "twitter".to_owned();
    account.account_id = "12345".to_owned();
    let name = r#"{"account_type":"twitter","user_id":"12345"}"#;
    let expected = Uuid::new_v5(&OBSERVABLES, name.as_bytes());
    assert_eq!(user_account_id(&account), format!("user-account--{expected}"));
}

#[test]
fn objects_are_marked_and_say_that_action_is_voluntary() {
    let cluster = fixtures::cluster("c", 1);
    let case = released(&cluster);
    let objects = values(&publication(&case, &cluster, "twitter").objects());
    assert!(of(&objects, "note").iter().any(|note| note["content"].as_str().unwrap().contains("voluntary")));
    let indicator = of(&objects, "indicator")[0];
    assert_eq!(indicator["indicator_types"], json!(["anomalous-activity"]));
    assert_eq!(indicator["confidence"], 96);
    let finding = &indicator["extensions"][EXTENSION];
    assert_eq!(finding["review_state"], "released");
    assert!(finding["q_value_upper_bound"].as_f64().unwrap() < 1e-6);
}

/// What the test counted is carried, and what is said of one account beside it.
#[test]
fn an_indicator_carries_the_test_and_the_account() {
    let mut cluster = fixtures::cluster("c", 1);
    cluster.accounts[1].elsewhere = true;
    let case = released(&cluster);
    let publication = publication(&case, &cluster, "twitter");
    let finding = |account: &ClusterAccount| {
        let [indicator, _] = publication.indicator(account, false);
        serde_json::from_value::<Finding>(indicator["extensions"][EXTENSION].clone()).unwrap()
    };
    let (first, test) = (&cluster.accounts[0], cluster.test.unwrap());
    let found = finding(first);
    assert_eq!((found.bar_nats, found.alpha, found.safety_factor), (Some(test.bar), Some(0.05), Some(2.0)));
    assert_eq!(found.windows.len(), 3);
    let window = &found.windows[1];
    assert_eq!((window.seconds, window.group.own_words), (7_200, cluster.windows[1].group[0]));
    assert_eq!((window.everybody_else.nothing, window.people_near.common), (137_859, 61));
    assert_eq!(found.account_probability, first.posterior);
    assert_eq!(found.account_outcomes.unwrap().own_words, u64::from(first.outcomes[0]));
    assert_eq!(found.account_left_out_nats, Some(1.25));
    let came = |account: &ClusterAccount| finding(account).account_came.unwrap();
    let afterwards = cluster.accounts.iter().find(|account| !account.proposed).unwrap();
    let proposed = cluster.accounts.iter().find(|account| account.proposed && !account.elsewhere).unwrap();
    assert_eq!(
        [came(proposed), came(afterwards), came(&cluster.accounts[1])],
        ["proposed", "found_afterwards", "merged"]
    );
}

/// A finding that was stored as version 1 wrote it can still be published and withdrawn.
#[test]
fn a_finding_of_version_1_says_no_more_than_it_knows() {
    let cluster = fixtures::of_version_1();
    let case = released(&cluster);
    let publication = publication(&case, &cluster, "chirp");
    let objects = values(&publication.objects());
    let indicator = of(&objects, "indicator")[0];
    let finding = &indicator["extensions"][EXTENSION];
    for absent in ["bar_nats", "windows", "account_probability", "account_outcomes", "account_left_out_nats"] {
        assert!(finding.get(absent).is_none(), "{absent}");
    }
    assert!(finding["log_e_nats"].as_f64().unwrap() > 0.0 && indicator["confidence"].is_number());
    assert!(!Publication { before: Some(&cluster), ..publication }.retraction().is_empty());
}

#[test]
fn every_object_of_ours_has_one_tlp_marking_and_those_of_disarm_are_as_published() {
    let cluster = with_all_techniques(fixtures::cluster("c", 1));
    let theirs = disarm::objects(&Technique::ALL);
    for tlp in [Tlp::Clear, Tlp::Green, Tlp::Amber, Tlp::AmberStrict, Tlp::Red] {
        for (what, objects, _) in publications(&cluster, false, tlp) {
            let mut published = 0;
            for object in &objects {
                if let Some(original) = theirs.iter().find(|original| original["id"] == object["id"]) {
                    assert_eq!(object, original, "only DISARM may change its objects");
                    published += 1;
                } else if object["type"] != "marking-definition" {
                    let fixed = object["created"] == EPOCH || object["type"] == "extension-definition";
                    let marks = if fixed { Tlp::Clear } else { tlp };
                    assert_eq!(object["object_marking_refs"], json!([id_of(&marking(marks))]), "{what} {object}");
                }
            }
            // After the first release the ties are gone, and with them the techniques that rest on pace.
            assert!(published == theirs.len() || what != "released" && published >= 4, "{what} {published}");
        }
    }
}

#[test]
fn a_campaign_uses_the_techniques_that_the_evidence_supports() {
    let cluster = with_all_techniques(fixtures::cluster("c", 1));
    let mut case = released(&cluster);
    let uses = |objects: &[Value]| -> BTreeMap<String, (String, bool)> {
        of(objects, "relationship")
            .iter()
            .filter(|o| o["relationship_type"] == "uses")
            .map(|o| {
                let target = o["target_ref"].as_str().unwrap().to_owned();
                (target, (id_of(o), o["revoked"] == true))
            })
            .collect()
    };
    let first = uses(&share(&mut case, &cluster, None, 4));
    let all: BTreeSet<String> = Technique::ALL.iter().map(|t| disarm::stix_id(*t).to_owned()).collect();
    assert_eq!(first.keys().cloned().collect::<BTreeSet<_>>(), all);
    // Slower, and no longer made in one week: what rests on that is withdrawn.
    let slower = ClusterMessage { version: 2, ties: Vec::new(), reasons: Vec::new(), ..cluster.clone() };
    let second = uses(&share(&mut case, &slower, Some(&cluster), 9));
    assert_eq!(second.len(), Technique::ALL.len());
    for technique in Technique::ALL {
        let (id, revoked) = &second[disarm::stix_id(technique)];
        assert_eq!(id, &first[disarm::stix_id(technique)].0);
        assert_eq!(*revoked, !matches!(technique, Technique::Copypasta | Technique::Amplify), "{technique:?}");
    }
    // And what was withdrawn comes back under another id.
    let third = uses(&share(&mut case, &cluster, Some(&slower), 14));
    for technique in Technique::ALL {
        let (id, revoked) = &third[disarm::stix_id(technique)];
        assert!(!revoked);
        let kept = matches!(technique, Technique::Copypasta | Technique::Amplify);
        assert_eq!(*id == first[disarm::stix_id(technique)].0, kept, "{technique:?}");
    }
}

/// Readers that refuse DISARM's properties of MITRE's learn of the techniques all the same.
#[test]
fn without_its_objects_disarms_techniques_are_named_on_the_campaign() {
    let cluster = with_all_techniques(fixtures::cluster("c", 1));
    for (what, objects, _) in publications_with(&cluster, false, Tlp::Amber, false) {
        for object in &objects {
            assert!(object["type"] != "attack-pattern" && object["relationship_type"] != "uses", "{what}: {object}");
            assert!(!object.to_string().contains("x_mitre"), "{what}: {object}");
        }
        if let [campaign] = of(&objects, "campaign")[..] {
            let named: Vec<&str> = campaign["external_references"]
                .as_array()
                .unwrap()
                .iter()
                .map(|reference| {
                    assert_eq!(reference["source_name"], "DISARM");
                    reference["external_id"].as_str().unwrap()
                })
                .collect();
            let all = Technique::ALL.map(|technique| technique.number());
            // After the first release the ties are gone, and with them the techniques that rest on pace.
            let some: Vec<&str> = all.iter().copied().filter(|number| named.contains(number)).collect();
            assert_eq!(named, some, "{what}");
            assert!(named == all || what != "released" && named.len() >= 3, "{what}: {named:?}");
        }
    }
}

#[test]
fn a_finding_without_a_supported_technique_carries_none_of_disarm() {
    let mut cluster = fixtures::cluster("c", 1);
    cluster.traces = [(TraceKind::Url, 60.0)].into();
    let case = released(&cluster);
    let text: String = publication(&case, &cluster, "twitter").objects().iter().map(|o| o.body.clone()).collect();
    assert!(!text.contains("DISARM") && !text.contains("attack-pattern"));
}

/// An independent reader of patterns: each matches its own account and no other.
#[test]
fn a_pattern_matches_exactly_its_account() {
    use rstix::model::sco::{ScoObject, UserAccount};
    let cluster = hostile_accounts(&[hostile_ids(), control_ids()].concat());
    let case = released(&cluster);
    let publication = publication(&case, &cluster, "twitter");
    let own = on_platform(&cluster, "twitter");
    let accounts: Vec<ScoObject> = own
        .iter()
        .map(|account| {
            let object = serde_json::to_string(&publication.user_account(account)).unwrap();
            ScoObject::UserAccount(serde_json::from_str::<UserAccount>(&object).unwrap())
        })
        .collect();
    for (index, account) in own.iter().enumerate() {
        let [indicator, _] = publication.indicator(account, false);
        let text = indicator["pattern"].as_str().unwrap();
        let pattern = rstix::Pattern::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        for (other, sco) in accounts.iter().enumerate() {
            assert_eq!(pattern.matches_single(sco).unwrap(), index == other, "{text:?} {:?}", own[other].account_id);
        }
    }
}
