//! What the policy says of a case, for people on a terminal.

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

/// Widest line.
const WIDTH: usize = 110;
/// Longest text of somebody else in it.
const LONGEST: usize = 600;

/// A case and what the policy says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The case.
    pub case_id: String,
    /// The cluster it is about.
    pub cluster_id: String,
    /// The newest version of the cluster.
    pub version: u32,
    /// Where the case stands.
    pub state: State,
    /// The version that recipients have.
    pub released_version: Option<u32>,
    /// Whether the demo's reviewers took any step.
    pub demo: bool,
    /// Accounts in the cluster, by platform.
    pub accounts: BTreeMap<String, usize>,
    /// What people recorded.
    pub facts: Facts,
    /// What the policy says.
    pub outcome: Outcome,
}

impl Explanation {
    /// What the policy says of a case at `now`.
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
            writeln!(f, "  none is set up: name them in the file of recipients (sharing.recipients)")?;
        }
        for decision in &outcome.recipients {
            told(f, decision)?;
        }
        section(
            f,
            "Must be told, and is not set up",
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
            writeln!(f, "\nTargets that the detector suggests; a reviewer says whether they are")?;
            for (name, word) in &outcome.suggestions {
                let word = word.as_deref().unwrap_or("no word yet");
                wrapped(
                    f,
                    "  ",
                    &format!("{}: {}", text_format::shorten(name, 80), text_format::shorten(word, LONGEST)),
                )?;
            }
        }
        if !outcome.notes.is_empty() {
            writeln!(f, "\nTo know")?;
            for note in &outcome.notes {
                wrapped(f, "  ", &text_format::shorten(note, LONGEST))?;
            }
        }
        Ok(())
    }
}

fn told(f: &mut fmt::Formatter<'_>, decision: &Decision) -> fmt::Result {
    let told = match (decision.told, decision.not_before) {
        (true, _) if decision.must => "told (must be)".to_owned(),
        (true, _) => "told".to_owned(),
        (false, Some(until)) => format!("told later, by {}", text_format::minute(until)),
        (false, None) => "not told".to_owned(),
    };
    let has = decision.has_version.map_or(String::new(), |version| format!(", has version {version}"));
    writeln!(f, "  {} ({}): {told}{has}", decision.recipient, decision.class)?;
    for (index, Because { rule, text, .. }) in decision.because.iter().enumerate() {
        let head = if index == 0 { "    because   " } else { "              " };
        wrapped(f, head, &format!("{} ({rule})", text_format::shorten(text, LONGEST)))?;
    }
    if decision.told {
        let products: Vec<&str> = decision.products.iter().map(|product| product.label()).collect();
        let by = match decision.delivery {
            Delivery::Taxii => "TAXII",
            Delivery::Webhook => "webhook",
            Delivery::Document => "document",
        };
        wrapped(f, "    gets      ", &format!("{} by {by}, {}", text_format::list(&products), decision.tlp.label()))?;
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

/// The text after `head`, broken at spaces; later lines begin under the first.
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
