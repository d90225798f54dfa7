//! The files that a run writes: one line per group, one row per tie, account and object, and the
//! totals.

use std::{
    collections::HashMap,
    io::{self, Write},
    path::Path,
};

use coordination::{AccountRef, Object, TraceKind};
use jiff::Timestamp;
use messages::cluster::{StatusTally, Tally};
use scoring::SuspectAccount;
use serde_json::json;

use super::{Detection, RankedAccount, UsedObject, name, network, rank::without_crowd};
use crate::files::{WriteError, create};

/// Version of the columns and keys that are written here; it is in `summary.json`.
const OUTPUT_VERSION: u32 = 2;

impl Detection {
    /// Writes `clusters.jsonl`, `near_misses.jsonl`, `ties.csv`, `accounts.csv`, `objects.csv`,
    /// `network.graphml`, `network.gexf` and `summary.json` into a folder, which is created if it
    /// is missing.
    pub fn write(&self, dir: &Path) -> Result<(), WriteError> {
        std::fs::create_dir_all(dir).map_err(|source| WriteError { path: dir.to_owned(), source })?;
        for (file, clusters) in [("clusters.jsonl", &self.clusters), ("near_misses.jsonl", &self.near_misses)] {
            create(&dir.join(file), |out| {
                for cluster in clusters {
                    let line = cluster.encode().map_err(io::Error::other)?;
                    out.write_all(&line)?;
                    out.write_all(b"\n")?;
                }
                Ok(())
            })?;
        }
        create(&dir.join("ties.csv"), |out| self.write_ties(out))?;
        create(&dir.join("accounts.csv"), |out| self.write_accounts(out))?;
        create(&dir.join("objects.csv"), |out| self.write_objects(out))?;
        create(&dir.join("network.graphml"), |out| network::write_graphml(self, out))?;
        create(&dir.join("network.gexf"), |out| network::write_gexf(self, out))?;
        create(&dir.join("summary.json"), |out| {
            serde_json::to_writer_pretty(&mut *out, &self.summary())?;
            out.write_all(b"\n")
        })
    }

    /// Accounts are written as `platform:account_id`, because a tie may join two platforms. A key
    /// counts once, so the number of distinct keys equals that of co-acts.
    fn write_ties(&self, out: &mut dyn Write) -> io::Result<()> {
        let names = self.account_names();
        let called = |account: &AccountRef| names.get(account).copied().unwrap_or_default();
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record([
            "account_a",
            "account_b",
            "kind",
            "co_acts",
            "distinct_keys",
            "nats",
            "median_lag_s",
            "expected",
            "account_a_name",
            "account_b_name",
        ])?;
        for tie in &self.ties {
            csv.write_record([
                &name(&tie.a),
                &name(&tie.b),
                tie.kind.name(),
                &tie.co_acts.to_string(),
                &tie.co_acts.to_string(),
                &format!("{:.4}", tie.nats),
                &format!("{:.3}", tie.median_lag_s),
                // Mostly far below one, so with an exponent.
                &format!("{:.3e}", tie.expected),
                called(&tie.a),
                called(&tie.b),
            ])?;
        }
        csv.flush()
    }

    /// Names of accounts, if known.
    pub fn account_names(&self) -> HashMap<&AccountRef, &str> {
        let known = self.accounts.iter().map(|ranked| &ranked.account.evidence);
        known.map(|evidence| (&evidence.account, &*evidence.account_name)).collect()
    }

    fn write_accounts(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record([
            "platform",
            "account_id",
            "posts",
            "log_e",
            "probability",
            "cluster_id",
            "status",
            "posterior",
            "suspicion",
            "strongest_tie_nats",
            "texts",
            "copies",
            "account",
            "account_name",
        ])?;
        for RankedAccount { account: SuspectAccount { evidence, .. }, cluster, probability } in &self.accounts {
            let (id, status) = match cluster {
                Some((id, status)) => (id.as_str(), status.name()),
                None => ("", ""),
            };
            let known = |probability: Option<f64>| probability.map_or_else(String::new, |known| format!("{known:.6}"));
            csv.write_record([
                &evidence.account.platform,
                &evidence.account.account_id,
                &evidence.posts.to_string(),
                &format!("{:.4}", evidence.log_e.unwrap_or(0.0)),
                &known(*probability),
                id,
                status,
                &known(evidence.posterior),
                &format!("{:.4}", evidence.suspicion),
                &format!("{:.4}", evidence.tie_nats),
                &evidence.texts.to_string(),
                &evidence.copies.to_string(),
                &name(&evidence.account),
                &evidence.account_name,
            ])?;
        }
        csv.flush()
    }

    /// Objects that at least two accounts used, with the groups in whose evidence they are.
    pub fn used_objects(&self) -> Vec<UsedObject<'_>> {
        let mut groups: HashMap<(TraceKind, &str), Vec<&str>> = HashMap::new();
        for cluster in &self.clusters {
            for evidence in &cluster.evidence {
                let of = groups.entry((evidence.kind, &*evidence.key)).or_default();
                if of.last() != Some(&&*cluster.cluster_id) {
                    of.push(&cluster.cluster_id);
                }
            }
        }
        let used = |object| {
            let Object { kind, key, first_account, first_post, .. }: &Object = object;
            let clusters = groups.get(&(*kind, key.as_str())).cloned().unwrap_or_default();
            let first = (*kind == TraceKind::Text).then(|| self.posted.get(&first_account.platform, first_post));
            UsedObject { object, clusters, text: first.flatten().map(|said| said.text.as_str()) }
        };
        self.objects.iter().map(used).collect()
    }

    /// One row per object. In the column `clusters`, ids are separated by spaces.
    fn write_objects(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record([
            "kind", "key", "source", "accounts", "posts", "first", "last", "used_by", "clusters", "text",
        ])?;
        for used in self.used_objects() {
            let object = used.object;
            let time = |at| Timestamp::from_millisecond(at).map(|at| at.to_string()).unwrap_or_default();
            csv.write_record([
                object.kind.name(),
                &object.key,
                &object.source,
                &object.accounts.to_string(),
                &object.posts.to_string(),
                &time(object.first),
                &time(object.last),
                used.used_by(),
                &used.clusters.join(" "),
                used.text.unwrap_or_default(),
            ])?;
        }
        csv.flush()
    }

    /// Numbers of groups and accounts, for the terminal, the report and `summary.json`.
    pub fn tally(&self) -> Tally {
        Tally::of(self.clusters.iter().chain(&self.near_misses))
    }

    /// Counts of the input and of the results.
    pub fn summary(&self) -> serde_json::Value {
        let tally = self.tally();
        let accounts = |of: StatusTally| of.accounts;
        let evicted = &self.stats.evicted;
        json!({
            "output_version": OUTPUT_VERSION,
            "posts": self.counts.posts,
            "accounts": self.accounts_seen,
            "rows": self.counts.rows,
            "rejected_lines": self.counts.bad,
            "duplicates": self.counts.duplicates,
            "passed_over": self.counts.not_posts + self.counts.passed_over,
            "columns": self.counts.column_entries(),
            "unreadable_fields": self.counts.unreadable_fields(),
            "local_times": self.counts.local_times,
            "first_post": self.period.map(|(first, _)| first.to_string()),
            "last_post": self.period.map(|(_, last)| last.to_string()),
            "posts_apart": self.apart.iter().map(|apart| json!({
                "side": if apart.late { "last" } else { "first" },
                "posts": apart.posts,
                "days": apart.days,
                "others": apart.others.to_string(),
            })).collect::<Vec<_>>(),
            "candidates_tested": self.stats.candidates_proposed,
            "flagged": tally.flagged.groups,
            "coordinated": tally.coordinated.groups,
            "single_source": tally.single_source.groups,
            "one_text": tally.one_text.groups,
            "faded": tally.faded.groups,
            "active": tally.active,
            "near_misses": tally.near_miss.groups,
            "near_misses_dropped": self.near_misses_dropped,
            "groups_too_large": self.stats.too_large,
            "groups_without_crowd": self.without_crowd(),
            "evicted": {
                "uses": evicted.uses,
                "ties": evicted.ties,
                "texts": evicted.texts,
                "candidates": evicted.candidates,
                "accounts": evicted.accounts,
                "objects": self.objects_dropped,
            },
            "accounts_flagged": accounts(tally.flagged),
            "accounts_coordinated": accounts(tally.coordinated),
            "accounts_single_source": accounts(tally.single_source),
            "accounts_faded": accounts(tally.faded),
            "accounts_in_clusters": accounts(tally.found),
            "ties": self.ties.len(),
            "objects": self.objects.len(),
            "seconds": self.took.as_secs_f64(),
            "posts_per_second": self.counts.posts as f64 / self.took.as_secs_f64().max(1e-9),
        })
    }

    /// Accounts with any evidence, by suspicion.
    pub fn suspects(&self) -> impl Iterator<Item = &RankedAccount> {
        let speaks = |ranked: &&RankedAccount| ranked.account.evidence.any() && ranked.account.evidence.suspicion > 0.0;
        self.accounts.iter().filter(speaks)
    }

    /// Number of clusters that were tested [without a crowd](without_crowd).
    pub fn without_crowd(&self) -> usize {
        self.clusters.iter().filter(|cluster| without_crowd(cluster)).count()
    }
}
