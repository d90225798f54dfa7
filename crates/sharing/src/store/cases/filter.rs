//! Which cases a query asks for.

use super::super::{
    CaseQuery,
    database::Value,
    search_terms::{clipped, platform_term, words},
};

/// Words of a search that count.
const WORDS: usize = 8;

/// The `where` of a query, with its values.
pub(super) struct Filter {
    pub filter: String,
    pub values: Vec<Value>,
}

impl Filter {
    pub fn of(query: &CaseQuery, with_state: bool) -> Filter {
        let mut made = Filter { filter: String::new(), values: Vec::new() };
        if let Some(state) = query.state.filter(|_| with_state) {
            made.and("state = ?", state.name());
        }
        if let Some(status) = &query.status {
            made.and("status = ?", status);
        }
        if query.attention {
            made.and("attention = ?", true);
        }
        if let Some(demo) = query.demo {
            made.and("demo = ?", demo);
        }
        if let Some(platform) = &query.platform {
            let term = platform_term(platform).into_bytes();
            made.and("cluster_id in (select cluster_id from case_terms where term = ?)", term);
        }
        for word in words(query.search.as_deref().unwrap_or_default()).into_iter().take(WORDS) {
            let from = clipped(word.clone()).into_bytes();
            // No byte of UTF-8 is 0xFF, so this is above whatever begins with the word.
            let to = [from.as_slice(), &[0xFF]].concat();
            made.values.push(word.into());
            let reference = made.values.len();
            made.values.push(from.into());
            made.and(
                &format!(
                    "(case_id in (select case_id from case_references where reference = ?{reference})
                     or cluster_id in (select cluster_id from case_terms where term >= ?{} and term < ?))",
                    made.values.len()
                ),
                to,
            );
        }
        made
    }

    /// `?` at the end of a condition, or before its last bracket, becomes the number of the value.
    fn and(&mut self, condition: &str, value: impl Into<Value>) {
        self.values.push(value.into());
        let number = format!("?{}", self.values.len());
        let place = condition.rfind('?').unwrap_or(condition.len());
        let (before, after) = condition.split_at(place);
        self.filter.push_str(if self.filter.is_empty() { "where " } else { " and " });
        self.filter.push_str(before);
        self.filter.push_str(&number);
        self.filter.push_str(after.strip_prefix('?').unwrap_or(after));
    }
}
