//! What is measured: worlds, and sweeps of one parameter each. A suite is a TOML file.
//!
//! ```toml
//! about = "What the suite is for."
//! peer_window_s = 60                       # the window of the peers' methods
//! seeds = 3                                # of each world and of each point of a sweep, unless it says otherwise
//!
//! [define.small]                           # a world of the suite's own, as a world file has it
//! extends = "prototype"
//! crowd.accounts = 2000
//!
//! [[world]]
//! world = "demo"                           # a built-in world, or one defined here
//! seeds = 5
//! quick = false                            # left out of a quick run
//!
//! [[sweep]]
//! name = "cover"
//! title = "Cover traffic"
//! about = "Ordinary posts of each account beside the campaign's."
//! unit = "posts an account and day"
//! world = "small"
//! set = { "campaign.*.size" = 12 }         # at every point
//! path = "campaign.*.cover_per_day"        # `*` is every entry of a list
//! values = [0, 15, 60]
//! quick = [0, 60]
//! ```

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;
use simulator::World;
use toml::{Table, Value};

/// The suites that are bundled with Lockstep, by name.
const BUILT_IN: [(&str, &str); 1] = [("default", include_str!("../suites/default.toml"))];

/// Why a suite cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// No built-in suite has this name.
    #[error("no built-in suite is called `{0}`, and a file's name ends in .toml; there is: default")]
    UnknownName(String),
    /// The file cannot be read.
    #[error("cannot read the suite {file}: {source}")]
    Read {
        /// Which file.
        file: String,
        /// The reason.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("suite {file}: not a TOML file: {source}")]
    Syntax {
        /// Which file.
        file: String,
        /// The reason.
        source: toml::de::Error,
    },
    /// A key is unknown or missing, or its value has the wrong type or is invalid.
    #[error("suite {file}: at `{key}`: {problem}")]
    Key {
        /// Which file.
        file: String,
        /// Path of the key.
        key: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Worlds and sweeps, ready to run.
#[derive(Debug)]
pub struct Suite {
    /// Its name: `default`, or the file's.
    pub name: String,
    /// Its purpose.
    pub about: String,
    /// The window of the other tools' methods, seconds.
    pub peer_window_s: f64,
    /// The first seed of each world and point.
    pub first_seed: u64,
    /// The worlds.
    pub worlds: Vec<Scenario>,
    /// The sweeps.
    pub sweeps: Vec<Sweep>,
}

/// The first seed if none is given: models are trained on the seeds from 1 on, and nothing may be
/// reported on a model's training data.
pub const FIRST_SEED: u64 = 101;

/// A world and the number of its runs.
#[derive(Debug)]
pub struct Scenario {
    /// The world.
    pub world: World,
    /// Seeds, from 1.
    pub seeds: u64,
}

/// One parameter and its values.
#[derive(Debug)]
pub struct Sweep {
    /// Short name, unique in the suite.
    pub name: String,
    /// Heading.
    pub title: String,
    /// What the parameter does.
    pub about: String,
    /// The unit of the values.
    pub unit: String,
    /// The points: a value as shown, and the world with this value.
    pub points: Vec<(String, Scenario)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SuiteFile {
    about: String,
    seeds: u64,
    #[serde(default = "peer_window_s")]
    peer_window_s: f64,
    #[serde(default)]
    define: BTreeMap<String, Table>,
    #[serde(default)]
    world: Vec<WorldEntry>,
    #[serde(default)]
    sweep: Vec<SweepEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WorldEntry {
    world: String,
    seeds: Option<u64>,
    #[serde(default = "yes")]
    quick: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SweepEntry {
    name: String,
    title: String,
    about: String,
    unit: String,
    world: String,
    seeds: Option<u64>,
    #[serde(default)]
    set: BTreeMap<String, Value>,
    path: String,
    values: Vec<Value>,
    quick: Option<Vec<Value>>,
}

/// Seconds: the duration of an action in the built-in worlds, and the value in examples of both
/// tools' guides.
pub const PEER_WINDOW_S: f64 = 60.0;

fn peer_window_s() -> f64 {
    PEER_WINDOW_S
}

fn yes() -> bool {
    true
}

impl Suite {
    /// The built-in suite of this name, or that of a file whose name ends in `.toml`. A quick suite
    /// has one seed, fewer worlds and fewer points.
    pub fn open(name: &str, quick: bool) -> Result<Suite, SuiteError> {
        if Path::new(name).extension().is_some_and(|extension| extension == "toml") {
            let text =
                std::fs::read_to_string(name).map_err(|source| SuiteError::Read { file: name.to_owned(), source })?;
            return Suite::from_toml(name, &text, quick);
        }
        let known = BUILT_IN.iter().find(|(known, _)| *known == name);
        let (_, text) = known.ok_or_else(|| SuiteError::UnknownName(name.to_owned()))?;
        Suite::from_toml(name, text, quick)
    }

    /// A suite from TOML; `name` is its name in errors.
    pub fn from_toml(name: &str, text: &str, quick: bool) -> Result<Suite, SuiteError> {
        let syntax = |source| SuiteError::Syntax { file: name.to_owned(), source };
        let table: Table = toml::from_str(text).map_err(syntax)?;
        let wrong = |key: String, problem: String| SuiteError::Key { file: name.to_owned(), key, problem };
        let file: SuiteFile = serde_path_to_error::deserialize(Value::Table(table))
            .map_err(|error| wrong(error.path().to_string(), error.inner().message().to_owned()))?;
        let seeds = |key: String, seeds: Option<u64>| match seeds.unwrap_or(file.seeds) {
            0 => Err(wrong(key, "must be at least 1".to_owned())),
            n => Ok(if quick { 1 } else { n }),
        };
        if !(file.peer_window_s.is_finite() && file.peer_window_s >= 0.0) {
            return Err(wrong("peer_window_s".to_owned(), "must be a number of seconds, 0 or more".to_owned()));
        }
        let mut suite = Suite {
            name: Path::new(name).file_name().map_or_else(|| name.to_owned(), |f| f.to_string_lossy().into_owned()),
            about: file.about.clone(),
            peer_window_s: file.peer_window_s,
            first_seed: FIRST_SEED,
            worlds: Vec::new(),
            sweeps: Vec::new(),
        };
        for (i, entry) in file.world.iter().enumerate() {
            if quick && !entry.quick {
                continue;
            }
            let world = file.world(&entry.world, &[]).map_err(|problem| wrong(format!("world[{i}].world"), problem))?;
            suite.worlds.push(Scenario { world, seeds: seeds(format!("world[{i}].seeds"), entry.seeds)? });
        }
        for (i, entry) in file.sweep.iter().enumerate() {
            let values = if quick { entry.quick.as_ref().unwrap_or(&entry.values) } else { &entry.values };
            if values.is_empty() {
                return Err(wrong(format!("sweep[{i}].values"), "must not be empty".to_owned()));
            }
            if file.sweep[..i].iter().any(|other| other.name == entry.name) {
                return Err(wrong(format!("sweep[{i}].name"), format!("`{}` is there twice", entry.name)));
            }
            let mut points = Vec::new();
            for value in values {
                let mut set: Vec<(&str, &Value)> =
                    entry.set.iter().map(|(path, value)| (path.as_str(), value)).collect();
                set.push((&entry.path, value));
                let world = file
                    .world(&entry.world, &set)
                    .map_err(|problem| wrong(format!("sweep[{i}] ({} = {value})", entry.path), problem))?;
                points
                    .push((shown(value), Scenario { world, seeds: seeds(format!("sweep[{i}].seeds"), entry.seeds)? }));
            }
            suite.sweeps.push(Sweep {
                name: entry.name.clone(),
                title: entry.title.clone(),
                about: entry.about.clone(),
                unit: entry.unit.clone(),
                points,
            });
        }
        Ok(suite)
    }

    /// Runs every world and point with this number of seeds.
    pub fn set_seeds(&mut self, seeds: u64) {
        let points = self.sweeps.iter_mut().flat_map(|sweep| sweep.points.iter_mut().map(|(_, scenario)| scenario));
        self.worlds.iter_mut().chain(points).for_each(|scenario| scenario.seeds = seeds);
    }

    /// Every world with its seeds, in order.
    pub fn scenarios(&self) -> impl Iterator<Item = &Scenario> {
        self.worlds.iter().chain(self.sweeps.iter().flat_map(|sweep| sweep.points.iter().map(|(_, scenario)| scenario)))
    }
}

impl SuiteFile {
    /// A world by name, with values set.
    fn world(&self, name: &str, set: &[(&str, &Value)]) -> Result<World, String> {
        let world = match self.define.get(name) {
            Some(table) => {
                let mut table = table.clone();
                table.entry("name").or_insert_with(|| Value::String(name.to_owned()));
                World::from_toml(&table.to_string())
            }
            None => World::named(name),
        };
        let set: Vec<(&str, String)> = set.iter().map(|(path, value)| (*path, value.to_string())).collect();
        let set = set.iter().map(|(path, value)| (*path, value.as_str()));
        world.and_then(|world| world.with_all(set)).map_err(|error| error.to_string())
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "about = 'a'\nseeds = 4\n";
    const SMALL: &str = "[define.small]\nextends = 'demo'\n[[define.small.campaign]]\nname = 'c'\nstart_day = 1.0\nmodes = { url = 1.0 }\n";

    fn error(text: &str) -> String {
        Suite::from_toml("s.toml", &format!("{HEAD}{text}"), false).unwrap_err().to_string()
    }

    fn sweep(path: &str, values: &str) -> String {
        format!(
            "{SMALL}[[sweep]]\nname = 'n'\ntitle = 't'\nabout = 'a'\nunit = 'u'\nworld = 'small'\npath = '{path}'\nvalues = {values}\n"
        )
    }

    #[test]
    fn every_built_in_suite_reads_and_a_quick_one_is_smaller() {
        for (name, _) in BUILT_IN {
            let [whole, quick] = [false, true].map(|quick| Suite::open(name, quick).unwrap());
            let runs = |suite: &Suite| suite.scenarios().map(|s| s.seeds).sum::<u64>();
            assert!(runs(&quick) > 0 && runs(&quick) * 3 < runs(&whole), "{} of {}", runs(&quick), runs(&whole));
            assert_eq!(whole.sweeps.len(), quick.sweeps.len());
        }
    }

    #[test]
    fn a_sweep_sets_its_value_in_every_campaign() {
        let text = format!(
            "{HEAD}{}seeds = 2\nquick = [9]\nset = {{ 'crowd.accounts' = 77 }}\n",
            sweep("campaign.*.cover_per_day", "[3, 9]")
        );
        let suite = Suite::from_toml("s.toml", &text, false).unwrap();
        let points = &suite.sweeps[0].points;
        let covers: Vec<(&str, f64, usize, u64)> = points
            .iter()
            .map(|(shown, at)| {
                (shown.as_str(), at.world.campaigns[0].cover_per_day.low, at.world.crowd.accounts, at.seeds)
            })
            .collect();
        assert_eq!(covers, [("3", 3.0, 77, 2), ("9", 9.0, 77, 2)]);
        let quick = Suite::from_toml("s.toml", &text, true).unwrap();
        assert_eq!(quick.sweeps[0].points.len(), 1);
        assert_eq!(quick.sweeps[0].points[0].1.seeds, 1);
    }

    #[test]
    fn errors_name_the_file_and_the_field() {
        let starts = |text: &str, start: &str| {
            let error = error(text);
            assert!(error.starts_with(start), "{error}");
        };
        starts("seds = 3\n", "suite s.toml: at `seds`: unknown field `seds`, expected one of");
        starts(
            "[[world]]\nworld = 'demoo'\n",
            "suite s.toml: at `world[0].world`: no built-in world is called `demoo`; did you mean `demo`",
        );
        starts("[[world]]\nworld = 'demo'\nseeds = 0\n", "suite s.toml: at `world[0].seeds`: must be at least 1");
        starts(
            &sweep("campaign.*.cover_per_dy", "[1]"),
            "suite s.toml: at `sweep[0] (campaign.*.cover_per_dy = 1)`: at `campaign[0].cover_per_dy`: unknown field",
        );
        starts(
            &sweep("campaign.*.participation", "[1, 2]"),
            "suite s.toml: at `sweep[0] (campaign.*.participation = 2)`: `campaign[0].participation` is 2: must be in 0 to 1",
        );
        starts(&sweep("campaign.*.participation", "[]"), "suite s.toml: at `sweep[0].values`: must not be empty");
        starts(
            &sweep("campaign.size", "[3]"),
            "suite s.toml: at `sweep[0] (campaign.size = 3)`: at `campaign.size`: nothing is called `size` here; there is c",
        );
        starts("[[", "suite s.toml: not a TOML file: ");
        let unknown = Suite::open("defalt", false).unwrap_err().to_string();
        assert_eq!(unknown, "no built-in suite is called `defalt`, and a file's name ends in .toml; there is: default");
        assert!(
            Suite::open("nowhere.toml", false)
                .unwrap_err()
                .to_string()
                .starts_with("cannot read the suite nowhere.toml: ")
        );
    }
}
