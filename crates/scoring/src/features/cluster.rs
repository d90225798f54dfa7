//! The features of a cluster.
//!
//! A model that reads them decides whether a *coordinated* group is inauthentic. A parliament, a party's supporters, newsrooms with a wire,
//! a fandom, a conference, users of a share button and prize hunters are coordinated too, and must not be.
//!
//! All is measured of the cluster's own group: what the test counted is of the group as it was proposed, everything else of the accounts
//! that the group's own naming names. Members that only another group names, which was merged into the cluster ([`Member::elsewhere`]),
//! are left out everywhere, so that merging changes no value: the judge, who is asked before, sees what a reader sees after.
//!
//! # What can mislead, and what is done about it
//! - *One loud member* makes most of a group's posts: what is pooled over posts (`own_words_share`) stands beside the same of a typical
//!   member (`own_words_typical`).
//! - *Everybody copies*: in a crowd that shares slogans or wire reports a group that does so is nothing special. Shares stand beside their
//!   ratios to the crowd and to the people near the group. Below 50 posts of these the ratio is not known.
//! - *A short file*: after an hour nobody has posted at night, and no account has lived longer than an hour. The hours of the day are not
//!   known until a day was watched. `account_life` is short for everybody then, so `account_life_share` holds it against the time watched.
//! - *A stream filtered by a word* shows few posts of each account, so innocent accounts live for minutes in it, too. That is why both
//!   lives are medians over members, and why no rule should rest on them alone.
//! - *Cover traffic*: an operation that posts much else lowers every share. The evidence without it (`nats_per_trial`) falls with it; what
//!   is left are copies, delays and what the accounts are like.
//! - *Own wordings*: an operation that rewrites each text leaves no copies. `rare_share`, delays and accounts' ages remain.
//!
//! # Left out
//! - `log_e`, `log_e_leave_one_source_out` and the number of accounts: they grow with the time watched, and a parliament has the most.
//! - The entropies of sources and of keys: they grow with the number of keys, and the latter talked real operations out. In their place
//!   are evennesses, which stay as they are when as many keys come again.
//! - The spread of wordings: it was an estimate that moved when words were replaced, and it too talked real operations out.
//!   `copy_coverage` is in its place.
//! - The number of groups tested, the bar and the hours of history: they say when a group was found, not what it does.
//! - Words, topics, targets, languages, followers, numbers of links and tags in a post: viewpoints, fame and formats.

use std::collections::{BTreeMap, BTreeSet};

use coordination::{
    AccountRef, Behaviour, Cluster, Manner, Member, Millis, PostRef, Tie, TraceKind, TrialOutcome, WindowSum,
};

use super::{
    Feature, Table, described, entropy, evenness, log10_1p, quantile, show_days, show_nats_each, show_number,
    show_seconds, show_share, show_times, sum,
};

/// All features of a cluster, in the order of every dataset row and every model's weights.
pub static FEATURES: [Feature; 46] = described(&TABLE);

/// Each with its value, or `None` where it is not known.
pub(super) const TABLE: Table<fn(&Group<'_>) -> Option<f64>, 46> = [
    (
        Feature {
            name: "nats_per_trial",
            unit: "nats",
            formula: "nats of the best window (the one with the most) / posts of the group that were tested",
            reads: "windows (nats, group)",
            monotone: 1,
            label: "the evidence that the accounts act together, for each of their posts,",
            show: show_nats_each,
        },
        nats_per_trial,
    ),
    (
        Feature {
            name: "own_words_share",
            unit: "share",
            formula: "greatest over windows of the group's posts that repeat another member's own words / its posts",
            reads: "windows.group",
            monotone: 1,
            label: "the part of the group's posts that repeat another member's own words",
            show: show_share,
        },
        |g| g.own_words().map(|(_, share)| share),
    ),
    (
        Feature {
            name: "own_words_typical",
            unit: "share",
            formula: "median over members of posts that repeat another member's own words / posts judged in naming",
            reads: "members.outcomes (posts)",
            monotone: 1,
            label: "the part of a typical member's posts that repeat another member's own words",
            show: show_share,
        },
        |g| g.median(|m| m.part(&[TrialOutcome::OwnWords])),
    ),
    (
        Feature {
            name: "rare_share",
            unit: "share",
            formula: "the group's posts with outcome rare / its posts, in the best window",
            reads: "windows.group",
            monotone: 0,
            label: "the part of the group's posts that share something with another member that hardly anybody outside used",
            show: show_share,
        },
        |g| g.best_share(TrialOutcome::Rare),
    ),
    (
        Feature {
            name: "middling_share",
            unit: "share",
            formula: "the group's posts with outcome middling / its posts, in the best window",
            reads: "windows.group",
            monotone: 0,
            label: "the part of the group's posts that share something with another member that up to one account in a hundred outside used",
            show: show_share,
        },
        |g| g.best_share(TrialOutcome::Middling),
    ),
    (
        Feature {
            name: "common_share",
            unit: "share",
            formula: "the group's posts with outcome common / its posts, in the best window",
            reads: "windows.group",
            monotone: 0,
            label: "the part of the group's posts that share something with another member that many outside used",
            show: show_share,
        },
        |g| g.best_share(TrialOutcome::Common),
    ),
    (
        Feature {
            name: "nothing_share",
            unit: "share",
            formula: "the group's posts with outcome nothing / its posts, in the best window",
            reads: "windows.group",
            monotone: 0,
            label: "the part of the group's posts that share nothing with another member",
            show: show_share,
        },
        |g| g.best_share(TrialOutcome::Nothing),
    ),
    (
        Feature {
            name: "own_words_over_crowd",
            unit: "ln ratio",
            formula: "ln((s + 0.01) / (t + 0.01)), s = the share of the group's posts with outcome own_words in the window of own_words_share, t = that of everybody else's posts; unknown under 50 of these",
            reads: "windows (group, crowd)",
            monotone: 1,
            label: "how often the group's posts repeat members' own words, beside everybody else's posts,",
            show: show_times,
        },
        |g| g.over(TrialOutcome::OwnWords, |window| window.crowd),
    ),
    (
        Feature {
            name: "own_words_over_near",
            unit: "ln ratio",
            formula: "ln((s + 0.01) / (t + 0.01)), s = the share of the group's posts with outcome own_words in the window of own_words_share, t = that of posts of the people near the group; unknown under 50 of these",
            reads: "windows (group, near)",
            monotone: 1,
            label: "how often the group's posts repeat members' own words, beside posts of the people near the group,",
            show: show_times,
        },
        |g| g.over(TrialOutcome::OwnWords, |window| window.near),
    ),
    (
        Feature {
            name: "rare_over_crowd",
            unit: "ln ratio",
            formula: "ln((s + 0.01) / (t + 0.01)), s = the share of the group's posts with outcome rare in the best window, t = that of everybody else's posts; unknown under 50 of these",
            reads: "windows (group, crowd)",
            monotone: 0,
            label: "how often the group's posts share something rare with a member, beside everybody else's posts,",
            show: show_times,
        },
        |g| g.over(TrialOutcome::Rare, |window| window.crowd),
    ),
    (
        Feature {
            name: "rare_over_near",
            unit: "ln ratio",
            formula: "ln((s + 0.01) / (t + 0.01)), s = the share of the group's posts with outcome rare in the best window, t = that of posts of the people near the group; unknown under 50 of these",
            reads: "windows (group, near)",
            monotone: 0,
            label: "how often the group's posts share something rare with a member, beside posts of the people near the group,",
            show: show_times,
        },
        |g| g.over(TrialOutcome::Rare, |window| window.near),
    ),
    (
        Feature {
            name: "nats_share_url",
            unit: "share",
            formula: "max(gains of url, 0) / sum over kinds of max(gains, 0), in the best window; unknown when the sum is 0",
            reads: "nats_by_kind",
            monotone: 0,
            label: "the part of the evidence from sharing the same links",
            show: show_share,
        },
        |g| nats_share(g, TraceKind::Url),
    ),
    (
        Feature {
            name: "nats_share_repost",
            unit: "share",
            formula: "max(gains of repost, 0) / sum over kinds of max(gains, 0), in the best window; unknown when the sum is 0",
            reads: "nats_by_kind",
            monotone: 0,
            label: "the part of the evidence from reposting the same posts",
            show: show_share,
        },
        |g| nats_share(g, TraceKind::Repost),
    ),
    (
        Feature {
            name: "nats_share_hashtags",
            unit: "share",
            formula: "max(gains of hashtags, 0) / sum over kinds of max(gains, 0), in the best window; unknown when the sum is 0",
            reads: "nats_by_kind",
            monotone: 0,
            label: "the part of the evidence from using the same hashtags",
            show: show_share,
        },
        |g| nats_share(g, TraceKind::Hashtags),
    ),
    (
        Feature {
            name: "nats_share_text",
            unit: "share",
            formula: "max(gains of text, 0) / sum over kinds of max(gains, 0), in the best window; unknown when the sum is 0",
            reads: "nats_by_kind",
            monotone: 0,
            label: "the part of the evidence from posting nearly the same text",
            show: show_share,
        },
        |g| nats_share(g, TraceKind::Text),
    ),
    (
        Feature {
            name: "nats_share_media",
            unit: "share",
            formula: "max(gains of media, 0) / sum over kinds of max(gains, 0), in the best window; unknown when the sum is 0",
            reads: "nats_by_kind",
            monotone: 0,
            label: "the part of the evidence from posting the same pictures",
            show: show_share,
        },
        |g| nats_share(g, TraceKind::Media),
    ),
    (
        Feature {
            name: "nats_share_reply",
            unit: "share",
            formula: "max(gains of reply, 0) / sum over kinds of max(gains, 0), in the best window; unknown when the sum is 0",
            reads: "nats_by_kind",
            monotone: 0,
            label: "the part of the evidence from answering the same posts",
            show: show_share,
        },
        |g| nats_share(g, TraceKind::Reply),
    ),
    (
        Feature {
            name: "nats_share_mention",
            unit: "share",
            formula: "max(gains of mention, 0) / sum over kinds of max(gains, 0), in the best window; unknown when the sum is 0",
            reads: "nats_by_kind",
            monotone: 0,
            label: "the part of the evidence from mentioning the same accounts",
            show: show_share,
        },
        |g| nats_share(g, TraceKind::Mention),
    ),
    (
        Feature {
            name: "trace_diversity",
            unit: "effective kinds",
            formula: "exp(Shannon entropy of the seven nats shares)",
            reads: "nats_by_kind",
            monotone: 0,
            label: "the number of ways in which they act together",
            show: show_number,
        },
        |g| entropy(g.cluster.nats_by_kind.iter().map(|&(_, nats)| nats.max(0.0))).map(f64::exp),
    ),
    (
        Feature {
            name: "source_evenness",
            unit: "share",
            formula: "exp(Shannon entropy of gains over sources, in the best window) / sources with a gain; unknown under 2",
            reads: "nats_by_source.nats",
            monotone: 0,
            label: "how evenly the evidence is spread over its sources (100 % is all alike)",
            show: show_share,
        },
        |g| evenness(g.source_nats()),
    ),
    (
        Feature {
            name: "key_evenness",
            unit: "share",
            formula: "exp(Shannon entropy of the number of members' posts over keys of the evidence) / these keys; unknown under 2",
            reads: "evidence.posts (count)",
            monotone: 0,
            label: "how evenly the joint posts are spread over the things shared (100 % is all alike)",
            show: show_share,
        },
        |g| evenness(g.keys.iter().map(|posts| posts.len() as f64)),
    ),
    (
        Feature {
            name: "best_source_share",
            unit: "share",
            formula: "gains of the largest source / gains of all sources, in the best window; unknown when that is 0",
            reads: "nats_by_source.nats",
            monotone: 0,
            label: "the part of the evidence from its strongest source",
            show: show_share,
        },
        best_source_share,
    ),
    (
        Feature {
            name: "delay_p10",
            unit: "log10(1 + s)",
            formula: "10 % quantile over keys of the time between successive members' first posts on a key",
            reads: "evidence.posts (time, account)",
            monotone: -1,
            label: "the time between members acting on the same thing, in the quickest tenth of cases,",
            show: show_seconds,
        },
        |g| delay_quantile(g, 0.1),
    ),
    (
        Feature {
            name: "delay_p50",
            unit: "log10(1 + s)",
            formula: "median over keys of the time between successive members' first posts on a key",
            reads: "evidence.posts (time, account)",
            monotone: -1,
            label: "the time between members acting on the same thing, in half of the cases,",
            show: show_seconds,
        },
        |g| delay_quantile(g, 0.5),
    ),
    (
        Feature {
            name: "delay_p90",
            unit: "log10(1 + s)",
            formula: "90 % quantile over keys of the time between successive members' first posts on a key",
            reads: "evidence.posts (time, account)",
            monotone: -1,
            label: "the time between members acting on the same thing, in nine cases out of ten,",
            show: show_seconds,
        },
        |g| delay_quantile(g, 0.9),
    ),
    (
        Feature {
            name: "share_on_cluster_keys",
            unit: "share",
            formula: "median over members of posts that shared anything with another member / posts judged in naming",
            reads: "members.outcomes (posts)",
            monotone: 1,
            label: "the part of a typical member's posts that share something with another member",
            show: show_share,
        },
        |g| g.median(|m| m.part(&TrialOutcome::ALL[..4])),
    ),
    (
        Feature {
            name: "named_share",
            unit: "share",
            formula: "named accounts that had been proposed / accounts proposed; unknown where none were named",
            reads: "members.proposed, terms.proposed",
            monotone: 0,
            label: "the part of the accounts first suspected that are named",
            show: show_share,
        },
        named_share,
    ),
    (
        Feature {
            name: "found_share",
            unit: "share",
            formula: "named accounts that had not been proposed / named accounts; unknown where none were named",
            reads: "members.proposed",
            monotone: 0,
            label: "the part of the accounts that were found only after the group had passed",
            show: show_share,
        },
        found_share,
    ),
    (
        Feature {
            name: "copy_coverage",
            unit: "share",
            formula: "median over members' posts in the evidence that repeat an earlier text of how much of their surprise is in that one; unknown without any",
            reads: "evidence.posts (manner)",
            monotone: 0,
            label: "the part of a repeated text that is as it was before, in half of the cases,",
            show: show_share,
        },
        copy_coverage,
    ),
    (
        Feature {
            name: "members_per_key",
            unit: "share",
            formula: "median over keys of the evidence of members with a post on it / members",
            reads: "evidence.posts (account), members (count)",
            monotone: 0,
            label: "the part of the members that used the same thing, in half of the cases,",
            show: show_share,
        },
        members_per_key,
    ),
    (
        Feature {
            name: "account_life",
            unit: "log10(1 + s)",
            formula: "median over members of the time between first and last post, at most 7 days",
            reads: "members.behaviour (time of first and last post)",
            monotone: -1,
            label: "the time from a typical member's first post to its last, of a week at most,",
            show: show_seconds,
        },
        |g| g.median(|m| Some(log10_1p(m.life() / 1_000.0))),
    ),
    (
        Feature {
            name: "account_life_share",
            unit: "share",
            formula: "median over members of the time between first and last post / time watched, each at most 7 days; time watched is from the stream's first use of a key to the last post in the evidence",
            reads: "members.behaviour (time of first and last post), history, terms.born, last_seen",
            monotone: -1,
            label: "the time from a typical member's first post to its last, as a part of the time watched,",
            show: show_share,
        },
        account_life_share,
    ),
    (
        Feature {
            name: "posting_rate",
            unit: "log10(posts an hour)",
            formula: "median over members of posts / hours between first and last post, at least one hour",
            reads: "members.behaviour (posts, time of first and last post)",
            monotone: 0,
            label: "how much a typical member posts while it is active",
            show: |v| format!("{} posts an hour", show_number(10f64.powf(v))),
        },
        |g| g.median(rate),
    ),
    (
        Feature {
            name: "tie_density",
            unit: "share",
            formula: "pairs of members with a tie of any kind / pairs of members",
            reads: "ties (a, b), members (count)",
            monotone: 0,
            label: "the part of all pairs of members that act together directly",
            show: show_share,
        },
        tie_density,
    ),
    (
        Feature {
            name: "creation_spread",
            unit: "log10(1 + days)",
            formula: "interquartile range of the accounts' creation times; unknown under 3 known times",
            reads: "members.behaviour.created_at",
            monotone: -1,
            label: "the period in which the middle half of the accounts were made",
            show: show_days,
        },
        creation_spread,
    ),
    (
        Feature {
            name: "creation_burst",
            unit: "share",
            formula: "greatest share of the accounts with known creation time made within 7 days; unknown under 3",
            reads: "members.behaviour.created_at",
            monotone: 1,
            label: "the part of the accounts made within one week",
            show: show_share,
        },
        creation_burst,
    ),
    (
        Feature {
            name: "default_profile_share",
            unit: "share",
            formula: "accounts with a default profile / accounts where that is known; unknown under 3",
            reads: "members.behaviour.default_profile",
            monotone: 1,
            label: "the part of the accounts whose profile was never filled in",
            show: show_share,
        },
        default_profile_share,
    ),
    (
        Feature {
            name: "hour_entropy",
            unit: "share of ln 24",
            formula: "Shannon entropy of the mean over members of their posts' UTC hours, over ln 24; unknown until a day was watched",
            reads: "members.behaviour.hours, history, terms.born, last_seen",
            monotone: 0,
            label: "how evenly the accounts post around the clock (100 % is every hour alike)",
            show: show_share,
        },
        hour_entropy,
    ),
    (
        Feature {
            name: "hour_agreement",
            unit: "share",
            formula: "length of the sum of the members' mean vectors / sum of their lengths, a mean vector being that of the UTC hours of a member's posts on a circle of 24 h; of members with 5 or more posts, unknown under 3 and until a day was watched",
            reads: "members.behaviour.hours, history, terms.born, last_seen",
            monotone: 0,
            label: "how far the hours at which the members are awake agree (100 % is as in one time zone)",
            show: show_share,
        },
        hour_agreement,
    ),
    (
        Feature {
            name: "client_homogeneity",
            unit: "share",
            formula: "accounts on the commonest client / accounts whose client is known; unknown under 3",
            reads: "members.behaviour.client (equality)",
            monotone: 1,
            label: "the part of the accounts that post from the same application",
            show: show_share,
        },
        client_homogeneity,
    ),
    (
        Feature {
            name: "repost_share",
            unit: "share",
            formula: "median over members of reposts / posts",
            reads: "members.behaviour (posts, reposts)",
            monotone: 0,
            label: "the part of a typical member's posts that are reposts",
            show: show_share,
        },
        |g| g.median(|m| m.ratio(m.0.behaviour.reposts)),
    ),
    (
        Feature {
            name: "fast_repost_share",
            unit: "share",
            formula: "reposts within a minute of the original / reposts whose original was seen within the hour before, over all members; unknown under 3 of these",
            reads: "members.behaviour (timed_reposts, fast_reposts)",
            monotone: 0,
            label: "the part of the members' reposts that came within a minute of the original",
            show: show_share,
        },
        fast_repost_share,
    ),
    (
        Feature {
            name: "repost_lag",
            unit: "log10(1 + s)",
            formula: "median over members' reposts in the evidence of the time since the original; unknown where no original was seen within the hour before",
            reads: "evidence.posts (manner)",
            monotone: 0,
            label: "the time from a post to a member's repost of it, in half of the cases,",
            show: show_seconds,
        },
        repost_lag,
    ),
    (
        Feature {
            name: "cross_platform_share",
            unit: "share",
            formula: "1 - members on the commonest platform / members",
            reads: "members.account.platform (equality)",
            monotone: 0,
            label: "the part of the accounts that are not on the platform of most",
            show: show_share,
        },
        cross_platform_share,
    ),
    (
        Feature {
            name: "deletion_rate",
            unit: "share",
            formula: "posts seen deleted / posts, over all members; unknown when none was seen deleted",
            reads: "members.behaviour (posts, deleted)",
            monotone: 0,
            label: "the part of the members' posts that were deleted",
            show: show_share,
        },
        deletion_rate,
    ),
    (
        Feature {
            name: "handle_pattern_entropy",
            unit: "share of ln accounts",
            formula: "Shannon entropy of handle shapes (a run of letters is a, each digit is 0) / ln of named members; unknown \
                      under 3",
            reads: "members.account_name (shape)",
            monotone: -1,
            label: "how varied the shapes of the accounts' names are (0 % is all alike)",
            show: show_share,
        },
        handle_pattern_entropy,
    ),
];

/// A crowd of fewer posts has no rate to compare with.
const LEAST_POSTS: f64 = 50.0;
/// Added to both rates of a ratio: what one post in a hundred does is rare enough.
const RATE_FLOOR: f64 = 0.01;
const LEAST_KNOWN: usize = 3;
const DAY_MS: f64 = 86_400_000.0;
const MOST_LIFE_MS: f64 = 7.0 * DAY_MS;

/// What is measured of a cluster: its own group.
pub(super) struct Group<'c> {
    cluster: &'c Cluster,
    members: Vec<Own<'c>>,
    accounts: BTreeSet<&'c AccountRef>,
    /// Members' posts on each key of the evidence.
    keys: Vec<Vec<&'c PostRef>>,
}

/// A member that the cluster's own group names.
#[derive(Clone, Copy)]
struct Own<'c>(&'c Member);

impl<'c> Group<'c> {
    pub(super) fn of(cluster: &'c Cluster) -> Group<'c> {
        let members: Vec<Own<'_>> = cluster.members.iter().filter(|member| !member.elsewhere).map(Own).collect();
        let accounts: BTreeSet<&AccountRef> = members.iter().map(|member| &member.0.account).collect();
        let own = |post: &&PostRef| accounts.contains(&post.account);
        let keys = cluster.evidence.iter().map(|key| key.posts.iter().filter(own).collect()).collect();
        Group { cluster, members, accounts, keys }
    }

    fn behaviours(&self) -> impl Iterator<Item = &'c Behaviour> {
        self.members.iter().map(|member| &member.0.behaviour)
    }

    /// The median over members of what is known of them.
    fn median(&self, of: impl Fn(&Own<'c>) -> Option<f64>) -> Option<f64> {
        quantile(&mut self.members.iter().filter_map(of).collect::<Vec<f64>>(), 0.5)
    }

    fn best_window(&self) -> Option<&'c WindowSum> {
        self.cluster.windows.get(self.cluster.best_window())
    }

    /// The window in which most posts of the group repeat members' own words (of equal ones the first), with their share.
    fn own_words(&self) -> Option<(&'c WindowSum, f64)> {
        let shares =
            self.cluster.windows.iter().filter_map(|w| Some((w, share(&w.group, TrialOutcome::OwnWords, 1.0)?)));
        shares.reduce(|best, next| if next.1 > best.1 { next } else { best })
    }

    fn best_share(&self, outcome: TrialOutcome) -> Option<f64> {
        share(&self.best_window()?.group, outcome, 1.0)
    }

    /// ln of how many times as often the group's posts have this outcome as those of others.
    fn over(&self, outcome: TrialOutcome, others: fn(&WindowSum) -> [u64; 5]) -> Option<f64> {
        let window = match outcome {
            TrialOutcome::OwnWords => self.own_words()?.0,
            _ => self.best_window()?,
        };
        let (own, theirs) = (share(&window.group, outcome, 1.0)?, share(&others(window), outcome, LEAST_POSTS)?);
        Some(((own + RATE_FLOOR) / (theirs + RATE_FLOOR)).ln())
    }

    /// Gains of each source in the best window.
    fn source_nats(&self) -> impl Iterator<Item = f64> {
        let best = self.cluster.best_window();
        self.cluster.nats_by_source.iter().map(move |source| source.nats.get(best).map_or(0.0, |nats| nats.max(0.0)))
    }

    /// Milliseconds from the stream's first use of a key to the last post in the evidence; `None` where that is no time.
    fn watched(&self) -> Option<f64> {
        let Cluster { terms, history, last_seen, .. } = self.cluster;
        let watched = *history as f64 + (last_seen.saturating_sub(terms.born) as f64).max(0.0);
        (watched > 0.0).then_some(watched)
    }

    /// Whether all hours of a day were watched.
    fn has_watched_a_day(&self) -> bool {
        self.watched().is_some_and(|watched| watched >= DAY_MS)
    }
}

impl Own<'_> {
    /// Its posts with these outcomes / all that were judged.
    fn part(&self, outcomes: &[TrialOutcome]) -> Option<f64> {
        let all: u64 = self.0.outcomes.iter().map(|n| u64::from(*n)).sum();
        let some: u64 = outcomes.iter().map(|outcome| u64::from(self.0.outcomes[*outcome as usize])).sum();
        (all > 0).then(|| some as f64 / all as f64)
    }

    /// So many of its posts / its posts.
    fn ratio(&self, part: u64) -> Option<f64> {
        let posts = self.0.behaviour.posts;
        (posts > 0).then(|| (part as f64 / posts as f64).min(1.0))
    }

    /// Milliseconds between its first and its last post, at most seven days.
    fn life(&self) -> f64 {
        let Behaviour { first_post, last_post, .. } = self.0.behaviour;
        (last_post.saturating_sub(first_post) as f64).clamp(0.0, MOST_LIFE_MS)
    }
}

/// The share of one outcome; unknown under so many posts.
fn share(counts: &[u64; 5], outcome: TrialOutcome, least: f64) -> Option<f64> {
    let all: f64 = counts.iter().map(|n| *n as f64).sum();
    (all >= least).then(|| counts[outcome as usize] as f64 / all)
}

fn nats_per_trial(group: &Group<'_>) -> Option<f64> {
    let window = group.best_window()?;
    let trials: f64 = window.group.iter().map(|n| *n as f64).sum();
    (trials > 0.0).then(|| window.nats / trials)
}

fn nats_share(group: &Group<'_>, kind: TraceKind) -> Option<f64> {
    let gains = &group.cluster.nats_by_kind;
    let total = sum(gains.iter().map(|&(_, nats)| nats.max(0.0)).collect());
    let own = gains.iter().filter(|&&(k, _)| k == kind);
    let own = sum(own.map(|&(_, nats)| nats.max(0.0)).collect());
    (total > 0.0).then(|| own / total)
}

fn best_source_share(group: &Group<'_>) -> Option<f64> {
    let best = group.source_nats().max_by(f64::total_cmp)?;
    let all = sum(group.source_nats().collect());
    (all > 0.0).then(|| best / all)
}

/// When each member first posted on a key, in order.
fn first_posts(posts: &[&PostRef]) -> Vec<Millis> {
    let mut first: BTreeMap<&AccountRef, Millis> = BTreeMap::new();
    for post in posts {
        let at = first.entry(&post.account).or_insert(post.created_at);
        *at = post.created_at.min(*at);
    }
    let mut times: Vec<Millis> = first.into_values().collect();
    times.sort_unstable();
    times
}

fn delay_quantile(group: &Group<'_>, q: f64) -> Option<f64> {
    let mut delays = Vec::new();
    for posts in &group.keys {
        let times = first_posts(posts);
        delays.extend(times.windows(2).map(|pair| pair[1].saturating_sub(pair[0]) as f64 / 1_000.0));
    }
    quantile(&mut delays, q).map(log10_1p)
}

/// A near miss lists whom it was proposed of, and one text by many accounts whoever wrote it: neither was named.
fn has_names(group: &Group<'_>) -> bool {
    !group.cluster.namings.is_empty() && !group.members.is_empty()
}

fn named_share(group: &Group<'_>) -> Option<f64> {
    let proposed = group.cluster.terms.proposed;
    let named = group.members.iter().filter(|member| member.0.proposed).count();
    (has_names(group) && proposed > 0).then(|| (named as f64 / proposed as f64).min(1.0))
}

fn found_share(group: &Group<'_>) -> Option<f64> {
    let found = group.members.iter().filter(|member| !member.0.proposed).count();
    has_names(group).then(|| found as f64 / group.members.len() as f64)
}

fn copy_coverage(group: &Group<'_>) -> Option<f64> {
    let covered = group.keys.iter().flatten().filter_map(|post| match post.manner {
        Manner::Copied(thousandths) => Some((f64::from(thousandths) / 1_000.0).min(1.0)),
        Manner::Plain | Manner::After(_) => None,
    });
    quantile(&mut covered.collect::<Vec<f64>>(), 0.5)
}

fn members_per_key(group: &Group<'_>) -> Option<f64> {
    let members = group.members.len() as f64;
    let on_key =
        group.keys.iter().filter(|posts| !posts.is_empty()).map(|posts| first_posts(posts).len() as f64 / members);
    quantile(&mut on_key.collect::<Vec<f64>>(), 0.5)
}

fn account_life_share(group: &Group<'_>) -> Option<f64> {
    let watched = group.watched()?.min(MOST_LIFE_MS);
    group.median(|member| Some((member.life() / watched).min(1.0)))
}

fn rate(member: &Own<'_>) -> Option<f64> {
    let Behaviour { posts, first_post, last_post, .. } = member.0.behaviour;
    let hours = (last_post.saturating_sub(first_post) as f64 / 3_600_000.0).max(1.0);
    (posts > 0).then(|| (posts as f64 / hours).log10())
}

fn tie_density(group: &Group<'_>) -> Option<f64> {
    let members = group.members.len();
    let pairs = members * members.saturating_sub(1) / 2;
    let own = |tie: &&Tie| group.accounts.contains(&tie.a) && group.accounts.contains(&tie.b);
    let own = group.cluster.ties.iter().filter(own);
    let tied: BTreeSet<_> = own.map(|tie| (&tie.a, &tie.b)).collect();
    (pairs > 0).then(|| (tied.len() as f64 / pairs as f64).min(1.0))
}

fn creation_days(group: &Group<'_>) -> Option<Vec<f64>> {
    let known = group.behaviours().filter_map(|behaviour| behaviour.created_at);
    let mut days: Vec<f64> = known.map(|at| at as f64 / DAY_MS).collect();
    days.sort_by(f64::total_cmp);
    (days.len() >= LEAST_KNOWN).then_some(days)
}

fn creation_spread(group: &Group<'_>) -> Option<f64> {
    let mut days = creation_days(group)?;
    Some(log10_1p(quantile(&mut days, 0.75)? - quantile(&mut days, 0.25)?))
}

fn creation_burst(group: &Group<'_>) -> Option<f64> {
    let days = creation_days(group)?;
    let within_week = |from: &f64| days.iter().filter(|&day| (0.0..7.0).contains(&(day - from))).count();
    let most = days.iter().map(within_week).max()?;
    Some(most as f64 / days.len() as f64)
}

fn default_profile_share(group: &Group<'_>) -> Option<f64> {
    let known = group.behaviours().filter_map(|behaviour| behaviour.default_profile);
    let known: Vec<bool> = known.collect();
    let defaults = known.iter().filter(|&&is_default| is_default).count();
    (known.len() >= LEAST_KNOWN).then(|| defaults as f64 / known.len() as f64)
}

fn hour_entropy(group: &Group<'_>) -> Option<f64> {
    group.has_watched_a_day().then_some(())?;
    let mut by_hour: [Vec<f64>; 24] = Default::default();
    for behaviour in group.behaviours() {
        let posts: u32 = behaviour.hours.iter().sum();
        if posts > 0 {
            for (hour, &n) in by_hour.iter_mut().zip(&behaviour.hours) {
                hour.push(f64::from(n) / f64::from(posts));
            }
        }
    }
    entropy(by_hour.into_iter().map(sum)).map(|h| h / 24f64.ln())
}

fn client_homogeneity(group: &Group<'_>) -> Option<f64> {
    let mut clients: BTreeMap<&str, usize> = BTreeMap::new();
    for client in group.behaviours().filter_map(|behaviour| behaviour.client.as_deref()) {
        *clients.entry(client).or_default() += 1;
    }
    let known: usize = clients.values().sum();
    let most = clients.into_values().max()?;
    (known >= LEAST_KNOWN).then(|| most as f64 / known as f64)
}

/// A stream without deletions and one in which nothing was deleted look the same, so no deletion is "not known".
fn deletion_rate(group: &Group<'_>) -> Option<f64> {
    let deleted: u64 = group.behaviours().map(|b| b.deleted).sum();
    let posts: u64 = group.behaviours().map(|b| b.posts).sum();
    (deleted > 0 && posts > 0).then(|| (deleted as f64 / posts as f64).min(1.0))
}

/// Members are weighted by how much their own hours differ: who posts around the clock lives in no time zone.
fn hour_agreement(group: &Group<'_>) -> Option<f64> {
    const LEAST_POSTS: u32 = 5;
    group.has_watched_a_day().then_some(())?;
    let (mut xs, mut ys, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
    for hours in group.behaviours().map(|behaviour| &behaviour.hours) {
        let posts: u32 = hours.iter().sum();
        if posts >= LEAST_POSTS {
            let mean = |part: fn(f64) -> f64| {
                let weighted = (0u32..)
                    .zip(hours)
                    .map(|(hour, &n)| f64::from(n) * part(std::f64::consts::TAU * f64::from(hour) / 24.0));
                weighted.sum::<f64>() / f64::from(posts)
            };
            let (x, y) = (mean(f64::cos), mean(f64::sin));
            xs.push(x);
            ys.push(y);
            lengths.push(x.hypot(y));
        }
    }
    let known = lengths.len();
    let total = sum(lengths);
    (known >= LEAST_KNOWN && total > 1e-9).then(|| (sum(xs).hypot(sum(ys)) / total).min(1.0))
}

fn fast_repost_share(group: &Group<'_>) -> Option<f64> {
    let count = |of: fn(&Behaviour) -> u64| group.behaviours().map(of).sum::<u64>();
    let (timed, fast) = (count(|b| b.timed_reposts), count(|b| b.fast_reposts));
    (timed >= LEAST_KNOWN as u64).then(|| (fast as f64 / timed as f64).min(1.0))
}

fn repost_lag(group: &Group<'_>) -> Option<f64> {
    let posts = group.keys.iter().flatten();
    let mut lags: Vec<f64> = posts
        .filter_map(|post| match post.manner {
            Manner::After(ms) => Some(f64::from(ms) / 1_000.0),
            Manner::Plain | Manner::Copied(_) => None,
        })
        .collect();
    quantile(&mut lags, 0.5).map(log10_1p)
}

fn cross_platform_share(group: &Group<'_>) -> Option<f64> {
    let mut platforms: BTreeMap<&str, usize> = BTreeMap::new();
    for member in &group.members {
        *platforms.entry(&member.0.account.platform).or_default() += 1;
    }
    let most = platforms.into_values().max()?;
    Some(1.0 - most as f64 / group.members.len() as f64)
}

fn handle_pattern_entropy(group: &Group<'_>) -> Option<f64> {
    let mut shapes: BTreeMap<String, usize> = BTreeMap::new();
    for name in group.members.iter().map(|member| &member.0.account_name).filter(|name| !name.is_empty()) {
        *shapes.entry(handle_shape(name)).or_default() += 1;
    }
    let named: usize = shapes.values().sum();
    if named < LEAST_KNOWN {
        return None;
    }
    entropy(shapes.into_values().map(|n| n as f64)).map(|h| h / (named as f64).ln())
}

/// The shape of a name: `Anna_Berg84721` and `joe_x10293` are both `a_a00000`.
fn handle_shape(name: &str) -> String {
    let mut shape = String::new();
    for c in name.chars() {
        if c.is_numeric() {
            shape.push('0');
        } else if !c.is_alphabetic() {
            shape.push(c);
        } else if !shape.ends_with('a') {
            shape.push('a');
        }
    }
    shape
}

#[cfg(test)]
mod tests;
