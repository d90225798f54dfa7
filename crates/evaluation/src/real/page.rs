//! The page: one HTML file without external files.

use askama::Template;

use super::{FileReport, RealReport, Table, table::by_label};
use crate::{
    page::STYLE,
    plot::{
        self, Series,
        real::{Part, Stack, stacks},
        shares::recall_precision,
    },
};

#[derive(Template)]
#[template(path = "real.html")]
struct Page<'r> {
    report: &'r RealReport,
    style: &'static str,
    tables: Vec<Table>,
    labels: [(&'static str, String); 3],
    statuses: [(&'static str, String); 4],
    files: Vec<File<'r>>,
    peers: bool,
}

struct File<'r> {
    report: &'r FileReport,
    accounts: String,
    labels: String,
    named: String,
    operations: Option<String>,
    ranking: Option<Curves>,
    groups: Vec<[String; 6]>,
}

/// The rankings of methods, and the colour of each.
struct Curves {
    svg: String,
    legend: Vec<(String, String)>,
}

/// The classes of the style sheet for labels, and for statuses.
const INAUTHENTIC: usize = 2;
const ORGANIC: usize = 0;
const UNKNOWN: usize = 3;
const STATUSES: [(&str, usize); 4] = [("flagged", 2), ("coordinated", 0), ("single source", 1), ("near miss", 3)];
/// Methods whose ranking is drawn: as many as there are colours.
const DRAWN: usize = 4;

impl RealReport {
    /// The page.
    pub fn html(&self) -> String {
        let label = |name, place| (name, plot::swatch(place));
        let page = Page {
            report: self,
            style: STYLE,
            tables: self.tables(),
            labels: [label("inauthentic", INAUTHENTIC), label("organic", ORGANIC), label("unknown", UNKNOWN)],
            statuses: STATUSES.map(|(name, place)| label(name, place)),
            files: self.files.iter().map(File::of).collect(),
            peers: self.files.iter().any(|file| file.methods.len() > 1),
        };
        // A template fails only if a value's Display fails, and ours do not.
        page.render().unwrap_or_default()
    }
}

impl<'r> File<'r> {
    fn of(report: &'r FileReport) -> File<'r> {
        let group = |group: &super::Group| {
            let operation = group.operation.as_ref().map_or_else(String::new, |(name, n)| format!("{n} of {name}"));
            [
                group.cluster_id.clone(),
                group.status.name().replace('_', " "),
                by_label(group.accounts),
                operation,
                format!("{:.1}", group.log_e_leave_one_source_out),
                group.why.clone(),
            ]
        };
        File {
            report,
            accounts: by_label(report.accounts),
            labels: report.labels.join(", "),
            named: named(report),
            operations: (!report.operations.is_empty()).then(|| operations(report)),
            ranking: Curves::of(report),
            groups: report.groups.iter().map(group).collect(),
        }
    }
}

/// Accounts by status and label.
fn named(report: &FileReport) -> String {
    let most = report.at_the_end.all().map(|(_, reported)| reported.accounts.total()).into_iter().max().unwrap_or(0);
    let stack = |(name, reported): (&'static str, super::StatusCounts)| {
        let accounts = reported.accounts;
        let part = |n: u64, label: &str, place| Part { place, n, title: format!("{name}: {n} {label}") };
        Stack {
            name: format!("{name}: {}", counted(reported)),
            of: most,
            parts: vec![
                part(accounts.inauthentic, "inauthentic", INAUTHENTIC),
                part(accounts.organic, "organic", ORGANIC),
                part(accounts.unknown, "of unknown label", UNKNOWN),
            ],
        }
    };
    let rows: Vec<Stack> = report.at_the_end.all().into_iter().map(stack).collect();
    stacks(&format!("{}: accounts by status and label", report.file), &rows)
}

fn counted(reported: super::StatusCounts) -> String {
    let group = if reported.groups == 1 { "group" } else { "groups" };
    format!("{} accounts in {} {group}", reported.accounts.total(), reported.groups)
}

/// The accounts of each operation, by status.
fn operations(report: &FileReport) -> String {
    let stack = |one: &super::Operation| {
        let counts = [one.flagged, one.coordinated, one.single_source, one.near_miss];
        let part = |(n, (status, place)): (u64, (&str, usize))| Part {
            place,
            n,
            title: format!("{}: {n} of {} {status}", one.name, one.accounts),
        };
        Stack {
            name: format!("{}: {} of {}", one.name, counts[..3].iter().sum::<u64>(), one.accounts),
            of: one.accounts,
            parts: counts.into_iter().zip(STATUSES).map(part).collect(),
        }
    };
    let rows: Vec<Stack> = report.operations.iter().map(stack).collect();
    stacks(&format!("{}: accounts of each operation by status", report.file), &rows)
}

impl Curves {
    /// Lockstep and the other methods with the best rankings; `None` if there is no ranking.
    fn of(report: &FileReport) -> Option<Curves> {
        let mut ranked = report.methods.iter().filter_map(|one| Some((one.method.as_str(), one.ranking.as_ref()?)));
        let ours = ranked.next()?;
        let mut others: Vec<_> = ranked.collect();
        others.sort_by(|(_, x), (_, y)| y.average_precision.value.total_cmp(&x.average_precision.value));
        others.truncate(DRAWN - 1);
        let series: Vec<Series<'_, (f64, f64)>> = std::iter::once(ours)
            .chain(others)
            .enumerate()
            .map(|(place, (name, ranking))| Series { name, place, points: ranking.curve.clone() })
            .collect();
        let label = format!("{}: precision over recall of the ranking of accounts", report.file);
        Some(Curves {
            svg: recall_precision(&label, ours.1.average_precision_by_chance, &series),
            legend: series.iter().map(|one| (one.name.to_owned(), plot::legend(one.place))).collect(),
        })
    }
}
