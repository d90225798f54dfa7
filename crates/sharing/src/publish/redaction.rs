//! What a recipient will see of a finding, beside what we know.

use std::collections::BTreeMap;

use messages::cluster::{ClusterAccount, ClusterMessage};

use casework::policy::{AccountIds, Elsewhere, Redaction};

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

/// All kinds of things, in the order of a notice. `platform` is the recipient's own, if it is one.
pub(crate) fn beside(c: &ClusterMessage, shows: &Redaction, platform: Option<&str>) -> Vec<Beside> {
    let named: Vec<&ClusterAccount> = match shows.account_ids {
        AccountIds::All => c.accounts.iter().collect(),
        AccountIds::OwnPlatform => c.accounts.iter().filter(|a| Some(a.platform.as_str()) == platform).collect(),
        AccountIds::None => Vec::new(),
    };
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
        for account in c.accounts.iter().filter(|a| !named.iter().any(|n| std::ptr::eq(*n, *a))) {
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
    let own_posts = c.evidence.iter().flat_map(|evidence| &evidence.posts);
    let own_posts =
        own_posts.filter(|post| shows.account_ids == AccountIds::All || Some(post.platform.as_str()) == platform);
    let own_posts = if named.is_empty() { 0 } else { own_posts.count() };
    rows.push(row(
        "Posts by their ids",
        text_format::count(posts as u64, "post"),
        if shows.post_ids && own_posts > 0 { text_format::count(own_posts as u64, "post") } else { nothing() },
        if shows.post_ids { extent(own_posts, posts) } else { "none" },
    ));
    rows.push(switch(
        "Links, hashtags and texts",
        listed(c.evidence.iter().map(|evidence| text_format::shorten(&evidence.key, 70)), c.evidence.len()),
        shows.keys,
    ));
    rows.push(switch(
        "Sources",
        listed(c.sources.iter().map(|source| text_format::shorten(&source.source, 40)), c.sources.len()),
        shows.source_names,
    ));
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
        policy::{Class, Rules},
    };
    use presentation::fixtures;

    #[test]
    fn nothing_that_is_redacted_stands_in_the_right_column() {
        let cluster = fixtures::cluster("c", 1);
        let rules = Rules::with_marking(Tlp::Amber);
        for class in Class::ALL {
            let shows = rules.class(class).shows;
            let platform = (class == Class::Platform).then_some("twitter");
            let seen: String = beside(&cluster, &shows, platform).iter().map(|row| format!("{}\n", row.seen)).collect();
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
            assert_eq!(
                seen.contains(&text_format::shorten(&cluster.evidence[0].key, 70)),
                shows.keys,
                "{class}: {seen}"
            );
            assert_eq!(seen.contains("nats"), shows.model_internals, "{class}");
        }
        let platform = beside(&cluster, &rules.class(Class::Platform).shows, Some("twitter"));
        assert_eq!(
            (platform[0].extent, platform[2].seen.as_str()),
            ("part", "2 on bluesky, by pseudonyms that only it gets")
        );
    }
}
