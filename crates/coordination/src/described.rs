//! A group, its accounts and ties in the terms of a cluster: numbers as of a moment, names in place of inner numbers.

use crate::{
    accounts::{AccountId, Accounts},
    cluster::{
        Cluster, DroppedSource, Evidence, Finding, Member, PostRef, SourceNats, Terms, Tie, Unlisted, WINDOWS,
        WindowSum,
    },
    gains::{KeyEvidence, SourceGains},
    group::{Group, GroupId},
    judge::Judge,
    naming::Judged,
    network::Network,
    params::Params,
    post::Millis,
    tie::{Edge, Pair},
    uses::Uses,
};

/// Sources and ties told of a cluster, the strongest.
const MOST_SOURCES: usize = 100;
const MOST_TIES: usize = 1_000;

/// What a tick is told of.
pub(crate) struct Moment<'e> {
    pub at: Millis,
    /// The stream has ended.
    pub last: bool,
    /// Groups proposed so far.
    pub proposed: u64,
    /// Groups that will be dropped, in order.
    pub leaving: &'e [GroupId],
    pub uses: &'e Uses,
    pub network: &'e Network,
    pub accounts: &'e Accounts,
    pub judge: &'e dyn Judge,
    pub params: &'e Params,
}

impl Moment<'_> {
    /// Whether it is the last moment at which a group's accounts can be named: before the stream ends, the group goes, or what it did is
    /// forgotten, of its very last posts too.
    pub(crate) fn is_last_for(&self, id: GroupId, group: &Group) -> bool {
        self.last || self.leaving.binary_search(&id).is_ok() || self.at >= self.last_from(group)
    }

    /// From when on it is the last moment because what the group did is about to be forgotten.
    pub(crate) fn last_from(&self, group: &Group) -> Millis {
        group.touched.saturating_add(self.params.retention / 2)
    }
}

/// An account of which nothing but its being proposed is said.
pub(crate) fn proposed(account: AccountId) -> Judged {
    Judged { account, nats: 0.0, posterior: 0.0, outcomes: [0; 5], dropped: Default::default(), proposed: true }
}

pub(crate) fn member(judged: &Judged, naming: usize, elsewhere: bool, accounts: &Accounts) -> Option<Member> {
    let known = accounts.get(judged.account)?;
    let mut behaviour = known.behaviour.clone();
    behaviour.posts_on_cluster_keys = judged.outcomes[..4].iter().map(|n| u64::from(*n)).sum();
    Some(Member {
        account: accounts.name(judged.account),
        account_name: known.name.to_string(),
        log_e: judged.nats,
        posterior: (judged.posterior > 0.0).then_some(judged.posterior),
        outcomes: judged.outcomes,
        dropped: judged
            .dropped
            .iter()
            .map(|(name, nats)| DroppedSource { kind: name.source_kind, source: name.source().to_owned(), nats: *nats })
            .collect(),
        proposed: judged.proposed,
        naming,
        elsewhere,
        behaviour,
    })
}

/// A group's numbers, without members and identity.
pub(crate) fn numbers(group: &Group, terms: Terms, finding: Finding, moment: &Moment<'_>) -> Cluster {
    let trials = moment.uses.trials();
    let windows: Vec<WindowSum> = (0..3)
        .map(|at| {
            let (crowd, near) = group.others(at, trials);
            let (nats, losses) = (group.nats[at], group.losses[at]);
            WindowSum { width: WINDOWS[at], nats, losses, group: group.outcomes[at], crowd, near }
        })
        .collect();
    let best = (1..3).fold(0, |best, at| if group.nats[at] > group.nats[best] { at } else { best });
    let mut sources: Vec<&SourceGains> = group.gains.sources().map(|(_, source)| source).collect();
    sources.sort_by(|x, y| {
        let name = |source: &SourceGains| (source.name.source_kind, source.name.source().to_owned());
        y.nats[best].total_cmp(&x.nats[best]).then_with(|| name(x).cmp(&name(y)))
    });
    let mut unlisted = Unlisted::from(group.gains.not_listed);
    for source in sources.iter().skip(MOST_SOURCES) {
        unlisted.sources += 1;
        unlisted.source_nats.iter_mut().zip(source.nats).for_each(|(sum, nats)| *sum += nats);
    }
    sources.truncate(MOST_SOURCES);
    let sources = sources.into_iter().map(|source| SourceNats {
        kind: source.name.source_kind,
        source: source.name.source().to_owned(),
        nats: source.nats,
    });
    let mut evidence: Vec<Evidence> = group.gains.evidence().map(|key| listed(key, moment.accounts)).collect();
    evidence.sort_by(|x, y| {
        let key = |e: &Evidence| (e.kind, e.source.clone(), e.key.clone());
        y.nats[best].total_cmp(&x.nats[best]).then_with(|| key(x).cmp(&key(y)))
    });
    let times = || evidence.iter().flat_map(|e| e.posts.iter().map(|post| post.created_at));
    let kinds = group.gains.kinds.iter().map(|(kind, nats)| (kind, nats[best]));
    Cluster {
        id: String::new(),
        version: 1,
        lineage: Vec::new(),
        absorbed: Vec::new(),
        split_from: None,
        near_misses: Vec::new(),
        finding,
        single_source: None,
        flagged: false,
        members: Vec::new(),
        first_seen: times().min().unwrap_or(group.born),
        last_seen: times().max().unwrap_or(group.touched),
        log_e: group.log_e(),
        log_e_leave_one_source_out: group.leave_one_out(),
        candidates_tested: moment.proposed,
        terms,
        history: group.history,
        windows,
        namings: Vec::new(),
        nats_by_kind: kinds.filter(|(_, nats)| *nats != 0.0).collect(),
        nats_by_source: sources.collect(),
        unlisted,
        evidence,
        ties: Vec::new(),
    }
}

fn listed(key: &KeyEvidence, accounts: &Accounts) -> Evidence {
    let mut posts: Vec<PostRef> = key
        .posts
        .iter()
        .map(|post| PostRef {
            created_at: post.at,
            id: post.post.id.to_string(),
            position: post.post.position,
            account: accounts.name(post.account),
            manner: post.manner,
            gains: post.gains,
        })
        .collect();
    posts.sort_by(|x, y| (x.created_at, &x.id, &x.account).cmp(&(y.created_at, &y.id, &y.account)));
    Evidence {
        kind: key.name.kind,
        key: key.name.key.to_string(),
        source: key.name.source().to_owned(),
        source_kind: key.name.source_kind,
        nats: key.nats,
        posts,
    }
}

/// The strongest ties among some accounts.
pub(crate) fn ties(members: &[AccountId], moment: &Moment<'_>) -> Vec<Tie> {
    let mut pairs: Vec<(Pair, f64)> = Vec::new();
    for &one in members {
        let others = moment.network.neighbours(one);
        let later = &others[others.partition_point(|other| other.account <= one)..];
        let among = later.iter().filter(|other| members.binary_search(&other.account).is_ok());
        pairs.extend(among.map(|other| ((one, other.account), other.nats)));
    }
    pairs.sort_by(|x, y| y.1.total_cmp(&x.1).then(x.0.cmp(&y.0)));
    pairs.truncate(MOST_TIES);
    let edge = |pair: Pair| tie(pair, moment.network.edge(pair)?, moment.accounts);
    let mut ties: Vec<Tie> = pairs.into_iter().filter_map(|(pair, _)| edge(pair)).collect();
    sort_ties(&mut ties);
    ties
}

pub(crate) fn tie((a, b): Pair, edge: &Edge, accounts: &Accounts) -> Option<Tie> {
    accounts.get(a)?;
    accounts.get(b)?;
    let (a, b) = (accounts.name(a), accounts.name(b));
    let (a, b) = if a <= b { (a, b) } else { (b, a) };
    let Edge { keys, expected, nats, kind, lag } = *edge;
    Some(Tie { a, b, kind, co_acts: keys, expected, nats, median_lag_s: lag })
}

pub(crate) fn sort_ties(ties: &mut [Tie]) {
    ties.sort_by(|x, y| y.nats.total_cmp(&x.nats).then_with(|| (&x.a, &x.b).cmp(&(&y.a, &y.b))));
}
