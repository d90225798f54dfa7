//! Filters of cases and deliveries, and the period of the scoreboard, parsed from the query string of a page or of the JSON API.

use serde::Deserialize;

use crate::store::{CaseQuery, DeliveryQuery, DeliveryState, Order};
use casework::case::State;
use messages::cluster::Status;

/// Maximum length of a search, characters.
const SEARCH: usize = 400;
/// Orders of cases: name in URLs, order, heading.
pub(super) const ORDERS: [(&str, Order, &str); 5] = [
    ("probability", Order::Probability, "Probability"),
    ("evidence", Order::Evidence, "Evidence, nats"),
    ("accounts", Order::Accounts, "Accounts"),
    ("seen", Order::Seen, "Last seen, UTC"),
    ("changed", Order::Changed, "Changed, UTC"),
];

/// Deliveries on a page.
pub(super) const DELIVERIES_ON_A_PAGE: usize = 100;

/// The period of the scoreboard in a query string.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct WantedScoreboard {
    days: Option<String>,
}

impl WantedScoreboard {
    /// The number of days, from 1 to 3650; `otherwise` where none is named.
    pub fn days(&self, otherwise: u32) -> Option<u32> {
        match self.days.as_deref() {
            None => Some(otherwise),
            Some(text) => text.parse().ok().filter(|days| (1..=3650).contains(days)),
        }
    }
}

/// Filters of cases in a query string. Pages ignore unknown values; the API refuses them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct WantedCases {
    pub q: Option<String>,
    pub state: Option<String>,
    pub status: Option<String>,
    pub platform: Option<String>,
    pub attention: Option<String>,
    pub demo: Option<String>,
    pub sort: Option<String>,
    pub dir: Option<String>,
    pub page: Option<String>,
}

impl WantedCases {
    /// The query, and the names of the parameters with unknown values.
    pub fn query(&self, limit: usize) -> (CaseQuery, Vec<&'static str>) {
        let mut odd = Vec::new();
        fn said(text: &Option<String>) -> Option<&str> {
            text.as_deref().map(str::trim).filter(|text| !text.is_empty())
        }
        fn read<T>(
            odd: &mut Vec<&'static str>,
            name: &'static str,
            text: &Option<String>,
            of: impl Fn(&str) -> Option<T>,
        ) -> Option<T> {
            let value = of(text.as_deref()?);
            if value.is_none() {
                odd.push(name);
            }
            value
        }
        let flag = |text: &str| match text {
            "1" | "true" => Some(true),
            "0" | "false" => Some(false),
            _ => None,
        };
        let order = |text: &str| ORDERS.iter().find(|(name, ..)| *name == text).map(|(_, order, _)| *order);
        let status =
            |text: &str| Status::ALL.into_iter().map(Status::name).find(|name| *name == text).map(str::to_owned);
        if self.q.as_ref().is_some_and(|text| text.chars().count() > SEARCH) {
            odd.push("q");
        }
        let page = |text: &str| text.parse::<usize>().ok().filter(|page| (1..=1_000_000).contains(page));
        let page = read(&mut odd, "page", &self.page, page).unwrap_or(1);
        let query = CaseQuery {
            state: read(&mut odd, "state", &self.state, State::from_name),
            status: read(&mut odd, "status", &self.status, status),
            platform: said(&self.platform).map(|name| name.to_lowercase()),
            attention: read(&mut odd, "attention", &self.attention, flag).unwrap_or(false),
            demo: read(&mut odd, "demo", &self.demo, flag),
            search: said(&self.q).map(|text| text.chars().take(SEARCH).collect()),
            order: read(&mut odd, "sort", &self.sort, order).unwrap_or_default(),
            ascending: read(&mut odd, "dir", &self.dir, |text| match text {
                "asc" => Some(true),
                "desc" => Some(false),
                _ => None,
            })
            .unwrap_or(false),
            offset: (page - 1) * limit,
            limit,
        };
        (query, odd)
    }
}

/// Filters of deliveries in a query string.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct WantedDeliveries {
    pub partner: Option<String>,
    pub state: Option<String>,
    pub page: Option<String>,
    pub done: Option<String>,
}

impl WantedDeliveries {
    /// The query for one delivery more than a page has, and the names of the parameters with unknown values.
    pub fn query(&self) -> (DeliveryQuery, Vec<&'static str>) {
        let mut odd = Vec::new();
        let said = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let state = said(&self.state).and_then(|name| {
            let state = DeliveryState::from_name(&name);
            if state.is_none() {
                odd.push("state");
            }
            state
        });
        let page = self.page.as_deref().map_or(Some(1), |text| text.parse::<usize>().ok());
        let page = page.filter(|page| (1..=1_000_000).contains(page)).unwrap_or_else(|| {
            odd.push("page");
            1
        });
        // No text of PostgreSQL has a NUL, and no name of a partner.
        let partner = said(&self.partner).filter(|name| {
            let right = !name.contains('\0');
            if !right {
                odd.push("partner");
            }
            right
        });
        (
            DeliveryQuery {
                partner,
                state,
                limit: DELIVERIES_ON_A_PAGE + 1,
                offset: (page - 1) * DELIVERIES_ON_A_PAGE,
            },
            odd,
        )
    }
}
