//! The page: one HTML file without external files.

use askama::Template;

use crate::{
    figures::{PublishedSummary, Summary, innocents},
    plot::{self, Series},
    report::{MethodFigures, Report, WorldFigures},
    stats::Estimate,
    table,
};

#[derive(Template)]
#[template(path = "evaluation.html")]
struct Page<'r> {
    report: &'r Report,
    style: &'static str,
    window: String,
    legend: Vec<(String, String)>,
    worlds: Vec<World<'r>>,
    control: Vec<(String, String)>,
    delays: Vec<(String, String)>,
    sweeps: Vec<Sweep<'r>>,
}

struct World<'r> {
    figures: &'r WorldFigures,
    seeds: String,
    posts: u64,
    rows: Vec<MethodRow>,
}

/// One method's column, as text.
struct MethodRow {
    name: String,
    clusters: u64,
    wrong: u64,
    standing: u64,
    wrong_share: String,
    precision: String,
    recall: String,
    campaigns: String,
    delay: String,
    note: String,
}

struct Sweep<'r> {
    title: &'r str,
    about: &'r str,
    unit: &'r str,
    name: &'r str,
    plots: Vec<(&'static str, String)>,
    rows: Vec<(&'r str, MethodRow)>,
}

/// The style sheet of every page.
pub(crate) const STYLE: &str = include_str!("../templates/evaluation.css");

type Figure = fn(&PublishedSummary) -> Option<Estimate>;

/// The figures that are drawn for a sweep.
const DRAWN: [(&str, Figure); 3] = [
    ("Accounts named, of those that acted", |published| published.recall),
    ("Campaigns found", |published| published.campaigns),
    ("False, of clusters published", |published| published.false_share),
];

impl Report {
    /// The page.
    pub fn html(&self) -> String {
        let page = Page {
            report: self,
            style: STYLE,
            window: format!("{}", self.peer_window_s),
            legend: self.series().into_iter().enumerate().map(|(place, name)| (name, plot::legend(place))).collect(),
            worlds: self.worlds.iter().map(World::of).collect(),
            control: self.control(),
            delays: self.delays(),
            sweeps: self.sweeps(),
        };
        // A template fails only if a value's Display fails, and ours do not.
        page.render().unwrap_or_default()
    }

    /// The series, each with its own line, in the order of the legend.
    fn series(&self) -> Vec<String> {
        let all = self.worlds.iter().map(|world| &world.methods);
        let all = all.chain(self.sweeps.iter().flat_map(|sweep| sweep.points.iter().map(|point| &point.methods)));
        all.take(1).flatten().flat_map(lines).map(|(name, _)| name).collect()
    }

    /// Error control in the worlds with nothing planted, one drawing per world.
    fn control(&self) -> Vec<(String, String)> {
        let drawing = |world: &WorldFigures| {
            let rows: Vec<(String, usize, Option<Estimate>)> = world
                .methods
                .iter()
                .flat_map(lines)
                .enumerate()
                .map(|(place, (name, published))| (name, place, published.seeds_with_false))
                .collect();
            let label = format!("{}: share of seeds in which anything was published", world.world);
            (world.world.clone(), plot::intervals(&label, self.alpha, &rows))
        };
        self.worlds.iter().filter(|world| world.null).map(drawing).collect()
    }

    /// The share of found campaigns as a function of their actions, one drawing per world.
    fn delays(&self) -> Vec<(String, String)> {
        let with_campaigns = self.worlds.iter().filter(|world| !world.null);
        with_campaigns.filter_map(|world| Some((world.world.clone(), delay(world)?))).collect()
    }

    fn sweeps(&self) -> Vec<Sweep<'_>> {
        let names = self.series();
        self.sweeps
            .iter()
            .map(|sweep| {
                let values: Vec<&str> = sweep.points.iter().map(|point| point.value.as_str()).collect();
                let plots = DRAWN.map(|(title, figure)| {
                    let series: Vec<Series<'_, Option<Estimate>>> = names
                        .iter()
                        .enumerate()
                        .map(|(place, name)| Series {
                            name,
                            place,
                            points: sweep
                                .points
                                .iter()
                                .map(|point| {
                                    point.methods.iter().flat_map(lines).nth(place).and_then(|(_, p)| figure(p))
                                })
                                .collect(),
                        })
                        .collect();
                    (title, plot::curve(&format!("{}: {title}", sweep.title), &sweep.unit, &values, &series))
                });
                let rows = sweep
                    .points
                    .iter()
                    .flat_map(|point| point.methods.iter().flat_map(rows).map(|row| (point.value.as_str(), row)));
                Sweep {
                    title: &sweep.title,
                    about: &sweep.about,
                    unit: &sweep.unit,
                    name: &sweep.name,
                    plots: plots.to_vec(),
                    rows: rows.collect(),
                }
            })
            .collect()
    }
}

/// The columns of a method with their names. A method without a model has one column with the
/// method's name.
fn lines(figures: &MethodFigures) -> Vec<(String, &PublishedSummary)> {
    let name = |column: &str| match figures.summary.flagged {
        Some(_) => format!("{}, {column}", figures.method),
        None => figures.method.to_string(),
    };
    figures.summary.columns().map(|(column, published)| (name(column), published)).collect()
}

/// `None` if the methods report nothing before the end, or if no campaign acted.
fn delay(world: &WorldFigures) -> Option<String> {
    let mut series = Vec::new();
    let lockstep = world.methods.iter().find(|figures| figures.summary.flagged.is_some())?;
    let campaigns: Vec<_> = lockstep.runs.iter().flat_map(|run| &run.campaigns).collect();
    let most = campaigns.iter().map(|campaign| campaign.actions).max()?;
    let names = lines(lockstep);
    for (place, (name, _)) in names.iter().enumerate() {
        let mut actions: Vec<u64> = campaigns
            .iter()
            .map(|campaign| if place == 0 { campaign.flagged } else { campaign.coordinated })
            .filter_map(|detection| detection.delay_actions)
            .collect();
        actions.sort_unstable();
        let share = |i: usize| (i + 1) as f64 / campaigns.len() as f64;
        let points = actions.iter().enumerate().map(|(i, at)| (*at as f64, share(i))).collect();
        series.push(Series { name, place, points });
    }
    let label = format!("{}: share of campaigns found by the number of their actions", world.world);
    Some(plot::steps(&label, "actions begun", most as f64, &series))
}

impl<'r> World<'r> {
    fn of(figures: &'r WorldFigures) -> World<'r> {
        let summary: Option<&Summary> = figures.methods.first().map(|first| &first.summary);
        World {
            figures,
            seeds: table::seeds(summary.map_or(0, |summary| summary.seeds)),
            posts: summary.map_or(0, |summary| summary.posts),
            rows: figures.methods.iter().flat_map(rows).collect(),
        }
    }
}

fn rows(figures: &MethodFigures) -> Vec<MethodRow> {
    let of = |(at, (name, published)): (usize, (String, &PublishedSummary))| MethodRow {
        name,
        clusters: published.ever.clusters,
        wrong: published.ever.wrong,
        standing: published.standing.clusters,
        wrong_share: estimate(published.false_share),
        precision: estimate(published.precision),
        recall: estimate(published.recall),
        campaigns: estimate(published.campaigns),
        delay: published.delay.map_or_else(
            || "none".to_owned(),
            |delay| format!("{} actions, {:.1} h", delay.actions_median, delay.hours_median),
        ),
        note: {
            let groups = published.false_groups.iter().map(|(group, n)| format!("{group} {n}"));
            let wrong = groups.collect::<Vec<_>>().join(", ");
            let also = if at == 0 { note(&figures.summary) } else { String::new() };
            let wrong = if wrong.is_empty() { wrong } else { format!("false: {wrong}") };
            let innocents = innocents(&published.innocents);
            let innocents =
                if innocents.is_empty() { innocents } else { format!("innocent accounts named: {innocents}") };
            [also, wrong, innocents].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
        },
    };
    lines(figures).into_iter().enumerate().map(of).collect()
}

/// A short form for a table with many columns.
fn estimate(estimate: Option<Estimate>) -> String {
    estimate.map_or_else(|| "none".to_owned(), |estimate| format!("{estimate:.2}"))
}

/// Further results of the method.
fn note(summary: &Summary) -> String {
    let single = summary.single_source;
    match (&summary.pairs, summary.candidates_tested) {
        (Some(pairs), _) => {
            let share = 100.0 * pairs.wrong as f64 / (pairs.flagged as f64).max(1.0);
            format!("{} pairs, {share:.0} % false", pairs.flagged)
        }
        (None, Some(tested)) => format!("{tested} candidates tested, {} clusters single-source", single.clusters),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use crate::{Judge, Method, Report, suite::Suite};

    /// A small world and one sweep of it, end to end.
    const SUITE: &str = "
        about = 'A test <suite>'
        seeds = 2
        [define.tiny]
        extends = 'prototype'
        about = 'One campaign in a small crowd'
        days = 2.5
        lookalike = []
        crowd.accounts = 1000
        [[define.tiny.campaign]]
        name = 'c'
        start_day = 1.5
        actions_per_day = 12
        modes = { url = 1.0 }
        [define.none]
        extends = 'prototype'
        name = 'none'
        days = 1.0
        lookalike = []
        campaign = []
        crowd.accounts = 200
        [[world]]
        world = 'tiny'
        [[world]]
        world = 'none'
        [[sweep]]
        name = 'participation'
        title = 'Participation'
        about = 'How many act'
        unit = 'share'
        world = 'tiny'
        path = 'campaign.*.participation'
        values = [1.0, 0.0]
    ";

    #[test]
    fn a_suite_runs_end_to_end_and_does_not_depend_on_threads() {
        let suite = Suite::from_toml("test.toml", SUITE, false).unwrap();
        let models = tempfile::tempdir().unwrap();
        let judge = Judge::new(crate::model::tests::config(models.path()), suite.peer_window_s).unwrap();
        let mut methods = Method::ALL;
        methods.reverse();
        let run = |threads| Report::run(&suite, &methods, &judge, threads, &|_| {}).unwrap();
        let report = run(1);
        assert_eq!(report, run(4));

        let tiny = &report.worlds[0];
        let coordinated = tiny.methods[0].summary.coordinated.as_ref().unwrap();
        assert_eq!((coordinated.ever.wrong, coordinated.campaigns_acted), (0, 2));
        assert_eq!(coordinated.campaigns.unwrap().value, 1.0);
        assert!(coordinated.recall.unwrap().value > 0.0, "{coordinated:?}");
        assert!(coordinated.delay.unwrap().actions_median >= 2.0);
        assert!(report.worlds[1].null && !tiny.null);
        assert!(tiny.methods[1].summary.pairs.unwrap().flagged > 0);
        // Nobody took part, so no campaign acted.
        let idle = &report.sweeps[0].points[1].methods[0].summary;
        assert_eq!(idle.coordinated.as_ref().unwrap().campaigns_acted, 0);

        let text = report.to_string();
        assert!(text.contains("tiny, lockstep") && text.contains("Participation, share"), "{text}");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["worlds"][0]["methods"][0]["method"], "lockstep");

        let html = report.html();
        // Three drawings of the sweep, one of delay, one of error control.
        assert_eq!(html.matches("<svg class=\"plot\"").count(), 5);
        assert_eq!(html.matches("<svg").count(), html.matches("</svg>").count());
        for tag in ["section", "table", "figure", "details", "dl", "main", "div"] {
            let open = html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
            assert_eq!(open, html.matches(&format!("</{tag}>")).count(), "{tag}");
        }
        assert!(html.contains("A test &#60;suite&#62;"), "texts are escaped");
        for loads in ["http://", "https://", "<script", "src=", "url(", "@import"] {
            assert!(!html.contains(loads), "{loads}");
        }
        for part in ["lockstep, flagged", "lockstep, coordinated", "coortweet", "cooccurrence", "nominal 0.05"] {
            assert!(html.contains(part), "{part}");
        }
    }
}
