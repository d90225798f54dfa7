//! The labels of the accounts of a file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use coordination::{Millis, Post};
use detection::input::{Input, Options};
use serde::Deserialize;
use simulator::{AccountKey, Label};

use crate::EvaluationError;

/// The labels of the accounts of a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Labels {
    pub(super) of_account: BTreeMap<AccountKey, AccountLabel>,
    /// Whether anything was labelled, even as unknown.
    any: bool,
}

/// The label of one account.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct AccountLabel {
    /// `None` if not known.
    pub(super) inauthentic: Option<bool>,
    pub(super) campaigns: BTreeSet<String>,
    /// Its first post; `None` in a table of labels.
    first_post: Option<Millis>,
}

#[derive(Deserialize)]
struct Labelled {
    label: Option<String>,
    campaign: Option<String>,
}

impl Labels {
    /// Reads all accounts of files of posts, with the labels of their posts. Unreadable lines are
    /// ignored here: detection counts them.
    pub fn read(files: &[PathBuf], options: Options) -> Result<Labels, EvaluationError> {
        Labels::read_posts(files, options, &mut |_| {})
    }

    /// The same, and passes on every post.
    pub(crate) fn read_posts(
        files: &[PathBuf],
        options: Options,
        on_post: &mut dyn FnMut(&Post<'_>),
    ) -> Result<Labels, EvaluationError> {
        if files.iter().any(|file| file == Path::new("-")) {
            return Err(EvaluationError::StandardInput);
        }
        let mut labels = Labels::default();
        let mut first = None;
        let counts = Input::open(files, options)?.each::<EvaluationError>(
            &mut |post, raw| {
                let key = AccountKey { platform: post.platform.to_string(), account_id: post.account_id.to_string() };
                let account = labels.of_account.entry(key).or_default();
                account.first_post = account.first_post.into_iter().chain([post.created_at]).min();
                // A line that is not JSON of the native dialect has no label.
                if let Ok(Labelled { label, campaign }) = serde_json::from_slice(raw) {
                    let (label, campaign) = (label.unwrap_or_default(), campaign.unwrap_or_default());
                    labels.any |= !label.is_empty();
                    let post = || format!("post {}", post.id);
                    account.add(&label, &campaign).map_err(|label| EvaluationError::Label { place: post(), label })?;
                }
                on_post(post);
                Ok(())
            },
            &mut |bad| {
                first.get_or_insert_with(|| bad.to_string());
            },
            &mut |_| {},
        )?;
        if counts.posts == 0 {
            let damage = counts.damaged.first().map(ToString::to_string);
            let first = first.or(damage).unwrap_or_else(|| "there is none".to_owned());
            return Err(EvaluationError::NoPosts { rejected: counts.bad, first });
        }
        Ok(labels)
    }

    /// Uses the labels of a table instead of those of posts: columns `account_id` and `label`,
    /// optionally `platform` and `campaign`, separated by tabs. A row without a platform applies to
    /// the account on every platform. Accounts that the table does not name are unknown.
    pub fn overlay(&mut self, path: &Path) -> Result<(), EvaluationError> {
        self.overlay_all(&[path])
    }

    /// The same with the rows of several tables.
    pub(crate) fn overlay_all(&mut self, tables: &[impl AsRef<Path>]) -> Result<(), EvaluationError> {
        #[derive(Deserialize)]
        struct LabelRow {
            platform: Option<String>,
            account_id: String,
            label: String,
            #[serde(default)]
            campaign: String,
        }
        let mut rows: BTreeMap<(Option<String>, String), AccountLabel> = BTreeMap::new();
        for path in tables.iter().map(AsRef::as_ref) {
            let wrong = |source: csv::Error| EvaluationError::Labels { path: path.to_owned(), source };
            let mut table = csv::ReaderBuilder::new().delimiter(b'\t').quoting(false).from_path(path).map_err(wrong)?;
            for row in table.deserialize() {
                let row: LabelRow = row.map_err(wrong)?;
                let place = || format!("labels {}: account {}", path.display(), row.account_id);
                let account = rows.entry((row.platform.clone(), row.account_id.clone())).or_default();
                account
                    .add(&row.label, &row.campaign)
                    .map_err(|label| EvaluationError::Label { place: place(), label })?;
            }
        }
        self.any = false;
        for (key, account) in &mut self.of_account {
            let named = rows.get(&(Some(key.platform.clone()), key.account_id.clone()));
            let named = named.or_else(|| rows.get(&(None, key.account_id.clone())));
            self.any |= named.is_some();
            *account = AccountLabel { first_post: account.first_post, ..named.cloned().unwrap_or_default() };
        }
        Ok(())
    }

    /// Whether any account was labelled, even as unknown.
    pub(crate) fn any(&self) -> bool {
        self.any
    }

    /// Every account of the files, and whether it is inauthentic, if known.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = (&AccountKey, Option<bool>)> {
        self.of_account.iter().map(|(key, account)| (key, account.inauthentic))
    }

    /// The campaigns of an account, if it is inauthentic.
    pub(crate) fn campaigns_of(&self, account: &AccountKey) -> impl Iterator<Item = &str> {
        let account = self.get(account).filter(|account| account.inauthentic == Some(true));
        account.into_iter().flat_map(|account| &account.campaigns).map(String::as_str)
    }

    /// When an account posted first.
    pub(crate) fn first_post(&self, account: &AccountKey) -> Option<Millis> {
        self.get(account)?.first_post
    }

    pub(super) fn get(&self, account: &AccountKey) -> Option<&AccountLabel> {
        self.of_account.get(account)
    }

    /// The campaign of most of these accounts.
    pub(crate) fn campaign_of(&self, accounts: &[AccountKey]) -> Option<String> {
        let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
        for campaign in accounts.iter().filter_map(|account| self.get(account)).flat_map(|a| &a.campaigns) {
            *counts.entry(campaign).or_insert(0) += 1;
        }
        counts.into_iter().max_by_key(|(_, n)| *n).map(|(name, _)| name.clone())
    }

    pub(crate) fn inauthentic(&self, account: &AccountKey) -> Option<bool> {
        self.get(account).and_then(|account| account.inauthentic)
    }
}

impl AccountLabel {
    /// One inauthentic post makes an account inauthentic. Returns an invalid label as the error.
    pub(super) fn add(&mut self, label: &str, campaign: &str) -> Result<(), String> {
        match label {
            "inauthentic" => self.inauthentic = Some(true),
            "organic" => {
                self.inauthentic.get_or_insert(false);
            }
            "unknown" | "" => {}
            // The simulator labels accounts of innocent groups with the kind of group, which is not
            // a campaign.
            other if Label::ALL.iter().any(|known| known.as_str() == other) => {
                self.inauthentic.get_or_insert(false);
                return Ok(());
            }
            other => return Err(other.to_owned()),
        }
        if !campaign.is_empty() {
            self.campaigns.insert(campaign.to_owned());
        }
        Ok(())
    }
}
