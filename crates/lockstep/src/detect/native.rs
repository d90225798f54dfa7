//! Options of Lockstep's own method: the keys of `[detector.engine]` that a study most often sets.

use anyhow::Result;
use clap::Args;
use detection::{EngineConfig, peers::Trace};

use super::peers::{MethodName, fraction, usage};

/// Parameters of Lockstep's own method. Each sets a key of `[detector.engine]`; the configuration
/// has all keys. The windows of the test are fixed: a minute, two hours and a day, tested in
/// parallel.
#[derive(Args)]
#[command(next_help_heading = "Parameters of --method lockstep")]
pub struct NativeArgs {
    /// Rate of false discoveries among all groups ever reported [default: 0.05]
    #[arg(long, value_name = "A", value_parser = fraction)]
    alpha: Option<f64>,
    /// Rate of false members among the accounts named for a group [default: 0.03]
    #[arg(long, value_name = "R", value_parser = fraction)]
    naming_rate: Option<f64>,
    /// Chance below which two accounts are tied: the threshold for ties.csv and for proposing
    /// groups [default: 0.00001]
    #[arg(long, value_name = "P", value_parser = fraction)]
    tie_chance: Option<f64>,
    /// Factor by which a group must repeat itself more often than others repeat it [default: 2]
    #[arg(long, value_name = "F")]
    safety: Option<f64>,
    /// Number of accounts from which a group with one text is reported as such [default: 30]
    #[arg(long, value_name = "N")]
    one_text_accounts: Option<usize>,
    /// Number of accounts from which an object ties nobody: what everybody shares is no evidence
    /// [default: 400]
    #[arg(long, value_name = "N")]
    popular: Option<usize>,
    /// Days for which uses of objects are remembered, and after which a silent group is no longer
    /// active [default: 60]
    #[arg(long, value_name = "DAYS")]
    retention_days: Option<f64>,
}

impl NativeArgs {
    /// The other methods have none of these parameters.
    pub fn refuse(&self, method: MethodName) -> Result<()> {
        let given = [
            ("--alpha", self.alpha.is_some()),
            ("--naming-rate", self.naming_rate.is_some()),
            ("--tie-chance", self.tie_chance.is_some()),
            ("--safety", self.safety.is_some()),
            ("--one-text-accounts", self.one_text_accounts.is_some()),
            ("--popular", self.popular.is_some()),
            ("--retention-days", self.retention_days.is_some()),
        ];
        match given.iter().find(|(_, given)| *given) {
            Some((flag, _)) => usage(format!("{flag} belongs to --method lockstep, not to {}", method.shown())),
            None => Ok(()),
        }
    }

    /// Sets the given keys.
    pub fn apply(&self, traces: &[Trace], engine: &mut EngineConfig) -> Result<()> {
        if !traces.is_empty() {
            let mut kinds = Vec::new();
            for trace in traces {
                kinds.push(match trace {
                    Trace::Kind(kind) => *kind,
                    Trace::Similar => return usage("--method lockstep compares texts by similarity: use --trace text"),
                    Trace::Post => return usage("--trace post belongs to --method cooccurrence: choose another kind"),
                });
            }
            kinds.sort_unstable();
            kinds.dedup();
            engine.traces = kinds;
        }
        fn set<T: Copy>(key: &mut T, given: Option<T>) {
            *key = given.unwrap_or(*key);
        }
        set(&mut engine.alpha, self.alpha);
        set(&mut engine.naming_rate, self.naming_rate);
        set(&mut engine.tie_chance, self.tie_chance);
        set(&mut engine.safety, self.safety);
        set(&mut engine.one_text_accounts, self.one_text_accounts);
        set(&mut engine.popular, self.popular);
        set(&mut engine.retention_days, self.retention_days);
        // A repeated use counts as new after `repeat_days`, which must not exceed the time for
        // which uses are remembered.
        engine.repeat_days = engine.repeat_days.min(engine.retention_days);
        Ok(())
    }
}
