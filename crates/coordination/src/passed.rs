//! Groups that have passed: the results for each, and the groups of each account.

use serde::{Deserialize, Serialize};

use crate::{
    accounts::AccountId,
    cluster::{Cluster, Finding, Naming, Terms},
    hash::Map,
    judge::Judge,
    naming::{Judged, Named},
    post::Millis,
    uses::Uses,
};

/// A group that has passed.
#[derive(Serialize, Deserialize)]
pub(crate) struct Passed {
    /// The finding: coordinated or single source.
    pub finding: Finding,
    pub terms: Terms,
    /// Accounts that it names, sorted, each with the naming that its numbers come from.
    pub named: Vec<(u32, Judged)>,
    pub namings: Vec<Naming>,
    /// Others with evidence for them, by the last naming.
    pub others: Vec<Judged>,
    /// Number of trials, and time, when accounts were last named.
    pub named_trials: u64,
    pub named_at: Millis,
    /// Evidence at that time, nats.
    pub strength: f64,
    /// Its cluster at that time, by itself: the judge sees it, and it is reported.
    pub draft: Option<Box<Cluster>>,
    /// The judgement of that cluster.
    pub flagged: bool,
    /// Whether it is no longer valid.
    pub faded: bool,
    /// Whether it has ever named an account.
    pub has_named: bool,
}

impl Passed {
    /// Adopts the result of a naming. Accounts that were named before and have posted nothing since
    /// remain named: inactivity changes nothing.
    pub(crate) fn take(&mut self, now: Named, uses: &Uses) {
        let from = now.terms.from;
        let silent = |account: AccountId| {
            uses.account(account).and_then(|known| known.posts.back()).is_none_or(|(last, _)| *last < from)
        };
        self.named.retain(|(_, judged)| {
            silent(judged.account) && now.named.binary_search_by_key(&judged.account, |new| new.account).is_err()
        });
        let mut namings = vec![now.terms];
        for (naming, _) in &mut self.named {
            let terms = self.namings[*naming as usize];
            let place = namings.iter().position(|known| *known == terms);
            *naming = place.unwrap_or_else(|| {
                namings.push(terms);
                namings.len() - 1
            }) as u32;
        }
        self.named.extend(now.named.into_iter().map(|judged| (0, judged)));
        self.named.sort_unstable_by_key(|(_, judged)| judged.account);
        (self.namings, self.others) = (namings, now.others);
        (self.faded, self.has_named) = (false, true);
    }

    /// Judges its cluster, if it is coordinated.
    pub(crate) fn judge(&mut self, judge: &dyn Judge) {
        let coordinated = self.finding == Finding::Coordinated;
        self.flagged = coordinated && self.draft.as_ref().is_some_and(|draft| judge.inauthentic(draft));
    }

    /// Accounts that it names, sorted.
    pub(crate) fn members(&self) -> Vec<AccountId> {
        self.named.iter().map(|(_, judged)| judged.account).collect()
    }
}

/// Groups that have passed, by their accounts.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Discovered {
    sizes: Vec<u32>,
    of: Map<AccountId, Vec<u32>>,
}

impl Discovered {
    /// Whether these accounts share at least `share` of the smaller group's with a group that has
    /// passed before.
    pub(crate) fn knows(&self, members: &[AccountId], share: f64) -> bool {
        let mut both: Map<u32, u32> = Map::default();
        for member in members {
            for place in self.of.get(member).into_iter().flatten() {
                *both.entry(*place).or_insert(0) += 1;
            }
        }
        both.into_iter().any(|(place, both)| {
            let smaller = (self.sizes[place as usize] as usize).min(members.len());
            f64::from(both) >= share * smaller as f64
        })
    }

    /// Adds a group that has passed.
    pub(crate) fn add(&mut self, members: &[AccountId]) {
        let place = self.sizes.len() as u32;
        self.sizes.push(members.len() as u32);
        members.iter().for_each(|member| self.of.entry(*member).or_default().push(place));
    }
}
