//! Figures to compare a world with real traffic.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
};

use crate::{Simulation, label::Label, post::SimPost};

/// Two reposts count as together if they are at most this many milliseconds apart.
const TOGETHER: i64 = 60_000;
/// Cascades with at least this many reposts count as viral.
const VIRAL: usize = 50;

/// Figures of a world, by kind of account.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Stats {
    /// Ordinary accounts.
    pub organic: CrowdStats,
    /// Accounts with a look-alike's label.
    pub lookalike: CrowdStats,
    /// Planted accounts.
    pub inauthentic: CrowdStats,
}

/// Figures of the posts of some accounts, the same as in the table of measured crowds.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct CrowdStats {
    /// Number of posts.
    pub posts: usize,
    /// Number of accounts.
    pub accounts: usize,
    /// Posts per account: median, 90th and 99th percentile.
    pub posts_per_account: [usize; 3],
    /// Seconds between an account's posts: median and 90th percentile.
    pub inter_arrival_s: [f64; 2],
    /// Share of posts that are reposts.
    pub reposts: f64,
    /// Share of reposts with another account's repost of the same post within 60 s.
    pub reposts_together: f64,
    /// The same share among reposts of posts with at least 50 reposts.
    pub viral_reposts_together: f64,
    /// Share of posts with a link.
    pub with_url: f64,
    /// Share of posts with a hashtag.
    pub with_hashtag: f64,
    /// Share of posts that are replies.
    pub replies: f64,
    /// Share of originals with at least four words whose text another account of the same kind also
    /// posted, ignoring links, names and digits.
    pub duplicated_originals: f64,
}

/// Computes the figures of a world.
pub fn stats(simulation: &Simulation) -> Stats {
    let labels: HashMap<(&str, &str), Label> = simulation
        .truth
        .accounts
        .iter()
        .map(|truth| ((truth.account.platform.as_str(), truth.account.account_id.as_str()), truth.label))
        .collect();
    let of = |wanted: &dyn Fn(Label) -> bool| {
        let posts = simulation.posts.iter().filter(|post| {
            labels.get(&(post.platform.as_str(), post.account_id.as_str())).is_some_and(|label| wanted(*label))
        });
        crowd(&posts.collect::<Vec<_>>())
    };
    Stats {
        organic: of(&|label| label == Label::Organic),
        lookalike: of(&|label| !matches!(label, Label::Organic | Label::Inauthentic)),
        inauthentic: of(&|label| label == Label::Inauthentic),
    }
}

fn crowd(posts: &[&SimPost]) -> CrowdStats {
    let mut by_account: BTreeMap<(&str, &str), Vec<i64>> = BTreeMap::new();
    let mut cascades: BTreeMap<(&str, &str), Vec<(i64, &str)>> = BTreeMap::new();
    let mut texts: BTreeMap<String, (usize, BTreeSet<&str>)> = BTreeMap::new();
    let mut originals = 0;
    for post in posts {
        by_account.entry((&post.platform, &post.account_id)).or_default().push(post.created_at);
        match &post.repost_of {
            Some(root) => cascades.entry((&post.platform, root)).or_default().push((post.created_at, &post.account_id)),
            None => {
                originals += 1;
                let words = plain(&post.text);
                if words.len() >= 4 {
                    let (count, accounts) = texts.entry(words.join(" ")).or_default();
                    *count += 1;
                    accounts.insert(&post.account_id);
                }
            }
        }
    }
    let mut counts: Vec<usize> = by_account.values().map(Vec::len).collect();
    counts.sort_unstable();
    let mut gaps: Vec<i64> =
        by_account.values().flat_map(|times| times.windows(2).map(|pair| pair[1] - pair[0])).collect();
    gaps.sort_unstable();

    let (mut reposts, mut together, mut viral, mut viral_together) = (0, 0, 0, 0);
    for cascade in cascades.values() {
        let close = cascade.iter().enumerate().filter(|(place, one)| has_neighbour(cascade, *place, one)).count();
        reposts += cascade.len();
        together += close;
        if cascade.len() >= VIRAL {
            viral += cascade.len();
            viral_together += close;
        }
    }
    let duplicated: usize = texts.values().filter(|(_, accounts)| accounts.len() > 1).map(|(count, _)| count).sum();
    let having = |has: &dyn Fn(&SimPost) -> bool| share(posts.iter().filter(|post| has(post)).count(), posts.len());
    CrowdStats {
        posts: posts.len(),
        accounts: by_account.len(),
        posts_per_account: [0.5, 0.9, 0.99].map(|q| quantile(&counts, q).unwrap_or(0)),
        inter_arrival_s: [0.5, 0.9].map(|q| quantile(&gaps, q).unwrap_or(0) as f64 / 1_000.0),
        reposts: share(reposts, posts.len()),
        reposts_together: share(together, reposts),
        viral_reposts_together: share(viral_together, viral),
        with_url: having(&|post| !post.urls.is_empty()),
        with_hashtag: having(&|post| !post.hashtags.is_empty()),
        replies: having(&|post| post.reply_to.is_some()),
        duplicated_originals: share(duplicated, originals),
    }
}

/// Whether another account reposted the same within a minute. Reposts are in order of time, and an account reposts a post
/// once, so that its neighbours tell.
fn has_neighbour(cascade: &[(i64, &str)], place: usize, one: &(i64, &str)) -> bool {
    let near = |other: Option<&(i64, &str)>| {
        other.is_some_and(|other| (other.0 - one.0).abs() <= TOGETHER && other.1 != one.1)
    };
    near(place.checked_sub(1).and_then(|before| cascade.get(before))) || near(cascade.get(place + 1))
}

/// The words of a text in lower case, without links, mentions and digits.
fn plain(text: &str) -> Vec<String> {
    text.split_whitespace()
        .filter(|word| !word.starts_with("http") && !word.starts_with('@'))
        .map(|word| word.chars().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect())
        .filter(|word: &String| !word.is_empty())
        .collect()
}

fn quantile<T: Copy>(sorted: &[T], q: f64) -> Option<T> {
    sorted.get(((sorted.len() as f64 * q) as usize).min(sorted.len().checked_sub(1)?)).copied()
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = [&self.organic, &self.lookalike, &self.inauthentic];
        writeln!(f, "{:<38}{:>18}{:>18}{:>18}", "", "organic", "look-alike", "inauthentic")?;
        let mut row = |name: &str, cell: &dyn Fn(&CrowdStats) -> String| {
            write!(f, "{name:<38}")?;
            for column in columns {
                write!(f, "{:>18}", cell(column))?;
            }
            writeln!(f)
        };
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        row("posts / accounts", &|c| format!("{} / {}", c.posts, c.accounts))?;
        row("posts per account p50 / p90 / p99", &|c| {
            let [median, p90, p99] = c.posts_per_account;
            format!("{median} / {p90} / {p99}")
        })?;
        row("inter-arrival p50 / p90", &|c| {
            format!("{:.0} s / {:.0} min", c.inter_arrival_s[0], c.inter_arrival_s[1] / 60.0)
        })?;
        row("repost share", &|c| percent(c.reposts))?;
        row("reposts with another within 60 s", &|c| percent(c.reposts_together))?;
        row("the same, of 50 reposts and more", &|c| percent(c.viral_reposts_together))?;
        row("posts with a URL", &|c| percent(c.with_url))?;
        row("posts with a hashtag", &|c| percent(c.with_hashtag))?;
        row("posts that answer", &|c| percent(c.replies))?;
        row("originals duplicated across accounts", &|c| percent(c.duplicated_originals))
    }
}
