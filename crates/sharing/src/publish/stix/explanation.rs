//! What a finding says, in words.

use messages::cluster::ClusterMessage;
use presentation::description;

use super::{Publication, disarm};
use crate::publish::evidence::Selection;
use casework::{
    policy::{Elsewhere, VOLUNTARY},
    techniques::techniques,
};

/// The numbers in words, without the names of sources.
pub(super) fn strength(cluster: &ClusterMessage) -> String {
    let c = cluster;
    let rest = match c.sources.len() {
        0 | 1 => "all from one source".to_owned(),
        n => format!("and {} without the strongest of {n} sources", text_format::number(c.log_e_leave_one_source_out)),
    };
    let compared = match description::rates(c) {
        Some(rates) => format!("{rates} The"),
        None => {
            let keys = text_format::count(c.evidence.len() as u64, "key");
            format!("Over {keys} they acted together more often than their habits explain: the")
        }
    };
    let bar = match c.test {
        Some(test) => format!("; the bar was {}", text_format::number(test.bar)),
        None => String::new(),
    };
    format!("{compared} evidence is {} nats in total, {rest}{bar}.", text_format::number(c.log_e))
}

/// Why a group was found, for readers of the note about it. `own` of its accounts are on the platform.
pub(super) fn why(publication: &Publication, own: usize, selection: &Selection) -> String {
    let Publication { case, cluster: c, platform, shows, .. } = publication;
    let mut text = String::new();
    if case.demo {
        text.push_str(casework::DEMO_NOTICE);
        text.push_str(".\n\n");
    }
    text.push_str(&format!("{}\n\n", description::headline(c)));
    if shows.model_internals {
        text.push_str(&format!("{}\n\n", strength(c)));
    }
    text.push_str(&format!(
        "{} of the {} {} on {}; {}.\n\n",
        own,
        text_format::count(c.accounts.len() as u64, "account"),
        if own == 1 { "is" } else { "are" },
        text_format::shorten(platform, 40),
        match shows.elsewhere {
            Elsewhere::Pseudonyms => "of the others you get counts and pseudonyms that are stable for you",
            Elsewhere::Counts => "of the others you get counts",
            Elsewhere::Total => "the others are on other platforms",
        },
    ));
    text.push_str(&format!("{}\n\n", selection.summary()));
    if let Some(model) = c.model.as_ref().filter(|_| shows.model_internals) {
        text.push_str(&format!(
            "Probability that the coordination is inauthentic, by model {} {}: {}. Reasons, by weight:\n",
            text_format::shorten(&model.name, 80),
            text_format::shorten(&model.version, 40),
            c.probability.map_or_else(|| "not known".to_owned(), text_format::percent)
        ));
    }
    for reason in c.reasons.iter().take(8).filter(|_| shows.model_internals) {
        text.push_str(&format!(
            "- {} ({} nats)\n",
            text_format::shorten(&reason.text, 200),
            text_format::number(reason.contribution)
        ));
    }
    if !c.namings.is_empty() {
        text.push_str(
            "\nThe group passed a test; each account is named by a model, and its probability of belonging to the group is on its \
             indicator, with whether it was in the group that was tested or was found afterwards.\n",
        );
    }
    text.push_str(&format!("\n{}\n\n{}", description::history(c), VOLUNTARY));
    if !techniques(c).is_empty() {
        text.push_str(&format!(
            "\n\nTechniques are those of DISARM {} (DISARM Foundation, CC BY-SA 4.0).",
            disarm::RELEASE
        ));
    }
    text
}
