//! The figures as tables: the same cells for a terminal and for the page.

use super::{Drawn, FileReport, MethodReport, Named, Operation, RealReport, StatusCounts};
use crate::{posts::AccountCounts, stats::Estimate};

/// Rows under a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its title.
    pub title: &'static str,
    /// How to read its cells.
    pub about: &'static str,
    /// Names of the columns.
    pub header: Vec<&'static str>,
    /// Number of columns, from the left, that hold text; the others hold figures.
    pub words: usize,
    /// A cell for each column.
    pub rows: Vec<Vec<String>>,
}

impl RealReport {
    /// Tables of the findings, the operations, and the methods; tables without rows are left out.
    pub fn tables(&self) -> Vec<Table> {
        let methods = |file: &FileReport| file.methods.iter().map(|one| method(file, one)).collect::<Vec<_>>();
        let operations = |file: &FileReport| file.operations.iter().map(|one| operation(file, one)).collect::<Vec<_>>();
        let tables = [
            Table {
                title: "What Lockstep found",
                about: "Accounts by label: inauthentic/organic/unknown, in so many groups, at the end of the file. Precision and recall are \
                        of the flagged, with the coordinated, and with the single-source accounts. Precision takes unknown accounts as \
                        wrong; in brackets they are left out.",
                header: vec![
                    "file",
                    "posts",
                    "accounts",
                    "flagged",
                    "coordinated",
                    "single source",
                    "near miss",
                    "ever flagged",
                    "precision",
                    "recall",
                    "+coordinated",
                    "recall",
                    "+single source",
                    "recall",
                ],
                words: 1,
                rows: self.files.iter().map(found).collect(),
            },
            Table {
                title: "Operations",
                about: "Accounts by their best status at the end of the file; minutes from the first post of the operation's third account.",
                header: vec![
                    "file",
                    "operation",
                    "accounts",
                    "flagged",
                    "coordinated",
                    "single source",
                    "near miss",
                    "reported after",
                    "flagged after",
                ],
                words: 2,
                rows: self.files.iter().flat_map(operations).collect(),
            },
            Table {
                title: "Beside other methods",
                about: "Flagged accounts by label: inauthentic/organic/unknown. CNT: coordination-network-toolkit. AP: average \
                        precision of the ranking of accounts, P@: precision of its first. Intervals draw whole operations; a star says \
                        that single accounts were drawn.",
                header: vec![
                    "file",
                    "method",
                    "flagged",
                    "precision",
                    "recall",
                    "AP",
                    "chance",
                    "ROC AUC",
                    "P@50",
                    "P@100",
                    "CPU s",
                ],
                words: 2,
                rows: self.files.iter().flat_map(methods).collect(),
            },
        ];
        tables.into_iter().filter(|table| !table.rows.is_empty()).collect()
    }
}

fn found(file: &FileReport) -> Vec<String> {
    let mut cells = vec![file.file.clone(), file.posts.to_string(), by_label(file.accounts)];
    cells.extend(file.at_the_end.all().map(|(_, one)| reported(one)));
    cells.push(reported(file.ever.flagged));
    cells.extend([file.flagged, file.flagged_or_coordinated, file.reported].into_iter().flat_map(named));
    cells
}

fn operation(file: &FileReport, one: &Operation) -> Vec<String> {
    let mut cells = vec![file.file.clone(), one.name.clone()];
    let counts = [one.accounts, one.flagged, one.coordinated, one.single_source, one.near_miss];
    cells.extend(counts.map(|n| n.to_string()));
    cells.extend([one.told_after_minutes, one.flagged_after_minutes].map(minutes));
    cells
}

fn method(file: &FileReport, one: &MethodReport) -> Vec<String> {
    let none = || "-".to_owned();
    let mut cells = vec![file.file.clone(), one.method.clone()];
    cells.push(one.flagged.map_or_else(none, by_label));
    cells.extend(one.named.map_or_else(|| [none(), none()], named));
    match &one.ranking {
        Some(ranking) => {
            let star = if ranking.drawn == Drawn::Accounts { "*" } else { "" };
            let interval = |estimate: Estimate| format!("{estimate}{star}");
            cells.extend([
                interval(ranking.average_precision),
                format!("{:.3}", ranking.average_precision_by_chance),
                interval(ranking.roc_auc),
                format!("{:.2}", ranking.precision_at_50),
                format!("{:.2}", ranking.precision_at_100),
            ]);
        }
        None => cells.extend([none(), none(), none(), none(), none()]),
    }
    cells.push(format!("{:.1}", one.cpu_seconds));
    cells
}

/// Inauthentic, organic and unknown.
pub(super) fn by_label(accounts: AccountCounts) -> String {
    let AccountCounts { inauthentic, organic, unknown } = accounts;
    format!("{inauthentic}/{organic}/{unknown}")
}

fn reported(reported: StatusCounts) -> String {
    if reported.groups == 0 {
        "0".to_owned()
    } else {
        format!("{} in {}", by_label(reported.accounts), reported.groups)
    }
}

/// Precision and recall.
fn named(named: Named) -> [String; 2] {
    let (wrong, left_out) = (share(named.precision.unknown_is_wrong), share(named.precision.unknown_left_out));
    let precision = if wrong == left_out { wrong } else { format!("{wrong} ({left_out})") };
    [precision, share(named.recall)]
}

fn share(of: Option<f64>) -> String {
    of.map_or_else(|| "-".to_owned(), |share| format!("{share:.3}"))
}

fn minutes(minutes: Option<f64>) -> String {
    match minutes {
        None => "not reported".to_owned(),
        Some(minutes) if minutes < 0.0 => "before it".to_owned(),
        Some(minutes) if minutes < 240.0 => format!("{minutes:.0} min"),
        Some(minutes) if minutes < 2_880.0 => format!("{:.1} h", minutes / 60.0),
        Some(minutes) => format!("{:.1} days", minutes / 1_440.0),
    }
}
