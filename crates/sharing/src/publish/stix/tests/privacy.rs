//! Nothing about accounts of other platforms reaches a partner.

use super::*;

/// A word that no text of ours has, in a setting that some have trouble with.
fn word() -> impl Strategy<Value = String> {
    ("[a-z0-9]{14}", prop::sample::select(vec!["", "'", "\\", "\"", "\u{202E}", " "]))
        .prop_map(|(word, dirt)| format!("{dirt}{word}{dirt}"))
}

/// Account id, name and post id on one of three platforms.
fn strangers() -> impl Strategy<Value = Vec<(usize, [String; 3])>> {
    prop::collection::vec((0..3usize, [word(), word(), word()]), 2..12)
}

fn core(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_ascii_alphanumeric())
}

fn strings(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| strings(item, found)),
        Value::Object(map) => map.iter().for_each(|(name, value)| {
            found.push(name.clone());
            strings(value, found);
        }),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whom the group reposts, what its keys are called and what its topics are may all name an account elsewhere.
    #[test]
    fn no_word_of_another_platforms_accounts_reaches_a_partner(
        accounts in strangers(),
        leavers in prop::collection::vec(any::<bool>(), 12),
        demo in any::<bool>(),
    ) {
        const PLATFORMS: [&str; 3] = ["twitter", "bluesky", "mastodon"];
        let mut first = with_all_techniques(fixtures::cluster("c", 1));
        let (account, evidence) = (first.accounts[0].clone(), first.evidence[0].clone());
        let words = |n: usize| &accounts[n % accounts.len()].1;
        first.accounts = accounts
            .iter()
            .map(|(platform, [id, name, _])| ClusterAccount {
                platform: PLATFORMS[*platform].to_owned(),
                account_id: id.clone(),
                account_name: name.clone(),
                ..account.clone()
            })
            .collect();
        first.evidence = accounts
            .iter()
            .enumerate()
            .map(|(n, (platform, [id, _, post]))| messages::cluster::Evidence {
                key: words(n + 1)[2].clone(),
                source: words(n + 1)[n % 2].clone(),
                posts: vec![messages::cluster::PostRef {
                    id: post.clone(),
                    platform: PLATFORMS[*platform].to_owned(),
                    account_id: id.clone(),
                    created_at: time(-100),
                    log: None,
                    gains: Vec::new(),
                }],
                ..evidence.clone()
            })
            .collect();
        first.sources.iter_mut().enumerate().for_each(|(n, source)| source.source = words(n)[n % 2].clone());
        // So may the sources that do not count for an account.
        let dropped = first.accounts.iter_mut().flat_map(|account| &mut account.dropped);
        dropped.enumerate().for_each(|(n, source)| source.source = words(n + 1)[n % 2].clone());
        first.topics = vec![words(0)[0].clone()];
        first.targets = vec![words(1)[1].clone()];
        first.lineage = vec![words(2)[2].clone()];
        first.split_from = Some(words(0)[2].clone());
        first.near_misses = vec![words(1)[0].clone()];
        let mut second = first.clone();
        second.version = 2;
        let mut leaves = leavers.iter();
        second.accounts.retain(|_| !*leaves.next().unwrap());
        let mut case = released(&first);
        case.demo = demo;
        note_shared(&mut case, &first, time(4));
        let mut pseudonyms: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for platform in PLATFORMS {
            let one = publication(&case, &first, platform);
            let two = Publication { before: Some(&first), now: time(9), ..publication(&case, &second, platform) };
            let mut found = Vec::new();
            for object in one.objects().into_iter().chain(two.objects()).chain(two.retraction()) {
                let object: Value = serde_json::from_str(&object.body).unwrap();
                strings(&object, &mut found);
                for elsewhere in object["extensions"][EXTENSION]["accounts_elsewhere"].as_array().into_iter().flatten() {
                    let listed = elsewhere["pseudonyms"].as_array().unwrap();
                    prop_assert_eq!(elsewhere["accounts"].as_u64().unwrap() as usize, listed.len());
                    let listed = listed.iter().map(|pseudonym| pseudonym.as_str().unwrap().to_owned());
                    pseudonyms.entry(platform).or_default().extend(listed);
                }
            }
            let text = found.join("\n");
            for (at, names) in &accounts {
                if PLATFORMS[*at] == platform {
                    prop_assert!(text.contains(core(&names[0])), "its own account is named");
                    prop_assert!(text.contains(core(&names[2])), "and its posts");
                } else {
                    for name in names {
                        prop_assert!(!text.contains(core(name)), "{platform} sees {name:?}");
                    }
                }
            }
        }
        let partners: Vec<&BTreeSet<String>> = pseudonyms.values().collect();
        for (n, one) in partners.iter().enumerate() {
            for two in &partners[n + 1..] {
                prop_assert!(one.is_disjoint(two));
            }
        }
    }
}
