//! By which terms a case is found.

use std::collections::BTreeSet;

use casework::case::Case;
use messages::cluster::ClusterMessage;

/// Terms of one case; the accounts come first, the words of the keys last.
const TERMS: usize = 6_000;
/// Longest term, bytes.
const TERM: usize = 80;

/// Everything by which a case can be found: ids and names whole and by their words, what its posts are about, and its keys.
pub(super) fn terms(case: &Case, cluster: &ClusterMessage) -> BTreeSet<String> {
    let mut terms = BTreeSet::new();
    // Platforms are filtered by, and a space keeps them apart from every word that can be searched for.
    terms.extend(cluster.accounts.iter().map(|account| platform_term(&account.platform)));
    let ids = [&case.cluster_id, &case.id];
    let accounts = cluster.accounts.iter().flat_map(|account| [&account.account_id, &account.account_name]);
    let about = cluster.topics.iter().chain(&cluster.targets).chain(&cluster.lineage);
    let keys = cluster.evidence.iter().flat_map(|evidence| [&evidence.key, &evidence.source]);
    for text in ids.into_iter().chain(accounts).chain(about).chain(keys) {
        // Longer texts are cut: no search is as long.
        let text: String = text.chars().take(2_000).collect();
        for word in words(&text) {
            // From every part of it on, so that the host of an address and the name in a handle are found too.
            let parts = word.match_indices(|c: char| !c.is_alphanumeric()).map(|(at, mark)| at + mark.len());
            let rests = parts.map(|at| &word[at..]).filter(|rest| rest.starts_with(char::is_alphanumeric));
            terms.extend(rests.filter(|rest| rest.len() > 1).map(|rest| clipped(rest.to_owned())));
            terms.insert(clipped(word));
        }
        if terms.len() >= TERMS {
            break;
        }
    }
    terms
}

pub(super) fn platform_term(platform: &str) -> String {
    format!("platform {}", clipped(platform.to_lowercase()))
}

/// The words of a text as they are searched for: between spaces, in small letters, without marks before and after.
pub(super) fn words(text: &str) -> Vec<String> {
    let around = |c: char| !c.is_alphanumeric();
    let trimmed = |word: &str| word.trim_matches(around).to_lowercase();
    text.split_whitespace().map(trimmed).filter(|word| !word.is_empty()).collect()
}

/// At most [`TERM`] bytes of it, whole characters.
pub(super) fn clipped(mut word: String) -> String {
    let mut end = word.len().min(TERM);
    while !word.is_char_boundary(end) {
        end -= 1;
    }
    word.truncate(end);
    word
}
