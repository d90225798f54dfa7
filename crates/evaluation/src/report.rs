//! The whole evaluation: everything in a suite, for JSON and for the page.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::{EvaluationError, Job, Judge, Method, Run, Summary, run_all, suite::Suite};

/// All figures of a suite.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The suite's name.
    pub suite: String,
    /// Its purpose.
    pub about: String,
    /// The model that flags, name and version.
    pub model: String,
    /// The nominal false discovery rate of the engine.
    pub alpha: f64,
    /// The window of the other tools' methods, seconds.
    pub peer_window_s: f64,
    /// The methods compared.
    pub methods: Vec<Method>,
    /// The worlds.
    pub worlds: Vec<WorldFigures>,
    /// The sweeps.
    pub sweeps: Vec<SweepFigures>,
}

/// The figures of one world.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorldFigures {
    /// The world's name.
    pub world: String,
    /// Its purpose.
    pub about: String,
    /// Whether nothing is planted in it.
    pub null: bool,
    /// One for each method.
    pub methods: Vec<MethodFigures>,
}

/// The figures of one method on one world.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MethodFigures {
    /// The method.
    pub method: Method,
    /// Over all seeds.
    pub summary: Summary,
    /// Seed by seed.
    pub runs: Vec<Run>,
}

/// The figures of one sweep: an evasion curve.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SweepFigures {
    /// Short name.
    pub name: String,
    /// Heading.
    pub title: String,
    /// What the parameter does.
    pub about: String,
    /// The unit of the values.
    pub unit: String,
    /// The points, in the suite's order.
    pub points: Vec<PointFigures>,
}

/// The figures at one value of a parameter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PointFigures {
    /// The value, as in the suite.
    pub value: String,
    /// One for each method.
    pub methods: Vec<MethodFigures>,
}

impl Report {
    /// Runs a whole suite on this number of threads; each method runs once, this engine first.
    /// `on_done` is called for each finished run, from any thread.
    pub fn run(
        suite: &Suite,
        methods: &[Method],
        judge: &Judge,
        threads: usize,
        on_done: &(dyn Fn(&Job<'_>) + Sync),
    ) -> Result<Report, EvaluationError> {
        let methods: BTreeSet<Method> = methods.iter().copied().collect();
        let jobs: Vec<Job<'_>> = suite
            .scenarios()
            .flat_map(|scenario| methods.iter().map(move |method| (scenario, *method)))
            .flat_map(|(scenario, method)| {
                (suite.first_seed..suite.first_seed.saturating_add(scenario.seeds)).map(move |seed| Job {
                    world: &scenario.world,
                    seed,
                    method,
                })
            })
            .collect();
        let mut runs = run_all(judge, &jobs, threads, on_done)?.into_iter();
        // The runs are in the order of the jobs, so each scenario takes its runs from the front.
        let mut take = |seeds: u64| -> Vec<MethodFigures> {
            let of_method = |method: &Method| {
                let runs: Vec<Run> = runs.by_ref().take(seeds as usize).collect();
                MethodFigures { method: *method, summary: Summary::of(&runs), runs }
            };
            methods.iter().map(of_method).collect()
        };
        let world = |scenario: &crate::suite::Scenario| WorldFigures {
            world: scenario.world.name.clone(),
            about: scenario.world.about.clone(),
            null: scenario.world.campaigns.is_empty(),
            methods: take(scenario.seeds),
        };
        let worlds = suite.worlds.iter().map(world).collect();
        let sweeps = suite
            .sweeps
            .iter()
            .map(|sweep| SweepFigures {
                name: sweep.name.clone(),
                title: sweep.title.clone(),
                about: sweep.about.clone(),
                unit: sweep.unit.clone(),
                points: sweep
                    .points
                    .iter()
                    .map(|(value, scenario)| PointFigures { value: value.clone(), methods: take(scenario.seeds) })
                    .collect(),
            })
            .collect();
        Ok(Report {
            suite: suite.name.clone(),
            about: suite.about.clone(),
            model: judge.model(),
            alpha: judge.config().engine.alpha,
            peer_window_s: judge.peer_window_s(),
            methods: methods.into_iter().collect(),
            worlds,
            sweeps,
        })
    }
}
