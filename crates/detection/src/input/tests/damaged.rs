//! Bad lines, damaged files, and inputs that cannot be read at all.

use super::*;

#[test]
fn bad_lines_are_kept_with_their_place_and_reading_goes_on() {
    let folder = Folder::new();
    let content = format!("{}\n{{\"id\":1\nnot json\n\n{}\n{{}}\n\u{0}\n", line("a", 1), line("b", 2));
    let outcome = read(&[folder.file("posts.jsonl", content.replace('\u{0}', "\u{1}").as_bytes())]);
    assert_eq!(outcome.ids(), ["a", "b"]);
    expect_test::expect![[r#"
        2: is not JSON: it ends too early, at column 7, near "{\"id\":1"
        3: is not a JSON object, near "not json"
        6: `id`: is required, but missing or null, near "{}"
        7: is not a JSON object, near "\\u{1}""#]]
    .assert_eq(&outcome.bad().join("\n"));
    assert_eq!(outcome.bad[1].raw, b"not json");
    let csv = b"id,platform,account_id,created_at\na,twitter,7,1400000020\nb,twitter,7\n\n\"c\nc\",twitter,,1400000003\nd,twitter,7,never\n\xFF,twitter,7,1400000001\ne,twitter,7,1400000004\n";
    let outcome = read(&[folder.file("posts.csv", csv)]);
    assert_eq!(outcome.ids(), ["e", "a"]);
    expect_test::expect![[r#"
        3: has 3 cells, but the header has 4 columns, near "b,twitter,7"
        5: `account_id`: is required, but empty, near "c\\nc,twitter,,1400000003"
        7: `created_at`: is not a time; accepted forms: 2026-11-02T10:00:00Z (also with a blank or / in it, with +01:00, [Europe/Berlin], UTC or EST at its end, or without a zone), 20261102100000, Mon Nov 02 10:00:00 +0000 2026, Mon, 02 Nov 2026 10:00:00 GMT, Nov 2, 2026 10:00 AM, 2 Nov 2026 10:00, 02.11.2026 10:00, 2/11/2026 10:00 (with --time-format day-first or month-first where that is open), an epoch number in seconds, milliseconds, microseconds or nanoseconds, a spreadsheet's day number with --time-format excel, and any other form with --time-format and a pattern such as "%d.%m.%Y %Hh%M", near "never"
        8: `id`: is not UTF-8: if the file is in another encoding, name it with --encoding, for example windows-1252, near "�,twitter,7,1400000001""#]]
    .assert_eq(&outcome.bad().join("\n"));
    assert_eq!(outcome.bad[1].raw, b"\"c\nc\",twitter,,1400000003");
    let windows = String::from_utf8_lossy(csv).replace('\n', "\r\n");
    let outcome = read(&[folder.file("windows.csv", windows.as_bytes())]);
    let lines: Vec<u64> = outcome.bad.iter().map(|bad| bad.line).collect();
    assert_eq!(lines, [3, 5, 7], "the same lines; the byte that was not UTF-8 is a replacement character here");
}

#[test]
fn a_file_that_breaks_off_gives_what_was_readable_and_says_where() {
    let folder = Folder::new();
    // Ids that compress badly, so that the cut is far behind the first lines.
    let lines: String =
        (0..2000_u64).map(|n| line(&format!("{:x}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15)), n as i64) + "\n").collect();
    let zst = zstd::encode_all(lines.as_bytes(), 1).unwrap();
    let csv = format!("id,platform,account_id,created_at\n{}", lines.replace(['{', '}', ':'], "")).into_bytes();
    let cut = gz(&csv);
    let outcome = read(&[folder.file("cut.csv.gz", &cut[..cut.len() / 2])]);
    let [InputError::Damaged { line: at, .. }] = &outcome.counts.damaged[..] else {
        panic!("{:?}", outcome.counts.damaged);
    };
    // Every row after the header is bad here: the last one is the row that was cut.
    assert_eq!((*at, outcome.bad.last().unwrap().line), (outcome.counts.bad + 1, *at));
    for (name, whole) in [("cut.gz", gz(lines.as_bytes())), ("cut.zst", zst)] {
        let cut = folder.file(name, &whole[..whole.len() * 3 / 4]);
        let rest = folder.file("rest.jsonl", line("last", 9_999).as_bytes());
        let outcome = read(&[cut, rest]);
        let read = outcome.counts.posts;
        if name == "cut.gz" {
            assert!((1000..2000).contains(&read), "{name}: {read}");
        }
        assert_eq!(outcome.ids().last().unwrap(), "last", "{name}: the next file is read");
        let [InputError::Damaged { line, byte, .. }] = &outcome.counts.damaged[..] else {
            panic!("{name}: {:?}", outcome.counts.damaged);
        };
        // The line that was cut is reported, unless the cut was between two lines.
        assert_eq!(*line, read, "{name}: the first line that is not whole");
        assert_eq!(*byte, whole.len() as u64 * 3 / 4, "{name}");
        assert!(outcome.bad.len() <= 1, "{name}");
    }
}

#[test]
fn what_cannot_be_read_at_all_is_said_clearly() {
    let folder = Folder::new();
    let check = |file: PathBuf, dialect, expected: &str| {
        let options = Options { dialect: Some(dialect), ..Options::default() };
        let name = file.display().to_string();
        let error = try_read(&[file], options).err().unwrap().to_string();
        assert_eq!(error.replace(&name, "FILE"), expected);
    };
    use Dialect::{Bluesky, Csv, Lockstep};
    check(folder.0.path().join("nowhere.jsonl"), Lockstep, "cannot open FILE: No such file or directory (os error 2)");
    check(folder.0.path().to_owned(), Lockstep, "FILE is a folder: name the files in it");
    let empty = "FILE is empty: expected posts as NDJSON, CSV, Excel or Parquet";
    check(folder.file("empty", b""), Lockstep, empty);
    check(folder.file("empty.gz", &gz(b"")), Lockstep, empty);
    let binary = "FILE is a binary file of an unknown kind: expected NDJSON, CSV, Excel or Parquet, plain, .gz, .zst, .xz, .bz2 or .zip";
    check(folder.file("picture.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), Lockstep, binary);
    check(
        folder.file("prose.txt", b"Once upon a time\n"),
        Lockstep,
        "FILE: column `id`: is required, but the header has no such column; if the posts have no ids, --make-ids makes them of account, time and text, near \"Once upon a time\"; its cells are separated by \",\"; a table \
         of posts has the columns id, platform, account_id and created_at, or those of a tool that is known: say which column it is with \
         --column id=NAME, or see --show-mapping",
    );
    check(
        folder.file("a.csv", b"id,x\n"),
        Bluesky,
        "FILE: holds no JSON, as the dialect bluesky is written in: it begins with \"id,x\"",
    );
    check(folder.file("a.json", b"{}"), Csv, "FILE: holds JSON, not CSV: choose another dialect");
    assert_eq!(
        Input::open(&[], Options::default()).unwrap_err().to_string(),
        "no input: name at least one file, or - for standard input"
    );
}

#[test]
fn a_line_without_end_does_not_fill_the_memory() {
    let folder = Folder::new();
    let long = "x".repeat(5_000_000);
    let content = format!("{}\n{long}\n{}\n{{\"a\":\"{}", line("a", 1), line("b", 2), "y".repeat(1_100_000));
    let outcome = read(&[folder.file("long.jsonl", content.as_bytes())]);
    assert_eq!(outcome.ids(), ["a", "b"]);
    let kept = |bad: &BadLine| (bad.line, bad.raw.len(), bad.length);
    assert_eq!(kept(&outcome.bad[0]), (2, 64 * 1024, 5_000_001));
    assert_eq!(kept(&outcome.bad[1]), (4, 64 * 1024, 1_100_006));
    assert!(outcome.bad[1].to_string().ends_with("(of 1100006 bytes, the first 65536 are kept)"));
    assert!(outcome.bad.iter().all(|bad| bad.error.to_string().len() < 500));
    let csv = format!("id,platform,account_id,created_at,text\n1,x,7,1400000001,{}\n", "a\\".repeat(400_000));
    let outcome = read(&[folder.file("long.csv", csv.as_bytes())]);
    assert_eq!((outcome.counts.posts, outcome.bad[0].line), (0, 2), "backslashes take two bytes each in JSON");
}
