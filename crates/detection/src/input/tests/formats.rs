//! The tables of tools, each by an invented sample of its shape, and the page that documents them.

use std::path::PathBuf;

use messages::dialect::csv::{Field, Layout, MISSING, TIME_FORMS, TOOL_LAYOUTS};

use super::*;

fn samples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tables")
}

/// Samples of all layouts: (file, layout).
const SAMPLES: [(&str, &str); 21] = [
    ("4cat.csv", "4CAT"),
    ("538-first-edition.csv", "538"),
    ("538.csv", "538"),
    ("apify.csv", "Apify"),
    ("brandwatch.csv", "Brandwatch"),
    ("coordination-network-toolkit.csv", "coordination-network-toolkit"),
    ("coornet.csv", "CooRnet"),
    ("coortweet.csv", "CooRTweet"),
    ("crowdtangle-instagram.csv", "CrowdTangle (Instagram)"),
    ("crowdtangle.csv", "CrowdTangle"),
    ("meltwater-2024.csv", "Meltwater"),
    ("meltwater.csv", "Meltwater"),
    ("meta-content-library-instagram.csv", "Meta Content Library (Instagram)"),
    ("meta-content-library.csv", "Meta Content Library"),
    ("rtweet.csv", "rtweet"),
    ("snscrape.csv", "snscrape"),
    ("twarc-csv.csv", "twarc-csv"),
    ("twint.tsv", "twint"),
    ("twitter-information-operations.csv", "Twitter's information operations"),
    ("twitter-v1-flattened.csv", "Twitter API v1.1, flattened"),
    ("twitterscraper.csv", "twitterscraper"),
];

#[test]
fn tables_of_tools_are_known_and_read() {
    let mut text = String::new();
    for (file, layout) in SAMPLES {
        let outcome = read(&[samples().join(file)]);
        assert_eq!(outcome.counts.tables[0].layout, layout, "{file}");
        assert_eq!(outcome.bad(), [""; 0], "{file}");
        text.push_str(&format!("{file}\n"));
        for notice in &outcome.notices {
            text.push_str(&format!("  {}\n", notice.text));
        }
        for post in &outcome.posts {
            text.push_str(&format!("  {}\n", String::from_utf8_lossy(post)));
        }
    }
    expect_test::expect_file!["../../../tests/tables/samples.expected"].assert_eq(&text);
}

#[test]
fn every_tool_has_a_sample() {
    for layout in TOOL_LAYOUTS {
        assert!(SAMPLES.iter().any(|(_, name)| *name == layout.name), "{}", layout.name);
    }
}

/// The text between two marks of the page, and the text that the code generates.
fn generated() -> [(&'static str, String); 3] {
    let code = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let mut fields = "| field | other names of its column |\n| --- | --- |\n".to_owned();
    for field in Field::ALL.into_iter().filter(|field| *field != Field::PlatformOfLink) {
        fields.push_str(&format!("| `{field}` | {} |\n", code(field.aliases())));
    }
    let words = format!("Missing values: {}.\n\nTimes: {TIME_FORMS}.\n", code(&MISSING));
    let mut tools = "| tool | known by its columns | platform |\n| --- | --- | --- |\n".to_owned();
    let mut rows: Vec<(&str, String, &str)> = TOOL_LAYOUTS
        .iter()
        .map(|layout| (layout.name, code(layout.needs), layout.platform.unwrap_or("by row, or `--platform`")))
        .collect();
    for layout in [Layout::CooRTweet, Layout::CoordinationNetworkToolkit] {
        let needs: &[&str] = match layout {
            Layout::CooRTweet => &["object_id", "content_id"],
            _ => &["message_id", "user_id", "username", "repost_id", "reply_id", "message", "timestamp", "urls"],
        };
        rows.push((layout.name(), code(needs), "`--platform`"));
    }
    rows.sort_by_key(|(name, ..)| name.to_lowercase());
    for (name, needs, platform) in rows {
        tools.push_str(&format!("| {name} | {needs} | {platform} |\n"));
    }
    [("fields", fields), ("words", words), ("tools", tools)]
}

/// With `UPDATE_EXPECT=1` the page is written anew.
#[test]
fn the_page_of_formats_is_what_the_code_does() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("FORMATS.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let mut want = page.clone();
    for (mark, text) in generated() {
        let (start, end) = (format!("<!-- {mark} -->\n"), format!("<!-- /{mark} -->"));
        let from = want.find(&start).unwrap() + start.len();
        let to = want.find(&end).unwrap();
        want.replace_range(from..to, &text);
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &want).unwrap();
    }
    assert!(
        page == want || std::env::var_os("UPDATE_EXPECT").is_some(),
        "run the test with UPDATE_EXPECT=1 and look at FORMATS.md"
    );
}
