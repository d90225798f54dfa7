//! What must not reach a recipient by way of a key, a source or a text: names of accounts and posts that it is not told of.

use std::collections::{BTreeSet, HashSet};

use messages::cluster::{ClusterAccount, ClusterMessage, TraceKind};

use casework::policy::{AccountIds, Redaction};
use presentation::description::{self, Named};

/// Names that are hidden from a recipient.
pub(crate) struct Hidden<'a> {
    /// Lower-case ids and names.
    accounts: BTreeSet<String>,
    posts: HashSet<&'a str>,
    /// Of a recipient that sees its own platform only: that platform.
    own: Option<&'a str>,
}

impl<'a> Hidden<'a> {
    /// What a recipient does not see that sees accounts of the platforms for which `named` holds. `gone` were in the group before.
    pub fn new(
        cluster: &'a ClusterMessage,
        gone: &[&'a ClusterAccount],
        named: &dyn Fn(&str) -> bool,
        shows: &Redaction,
        own: Option<&'a str>,
    ) -> Hidden<'a> {
        let hides = |account: &'a ClusterAccount| {
            let id = (!named(&account.platform)).then_some(&*account.account_id);
            let name = (!named(&account.platform) || !shows.handles).then_some(&*account.account_name);
            [id, name].into_iter().flatten()
        };
        let accounts = cluster
            .accounts
            .iter()
            .chain(gone.iter().copied())
            .flat_map(hides)
            .map(|name| name.trim().trim_start_matches('@').to_lowercase())
            .filter(|name| name.chars().count() >= 3)
            .collect();
        let posts = cluster
            .evidence
            .iter()
            .flat_map(|evidence| &evidence.posts)
            .filter(|post| !shows.post_ids || !named(&post.platform))
            .map(|post| &*post.id)
            .collect();
        Hidden { accounts, posts, own }
    }

    /// What a platform does not see of a cluster of which it had the version `before`.
    pub fn from_platform(
        cluster: &'a ClusterMessage,
        before: Option<&'a ClusterMessage>,
        platform: &'a str,
        shows: &Redaction,
    ) -> Hidden<'a> {
        let gone = gone(cluster, before);
        let named = |other: &str| shows.account_ids == AccountIds::OwnPlatform && other == platform;
        Hidden::new(cluster, &gone, &named, shows, Some(platform))
    }

    /// Whether a text names something hidden.
    pub fn is_in(&self, text: &str) -> bool {
        let lower = text.to_lowercase();
        self.accounts.iter().any(|name| lower.contains(name))
            || self.posts.contains(text)
            || text.split(|c: char| !c.is_alphanumeric()).any(|word| self.posts.contains(word))
    }

    /// Whether a post or an account, `platform:id`, is on a platform that is not the recipient's.
    pub fn is_elsewhere(&self, kind: TraceKind, text: &str) -> bool {
        let platform = text.split_once(':').map(|(platform, _)| platform);
        matches!(description::trace_kind(kind).names, Named::Post | Named::Account)
            && self.own.is_some()
            && platform.is_some()
            && platform != self.own
    }
}

/// Accounts of an earlier version that are no longer in the group.
pub(crate) fn gone<'a>(cluster: &ClusterMessage, before: Option<&'a ClusterMessage>) -> Vec<&'a ClusterAccount> {
    let still: HashSet<(&str, &str)> =
        cluster.accounts.iter().map(|account| (&*account.platform, &*account.account_id)).collect();
    before
        .iter()
        .flat_map(|before| &before.accounts)
        .filter(|account| !still.contains(&(&*account.platform, &*account.account_id)))
        .collect()
}
