//! What a recipient will see of a finding, beside what we know.

use std::collections::{BTreeMap, BTreeSet};

use messages::cluster::ClusterAccount;

use super::{
    evidence::Selection,
    hidden::{Hidden, gone},
};
use crate::kept::KeptPosts;
use casework::{
    CaseRecord,
    accounts::{key_of_account, without},
    policy::{AccountIds, Elsewhere, Redaction},
};
use presentation::description::{Named, trace_kind};

/// Examples shown of a list.
const EXAMPLES: usize = 5;

/// One kind of thing: what we know of it, and what the recipient will see.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub(crate) struct Beside {
    /// What it is.
    pub what: &'static str,
    /// What we know, in short.
    pub known: String,
    /// What the recipient will see of it.
    pub seen: String,
    /// Whether everything, some or nothing of it is shown: `all`, `part` or `none`.
    pub extent: &'static str,
    /// The same in words.
    pub label: &'static str,
}

/// The posts of which there are texts.
#[derive(Clone, Copy)]
pub(crate) struct Texts<'a> {
    /// All that are kept.
    pub kept: &'a KeptPosts,
    /// Those that a release would take.
    pub sent: &'a KeptPosts,
}

/// All kinds of things, in the order of a notice. `platform` is the recipient's own, if it is one. What the recipient will see is worked
/// out as the feed and the documents do.
pub(crate) fn beside(record: &CaseRecord, shows: &Redaction, platform: Option<&str>, texts: Texts) -> Vec<Beside> {
    let c = &record.cluster;
    let shared = &without(c, &record.case.left_out);
    let before = record.released.as_ref();
    let sees = |of: &str| match shows.account_ids {
        AccountIds::All => true,
        AccountIds::OwnPlatform => platform == Some(of),
        AccountIds::None => false,
    };
    let is_named = |a: &&ClusterAccount| sees(&a.platform) && !record.case.left_out.contains(&key_of_account(a));
    let named: Vec<&ClusterAccount> = c.accounts.iter().filter(is_named).collect();
    let others = c.accounts.len() - named.len();
    let row = |what, known: String, seen: String, extent| {
        let label = match extent {
            "all" => "shown in full",
            "part" => "shown in part",
            _ => "left out",
        };
        Beside { what, known, seen, extent, label }
    };
    let nothing = || "left out".to_owned();
    let switch = |what, known: String, shown: bool| {
        let seen = if shown { known.clone() } else { nothing() };
        row(what, known, seen, if shown { "all" } else { "none" })
    };
    let all: Vec<&ClusterAccount> = c.accounts.iter().collect();
    let extent = |part: usize, whole: usize| match part {
        0 => "none",
        part if part == whole => "all",
        _ => "part",
    };
    let mut rows = vec![row(
        "Account ids",
        listed(all.iter().map(|a| text_format::shorten(&a.account_id, 32)), all.len()),
        if named.is_empty() {
            nothing()
        } else {
            listed(named.iter().map(|a| text_format::shorten(&a.account_id, 32)), named.len())
        },
        extent(named.len(), all.len()),
    )];
    let handle = |a: &&ClusterAccount| text_format::shorten(&a.account_name, 32);
    rows.push(row(
        "Handles and names",
        listed(all.iter().map(handle), all.len()),
        if shows.handles && !named.is_empty() { listed(named.iter().map(handle), named.len()) } else { nothing() },
        if shows.handles { extent(named.len(), all.len()) } else { "none" },
    ));
    if others > 0 {
        let mut platforms: BTreeMap<&str, usize> = BTreeMap::new();
        for account in c.accounts.iter().filter(|a| !is_named(a)) {
            *platforms.entry(&account.platform).or_default() += 1;
        }
        let per: Vec<String> =
            platforms.iter().map(|(name, n)| format!("{n} on {}", text_format::shorten(name, 24))).collect();
        let seen = match shows.elsewhere {
            Elsewhere::Pseudonyms => format!("{}, by pseudonyms that only it gets", text_format::list(&per)),
            Elsewhere::Counts => text_format::list(&per),
            Elsewhere::Total => text_format::count(others as u64, "account"),
        };
        rows.push(row("The other accounts", format!("{}, with ids and names", text_format::list(&per)), seen, "part"));
    }
    let posts: usize = c.evidence.iter().map(|evidence| evidence.posts.len()).sum();
    let key = |text: &str| text_format::shorten(text, 70);
    let source = |text: &str| text_format::shorten(text, 40);
    let known = (
        listed(c.evidence.iter().map(|evidence| key(&evidence.key)), c.evidence.len()),
        listed(c.sources.iter().map(|one| source(&one.source)), c.sources.len()),
    );
    // What a platform gets of the evidence is what the feed selects; everybody else gets documents.
    let (seen_posts, seen_texts, keys, sources): (usize, usize, Vec<String>, BTreeSet<String>) = match platform {
        Some(platform) => {
            let selection = Selection::new(shared, before, platform, shows, texts.sent);
            let keys = selection.keys.iter();
            (
                selection.posts(),
                selection.texts()[0],
                keys.clone().filter_map(|one| Some(key(one.key?))).collect(),
                keys.filter_map(|one| Some(source(one.source?))).collect(),
            )
        }
        None => {
            let hidden = Hidden::new(shared, &gone(shared, before), &sees, shows, None);
            let quoted = |kind, text: &str| trace_kind(kind).names != Named::Words && !hidden.is_in(text);
            let evidence = || shared.evidence.iter();
            let of_named = evidence().flat_map(|e| &e.posts).filter(|post| shows.post_ids && sees(&post.platform));
            (
                if named.is_empty() { 0 } else { of_named.count() },
                0,
                evidence().filter(|e| shows.keys && quoted(e.kind, &e.key)).map(|e| key(&e.key)).collect(),
                evidence()
                    .filter(|e| shows.source_names && quoted(e.source_kind, &e.source))
                    .map(|e| source(&e.source))
                    .collect(),
            )
        }
    };
    let seen_of =
        |items: &[String]| if items.is_empty() { nothing() } else { listed(items.iter().cloned(), items.len()) };
    let sources: Vec<String> = sources.into_iter().collect();
    rows.push(row(
        "Posts by their ids",
        text_format::count(posts as u64, "post"),
        if seen_posts > 0 { text_format::count(seen_posts as u64, "post") } else { nothing() },
        extent(seen_posts, posts),
    ));
    let texts = c.evidence.iter().flat_map(|e| &e.posts).filter(|post| texts.kept.of(post).is_some()).count();
    let known_texts = match posts - texts {
        0 => text_format::count(texts as u64, "text"),
        gone => format!(
            "{}, of {} the text is gone",
            text_format::count(texts as u64, "text"),
            text_format::count(gone as u64, "post")
        ),
    };
    rows.push(row(
        "Texts of these posts",
        known_texts,
        if seen_texts > 0 { text_format::count(seen_texts as u64, "text") } else { nothing() },
        extent(seen_texts, texts),
    ));
    rows.push(row("Links, hashtags and texts", known.0, seen_of(&keys), extent(keys.len(), c.evidence.len())));
    rows.push(row("Sources", known.1, seen_of(&sources), extent(sources.len(), c.sources.len())));
    rows.push(switch(
        "Model",
        format!(
            "{}, {} nats, {}",
            match c.probability {
                Some(probability) => format!("probability {}", text_format::percent(probability)),
                None => "no probability".to_owned(),
            },
            text_format::number(c.log_e),
            text_format::count(c.reasons.len() as u64, "reason")
        ),
        shows.model_internals,
    ));
    rows
}

fn listed(items: impl Iterator<Item = String>, all: usize) -> String {
    let shown: Vec<String> = items.take(EXAMPLES).collect();
    match all.saturating_sub(EXAMPLES) {
        0 if shown.is_empty() => "none".to_owned(),
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use casework::{
        Tlp,
        case::Case,
        policy::{Class, Rules},
    };
    use messages::cluster::TraceKind;
    use presentation::fixtures;

    const NO_TEXTS: Texts<'static> = Texts { kept: KeptPosts::NONE, sent: KeptPosts::NONE };

    #[test]
    fn nothing_that_is_redacted_stands_in_the_right_column() {
        let cluster = fixtures::cluster("c", 1);
        let (case, _) = Case::nominate("c", 1, jiff::Timestamp::UNIX_EPOCH);
        let record = CaseRecord { case, cluster: cluster.clone(), released: None, revision: 0 };
        let rules = Rules::with_marking(Tlp::Amber);
        for class in Class::ALL {
            let shows = rules.class(class).shows;
            let platform = (class == Class::Platform).then_some("twitter");
            let seen: String =
                beside(&record, &shows, platform, NO_TEXTS).iter().map(|row| format!("{}\n", row.seen)).collect();
            let may_name = |platform: &str| match shows.account_ids {
                AccountIds::All => true,
                AccountIds::OwnPlatform => platform == "twitter",
                AccountIds::None => false,
            };
            for account in &cluster.accounts {
                if !may_name(&account.platform) {
                    assert!(!seen.contains(&account.account_id), "{class}: {seen}");
                    assert!(!seen.contains(&account.account_name), "{class}: {seen}");
                }
            }
            // Documents quote nobody; the feed names what the posts have in common.
            let of_kind = |kind| cluster.evidence.iter().filter(move |evidence| evidence.kind == kind);
            let some = |kind| of_kind(kind).any(|evidence| seen.contains(&text_format::shorten(&evidence.key, 70)));
            assert_eq!(some(TraceKind::Text), shows.keys && class == Class::Platform, "{class}: {seen}");
            let others = some(TraceKind::Url) || some(TraceKind::Repost);
            // Of a platform's keys only the strongest are listed, and here they are all texts.
            assert_eq!(others || class == Class::Platform && some(TraceKind::Text), shows.keys, "{class}: {seen}");
            assert_eq!(seen.contains("nats"), shows.model_internals, "{class}");
        }
        let platform = beside(&record, &rules.class(Class::Platform).shows, Some("twitter"), NO_TEXTS);
        assert_eq!(
            (platform[0].extent, platform[2].seen.as_str()),
            ("part", "2 on bluesky, by pseudonyms that only it gets")
        );
    }
}
