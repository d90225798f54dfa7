//! One text by many accounts: a template that hundreds of accounts use once each. It is a count
//! (accounts, period, text) and not a test.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    accounts::{AccountId, Accounts},
    cluster::{Cluster, Evidence, Finding, Manner, PostRef, SingleSource, Terms, Unlisted},
    described::{Moment, member, proposed},
    hash::{Map, hash_strs},
    params::Params,
    post::{Millis, PostName},
    trace::TraceKind,
    uses::{KeyId, KeyName, Trial, Uses},
};

/// Most accounts of one text that are remembered, and most texts.
const MOST_ACCOUNTS: usize = 5_000;
const MOST_TEXTS: usize = 10_000;
/// A text is reported again when it has this many times the accounts of the last report.
const MORE: f64 = 1.25;

#[derive(Serialize, Deserialize)]
struct Flood {
    name: Arc<KeyName>,
    /// First post of each account.
    accounts: Map<AccountId, (Millis, PostName)>,
    /// Number of accounts beyond those remembered.
    more: u64,
    last: Millis,
    version: u32,
    reported: usize,
}

/// Texts of many accounts.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Floods {
    texts: BTreeMap<KeyId, Flood>,
}

impl Floods {
    /// Processes a post that [`Uses`] has just processed.
    pub(crate) fn trial(&mut self, trial: &Trial, uses: &Uses, params: &Params) {
        for used in trial.uses.iter().filter(|used| used.name.kind == TraceKind::Text) {
            let Some(key) = uses.key(used.key) else { continue };
            let flood = match self.texts.get_mut(&used.key) {
                Some(flood) => flood,
                None if key.uses.len() < params.one_text_accounts => continue,
                None => {
                    let mut flood = Flood {
                        name: used.name.clone(),
                        accounts: Map::default(),
                        more: 0,
                        last: trial.at,
                        version: 0,
                        reported: 0,
                    };
                    for (at, account, post) in key.posts().take(MOST_ACCOUNTS) {
                        flood.accounts.insert(account, (at, post.clone()));
                    }
                    self.texts.entry(used.key).or_insert(flood)
                }
            };
            flood.last = flood.last.max(trial.at);
            if flood.accounts.len() < MOST_ACCOUNTS {
                flood.accounts.entry(trial.account).or_insert_with(|| (trial.at, trial.post.clone()));
            } else if !flood.accounts.contains_key(&trial.account) {
                flood.more += 1;
            }
        }
    }

    /// Reports texts that many more accounts have written; at the end of the stream, all of them. A
    /// text is not reported if other findings already name its accounts.
    pub(crate) fn tell(&mut self, moment: &Moment<'_>, named: impl Fn(AccountId) -> bool, clusters: &mut Vec<Cluster>) {
        let retention = moment.params.candidate_retention;
        if !moment.last {
            self.texts.retain(|_, flood| moment.at - flood.last <= retention);
        }
        if self.texts.len() > MOST_TEXTS {
            let mut order: Vec<(Millis, KeyId)> = self.texts.iter().map(|(id, flood)| (flood.last, *id)).collect();
            order.sort_unstable();
            for (_, id) in &order[..self.texts.len() - MOST_TEXTS] {
                self.texts.remove(id);
            }
        }
        for flood in self.texts.values_mut() {
            let known = flood.accounts.len();
            if known == flood.reported || (!moment.last && (known as f64) < MORE * flood.reported as f64) {
                continue;
            }
            let others = flood.accounts.keys().filter(|account| named(**account)).count();
            if 2 * others >= known {
                continue;
            }
            flood.reported = known;
            flood.version += 1;
            clusters.push(flood.cluster(moment));
        }
    }
}

impl Flood {
    fn cluster(&self, moment: &Moment<'_>) -> Cluster {
        let accounts: &Accounts = moment.accounts;
        let mut posts: Vec<PostRef> = self
            .accounts
            .iter()
            .filter(|(account, _)| accounts.get(**account).is_some())
            .map(|(account, (at, post))| PostRef {
                created_at: *at,
                id: post.id.to_string(),
                position: post.position,
                account: accounts.name(*account),
                manner: Manner::Plain,
                gains: [None; 3],
            })
            .collect();
        posts.sort_by(|x, y| (x.created_at, &x.id, &x.account).cmp(&(y.created_at, &y.id, &y.account)));
        let mut members: Vec<_> =
            self.accounts.keys().filter_map(|account| member(&proposed(*account), 0, false, accounts)).collect();
        members.sort_by(|x, y| x.account.cmp(&y.account));
        let (first_seen, last_seen) = (
            posts.first().map_or(self.last, |post| post.created_at),
            posts.last().map_or(self.last, |post| post.created_at),
        );
        Cluster {
            id: format!("t-{:016x}", hash_strs(first_seen as u64, &[&self.name.key])),
            version: self.version,
            lineage: Vec::new(),
            absorbed: Vec::new(),
            split_from: None,
            near_misses: Vec::new(),
            finding: Finding::SingleSource,
            single_source: Some(SingleSource::OneText),
            flagged: false,
            members,
            first_seen,
            last_seen,
            log_e: 0.0,
            log_e_leave_one_source_out: 0.0,
            candidates_tested: moment.proposed,
            terms: Terms { proposed: self.accounts.len() + self.more as usize, ..Terms::default() },
            history: 0,
            windows: Vec::new(),
            namings: Vec::new(),
            nats_by_kind: Vec::new(),
            nats_by_source: Vec::new(),
            evidence: vec![Evidence {
                kind: TraceKind::Text,
                key: self.name.key.to_string(),
                source: self.name.source().to_owned(),
                source_kind: self.name.source_kind,
                nats: [0.0; 3],
                posts,
            }],
            unlisted: Unlisted::default(),
            ties: Vec::new(),
        }
    }
}
