//! Documents of many posts.

use super::*;

#[test]
fn dialects_that_are_documents_or_pages() {
    let folder = Folder::new();
    let options = |dialect| Options { dialect: Some(dialect), ..Options::default() };
    let export = "{\n \"id\": 1, \"type\": \"public_channel\",\n \"messages\": [\n  {\"id\":2,\"date_unixtime\":\"20\",\"text\":\"x\"},\n  \
                  {\"id\":3,\"type\":\"service\"},\n  {\"id\":4,\"text\":\"no date\"}]}\n";
    let outcome = try_read(&[folder.file("result.json", export.as_bytes())], options(Dialect::Telegram)).unwrap();
    assert_eq!(outcome.ids(), ["-1001/2"]);
    let bad = &outcome.bad[0];
    assert_eq!((bad.error.path.as_str(), bad.line), ("messages[2].date", 6));
    assert_eq!(bad.raw, b"{\"id\":4,\"text\":\"no date\"}", "the record, not the document");
    assert_eq!(
        (outcome.counts.posts, outcome.counts.bad, outcome.counts.not_posts),
        (1, 1, 1),
        "every record counts once"
    );
    let statuses =
        "[\n{\"id\":\"1\",\"created_at\":\"2023-12-05T11:35:00Z\",\"account\":{\"id\":\"3\"}},\n\n{\"id\":\"2\"}\n]";
    let outcome = try_read(&[folder.file("statuses.json", statuses.as_bytes())], options(Dialect::Mastodon)).unwrap();
    assert_eq!((outcome.ids(), outcome.bad[0].line), (vec!["1".to_owned()], 4));
    let events = "{\"kind\":\"identity\"}\n{\"kind\":\"account\"}\n";
    let outcome = try_read(&[folder.file("events.jsonl", events.as_bytes())], options(Dialect::Bluesky)).unwrap();
    assert_eq!((outcome.counts.posts, outcome.counts.bad, outcome.counts.not_posts), (0, 0, 2));
}

/// A Telegram export in which every tenth message has no date.
fn export(messages: u64) -> String {
    let mut out = String::from(
        "{\n \"name\": \"Group\",\n \"type\": \"private_supergroup\",\n \"id\": 1465826763,\n \"messages\": [",
    );
    for n in 0..messages {
        let date =
            if n % 10 == 9 { String::new() } else { format!("   \"date_unixtime\": \"{}\",\n", 1_691_690_045 + n) };
        out += if n == 0 { "\n" } else { ",\n" };
        out += &format!(
            "  {{\n   \"id\": {n},\n   \"type\": \"message\",\n{date}   \"from\": \"User {}\",\n   \"from_id\": \"user{}\",\n   \
             \"text\": \"message {n} {}\"\n  }}",
            n % 50,
            n % 50,
            "word ".repeat(40)
        );
    }
    out + "\n ]\n}"
}

#[test]
fn bad_records_of_a_document_are_put_aside_alone() {
    let folder = Folder::new();
    let path = folder.file("result.json", export(2_000).as_bytes());
    let outcome = read(std::slice::from_ref(&path));
    assert_eq!((outcome.counts.posts, outcome.counts.bad), (1_800, 200));
    let bytes: usize = outcome.bad.iter().map(|bad| bad.raw.len()).sum();
    assert!(
        bytes < 100_000,
        "{bytes} bytes for 200 records of a document of {}",
        std::fs::metadata(&path).unwrap().len()
    );
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for bad in &outcome.bad {
        assert_eq!(lines[bad.line as usize - 1], "  {", "where the record begins");
        let id = lines[bad.line as usize].trim();
        assert!(String::from_utf8_lossy(&bad.raw).contains(id), "{id}");
    }
}

#[test]
fn a_broken_record_costs_itself_in_every_layout() {
    let folder = Folder::new();
    let flush = format!("[\n{},\n{{\"id\":\"x\n,\n{}\n]", line("a", 1), line("b", 2));
    let printed =
        export(30).replacen("\"message 7 ", "message 7 ", 1).replacen("\"message 11 word", "\"message 11 \\q", 1);
    let cut = export(30);
    let wiped = format!("{}\n{}\n{}\n", line("a", 1), "\0".repeat(90), line("b", 2));
    let wiped_first = format!("{}\n{}\n{}", "\0".repeat(90), line("a", 1), line("b", 2));
    let holed = format!("{}\n{}\n", line("a", 1), line("b", 2).replace("\"label\":\"x\"", "\"text\":\"x\0y\""));
    for (name, content, posts, bad) in [
        ("flush.json", flush.as_str(), 2, 1),
        ("printed.json", &printed, 25, 5),
        ("cut.json", &cut[..cut.len() - 100], 27, 3),
        ("wiped.jsonl", &wiped, 2, 1),
        ("wiped_first", &wiped_first, 2, 1),
        ("holed.jsonl", &holed, 1, 1),
    ] {
        let outcome = read(&[folder.file(name, content.as_bytes())]);
        assert_eq!((outcome.counts.posts, outcome.counts.bad), (posts, bad), "{name}: {:?}", outcome.bad());
    }
    let outcome = read(&[folder.file("wiped.jsonl", wiped.as_bytes()), folder.file("holed.jsonl", holed.as_bytes())]);
    let told = outcome.bad().join("\n");
    assert!(told.contains("2: holds nothing but NUL bytes") && told.contains("2: `text`: holds NUL bytes"), "{told}");
}
