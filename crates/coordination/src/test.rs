//! Stage B on one key: do the members of a frozen group act here more than habit explains?

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    cluster::Trial,
    post::Millis,
    stage::{MemberAct, Outcome, PostMark},
};

/// Probabilities of "the next actor is a member" under the alternative; their likelihood ratios are averaged, which needs
/// no guess as to which is right.
pub(crate) const NEXT: [f64; 3] = [0.1, 0.3, 0.7];
/// Acts after a member's on which each of these is staked: who acts together follows soon, and the crowd of a popular key that comes
/// afterwards says nothing. A stake loses two nats or so at most before it is withdrawn until the next member's act.
pub(crate) const PATIENCE: [u32; 3] = [20, 6, 2];
/// Probabilities of "this member takes part" under the alternative, or that by habit where it is greater.
const PART: [f64; 3] = [0.2, 0.5, 0.8];
/// Added to the acts on a key when a member's chance to be among them is reckoned.
const TRIAL_MARGIN: u32 = 2;
/// The least chance reckoned with: nobody is left who could act, and nothing is staked on it.
const NOBODY: f64 = 1e-9;

/// A test of one candidate on one key, from a member's first act on it until the first tick after `test_window`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Test {
    /// Every member's expected share of acts, frozen when the test opened.
    shares: Arc<[f32]>,
    /// Sum of the shares of those who have not acted.
    waiting: f64,
    /// Bit per member.
    acted: u64,
    /// Acts on the key that are accounted for, by the key's own count.
    seen: u32,
    /// ln of the likelihood ratios up to the last member's act.
    log_lr: [f64; 3],
    acts: Vec<MemberAct>,
    /// Whether there is something new to tell.
    pub fresh: bool,
}

impl Test {
    /// `count` acts have been made on the key, that of the member who opens the test included.
    pub(crate) fn open(shares: Arc<[f32]>, at: Millis, member: u8, post: PostMark, count: u32) -> Test {
        let waiting = shares.iter().map(|s| f64::from(*s)).sum::<f64>() - f64::from(shares[usize::from(member)]);
        Test {
            waiting: waiting.max(0.0),
            acted: 1 << member,
            shares,
            seen: count,
            log_lr: [0.0; 3],
            acts: vec![MemberAct { at, member, post, others: 0, chance: 0.0 }],
            fresh: true,
        }
    }

    /// A member acts; it is the key's act number `count`. Only a member's first act counts.
    pub(crate) fn observe(&mut self, at: Millis, member: u8, post: &PostMark, count: u32, safety: f64) {
        let place = usize::from(member);
        if self.acted & (1 << place) != 0 {
            self.seen += 1;
            return;
        }
        let others = count - 1 - self.seen;
        let chance = self.chance(safety);
        self.log_lr = log_lr(self.log_lr, others, chance);
        for ((log_lr, q), patience) in self.log_lr.iter_mut().zip(NEXT).zip(PATIENCE) {
            if others < patience && chance > NOBODY {
                *log_lr += (q.max(chance) / chance).ln();
            }
        }
        self.acted |= 1 << place;
        self.waiting = (self.waiting - f64::from(self.shares[place])).max(0.0);
        self.seen = count;
        self.acts.push(MemberAct { at, member, post: post.clone(), others, chance });
        self.fresh = true;
    }

    /// Chance under the null that the next actor is a member who has not acted.
    fn chance(&self, safety: f64) -> f64 {
        (safety * self.waiting).clamp(NOBODY, 0.9)
    }

    /// Whether a member has followed the one who opened it.
    pub(crate) fn followed(&self) -> bool {
        self.acts.len() > 1
    }

    /// Where it stands after `count` acts on the key.
    pub(crate) fn outcome(&self, count: u32, safety: f64) -> Outcome {
        let (others, chance) = (count - self.seen, self.chance(safety));
        Outcome {
            log_lr: log_mean_exp(log_lr(self.log_lr, others, chance)),
            acts: if self.followed() { self.acts.clone() } else { Vec::new() },
            others,
            chance,
            shares: self.shares.clone(),
        }
    }
}

/// The likelihood ratios after so many further acts by others, each of which was a member's with this chance under the null.
fn log_lr(before: [f64; 3], others: u32, chance: f64) -> [f64; 3] {
    let mut after = before;
    if chance <= NOBODY {
        return after;
    }
    for ((log_lr, q), patience) in after.iter_mut().zip(NEXT).zip(PATIENCE) {
        *log_lr += f64::from(others.min(patience)) * ((1.0 - q.max(chance)) / (1.0 - chance)).ln();
    }
    after
}

impl Outcome {
    /// ln of the key's e-value: `(1 - eps) + eps * mean of the likelihood ratios`.
    pub(crate) fn log_e(&self, epsilon: f64) -> f64 {
        log_sum_exp([(1.0 - epsilon).ln(), epsilon.ln() + self.log_lr])
    }

    /// What this key asks of each member, by place: did it take part, where at least two others did?
    pub(crate) fn trials(&self) -> impl Iterator<Item = (usize, Trial)> + '_ {
        let acted = self.acts.iter().fold(0u64, |acted, act| acted | 1 << act.member);
        let others: u32 = self.others + self.acts.iter().skip(1).map(|act| act.others + 1).sum::<u32>();
        let acts = others + TRIAL_MARGIN;
        self.shares.iter().enumerate().filter_map(move |(member, share)| {
            let took_part = acted & (1 << member) != 0;
            let asked = acted.count_ones() - u32::from(took_part) >= 2;
            asked.then_some((member, Trial { took_part, share: *share, acts }))
        })
    }

    /// Adds this key to the member tests.
    pub(crate) fn member_trials(&self, log_lr: &mut [[f64; 3]], safety: f64) {
        for (member, trial) in self.trials() {
            for (log_lr, nats) in log_lr[member].iter_mut().zip(trial.log_lr(safety)) {
                *log_lr += nats;
            }
        }
    }
}

impl Trial {
    /// ln of the likelihood ratios of "it takes part with probability 0.2, 0.5 or 0.8" to "it takes part by habit", nats.
    pub fn log_lr(self, safety: f64) -> [f64; 3] {
        let p = (-(-safety * f64::from(self.share) * f64::from(self.acts)).exp_m1()).clamp(1e-9, 0.99);
        // Never less than by habit: an account that posts on everything by itself would be named for what it leaves out.
        let part = PART.map(|pi| pi.max(p));
        part.map(|pi| if self.took_part { (pi / p).ln() } else { ((1.0 - pi) / (1.0 - p)).ln() })
    }
}

pub(crate) fn log_sum_exp<const N: usize>(x: [f64; N]) -> f64 {
    let most = x.into_iter().fold(f64::NEG_INFINITY, f64::max);
    most + x.into_iter().map(|x| (x - most).exp()).sum::<f64>().ln()
}

pub(crate) fn log_mean_exp<const N: usize>(x: [f64; N]) -> f64 {
    log_sum_exp(x) - (N as f64).ln()
}

#[cfg(test)]
fn mark() -> PostMark {
    PostMark { id: "p".into(), manner: crate::cluster::Manner::Plain }
}

/// Five members of share 0.01 each; `acts` is a letter per act: a to e a member, `.` somebody else.
#[cfg(test)]
pub(crate) fn outcome(acts: &str) -> Outcome {
    let mut acts = acts.bytes();
    let member = |act: u8| act.is_ascii_lowercase().then(|| act.wrapping_sub(b'a'));
    let first = acts.next().and_then(member).expect("a member opens");
    let mut test = Test::open(vec![0.01f32; 5].into(), 0, first, mark(), 1);
    let mut count = 1;
    for actor in acts {
        count += 1;
        if let Some(member) = member(actor) {
            test.observe(0, member, &mark(), count, 2.0);
        }
    }
    test.outcome(count, 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-7, "{a} is not {b}");
    }

    #[test]
    fn a_key_nobody_follows_says_nothing() {
        close(outcome("a").log_e(0.05), 0.0);
    }

    #[test]
    fn a_member_who_follows_speaks_for_the_group() {
        // h = 2 * 4 * 0.01
        let ratio: f64 = (0.1 / 0.08 + 0.3 / 0.08 + 0.7 / 0.08) / 3.0;
        close(outcome("ab").log_e(0.05), (0.95 + 0.05 * ratio).ln());
        close(outcome("aba").log_e(0.05), outcome("ab").log_e(0.05));
    }

    #[test]
    fn others_speak_against_it_and_cost_at_most_epsilon() {
        assert!(outcome("a.").log_e(0.05) < 0.0);
        assert!(outcome(&format!("a{}", ".".repeat(10_000))).log_e(0.05) >= 0.95f64.ln());
    }

    #[test]
    fn the_e_value_is_fair_under_the_null() {
        // With each next actor a waiting member with chance exactly h, the expectation of the e-value is one: summed over all
        // sequences of ten further acts, each weighted by its probability. Two of the stakes are withdrawn on the way.
        fn expectation(sequence: &mut String, probability: f64, acted: u8) -> f64 {
            if sequence.len() == 11 {
                return probability * outcome(sequence).log_e(0.05).exp();
            }
            let h = 2.0 * f64::from(0.01f32) * f64::from(5 - acted);
            let mut total = 0.0;
            for (actor, p, acted) in [('.', 1.0 - h, acted), (char::from(b'a' + acted), h, acted + 1)] {
                if p < 1e-9 {
                    continue;
                }
                sequence.push(actor);
                total += expectation(sequence, probability * p, acted);
                sequence.pop();
            }
            total
        }
        close(expectation(&mut "a".to_owned(), 1.0, 1), 1.0);
    }

    #[test]
    fn nobody_is_named_for_staying_away() {
        for share in [0.000_1, 0.001, 0.01, 0.1, 1.0] {
            for acts in [2, 10, 100, 1_000] {
                let ratio = |took_part, safety| Trial { took_part, share, acts }.log_lr(safety);
                assert!(ratio(false, 2.0).iter().all(|nats| *nats <= 0.0), "{share} {acts}");
                // Where the share is what it does, and where twice as much is allowed for, an e-value is one or less on average.
                let p = (-(-f64::from(share) * f64::from(acts)).exp_m1()).clamp(1e-9, 0.99);
                for safety in [1.0, 2.0] {
                    for (with, without) in ratio(true, safety).into_iter().zip(ratio(false, safety)) {
                        let mean = p * with.exp() + (1.0 - p) * without.exp();
                        assert!(mean <= 1.0 + 1e-9, "{share} {acts} {safety}: {mean}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_step_can_be_followed_by_hand() {
        let told = outcome("a..b.c.");
        let mut by_hand = [0.0; 3];
        for act in told.acts.iter().skip(1) {
            for ((log_lr, q), patience) in by_hand.iter_mut().zip(NEXT).zip([20, 6, 2]) {
                let q = f64::max(q, act.chance);
                *log_lr += f64::from(act.others.min(patience)) * ((1.0 - q) / (1.0 - act.chance)).ln();
                if act.others < patience {
                    *log_lr += (q / act.chance).ln();
                }
            }
        }
        assert!(told.chance > NOBODY);
        for ((log_lr, q), patience) in by_hand.iter_mut().zip(NEXT).zip([20, 6, 2]) {
            let others = f64::from(told.others.min(patience));
            *log_lr += others * ((1.0 - f64::max(q, told.chance)) / (1.0 - told.chance)).ln();
        }
        close(log_mean_exp(by_hand), told.log_lr);
        assert_eq!(told.acts.iter().map(|act| act.others).collect::<Vec<_>>(), [0, 2, 1]);
    }
}
