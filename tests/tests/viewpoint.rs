//! Rule 6 from posts to partners: with other words in every post, the same groups become the same cases, pages and feeds. Only the
//! words differ.
//!
//! Every word of a text, a hashtag, a mention, a name, an application and an address is replaced by one other word of the same length;
//! equal words stay equal. Ids, times, numbers and platforms stay as they are.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use end_to_end::{Place, partner, run, simulate};
use messages::{
    cluster::{ClusterMessage, Status},
    topics::CLUSTERS_FLAGGED,
};
use runtime::{Log, NewRecord};
use serde_json::Value;

/// What is different for every run: the time of the release and what follows from it, and digests.
const TIMES: [&str; 11] = [
    "opened_at",
    "changed_at",
    "first_released_at",
    "at",
    "created",
    "modified",
    "valid_until",
    "shared_since",
    "since",
    "seal",
    "covers",
];

#[test]
fn other_words_make_the_same_cases_pages_and_feeds() {
    let posts: Vec<Value> = simulate("demo", 1).iter().map(|line| serde_json::from_slice(line).unwrap()).collect();
    let platforms: BTreeSet<String> = posts.iter().map(|post| post["platform"].as_str().unwrap().to_owned()).collect();
    let place = Place::new(None, &platforms);
    // Both begin with the same partners, whose keys make the ids of cases and pseudonyms.
    place.serve().stop();
    let other = Place::new(None, &platforms);
    for file in ["", "-wal", "-shm", ".key", ".id"].map(|end| format!("sharing.sqlite{end}")) {
        if place.path(&file).exists() {
            fs::copy(place.path(&file), other.path(&file)).unwrap();
        }
    }
    let found = look(&place, &posts, &platforms);
    let found_with_other_words = look(&other, &posts.iter().map(with_other_words).collect::<Vec<_>>(), &platforms);
    assert!(found.cases.len() > 1, "the test would prove nothing");
    assert_eq!(found.states(), found_with_other_words.states());
    let mut words = 0;
    for (id, case) in &found.cases {
        words += same_json(&format!("case {id}"), case, &found_with_other_words.cases[id]);
        let (page, other) = (&found.pages[id], &found_with_other_words.pages[id]);
        words += same_page(&format!("page {id}"), page, other);
    }
    assert_eq!(found.feeds.keys().collect::<Vec<_>>(), found_with_other_words.feeds.keys().collect::<Vec<_>>());
    for (platform, feed) in &found.feeds {
        assert!(feed.as_array().is_some_and(|objects| !objects.is_empty()), "{platform} got nothing");
        words += same_json(&format!("feed of {platform}"), feed, &found_with_other_words.feeds[platform]);
    }
    assert!(words > 100, "{words} words differ: the test would prove nothing");
}

/// What a service shows and shares.
struct Found {
    cases: BTreeMap<String, Value>,
    pages: BTreeMap<String, String>,
    feeds: BTreeMap<String, Value>,
}

impl Found {
    fn states(&self) -> Vec<(&str, &str, u64)> {
        self.cases
            .iter()
            .map(|(id, case)| {
                (id.as_str(), case["case"]["state"].as_str().unwrap(), case["case"]["version"].as_u64().unwrap())
            })
            .collect()
    }
}

/// Runs detection on the posts, gives what is flagged to the service, and looks at what it makes of it.
fn look(place: &Place, posts: &[Value], platforms: &BTreeSet<String>) -> Found {
    let lines: String = posts.iter().map(|post| format!("{post}\n")).collect();
    fs::write(place.path("posts.jsonl"), lines).unwrap();
    let path = |name: &str| place.path(name).display().to_string();
    run(&["detect", &path("posts.jsonl"), "--out", &path("out")]);
    let clusters = fs::read_to_string(place.path("out").join("clusters.jsonl")).unwrap();
    let clusters: Vec<ClusterMessage> =
        clusters.lines().map(|line| ClusterMessage::decode(line.as_bytes()).unwrap()).collect();
    let flagged: Vec<&ClusterMessage> = clusters.iter().filter(|cluster| cluster.status == Status::Flagged).collect();
    append(&place.path("log"), &flagged);
    let mut service = place.serve();
    service.wait("there is a case for every flagged cluster", |service| {
        (service.json("/api/clusters")["total"] == flagged.len()).then_some(())
    });
    let mut found = Found { cases: BTreeMap::new(), pages: BTreeMap::new(), feeds: BTreeMap::new() };
    for cluster in &flagged {
        let id = &cluster.cluster_id;
        found.cases.insert(id.clone(), service.json(&format!("/api/clusters/{id}")));
        let (status, page) = service.get(&format!("/clusters/{id}"));
        assert_eq!(status, 200, "{page}");
        found.pages.insert(id.clone(), page);
    }
    for platform in platforms {
        let key = place.key(platform);
        let path = format!("/taxii2/lockstep/collections/findings-{}/objects/?limit=1000", partner(platform));
        let (status, feed) = service.taxii(&path, Some(&key));
        assert_eq!(status, 200, "{feed}");
        if let Some(objects) = feed.get("objects") {
            assert!(feed.get("next").is_none(), "all in one page");
            found.feeds.insert(platform.clone(), without_ids_of_keys(objects));
        }
    }
    service.stop();
    found
}

/// The id of an object about a key is made from the key, so it differs as the key does. Everything else about it is compared.
fn without_ids_of_keys(objects: &Value) -> Value {
    let is_of_key = |object: &&Value| {
        let mut extensions = object["extensions"].as_object().into_iter().flatten();
        object["type"] == "observed-data" && extensions.any(|(_, extension)| extension["kind"].is_string())
    };
    let ids: BTreeSet<&str> =
        objects.as_array().unwrap().iter().filter(is_of_key).map(|object| object["id"].as_str().unwrap()).collect();
    assert!(!ids.is_empty(), "every platform gets the evidence");
    let text = ids.into_iter().fold(objects.to_string(), |text, id| text.replace(id, "observed-data--of-a-key"));
    serde_json::from_str(&text).unwrap()
}

/// Appends flagged clusters as the detector does.
fn append(log: &Path, clusters: &[&ClusterMessage]) {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let topic = runtime::TopicSpec {
            name: CLUSTERS_FLAGGED,
            partitions: 1,
            cleanup: runtime::Cleanup::Delete,
            retention: None,
        };
        let log = Log::open_embedded(log).await.unwrap();
        log.create_topics(&[topic]).await.unwrap();
        let record = |cluster: &&ClusterMessage| {
            NewRecord::new(CLUSTERS_FLAGGED, cluster.cluster_id.as_bytes(), cluster.encode().unwrap())
        };
        log.append(clusters.iter().map(record).collect()).await.unwrap();
        log.shutdown().await.unwrap();
    });
}

/// Alphabets as ranges of small letters without gaps.
const ALPHABETS: [(char, char); 6] = [('a', 'z'), ('а', 'я'), ('α', 'ρ'), ('ا', 'غ'), ('ぁ', 'ん'), ('一', '龥')];

/// Another letter of its alphabet for every letter, by a shift that depends on all letters before it in the word: equal words become
/// equal words, and different ones different ones, and the beginning of a word becomes the beginning of the other one.
fn other_word(text: &str) -> String {
    const START: u64 = 7;
    let mut turned = String::with_capacity(text.len());
    let mut state = START;
    for c in text.chars() {
        let small = c.to_lowercase().next().unwrap_or(c);
        match ALPHABETS.iter().find(|(first, last)| (*first..=*last).contains(&small)) {
            Some((first, last)) => {
                let (from, letters) =
                    (u64::from(u32::from(*first)), u64::from(u32::from(*last) - u32::from(*first)) + 1);
                let shift = 1 + if *first < 'ぁ' { state } else { START } % (letters - 1);
                let other = (u64::from(u32::from(small)) - from + shift) % letters + from;
                let other = char::from_u32(u32::try_from(other).unwrap()).unwrap();
                turned.extend(if c == small { vec![other] } else { other.to_uppercase().collect() });
                state = (state ^ u64::from(u32::from(small))).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
            }
            None => {
                turned.push(c);
                if !c.is_alphabetic() {
                    state = START;
                }
            }
        }
    }
    turned
}

/// Scheme, top-level domain and parameters say how an address is written, not what it names.
fn other_url(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (www, host) = host.strip_prefix("www.").map_or(("", host), |host| ("www.", host));
    let (name, top) = host.rsplit_once('.').unwrap();
    let query = query.map_or(String::new(), |query| format!("?{query}"));
    format!("{scheme}://{www}{}.{top}/{}{query}", other_word(name), other_word(path))
}

fn with_other_words(post: &Value) -> Value {
    let mut post = post.clone();
    let word = |word: &str| match word {
        "RT" => word.to_owned(),
        _ if word.contains("://") => other_url(word),
        _ => other_word(word),
    };
    let text = |text: &str| text.split(' ').map(word).collect::<Vec<_>>().join(" ");
    type Turn<'a> = &'a dyn Fn(&str) -> String;
    let of: [(&str, Turn<'_>); 6] = [
        ("text", &text),
        ("account_name", &other_word),
        ("client", &other_word),
        ("hashtags", &other_word),
        ("mentions", &other_word),
        ("urls", &other_url),
    ];
    for (field, turn) in of {
        match &mut post[field] {
            Value::String(text) => *text = turn(text),
            Value::Array(all) => all.iter_mut().for_each(|one| *one = Value::from(turn(one.as_str().unwrap()))),
            missing => assert!(missing.is_null(), "{field}: {missing}"),
        }
    }
    // Indexing has made those that are missing null.
    post.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    post
}

/// A text in runs of letters and the rest.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut letters = false;
    for c in text.chars() {
        match words.last_mut() {
            Some(word) if letters == c.is_alphabetic() => word.push(c),
            _ => words.push(c.into()),
        }
        letters = c.is_alphabetic();
    }
    words
}

/// Whether two texts differ in words only, and in each by the same replacement; how many do.
fn same_text(one: &str, other: &str) -> Option<usize> {
    let (one, other) = (words(one), words(other));
    let pairs = || one.iter().zip(&other);
    let same = one.len() == other.len() && pairs().all(|(one, other)| one == other || other_word(one) == *other);
    same.then(|| pairs().filter(|(one, other)| one != other).count())
}

/// Compares two JSON documents; how many words differ. Equal evidence is listed in the order of its words, so lists are compared in any
/// order, and sums go over keys in the order of their hashes, so the last digits of numbers may differ.
fn same_json(at: &str, one: &Value, other: &Value) -> usize {
    match differing_words(one, other) {
        Some(words) => words,
        None => panic!("{at} is not the same with other words: {}", first_difference(at, one, other)),
    }
}

fn differing_words(one: &Value, other: &Value) -> Option<usize> {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let keys: BTreeSet<&String> =
                one.keys().chain(other.keys()).filter(|key| !TIMES.contains(&key.as_str())).collect();
            keys.into_iter().map(|key| differing_words(one.get(key)?, other.get(key)?)).sum()
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let mut left: Vec<&Value> = other.iter().collect();
            let mut take = |value: &Value| {
                let (at, words) =
                    left.iter().enumerate().find_map(|(at, other)| Some((at, differing_words(value, other)?)))?;
                left.remove(at);
                Some(words)
            };
            one.iter().map(&mut take).sum()
        }
        (Value::String(one), Value::String(other)) => same_text(one, other),
        (Value::Number(one), Value::Number(other)) => {
            let (one, other) = (one.as_f64()?, other.as_f64()?);
            ((one - other).abs() <= 1e-6 * (1.0 + one.abs())).then_some(0)
        }
        _ => (one == other).then_some(0),
    }
}

/// The deepest place at which two documents differ, for people.
fn first_difference(at: &str, one: &Value, other: &Value) -> String {
    let here = || format!("{at}: {one} and {other}");
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let null = Value::Null;
            let differs = |key: &&String| {
                !TIMES.contains(&key.as_str())
                    && differing_words(one.get(*key).unwrap_or(&null), other.get(*key).unwrap_or(&null)).is_none()
            };
            let key = one.keys().chain(other.keys()).find(differs);
            key.map_or_else(here, |key| {
                first_difference(&format!("{at}.{key}"), one.get(key).unwrap_or(&null), other.get(key).unwrap_or(&null))
            })
        }
        (Value::Array(ones), Value::Array(others)) if ones.len() == others.len() => {
            let fits = |one: &Value| others.iter().any(|other| differing_words(one, other).is_some());
            match ones.iter().position(|one| !fits(one)) {
                Some(index) => first_difference(&format!("{at}[{index}]"), &ones[index], &others[index]),
                None => here(),
            }
        }
        _ => here(),
    }
}

/// Compares what two pages say, without their markup, in any order; how many words differ.
fn same_page(at: &str, one: &str, other: &str) -> usize {
    let count = |page: &str| {
        let mut counts: BTreeMap<String, i64> = BTreeMap::new();
        for word in words(&without_times(&visible(page))) {
            *counts.entry(word).or_default() += 1;
        }
        counts
    };
    let (one, other) = (count(one), count(other));
    let only = |these: &BTreeMap<String, i64>, those: &BTreeMap<String, i64>| -> BTreeMap<String, i64> {
        let more = these.iter().map(|(word, n)| (word.clone(), n - those.get(word).copied().unwrap_or(0)));
        more.filter(|(_, n)| *n > 0).collect()
    };
    let mut expected: BTreeMap<String, i64> = BTreeMap::new();
    for (word, n) in only(&one, &other) {
        *expected.entry(other_word(&word)).or_default() += n;
    }
    assert_eq!(expected, only(&other, &one), "{at}");
    expected.len()
}

/// What stands between the tags of a page.
fn visible(page: &str) -> String {
    let mut text = String::with_capacity(page.len());
    let mut inside = false;
    for c in page.chars() {
        match c {
            '<' => inside = true,
            '>' => {
                inside = false;
                text.push(' ');
            }
            c if !inside => text.push(c),
            _ => {}
        }
    }
    text
}

/// Without the times of this run, which are those of no post of the simulated month.
fn without_times(text: &str) -> String {
    let is_time = |word: &str| {
        let shape: String = word.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        let is_day = shape.starts_with("0000-00-00") && !word.starts_with("2026-09-");
        is_day || matches!(shape.as_str(), "00:00" | "00:00:00")
    };
    text.split_whitespace()
        .filter(|word| !is_time(word.trim_matches(|c: char| !c.is_ascii_digit())))
        .collect::<Vec<_>>()
        .join(" ")
}
