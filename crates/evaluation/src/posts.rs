//! Figures on labelled files of posts.
//!
//! Posts in the native dialect may have `label` (`inauthentic`, `organic` or `unknown`) and
//! `campaign`, which detection does not use. Labels may come from a table of accounts instead.

mod labels;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
};

use detection::detect::{Detection, RankedAccount};
use messages::cluster::Status;
use serde::Serialize;
use simulator::AccountKey;

use crate::{
    figures::Tally,
    stats::{Estimate, Ranking, RankingFigures, bootstrap},
    table::estimate,
    truth::MAJORITY,
};

pub use labels::Labels;

/// The figures of detection on labelled files.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileFigures {
    /// Names of the files.
    pub files: Vec<String>,
    /// Posts read.
    pub posts: u64,
    /// Accounts by label.
    pub accounts: AccountCounts,
    /// Candidates tested.
    pub candidates_tested: u64,
    /// Clusters that are coordinated by the statistics, whatever the model's verdict.
    pub coordinated: FilePublished,
    /// Those that the model flags.
    pub flagged: FilePublished,
    /// Single-source clusters.
    pub single_source: FileTally,
    /// The campaigns that the file names.
    pub campaigns: Vec<FileCampaign>,
    /// How well the ranking of accounts puts inauthentic accounts first; `None` unless both labels
    /// occur.
    pub ranking: Option<RankingFigures>,
}

/// Accounts by label.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct AccountCounts {
    /// Labelled inauthentic.
    pub inauthentic: u64,
    /// Labelled organic.
    pub organic: u64,
    /// Not labelled, or labelled unknown.
    pub unknown: u64,
}

impl AccountCounts {
    /// All of them.
    pub fn total(self) -> u64 {
        self.inauthentic + self.organic + self.unknown
    }
}

/// Clusters at the end of the files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct FileTally {
    /// Clusters with an account whose label is known, and the number of false ones: fewer than half
    /// of the accounts with a known label are inauthentic.
    #[serde(flatten)]
    pub known: Tally,
    /// Clusters that are not false, but have fewer than half of their accounts in one campaign.
    pub mixed: u64,
    /// Clusters without any account whose label is known.
    pub unknown: u64,
}

/// The published clusters of files.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FilePublished {
    /// Clusters.
    pub clusters: FileTally,
    /// Accounts named.
    pub accounts: AccountCounts,
    /// Inauthentic accounts among those named whose label is known; bootstrap over accounts.
    pub precision: Option<Estimate>,
    /// Inauthentic accounts that were named.
    pub recall: Option<Estimate>,
}

/// The results for one campaign of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileCampaign {
    /// Its name.
    pub name: String,
    /// Its accounts.
    pub accounts: u64,
    /// Those named as coordinated.
    pub coordinated: u64,
    /// Those named as flagged.
    pub flagged: u64,
    /// Clusters, flagged or coordinated, with at least half of their accounts in this campaign.
    pub clusters: u64,
}

impl FileFigures {
    /// Compares the findings in files with the labels.
    pub fn measure(files: &[PathBuf], detection: &Detection, labels: &Labels) -> FileFigures {
        let clusters: Vec<(Status, Vec<AccountKey>)> = detection
            .clusters
            .iter()
            .map(|cluster| {
                let key = |a: &messages::cluster::ClusterAccount| AccountKey {
                    platform: a.platform.clone(),
                    account_id: a.account_id.clone(),
                };
                (cluster.status, cluster.accounts.iter().map(key).collect())
            })
            .collect();
        let of = |statuses: &[Status]| -> Vec<&[AccountKey]> {
            let taken = clusters.iter().filter(|(status, _)| statuses.contains(status));
            taken.map(|(_, accounts)| accounts.as_slice()).collect()
        };
        let coordinated = of(&[Status::Flagged, Status::Coordinated]);
        let flagged = of(&[Status::Flagged]);
        FileFigures {
            files: files
                .iter()
                .map(|f| f.file_name().unwrap_or(f.as_os_str()).to_string_lossy().into_owned())
                .collect(),
            posts: detection.counts.posts,
            accounts: labels.count(labels.of_account.keys()),
            candidates_tested: detection.stats.candidates_proposed,
            campaigns: labels.campaigns(&coordinated, &flagged),
            coordinated: labels.published(&coordinated),
            flagged: labels.published(&flagged),
            single_source: labels.tally(&of(&[Status::SingleSource])),
            ranking: labels.ranking(&detection.accounts).figures(),
        }
    }
}

impl Labels {
    pub(crate) fn count<'a>(&self, accounts: impl IntoIterator<Item = &'a AccountKey>) -> AccountCounts {
        let mut counts = AccountCounts::default();
        for account in accounts {
            *match self.inauthentic(account) {
                Some(true) => &mut counts.inauthentic,
                Some(false) => &mut counts.organic,
                None => &mut counts.unknown,
            } += 1;
        }
        counts
    }

    fn tally(&self, clusters: &[&[AccountKey]]) -> FileTally {
        let mut tally = FileTally::default();
        for accounts in clusters {
            let counts = self.count(*accounts);
            let known = counts.inauthentic + counts.organic;
            if known == 0 {
                tally.unknown += 1;
                continue;
            }
            let right = counts.inauthentic as f64 >= MAJORITY * known as f64;
            tally.known.clusters += 1;
            tally.known.wrong += u64::from(!right);
            let campaigns: BTreeSet<&String> =
                accounts.iter().filter_map(|a| self.get(a)).flat_map(|a| &a.campaigns).collect();
            tally.mixed += u64::from(right && !campaigns.iter().any(|campaign| self.is_of(campaign, accounts)));
        }
        tally
    }

    fn is_of(&self, campaign: &str, accounts: &[AccountKey]) -> bool {
        let its = accounts.iter().filter(|a| self.get(a).is_some_and(|a| a.campaigns.contains(campaign)));
        its.count() as f64 >= MAJORITY * accounts.len() as f64
    }

    fn published(&self, clusters: &[&[AccountKey]]) -> FilePublished {
        let named: BTreeSet<&AccountKey> = clusters.iter().flat_map(|accounts| accounts.iter()).collect();
        let share = |truths: Vec<bool>| {
            bootstrap(truths.len(), |drawn| {
                let hits = drawn.iter().filter(|i| truths[**i]).count();
                (!drawn.is_empty()).then(|| hits as f64 / drawn.len() as f64)
            })
        };
        let inauthentic = self.of_account.iter().filter(|(_, account)| account.inauthentic == Some(true));
        FilePublished {
            clusters: self.tally(clusters),
            accounts: self.count(named.iter().copied()),
            precision: share(named.iter().filter_map(|account| self.inauthentic(account)).collect()),
            recall: share(inauthentic.map(|(account, _)| named.contains(account)).collect()),
        }
    }

    fn campaigns(&self, coordinated: &[&[AccountKey]], flagged: &[&[AccountKey]]) -> Vec<FileCampaign> {
        let mut members: BTreeMap<&str, BTreeSet<&AccountKey>> = BTreeMap::new();
        for (key, account) in self.of_account.iter().filter(|(_, account)| account.inauthentic == Some(true)) {
            for campaign in &account.campaigns {
                members.entry(campaign).or_default().insert(key);
            }
        }
        let named = |clusters: &[&[AccountKey]], members: &BTreeSet<&AccountKey>| {
            let named: BTreeSet<&AccountKey> = clusters.iter().flat_map(|accounts| accounts.iter()).collect();
            named.intersection(members).count() as u64
        };
        let of_campaign = |(name, members): (&str, BTreeSet<&AccountKey>)| FileCampaign {
            name: name.to_owned(),
            accounts: members.len() as u64,
            coordinated: named(coordinated, &members),
            flagged: named(flagged, &members),
            clusters: coordinated.iter().filter(|accounts| self.is_of(name, accounts)).count() as u64,
        };
        members.into_iter().map(of_campaign).collect()
    }

    /// Accounts with an unknown label are left out.
    fn ranking(&self, accounts: &[RankedAccount]) -> Ranking {
        let scores = scores(accounts);
        let scored = self.of_account.iter().filter_map(|(key, account)| {
            let score = scores.get(key).copied().unwrap_or(f64::NEG_INFINITY);
            account.inauthentic.map(|inauthentic| (score, inauthentic))
        });
        Ranking::new(scored.collect())
    }
}

/// The order of accounts.csv as scores: equal evidence is an equal score.
pub(crate) fn scores(accounts: &[RankedAccount]) -> BTreeMap<AccountKey, f64> {
    let mut rank = 0.0;
    let mut before: Option<&RankedAccount> = None;
    let score = |account| {
        if !before.is_some_and(|before| equal(before, account)) {
            rank -= 1.0;
        }
        before = Some(account);
        (crate::truth::key(&account.account.evidence.account), rank)
    };
    accounts.iter().map(score).collect()
}

impl fmt::Display for FileFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AccountCounts { inauthentic, organic, unknown } = self.accounts;
        writeln!(f, "{}", self.files.join(", "))?;
        writeln!(
            f,
            "  {} posts; accounts: {inauthentic} inauthentic, {organic} organic, {unknown} unknown; {} candidates tested",
            self.posts, self.candidates_tested
        )?;
        for (name, published) in [("flagged", &self.flagged), ("coordinated", &self.coordinated)] {
            let AccountCounts { inauthentic, organic, unknown } = published.accounts;
            writeln!(
                f,
                "  {name:<13} {}; accounts: {inauthentic} inauthentic, {organic} organic, {unknown} unknown; precision {}, recall {}",
                published.clusters,
                estimate(published.precision),
                estimate(published.recall)
            )?;
        }
        writeln!(f, "  {:<13} {}", "single source", self.single_source)?;
        match &self.ranking {
            Some(ranking) => writeln!(
                f,
                "  ranking       average precision {} (chance {:.3}), ROC AUC {} (chance 0.5), of {} accounts",
                estimate(Some(ranking.average_precision)),
                ranking.inauthentic as f64 / ranking.accounts as f64,
                estimate(Some(ranking.roc_auc)),
                ranking.accounts
            )?,
            None => writeln!(f, "  ranking       no figures: they need inauthentic and organic accounts")?,
        }
        for campaign in &self.campaigns {
            writeln!(
                f,
                "    {}: {} accounts, {} flagged, {} coordinated, in {} clusters of its own",
                campaign.name, campaign.accounts, campaign.flagged, campaign.coordinated, campaign.clusters
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for FileTally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FileTally { known: Tally { clusters, wrong }, mixed, unknown } = self;
        write!(f, "{} clusters, {wrong} false, {mixed} mixed, {unknown} unknown", clusters + unknown)
    }
}

/// Whether two neighbours of the ranking differ only in their names.
fn equal(x: &RankedAccount, y: &RankedAccount) -> bool {
    // The values that the ranking uses.
    let flagged =
        |account: &RankedAccount| account.cluster.as_ref().is_some_and(|(_, status)| *status == Status::Flagged);
    let rank = |account: &RankedAccount| (flagged(account), account.account.evidence.suspicion);
    rank(x) == rank(y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EvaluationError;
    use coordination::{AccountEvidence, AccountRef};
    use detection::input::Options;
    use scoring::SuspectAccount;

    fn key(id: &str) -> AccountKey {
        AccountKey { platform: "x".to_owned(), account_id: id.to_owned() }
    }

    fn labels(of: &[(&str, &str, &str)]) -> Labels {
        let mut labels = Labels::default();
        for (id, label, campaign) in of {
            labels.of_account.entry(key(id)).or_default().add(label, campaign).unwrap();
        }
        labels
    }

    fn some() -> Labels {
        labels(&[
            ("a", "inauthentic", "op1"),
            ("b", "inauthentic", "op1"),
            ("c", "inauthentic", "op2"),
            ("d", "inauthentic", "op2"),
            ("o", "organic", ""),
            ("p", "organic", ""),
            ("q", "organic", ""),
            ("u", "unknown", ""),
        ])
    }

    fn cluster(ids: &str) -> Vec<AccountKey> {
        ids.chars().map(|id| key(&id.to_string())).collect()
    }

    #[test]
    fn clusters_by_hand() {
        let clusters = ["abo", "aopq", "acq", "u", "cu"].map(cluster);
        let clusters: Vec<&[AccountKey]> = clusters.iter().map(Vec::as_slice).collect();
        let tally = some().tally(&clusters);
        assert_eq!(tally, FileTally { known: Tally { clusters: 4, wrong: 1 }, mixed: 1, unknown: 1 });
        let published = some().published(&clusters);
        assert_eq!(published.accounts, AccountCounts { inauthentic: 3, organic: 3, unknown: 1 });
        assert_eq!(published.precision.unwrap().value, 0.5);
        assert_eq!(published.recall.unwrap().value, 0.75);
        let campaigns = some().campaigns(&clusters, &clusters[..1]);
        let of = |name: &str, coordinated, flagged, clusters| FileCampaign {
            name: name.to_owned(),
            accounts: 2,
            coordinated,
            flagged,
            clusters,
        };
        assert_eq!(campaigns, [of("op1", 2, 2, 1), of("op2", 1, 0, 1)]);
    }

    #[test]
    fn nothing_found_is_no_precision_and_no_recall() {
        let published = some().published(&[]);
        assert_eq!(published.precision, None);
        assert_eq!(published.recall.unwrap().value, 0.0);
        assert_eq!(labels(&[("o", "organic", "")]).published(&[]).recall, None);
    }

    #[test]
    fn accounts_without_evidence_rank_last_together() {
        let account = |id: &str, suspicion: f64| RankedAccount {
            account: SuspectAccount {
                evidence: AccountEvidence {
                    account: AccountRef { platform: "x".to_owned(), account_id: id.to_owned() },
                    account_name: String::new(),
                    posts: 1,
                    last_post: 0,
                    tie_nats: 0.0,
                    texts: 0,
                    copies: 0,
                    suspicion,
                    log_e: None,
                    posterior: None,
                },
                cluster: None,
            },
            cluster: None,
            probability: None,
        };
        // a | o b | c d p q (absent): AP = 1/4 + 1/4 * 2/3 + 2/4 * 4/7; AUC: a over 3, b over 2.5,
        // c and d over 1 each.
        let figures = some().ranking(&[account("a", 3.0), account("o", 2.0), account("b", 2.0)]).figures().unwrap();
        assert!((figures.average_precision.value - (0.25 + 0.25 * 2.0 / 3.0 + 0.5 * 4.0 / 7.0)).abs() < 1e-12);
        assert!((figures.roc_auc.value - 7.5 / 12.0).abs() < 1e-12);
        assert_eq!((figures.accounts, figures.inauthentic), (7, 4));
    }

    #[test]
    fn a_table_takes_the_place_of_the_posts_labels() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("accounts.tsv");
        std::fs::write(&path, "account_id\tlabel\tcampaign\tposts\na\torganic\t\t3\no\tinauthentic\top9\t1\n").unwrap();
        let mut labels = some();
        labels.overlay(&path).unwrap();
        assert_eq!(labels.inauthentic(&key("a")), Some(false));
        assert_eq!(labels.inauthentic(&key("o")), Some(true));
        assert_eq!(labels.inauthentic(&key("b")), None);
        assert!(labels.any());
        std::fs::write(&path, "account_id\tlabel\na\tbot\n").unwrap();
        let error = labels.overlay(&path).unwrap_err().to_string();
        assert!(
            error.ends_with("accounts.tsv: account a: `bot` is not a label: write inauthentic, organic or unknown"),
            "{error}"
        );
        std::fs::write(&path, "account\tlabel\na\torganic\n").unwrap();
        let error = labels.overlay(&path).unwrap_err().to_string();
        assert!(error.contains("accounts.tsv") && error.contains("account_id"), "{error}");
    }

    #[test]
    fn labels_are_read_from_posts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("posts.jsonl");
        let post = |id: &str, account: &str, more: &str| {
            format!(
                "{{\"id\":\"{id}\",\"platform\":\"x\",\"account_id\":\"{account}\",\"account_name\":\"\",\"created_at\":\
                 \"2026-01-01T00:00:00Z\",\"text\":\"\"{more}}}\n"
            )
        };
        let text = post("1", "a", ",\"label\":\"inauthentic\",\"campaign\":\"op1\"")
            + &post("2", "o", ",\"label\":\"organic\",\"campaign\":null")
            + &post("3", "n", "");
        std::fs::write(&path, text).unwrap();
        let read = Labels::read(&[path], Options::default()).unwrap();
        assert_eq!(read.count(read.of_account.keys()), AccountCounts { inauthentic: 1, organic: 1, unknown: 1 });
        assert!(read.is_of("op1", &cluster("a")) && read.any());
        assert_eq!(read.first_post(&key("a")), Some(1_767_225_600_000));
        let error = Labels::read(&["-".into()], Options::default()).unwrap_err();
        assert!(matches!(error, EvaluationError::StandardInput));
    }
}
