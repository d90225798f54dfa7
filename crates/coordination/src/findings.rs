//! The findings: which groups pass, which accounts they name, and what is reported of them.

mod near_misses;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use self::near_misses::{NearMisses, near_miss_id};
use crate::{
    accounts::AccountId,
    campaigns::{Campaign, Standing, campaigns},
    cluster::{AccountRef, Cluster, Finding, Terms},
    described::{Moment, member, numbers, sort_ties, ties},
    error_control::e_lond_bar,
    group::{Group, GroupId},
    groups::{Groups, Members},
    hash::Map,
    identity::{Identities, Identity},
    judge::Judge,
    naming::{Judged, name},
    params::Params,
    passed::{Discovered, Passed},
    post::{DAY, Millis},
    uses::Spans,
};

/// The accounts of a group are named again when it has this many times the trials of the last time.
const MORE_TRIALS: f64 = 1.25;
/// The same for a coordinated group, and for one on a single source or one that names nobody.
const MORE_TRIALS_COORDINATED: f64 = 2.0;
const MORE_TRIALS_OTHERS: f64 = 4.0;
/// The same after a day without a post, and after two weeks.
const MORE_TRIALS_LATER: f64 = 1.1;
const TWO_WEEKS: Millis = 14 * DAY;
/// A group adds nothing, and is not named again, if a stronger group of the same verdict names this
/// part of its named accounts.
const COVERED: f64 = 0.9;
/// A group is mixed if naming finds that a smaller part of its proposed accounts are real members.
const MIXED: f64 = 0.9;

/// All findings.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Findings {
    passed: BTreeMap<GroupId, Passed>,
    /// Groups with trials since their accounts were last named.
    pending: BTreeSet<GroupId>,
    /// Number of discoveries so far: of any finding, and of coordinated ones.
    discoveries: [u64; 2],
    /// Accounts of all groups that have passed, with any finding and as coordinated, including
    /// dropped groups; and the groups of each account.
    discovered: [Discovered; 2],
    identities: Identities,
    near_misses: NearMisses,
    reported: u64,
    /// For pending groups without new trials: the time before which naming is not due. Not part of
    /// a snapshot, because it only saves work.
    #[serde(skip)]
    waiting: Map<GroupId, Millis>,
}

impl Findings {
    /// Tests the groups with new trials, names the accounts of those that pass, and reports what is
    /// new.
    pub(crate) fn tick(&mut self, moment: &Moment<'_>, groups: &mut Groups<'_>, clusters: &mut Vec<Cluster>) {
        let fresh: Vec<GroupId> = groups.take_fresh();
        let passed = self.judge(moment, &fresh, groups);
        self.pending.extend(fresh.iter().filter(|id| self.passed.contains_key(*id)));
        let named = self.name(moment, &fresh, groups);
        let leaving = moment.leaving.iter().any(|id| self.passed.contains_key(id));
        if passed || named || leaving || moment.last {
            self.tell(moment, groups, clusters);
        }
        let mut tested = if moment.last { groups.ids() } else { fresh };
        tested.retain(|id| !self.passed.contains_key(id));
        self.near_misses.report(moment, &tested, groups, self.discoveries[1], &self.discovered[0], clusters);
    }

    /// Decides which groups pass, by e-LOND: of all that is ever reported, on average at most a
    /// share of alpha is false.
    fn judge(&mut self, moment: &Moment<'_>, fresh: &[GroupId], groups: &mut Groups<'_>) -> bool {
        let params = moment.params;
        let mut some = false;
        for &id in fresh {
            let Some(group) = groups.get_mut(id) else { continue };
            let known = self.passed.get(&id).map(|passed| passed.finding);
            if known == Some(Finding::Coordinated) {
                continue;
            }
            let log_e = group.log_e();
            for (place, finding) in [Finding::SingleSource, Finding::Coordinated].into_iter().enumerate() {
                if known.is_some_and(|known| known <= finding) {
                    continue;
                }
                let bar = e_lond_bar(id, self.discoveries[place], params.alpha);
                if log_e < bar {
                    continue;
                }
                group.settle();
                if finding == Finding::Coordinated && group.leave_one_out() < bar {
                    continue;
                }
                some = true;
                let terms = terms(group, id, self.discoveries[place], params);
                if !self.discovered[place].knows(&group.members, params.same_campaign) {
                    self.discoveries[place] += 1;
                }
                self.discovered[place].add(&group.members);
                let passed = self.passed.entry(id).or_insert_with(|| Passed {
                    finding,
                    terms,
                    named: Vec::new(),
                    namings: Vec::new(),
                    others: Vec::new(),
                    named_trials: 0,
                    named_at: Millis::MIN,
                    strength: 0.0,
                    draft: None,
                    flagged: false,
                    faded: false,
                    has_named: false,
                });
                (passed.finding, passed.terms, passed.named_trials) = (finding, terms, 0);
                // It may not be named again at once, and a report needs a judgement of its present
                // state.
                passed.judge(moment.judge);
            }
        }
        some
    }

    /// The pending groups whose naming is due, sorted.
    fn due(&mut self, moment: &Moment<'_>, fresh: &[GroupId], groups: &Groups<'_>) -> Vec<GroupId> {
        let Findings { passed, pending, waiting, .. } = self;
        let mut is_due = |id: &GroupId| {
            let looked_at = moment.last || fresh.binary_search(id).is_ok() || moment.leaving.binary_search(id).is_ok();
            if !looked_at && waiting.get(id).is_some_and(|until| moment.at < *until) {
                return false;
            }
            waiting.remove(id);
            let (Some(passed), Some(group)) = (passed.get(id), groups.get(*id)) else { return false };
            let factor = match passed.finding {
                _ if passed.flagged => MORE_TRIALS,
                Finding::Coordinated if passed.has_named => MORE_TRIALS_COORDINATED,
                _ => MORE_TRIALS_OTHERS,
            };
            let more = |factor: f64| group.trials() as f64 >= factor * passed.named_trials as f64;
            let quiet_from = if more(MORE_TRIALS_LATER) {
                group.touched.saturating_add(DAY).min(passed.named_at.saturating_add(TWO_WEEKS))
            } else {
                Millis::MAX
            };
            let due = more(factor) || moment.at >= quiet_from || moment.is_last_for(*id, group);
            if !due {
                waiting.insert(*id, quiet_from.min(moment.last_from(group)));
            }
            due
        };
        pending.iter().filter(|id| is_due(id)).copied().collect()
    }

    /// Names the accounts of groups that have passed and have new posts.
    fn name(&mut self, moment: &Moment<'_>, fresh: &[GroupId], groups: &mut Groups<'_>) -> bool {
        let params = moment.params;
        let mut spans: Option<Spans> = None;
        let mut some = false;
        let due = self.due(moment, fresh, groups);
        for id in due {
            let Some(group) = groups.get_mut(id) else { continue };
            let members = group.members.clone();
            let has_named = self.passed.get(&id).is_some_and(|passed| passed.has_named);
            let is_last = moment.last || (has_named && moment.is_last_for(id, group));
            if !is_last && self.is_covered(id, &members) {
                if let Some(passed) = self.passed.get_mut(&id) {
                    (passed.named_trials, passed.named_at) = (group.trials(), moment.at);
                }
                // A group that has named accounts stays pending, so that the last names are
                // reported before the group is dropped.
                if !has_named {
                    self.pending.remove(&id);
                }
                continue;
            }
            self.pending.remove(&id);
            group.settle();
            let spans = spans.get_or_insert_with(|| moment.uses.spans());
            let now = name(&group.members, group.born, moment.uses, spans, params).unwrap_or_default();
            some = true;
            let Some(passed) = self.passed.get_mut(&id) else { continue };
            (passed.named_trials, passed.named_at) = (group.trials(), moment.at);
            let coordinated = passed.finding == Finding::Coordinated;
            passed.strength = if coordinated { group.leave_one_out() } else { group.log_e() };
            if now.named.len() < params.min_members {
                // Inactivity contradicts nothing: the last days of a group are those up to its last
                // post. The posts of its last naming must still be remembered, or naming would find
                // nobody for lack of memory.
                let remembered =
                    passed.namings.first().is_some_and(|naming| moment.at - naming.until <= params.retention);
                passed.faded =
                    passed.has_named && remembered && group.log_e_of_late(group.touched) < -params.alpha.ln();
                // An inactive group keeps its last named accounts.
                continue;
            }
            passed.take(now, moment.uses);
            let draft = groups.get(id).and_then(|group| self.draft(id, group, moment));
            if let Some(passed) = self.passed.get_mut(&id) {
                passed.draft = draft.map(Box::new);
                passed.judge(moment.judge);
            }
        }
        some
    }

    /// Whether a stronger group of the same verdict names nearly all accounts of this group. For a
    /// group that was never named: whether another group that is flagged, or is at least as good if
    /// this one is single-source, names nearly all its accounts.
    fn is_covered(&self, id: GroupId, members: &[AccountId]) -> bool {
        let Some(this) = self.passed.get(&id) else { return false };
        let own: Vec<AccountId> = if this.has_named { this.members() } else { members.to_vec() };
        self.passed.iter().any(|(other_id, other)| {
            if *other_id == id || !other.has_named || other.faded || other.named.len() < own.len() / 2 {
                return false;
            }
            let better = if this.has_named {
                (other.finding, other.flagged) == (this.finding, this.flagged)
                    && !this.faded
                    && (other.strength, *other_id) > (this.strength, id)
            } else {
                other.flagged || (this.finding == Finding::SingleSource && other.finding <= this.finding)
            };
            if !better {
                return false;
            }
            let named =
                |account: AccountId| other.named.binary_search_by_key(&account, |(_, judged)| judged.account).is_ok();
            // It ends as soon as too many are missing: most others name hardly any of them.
            let covered = |missing: usize| (own.len() - missing) as f64 >= COVERED * own.len() as f64;
            let mut missing = 0;
            own.iter().all(|account| {
                named(*account) || {
                    missing += 1;
                    covered(missing)
                }
            })
        })
    }

    fn tell(&mut self, moment: &Moment<'_>, groups: &Groups<'_>, clusters: &mut Vec<Cluster>) {
        let params = moment.params;
        let mut standings: Vec<Standing> = Vec::new();
        for (id, passed) in self.passed.iter().filter(|(_, passed)| passed.has_named) {
            if groups.get(*id).is_none() {
                continue;
            }
            let finding = if passed.faded { Finding::Faded } else { passed.finding };
            let members = passed.members();
            standings.push(Standing {
                group: *id,
                finding,
                flagged: passed.flagged && finding == Finding::Coordinated,
                strength: passed.strength,
                mixed: passed.namings.first().is_some_and(|naming| naming.share_proposed < MIXED),
                members,
            });
        }
        let campaigns = campaigns(standings, params.same_campaign);
        let called = |number: AccountId| {
            let account = moment.accounts.name(number);
            format!("{}:{}", account.platform, account.account_id)
        };
        let leaving = |campaign: &Campaign| campaign.groups.iter().any(|id| moment.leaving.binary_search(id).is_ok());
        for (place, identity) in self.identities.update(&campaigns, params, moment.at, moment.last, leaving, called) {
            if let Some(cluster) = self.cluster(&campaigns[place], identity, moment, groups) {
                self.reported += 1;
                clusters.push(cluster);
            }
        }
    }

    /// Judges again the groups that another judge judged.
    pub(crate) fn judge_again(&mut self, judge: &dyn Judge) {
        self.passed.values_mut().for_each(|passed| passed.judge(judge));
        // A flagged group is named again sooner.
        self.waiting.clear();
    }

    /// The cluster of one group by itself, as the judge sees it.
    fn draft(&self, id: GroupId, group: &Group, moment: &Moment<'_>) -> Option<Cluster> {
        let passed = self.passed.get(&id)?;
        let mut cluster = numbers(group, passed.terms, passed.finding, moment);
        cluster.namings.clone_from(&passed.namings);
        let named = passed.named.iter();
        cluster.members =
            named.filter_map(|(naming, judged)| member(judged, *naming as usize, false, moment.accounts)).collect();
        cluster.members.sort_by(|x, y| y.log_e.total_cmp(&x.log_e).then_with(|| x.account.cmp(&y.account)));
        cluster.ties = ties(&passed.members(), moment);
        Some(cluster)
    }

    /// A campaign: the numbers are those of its strongest group, and the accounts that other groups
    /// name are added.
    fn cluster(
        &self,
        campaign: &Campaign,
        identity: Identity,
        moment: &Moment<'_>,
        groups: &Groups<'_>,
    ) -> Option<Cluster> {
        let (&best, others) = campaign.groups.split_first()?;
        let mut cluster = Cluster::clone(self.passed.get(&best)?.draft.as_ref()?);
        cluster.candidates_tested = moment.proposed;
        let mut named: Map<AccountId, (usize, &Judged)> = Map::default();
        let own: Vec<AccountId> = self.passed.get(&best)?.members();
        let own_names: BTreeSet<AccountRef> = cluster.members.iter().map(|member| member.account.clone()).collect();
        for id in others {
            let passed = self.passed.get(id)?;
            let first = cluster.namings.len();
            for (naming, judged) in &passed.named {
                if own.binary_search(&judged.account).is_err() {
                    let known = named.entry(judged.account).or_insert((first + *naming as usize, judged));
                    if judged.nats > known.1.nats {
                        *known = (first + *naming as usize, judged);
                    }
                }
            }
            cluster.namings.extend(&passed.namings);
        }
        let elsewhere =
            named.into_values().filter_map(|(naming, judged)| member(judged, naming, true, moment.accounts));
        cluster.members.extend(elsewhere);
        cluster.members.sort_by(|x, y| y.log_e.total_cmp(&x.log_e).then_with(|| x.account.cmp(&y.account)));
        if !others.is_empty() {
            // The ties of its own group are those that the judge saw.
            let mut more = ties(&campaign.members, moment);
            more.retain(|tie| !own_names.contains(&tie.a) || !own_names.contains(&tie.b));
            cluster.ties.extend(more);
            sort_ties(&mut cluster.ties);
        }
        keep_used_namings(&mut cluster);
        cluster.id = identity.id;
        cluster.version = identity.version;
        cluster.lineage = identity.lineage;
        cluster.absorbed = identity.absorbed;
        cluster.split_from = identity.split_from;
        let missed = campaign.groups.iter().filter(|id| self.near_misses.contains(**id));
        cluster.near_misses =
            missed.filter_map(|id| groups.get(*id)).map(|group| near_miss_id(group, moment)).collect();
        cluster.finding = campaign.finding;
        cluster.flagged = campaign.flagged;
        cluster.single_source =
            (campaign.finding == Finding::SingleSource).then_some(crate::cluster::SingleSource::BestSource);
        Some(cluster)
    }

    /// The last report of a dropped group remains valid.
    pub(crate) fn drop_group(&mut self, id: GroupId) {
        self.passed.remove(&id);
        self.pending.remove(&id);
        self.waiting.remove(&id);
        self.near_misses.remove(id);
    }

    pub(crate) fn has_passed(&self, id: GroupId) -> bool {
        self.passed.contains_key(&id)
    }

    /// The results of naming for each account: from the strongest group, whether it names the
    /// account or not.
    pub(crate) fn judged(&self) -> BTreeMap<AccountId, (f64, f64)> {
        let mut best: BTreeMap<AccountId, (f64, f64)> = BTreeMap::new();
        for passed in self.passed.values().filter(|passed| !passed.faded) {
            for judged in passed.named.iter().map(|(_, judged)| judged).chain(&passed.others) {
                let known = best.entry(judged.account).or_insert((judged.nats, judged.posterior));
                if (judged.posterior, judged.nats) > (known.1, known.0) {
                    *known = (judged.nats, judged.posterior);
                }
            }
        }
        best
    }

    /// Whether a flagged or coordinated cluster names an account, as last reported.
    pub(crate) fn is_named(&self, account: AccountId) -> bool {
        self.identities.names(account)
    }

    pub(crate) fn discoveries(&self) -> u64 {
        self.discoveries[1]
    }

    pub(crate) fn near_misses_told(&self) -> u64 {
        self.near_misses.reported()
    }

    pub(crate) fn told(&self) -> u64 {
        self.reported
    }
}

/// Removes namings without members; the first one, of the cluster's own group, remains.
fn keep_used_namings(cluster: &mut Cluster) {
    let used = |place: usize| place == 0 || cluster.members.iter().any(|member| member.naming == place);
    let kept: Vec<usize> = (0..cluster.namings.len()).filter(|place| used(*place)).collect();
    cluster.namings = kept.iter().map(|place| cluster.namings[*place]).collect();
    for member in &mut cluster.members {
        member.naming = kept.binary_search(&member.naming).unwrap_or_default();
    }
}

/// The members as a shared slice.
pub(crate) fn shared(members: Vec<AccountId>) -> Members {
    Arc::from(members)
}

/// By which terms a group is judged after so many discoveries.
fn terms(group: &Group, number: GroupId, discoveries: u64, params: &Params) -> Terms {
    Terms {
        alpha: params.alpha,
        safety: params.safety,
        proposed: group.members.len(),
        born: group.born,
        number,
        discoveries,
        bar: e_lond_bar(number, discoveries, params.alpha),
    }
}
