//! The service from flagged clusters to partners.
//!
//! One finding's journey: a message on `clusters.flagged` → [`Sharing::on_clusters`] → a case ([`case`]) in the store,
//! before the offset is committed → review by people, or by the demo's own reviewers where the configuration says so
//! (`demo`) → the [`policy`] says who is told of what, and what stands in the way → STIX 2.1 objects per partner, in the same transaction
//! as the release → the partner's TAXII collection and, by way of an outbox, its endpoint ([`webhooks`]) → what the partner answers
//! (`feedback`) → the topic `feedback`. What was shared can be withdrawn (`retraction`) and runs out ([`expiry`]). Every step is in the
//! [`audit`] log. The console shows the same evidence to reviewers, and `presentation::report` to researchers. Who gets in, and who may do what, is
//! `access`: people by password or provider, partners by key or certificate, nobody faster than agreed.
//!
//! Absent here: detection. Nothing in this crate looks for coordination or changes a score, and no rule or template reads
//! what opinion a post holds.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

mod access;
mod api;
pub mod audit;
pub mod case;
mod config;
mod console;
mod crash;
mod demo;
pub mod documents;
pub mod expiry;
mod feedback;
#[cfg(test)]
mod fixtures;
mod keys;
mod metrics;
pub mod policy;
mod posted;
mod redaction;
mod retraction;
mod service;
mod stix;
mod store;
mod taxii;
mod web;
pub mod webhooks;

pub use access::{Limits, Login, Provider, Role, SHORTEST_PASSWORD, Tls, Users, UsersError};
pub use config::{Config, Partner, Reviewers, Tlp};
pub use keys::Key;
pub use retraction::Decision;
pub use service::{Outcomes, Sharing, SharingError, explain, make_documents};
pub use store::{Delivery, DeliveryQuery, DeliveryState, FeedbackRow, Retraction, RetractionCase, StoreError};
#[doc(hidden)]
pub use taxii::{check_taxii_envelope, check_taxii_query};
