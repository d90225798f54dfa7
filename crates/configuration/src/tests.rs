use std::{collections::BTreeMap, net::SocketAddr};

use serde::Deserialize;

use super::*;

const LOCKSTEP: Sources<'static> = Sources {
    file: None,
    env_prefix: Some("LOCKSTEP"),
    overrides: &[],
    retired: &[],
    renamed: &[],
    removed: &[],
    unused: &[],
    settings: None,
};

fn texts(warnings: &[Warning]) -> Vec<String> {
    warnings.iter().map(ToString::to_string).collect()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Settings {
    detector: Detector,
    http: Http,
    labels: BTreeMap<String, String>,
    mode: Mode,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Detector {
    window: u32,
    share: f64,
    name: String,
    kinds: Vec<String>,
    limit: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
struct Http {
    listen: SocketAddr,
    key: Secret,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Mode {
    #[default]
    Quiet,
    Loud,
    Timed {
        seconds: u32,
    },
}

impl Default for Http {
    fn default() -> Self {
        Http { listen: ([127, 0, 0, 1], 80).into(), key: Secret::new("") }
    }
}

fn read_with(text: &str, env: &[(&str, &str)], set: &[(&str, &str)]) -> Result<Settings, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("some.toml");
    std::fs::write(&path, text).unwrap();
    let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    };
    load_from(&Sources { file: Some(&path), overrides: &owned(set), ..LOCKSTEP }, owned(env))
        .map(|loaded| loaded.value)
        .map_err(|error| error.to_string().replace(&format!("{}/", dir.path().display()), ""))
}

fn problem(text: &str) -> String {
    read_with(text, &[], &[]).unwrap_err()
}

#[test]
fn nothing_given_gives_defaults() {
    let Loaded { value: settings, warnings, .. }: Loaded<Settings> = load_from(&LOCKSTEP, []).unwrap();
    assert!(warnings.is_empty());
    assert_eq!(settings.detector.window, 0);
    assert_eq!(settings.mode, Mode::Quiet);
}

#[test]
fn the_environment_overrides_the_file_and_options_override_both() {
    let text = "[detector]\nwindow = 1\nname = \"a\"\nkinds = [\"x\"]\n[labels]\n\"two-words\" = \"x\"";
    let env = [
        ("LOCKSTEP__DETECTOR__WINDOW", "2"),
        ("LOCKSTEP__DETECTOR__NAME", "007"),
        ("LOCKSTEP__DETECTOR__KINDS", "[\"y\", \"z\"]"),
        ("LOCKSTEP__DETECTOR__LIMIT", "5"),
        ("LOCKSTEP__DETECTOR__SHARE", "0.25"),
        ("LOCKSTEP__HTTP__LISTEN", "127.0.0.1:8080"),
        ("LOCKSTEP__HTTP__KEY", "12345"),
        ("LOCKSTEP__LABELS__TWO_WORDS", "y"),
        ("LOCKSTEP__MODE", "loud"),
        ("LOCKSTEP_LOG", "debug"),
    ];
    let settings = read_with(text, &env, &[("detector.window", "3")]).unwrap();
    assert_eq!(settings.detector.window, 3);
    assert_eq!(settings.detector.name, "007");
    assert_eq!(settings.detector.kinds, ["y", "z"]);
    assert_eq!(settings.detector.limit, Some(5));
    assert_eq!(settings.detector.share, 0.25);
    assert_eq!(settings.http.listen.port(), 8080);
    assert_eq!(settings.http.key.expose(), "12345");
    assert_eq!(settings.labels["two-words"], "y");
    assert_eq!(settings.mode, Mode::Loud);
}

#[test]
fn variants_with_content_are_read() {
    let settings = read_with("[mode.timed]\nseconds = 5", &[], &[]).unwrap();
    assert_eq!(settings.mode, Mode::Timed { seconds: 5 });
    assert_eq!(
        problem("[mode.timed]\nsecond = 5"),
        "some.toml:2: unknown key mode.timed.second, did you mean \"seconds\"?\n\
         some.toml:1: mode.timed: missing field `seconds`"
    );
}

#[test]
fn problems_say_where_and_what() {
    for (text, expected) in [
        (
            "[detector]\nwindw = 3\n[htpp]\nlisten = \"x\"",
            "some.toml:3: unknown key htpp, did you mean \"http\"?\n\
             some.toml:2: unknown key detector.windw, did you mean \"window\"?",
        ),
        ("[http]\nxyzzy = 3", "some.toml:2: unknown key http.xyzzy, known here: listen, key"),
        (
            "[detector]\nname = \"a\"\nwindow = \"many\"",
            "some.toml:3: detector.window: invalid type: string \"many\", expected u32",
        ),
        ("[detector]\nwindow = -1", "some.toml:2: detector.window: invalid value: integer `-1`, expected u32"),
        (
            "[detector]\nkinds = [\n  \"a\",\n  5,\n]",
            "some.toml:4: detector.kinds.1: invalid type: integer `5`, expected a string",
        ),
        (
            "mode = \"lowd\"",
            "some.toml:1: mode: unknown value \"lowd\", did you mean \"loud\"? Known: quiet, loud, timed",
        ),
        (
            "\n[http]\nlisten = \"here\"",
            "some.toml:3: http.listen: expected an IP address and a port, for example 127.0.0.1:8080",
        ),
        ("a = 1\nb = = 2", "some.toml:2: extra `=`, expected nothing"),
        (
            "[http.key]\nfile = \"/nowhere/at/all\"",
            "some.toml:1: http.key: cannot read the secret in /nowhere/at/all: No such file or directory (os error 2)",
        ),
        ("[http]\nkey = 4711", "some.toml:2: http.key: a secret must be written in quotes"),
        ("http = 5", "some.toml:1: http: invalid type: integer `5`, expected struct Http"),
    ] {
        assert_eq!(problem(text), expected, "{text}");
    }
}

#[test]
fn problems_from_outside_the_file_name_their_origin() {
    let env = [("LOCKSTEP__DETECTOR__WINDW", "3"), ("LOCKSTEP__DETECTOR__WINDOW", "x")];
    assert_eq!(
        read_with("", &env, &[]).unwrap_err(),
        "environment variable LOCKSTEP__DETECTOR__WINDW: unknown key detector.windw, did you mean \"window\"?\n\
         environment variable LOCKSTEP__DETECTOR__WINDOW: detector.window: invalid type: string \"x\", expected u32"
    );
    let error = read_with("detector = 1", &[], &[("detector.window", "1")]).unwrap_err();
    assert!(error.starts_with("option detector.window: there is a value, not a section"), "{error}");
    let error = load_from::<Settings>(&Sources { file: Some("/nowhere.toml".as_ref()), ..LOCKSTEP }, []).unwrap_err();
    assert!(error.to_string().starts_with("cannot read the configuration /nowhere.toml"), "{error}");
}

#[test]
fn a_secret_does_not_print() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    std::fs::write(&file, "hush\n").unwrap();
    let text = format!("[http]\nkey = {{ file = {file:?} }}");
    let settings = read_with(&text, &[], &[]).unwrap();
    assert_eq!(settings.http.key.expose(), "hush");
    assert!(format!("{settings:?}").contains("key: ***"));
    assert_eq!(serde_json::to_string(&settings.http.key).unwrap(), "\"***\"");
    let text = "[http]\nkey = { env = \"LOCKSTEP_TEST_NOT_SET\" }";
    assert_eq!(problem(text), "some.toml:2: http.key: the variable LOCKSTEP_TEST_NOT_SET for the secret is not set");
}

#[test]
fn a_renamed_key_is_read_under_its_old_name_with_a_warning() {
    let renamed = [Renamed { path: "detector.span", to: "detector.window" }];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("some.toml");
    let read = |text: &str, env: &[(&str, &str)]| {
        std::fs::write(&path, text).unwrap();
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        load_from::<Settings>(&Sources { file: Some(&path), renamed: &renamed, ..LOCKSTEP }, env)
            .map(|loaded| (loaded.value.detector.window, texts(&loaded.warnings), loaded.origins))
            .map_err(|error| error.to_string())
            .map_err(|error| error.replace(&format!("{}/", dir.path().display()), ""))
    };
    let (window, warnings, origins) = read("[detector]\nspan = 4", &[]).unwrap();
    let place = format!("{}:2", path.display());
    assert_eq!((window, warnings), (4, vec![format!("{place}: detector.span is now named detector.window")]));
    assert_eq!(origins["detector.window"], place, "the origin is where the old name is");
    let (window, warnings, _) = read("", &[("LOCKSTEP__DETECTOR__SPAN", "6")]).unwrap();
    assert_eq!((window, warnings.len()), (6, 1));
    let (window, warnings, _) = read("[detector]\nwindow = 5", &[]).unwrap();
    assert_eq!((window, warnings.len()), (5, 0));
    assert_eq!(
        read("[detector]\nspan = 4\nwindow = 5", &[]).unwrap_err(),
        "some.toml:2: detector.span is now named detector.window, which is set as well (some.toml:3): remove detector.span"
    );
    let wrong = read("[detector]\nspan = \"long\"", &[]).unwrap_err();
    assert!(wrong.starts_with("some.toml:2: detector.window: "), "{wrong}");
}

#[test]
fn retired_keys_are_warnings_that_say_what_is_instead_and_others_stay_errors() {
    let retired = [
        Retired { path: "detector.span", instead: "`detector.window` bounds it" },
        Retired { path: "detector.legs", instead: "nothing has taken its place" },
        Retired { path: "cellar.door", instead: "nothing has taken its place" },
    ];
    let unused = [Unused { path: "cellar", why: "there is no cellar" }];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("some.toml");
    let read = |text: &str, env: &[(&str, &str)]| {
        std::fs::write(&path, text).unwrap();
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        load_from::<Settings>(&Sources { file: Some(&path), retired: &retired, unused: &unused, ..LOCKSTEP }, env)
            .map(|loaded| (loaded.value.detector.window, texts(&loaded.warnings).join("\n")))
            .map_err(|error| error.to_string())
            .map_err(|error| error.replace(&format!("{}/", dir.path().display()), ""))
    };
    let place = path.display();
    let (window, warnings) =
        read("[detector]\nspan = [1, 2]\nwindow = 4", &[("LOCKSTEP__DETECTOR__LEGS", "6")]).unwrap();
    assert_eq!(window, 4);
    assert_eq!(
        warnings,
        format!(
            "{place}:2: detector.span has no effect any more: `detector.window` bounds it\n\
             environment variable LOCKSTEP__DETECTOR__LEGS: detector.legs has no effect any more: nothing has taken its place"
        )
    );
    let (_, warnings) = read("[cellar]\nwine = 7\ndoor = 1", &[]).unwrap();
    assert_eq!(
        warnings,
        format!(
            "{place}:3: cellar.door has no effect any more: nothing has taken its place\n\
             {place}:1: cellar is not used here: there is no cellar"
        ),
        "whatever else is in it"
    );
    let error = read("[detector]\nspan = 1\nwindows = 4", &[]).unwrap_err();
    assert_eq!(error, "some.toml:3: unknown key detector.windows, did you mean \"window\"?");
}
