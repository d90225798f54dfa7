//! A finding as a recipient may see it. The redaction is applied here, before any template, so that no
//! template can bypass it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::{Timestamp, tz::TimeZone};
use messages::cluster::{ClusterAccount, ClusterMessage, Evidence, PostRef, TraceKind};

use crate::publish::hidden::{self, Hidden};
use casework::policy::{AccountIds, Elsewhere, Recipient, Redaction};
use presentation::description::{self, Named};

/// Maximum number of rows of the annexes. Omitted rows are counted.
const KEYS: usize = 60;
const POSTS: usize = 120;
const REASONS: usize = 8;

/// A finding as one recipient may see it, as safe text.
pub(super) struct Finding {
    pub total: String,
    pub who: String,
    pub named: bool,
    /// Whether a model named the members.
    pub named_by_model: bool,
    pub accounts: Vec<Account>,
    /// Accounts that the recipient received earlier and that are no longer in the group.
    pub gone: Vec<Account>,
    /// Whether the tables have columns for names and for platforms.
    pub handles: bool,
    pub platforms: bool,
    pub did: String,
    /// How their behaviour differs from that of the accounts they were compared with.
    pub more_than: &'static str,
    pub gap: Option<String>,
    /// Rates at which members and others repeat the group, if they were counted.
    pub rates: Option<String>,
    pub from: String,
    pub to: String,
    pub span: String,
    /// The period by months, for a public notice.
    pub months: String,
    pub posts_seen: String,
    pub keys_seen: String,
    pub kinds: Vec<(String, String)>,
    pub keys: Vec<Key>,
    pub more_keys: Option<String>,
    pub quoted: bool,
    pub sources: bool,
    pub posts: Vec<Post>,
    pub more_posts: Option<String>,
    pub likelihood: String,
    /// Whether it is a count, for which no chance is given.
    pub count: bool,
    /// The null hypothesis, under which the chances hold.
    pub null: String,
    pub chance: String,
    pub chance_without_best: String,
    pub standing: &'static str,
    pub history: String,
    pub internals: Option<Internals>,
    pub left_out: Vec<&'static str>,
}

pub(super) struct Account {
    pub id: String,
    pub name: String,
    pub platform: String,
    pub posts: String,
    pub nats: String,
    /// The membership probability.
    pub belongs: String,
    pub came: &'static str,
}

pub(super) struct Key {
    pub kind: String,
    pub key: String,
    pub source: String,
    pub accounts: usize,
    pub posts: usize,
    pub first: String,
}

pub(super) struct Post {
    /// Row of its key in the annex of keys.
    pub key: usize,
    pub platform: String,
    pub id: String,
    pub account: String,
    pub time: String,
}

pub(super) struct Internals {
    pub probability: String,
    pub log_e: String,
    pub without_best: String,
    /// The threshold.
    pub bar: Option<String>,
    pub tested: String,
    pub model: String,
    pub reasons: Vec<String>,
}

impl Finding {
    pub fn new(
        cluster: &ClusterMessage,
        before: Option<&ClusterMessage>,
        recipient: &Recipient,
        shows: &Redaction,
    ) -> Finding {
        let platform = recipient.platform.as_deref();
        let named = |account_platform: &str| match shows.account_ids {
            AccountIds::All => true,
            AccountIds::OwnPlatform => platform == Some(account_platform),
            AccountIds::None => false,
        };
        let seen = |account: &ClusterAccount, of: &ClusterMessage| Account {
            id: safe(&account.account_id, 80),
            name: safe(&account.account_name, 80),
            platform: safe(&account.platform, 40),
            posts: text_format::thousands(account.posts),
            nats: text_format::number(account.log_e),
            belongs: account.posterior.map_or_else(|| "not known".to_owned(), text_format::percent),
            came: description::came(of, account),
        };
        let accounts: Vec<Account> =
            cluster.accounts.iter().filter(|account| named(&account.platform)).map(|one| seen(one, cluster)).collect();
        let gone = hidden::gone(cluster, before);
        let own = if shows.account_ids == AccountIds::OwnPlatform { platform } else { None };
        let hidden = Hidden::new(cluster, &gone, &named, shows, own);
        let kinds = description::kinds_by_nats(cluster);
        let did: Vec<&str> = kinds.iter().map(|kind| description::trace_kind(*kind).did).collect();
        let mut by_kind: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for evidence in &cluster.evidence {
            *by_kind.entry((evidence.kind.name(), description::trace_kind(evidence.kind).things)).or_default() += 1;
        }
        let posts: HashSet<(&str, &str)> =
            cluster.evidence.iter().flat_map(|e| &e.posts).map(|post| (&*post.platform, &*post.id)).collect();
        let shown: Vec<(usize, &PostRef)> = cluster
            .evidence
            .iter()
            .take(KEYS)
            .enumerate()
            .flat_map(|(row, evidence)| evidence.posts.iter().map(move |post| (row + 1, post)))
            .filter(|(_, post)| shows.post_ids && named(&post.platform))
            .collect();
        let more = |all: usize, shown: usize, noun: &str| {
            all.checked_sub(shown).filter(|left| *left > 0).map(|left| text_format::count(left as u64, noun))
        };
        Finding {
            total: text_format::count(description::size(cluster), "account"),
            who: who(cluster, &named, shows),
            named: !accounts.is_empty(),
            named_by_model: !cluster.namings.is_empty(),
            accounts,
            gone: gone
                .into_iter()
                .filter(|account| named(&account.platform))
                .map(|account| seen(account, before.unwrap_or(cluster)))
                .collect(),
            handles: shows.handles,
            platforms: shows.account_ids == AccountIds::All,
            did: if did.is_empty() { "acted together".to_owned() } else { text_format::list(&did) },
            more_than: description::more_than(cluster),
            rates: description::rates(cluster),
            gap: description::typical_gap_s(cluster).map(text_format::seconds_in_words),
            from: format!("{} UTC", text_format::minute(cluster.first_seen)),
            to: format!("{} UTC", text_format::minute(cluster.last_seen)),
            span: text_format::span_in_words(cluster.first_seen, cluster.last_seen),
            months: months(cluster.first_seen, cluster.last_seen),
            posts_seen: text_format::count(posts.len() as u64, "post"),
            keys_seen: text_format::count(cluster.evidence.len() as u64, "occasion"),
            kinds: by_kind
                .into_iter()
                .map(|((_, things), count)| (things.to_owned(), text_format::thousands(count)))
                .collect(),
            keys: cluster.evidence.iter().take(KEYS).map(|evidence| key(&hidden, evidence, shows)).collect(),
            more_keys: more(cluster.evidence.len(), KEYS, "more occasion"),
            quoted: shows.keys,
            sources: shows.source_names,
            more_posts: more(shown.len(), POSTS, "more post"),
            posts: shown
                .into_iter()
                .take(POSTS)
                .map(|(key, post)| Post {
                    key,
                    platform: safe(&post.platform, 40),
                    id: safe(&post.id, 80),
                    account: safe(&post.account_id, 80),
                    time: text_format::second(post.created_at),
                })
                .collect(),
            likelihood: likelihood(cluster.probability),
            count: description::is_count(cluster),
            null: description::null(cluster),
            chance: chance(cluster.log_e),
            chance_without_best: chance(cluster.log_e_leave_one_source_out),
            standing: description::standing(cluster),
            history: description::history(cluster),
            internals: shows.model_internals.then(|| Internals {
                probability: cluster.probability.map_or_else(|| "not known".to_owned(), text_format::percent),
                log_e: text_format::number(cluster.log_e),
                without_best: text_format::number(cluster.log_e_leave_one_source_out),
                bar: cluster.test.map(|test| text_format::number(test.bar)),
                tested: text_format::thousands(cluster.candidates_tested),
                model: match &cluster.model {
                    Some(model) => format!("“{}”, version {}", safe(&model.name, 60), safe(&model.version, 40)),
                    None => "none".to_owned(),
                },
                reasons: cluster.reasons.iter().take(REASONS).map(|reason| safe(&reason.text, 240)).collect(),
            }),
            left_out: shows.left_out(),
        }
    }
}

/// The number of accounts by platform, and which are named.
fn who(cluster: &ClusterMessage, named: &dyn Fn(&str) -> bool, shows: &Redaction) -> String {
    let counts = |named_ones: bool| {
        let mut per_platform: BTreeMap<&str, u64> = BTreeMap::new();
        for account in cluster.accounts.iter().filter(|account| named(&account.platform) == named_ones) {
            *per_platform.entry(&account.platform).or_default() += 1;
        }
        per_platform
    };
    let on = |counts: &BTreeMap<&str, u64>| {
        let parts: Vec<String> = counts
            .iter()
            .map(|(name, count)| format!("{} on {}", text_format::thousands(*count), safe(name, 40)))
            .collect();
        text_format::list(&parts)
    };
    let total = match cluster.unlisted.accounts {
        0 => text_format::count(description::size(cluster), "account"),
        nameless => format!(
            "{} ({} of them not known by name)",
            text_format::count(description::size(cluster), "account"),
            text_format::thousands(nameless)
        ),
    };
    let (ours, others) = (counts(true), counts(false));
    let rest: u64 = others.values().sum();
    match (ours.is_empty(), others.is_empty(), shows.elsewhere) {
        (_, true, _) => format!("The group has {total}: {}. Annex A names them.", on(&ours)),
        (true, false, Elsewhere::Total) => format!("The group has {total}. None of them is named here."),
        (true, false, _) => format!("The group has {total}: {}. None of them is named here.", on(&others)),
        (false, false, Elsewhere::Total) => {
            format!(
                "The group has {total}: {}, which Annex A names, and {} elsewhere.",
                on(&ours),
                text_format::thousands(rest)
            )
        }
        (false, false, Elsewhere::Counts) => {
            format!(
                "The group has {total}: {}, which Annex A names, and {}, which are counted only.",
                on(&ours),
                on(&others)
            )
        }
        (false, false, Elsewhere::Pseudonyms) => format!(
            "The group has {total}: {}, which Annex A names, and {}, which are counted here; in your feed each of those has \
             a pseudonym that only you get.",
            on(&ours),
            on(&others)
        ),
    }
}

/// A key as the recipient sees it.
fn key(hidden: &Hidden, evidence: &Evidence, shows: &Redaction) -> Key {
    let shown = |kind: TraceKind, text: &str, max: usize| {
        if hidden.is_in(text) {
            "withheld: it would identify an account or post that is not named here".to_owned()
        } else if hidden.is_elsewhere(kind, text) {
            "withheld: it is on another platform".to_owned()
        } else {
            safe(&inert(text), max)
        }
    };
    let names = |kind: TraceKind| description::trace_kind(kind).names;
    let accounts: BTreeSet<(&str, &str)> =
        evidence.posts.iter().map(|post| (&*post.platform, &*post.account_id)).collect();
    Key {
        kind: description::trace_kind(evidence.kind).things.to_owned(),
        key: match names(evidence.kind) {
            Named::Post if !shows.post_ids => "a post, not named here".to_owned(),
            Named::Words => "not quoted".to_owned(),
            Named::Post | Named::Account | Named::Address => shown(evidence.kind, &evidence.key, 200),
        },
        source: match names(evidence.source_kind) {
            Named::Words => "not quoted".to_owned(),
            Named::Post | Named::Account | Named::Address => shown(evidence.source_kind, &evidence.source, 80),
        },
        accounts: accounts.len(),
        posts: evidence.posts.len(),
        first: evidence
            .posts
            .iter()
            .map(|post| post.created_at)
            .min()
            .map_or_else(|| "not known".to_owned(), text_format::minute),
    }
}

/// Text from outside as safe text: [`legible`], and without anything that a document viewer turns into a
/// link.
pub(super) fn safe(text: &str, max: usize) -> String {
    legible(text, max).replace("://", "[://]").replace("www.", "www[.]")
}

/// Text with all characters visible: invisible characters, characters that change the direction, and
/// stacked combining marks are written by their number. Text beyond `max` characters is cut and counted.
pub(super) fn legible(text: &str, max: usize) -> String {
    let mut out = String::new();
    let mut marks = 0;
    let mut taken = 0;
    for c in text.chars() {
        if taken >= max {
            out.push_str(&format!(
                "… (cut, {} characters in all)",
                text_format::thousands(text.chars().count() as u64)
            ));
            break;
        }
        taken += 1;
        marks = if text_format::is_mark(c) { marks + 1 } else { 0 };
        if text_format::is_hidden(c) || is_blank(c) || marks > 2 {
            spell(c, &mut out);
            taken += 7;
        } else {
            out.push(c);
        }
    }
    if out.trim().is_empty() { "(empty)".to_owned() } else { out }
}

/// A character by its number, as `[U+1F600]`.
pub(super) fn spell(c: char, out: &mut String) {
    out.push_str(&format!("[U+{:04X}]", u32::from(c)));
}

/// Characters that fonts draw as nothing, other than those that change the direction.
fn is_blank(c: char) -> bool {
    matches!(c, '\u{00AD}' | '\u{034F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FFA0}' | '\u{E0100}'..='\u{E01EF}')
}

/// A defanged URL: `hxxps://a[.]example/b`. [`safe`] does the rest.
fn inert(text: &str) -> String {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (format!("{}://", scheme.replacen("http", "hxxp", 1)), rest),
        None => (String::new(), text),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    format!("{scheme}{}{}", host.replace('.', "[.]"), path)
}

fn months(from: Timestamp, to: Timestamp) -> String {
    let month = |time: Timestamp| time.to_zoned(TimeZone::UTC).strftime("%B %Y").to_string();
    let (from, to) = (month(from), month(to));
    if from == to { format!("in {from}") } else { format!("between {from} and {to}") }
}

/// A probability in the words of US intelligence products (Intelligence Community Directive 203, 2015, D.6.e.2.a).
fn likelihood(probability: Option<f64>) -> String {
    match probability.unwrap_or(f64::NAN) {
        p if !p.is_finite() => "it is not known how likely it is",
        p if p >= 0.95 => "it is almost certain (95 % or more)",
        p if p >= 0.80 => "it is very likely (80 to 95 %)",
        p if p >= 0.55 => "it is likely (55 to 80 %)",
        p if p >= 0.45 => "chances are roughly even (45 to 55 %)",
        p if p >= 0.20 => "it is unlikely (20 to 45 %)",
        p if p >= 0.05 => "it is very unlikely (5 to 20 %)",
        _ => "there is almost no chance (below 5 %)",
    }
    .to_owned()
}

/// Evidence in words. An e-value above e comes up with a chance of at most 1/e under what it is measured against, [`description::null`]
/// (Markov's inequality); beyond one in a billion the assumptions are less sure than the number.
fn chance(log_e: f64) -> String {
    const WORDS: [(f64, &str); 7] = [
        (9.0, "less than once in a billion"),
        (6.0, "less than once in a million"),
        (5.0, "less than once in 100,000"),
        (4.0, "less than once in 10,000"),
        (3.0, "less than once in 1,000"),
        (2.0, "less than once in 100"),
        (1.0, "less than once in ten"),
    ];
    if !log_e.is_finite() {
        return "at a rate that is not known".to_owned();
    }
    let powers = log_e / std::f64::consts::LN_10;
    WORDS.iter().find(|(power, _)| powers >= *power).map_or("often", |(_, words)| words).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likelihood_and_chance_are_said_in_words() {
        assert_eq!(likelihood(Some(0.957)), "it is almost certain (95 % or more)");
        assert_eq!(likelihood(Some(0.5)), "chances are roughly even (45 to 55 %)");
        assert_eq!(likelihood(Some(f64::NAN)), "it is not known how likely it is");
        assert_eq!(likelihood(None), "it is not known how likely it is");
        assert_eq!(chance(1000f64.ln() + 1e-9), "less than once in 1,000");
        assert_eq!(chance(400.0), "less than once in a billion");
        assert_eq!(chance(1.0), "often");
        assert_eq!(chance(f64::INFINITY), "at a rate that is not known");
    }

    #[test]
    fn addresses_are_not_live() {
        assert_eq!(
            safe(&inert("https://a.b.example/x.html?u=http://c.d"), 80),
            "hxxps[://]a[.]b[.]example/x.html?u=http[://]c.d"
        );
        assert_eq!(inert("a.example"), "a[.]example");
        assert_eq!(inert("@name"), "@name");
    }

    #[test]
    fn what_cannot_be_seen_is_written_out() {
        assert_eq!(safe("a\u{202E}b\0", 20), "a[U+202E]b[U+0000]");
        assert_eq!(safe(&"x".repeat(10_000), 3), "xxx… (cut, 10,000 characters in all)");
        assert_eq!(safe("e\u{301}\u{301}\u{301}", 10), "e\u{301}\u{301}[U+0301]");
        assert_eq!(safe(" ", 5), "(empty)");
    }
}
