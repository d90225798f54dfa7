//! Stage B: a frozen group of accounts, and the test of what its members do afterwards.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    cluster::TraceKind,
    history::{AccountId, SourceId},
    params::Params,
    post::Millis,
    ties::KeyId,
};

/// Number of a candidate, in order of birth.
pub(crate) type CandidateId = u32;

/// Probabilities of "the next actor is a member" under the alternative (DETECTION.md, stage B).
const NEXT: [f64; 3] = [0.1, 0.3, 0.7];
/// Probabilities of "this member takes part" under the alternative.
const PART: [f64; 3] = [0.2, 0.5, 0.8];
/// Added to the acts on a key when a member's chance to be among them is reckoned.
const TRIAL_MARGIN: f64 = 2.0;

/// A test of one candidate on one key, from a member's first act on it for `test_window`.
#[derive(Debug)]
pub(crate) struct Test {
    pub candidate: CandidateId,
    pub opened: Millis,
    /// Every member's expected share of acts, frozen when the test opened.
    shares: Box<[f64]>,
    /// Sum of the shares of those who have not acted.
    waiting: f64,
    /// Bit per member.
    acted: u64,
    /// Acts on the key by others than the member who opened.
    others: u32,
    log_lr: [f64; 3],
    /// Likelihood ratios of the acts by others since a member last acted, and what each further one multiplies them by.
    passing_by: [f64; 3],
    passing_by_factor: [f64; 3],
    acts: Vec<MemberAct>,
}

/// A member's first act on a key.
#[derive(Debug, Clone)]
pub(crate) struct MemberAct {
    pub at: Millis,
    /// Place in the candidate's members.
    pub member: u8,
    pub post: Arc<str>,
}

impl Test {
    pub(crate) fn open(candidate: CandidateId, shares: Box<[f64]>, first: MemberAct, safety: f64) -> Test {
        let member = usize::from(first.member);
        let mut test = Test {
            candidate,
            opened: first.at,
            waiting: shares.iter().sum::<f64>() - shares[member],
            acted: 1 << member,
            shares,
            others: 0,
            log_lr: [0.0; 3],
            passing_by: [1.0; 3],
            passing_by_factor: [1.0; 3],
            acts: vec![first],
        };
        test.expect(safety);
        test
    }

    /// Another act on the key: by a member, or by somebody else. Only a member's first act counts.
    pub(crate) fn observe(&mut self, actor: Option<MemberAct>, safety: f64) {
        let Some(act) = actor else {
            self.others += 1;
            for (ratio, factor) in self.passing_by.iter_mut().zip(self.passing_by_factor) {
                *ratio *= factor;
            }
            return;
        };
        let member = usize::from(act.member);
        if self.acted & (1 << member) != 0 {
            return;
        }
        self.others += 1;
        let h = self.chance(safety);
        for (log_lr, q) in self.log_lr.iter_mut().zip(NEXT) {
            *log_lr += (q.max(h) / h).ln();
        }
        self.acted |= 1 << member;
        self.waiting = (self.waiting - self.shares[member]).max(0.0);
        self.acts.push(act);
        self.expect(safety);
    }

    /// Chance under the null that the next actor is a member who has not acted.
    fn chance(&self, safety: f64) -> f64 {
        (safety * self.waiting).clamp(1e-9, 0.9)
    }

    /// Settles what the next act by somebody else will be worth.
    fn expect(&mut self, safety: f64) {
        let h = self.chance(safety);
        for (i, q) in NEXT.into_iter().enumerate() {
            self.log_lr[i] += self.passing_by[i].ln();
            self.passing_by[i] = 1.0;
            self.passing_by_factor[i] = (1.0 - q.max(h)) / (1.0 - h);
        }
    }

    /// ln of the key's e-value: `(1 - eps) + eps * mean of the likelihood ratios`.
    fn log_e(&self, epsilon: f64) -> f64 {
        let log_lr = [0, 1, 2].map(|i| self.log_lr[i] + self.passing_by[i].ln());
        log_sum_exp([(1.0 - epsilon).ln(), epsilon.ln() + log_mean_exp(log_lr)])
    }

    fn members_acted(&self) -> u32 {
        self.acted.count_ones()
    }

    /// Adds this key to the member tests: did each take part, where at least two others did?
    fn member_trials(&self, log_lr: &mut [[f64; 3]], safety: f64) {
        for (member, log_lr) in log_lr.iter_mut().enumerate() {
            let acted = self.acted & (1 << member) != 0;
            if self.members_acted() - u32::from(acted) < 2 {
                continue;
            }
            let acts = f64::from(self.others) + TRIAL_MARGIN;
            let p = (-(-safety * self.shares[member] * acts).exp_m1()).clamp(1e-9, 0.99);
            for (log_lr, pi) in log_lr.iter_mut().zip(PART) {
                *log_lr += if acted { (pi / p).ln() } else { ((1.0 - pi) / (1.0 - p)).ln() };
            }
        }
    }
}

/// What a key is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyName {
    pub kind: TraceKind,
    pub source: Arc<str>,
    /// Whose kind of source that is; see `Trace::source_kind`.
    pub source_kind: TraceKind,
    pub source_id: SourceId,
    pub key: Arc<str>,
}

/// The outcome of a test on a key where at least two members acted.
#[derive(Debug, Clone)]
pub(crate) struct KeyEvidence {
    pub name: KeyName,
    pub nats: f64,
    pub acts: Vec<MemberAct>,
}

/// A proposed group of accounts and the evidence for and against it.
#[derive(Debug)]
pub(crate) struct Candidate {
    /// In order of their numbers.
    pub members: Box<[AccountId]>,
    pub born: Millis,
    /// Length of the baseline at birth.
    pub history: Millis,
    /// When evidence last came in.
    pub touched: Millis,
    /// Keys with open tests.
    pub open: Vec<KeyId>,
    /// Closed tests, by source.
    closed: BTreeMap<SourceId, Closed>,
    closed_totals: Totals,
    /// The closed source with most nats, if any has more than none.
    closed_best: (SourceId, f64),
    closed_kinds: [f64; TraceKind::ALL.len()],
    member_log_lr: Vec<[f64; 3]>,
    evidence: Vec<KeyEvidence>,
    /// Closed tests on which nobody followed, and those beyond the bound on evidence.
    rest: Rest,
}

/// Nats of keys that are not listed one by one.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Rest {
    pub keys: u64,
    pub nats: f64,
}

/// Closed tests on the keys of one source.
#[derive(Debug)]
struct Closed {
    kind: TraceKind,
    source: Arc<str>,
    nats: f64,
}

/// Nats by source.
pub(crate) type BySource = BTreeMap<(TraceKind, Arc<str>), f64>;

/// A candidate's evidence at one moment, open tests included, nats.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Totals {
    pub log_e: f64,
    pub log_e_without_best: f64,
}

impl Candidate {
    pub(crate) fn new(members: Vec<AccountId>, born: Millis, history: Millis) -> Candidate {
        Candidate {
            member_log_lr: vec![[0.0; 3]; members.len()],
            members: members.into(),
            born,
            history,
            touched: born,
            open: Vec::new(),
            closed: BTreeMap::new(),
            closed_totals: Totals::default(),
            closed_best: (0, 0.0),
            closed_kinds: Default::default(),
            evidence: Vec::new(),
            rest: Rest::default(),
        }
    }

    /// The member's place, if the account is one.
    pub(crate) fn place(&self, account: AccountId) -> Option<u8> {
        self.members.binary_search(&account).ok().map(|i| i as u8)
    }

    /// Takes in the outcome of a test.
    pub(crate) fn close(&mut self, name: KeyName, test: Test, params: &Params) {
        let nats = test.log_e(params.epsilon);
        self.closed_kinds[name.kind as usize] += nats;
        let closed = self.closed.entry(name.source_id).or_insert_with(|| Closed {
            kind: name.source_kind,
            source: name.source.clone(),
            nats: 0.0,
        });
        closed.nats += nats;
        if closed.nats > self.closed_best.1 {
            self.closed_best = (name.source_id, closed.nats);
        } else if name.source_id == self.closed_best.0 {
            let best = self.closed.iter().map(|(source, closed)| (*source, closed.nats));
            self.closed_best = best.fold((0, 0.0), |best, next| if next.1 > best.1 { next } else { best });
        }
        let log_e = self.closed_totals.log_e + nats;
        self.closed_totals = Totals { log_e, log_e_without_best: log_e - self.closed_best.1 };
        test.member_trials(&mut self.member_log_lr, params.safety);
        if test.members_acted() < 2 {
            self.rest.keys += 1;
            self.rest.nats += nats;
            return;
        }
        self.evidence.push(KeyEvidence { name, nats, acts: test.acts });
        if self.evidence.len() > params.max_evidence {
            let weakest = (0..self.evidence.len())
                .min_by(|&i, &j| self.evidence[i].nats.total_cmp(&self.evidence[j].nats))
                .unwrap_or_default();
            let dropped = self.evidence.swap_remove(weakest);
            self.rest.keys += 1;
            self.rest.nats += dropped.nats;
        }
    }

    /// Evidence by source.
    pub(crate) fn by_source<'t>(
        &self,
        open: impl Iterator<Item = (&'t KeyName, &'t Test)>,
        params: &Params,
    ) -> BySource {
        let mut by_source = BySource::new();
        for closed in self.closed.values() {
            *by_source.entry((closed.kind, closed.source.clone())).or_insert(0.0) += closed.nats;
        }
        for (name, test) in open {
            *by_source.entry((name.source_kind, name.source.clone())).or_insert(0.0) += test.log_e(params.epsilon);
        }
        by_source
    }

    /// Evidence by trace kind, in the order of [`TraceKind::ALL`].
    pub(crate) fn by_kind<'t>(
        &self,
        open: impl Iterator<Item = (&'t KeyName, &'t Test)>,
        params: &Params,
    ) -> [f64; TraceKind::ALL.len()] {
        let mut by_kind = self.closed_kinds;
        open.for_each(|(name, test)| by_kind[name.kind as usize] += test.log_e(params.epsilon));
        by_kind
    }

    /// All evidence, and all but the best source's. The sums of [`by_source`](Self::by_source) without the copy.
    pub(crate) fn totals<'t>(&self, open: impl Iterator<Item = (&'t KeyName, &'t Test)>, params: &Params) -> Totals {
        let mut opened: Vec<(SourceId, f64)> = Vec::new();
        for (name, test) in open {
            let nats = test.log_e(params.epsilon);
            match opened.iter_mut().find(|(source, _)| *source == name.source_id) {
                Some((_, sum)) => *sum += nats,
                None => opened.push((name.source_id, nats)),
            }
        }
        if opened.is_empty() {
            return self.closed_totals;
        }
        let mut log_e = self.closed_totals.log_e;
        let mut best = 0.0f64;
        for (source, nats) in &opened {
            log_e += nats;
            best = best.max(nats + self.closed.get(source).map_or(0.0, |closed| closed.nats));
        }
        // The best closed source counts as it is, unless an open test on it has made it worse: then another may be best.
        if opened.iter().all(|(source, _)| *source != self.closed_best.0) {
            best = best.max(self.closed_best.1);
        } else if best < self.closed_best.1 {
            let others = self.closed.iter().filter(|(source, _)| opened.iter().all(|(known, _)| known != *source));
            best = others.map(|(_, closed)| closed.nats).fold(best, f64::max);
        }
        Totals { log_e, log_e_without_best: log_e - best }
    }

    /// ln e-value per member.
    pub(crate) fn member_log_e<'t>(
        &self,
        open: impl Iterator<Item = (&'t KeyName, &'t Test)>,
        params: &Params,
    ) -> Vec<f64> {
        let mut log_lr = self.member_log_lr.clone();
        for (_, test) in open {
            test.member_trials(&mut log_lr, params.safety);
        }
        log_lr.into_iter().map(log_mean_exp).collect()
    }

    /// The evidence key by key, most nats first, and the sum of the rest.
    pub(crate) fn evidence<'t>(
        &self,
        open: impl Iterator<Item = (&'t KeyName, &'t Test)>,
        params: &Params,
    ) -> (Vec<KeyEvidence>, Rest) {
        let (mut evidence, mut rest) = (self.evidence.clone(), self.rest);
        for (name, test) in open {
            let nats = test.log_e(params.epsilon);
            if test.members_acted() < 2 {
                rest.keys += 1;
                rest.nats += nats;
            } else {
                evidence.push(KeyEvidence { name: name.clone(), nats, acts: test.acts.clone() });
            }
        }
        evidence.sort_by(|x, y| y.nats.total_cmp(&x.nats).then_with(|| x.name.cmp(&y.name)));
        (evidence, rest)
    }
}

fn log_sum_exp<const N: usize>(x: [f64; N]) -> f64 {
    let most = x.into_iter().fold(f64::NEG_INFINITY, f64::max);
    most + x.into_iter().map(|x| (x - most).exp()).sum::<f64>().ln()
}

fn log_mean_exp<const N: usize>(x: [f64; N]) -> f64 {
    log_sum_exp(x) - (N as f64).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::source_id;

    fn act(member: u8) -> MemberAct {
        MemberAct { at: 0, member, post: "p".into() }
    }

    fn name(source: &str, key: &str) -> KeyName {
        KeyName {
            kind: TraceKind::Url,
            source: source.into(),
            source_kind: TraceKind::Url,
            source_id: source_id(TraceKind::Url, source),
            key: key.into(),
        }
    }

    /// Five members of share 0.01 each; `acts` is a letter per act: a to e a member, `.` somebody else.
    fn test(acts: &str) -> Test {
        let mut acts = acts.bytes().map(|b| b.is_ascii_lowercase().then(|| act(b - b'a')));
        let first = acts.next().flatten().expect("a member opens");
        let mut test = Test::open(0, vec![0.01; 5].into(), first, 2.0);
        for actor in acts {
            test.observe(actor, 2.0);
        }
        test
    }

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-9, "{a} is not {b}");
    }

    #[test]
    fn a_key_nobody_follows_says_nothing() {
        close(test("a").log_e(0.05), 0.0);
    }

    #[test]
    fn a_member_who_follows_speaks_for_the_group() {
        // h = 2 * 4 * 0.01
        let ratio: f64 = (0.1 / 0.08 + 0.3 / 0.08 + 0.7 / 0.08) / 3.0;
        close(test("ab").log_e(0.05), (0.95 + 0.05 * ratio).ln());
        close(test("aba").log_e(0.05), test("ab").log_e(0.05));
    }

    #[test]
    fn others_speak_against_it_and_cost_at_most_epsilon() {
        assert!(test("a.").log_e(0.05) < 0.0);
        assert!(test(&format!("a{}", ".".repeat(10_000))).log_e(0.05) >= 0.95f64.ln());
    }

    #[test]
    fn the_e_value_is_fair_under_the_null() {
        // With each next actor a waiting member with chance exactly h, the expectation of the e-value is one: summed over all
        // sequences of three further acts, each weighted by its probability.
        fn expectation(sequence: &mut Vec<char>, probability: f64, acted: usize) -> f64 {
            if sequence.len() == 4 {
                return probability * test(&sequence.iter().collect::<String>()).log_e(0.05).exp();
            }
            let h = 2.0 * 0.01 * (5 - acted) as f64;
            let mut total = 0.0;
            for (actor, p, acted) in [('.', 1.0 - h, acted), ((b'a' + acted as u8) as char, h, acted + 1)] {
                sequence.push(actor);
                total += expectation(sequence, probability * p, acted);
                sequence.pop();
            }
            total
        }
        close(expectation(&mut vec!['a'], 1.0, 1), 1.0);
    }

    #[test]
    fn the_best_source_is_left_out() {
        let params = Params::default();
        let mut candidate = Candidate::new(vec![10, 11, 12, 13, 14], 0, 0);
        for (i, source) in ["x.example", "x.example", "y.example"].into_iter().enumerate() {
            candidate.close(name(source, &format!("{i}")), test("abcd"), &params);
        }
        candidate.close(name("z.example", "3"), test("a.."), &params);
        let one = test("abcd").log_e(0.05);
        let none = test("a..").log_e(0.05);
        let totals = candidate.totals(std::iter::empty(), &params);
        close(totals.log_e, 3.0 * one + none);
        close(totals.log_e_without_best, one + none);
        let (evidence, rest) = candidate.evidence(std::iter::empty(), &params);
        assert_eq!((evidence.len(), rest.keys), (3, 1));
        close(evidence.iter().map(|e| e.nats).sum::<f64>() + rest.nats, totals.log_e);
    }

    #[test]
    fn only_members_who_take_part_pass() {
        let params = Params::default();
        let mut candidate = Candidate::new(vec![10, 11, 12, 13, 14], 0, 0);
        for i in 0..6 {
            candidate.close(name("x.example", &format!("{i}")), test("abcd"), &params);
        }
        let log_e = candidate.member_log_e(std::iter::empty(), &params);
        let bar = 100f64.ln();
        assert!(log_e[..4].iter().all(|e| *e > bar) && log_e[4] < 0.0, "{log_e:?}");
    }
}
