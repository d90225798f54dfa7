//! The features of a cluster.
//!
//! A model that uses them decides whether a *coordinated* group is inauthentic. A parliament, a
//! party's supporters, newsrooms with a news agency, a fandom, a conference, users of a share
//! button and prize hunters are coordinated as well, and must not be called inauthentic.
//!
//! Everything is measured on the cluster's own group: counts of the test on the proposed group,
//! everything else on the accounts that the group's own naming names. Members that only another
//! group names, which was merged into the cluster ([`Member::elsewhere`]), are left out everywhere.
//! So merging changes no value: the judge, which is asked before the merge, uses the same values as
//! a reader afterwards.
//!
//! # Possible errors, and how features avoid them
//! - *One loud member* makes most of a group's posts: the value over all posts (`own_words_share`)
//!   is accompanied by that of a typical member (`own_words_typical`).
//! - *Everybody copies*: in a crowd that shares slogans or agency reports, a group that does so is
//!   not special. Shares are accompanied by their ratios to the crowd and to the accounts near the
//!   group. With fewer than 50 posts of these the ratio is not known.
//! - *A short file*: after an hour nobody has posted at night, and no account has lived longer than
//!   an hour. The hours of the day are not known until a day was observed. `account_life` is short
//!   for everybody then, so `account_life_share` divides it by the observed time.
//! - *A stream filtered by a word* shows few posts of each account, so innocent accounts have lives
//!   of minutes in it as well. For this reason both lives are medians over members, and no rule
//!   should depend on them alone.
//! - *Cover traffic*: an operation that posts much else lowers every share. The evidence per post
//!   (`nats_per_trial`) falls as well; copies, delays and the properties of the accounts remain.
//! - *Own wordings*: an operation that rewrites each text leaves no copies. `rare_share`, delays
//!   and accounts' ages remain.
//!
//! # Left out
//! - `log_e`, `log_e_leave_one_source_out` and the number of accounts: they grow with the observed
//!   time, and a parliament has the most.
//! - The entropies of sources and of keys: they grow with the number of keys, and the latter made
//!   real operations look innocent. Evennesses replace them, which do not change if the same number
//!   of keys is added again.
//! - The spread of wordings: it was an estimate that changed when words were replaced, and it made
//!   real operations look innocent as well. `copy_coverage` replaces it.
//! - The number of tested groups, the threshold and the hours of history: they say when a group was
//!   found, not what it does.
//! - Words, topics, targets, languages, followers, numbers of links and tags in a post: viewpoints,
//!   fame and formats.

mod behaviour;
mod evidence;
mod values;

pub(super) use self::values::Group;
pub(crate) use self::values::half_span_s;
use super::{Feature, Table, described};

/// All features of a cluster, in the order of every dataset row and every model's weights.
pub static FEATURES: [Feature; 46] = described(&TABLE);

/// Each with its value, or `None` if it is not known.
pub(super) const TABLE: Table<fn(&Group<'_>) -> Option<f64>, 46> = joined(&evidence::TABLE, &behaviour::TABLE);

/// Two tables as one.
const fn joined<F: Copy, const A: usize, const B: usize, const ALL: usize>(
    first: &Table<F, A>,
    second: &Table<F, B>,
) -> Table<F, ALL> {
    assert!(A + B == ALL, "the number of features has changed");
    let mut all = [first[0]; ALL];
    let mut at = 0;
    while at < ALL {
        all[at] = if at < A { first[at] } else { second[at - A] };
        at += 1;
    }
    all
}

#[cfg(test)]
mod tests;
