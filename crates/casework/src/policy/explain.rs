//! The policy's outcome for a case, as text for a terminal.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use messages::cluster::ClusterMessage;
use serde::Serialize;

use super::{
    decide::{Because, Block, Decision, Outcome, decide},
    rules::{Policy, Rule},
};
use crate::{
    case::{Case, State},
    facts::Facts,
    recipients::Delivery,
};

/// Widest line, in characters.
const WIDTH: usize = 110;
/// Longest foreign text in the output, in characters.
const LONGEST: usize = 600;

/// A case and the policy's outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Id of the case.
    pub case_id: String,
    /// Id of the cluster.
    pub cluster_id: String,
    /// The newest version of the cluster.
    pub version: u32,
    /// State of the case.
    pub state: State,
    /// The version that recipients have.
    pub released_version: Option<u32>,
    /// Whether the demo's reviewers took any of the steps.
    pub demo: bool,
    /// Accounts in the cluster, by platform.
    pub accounts: BTreeMap<String, usize>,
    /// The facts that people recorded.
    pub facts: Facts,
    /// The policy's outcome.
    pub outcome: Outcome,
}

impl Explanation {
    /// Explains the policy's outcome for a case at `now`.
    pub fn of(case: &Case, cluster: &ClusterMessage, policy: &Policy, now: Timestamp) -> Explanation {
        let mut accounts = BTreeMap::new();
        for account in &cluster.accounts {
            *accounts.entry(account.platform.clone()).or_insert(0) += 1;
        }
        Explanation {
            case_id: case.id.clone(),
            cluster_id: case.cluster_id.clone(),
            version: case.version,
            state: case.state,
            released_version: case.released_version,
            demo: case.demo,
            accounts,
            facts: case.facts.clone(),
            outcome: decide(case, &policy.terms(cluster), now),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = &self.outcome;
        writeln!(f, "{}: {}", self.case_id, self.state)?;
        let accounts =
            self.accounts.iter().map(|(platform, n)| format!("{n} on {}", text_format::shorten(platform, 40)));
        writeln!(
            f,
            "about cluster {}, version {}: {}",
            text_format::shorten(&self.cluster_id, 80),
            self.version,
            text_format::list(&accounts.collect::<Vec<_>>())
        )?;
        if let Some(version) = self.released_version {
            writeln!(f, "version {version} is released")?;
        }
        if self.demo {
            writeln!(f, "{}", crate::DEMO_NOTICE)?;
        }

        writeln!(f, "\nRecipients")?;
        if outcome.recipients.is_empty() {
            writeln!(f, "  no recipient is configured: add recipients to the file that sharing.recipients names")?;
        }
        for decision in &outcome.recipients {
            decision_about(f, decision)?;
        }
        section(
            f,
            "Must be notified, but is not configured",
            outcome.missing.iter().map(|missing| (missing.rule, &missing.text)),
        )?;
        let blocks: Vec<&Block> = outcome.blocking().collect();
        if blocks.is_empty() {
            writeln!(f, "\nNothing blocks a release.")?;
        }
        section(f, "Blocks the release", blocks.iter().map(|block| (block.rule, &block.text)))?;
        writeln!(f, "\nWho must approve")?;
        for approval in &outcome.approvals {
            let (mark, by) = match &approval.by {
                Some(by) => ("x", format!(" ({})", text_format::shorten(by, 80))),
                None => (" ", String::new()),
            };
            let text = format!(
                "{}: {}{by}",
                text_format::shorten(&approval.who, 80),
                text_format::shorten(&approval.what, LONGEST)
            );
            wrapped(f, &format!("  [{mark}] "), &text)?;
        }
        if !outcome.suggestions.is_empty() {
            writeln!(f, "\nTargets that the detector suggests, with the reviewer's answers")?;
            for (name, word) in &outcome.suggestions {
                let word = word.as_deref().unwrap_or("no answer yet");
                wrapped(
                    f,
                    "  ",
                    &format!("{}: {}", text_format::shorten(name, 80), text_format::shorten(word, LONGEST)),
                )?;
            }
        }
        if !outcome.notes.is_empty() {
            writeln!(f, "\nNotes")?;
            for note in &outcome.notes {
                wrapped(f, "  ", &text_format::shorten(note, LONGEST))?;
            }
        }
        Ok(())
    }
}

fn decision_about(f: &mut fmt::Formatter<'_>, decision: &Decision) -> fmt::Result {
    let notified = match (decision.notified, decision.not_before) {
        (true, _) if decision.must => "notified (mandatory)".to_owned(),
        (true, _) => "notified".to_owned(),
        (false, Some(until)) => format!("notified later, by {}", text_format::minute(until)),
        (false, None) => "not notified".to_owned(),
    };
    let has = decision.has_version.map_or(String::new(), |version| format!(", has version {version}"));
    writeln!(f, "  {} ({}): {notified}{has}", decision.recipient, decision.class)?;
    for (index, Because { rule, text, .. }) in decision.because.iter().enumerate() {
        let head = if index == 0 { "    because   " } else { "              " };
        wrapped(f, head, &format!("{} ({rule})", text_format::shorten(text, LONGEST)))?;
    }
    if decision.notified {
        let products: Vec<&str> = decision.products.iter().map(|product| product.label()).collect();
        let by = match decision.delivery {
            Delivery::Taxii => "TAXII",
            Delivery::Webhook => "webhook",
            Delivery::Document => "document",
        };
        wrapped(f, "    receives  ", &format!("{} by {by}, {}", text_format::list(&products), decision.tlp.label()))?;
        let left_out = decision.shows.left_out();
        let left_out = if left_out.is_empty() { "nothing".to_owned() } else { left_out.join("; ") };
        wrapped(f, "    left out  ", &left_out)?;
    }
    for statement in &decision.statements {
        wrapped(f, "    says      ", statement)?;
    }
    for block in &decision.blocks {
        wrapped(f, "    blocked   ", &text_format::shorten(&block.text, LONGEST))?;
    }
    Ok(())
}

fn section<'a>(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    items: impl ExactSizeIterator<Item = (Rule, &'a String)>,
) -> fmt::Result {
    if items.len() > 0 {
        writeln!(f, "\n{title}")?;
    }
    for (rule, text) in items {
        wrapped(f, "  ", &format!("{rule}: {}", text_format::shorten(text, LONGEST)))?;
    }
    Ok(())
}

/// Prints the text after `head`, wrapped at spaces; further lines are indented to the start of the
/// text.
fn wrapped(f: &mut fmt::Formatter<'_>, head: &str, text: &str) -> fmt::Result {
    let indent = head.chars().count();
    write!(f, "{head}")?;
    let mut at = indent;
    for (index, word) in text.split_whitespace().enumerate() {
        let long = word.chars().count();
        if index > 0 && at + 1 + long > WIDTH {
            write!(f, "\n{:indent$}", "")?;
            at = indent;
        } else if index > 0 {
            write!(f, " ")?;
            at += 1;
        }
        write!(f, "{word}")?;
        at += long;
    }
    writeln!(f)
}
