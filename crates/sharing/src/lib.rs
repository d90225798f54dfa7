//! The service from flagged clusters to partners.
//!
//! In layers, one direction: `config`, `encryption`, `kept`, `key` and `object` below all; `store` (rows of both databases) and `publish` (STIX, documents:
//! rendering) beside each other; `service`, the only place that has both; `webhooks` and `http` above it. What is decided, by which rule and
//! by whom, is [`casework`]'s.
//!
//! One finding's journey: a message on `clusters.flagged` → [`Sharing::on_clusters`] → a case ([`casework::case`]) in the store,
//! before the offset is committed → review by people, or by the demo's own reviewers where the configuration says so
//! ([`casework::demo`]) → the policy ([`casework::policy`]) says who is told of what, and what stands in the way → STIX 2.1 objects per partner,
//! in the same transaction as the release → the partner's TAXII collection and, by way of an outbox, its endpoint (`webhooks`) → what the
//! partner answers (`service::feedback`) → the topic `feedback`. What was shared can be withdrawn ([`casework::retraction`]) and runs out
//! ([`casework::attention`]). Every step is in the audit log ([`casework::audit`]). The console shows the same evidence to reviewers, and
//! `presentation::report` to researchers. Who gets in, and who may do what, is `http::access`: people by password or provider, partners by key
//! or certificate, nobody faster than agreed.
//!
//! Absent here: detection. Nothing in this crate looks for coordination or changes a score, and no rule or template reads
//! what opinion a post holds.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

mod audit_watch;
mod config;
mod encryption;
mod fault_injection;
mod http;
mod kept;
mod key;
mod metrics;
mod object;
mod publish;
mod run;
mod seals;
mod service;
mod store;
mod token;
mod webhooks;

pub use config::{
    Audit, Config, Digest, Encryption, REMOVED, Retention, Watch,
    access::{Limits, Login, Provider, Tls},
    policy::load_policy,
};
pub use http::Server;
#[doc(hidden)]
pub use http::{check_taxii_envelope, check_taxii_query};
pub use key::Key;
pub use service::{
    EncryptionState, GROUP, Outcomes, Sharing, SharingError, encryption_state, explain, make_documents,
    reset_encryption, rotate_encryption,
    users::{SHORTEST_PASSWORD, Users, UsersError},
};
pub use store::{
    AuditLog, Delivery, DeliveryQuery, DeliveryState, Erased, ErasedFromStore, FeedbackRow, HeldCase, Retraction,
    RetractionCase, StoreError, schema_version,
};
pub use token::{Scope, Token};
