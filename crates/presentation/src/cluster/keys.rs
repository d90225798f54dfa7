//! The keys of a cluster, their posts, and the nats that each post gained.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use messages::cluster::{ClusterMessage, Evidence, PostRef};

use super::{ATTACHED, Limits, QUOTED, Shown, Sort, signed};
use crate::{description, posts::Posts, timeline};

pub(super) struct KeyView {
    pub(super) index: usize,
    pub(super) open: bool,
    /// Places of its accounts, separated by spaces.
    pub(super) members: String,
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) raw: f64,
    pub(super) colour: String,
    pub(super) kind: &'static str,
    pub(super) key: String,
    /// `None` if the key is its own source.
    pub(super) source: Option<String>,
    pub(super) nats: String,
    /// Its gains by window, as text. Empty for findings without windows.
    pub(super) by_window: String,
    pub(super) accounts: String,
    pub(super) account_count: usize,
    pub(super) count: String,
    pub(super) span: String,
    /// The post that is repeated or answered.
    pub(super) original: Option<Original>,
    pub(super) posts: Vec<PostView>,
    /// Number and gains of the posts that are not shown.
    pub(super) more_posts: Option<String>,
}

pub(super) struct Original {
    pub(super) text: Option<String>,
    pub(super) link: Option<String>,
    pub(super) verb: &'static str,
}

pub(super) struct PostView {
    pub(super) gave: Gave,
    /// Its text, if it is known.
    pub(super) text: Option<String>,
    /// What stands in place of its content.
    pub(super) missing: Option<&'static str>,
    /// Its links and picture hashes, if they are known. Links are plain text, so that nobody opens the
    /// link of a hostile post by mistake.
    pub(super) links: Option<String>,
    pub(super) media: Option<String>,
    pub(super) place: Option<usize>,
    pub(super) link: Option<String>,
    pub(super) time: String,
    pub(super) lag: String,
    pub(super) account: String,
    pub(super) platform: String,
    pub(super) id: String,
}

/// What a post repeats, and its gain. Empty if it gained nothing.
#[derive(Default)]
pub(super) struct Gave {
    pub(super) what: String,
    /// The group's rate before the post, and the rate expected without coordination.
    pub(super) odds: String,
    pub(super) nats: String,
}

/// The place of a key, the key, and the accounts that acted on it.
pub(super) type KeyWithAccounts<'a> = (usize, &'a Evidence, BTreeSet<(&'a str, &'a str)>);

/// Places of accounts by platform and id.
pub(super) fn places(c: &ClusterMessage) -> HashMap<(&str, &str), usize> {
    c.accounts.iter().enumerate().map(|(place, a)| ((&*a.platform, &*a.account_id), place)).collect()
}

/// The keys to show, and the number of further keys.
pub(super) fn chosen<'a>(c: &'a ClusterMessage, limits: Limits, shown: &Shown) -> (Vec<KeyWithAccounts<'a>>, usize) {
    let places = places(c);
    let mut wanted: Vec<KeyWithAccounts> = c
        .evidence
        .iter()
        .enumerate()
        .filter(|(index, evidence)| {
            let of_kind = shown.kind.is_none_or(|kind| kind == evidence.kind);
            of_kind || shown.key == Some(*index)
        })
        .map(|(index, evidence)| {
            (index, evidence, evidence.posts.iter().map(|post| (&*post.platform, &*post.account_id)).collect())
        })
        .filter(|(index, _, accounts): &KeyWithAccounts| {
            let by = |place: usize| accounts.iter().any(|account| places.get(account) == Some(&place));
            shown.account.is_none_or(by) || shown.key == Some(*index)
        })
        .collect();
    match shown.sort {
        Sort::Nats => {}
        Sort::Accounts => wanted.sort_by_key(|(index, _, accounts)| (std::cmp::Reverse(accounts.len()), *index)),
        Sort::Time => wanted.sort_by_key(|(index, evidence, _)| (first_of(evidence), *index)),
        Sort::Kind => wanted.sort_by(|a, b| a.1.kind.name().cmp(b.1.kind.name()).then(a.0.cmp(&b.0))),
    }
    // The chosen key comes first.
    wanted.sort_by_key(|(index, ..)| shown.key != Some(*index));
    let more = wanted.len().saturating_sub(limits.keys);
    wanted.truncate(limits.keys);
    (wanted, more)
}

/// The posts whose content a page shows: first the posts of the chosen key, then the first post of every
/// other key, then the second, and so on.
pub fn quoted<'a>(c: &'a ClusterMessage, limits: Limits, shown: &Shown, most: usize) -> Vec<&'a PostRef> {
    let (keys, _) = chosen(c, limits, shown);
    let each = limits.posts_of(keys.len());
    let (asked, others): (Vec<&KeyWithAccounts>, Vec<&KeyWithAccounts>) =
        keys.iter().partition(|(index, ..)| shown.key == Some(*index));
    let asked = asked.into_iter().flat_map(|(_, evidence, _)| &evidence.posts);
    let rows = (0..each).flat_map(|row| others.iter().filter_map(move |(_, evidence, _)| evidence.posts.get(row)));
    let mut known = BTreeSet::new();
    asked.chain(rows).filter(|post| known.insert((&*post.platform, &*post.id))).take(most).collect()
}

pub(super) fn first_of(evidence: &Evidence) -> Option<Timestamp> {
    evidence.posts.iter().map(|post| post.created_at).min()
}

/// The keys on the page, and the number of further keys.
pub(super) fn keys(
    c: &ClusterMessage,
    limits: Limits,
    shown: &Shown,
    said: &Posts,
    link: &dyn Fn(&str, &str) -> Option<String>,
) -> (Vec<KeyView>, usize) {
    let places = places(c);
    let (wanted, more) = chosen(c, limits, shown);
    let each = limits.posts_of(wanted.len());
    let views = wanted
        .into_iter()
        .map(|(index, evidence, accounts)| {
            let first = first_of(evidence);
            let last = evidence.posts.iter().map(|post| post.created_at).max();
            let open = shown.key == Some(index);
            let original = original(evidence, said, link);
            // A text above the posts is not repeated for each post.
            let said_above = original.as_ref().filter(|of| of.verb == "Repeated").and_then(|of| of.text.clone());
            let posts = if open { limits.posts_in_all } else { each };
            let members: Vec<String> = accounts.iter().filter_map(|a| places.get(a)).map(usize::to_string).collect();
            KeyView {
                index,
                open,
                members: members.join(" "),
                first: first.map_or(0, |time| time.as_millisecond()),
                last: last.map_or(0, |time| time.as_millisecond()),
                raw: evidence.nats,
                colour: timeline::colour(index),
                kind: evidence.kind.name(),
                key: text_format::shorten(&evidence.key, 160),
                source: (evidence.source != evidence.key).then(|| text_format::shorten(&evidence.source, 80)),
                nats: text_format::number(evidence.nats),
                by_window: by_window(c, evidence),
                accounts: text_format::count(accounts.len() as u64, "account"),
                account_count: accounts.len(),
                count: text_format::count(evidence.posts.len() as u64, "post"),
                span: match (first, last) {
                    (Some(first), Some(last)) => {
                        let span = last.as_millisecond() - first.as_millisecond();
                        text_format::seconds_in_words(span as f64 / 1000.0)
                    }
                    _ => "no time".to_owned(),
                },
                posts: evidence
                    .posts
                    .iter()
                    .take(posts)
                    .map(|post| {
                        let place = places.get(&(&*post.platform, &*post.account_id)).copied();
                        let name = place.map(|place| &*c.accounts[place].account_name).filter(|name| !name.is_empty());
                        let lag = first.map_or(0, |first| post.created_at.as_millisecond() - first.as_millisecond());
                        PostView {
                            place,
                            gave: gave(c, post),
                            text: said
                                .get(&post.platform, &post.id)
                                .and_then(|said| quotation(&said.text))
                                .filter(|text| said_above.as_ref() != Some(text)),
                            missing: said.missing(&post.platform, &post.id),
                            links: attached(said.get(&post.platform, &post.id).map(|said| &*said.links), &evidence.key),
                            media: attached(said.get(&post.platform, &post.id).map(|said| &*said.media), &evidence.key),
                            link: link(&post.platform, &post.id),
                            time: text_format::second(post.created_at),
                            lag: format!("+{}", text_format::seconds_in_words(lag as f64 / 1000.0)),
                            account: text_format::shorten(name.unwrap_or(&post.account_id), 40),
                            platform: text_format::shorten(&post.platform, 24),
                            id: text_format::shorten(&post.id, 80),
                        }
                    })
                    .collect(),
                original,
                more_posts: match evidence.posts.len().saturating_sub(posts) {
                    0 => None,
                    more => Some(more_posts(c, evidence, posts, more)),
                },
            }
        })
        .collect();
    (views, more)
}

/// A text as it is quoted on the page. `None` if it is empty.
pub(super) fn quotation(text: &str) -> Option<String> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!text.is_empty()).then(|| text_format::shorten(&text, QUOTED))
}

/// Links or picture hashes of a post, as text. `None` if there are none other than the key.
fn attached(items: Option<&[String]>, key: &str) -> Option<String> {
    let items = items?;
    let shown: Vec<String> =
        items.iter().filter(|item| *item != key).take(ATTACHED).map(|item| text_format::shorten(item, 120)).collect();
    let more = items.len().saturating_sub(ATTACHED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!shown.is_empty()).then(|| format!("{}{more}", shown.join(", ")))
}

/// The post that is repeated or answered, by the key of the evidence.
pub(super) fn original(
    evidence: &Evidence,
    said: &Posts,
    link: &dyn Fn(&str, &str) -> Option<String>,
) -> Option<Original> {
    let verb = description::trace_kind(evidence.kind).of_original?;
    let platform = &*evidence.posts.first()?.platform;
    let id = evidence.key.strip_prefix(platform)?.strip_prefix(':')?;
    let text = |platform: &str, id: &str| said.get(platform, id).and_then(|said| quotation(&said.text));
    // If the original is not known, a repost has the same text.
    let of_reposts =
        || evidence.posts.iter().filter(|_| verb == "Repeated").find_map(|post| text(&post.platform, &post.id));
    let text = text(platform, id).or_else(of_reposts);
    let link = link(platform, id);
    (text.is_some() || link.is_some()).then_some(Original { text, link, verb })
}

/// The posts that are not shown, with their gains in the best window.
pub(super) fn more_posts(c: &ClusterMessage, evidence: &Evidence, shown: usize, more: usize) -> String {
    let best = c.best_window();
    let gains = evidence.posts.iter().skip(shown).flat_map(|post| &post.gains);
    let nats: f64 = gains.filter(|gain| gain.window == best).map(|gain| gain.nats()).sum();
    let posts = text_format::count(more as u64, "more post");
    if c.windows.is_empty() { format!("and {posts}") } else { format!("and {posts}: {} nats together", signed(nats)) }
}

pub(super) fn by_window(c: &ClusterMessage, evidence: &Evidence) -> String {
    let each: Vec<String> = c
        .windows
        .iter()
        .zip(evidence.by_window)
        .map(|(window, nats)| format!("{} within {}", text_format::number(nats), description::window(window.seconds)))
        .collect();
    text_format::list(&each)
}

/// The gain of a post in the best window, or else in the window with its largest gain.
pub(super) fn gave(c: &ClusterMessage, post: &PostRef) -> Gave {
    let best = c.best_window();
    let most = || post.gains.iter().max_by(|a, b| a.nats().total_cmp(&b.nats()));
    let Some(gain) = post.gains.iter().find(|gain| gain.window == best).or_else(most) else {
        return Gave::default();
    };
    let elsewhere = match c.windows.get(gain.window).filter(|_| gain.window != best) {
        Some(window) => format!(" (only within {})", description::window(window.seconds)),
        None => String::new(),
    };
    Gave {
        what: format!("{}{elsewhere}", description::outcome(gain.outcome)),
        odds: format!("{} : {}", text_format::percent(gain.g), text_format::percent(gain.h)),
        nats: signed(gain.nats()),
    }
}
