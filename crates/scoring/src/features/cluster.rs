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

mod values;

use coordination::{TraceKind, TrialOutcome};

pub(super) use self::values::Group;
pub(crate) use self::values::half_span_s;
use self::values::{
    account_life_share, best_source_share, client_homogeneity, copy_coverage, creation_burst, creation_spread,
    cross_platform_share, default_profile_share, delay_quantile, deletion_rate, fast_repost_share, found_share,
    handle_pattern_entropy, hour_agreement, hour_entropy, members_per_key, named_share, nats_per_trial, nats_share,
    rate, repost_lag, tie_density,
};
use super::{
    Feature, Table, described, entropy, evenness, log10_1p, show_days, show_nats_each, show_number, show_seconds,
    show_share, show_times,
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

#[cfg(test)]
mod tests;
