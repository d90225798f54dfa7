//! Finds numbers that JSON cannot express.

use super::{ClusterError, ClusterMessage};

impl ClusterMessage {
    /// Whether the message can be written: JSON has no NaN and no infinity, and serde_json writes
    /// null instead.
    ///
    /// # Errors
    /// [`ClusterError::NotFinite`] names the first number that is NaN or infinite.
    pub fn check(&self) -> Result<(), ClusterError> {
        let check = |number: f64, path: &dyn Fn() -> String| {
            if number.is_finite() {
                Ok(())
            } else {
                Err(ClusterError::NotFinite { cluster_id: self.cluster_id.clone(), path: path() })
            }
        };
        let all =
            |numbers: &[f64], path: &dyn Fn() -> String| numbers.iter().try_for_each(|number| check(*number, path));
        for (number, name) in [
            (Some(self.log_e), "log_e"),
            (Some(self.log_e_leave_one_source_out), "log_e_leave_one_source_out"),
            (Some(self.history_hours), "history_hours"),
            (self.score, "score"),
            (self.intercept, "intercept"),
            (self.probability, "probability"),
            (self.test.map(|terms| terms.alpha), "test.alpha"),
            (self.test.map(|terms| terms.safety), "test.safety"),
            (self.test.map(|terms| terms.bar), "test.bar"),
        ] {
            check(number.unwrap_or_default(), &|| name.to_owned())?;
        }
        all(&self.unlisted.nats, &|| "unlisted.nats".to_owned())?;
        all(&self.unlisted.source_nats, &|| "unlisted.source_nats".to_owned())?;
        for (kind, nats) in &self.traces {
            check(*nats, &|| format!("traces.{kind}"))?;
        }
        for (feature, value) in &self.features {
            check(value.unwrap_or_default(), &|| format!("features.{feature}"))?;
        }
        for (at, window) in self.windows.iter().enumerate() {
            all(&[window.nats, window.losses], &|| format!("windows[{at}]"))?;
        }
        for (at, naming) in self.namings.iter().enumerate() {
            all(&[naming.cover, naming.share_proposed, naming.share_others], &|| format!("namings[{at}]"))?;
            all(&naming.crowd, &|| format!("namings[{at}].crowd"))?;
        }
        for (at, account) in self.accounts.iter().enumerate() {
            check(account.log_e, &|| format!("accounts[{at}].log_e"))?;
            check(account.posterior.unwrap_or_default(), &|| format!("accounts[{at}].posterior"))?;
            check(account.dropped_nats.unwrap_or_default(), &|| format!("accounts[{at}].dropped_nats"))?;
            for dropped in &account.dropped {
                check(dropped.nats, &|| format!("accounts[{at}].dropped"))?;
            }
        }
        for (at, source) in self.sources.iter().enumerate() {
            check(source.nats, &|| format!("sources[{at}].nats"))?;
            all(&source.by_window, &|| format!("sources[{at}].by_window"))?;
        }
        for (at, reason) in self.reasons.iter().enumerate() {
            check(reason.value.unwrap_or_default(), &|| format!("reasons[{at}].value"))?;
            check(reason.contribution, &|| format!("reasons[{at}].contribution"))?;
        }
        for (at, evidence) in self.evidence.iter().enumerate() {
            check(evidence.nats, &|| format!("evidence[{at}].nats"))?;
            all(&evidence.by_window, &|| format!("evidence[{at}].by_window"))?;
            for (post, gain) in evidence.posts.iter().enumerate().flat_map(|(n, p)| p.gains.iter().map(move |g| (n, g)))
            {
                all(&[gain.g, gain.h], &|| format!("evidence[{at}].posts[{post}].gains"))?;
            }
        }
        for (at, tie) in self.ties.iter().enumerate() {
            check(tie.nats, &|| format!("ties[{at}].nats"))?;
            check(tie.median_lag_s, &|| format!("ties[{at}].median_lag_s"))?;
            check(tie.expected.unwrap_or_default(), &|| format!("ties[{at}].expected"))?;
        }
        Ok(())
    }
}
