//! One case for a command beside the service: what the policy says of it, and its documents.

use casework::policy::{Explanation, Policy, Product};
use jiff::Timestamp;

use super::{SharingError, encryption};
use crate::{
    config::Config,
    publish::documents::{self, Document},
    store::{CaseQuery, CaseRow, Store},
};
use casework::CaseRecord;

/// More than there are cases.
const ALL_CASES: usize = 1_000_000_000;

/// What the policy says of a case: its id or that of its cluster, or as much of the beginning as no other has. Changes nothing in
/// the store, in particular not who its partners are. Blocks.
pub fn explain(config: &Config, case: &str, now: Timestamp) -> Result<Explanation, SharingError> {
    let (policy, stored, _) = look_up(config, case)?;
    Ok(Explanation::of(&stored.case, &stored.cluster, &policy, now))
}

/// The documents that a recipient gets of a case: of the version that was released, or of the newest one where none was or
/// `newest` asks for it; those say that they are drafts. `product` picks one. Changes nothing in the store. Blocks.
pub fn make_documents(
    config: &Config,
    case: &str,
    recipient: &str,
    product: Option<Product>,
    newest: bool,
    now: Timestamp,
) -> Result<Vec<(Product, Document)>, SharingError> {
    let (policy, stored, mut store) = look_up(config, case)?;
    encryption::read_with_keys(&mut store, config)?;
    let reference = store.reference_for(recipient, &stored.case.id)?;
    documents_of(config, &policy, (&stored, &reference), recipient, product, newest, now)
}

/// The same of a case that is at hand, with the id under which the recipient knows it.
pub(crate) fn documents_of(
    config: &Config,
    policy: &Policy,
    (stored, reference): (&CaseRecord, &str),
    recipient: &str,
    product: Option<Product>,
    newest: bool,
    now: Timestamp,
) -> Result<Vec<(Product, Document)>, SharingError> {
    let Some(recipient) = policy.recipients.iter().find(|known| known.name == recipient) else {
        let known: Vec<&str> = policy.recipients.iter().map(|known| known.name.as_str()).collect();
        return Err(SharingError::Unknown(format!(
            "there is no recipient {recipient:?}; {}",
            if known.is_empty() {
                "there is none at all".to_owned()
            } else {
                format!("there are {}", known.join(", "))
            }
        )));
    };
    let rule = policy.rules.class(recipient.class);
    let case = &stored.case;
    let outcome = Explanation::of(case, &stored.cluster, policy, now).outcome;
    let decision = outcome.recipients.iter().find(|decision| decision.recipient == recipient.name);
    let was_notified = case.notified.as_ref().is_some_and(|notified| notified.contains_key(&recipient.name));
    if !was_notified && !decision.is_some_and(|decision| decision.notified) {
        return Err(SharingError::Unknown(format!(
            "{} is not notified of {}: `lockstep policy explain {}` names the rule",
            recipient.name, case.id, case.cluster_id
        )));
    }
    let gets = |product: &Product| rule.products.contains(product) && *product != Product::PlatformFeed;
    let products: Vec<Product> = match product {
        Some(product) if gets(&product) => vec![product],
        None if rule.products.iter().any(gets) => rule.products.iter().copied().filter(gets).collect(),
        _ => {
            let all: Vec<&str> = rule.products.iter().map(|product| product.label()).collect();
            return Err(SharingError::Unknown(format!(
                "{} gets {}: add the product to classes.{}.products in the file that sharing.recipients names",
                recipient.name,
                text_format::list(&all),
                recipient.class.name()
            )));
        }
    };
    let cluster = stored.released.as_ref().filter(|_| !newest).unwrap_or(&stored.cluster);
    let before = stored.released.as_ref().filter(|released| was_notified && released.version < cluster.version);
    let statements = decision.map(|decision| &*decision.statements).unwrap_or_default();
    let make = |product: Product| {
        let document = documents::render(&documents::Request {
            identity: &config.identity,
            contact: &config.contact,
            case,
            reference,
            cluster,
            before,
            recipient,
            product,
            shows: rule.shows,
            tlp: rule.tlp,
            statements,
        })?;
        Ok((product, document))
    };
    products.into_iter().map(make).collect()
}

/// The policy, and the case that a reviewer means.
fn look_up(config: &Config, case: &str) -> Result<(Policy, CaseRecord, Store), SharingError> {
    config.check().map_err(SharingError::Config)?;
    let policy = config.policy().map_err(SharingError::Config)?;
    let file = !config.database.starts_with("postgres");
    if file && !std::path::Path::new(&config.database).exists() {
        return Err(SharingError::Unknown(format!(
            "there is no sharing database at {}: name the configuration of the service with --config, or start it once",
            config.database
        )));
    }
    let store = Store::open(&config.database, config.database_connections)?;
    let stored = match store.case(case)? {
        Some(stored) => stored,
        None => {
            let cluster = find_case(&store, case)?;
            store.case(&cluster)?.ok_or(SharingError::NoCase(cluster))?
        }
    };
    Ok((policy, stored, store))
}

/// The cluster of the one case that a reviewer means, also by an id that a partner quotes.
fn find_case(store: &Store, wanted: &str) -> Result<String, SharingError> {
    if let Some(cluster) = store.cluster_by_reference(wanted)? {
        return Ok(cluster);
    }
    let (rows, _) = store.cases(&CaseQuery { limit: ALL_CASES, ..CaseQuery::default() })?;
    if let Some(row) = rows.iter().find(|row| row.case_id == wanted) {
        return Ok(row.cluster_id.clone());
    }
    let begins = |id: &str| !wanted.is_empty() && id.starts_with(wanted);
    let found: Vec<&CaseRow> = rows.iter().filter(|row| begins(&row.case_id) || begins(&row.cluster_id)).collect();
    match found.as_slice() {
        [one] => Ok(one.cluster_id.clone()),
        [] => {
            let newest: Vec<&str> = rows.iter().take(3).map(|row| row.cluster_id.as_str()).collect();
            Err(SharingError::Unknown(match newest.as_slice() {
                [] => format!("there is no case {wanted:?}: there is none at all yet"),
                _ => format!(
                    "there is no case {wanted:?}, by its id or its cluster's: there {} {}, the newest about {}",
                    if rows.len() == 1 { "is" } else { "are" },
                    rows.len(),
                    newest.join(", ")
                ),
            }))
        }
        [first, second, ..] => Err(SharingError::Unknown(format!(
            "{} cases begin with {wanted:?}, for example {} and {}: give more of the id",
            found.len(),
            first.cluster_id,
            second.cluster_id
        ))),
    }
}
