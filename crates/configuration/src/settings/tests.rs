use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;
use crate::{Sources, load_from};

#[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct Whole {
    /// Where water is kept.
    cellar: Cellar,
    /// Who may come in.
    door: Door,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct Cellar {
    /// How much of it is
    /// full.
    #[schemars(range(min = 0.1, max = 1.0), extend("unit" = "share", "usual" = [0.2, 0.8]))]
    level: f64,
    /// The owner.
    #[schemars(length(min = 1), extend("example" = "\"Ann\""))]
    owner: Option<String>,
    /// Bottles by name.
    #[schemars(extend("example" = "\"red | dry\" = 7"))]
    bottles: BTreeMap<String, u32>,
    /// Shelves.
    #[schemars(range(min = 1, max = 9), extend("unit" = "shelves"))]
    shelves: u32,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct Door {
    /// How it is shut.
    #[schemars(extend("enum" = ["key", "bolt"]))]
    shut: String,
    /// Where a wind comes from.
    winds: Vec<String>,
}

impl Default for Cellar {
    fn default() -> Cellar {
        Cellar { level: 0.5, owner: None, bottles: BTreeMap::new(), shelves: 3 }
    }
}

fn settings() -> Settings {
    Settings::of::<Whole>("").unwrap()
}

fn read_text(text: &str, env: &[(&str, &str)]) -> Result<crate::Loaded<Whole>, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("house.toml");
    std::fs::write(&path, text).unwrap();
    let settings = settings();
    let sources =
        Sources { file: Some(&path), env_prefix: Some("HOUSE"), settings: Some(&settings), ..Sources::default() };
    load_from(&sources, env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
        .map_err(|error| error.to_string().replace(&format!("{}/", dir.path().display()), ""))
}

#[test]
fn a_file_of_all_settings_reads_as_the_default() {
    let file = settings().file("A house.");
    assert_eq!(
        file,
        "# A house.\n\n# Where water is kept.\n[cellar]\n# How much of it is full.\n# Values: 0.1 to 1 (share), usually 0.2 \
         to 0.8.\nlevel = 0.5\n# The owner.\n# owner = \"Ann\"\n# Shelves.\n# Values: 1 to 9 (whole shelves).\n\
         shelves = 3\n\n# Bottles by name.\n[cellar.bottles]\n# \"red | dry\" = 7\n\n# Who may come in.\n[door]\n\
         # How it is shut.\n# Values: key, bolt.\nshut = \"\"\n# Where a wind comes from.\nwinds = []\n"
    );
    assert_eq!(read_text(&file, &[]).unwrap().value, Whole::default());
}

#[test]
fn a_page_has_a_row_for_each() {
    let page = settings().page("# House\n");
    assert!(page.starts_with("# House\n\n## `[cellar]`\n\nWhere water is kept.\n\n| key | default |"), "{page}");
    assert!(page.contains("| `level` | `0.5` | 0.1 to 1 (share), usually 0.2 to 0.8 | How much of it is full. |\n"));
    assert!(page.contains("| `owner` | none; for example `\"Ann\"` |  | The owner. |\n"), "{page}");
    assert!(page.contains("```toml\n[cellar.bottles]\n\"red | dry\" = 7\n```\n"), "{page}");
}

#[test]
fn numbers_that_are_not_allowed_are_refused_with_place_value_bounds_and_unit() {
    for (text, expected) in [
        ("[cellar]\nlevel = 0", "house.toml:2: cellar.level is 0: set 0.1 to 1 (share)"),
        ("[cellar]\nlevel = nan", "house.toml:2: cellar.level is NaN: set 0.1 to 1 (share)"),
        ("[cellar]\nlevel = inf", "house.toml:2: cellar.level is inf: set 0.1 to 1 (share)"),
        ("[cellar]\nlevel = \"half\"", "house.toml:2: cellar.level is \"half\": set 0.1 to 1 (share)"),
        ("[cellar]\nlevel = 0.5\nshelves = 2.5", "house.toml:3: cellar.shelves is 2.5: set 1 to 9 (whole shelves)"),
        ("[cellar]\nshelves = -1", "house.toml:2: cellar.shelves is -1: set 1 to 9 (whole shelves)"),
        (
            "[cellar]\nshelves = 10\nlevle = 1\nlevel = 2",
            "house.toml:3: unknown key cellar.levle, did you mean \"level\"?\n\
             house.toml:4: cellar.level is 2: set 0.1 to 1 (share)\n\
             house.toml:2: cellar.shelves is 10: set 1 to 9 (whole shelves)",
        ),
    ] {
        assert_eq!(read_text(text, &[]).unwrap_err(), expected, "{text}");
    }
    let from =
        |value: &str| read_text("", &[("HOUSE__CELLAR__SHELVES", value)]).map(|loaded| loaded.value.cellar.shelves);
    assert_eq!(from("9"), Ok(9));
    for wrong in ["0", "10", "x", "2.5", "nan"] {
        assert_eq!(
            from(wrong).unwrap_err(),
            format!(
                "environment variable HOUSE__CELLAR__SHELVES: cellar.shelves is {wrong:?}: set 1 to 9 (whole shelves)"
            )
        );
    }
}

#[test]
fn an_empty_text_is_refused_with_its_place_where_a_value_is_needed() {
    let expected = "cellar.owner is empty: give it a value, or remove the key";
    for empty in ["", "  "] {
        let text = format!("[cellar]\nowner = \"{empty}\"");
        assert_eq!(read_text(&text, &[]).unwrap_err(), format!("house.toml:2: {expected}"));
        let from_environment = read_text("", &[("HOUSE__CELLAR__OWNER", empty)]).unwrap_err();
        assert_eq!(from_environment, format!("environment variable HOUSE__CELLAR__OWNER: {expected}"));
        let cellar = Cellar { owner: Some(empty.to_owned()), ..Cellar::default() };
        assert_eq!(Settings::of::<Cellar>("cellar").unwrap().check(&cellar).unwrap_err(), expected);
    }
    assert_eq!(read_text("[cellar]\nowner = \"Bob\"", &[]).unwrap().value.cellar.owner.as_deref(), Some("Bob"));
}

#[test]
fn a_value_that_was_not_read_is_held_to_the_same_bounds() {
    let cellar = Settings::of::<Cellar>("cellar").unwrap();
    assert_eq!(cellar.check(&Cellar::default()), Ok(()));
    let empty = Cellar { level: f64::NAN, ..Cellar::default() };
    assert_eq!(cellar.check(&empty).unwrap_err(), "cellar.level is NaN: set 0.1 to 1 (share)");
}

#[test]
fn what_takes_effect_says_where_it_comes_from_and_what_it_means() {
    let loaded = read_text(
        "[cellar]\nshelves = 4\n[cellar.bottles]\na = 1\n[door]\nwinds = [\"n\", \"s\"]",
        &[("HOUSE__DOOR__SHUT", "bolt")],
    )
    .unwrap();
    let text = toml::to_string_pretty(&loaded.value).unwrap();
    let shown = settings().annotate(&text, &loaded.origins, false);
    let lines: Vec<String> = shown.lines().map(|line| line.rsplit('/').next().unwrap().to_owned()).collect();
    assert!(lines.contains(&"level = 0.5  # default".to_owned()), "{shown}");
    assert!(shown.contains("shelves = 4  # ") && shown.contains("house.toml:2\n"), "{shown}");
    assert!(shown.contains("shut = \"bolt\"  # environment variable HOUSE__DOOR__SHUT\n"), "{shown}");
    assert!(shown.contains("house.toml:4\n") && shown.contains("winds = [  # "), "{shown}");
    assert_eq!(toml::from_str::<Whole>(&shown).unwrap(), loaded.value);
    let explained = settings().annotate(&text, &loaded.origins, true);
    assert!(explained.contains("# Shelves.\n# Values: 1 to 9 (whole shelves).\nshelves = 4  # "), "{explained}");
    assert_eq!(toml::from_str::<Whole>(&explained).unwrap(), loaded.value);
}
