//! Labelled accounts of simulated worlds to train models with: accounts with any evidence, as
//! `lockstep detect` ranks them.

use std::collections::HashMap;

use coordination::{Cluster, Finding};
use detection::detect::{RankedAccount, ranked};
use messages::cluster::ClusterMessage;
use scoring::{LabelSource, Model, Origin, Row, Subject};
use simulator::{AccountKey, AccountTruth, Label};

use super::{Seen, name_of};
use crate::{EvaluationError, truth::key};

/// The group of accounts that were not planted.
pub const CROWD: &str = "crowd";

/// Accounts of one stream, by suspicion, with their labels.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Accounts {
    /// One row per account.
    pub rows: Vec<Row>,
    /// Number of accounts that the rows represent, including those left out by
    /// [`thinned`](Accounts::thinned).
    pub accounts: u64,
    /// Inauthentic ones among them.
    pub inauthentic: u64,
}

impl Accounts {
    fn new(rows: Vec<Row>) -> Accounts {
        let inauthentic = rows.iter().filter(|row| row.origin.inauthentic).count() as u64;
        Accounts { accounts: rows.len() as u64, inauthentic, rows }
    }

    /// Adds the accounts of another stream.
    pub fn add(&mut self, more: Accounts) {
        self.rows.extend(more.rows);
        self.accounts += more.accounts;
        self.inauthentic += more.inauthentic;
    }

    /// Options of training on them, with the share of inauthentic accounts before any were left
    /// out. `worlds` describes where they were found.
    pub fn options(&self, version: &str, worlds: &str) -> scoring::Options {
        let Accounts { accounts, inauthentic, .. } = self;
        scoring::Options {
            subject: Subject::Account,
            prior: Some(*inauthentic as f64 / *accounts as f64),
            data: format!(
                "synthetic: accounts with any evidence against them in {worlds} ({accounts}, {inauthentic} of them inauthentic); of \
                 the crowd only every k-th, so that it is no more than those who were planted in its world"
            ),
            ..scoring::Options::new("account", version)
        }
    }

    /// Reduces the crowd to at most the number of planted accounts, campaigns and look-alikes
    /// together: a crowd of thousands would dominate training. Every k-th account of the crowd
    /// remains, in the order of suspicion, so that suspicious and quiet accounts keep their
    /// proportion. Removed accounts still count in `accounts`, and so in the share of inauthentic
    /// accounts that a model expects.
    #[must_use]
    pub fn thinned(mut self) -> Accounts {
        let crowd = self.rows.iter().filter(|row| row.origin.campaign == CROWD).count();
        let every = crowd.div_ceil((self.rows.len() - crowd).max(1));
        let mut seen = 0;
        self.rows.retain(|row| {
            let is_crowd = row.origin.campaign == CROWD;
            seen += usize::from(is_crowd);
            !is_crowd || seen % every == 0
        });
        self
    }
}

impl Seen {
    /// The accounts with any evidence, ranked with this model's verdicts on clusters.
    pub fn accounts(&self, model: &Model) -> Result<Accounts, EvaluationError> {
        let stands = self.found[self.before_the_end..].iter();
        let message = |cluster: &Cluster| {
            let verdict = ClusterMessage::takes_verdict(cluster).then(|| model.verdict(cluster));
            // The engine ran without a judge, so that one run serves all models.
            let flagged = cluster.finding == Finding::Coordinated && verdict.as_ref().is_some_and(|v| v.inauthentic);
            let cluster = Cluster { flagged, ..cluster.clone() };
            ClusterMessage::new(&cluster, verdict.as_ref(), Vec::new(), Vec::new())
        };
        // A faded cluster is not a finding to learn from.
        let stands = stands.filter(|cluster| cluster.finding != Finding::Faded);
        let clusters: Result<Vec<ClusterMessage>, _> = stands.map(message).collect();
        let (_, accounts) = ranked(clusters?, self.accounts.clone(), None);
        let truth: HashMap<&AccountKey, &AccountTruth> =
            self.truth.accounts.iter().map(|known| (&known.account, known)).collect();
        let row = |ranked: &RankedAccount| {
            if !ranked.account.evidence.any() && ranked.account.cluster.is_none() {
                return None;
            }
            let account = key(&ranked.account.evidence.account);
            let known = truth.get(&account)?;
            let origin = Origin {
                inauthentic: known.label == Label::Inauthentic,
                label_source: LabelSource::Simulator,
                weight: 1.0,
                campaign: known.group.clone().unwrap_or_else(|| CROWD.to_owned()),
                benign_class: match known.label {
                    Label::Inauthentic | Label::Organic => String::new(),
                    label => name_of(label),
                },
                world: self.world.clone(),
                seed: self.seed,
                language: self.languages.of(&[account]),
            };
            Some(Row::of_account(&ranked.account, origin))
        };
        Ok(Accounts::new(accounts.iter().filter_map(row).collect()))
    }
}
