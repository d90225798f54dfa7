//! What is counted about sharing.

mod scoreboard;
mod watch;

use casework::{case::State, feedback::Outcome};
use runtime::metrics::{
    Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Label, MetricsError,
};

use crate::store::precision::{By, Judged};
use scoreboard::ScoreboardMetrics;
pub(crate) use watch::WatchMetrics;

/// Outcomes of flagged clusters.
const CLUSTERS: [&str; 5] = ["opened", "updated", "known", "rejected", "dead_letter"];
/// Outcomes of attempts to deliver a webhook.
const ATTEMPTS: [&str; 4] = ["delivered", "failed", "dead", "disabled"];
/// Outcomes of tries to log in.
const LOGINS: [&str; 5] = ["ok", "wrong", "limited", "no_role", "failed"];
/// Limits that refuse requests and connections.
const LIMITS: [&str; 5] = ["partner", "token", "stranger", "login", "connection"];
/// Places of errors.
const PLACES: [&str; 13] = [
    "store",
    "log",
    "http",
    "webhook",
    "feedback",
    "evidence",
    "expiry",
    "audit",
    "events",
    "provider",
    "retention",
    "watch",
    "digest",
];
/// What is deleted because it is old.
const DELETED: [&str; 4] = ["cases", "posts", "objects", "deliveries"];
/// Outcomes of tries to send a digest.
const DIGESTS: [&str; 2] = ["sent", "failed"];
/// What became of posts behind findings.
const EVIDENCE: [&str; 3] = ["kept", "gone", "deleted"];

/// The sharing service's metrics, registered once.
#[derive(Clone)]
pub(crate) struct Metrics {
    /// The registry, for the consumer's lag.
    pub shared: runtime::metrics::Metrics,
    /// Clusters read, by outcome: opened, updated, known, rejected.
    pub clusters: IntCounterVec,
    /// Cases by state.
    pub cases: IntGaugeVec,
    /// Objects added to collections.
    pub objects: IntCounter,
    /// Objects that partners added to collections.
    pub posted: IntCounter,
    /// Requests by surface (taxii, feed, console, api), endpoint and status.
    pub requests: IntCounterVec,
    /// Seconds per request by surface and endpoint.
    pub seconds: HistogramVec,
    /// Tries to log in, by outcome: ok, wrong, limited, no_role, failed.
    pub logins: IntCounterVec,
    /// Requests and connections above a limit: partner, token, stranger, login, connection.
    pub limited: IntCounterVec,
    /// Seconds since a partner got its newest key.
    pub key_age: IntGaugeVec,
    /// When the last of a partner's keys ends.
    pub key_expires: IntGaugeVec,
    /// When the server's certificate ends.
    pub certificate_expires: IntGauge,
    /// Posts behind findings, by outcome.
    pub evidence: IntCounterVec,
    /// Posts that are kept.
    pub evidence_posts: IntGauge,
    /// What was deleted because it is old.
    pub deleted: IntCounterVec,
    /// Errors by place.
    pub errors: IntCounterVec,
    /// Attempts to deliver a webhook, by outcome: delivered, failed, dead, disabled.
    pub webhook_attempts: IntCounterVec,
    /// Seconds per attempt.
    pub webhook_seconds: Histogram,
    /// Deliveries pending and dead.
    pub deliveries: IntGaugeVec,
    /// Endpoints that said that they are gone.
    pub webhooks_disabled: IntGauge,
    /// Objects of partners read, by outcome.
    pub feedback: IntCounterVec,
    /// Withdrawals that partners have not taken note of: waiting, and of these overdue.
    pub retractions: IntGaugeVec,
    /// Retraction cases that wait for people.
    pub retraction_cases: IntGauge,
    /// 1 where the last check of the audit log found it broken, or what it covers changed.
    pub audit_broken: IntGauge,
    /// When the audit log was last checked, seconds since the Unix epoch.
    pub audit_checked: IntGauge,
    /// Entries of the audit log.
    pub audit_entries: IntGauge,
    /// Position of the last entry whose seal was written outside of the database.
    pub audit_sealed: IntGauge,
    /// Cases whose flags run out soon.
    pub running_out: IntGauge,
    /// Shared cases that people should look at again.
    pub attention: IntGauge,
    /// Duties to tell somebody that are due and have no recorded delivery.
    pub open_duties: IntGauge,
    /// Age of the oldest of them, seconds.
    pub oldest_duty: IntGauge,
    /// Clusters that somebody said something of lately, by who and what.
    pub judged: IntGaugeVec,
    /// Appeals of named accounts: open, and of these overdue.
    pub appeals: IntGaugeVec,
    /// Tries to send a digest, by outcome.
    pub digests: IntCounterVec,
    /// What became of releases at each partner.
    pub scoreboard: ScoreboardMetrics,
    /// The watch list.
    pub watch: WatchMetrics,
}

impl Metrics {
    pub fn new(metrics: &runtime::metrics::Metrics) -> Result<Self, MetricsError> {
        const SECONDS: [f64; 11] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0];
        let surface = || Label::listed("surface", ["taxii", "feed", "console", "api"]);
        let endpoint = || Label::open("endpoint", "what was asked for, for example `objects`");
        let partner = || Label::open("partner", "name of a partner");
        let feedback = metrics.counters(
            "lockstep_sharing_feedback_total",
            "Objects of partners read, by outcome.",
            &[Label::listed("outcome", Outcome::ALL.map(Outcome::name))],
        )?;
        let webhook_attempts = metrics.counters(
            "lockstep_sharing_webhook_attempts_total",
            "Attempts to deliver a webhook, by outcome. failed: it is tried again; dead: given up; disabled: the endpoint \
             answered 410.",
            &[Label::listed("outcome", ATTEMPTS)],
        )?;
        // From the first scrape on, so that a rate sees the first event.
        for outcome in Outcome::ALL {
            feedback.with_label_values(&[outcome.name()]);
        }
        for outcome in ATTEMPTS {
            webhook_attempts.with_label_values(&[outcome]);
        }
        let made = Self {
            feedback,
            webhook_attempts,
            webhook_seconds: metrics.histogram(
                "lockstep_sharing_webhook_seconds",
                "Seconds per attempt to deliver a webhook.",
                &SECONDS,
            )?,
            deliveries: metrics.gauges(
                "lockstep_sharing_deliveries",
                "Webhook deliveries by state. pending: not delivered yet; dead: given up.",
                &[Label::listed("state", ["pending", "dead"])],
            )?,
            webhooks_disabled: metrics
                .gauge("lockstep_sharing_webhooks_disabled", "Webhook endpoints that answered 410 and get nothing more.")?,
            retractions: metrics.gauges(
                "lockstep_sharing_retractions",
                "Withdrawals that partners have not acknowledged. waiting: all of them; overdue: those past the deadline.",
                &[Label::listed("state", ["waiting", "overdue"])],
            )?,
            retraction_cases: metrics
                .gauge("lockstep_sharing_retraction_cases", "Retraction cases that wait for a decision.")?,
            audit_broken: metrics.gauge(
                "lockstep_sharing_audit_broken",
                "1 if the last check found the audit log broken, or a case, shared object or key changed outside of the service.",
            )?,
            audit_checked: metrics.gauge(
                "lockstep_sharing_audit_checked_seconds",
                "When the audit log was last checked, seconds since the Unix epoch; 0 before the first check.",
            )?,
            audit_entries: metrics
                .gauge("lockstep_sharing_audit_entries", "Entries of the audit log at its last check.")?,
            audit_sealed: metrics.gauge(
                "lockstep_sharing_audit_sealed_entry",
                "Position of the last entry whose seal was written outside of the database; 0 before the first.",
            )?,
            running_out: metrics.gauge("lockstep_sharing_flags_running_out", "Cases whose flags expire soon.")?,
            attention: metrics
                .gauge("lockstep_sharing_cases_attention", "Shared cases that people should look at again.")?,
            open_duties: metrics.gauge(
                "lockstep_sharing_open_duties",
                "Duties to notify the Secret Service or a chief election official that are due and have no recorded delivery.",
            )?,
            oldest_duty: metrics.gauge(
                "lockstep_sharing_oldest_open_duty_seconds",
                "Age of the oldest duty that is due and has no recorded delivery, seconds; 0 if there is none.",
            )?,
            judged: metrics.gauges(
                "lockstep_sharing_judged_clusters",
                "Flagged clusters with feedback of partners or reviewers in the last 30 days, by the verdict of most of them. \
                 disputed: as many confirm as reject.",
                &[
                    Label::listed("by", By::ALL.map(By::name)),
                    Label::listed("verdict", Judged::ALL.map(Judged::name)),
                ],
            )?,
            appeals: metrics.gauges(
                "lockstep_sharing_appeals",
                "Appeals of named accounts that are not decided. open: all of them; overdue: those past the due date.",
                &[Label::listed("state", ["open", "overdue"])],
            )?,
            digests: metrics.counters(
                "lockstep_sharing_digests_total",
                "Tries to send the digest of a partner, by outcome. sent: the mail server took it, or its file is written; failed: it is \
                 tried again.",
                &[Label::listed("outcome", DIGESTS)],
            )?,
            scoreboard: ScoreboardMetrics::new(metrics)?,
            watch: WatchMetrics::new(metrics)?,
            shared: metrics.clone(),
            clusters: metrics.counters(
                "lockstep_sharing_clusters_total",
                "Flagged clusters read, by outcome. opened: a new case; updated: a case changed; known: nothing new; \
                 rejected: it cannot be stored; dead_letter: unreadable, and kept in clusters.dead-letter.",
                &[Label::listed("outcome", CLUSTERS)],
            )?,
            cases: metrics.gauges(
                "lockstep_sharing_cases",
                "Cases by state.",
                &[Label::listed("state", State::ALL.map(State::name))],
            )?,
            objects: metrics
                .counter("lockstep_sharing_objects_published_total", "STIX objects added to collections.")?,
            posted: metrics
                .counter("lockstep_sharing_objects_posted_total", "STIX objects that partners added to collections.")?,
            requests: metrics.counters(
                "lockstep_sharing_requests_total",
                "HTTP requests answered.",
                &[surface(), endpoint(), Label::open("status", "status code of the answer")],
            )?,
            seconds: metrics.histograms(
                "lockstep_sharing_request_seconds",
                "Seconds to answer an HTTP request.",
                &[surface(), endpoint()],
                &SECONDS,
            )?,
            logins: metrics.counters(
                "lockstep_sharing_logins_total",
                "Login attempts, by outcome. wrong: name, password or answer of the provider; limited: too many attempts; \
                 no_role: the provider names no role; failed: an error of the service.",
                &[Label::listed("outcome", LOGINS)],
            )?,
            limited: metrics.counters(
                "lockstep_sharing_limited_total",
                "Requests and connections above a limit, by the limit. stranger: requests without a valid key.",
                &[Label::listed("whose", LIMITS)],
            )?,
            key_age: metrics.gauges(
                "lockstep_sharing_key_age_seconds",
                "Seconds since a partner got its newest valid key.",
                &[partner()],
            )?,
            key_expires: metrics.gauges(
                "lockstep_sharing_key_expires_seconds",
                "When the last valid key of a partner expires, seconds since the Unix epoch; absent if a key never expires.",
                &[partner()],
            )?,
            certificate_expires: metrics.gauge(
                "lockstep_sharing_certificate_expires_seconds",
                "When the certificate of the listener expires, seconds since the Unix epoch; 0 without TLS.",
            )?,
            deleted: metrics.counters(
                "lockstep_sharing_deleted_total",
                "What was deleted because it is older than sharing.retention keeps it: finished cases, with kept posts and shared objects of \
                 theirs, and finished deliveries.",
                &[Label::listed("what", DELETED)],
            )?,
            errors: metrics.counters(
                "lockstep_sharing_errors_total",
                "Errors, by place.",
                &[Label::listed("place", PLACES)],
            )?,
            evidence: metrics.counters(
                "lockstep_sharing_evidence_posts_total",
                "Posts behind new versions of cases: kept, gone from the log before they were kept (once a version); and kept posts deleted for \
                 age or erasure.",
                &[Label::listed("outcome", EVIDENCE)],
            )?,
            evidence_posts: metrics
                .gauge("lockstep_sharing_evidence_posts", "Posts behind findings that are kept in the database.")?,
        };
        // A row that has never counted anything says zero, and not nothing.
        for outcome in LOGINS {
            made.logins.with_label_values(&[outcome]);
        }
        for outcome in CLUSTERS {
            made.clusters.with_label_values(&[outcome]);
        }
        for whose in LIMITS {
            made.limited.with_label_values(&[whose]);
        }
        for place in PLACES {
            made.errors.with_label_values(&[place]);
        }
        for what in DELETED {
            made.deleted.with_label_values(&[what]);
        }
        for outcome in DIGESTS {
            made.digests.with_label_values(&[outcome]);
        }
        for outcome in EVIDENCE {
            made.evidence.with_label_values(&[outcome]);
        }
        for by in By::ALL {
            for word in Judged::ALL {
                made.judged.with_label_values(&[by.name(), word.name()]);
            }
        }
        Ok(made)
    }
}
