//! Sign-offs on the page of a case: which are missing, and who could give them.

use casework::policy::{Outcome, Recorded, SignOff};

use crate::http::access::Access;

/// A role that has to sign off.
pub(super) struct SignOffRow {
    pub role: String,
    /// The recipients that wait for it.
    pub recipients: String,
    /// Who signed off.
    pub by: Option<String>,
    /// Who could.
    pub holders: String,
    /// Why recorded sign-offs do not count.
    pub not_counted: Vec<String>,
}

pub(super) fn rows(outcome: &Outcome, access: &Access) -> Vec<SignOffRow> {
    let row = |needed: &casework::policy::NeededSignOff| {
        let (users, provider) = access.holders(&needed.role);
        let provider = provider.map(|provider| format!("people to whom {provider} gives this role"));
        let holders: Vec<String> = users.into_iter().chain(provider).collect();
        SignOffRow {
            role: text_format::shorten(&needed.role, 80),
            recipients: text_format::list(&needed.recipients),
            by: needed.by.clone(),
            holders: match holders.as_slice() {
                [] => "nobody holds this role: an operator gives it to somebody with lockstep users".to_owned(),
                holders => text_format::shorten(&holders.join(", "), 400),
            },
            not_counted: needed.not_counted.iter().map(|why| text_format::shorten(why, 400)).collect(),
        }
    };
    outcome.sign_offs.iter().map(row).collect()
}

/// A recorded sign-off as text.
pub(super) fn signed(record: &Recorded<SignOff>) -> String {
    let held = if record.what.held { "" } else { "; recorded when no role was needed for it, so it does not count" };
    let text =
        format!("{}, by {} for version {}: {}{held}", record.what.role, record.by, record.version, record.what.comment);
    text_format::shorten(&text, 400)
}
