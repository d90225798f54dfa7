//! What the explanations of all versions have in common when they are written as text.

use std::fmt::{self, Display, Formatter, Write as _};

use jiff::Timestamp;
use messages::cluster::Status;

use super::arithmetic::{Figure, Score, TOLERANCE};

/// The widest cell that does not break its column.
pub(super) const WIDE: usize = 36;

/// The first line: which cluster, in which state, and the period of its posts.
pub(super) fn write_head(
    f: &mut Formatter<'_>,
    (cluster_id, version, status): (&str, u32, Status),
    [first_seen, last_seen]: [Timestamp; 2],
) -> fmt::Result {
    writeln!(f, "Cluster {}, version {version}: {}, {first_seen} to {last_seen}", shown(cluster_id), status.name())
}

/// The hypothesis that evidence is measured against, and how numbers are compared.
pub(super) fn write_hypothesis(f: &mut Formatter<'_>, hypothesis: &str) -> fmt::Result {
    writeln!(
        f,
        "Evidence is in nats: ln of an e-value against \"{hypothesis}\". Each number is recomputed from the cluster's own line.\n\
         Where nothing else is said, it equals the recorded number to {TOLERANCE} nats.\n"
    )
}

impl Score {
    pub(super) fn write(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "SCORE: is the coordination inauthentic? The model's log-odds, nats")?;
        let what = self.reasons.iter().map(|reason| reason.feature.chars().count()).max().unwrap_or(0).clamp(9, WIDE);
        if let Some(intercept) = self.intercept {
            writeln!(f, "  {:what$} {:>14} {intercept:+11.4}", "intercept", "")?;
        }
        for reason in &self.reasons {
            let value = reason.value.map_or("not known".to_owned(), |value| format!("{value:.6}"));
            writeln!(f, "  {:what$} {value:>14} {:+11.4}", shown(&reason.feature), tidy(reason.contribution))?;
        }
        writeln!(f, "  score, their sum: {}", Compared(self.score))?;
        writeln!(f, "  probability, 1 / (1 + e^-score): {}\n", Compared(self.probability))
    }
}

/// The contradictions of an explanation, and how many numbers could not be recomputed.
pub(super) fn write_verdict(f: &mut Formatter<'_>, contradictions: &[String], unknown: usize) -> fmt::Result {
    if contradictions.is_empty() {
        writeln!(f, "Every number that can be recomputed from this line equals the recorded one.")?;
    } else {
        writeln!(f, "NOT AS RECORDED:")?;
        contradictions.iter().try_for_each(|contradiction| writeln!(f, "  {contradiction}"))?;
    }
    if unknown > 0 {
        writeln!(f, "Numbers shown that could not be recomputed here: {unknown}; each one has its reason.")?;
    }
    Ok(())
}

/// A recomputed number, with the recorded one if they differ.
pub(super) struct Compared(pub(super) Figure);

impl Display for Compared {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Figure { recorded, recomputed, why_not } = self.0;
        match recomputed {
            Some(recomputed) if self.0.agrees() => write!(f, "{:.4}", tidy(recomputed)),
            Some(recomputed) => write!(f, "{recomputed:.9}, BUT {recorded:.9} IS RECORDED"),
            None => write!(f, "{recorded:.4} recorded; {}", why_not.unwrap_or("not recomputable here")),
        }
    }
}

/// Turns "-0.0000" into "0.0000".
pub(super) fn tidy(number: f64) -> f64 {
    if number.abs() < 0.000_05 { 0.0 } else { number }
}

/// Foreign text made safe for a terminal: no control characters, and none that change the direction
/// of writing.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}') {
            let _ = write!(shown, "{}", c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}
