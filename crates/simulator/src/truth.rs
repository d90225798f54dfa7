//! The truth about a world: which accounts were planted, which are look-alikes, and what each group
//! did.

use std::{
    collections::{BTreeMap, HashSet},
    io,
};

use coordination::Millis;
use serde::Serialize;

use crate::{
    label::Label,
    post::rfc3339,
    world::{Kind, Mode},
};

/// The truth about a simulated stream.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Truth {
    /// Every account that posted, sorted by platform and id.
    pub accounts: Vec<AccountTruth>,
    /// The planted campaigns, in the world file's order.
    pub campaigns: Vec<GroupTruth>,
    /// The organic groups that look coordinated, in the world file's order.
    pub lookalikes: Vec<GroupTruth>,
    /// The kind of each group of the world's `group` tables, by name. These groups are among the
    /// campaigns or the look-alikes.
    pub kinds: BTreeMap<String, Kind>,
    /// Every short link with the URL that it redirects to, sorted.
    pub short_links: Vec<(String, String)>,
}

/// The key of an account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct AccountKey {
    /// The platform's name.
    pub platform: String,
    /// Id of the account, unique on its platform.
    pub account_id: String,
}

/// One account.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AccountTruth {
    /// The account.
    #[serde(flatten)]
    pub account: AccountKey,
    /// The kind of the account.
    pub label: Label,
    /// The campaign or look-alike group that the label comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Number of the account's posts in this stream.
    pub posts: u64,
}

/// A campaign or a look-alike group.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupTruth {
    /// Name, unique in the world.
    pub name: String,
    /// The kind of the group.
    pub label: Label,
    /// Accounts that act together. A campaign's own voices (whose posts the members repost) are not
    /// members, but have its label.
    pub members: Vec<AccountKey>,
    /// The group's actions, in order.
    pub actions: Vec<ActionTruth>,
}

/// An action that a group did together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ActionTruth {
    /// Time of its first post, in milliseconds since the Unix epoch; RFC 3339 in JSON.
    #[serde(serialize_with = "rfc3339")]
    pub at: Millis,
    /// Kind of the action.
    pub mode: Mode,
    /// Keys of the action: a URL, post ids (one per platform), hashtags, a picture's hash, or a
    /// text.
    pub keys: Vec<String>,
    /// The source of the keys: a domain, a voice's handle, a hashtag; empty for a text.
    pub source: String,
    /// Members that took part, as indices into the group's `members`, in the order in which they
    /// acted.
    pub participants: Vec<u32>,
    /// The posts of this action in order of time; a participant may have more than one post.
    pub acts: Vec<ActTruth>,
}

/// One post of an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActTruth {
    /// The member, as an index into the group's `members`.
    pub member: u32,
    /// Time in milliseconds since the Unix epoch, as the platform's clock shows it; RFC 3339 in
    /// JSON.
    #[serde(serialize_with = "rfc3339")]
    pub at: Millis,
    /// The post's id on the member's platform.
    pub post: String,
}

impl ActionTruth {
    /// The action with its posts; each post is given with the real time of posting.
    pub(crate) fn by(mut self, mut who: Vec<(Millis, ActTruth)>) -> Self {
        who.sort_by_key(|(at, act)| (*at, act.member));
        let mut seen = HashSet::new();
        self.participants = who.iter().map(|(_, act)| act.member).filter(|member| seen.insert(*member)).collect();
        self.acts = who.into_iter().map(|(_, act)| act).collect();
        self
    }
}

impl Truth {
    /// Writes one JSON object per line: accounts, then campaigns, then look-alikes. Each has a
    /// `record`; groups of the `group` tables also have a `kind`.
    pub fn write_jsonl(&self, mut out: impl io::Write) -> io::Result<()> {
        for account in &self.accounts {
            line(&mut out, "account", None, account)?;
        }
        for (record, groups) in [("campaign", &self.campaigns), ("lookalike", &self.lookalikes)] {
            for group in groups {
                line(&mut out, record, self.kinds.get(&group.name).copied(), group)?;
            }
        }
        Ok(())
    }

    /// Writes for every short link its host and path as a TOML string, `=`, and its target URL.
    /// This is the table `short_links` of the engine's parameters, for runs in which the targets
    /// are known.
    pub fn write_short_links(&self, mut out: impl io::Write) -> io::Result<()> {
        writeln!(out, "[short_links]")?;
        self.short_links
            .iter()
            .try_for_each(|(short, long)| writeln!(out, "\"{}\" = \"{long}\"", short.trim_start_matches("https://")))
    }

    /// Writes `platform, account_id, label, campaign, posts`, separated by tabs, with a header.
    pub fn write_accounts_tsv(&self, mut out: impl io::Write) -> io::Result<()> {
        writeln!(out, "platform\taccount_id\tlabel\tcampaign\tposts")?;
        for AccountTruth { account, label, group, posts } in &self.accounts {
            let AccountKey { platform, account_id } = account;
            let (label, group) = (label.as_str(), group.as_deref().unwrap_or_default());
            writeln!(out, "{platform}\t{account_id}\t{label}\t{group}\t{posts}")?;
        }
        Ok(())
    }
}

fn line<T: Serialize>(out: &mut impl io::Write, record: &'static str, kind: Option<Kind>, value: &T) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a, T> {
        record: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        kind: Option<Kind>,
        #[serde(flatten)]
        value: &'a T,
    }
    serde_json::to_writer(&mut *out, &Line { record, kind, value })?;
    out.write_all(b"\n")
}
