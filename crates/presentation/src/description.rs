//! Descriptions of a cluster for the console, the report and partners. They describe behaviour, never
//! opinions.

use std::collections::BTreeSet;

use messages::cluster::{ClusterAccount, ClusterMessage, Outcome, SourceNats, Status, TraceKind, Why, Window};
use text_format::{count, hours_in_words, list, minute, number, part, seconds_in_words, shorten, span_in_words};

/// One sentence: who did what together, how close in time, over how long.
pub fn headline(cluster: &ClusterMessage) -> String {
    let kinds = kinds_by_nats(cluster);
    let did = match kinds.as_slice() {
        _ if is_count(cluster) => "wrote nearly the same text".to_owned(),
        [] => "acted together".to_owned(),
        kinds => list(&kinds.iter().map(|kind| trace_kind(*kind).did).collect::<Vec<_>>()),
    };
    let gap = match typical_gap_s(cluster) {
        Some(seconds) => format!(", typically {} apart", seconds_in_words(seconds)),
        None => String::new(),
    };
    format!(
        "{} on {} {did}{gap}, over {}.",
        count(size(cluster), "account"),
        list(&platforms(cluster)),
        span_in_words(cluster.first_seen, cluster.last_seen),
    )
}

/// Related findings by kind of relation, at most 20 ids each, as safe text.
pub(crate) fn relations(cluster: &ClusterMessage) -> Vec<(&'static str, Vec<String>)> {
    let shown = |ids: &[String]| ids.iter().take(20).map(|id| text_format::shorten(id, 80)).collect();
    let relations: [(&str, Vec<String>); 3] = [
        ("Absorbed", shown(&cluster.lineage)),
        ("Split from", shown(cluster.split_from.as_slice())),
        ("Reported before it passed, as near misses", shown(&cluster.near_misses)),
    ];
    relations.into_iter().filter(|(_, ids)| !ids.is_empty()).collect()
}

/// Whether the finding is one text by many accounts: a count, without a test.
pub fn is_count(cluster: &ClusterMessage) -> bool {
    cluster.why == Some(Why::OneText)
}

/// Number of accounts. For one text by many accounts this includes accounts whose names were not kept.
pub fn size(cluster: &ClusterMessage) -> u64 {
    (cluster.accounts.len() as u64).saturating_add(cluster.unlisted.accounts)
}

/// Whether the finding is from a message of version 1, whose test had no windows and no outcomes.
pub fn is_old(cluster: &ClusterMessage) -> bool {
    cluster.windows.is_empty() && !is_count(cluster)
}

/// The window in which the group repeats itself most clearly; `None` for a count and for findings of version 1.
pub fn best_window(cluster: &ClusterMessage) -> Option<&Window> {
    cluster.windows.get(cluster.best_window())
}

/// The source whose removal leaves the least evidence.
pub fn best_source(cluster: &ClusterMessage) -> Option<&SourceNats> {
    if cluster.windows.is_empty() {
        return cluster.sources.first();
    }
    let left = |source: &SourceNats| {
        let nats = cluster.windows.iter().zip(source.by_window).map(|(window, gains)| window.nats - gains);
        let most = nats.clone().fold(f64::NEG_INFINITY, f64::max);
        // The mean's divisor is the same for every source.
        most + nats.map(|nats| (nats - most).exp()).sum::<f64>().ln()
    };
    cluster.sources.iter().min_by(|a, b| left(a).total_cmp(&left(b)))
}

/// Posts that repeat another member, and all posts, of five counts of outcomes.
pub fn repeats(counts: &[u64; 5]) -> (u64, u64) {
    let all = counts.iter().fold(0, |sum: u64, n| sum.saturating_add(*n));
    (all.saturating_sub(counts[Outcome::Nothing as usize]), all)
}

/// Name of an outcome, as a heading.
pub fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::OwnWords => "own words",
        Outcome::Rare => "rare",
        Outcome::Middling => "middling",
        Outcome::Common => "common",
        Outcome::Nothing => "nothing",
    }
}

/// Description of an outcome: what the post repeats of another member.
pub fn outcome_in_full(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::OwnWords => "a text that another member wrote",
        Outcome::Rare => "a link, tag, post or name that hardly anybody outside the group used",
        Outcome::Middling => "one that up to 1 in 100 outside the group used",
        Outcome::Common => "one that more people used",
        Outcome::Nothing => "nothing that another member used",
    }
}

/// Length of a time window, as text.
pub fn window(seconds: i64) -> String {
    match seconds {
        s if s >= 7_200 && s % 3_600 == 0 => format!("{} hours", s / 3_600),
        3_600 => "1 hour".to_owned(),
        60 => "1 minute".to_owned(),
        s if s >= 120 && s % 60 == 0 => format!("{} minutes", s / 60),
        s => count(s.max(0) as u64, "second"),
    }
}

/// Rates at which members, everybody else and the people near the group repeat a member, in the best
/// window.
pub fn rates(cluster: &ClusterMessage) -> Option<String> {
    let best = best_window(cluster)?;
    let [group, crowd, near] = [&best.group, &best.crowd, &best.near].map(repeats);
    let others = match crowd.1 {
        0 => "nobody else posted meanwhile".to_owned(),
        all => format!("of everybody else's posts {} do", part(crowd.0, all)),
    };
    let near = match near.1 {
        0 => String::new(),
        all => format!(", and of those of people near the group {}", part(near.0, all)),
    };
    Some(format!(
        "{} of the group's posts repeat what another member posted in the {} before; {others}{near}.",
        part(group.0, group.1),
        window(best.seconds),
    ))
}

/// The evidence in a few sentences.
pub fn strength(cluster: &ClusterMessage) -> String {
    if is_count(cluster) {
        return format!(
            "This is a count, not a test: {} wrote one text, or nearly that text. A count has no evidence in nats and no \
             probability. {}",
            count(size(cluster), "account"),
            standing(cluster)
        );
    }
    let mut text = match rates(cluster) {
        Some(rates) => format!("{rates} The evidence is {} nats in total", number(cluster.log_e)),
        None => format!(
            "Over {} they acted together more often than their habits explain: the evidence is {} nats in total",
            count(cluster.evidence.len() as u64, "key"),
            number(cluster.log_e)
        ),
    };
    match best_source(cluster) {
        Some(best) if cluster.sources.len() > 1 => text.push_str(&format!(
            ", and {} without its strongest source ({} {})",
            number(cluster.log_e_leave_one_source_out),
            best.kind,
            shorten(&best.source, 60),
        )),
        _ => text.push_str(", all from one source"),
    }
    if let Some(test) = cluster.test {
        text.push_str(&format!("; the threshold for this group {} {}", was(cluster.status), number(test.bar)));
    }
    text.push_str(". ");
    text.push_str(standing(cluster));
    text
}

/// The verb for the threshold: in the past tense, except for a near miss, which has not passed it yet.
pub fn was(status: Status) -> &'static str {
    if status == Status::NearMiss { "is" } else { "was" }
}

/// Meaning of the status, as a sentence.
pub fn standing(cluster: &ClusterMessage) -> &'static str {
    match cluster.status {
        Status::Flagged => {
            "The evidence comes from more than one source, and the model finds the coordination inauthentic."
        }
        Status::SingleSource if is_count(cluster) => {
            "Petitions, greetings, quotations and share buttons also make many accounts write one text, so it is not flagged."
        }
        Status::SingleSource => {
            "Without that source it does not pass the test, as with a fan club or the readers of one outlet, so it is not flagged."
        }
        Status::Coordinated if cluster.why == Some(Why::NotPlain) => {
            "The accounts are coordinated, and the model finds it likely that they are inauthentic. But the model was trained on simulated groups, \
             and the behaviour of these accounts is not plain: fewer than two in five of their posts repeat each other’s own words, and they do \
             not follow one another within a minute; or they repeat posts whose authors are not known, so they may be fans of one author. So \
             they are not flagged."
        }
        Status::Coordinated => {
            "The accounts are coordinated, but the model does not find the coordination inauthentic."
        }
        Status::Faded if is_old(cluster) => {
            "It passed the test once, but the accounts’ later behaviour is evidence against it."
        }
        Status::Faded => {
            "It passed the test once, but its last days alone would not pass, and fewer than three accounts can be named now."
        }
        Status::NearMiss => "It did not pass the test, so it is not a finding about its accounts.",
    }
}

/// The null hypothesis, as a clause.
pub fn null(cluster: &ClusterMessage) -> String {
    if is_old(cluster) {
        return "If these accounts acted independently of each other, each by its own habits".to_owned();
    }
    let times = match cluster.test.map_or(2.0, |test| test.safety) {
        2.0 => "twice".to_owned(),
        safety => format!("{} times", number(safety)),
    };
    let near = if has_near(cluster) { ", and as the people near the group do" } else { "" };
    format!("If these accounts repeated each other at most {times} as often as everybody else repeats them{near}")
}

/// How the accounts' behaviour differs from the null hypothesis.
pub fn more_than(cluster: &ClusterMessage) -> &'static str {
    match cluster.status {
        _ if is_old(cluster) => "more often than each account's own habits explain",
        _ if is_count(cluster) => "in numbers that are counted and not tested",
        Status::NearMiss => "not often enough to pass the test",
        _ if has_near(cluster) => "far more often than everybody else and the people near them did",
        _ => "far more often than everybody else did",
    }
}

/// Number of posts of people near the group that a comparison with them needs.
pub const FEWEST_NEAR: u64 = 50;

/// Whether the group was compared with people near it, too.
fn has_near(cluster: &ClusterMessage) -> bool {
    best_window(cluster).is_some_and(|best| repeats(&best.near).1 >= FEWEST_NEAR)
}

/// Length of the history before the group was first proposed, as a sentence.
pub fn history(cluster: &ClusterMessage) -> String {
    let hours = cluster.history_hours;
    if is_count(cluster) {
        return "A count needs no history.".to_owned();
    }
    if hours < 24.0 {
        format!(
            "Only {} of earlier posts were known when the group was first proposed. Less than 24 h is too short to know what is usual among \
             these accounts, so treat this finding with more care.",
            hours_in_words(hours)
        )
    } else {
        format!("{} of earlier posts were known when the group was first proposed.", hours_in_words(hours))
    }
}

/// When a run on files reported the group, and whether it is active. `None` for findings of the services.
pub fn reported(cluster: &ClusterMessage) -> Option<String> {
    let (first, last) = (cluster.first_reported?, cluster.last_reported?);
    let when = if first == last {
        format!("First reported at {} UTC.", minute(first))
    } else {
        format!("First reported at {} and last at {} UTC.", minute(first), minute(last))
    };
    Some(match cluster.active {
        Some(false) => {
            format!("{when} None of its accounts posted at the end of the period. Silence does not change the finding.")
        }
        _ => when,
    })
}

/// How an account was found.
pub fn came(cluster: &ClusterMessage, account: &ClusterAccount) -> &'static str {
    match account {
        _ if is_count(cluster) => "wrote the text",
        ClusterAccount { elsewhere: true, .. } => "named by a group that was merged",
        _ if is_old(cluster) => "named by the test",
        ClusterAccount { proposed: true, .. } => "in the group as proposed",
        _ => "found later",
    }
}

/// Platforms in the cluster, sorted.
pub fn platforms(cluster: &ClusterMessage) -> Vec<String> {
    let set: BTreeSet<&str> = cluster.accounts.iter().map(|a| &*a.platform).collect();
    set.into_iter().map(|name| shorten(name, 40)).collect()
}

/// Trace kinds with evidence for the finding, most evidence first.
pub fn kinds_by_nats(cluster: &ClusterMessage) -> Vec<TraceKind> {
    let mut kinds: Vec<(TraceKind, f64)> =
        cluster.traces.iter().filter(|(_, nats)| **nats > 0.0).map(|(kind, nats)| (*kind, *nats)).collect();
    kinds.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.name().cmp(b.0.name())));
    kinds.into_iter().map(|(kind, _)| kind).collect()
}

/// Median over the ties of their median lag.
pub fn typical_gap_s(cluster: &ClusterMessage) -> Option<f64> {
    let mut lags: Vec<f64> = cluster.ties.iter().map(|tie| tie.median_lag_s).filter(|lag| lag.is_finite()).collect();
    lags.sort_by(f64::total_cmp);
    lags.get(lags.len() / 2).copied()
}

/// Name of a status for people.
pub fn status(status: Status) -> &'static str {
    match status {
        Status::Flagged => "flagged",
        Status::SingleSource => "single source",
        Status::Coordinated => "coordinated",
        Status::Faded => "faded",
        Status::NearMiss => "near miss",
    }
}

/// Texts about a trace kind.
pub struct TraceKindWords {
    /// The action, as a verb phrase after "the accounts".
    pub did: &'static str,
    /// The things, as a noun in the plural.
    pub things: &'static str,
    /// What a key of this kind names.
    pub names: Named,
    /// What a post did to another post, if the key is that other post.
    pub of_original: Option<&'static str>,
}

/// What the keys of a trace kind name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// A post of a platform.
    Post,
    /// An account, or several.
    Account,
    /// A URL or a file.
    Address,
    /// Text that people wrote, or something derived from it. Partners get its kind only, never the text.
    Words,
}

/// Name of the things of a trace kind that is stored by name. An unknown name is returned as it is.
pub fn stored_trace_kind(name: &str) -> String {
    name.parse().map_or_else(|_| shorten(name, 30), |kind| trace_kind(kind).things.to_owned())
}

/// The texts about each trace kind.
pub fn trace_kind(kind: TraceKind) -> TraceKindWords {
    let (did, things, names, of_original) = match kind {
        TraceKind::Url => ("shared the same links", "links", Named::Address, None),
        TraceKind::Repost => ("reposted the same posts", "reposts", Named::Post, Some("Repeated")),
        TraceKind::Hashtags => ("used the same hashtags", "hashtags", Named::Words, None),
        TraceKind::Text => ("wrote nearly the same texts", "texts", Named::Words, None),
        TraceKind::Media => ("posted the same media", "media", Named::Address, None),
        TraceKind::Reply => ("answered the same posts", "reply", Named::Post, Some("Answered")),
        TraceKind::Quote => ("quoted the same posts", "quotes", Named::Post, Some("Quoted")),
        TraceKind::Mention => ("mentioned the same accounts", "mention", Named::Account, None),
    };
    TraceKindWords { did, things, names, of_original }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn windows_read_well() {
        assert_eq!(
            [60, 600, 7_200, 86_400, 3_600].map(window),
            ["1 minute", "10 minutes", "2 hours", "24 hours", "1 hour"]
        );
    }

    #[test]
    fn every_kind_of_finding_says_what_it_is() {
        let c = fixtures::cluster("a", 1);
        let text = strength(&c);
        assert!(
            text.contains("of the group's posts repeat what another member posted in the 2 hours before"),
            "{text}"
        );
        assert!(
            text.contains("; the threshold for this group was 10.9") && text.contains("without its strongest source"),
            "{text}"
        );
        let near = strength(&fixtures::near_miss("n"));
        assert!(near.contains("; the threshold for this group is ") && near.contains("not a finding"), "{near}");
        let one = fixtures::one_text("t", 34);
        assert!(headline(&one).starts_with("34 accounts on bluesky and twitter wrote nearly the same text"));
        assert!(!strength(&one).contains(" nats in total"), "{}", strength(&one));
        let mut many = one;
        many.unlisted.accounts = 1_200;
        assert!(headline(&many).starts_with("1,234 accounts") && strength(&many).contains("1,234 accounts"));
        let old = strength(&fixtures::of_version_1());
        assert!(old.contains("more often than their habits explain") && !old.contains("threshold"), "{old}");
    }

    #[test]
    fn the_best_source_is_the_one_whose_loss_costs_most() {
        let mut c = fixtures::cluster("a", 1);
        let best = best_source(&c).unwrap().clone();
        // The largest gain in the best window is not the largest loss without the source.
        c.windows[0].nats = c.windows[1].nats - 0.1;
        let other = c.sources.iter_mut().find(|source| source.source != best.source).unwrap();
        (other.by_window, other.nats) = ([90.0, best.nats - 1.0, 0.0], best.nats - 1.0);
        let dearest = other.source.clone();
        c.sources.iter_mut().find(|source| source.source == best.source).unwrap().by_window[0] = 0.0;
        assert_eq!(best_source(&c).unwrap().source, dearest);
    }
}
