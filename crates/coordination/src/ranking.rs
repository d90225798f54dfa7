//! Suspicion of every account, tested or not.
//!
//! x = the nats of its three strongest ties + 10 copies / (own texts + 5)
//! suspicion = max(log_e, 0) + (x - the mean x of equally active accounts) / 10
//!
//! `log_e` is the evidence of naming, 0 if no group judged the account. Two accounts are equally
//! active if the logarithms to the base 2 of their numbers of posts are in the same half; ten
//! imagined accounts without evidence are added. An account that posts much meets many others by
//! chance and repeats more: the mean is what its activity explains. So an account may be less
//! suspicious than one about which nothing is known.
//!
//! The constants were chosen on mix_debates_2016, embed_debates_3days, cresci2015_2012h2_light,
//! youtube_spam_2013 and mix_congress_2016: figures for these are not held out.

use std::collections::BTreeMap;

use crate::{
    accounts::{Account, AccountId, Accounts},
    network::Network,
    post::Millis,
};

/// Evidence about an account by itself.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Suspect {
    pub posts: u64,
    pub last_post: Millis,
    /// Nats of its strongest tie.
    pub tie_nats: f64,
    /// Own texts, and the number that repeat another account's.
    pub texts: u32,
    pub copies: u32,
    pub suspicion: f64,
}

/// Number of ties that count for an account.
const BEST: usize = 3;
/// Weight of the share of own texts that repeat another account's, and imagined texts without a
/// copy.
const COPIES: f64 = 10.0;
const IMAGINED_TEXTS: u32 = 5;
/// Imagined accounts without evidence, added to the equally active ones.
const IMAGINED: f64 = 10.0;
/// Weight of evidence that is not tested.
const UNTESTED: f64 = 0.1;

/// Suspicion of every account; `log_e` is the evidence of naming.
pub(crate) fn suspicion(
    accounts: &Accounts,
    network: &Network,
    log_e: impl Fn(AccountId) -> Option<f64>,
) -> BTreeMap<AccountId, Suspect> {
    let known = |account: &Account| Suspect {
        posts: account.behaviour.posts,
        last_post: account.behaviour.last_post,
        ..Suspect::default()
    };
    let mut all: BTreeMap<AccountId, Suspect> =
        accounts.iter().map(|(number, account)| (number, known(account))).collect();
    let mut best: BTreeMap<AccountId, [f64; BEST]> = BTreeMap::new();
    for ((a, b), edge) in network.edges() {
        for account in [a, b] {
            let best = best.entry(account).or_default();
            if let Some(place) = best.iter().position(|known| edge.nats > *known) {
                best[place..].rotate_right(1);
                best[place] = edge.nats;
            }
        }
    }
    for (account, best) in best {
        if let Some(known) = all.get_mut(&account) {
            (known.tie_nats, known.suspicion) = (best[0], best.iter().sum());
        }
    }
    for (account, texts, copies) in network.copying() {
        if let Some(known) = all.get_mut(&account) {
            (known.texts, known.copies) = (texts, copies);
            known.suspicion += COPIES * f64::from(copies) / f64::from(texts.saturating_add(IMAGINED_TEXTS));
        }
    }
    // In order of accounts, so that sums are the same to the last bit.
    let mut active: BTreeMap<u32, (f64, f64)> = BTreeMap::new();
    for known in all.values() {
        let sum = active.entry(activity(known.posts)).or_default();
        *sum = (sum.0 + 1.0, sum.1 + known.suspicion);
    }
    for (account, known) in &mut all {
        let (accounts, sum) = active.get(&activity(known.posts)).copied().unwrap_or_default();
        let surplus = known.suspicion - sum / (accounts + IMAGINED);
        known.suspicion = log_e(*account).unwrap_or(0.0).max(0.0) + UNTESTED * surplus;
    }
    all
}

/// The half of an octave that a number of posts is in.
fn activity(posts: u64) -> u32 {
    (2.0 * (posts.max(1) as f64).log2()) as u32
}
