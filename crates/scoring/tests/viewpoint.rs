//! Behaviour, never viewpoint: with other words of the same shape in every post, the engine finds
//! the same groups with the same features.
//!
//! Every word of every text, hashtag, mention, name, application and URL is replaced by another one
//! of the same length in the same alphabet. Equal words stay equal; numbers, ids, times and
//! platforms are unchanged. Then no group, no member and no feature may change, except for last
//! digits: sums over keys are in the order of their hashes.
//!
//! Which texts repeat others, and how much of them, is measured with words that are only compared
//! for equality. So neither changes.

use std::borrow::Cow;

use coordination::{AccountEvidence, Cluster, Engine, Millis, Params, Post};
use fastrand::Rng;
use proptest::prelude::*;
use scoring::features::{self, ACCOUNT_FEATURES, FEATURES, SuspectAccount};
use simulator::World;

/// Replaces words: a letter becomes another one of its alphabet, by a shift that depends on all
/// letters before it in the word. Words that are equal except for case remain so, and different
/// words remain different. In scripts without spaces each letter is a word.
struct Words(u64);

/// Alphabets as ranges of lower-case letters without gaps.
const ALPHABETS: [(char, char); 6] = [('a', 'z'), ('а', 'я'), ('α', 'ρ'), ('ا', 'غ'), ('ぁ', 'ん'), ('一', '龥')];

impl Words {
    fn turn(&self, text: &str) -> String {
        let mut turned = String::with_capacity(text.len());
        let mut state = self.0;
        for c in text.chars() {
            let small = c.to_lowercase().next().unwrap_or(c);
            match ALPHABETS.iter().find(|(first, last)| (*first..=*last).contains(&small)) {
                Some((first, last)) => {
                    let (from, letters) = (u64::from(u32::from(*first)), letters(*first, *last));
                    let spaces = *first < 'ぁ';
                    let shift = 1 + if spaces { state } else { self.0 } % (letters - 1);
                    let other = (u64::from(u32::from(small)) - from + shift) % letters + from;
                    let other = char::from_u32(other as u32).unwrap();
                    turned.extend(if c == small { vec![other] } else { other.to_uppercase().collect() });
                    state = mix(state ^ u64::from(u32::from(small)));
                }
                None => {
                    turned.push(c);
                    if !c.is_alphabetic() {
                        state = self.0;
                    }
                }
            }
        }
        turned
    }

    /// Scheme, `www.`, the top-level domain and tracking parameters describe how a URL is written,
    /// not what it names.
    fn url(&self, url: &str) -> String {
        let (scheme, rest) = url.split_once("://").unwrap();
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (www, host) = host.strip_prefix("www.").map_or(("", host), |host| ("www.", host));
        let (name, top) = host.rsplit_once('.').unwrap();
        let query = query.map_or(String::new(), |query| format!("?{query}"));
        format!("{scheme}://{www}{}.{top}/{}{query}", self.turn(name), self.turn(path))
    }

    /// `RT` before a mention is a mark, not a word.
    fn text(&self, text: &str) -> String {
        let word = |word: &str| match word {
            "RT" => word.to_owned(),
            _ if word.contains("://") => self.url(word),
            _ => self.turn(word),
        };
        text.split(' ').map(word).collect::<Vec<_>>().join(" ")
    }

    fn post(&self, post: &Post<'_>) -> Post<'static> {
        let list = |words: &[Cow<'_, str>]| words.iter().map(|word| self.turn(word).into()).collect();
        let kept = |id: &Option<Cow<'_, str>>| id.as_deref().map(|id| id.to_owned().into());
        Post {
            account_name: self.turn(&post.account_name).into(),
            text: self.text(&post.text).into(),
            urls: post.urls.iter().map(|url| self.url(url).into()).collect(),
            hashtags: list(&post.hashtags),
            mentions: list(&post.mentions),
            client: post.client.as_deref().map(|client| self.turn(client).into()),
            id: post.id.to_string().into(),
            platform: post.platform.to_string().into(),
            account_id: post.account_id.to_string().into(),
            lang: kept(&post.lang),
            media: post.media.iter().map(|hash| hash.to_string().into()).collect(),
            repost_of: kept(&post.repost_of),
            repost_of_account: kept(&post.repost_of_account),
            reply_to: kept(&post.reply_to),
            reply_to_account: kept(&post.reply_to_account),
            quote_of: kept(&post.quote_of),
            quote_of_account: kept(&post.quote_of_account),
            created_at: post.created_at,
            followers: post.followers,
            following: post.following,
            account_created_at: post.account_created_at,
            account_posts: post.account_posts,
            default_profile: post.default_profile,
            deleted_at: post.deleted_at,
            position: post.position,
        }
    }
}

fn letters(first: char, last: char) -> u64 {
    u64::from(u32::from(last) - u32::from(first)) + 1
}

/// SplitMix64.
fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Invented words in one of the alphabets.
fn invented_words(dice: &mut Rng, count: u64) -> String {
    let (first, last) = ALPHABETS[dice.usize(..ALPHABETS.len())];
    let mut words = Vec::new();
    for _ in 0..count {
        let length = 3 + dice.u64(..6);
        let letter = |n: u64| char::from_u32(u32::from(first) + n as u32).unwrap();
        words.push((0..length).map(|_| letter(dice.u64(..letters(first, last)))).collect::<String>());
    }
    words.join(" ")
}

const MINUTE: Millis = 60_000;
const HOUR: Millis = 60 * MINUTE;
const DAY: Millis = 24 * HOUR;

/// An empty post.
fn blank(id: String, account: &str, at: Millis) -> Post<'static> {
    Post {
        id: id.into(),
        platform: "chirp".into(),
        account_id: account.to_owned().into(),
        account_name: format!("{account}_name").into(),
        created_at: at,
        client: Some("Some App".into()),
        account_created_at: Some(at - 100 * DAY),
        ..Post::default()
    }
}

/// Readers with habits, and a group that acts together in every way that leaves a trace.
fn posts(dice: &mut Rng) -> Vec<Post<'static>> {
    let mut posts = Vec::new();
    for n in 0..6_000u64 {
        let at = dice.u64(..3 * DAY as u64) as Millis;
        let reader = dice.u64(..400);
        let mut post = blank(format!("crowd-{n}"), &format!("reader{reader}"), at);
        match dice.u64(..4) {
            0 => post.repost_of = Some(format!("crowd-{}", dice.u64(..6_000)).into()),
            1 => post.text = invented_words(dice, 9).into(),
            _ => {
                let site = char::from(b'a' + (reader % 20) as u8);
                post.urls = vec![format!("https://www.site{site}.example/a/story-{}", at / HOUR).into()];
            }
        }
        posts.push(post);
    }
    const ACTIONS: u64 = 35;
    for action in 0..ACTIONS {
        let at = DAY + HOUR + action as Millis * (40 * HOUR / ACTIONS as Millis);
        let (said, tag, site) =
            (invented_words(dice, 40), invented_words(dice, 1), "op".to_owned() + &"x".repeat(action as usize));
        let mentions = [invented_words(dice, 1), invented_words(dice, 1)];
        let original = blank(format!("voice-{action}"), "voice", at);
        posts.push(Post { text: invented_words(dice, 9).into(), ..original });
        for member in 0..9u64 {
            let late = dice.u64(..90_000) as Millis;
            let mut post = blank(format!("op-{action}-{member}"), &format!("op{member}"), at + 1_000 + late);
            if member == 8 {
                post.platform = "commons".into();
            }
            match action % 7 {
                0 => post.urls = vec![format!("https://{site}.example/story?utm_source=chirp").into()],
                1 => post.repost_of = Some(format!("voice-{action}").into()),
                2 => post.hashtags = vec![tag.clone().into(), site.clone().into(), mentions[0].clone().into()],
                3 => post.text = said.clone().into(),
                // One word in forty is the member's own.
                4 => post.text = format!("{said} {}", invented_words(dice, 1)).into(),
                5 => post.media = vec![format!("{action:016x}").into()],
                _ => {
                    post.mentions = mentions.iter().map(|name| name.clone().into()).collect();
                    post.text = format!("@{} @{} {}", mentions[0], mentions[1], invented_words(dice, 2)).into();
                }
            }
            posts.push(post);
        }
    }
    posts.sort_by(|x, y| (x.created_at, &x.id).cmp(&(y.created_at, &y.id)));
    posts
}

fn run(posts: &[Post<'_>]) -> (Vec<Cluster>, Vec<AccountEvidence>) {
    let mut engine = Engine::new(Params::default()).unwrap();
    let mut told = Vec::new();
    for post in posts {
        engine.on_post(post.created_at, post, &mut told);
    }
    engine.finish(&mut told);
    (told, engine.accounts())
}

/// The features that differ.
fn changed(before: &Cluster, after: &Cluster) -> Vec<(&'static str, Option<f64>, Option<f64>)> {
    let values = features::values(before).into_iter().zip(features::values(after));
    let pairs = FEATURES.iter().zip(values).map(|(feature, (before, after))| (feature.name, before, after));
    pairs.filter(|(_, before, after)| !close(*before, *after)).collect()
}

/// Sums over keys are in the order of their hashes.
fn close(before: Option<f64>, after: Option<f64>) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => (before - after).abs() <= 1e-6 * (1.0 + before.abs()),
        (before, after) => before == after,
    }
}

/// The members of a cluster, and how each was found.
fn members(cluster: &Cluster) -> Vec<(&str, &str, bool, bool)> {
    let members = cluster.members.iter();
    let mut members: Vec<_> =
        members.map(|m| (&*m.account.platform, &*m.account.account_id, m.proposed, m.elsewhere)).collect();
    // Two members whose evidence differs only in the last digit may be in either order.
    members.sort_unstable();
    members
}

/// Compares the results with the original words and with others, also for each account.
fn same(before: &[Post<'_>], after: &[Post<'_>]) -> Result<usize, TestCaseError> {
    let (found, accounts) = run(before);
    let (found_after, accounts_after) = run(after);
    prop_assert!(!found.is_empty(), "the test would prove nothing");
    prop_assert_eq!(found.len(), found_after.len());
    for (before, after) in found.iter().zip(&found_after) {
        let state = |cluster: &Cluster| (cluster.id.clone(), cluster.version, cluster.finding, cluster.single_source);
        prop_assert_eq!(state(before), state(after));
        prop_assert_eq!(members(before), members(after));
        prop_assert_eq!(changed(before, after), []);
    }
    prop_assert_eq!(accounts.len(), accounts_after.len());
    for (before, after) in accounts.into_iter().zip(accounts_after) {
        prop_assert_eq!(&before.account, &after.account);
        let values = |evidence| features::account_values(&SuspectAccount { evidence, cluster: None });
        for ((feature, before), after) in ACCOUNT_FEATURES.iter().zip(values(before)).zip(values(after)) {
            prop_assert!(close(before, after), "{}: {before:?} became {after:?}", feature.name);
        }
    }
    Ok(found.len())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn other_words_change_no_feature(seed: u64, words: u64) {
        let before = posts(&mut Rng::with_seed(seed));
        let after: Vec<Post<'static>> = before.iter().map(|post| Words(words).post(post)).collect();
        for (before, after) in before.iter().zip(&after) {
            prop_assert!(before.text.is_empty() || before.text != after.text);
            prop_assert_eq!(before.text.chars().count(), after.text.chars().count());
            prop_assert!(before.urls.is_empty() || before.urls != after.urls);
        }
        same(&before, &after)?;
    }
}

/// A simulated world has paraphrases of every degree, and sentences that are similar by chance.
/// `LOCKSTEP_REPLACEMENTS` is the number of replacements tried on each world; two if it is not set.
#[test]
fn other_words_change_no_feature_of_a_simulated_world() {
    let replacements = std::env::var("LOCKSTEP_REPLACEMENTS").map_or(2, |text| text.parse().unwrap());
    for name in ["demo", "operations"] {
        let world = World::named(name).unwrap();
        let stream: Vec<_> = world.stream(1).0.collect();
        let before: Vec<Post<'_>> = stream.iter().map(|post| post.as_post()).collect();
        for words in 7..7 + replacements {
            let after: Vec<Post<'static>> = before.iter().map(|post| Words(words).post(post)).collect();
            let found = same(&before, &after).unwrap();
            assert!(found > 3, "{name}, {words}: {found}: the test would prove little");
        }
    }
}
