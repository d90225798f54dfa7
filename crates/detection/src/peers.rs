//! `lockstep detect --method coortweet|cooccurrence`: from files of posts to the ties of the
//! published tools.
//!
//! The definitions are in [`coordination::peers`]. This module says what of a post they use, and
//! writes the results.
//!
//! | trace | what a post acts on | `coortweet` | `cooccurrence` |
//! | --- | --- | --- | --- |
//! | `url`, `hashtags`, `mentions`, `media` | each in its list | as its `reshape_tweets` | as its `co_link`, without reposts |
//! | `repost` | the post that it repeats | yes | `co_retweet` |
//! | `reply` | the post that it answers | yes | `co_reply`, without reposts |
//! | `text` | its normalised text | without reposts and replies | `co_tweet`, without reposts |
//! | `similar` | its words | no | `co_similar_tweet`, without reposts |
//! | `post` | anything | no | `co_post` |
//!
//! In CooRTweet's layout the object is given, and the trace only names its kind. Ids, links and
//! texts are compared exactly as they are in the file: no link is made canonical. The tools know no
//! platforms, so one id is one account, whatever its platform.
//!
//! **Faults not copied.** coordination-network-toolkit reads a row without links as a row with the
//! link `""`, and two spaces between links as such a link as well. This joins all accounts that
//! posted no link. CooRTweet reads a column of ids as numbers if all of them look like numbers. A
//! row without a time or an account ends either tool; here it is a rejected line.
//!
//! **Faults copied.** Messages in coordination-network-toolkit's layout that contain only mentions,
//! or nothing at all, have the same text. A post of another layout without a text has no such
//! trace.

mod intake;
mod view;

use std::{
    fmt,
    io::{self, Write},
    path::Path,
    str::FromStr,
    time::{Duration, Instant},
};

use coordination::{
    TraceKind,
    peers::{
        Shares,
        cooccurrence::{Match, Messages, Tie},
        coortweet::{Edge, Groups, Measures, Subgraph},
    },
};
use serde_json::{Value, json};

use self::intake::{AccountTies, Accounts, Intake, Kind, credit};
pub(crate) use self::view::views;
pub use self::view::{MOST_POSTS as MOST_POSTS_VIEWED, PeerView};
use crate::{
    files::{WriteError, create},
    input::{BadLine, Counts, Input, InputError, Progress},
};

/// What two accounts may have in common, by any method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trace {
    /// A kind that Lockstep's own method uses as well.
    Kind(TraceKind),
    /// Similar texts, of the co-occurrence method.
    Similar,
    /// Any post, of the co-occurrence method.
    Post,
}

impl Trace {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Trace> {
        TraceKind::ALL.into_iter().map(Trace::Kind).chain([Trace::Similar, Trace::Post])
    }

    /// Its name on the command line and in `ties.csv`.
    pub fn name(self) -> &'static str {
        match self {
            Trace::Kind(TraceKind::Mention) => "mentions",
            Trace::Kind(kind) => kind.name(),
            Trace::Similar => "similar",
            Trace::Post => "post",
        }
    }

    /// Whether a post has at most one object of it.
    fn is_one_thing(self) -> bool {
        match self {
            Trace::Kind(kind) => {
                !matches!(kind, TraceKind::Url | TraceKind::Hashtags | TraceKind::Mention | TraceKind::Media)
            }
            Trace::Similar => false,
            Trace::Post => true,
        }
    }

    /// coordination-network-toolkit's name for its ties; empty if it has none.
    fn edge_type(self) -> &'static str {
        match self {
            Trace::Kind(TraceKind::Url) => "co_link",
            Trace::Kind(TraceKind::Repost) => "co_retweet",
            Trace::Kind(TraceKind::Reply) => "co_reply",
            Trace::Kind(TraceKind::Text) => "co_tweet",
            Trace::Similar => "co_similar_tweet",
            Trace::Post => "co_post",
            Trace::Kind(_) => "",
        }
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Trace {
    type Err = String;
    fn from_str(name: &str) -> Result<Trace, String> {
        Trace::all().find(|trace| trace.name() == name).ok_or_else(|| {
            let names: Vec<&str> = Trace::all().map(Trace::name).collect();
            format!("is no trace: choose one of {}", names.join(", "))
        })
    }
}

/// Which tool's method, with its parameters in the tool's units.
#[derive(Debug, Clone, PartialEq)]
pub enum Method {
    /// CooRTweet's `detect_groups` and `generate_coordinated_network`.
    CooRTweet {
        /// Seconds, inclusive.
        time_window: f64,
        /// Least number of rows of an account: over all rows, and then among the rows in a pair.
        min_participation: u32,
        /// The quantile of the weights, from 0 to 1.
        edge_weight: f64,
        /// Seconds of the fast network's window.
        fast: Option<f64>,
        /// Which part of the network is wanted.
        subgraph: Subgraph,
        /// Whether the ids of the shared objects are written as well.
        objects: bool,
        /// Whether the pairs are written as well.
        pairs: bool,
    },
    /// coordination-network-toolkit's networks.
    Cooccurrence {
        /// Seconds, inclusive.
        time_window: f64,
        /// The least weight of a tie that is kept.
        min_edge_weight: u32,
        /// The least similarity, for [`Trace::Similar`].
        similarity: f64,
        /// Whether ties of an account to itself are written as well.
        include_self_loops: bool,
    },
}

impl Method {
    /// Its name on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Method::CooRTweet { .. } => "coortweet",
            Method::Cooccurrence { .. } => "cooccurrence",
        }
    }
}

/// Counts of the input and of the results.
#[derive(Debug)]
pub struct PeersRun {
    /// Counts of the input.
    pub counts: Counts,
    /// Counts of the results, as in `summary.json`.
    pub summary: Value,
    /// The kind of the ties.
    pub kind: &'static str,
    /// Shares that were compared: a post with two links counts as two.
    pub shares: u64,
    /// Accounts that were compared.
    pub accounts: u64,
    /// Ties written.
    pub ties: u64,
    /// Number of ties above the threshold, for the methods that have one.
    pub above: Option<u64>,
    /// Ids of accounts that occur with several platforms, and were treated as one account.
    pub on_several_platforms: u64,
    /// From the first byte read to the last one written.
    pub took: Duration,
}

/// Why there are no ties.
#[derive(Debug, thiserror::Error)]
pub enum PeersError {
    /// The input cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// An output file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The trace was not named and the posts have several.
    #[error("the posts have several traces ({0} and {1}): name the one to use with --trace")]
    Ambiguous(&'static str, &'static str),
}

/// Reads the posts, then writes `ties.csv`, `accounts.csv`, `summary.json` and, if asked for,
/// `pairs.csv`. If no trace is named, it uses the only one of `url`, `repost`, `hashtags` and
/// `reply` that the posts have. Nothing is written if no post could be read.
pub fn detect(
    input: Input,
    method: &Method,
    trace: Option<Trace>,
    dir: &Path,
    on_bad: &mut dyn FnMut(BadLine),
    on_progress: &mut dyn FnMut(Progress),
) -> Result<PeersRun, PeersError> {
    let began = Instant::now();
    let mut intake = Intake::new(method, trace);
    let counts = input.each_row::<PeersError>(&mut |post, _, row| intake.take(post, row), on_bad, on_progress)?;
    let Intake { kind, shares, messages, mut accounts, platforms, on_several_platforms, .. } = intake;
    let taken = match method {
        Method::CooRTweet { .. } => &shares,
        Method::Cooccurrence { .. } => messages.shares(),
    };
    let mut outcome = PeersRun {
        kind: kind.map_or("", Kind::name),
        shares: taken.len() as u64,
        accounts: taken.accounts() as u64,
        ties: 0,
        above: None,
        on_several_platforms,
        summary: Value::Null,
        took: Duration::ZERO,
        counts,
    };
    if outcome.counts.posts == 0 {
        return Ok(outcome);
    }
    let objects = taken.objects();
    let mut numbers = match method {
        Method::CooRTweet { .. } => coortweet(&shares, method, dir, &mut outcome, &mut accounts)?,
        Method::Cooccurrence { .. } => cooccurrence(&messages, method, kind, dir, &mut outcome, &mut accounts)?,
    };
    write_accounts(dir, &accounts, &platforms)?;
    outcome.took = began.elapsed();
    let common = json!({
        "method": method.name(),
        "trace": outcome.kind,
        "posts": outcome.counts.posts,
        "rows": outcome.counts.rows,
        "rejected_lines": outcome.counts.bad,
        "passed_over": outcome.counts.not_posts + outcome.counts.passed_over,
        "columns": outcome.counts.column_entries(),
        "unreadable_fields": outcome.counts.unreadable_fields(),
        "local_times": outcome.counts.local_times,
        "shares": outcome.shares,
        "accounts": accounts.len(),
        "objects": objects,
        "ties": outcome.ties,
        "accounts_on_several_platforms": on_several_platforms,
        "seconds": outcome.took.as_secs_f64(),
    });
    if let (Value::Object(numbers), Value::Object(common)) = (&mut numbers, common) {
        numbers.extend(common);
    }
    create(&dir.join("summary.json"), |out| {
        serde_json::to_writer_pretty(&mut *out, &numbers)?;
        out.write_all(b"\n")
    })?;
    outcome.summary = numbers;
    Ok(outcome)
}

/// The columns that every method writes.
const COLUMNS: [&str; 7] = ["account_a", "account_b", "kind", "co_acts", "distinct_keys", "nats", "median_lag_s"];
/// CooRTweet's attributes of an edge, in its order; with a fast network each has one of two
/// endings.
const ATTRIBUTES: [&str; 5] = ["weight", "avg_time_delta", "n_content_id", "n_content_id_y", "edge_symmetry_score"];

fn coortweet(
    shares: &Shares,
    method: &Method,
    dir: &Path,
    outcome: &mut PeersRun,
    accounts: &mut Accounts,
) -> Result<Value, PeersError> {
    let &Method::CooRTweet { time_window, min_participation, edge_weight, fast, subgraph, objects, pairs } = method
    else {
        return Ok(Value::Null);
    };
    let mut groups = Groups::detect(shares, time_window, min_participation);
    if let Some(fast) = fast {
        groups.flag_speed_share(fast);
    }
    if pairs {
        create(&dir.join("pairs.csv"), |out| {
            let mut table = Table::new(out);
            let flag = fast.map(|fast| format!("time_window_{fast}"));
            let names = ["object_id", "content_id", "content_id_y", "time_delta", "account_id", "account_id_y"];
            table.row(names.into_iter().chain(flag.as_deref()));
            groups.pairs(|p| {
                let delta = significant(p.time_delta);
                let flag = p.fast.map(|fast| if fast { "1" } else { "0" });
                let cells = [p.object_id, p.content_id, p.content_id_y, &delta, p.account_id, p.account_id_y];
                table.row(cells.into_iter().chain(flag));
            });
            table.finish()
        })?;
    }
    let network = groups.network(edge_weight, subgraph);
    let endings: &[&str] = if fast.is_some() { &["_full", "_fast"] } else { &[""] };
    let names = ATTRIBUTES.iter().chain(objects.then_some(&"object_ids")).chain([&"weight_threshold"]);
    let header = names.flat_map(|name| endings.iter().map(move |ending| format!("{name}{ending}")));
    let header: Vec<String> = COLUMNS.into_iter().map(str::to_owned).chain(header).collect();
    let kind = outcome.kind;
    let mut above = 0;
    create(&dir.join("ties.csv"), |out| {
        let mut table = Table::new(out);
        table.row(header.iter().map(String::as_str));
        network.edges(objects, |edge: Edge<'_>| {
            outcome.ties += 1;
            above += u64::from(edge.full.weight_threshold);
            for end in [edge.from, edge.to] {
                credit(accounts, end, edge.full.weight);
            }
            let parts = [Some(&edge.full), edge.fast.as_ref()];
            let parts = &parts[..endings.len()];
            let of =
                |show: fn(&Measures<'_>) -> String| parts.iter().map(move |part| part.map(show).unwrap_or_default());
            let cells = [
                edge.from.to_owned(),
                edge.to.to_owned(),
                kind.to_owned(),
                edge.full.weight.to_string(),
                edge.objects.to_string(),
                String::new(),
                significant(edge.median_lag_s),
            ];
            let mut cells = Vec::from(cells);
            cells.extend(of(|m| m.weight.to_string()));
            cells.extend(of(|m| significant(m.avg_time_delta)));
            cells.extend(of(|m| m.n_content_id.to_string()));
            cells.extend(of(|m| m.n_content_id_y.to_string()));
            cells.extend(of(|m| significant(m.edge_symmetry_score())));
            if objects {
                cells.extend(of(|m| m.object_ids.join(",")));
            }
            cells.extend(of(|m| u8::from(m.weight_threshold).to_string()));
            table.row(cells.iter().map(String::as_str));
        });
        table.finish()
    })?;
    outcome.above = Some(above);
    if subgraph == Subgraph::FastContext {
        for (name, account) in accounts.iter_mut().filter(|(_, account)| account.degree > 0) {
            account.color_v = network.coordinated(name);
        }
    }
    Ok(json!({
        "time_window": time_window,
        "min_participation": min_participation,
        "edge_weight": edge_weight,
        "fast_time_window": fast,
        "subgraph": subgraph as u8,
        "pairs": network.pairs(),
        "ties_of_the_whole_network": network.all_edges(),
        "threshold": network.threshold(),
        "fast_threshold": network.fast_threshold(),
        "ties_above_threshold": above,
    }))
}

fn cooccurrence(
    messages: &Messages,
    method: &Method,
    kind: Option<Kind>,
    dir: &Path,
    outcome: &mut PeersRun,
    accounts: &mut Accounts,
) -> Result<Value, PeersError> {
    let &Method::Cooccurrence { time_window, min_edge_weight, similarity, include_self_loops } = method else {
        return Ok(Value::Null);
    };
    let similar = kind == Some(Kind::Of(Trace::Similar));
    let keyless = similar || kind == Some(Kind::Of(Trace::Post));
    let edge_type = match kind {
        Some(Kind::Of(trace)) => trace.edge_type(),
        _ => "",
    };
    create(&dir.join("ties.csv"), |out| {
        let mut table = Table::new(out);
        table.row(COLUMNS.into_iter().chain(["weight", "edge_type"]));
        let of = if similar { Match::Similar(similarity) } else { Match::Same };
        messages.ties(time_window, min_edge_weight, of, include_self_loops, |tie: Tie<'_>| {
            outcome.ties += 1;
            credit(accounts, tie.user_1, tie.weight);
            let weight = tie.weight.to_string();
            let keys = if keyless { String::new() } else { tie.keys.to_string() };
            let lag = significant(tie.median_lag_s);
            table.row([tie.user_1, tie.user_2, outcome.kind, &weight, &keys, "", &lag, &weight, edge_type]);
        });
        table.finish()
    })?;
    Ok(json!({
        "time_window": time_window,
        "min_edge_weight": min_edge_weight,
        "similarity": similar.then_some(similarity),
    }))
}

/// Every account, by its heaviest tie.
fn write_accounts(dir: &Path, accounts: &Accounts, platforms: &[String]) -> Result<(), PeersError> {
    let mut ranked: Vec<(&String, &AccountTies)> = accounts.iter().filter(|(_, account)| account.degree > 0).collect();
    ranked.sort_unstable_by(|(x, a), (y, b)| {
        (b.weight_max, b.strength, b.degree).cmp(&(a.weight_max, a.strength, a.degree)).then(x.cmp(y))
    });
    let colours = ranked.iter().any(|(_, account)| account.color_v.is_some());
    create(&dir.join("accounts.csv"), |out| {
        let mut table = Table::new(out);
        let names = ["platform", "account_id", "posts", "log_e", "probability", "cluster_id", "status"];
        let own = ["degree", "strength", "weight_max"];
        table.row(names.into_iter().chain(own).chain(colours.then_some("color_v")));
        for (name, account) in ranked {
            let numbers = [account.posts, account.degree, account.strength, u64::from(account.weight_max)];
            let [posts, degree, strength, weight_max] = numbers.map(|n| n.to_string());
            let platform = platforms.get(account.platform as usize).map_or("", String::as_str);
            let cells = [platform, name, &posts, "", "", "", "", &degree, &strength, &weight_max];
            let colour = account.color_v.map(|coordinated| if coordinated { "1" } else { "0" });
            table.row(cells.into_iter().chain(colour));
        }
        table.finish()
    })?;
    Ok(())
}

/// A CSV file whose write calls cannot fail; the first error is returned at the end.
struct Table<W: Write> {
    csv: csv::Writer<W>,
    failed: Option<csv::Error>,
}

impl<W: Write> Table<W> {
    fn new(out: W) -> Table<W> {
        Table { csv: csv::Writer::from_writer(out), failed: None }
    }

    fn row<'c>(&mut self, cells: impl IntoIterator<Item = &'c str>) {
        if self.failed.is_none() {
            self.failed = self.csv.write_record(cells).err();
        }
    }

    fn finish(mut self) -> io::Result<()> {
        match self.failed {
            Some(error) => Err(error.into()),
            None => self.csv.flush(),
        }
    }
}

/// A number with 15 significant digits at most, as R writes it.
fn significant(number: f64) -> String {
    format!("{number:.14e}").parse::<f64>().unwrap_or(number).to_string()
}

#[cfg(test)]
mod tests;
