//! Choices of a reader: which account, key and kind, and the order of keys and accounts.

use messages::cluster::{ClusterMessage, TraceKind};

use crate::description;

/// The parts of a finding that a reader of the console chose.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// The account that stands out, by its place in the cluster.
    pub account: Option<usize>,
    /// The key whose burst is drawn and which is opened, by its place in the cluster.
    pub key: Option<usize>,
    /// Only evidence of this kind.
    pub kind: Option<TraceKind>,
    /// The order of the evidence.
    pub sort: Sort,
    /// The order of the accounts.
    pub order: AccountOrder,
    /// Whether posts may link to their platform: not where they are invented.
    pub links: bool,
}

/// By what evidence is ordered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    #[default]
    /// Most evidence first.
    Nats,
    /// Most accounts first.
    Accounts,
    /// Earliest first.
    Time,
    /// By kind.
    Kind,
}

impl Sort {
    /// Each order, its name in addresses and its label.
    pub const ALL: [(Sort, &'static str, &'static str); 4] = [
        (Sort::Nats, "nats", "most evidence first"),
        (Sort::Accounts, "accounts", "most accounts first"),
        (Sort::Time, "time", "earliest first"),
        (Sort::Kind, "kind", "by kind"),
    ];

    /// The order of that name; most evidence first where there is none.
    pub fn from_name(name: &str) -> Sort {
        Self::ALL.iter().find(|(_, known, _)| *known == name).map_or(Sort::Nats, |(sort, ..)| *sort)
    }
}

/// Order of the accounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AccountOrder {
    #[default]
    /// As in the finding: the strongest first.
    Finding,
    /// Most evidence first.
    Evidence,
    /// Largest share of posts that repeat another member first.
    Repeats,
    /// Most posts first.
    Posts,
    /// By name.
    Name,
}

impl AccountOrder {
    /// Each order, its name in URLs and its label.
    pub const ALL: [(AccountOrder, &'static str, &'static str); 5] = [
        (AccountOrder::Finding, "finding", "strongest first"),
        (AccountOrder::Evidence, "evidence", "most evidence first"),
        (AccountOrder::Repeats, "repeats", "most repeated posts first"),
        (AccountOrder::Posts, "posts", "most posts first"),
        (AccountOrder::Name, "name", "by name"),
    ];

    /// The order of this name. The finding's own order if there is none.
    pub fn from_name(name: &str) -> AccountOrder {
        Self::ALL.iter().find(|(_, known, _)| *known == name).map_or(AccountOrder::Finding, |(order, ..)| *order)
    }

    pub(super) fn label(self) -> &'static str {
        Self::ALL.iter().find(|(order, ..)| *order == self).map_or("", |(.., label)| *label)
    }

    /// Places of the accounts in this order.
    pub(super) fn places(self, c: &ClusterMessage) -> Vec<usize> {
        let mut places: Vec<usize> = (0..c.accounts.len()).collect();
        let account = |place: usize| &c.accounts[place];
        let share = |place: usize| {
            let (repeats, all) = description::repeats(&account(place).outcomes.map(u64::from));
            repeats as f64 / all.max(1) as f64
        };
        match self {
            AccountOrder::Finding => {}
            AccountOrder::Evidence => places.sort_by(|a, b| account(*b).log_e.total_cmp(&account(*a).log_e)),
            AccountOrder::Repeats => places.sort_by(|a, b| share(*b).total_cmp(&share(*a))),
            AccountOrder::Posts => places.sort_by_key(|place| std::cmp::Reverse(account(*place).posts)),
            AccountOrder::Name => places.sort_by_key(|place| account(*place).account_name.to_lowercase()),
        }
        places
    }
}
