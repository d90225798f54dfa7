//! Reads the feed of accounts of one partner, a page of rows at a time: what is in memory does not grow with the feed.

use jiff::Timestamp;

use super::{Inner, SharingError};
use crate::{
    publish::feed::{AccountRow, CaseEvidence, Listed},
    store::{FeedState, ObjectQuery, Position, StoreError, Versions},
};

/// Rows of a page.
const PAGE: usize = 100;

/// A place in the feed of a partner.
pub(crate) struct Reader {
    state: FeedState,
    after: Position,
    /// Rows that are still wanted.
    left: usize,
    /// The case of the last row, with its evidence: rows of one case mostly follow each other.
    case: Option<(String, CaseEvidence)>,
    /// `date_added` of the indicators of the last page, which the partner has once it asks for the next one.
    given: Vec<i64>,
}

impl Reader {
    /// Begins after a `date_added`, and gives so many rows at most.
    pub fn new(state: FeedState, after: Option<i64>, limit: Option<usize>) -> Reader {
        let after = after.map_or(Position::START, Position::after);
        Reader { state, after, left: limit.unwrap_or(usize::MAX), case: None, given: Vec::new() }
    }

    /// The next rows; none at the end. Blocks on the store.
    pub fn next(&mut self, inner: &Inner) -> Result<Vec<AccountRow>, SharingError> {
        self.note_fetched(inner);
        let query = ObjectQuery {
            ids: Vec::new(),
            kinds: vec!["indicator".to_owned()],
            spec_versions: Vec::new(),
            versions: Versions::Some { first: false, last: true, at: Vec::new() },
            after: self.after,
            limit: PAGE.min(self.left),
        };
        if query.limit == 0 {
            return Ok(Vec::new());
        }
        let (page, _) = inner.store.objects(self.state.collection, &query)?;
        let mut listed = Vec::with_capacity(page.len());
        for object in &page {
            listed.push(Listed::read(&object.body, object.date_added).map_err(unreadable)?);
            self.after = object.position();
        }
        self.given = page.iter().map(|object| object.date_added).collect();
        self.left -= page.len();
        let ids: Vec<String> = listed.iter().map(|one| one.account_object(&self.state.platform)).collect();
        let accounts = inner.store.last_bodies(self.state.collection, &ids)?;
        let mut rows = Vec::with_capacity(listed.len());
        for (one, id) in listed.into_iter().zip(&ids) {
            let platform = self.state.platform.clone();
            let evidence = self.evidence(inner, one.id())?;
            let account = accounts.get(id).map(String::as_str);
            rows.push(one.row(&platform, account, evidence).map_err(unreadable)?);
        }
        Ok(rows)
    }

    /// The evidence of the case with which an indicator was shared.
    fn evidence(&mut self, inner: &Inner, indicator: &str) -> Result<&CaseEvidence, SharingError> {
        let collection = self.state.collection;
        let Some(case_id) = inner.store.case_of_object(collection, indicator)? else {
            // Shared before it was recorded with which case.
            return Ok(&self.case.insert((String::new(), CaseEvidence::default())).1);
        };
        let kept = self.case.take().filter(|(known, _)| *known == case_id);
        let evidence = match kept {
            Some((_, evidence)) => evidence,
            None => {
                let mut evidence = CaseEvidence::default();
                inner.store.each_of_case(collection, &case_id, |body| {
                    evidence.take(body).map_err(|why| StoreError::Unreadable { what: "a shared object", why })
                })?;
                evidence
            }
        };
        Ok(&self.case.insert((case_id, evidence)).1)
    }

    /// Whoever asks for the next page was handed the last one.
    fn note_fetched(&mut self, inner: &Inner) {
        let given = std::mem::take(&mut self.given);
        inner.note_handed(self.state.collection, &given, Timestamp::now());
    }
}

impl Inner {
    /// Whoever was handed indicators, by their `date_added`, has what was released and knows of what was withdrawn with them. Where that
    /// cannot be noted both count as open, which is the safe side; the partner gets its objects all the same.
    pub(crate) fn note_handed(&self, collection: i64, indicators: &[i64], now: Timestamp) {
        if let Err(error) = self.store.note_handed(collection, indicators, now) {
            self.metrics.errors.with_label_values(&["store"]).inc();
            tracing::warn!(%error, "that a partner fetched objects could not be noted");
        }
    }
}

fn unreadable(why: String) -> SharingError {
    StoreError::Unreadable { what: "a shared object", why }.into()
}
