use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use messages::post;
use proptest::prelude::*;

use super::*;

/// Everything that came of reading some files.
struct Outcome {
    posts: Vec<Vec<u8>>,
    bad: Vec<BadLine>,
    counts: Counts,
    spilled_runs: usize,
    last_progress: Option<Progress>,
}

impl Outcome {
    fn ids(&self) -> Vec<String> {
        let id = |raw: &Vec<u8>| post::decode(raw).unwrap().id.into_owned();
        self.posts.iter().map(id).collect()
    }

    fn bad(&self) -> Vec<String> {
        self.bad.iter().map(|bad| format!("{}: {}", bad.line, bad.error)).collect()
    }
}

fn try_read(files: &[PathBuf], options: Options) -> Result<Outcome, InputError> {
    let mut bad = Vec::new();
    let mut last_progress = None;
    let input = Input::open(files, options)?;
    let mut sorted = input.sorted(&mut |b| bad.push(b), &mut |p| last_progress = Some(p))?;
    let mut posts = Vec::new();
    while let Some(raw) = sorted.advance()? {
        posts.push(raw.to_vec());
    }
    let spilled_runs = sorted.spilled_runs();
    let counts = sorted.into_counts();
    assert_eq!(counts.posts, posts.len() as u64, "the count of posts is that of those given");
    assert_eq!(counts.bad, bad.len() as u64);
    Ok(Outcome { posts, bad, counts, spilled_runs, last_progress })
}

fn read(files: &[PathBuf]) -> Outcome {
    try_read(files, Options::default()).unwrap()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

fn line(id: &str, second: i64) -> String {
    format!(
        r#"{{"id":"{id}","platform":"twitter","account_id":"7","account_name":"a","created_at":{second},"label":"x"}}"#
    )
}

fn gz(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn one_content_in_every_compression_and_layout() {
    let folder = Folder::new();
    let lines = format!("{}\n\n{}\r\n{}", line("b", 20), line("a", 20), line("c", 10));
    let array = format!("\u{feff}[{},\n {},{}]\n", line("b", 20), line("a", 20), line("c", 10));
    let csv = "id,platform,account_id,created_at\nb,twitter,7,20\na,twitter,7,20\nc,twitter,7,10\n";
    let (first, second) = lines.split_at(line("b", 20).len() + 5);
    for (name, content) in [
        ("plain.jsonl", lines.clone().into_bytes()),
        ("marked.jsonl", [b"\xEF\xBB\xBF", lines.as_bytes()].concat()),
        ("one.gz", gz(lines.as_bytes())),
        ("several.gz", [gz(first.as_bytes()), gz(second.as_bytes())].concat()),
        ("plain.zst", zstd::encode_all(lines.as_bytes(), 1).unwrap()),
        (
            "several.zst",
            [zstd::encode_all(first.as_bytes(), 1).unwrap(), zstd::encode_all(second.as_bytes(), 1).unwrap()].concat(),
        ),
        ("array.json", array.into_bytes()),
        ("table.csv", csv.as_bytes().to_vec()),
        ("tabs.tsv.gz", gz(csv.replace(',', "\t").as_bytes())),
        ("semicolons.txt", csv.replace(',', ";").into_bytes()),
    ] {
        let file = folder.file(name, &content);
        let size = content.len() as u64;
        let outcome = read(&[file]);
        assert_eq!(outcome.ids(), ["c", "a", "b"], "{name}");
        assert_eq!(outcome.bad(), [""; 0], "{name}");
        let progress = outcome.last_progress.unwrap();
        assert_eq!((progress.bytes, progress.total, progress.posts), (size, Some(size), 3), "{name}");
    }
}

#[test]
fn bad_lines_are_kept_with_their_place_and_reading_goes_on() {
    let folder = Folder::new();
    let content = format!("{}\n{{\"id\":1\nnot json\n\n{}\n{{}}\n\u{0}\n", line("a", 1), line("b", 2));
    let outcome = read(&[folder.file("posts.jsonl", content.replace('\u{0}', "\u{1}").as_bytes())]);
    assert_eq!(outcome.ids(), ["a", "b"]);
    expect_test::expect![[r#"
        2: EOF while parsing an object at column 7, near "{\"id\":1"
        3: is not a JSON object, near "not json"
        6: `id`: is required, but missing or null, near "{}"
        7: is not a JSON object, near "\\u{1}""#]]
    .assert_eq(&outcome.bad().join("\n"));
    assert_eq!(outcome.bad[1].raw, b"not json");
    let csv = b"id,platform,account_id,created_at\na,twitter,7,20\nb,twitter,7\n\n\"c\nc\",twitter,,3\nd,twitter,7,never\n\xFF,twitter,7,1\ne,twitter,7,4\n";
    let outcome = read(&[folder.file("posts.csv", csv)]);
    assert_eq!(outcome.ids(), ["e", "a"]);
    expect_test::expect![[r#"
        3: has 3 cells, but the header has 4 columns, near "b,twitter,7"
        5: `account_id`: is required, but empty, near "c\\nc,twitter,,3"
        7: `created_at`: is not a time: expected RFC 3339 with an offset, for example 2026-11-02T10:00:00Z, near "never"
        8: is not UTF-8, near "�,twitter,7,1\\n""#]]
    .assert_eq(&outcome.bad().join("\n"));
    assert_eq!(outcome.bad[1].raw, b"\"c\nc\",twitter,,3");
    let windows = String::from_utf8_lossy(csv).replace('\n', "\r\n");
    let outcome = read(&[folder.file("windows.csv", windows.as_bytes())]);
    let lines: Vec<u64> = outcome.bad.iter().map(|bad| bad.line).collect();
    assert_eq!(lines, [3, 5, 7], "the same lines; the byte that was not UTF-8 is a replacement character here");
}

#[test]
fn a_file_that_breaks_off_gives_what_was_readable_and_says_where() {
    let folder = Folder::new();
    // Ids that compress badly, so that the cut falls far behind the first lines.
    let lines: String =
        (0..2000_u64).map(|n| line(&format!("{:x}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15)), n as i64) + "\n").collect();
    let zst = zstd::encode_all(lines.as_bytes(), 1).unwrap();
    let csv = format!("id,platform,account_id,created_at\n{}", lines.replace(['{', '}', ':'], "")).into_bytes();
    let cut = gz(&csv);
    let outcome = read(&[folder.file("cut.csv.gz", &cut[..cut.len() / 2])]);
    let [InputError::Damaged { line: at, .. }] = &outcome.counts.damaged[..] else {
        panic!("{:?}", outcome.counts.damaged);
    };
    // One header, and every row is bad here: the last is the one that was cut.
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
        // The line that was cut is reported itself, unless the cut fell between two.
        assert_eq!(*line, read, "{name}: the first line that is not whole");
        assert_eq!(*byte, whole.len() as u64 * 3 / 4, "{name}");
        assert!(outcome.bad.len() <= 1, "{name}");
    }
}

#[test]
fn what_cannot_be_read_at_all_is_said_clearly() {
    let folder = Folder::new();
    let check = |file: PathBuf, dialect, expected: &str| {
        let options = Options { dialect, ..Options::default() };
        let name = file.display().to_string();
        let error = try_read(&[file], options).err().unwrap().to_string();
        assert_eq!(error.replace(&name, "FILE"), expected);
    };
    use Dialect::{Bluesky, Csv, Lockstep};
    check(folder.0.path().join("nowhere.jsonl"), Lockstep, "cannot open FILE: No such file or directory (os error 2)");
    check(folder.0.path().to_owned(), Lockstep, "FILE is a folder: name the files in it");
    let empty = "FILE is empty: expected posts as NDJSON, CSV or Parquet";
    check(folder.file("empty", b""), Lockstep, empty);
    check(folder.file("empty.gz", &gz(b"")), Lockstep, empty);
    let binary = "FILE is a binary file of an unknown kind: expected NDJSON, CSV or Parquet, plain, .gz or .zst";
    check(folder.file("picture.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), Lockstep, binary);
    check(folder.file("sheet.csv", b"\xFF\xFEi\0d\0"), Lockstep, "FILE is UTF-16: save it as UTF-8");
    check(
        folder.file("prose.txt", b"Once upon a time\n"),
        Lockstep,
        "FILE: column `id`: is required, but the header has no such column, near \"once upon a time\"; a table of posts has the \
         columns id, platform, account_id, account_name and created_at, or those of CooRTweet or of \
         coordination-network-toolkit",
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
fn duplicates_are_dropped_and_counted_over_all_files() {
    let folder = Folder::new();
    let first = folder.file("1", format!("{}\n{}", line("a", 5), line("b", 4)).as_bytes());
    let second = folder.file("2", format!("{}\n{}", line("a", 1), line("c", 3)).as_bytes());
    let files = [first, second];
    let outcome = read(&files);
    assert_eq!(outcome.ids(), ["c", "b", "a"], "the first one read stays");
    assert_eq!(outcome.counts.duplicates, 1);
    let keep = Options { keep_duplicates: true, ..Options::default() };
    let outcome = try_read(&files, keep).unwrap();
    assert_eq!((outcome.ids().len(), outcome.counts.duplicates), (4, 0));
    let rows = b"object_id,account_id,content_id,timestamp_share\n#a,7,1,10\n#b,7,1,10\n#a,7,1,10\n";
    let outcome = read(&[folder.file("coortweet.csv", rows)]);
    assert_eq!((outcome.ids().len(), outcome.counts.duplicates), (2, 1), "two objects of one content");
}

#[test]
fn dialects_that_are_documents_or_pages() {
    let folder = Folder::new();
    let options = |dialect| Options { dialect, ..Options::default() };
    let export = "{\n \"id\": 1, \"type\": \"public_channel\",\n \"messages\": [\n  {\"id\":2,\"date_unixtime\":\"20\",\"text\":\"x\"},\n  \
                  {\"id\":3,\"type\":\"service\"},\n  {\"id\":4,\"text\":\"no date\"}]}\n";
    let outcome = try_read(&[folder.file("result.json", export.as_bytes())], options(Dialect::Telegram)).unwrap();
    assert_eq!(outcome.ids(), ["-1001/2"]);
    assert_eq!(outcome.bad[0].error.path, "messages[2].date");
    let statuses =
        "[\n{\"id\":\"1\",\"created_at\":\"2023-12-05T11:35:00Z\",\"account\":{\"id\":\"3\"}},\n\n{\"id\":\"2\"}\n]";
    let outcome = try_read(&[folder.file("statuses.json", statuses.as_bytes())], options(Dialect::Mastodon)).unwrap();
    assert_eq!((outcome.ids(), outcome.bad[0].line), (vec!["1".to_owned()], 4));
    let events = "{\"kind\":\"identity\"}\n{\"kind\":\"account\"}\n";
    let outcome = try_read(&[folder.file("events.jsonl", events.as_bytes())], options(Dialect::Bluesky)).unwrap();
    assert_eq!((outcome.counts.posts, outcome.counts.bad, outcome.counts.not_posts), (0, 0, 2));
}

#[test]
fn a_line_without_end_does_not_fill_the_memory() {
    let folder = Folder::new();
    let long = "x".repeat(5_000_000);
    let content = format!("{}\n{long}\n{}\n{{\"a\":\"{}", line("a", 1), line("b", 2), "y".repeat(1_100_000));
    let outcome = read(&[folder.file("long.jsonl", content.as_bytes())]);
    assert_eq!(outcome.ids(), ["a", "b"]);
    assert_eq!((outcome.bad[0].line, outcome.bad[0].raw.len()), (2, 64 * 1024));
    assert_eq!((outcome.bad[1].line, outcome.bad[1].raw.len()), (4, 1_100_006));
    assert!(outcome.bad.iter().all(|bad| bad.error.to_string().len() < 500));
    let csv = format!("id,platform,account_id,created_at,text\n1,x,7,1,{}\n", "a\\".repeat(400_000));
    let outcome = read(&[folder.file("long.csv", csv.as_bytes())]);
    assert_eq!((outcome.counts.posts, outcome.bad[0].line), (0, 2), "backslashes take two bytes each in JSON");
}

#[test]
fn each_gives_posts_as_read_and_stops_at_the_receivers_error() {
    #[derive(Debug, PartialEq)]
    enum Stop {
        Full,
        Input(String),
    }
    impl From<InputError> for Stop {
        fn from(error: InputError) -> Self {
            Stop::Input(error.to_string())
        }
    }
    let folder = Folder::new();
    let file = folder.file("1", format!("{}\n{}\n{}", line("b", 9), line("a", 4), line("b", 9)).as_bytes());
    let mut ids = Vec::new();
    let mut read = |most: usize| {
        ids.clear();
        let input = Input::open(std::slice::from_ref(&file), Options::default()).unwrap();
        let outcome = input.each(
            &mut |post, _| {
                if ids.len() == most {
                    return Err(Stop::Full);
                }
                ids.push(post.id.to_string());
                Ok(())
            },
            &mut |_| {},
            &mut |_| {},
        );
        (outcome.map(|counts| (counts.posts, counts.duplicates)), ids.clone())
    };
    assert_eq!(read(9), (Ok((2, 1)), vec!["b".to_owned(), "a".to_owned()]));
    assert_eq!(read(1), (Err(Stop::Full), vec!["b".to_owned()]));
}

#[test]
fn parquet_with_lists_times_and_nulls() {
    use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    let folder = Folder::new();
    let path = folder.0.path().join("posts.parquet");
    let schema = "message posts { required binary id (UTF8); required binary platform (UTF8); required int64 account_id; \
                  required int64 created_at (TIMESTAMP_MILLIS); optional binary text (UTF8); \
                  optional group hashtags (LIST) { repeated group list { optional binary element (UTF8); } } }";
    let mut writer = SerializedFileWriter::new(
        std::fs::File::create(&path).unwrap(),
        std::sync::Arc::new(parse_message_type(schema).unwrap()),
        std::sync::Arc::new(WriterProperties::default()),
    )
    .unwrap();
    let text = |values: &[&str]| -> Vec<ByteArray> { values.iter().map(|v| ByteArray::from(*v)).collect() };
    let mut group = writer.next_row_group().unwrap();
    for column in 0.. {
        let Some(mut open) = group.next_column().unwrap() else {
            break;
        };
        match column {
            0 => drop(open.typed::<ByteArrayType>().write_batch(&text(&["b", "a", ""]), None, None).unwrap()),
            1 => drop(open.typed::<ByteArrayType>().write_batch(&text(&["X", "X", "X"]), None, None).unwrap()),
            2 => drop(open.typed::<Int64Type>().write_batch(&[7, 8, 9], None, None).unwrap()),
            3 => drop(open.typed::<Int64Type>().write_batch(&[20_000, 10_500, 1], None, None).unwrap()),
            4 => drop(
                open.typed::<ByteArrayType>().write_batch(&text(&["see #t", "#u"]), Some(&[1, 1, 0]), None).unwrap(),
            ),
            // [["v", "w"], null, []]
            _ => drop(
                open.typed::<ByteArrayType>()
                    .write_batch(&text(&["v", "w"]), Some(&[3, 3, 0, 1]), Some(&[0, 1, 0, 0]))
                    .unwrap(),
            ),
        }
        open.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();

    let outcome = read(std::slice::from_ref(&path));
    let posts: Vec<String> = outcome.posts.iter().map(|raw| String::from_utf8_lossy(raw).into_owned()).collect();
    expect_test::expect![[r##"
        {"id":"a","platform":"x","account_id":"8","account_name":"8","created_at":"1970-01-01T00:00:10.5Z","text":"#u","urls":[],"hashtags":["u"],"mentions":[]}
        {"id":"b","platform":"x","account_id":"7","account_name":"7","created_at":"1970-01-01T00:00:20Z","text":"see #t","urls":[],"hashtags":["v","w"],"mentions":[]}"##]].assert_eq(&posts.join("\n"));
    assert_eq!((outcome.bad[0].line, outcome.bad[0].error.path.as_str()), (3, "id"));
    assert!(outcome.last_progress.unwrap().bytes >= std::fs::metadata(&path).unwrap().len());
    let bytes = std::fs::read(&path).unwrap();
    let cut = folder.file("cut.parquet", &bytes[..bytes.len() - 9]);
    assert!(matches!(read(&[cut]).counts.damaged[..], [InputError::Damaged { line: 1, .. }]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn merging_spilled_runs_gives_the_same_as_memory(seed in any::<u64>(), files in 1_usize..4) {
        let folder = Folder::new();
        let mut state = seed;
        let mut random = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        let mut paths = Vec::new();
        let mut expected = Vec::new();
        for file in 0..files {
            let mut content = String::new();
            for _ in 0..1500 {
                let (id, second) = (format!("{}", random(1_000_000)), random(300) as i64);
                expected.push((second, id.clone()));
                content += &format!("{}{}\n", " ".repeat(random(900) as usize), line(&id, second));
                content += &" ".repeat(random(3) as usize);
            }
            paths.push(folder.file(&file.to_string(), content.as_bytes()));
        }
        expected.sort();
        let options = |memory_mib| Options { memory_mib, keep_duplicates: true, ..Options::default() };
        let memory = try_read(&paths, options(64)).unwrap();
        prop_assert_eq!(memory.spilled_runs, 0);
        let ids: Vec<String> = expected.into_iter().map(|(_, id)| id).collect();
        prop_assert_eq!(memory.ids(), ids);
        let mut tiny = sort::Sorter::with_bytes(40_000);
        for path in &paths {
            for raw in std::fs::read(path).unwrap().split(|b| *b == b'\n').map(<[u8]>::trim_ascii) {
                if !raw.is_empty() {
                    tiny.push(&post::decode(raw).unwrap(), raw).unwrap();
                }
            }
        }
        let mut merged = tiny.finish(Counts::default()).unwrap();
        prop_assert!(merged.spilled_runs() > 3);
        let mut posts = Vec::new();
        while let Some(raw) = merged.advance().unwrap() {
            posts.push(raw.to_vec());
        }
        prop_assert_eq!(posts, memory.posts);
    }

    #[test]
    fn no_file_panics(head in "[\\[{\"ida,;\t]{0,3}", bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let folder = Folder::new();
        for (name, content) in [
            ("raw", [head.as_bytes(), &bytes].concat()),
            ("parquet", [b"PAR1", bytes.as_slice(), b"PAR1"].concat()),
            ("gz", [b"\x1F\x8B\x08\0", bytes.as_slice()].concat()),
            ("zst", [b"\x28\xB5\x2F\xFD", bytes.as_slice()].concat()),
            ("csv", [b"id,platform,account_id,created_at\n", bytes.as_slice()].concat()),
        ] {
            let file = folder.file(name, &content);
            for dialect in Dialect::ALL {
                let _ = try_read(std::slice::from_ref(&file), Options { dialect, ..Options::default() });
            }
        }
    }
}

/// (file, posts, duplicates dropped).
const REAL: [(&str, u64, u64); 13] = [
    ("mix_debates_2016.jsonl.gz", 25_072, 0),
    ("mix_congress_2016.jsonl.gz", 60_763, 0),
    // "About half of 21,940": the exact count is the file's own.
    ("ira_episodes.jsonl.gz", 11_861, 0),
    // The other 40 share their id with an earlier one, all but one with another `repost_of`.
    ("coortweet_russian_2021.jsonl.gz", 35_125, 40),
    ("german_elections_2021.jsonl.gz", 194_326, 0),
    ("gop_debate_2015.jsonl.gz", 13_871, 0),
    ("demonetization_2016.jsonl.gz", 8_000, 0),
    ("rumoureval2017_viral_events.jsonl.gz", 5_594, 0),
    ("telegram_news_ru_2024.jsonl.gz", 22_099, 0),
    ("weibo_60_cascades.jsonl.gz", 24_211, 11),
    ("parity/cnt_russian.csv.gz", 35_125, 40),
    ("parity/german_url.csv.gz", 41_100, 0),
    ("parity/russian_coord_tweets.csv.gz", 35_125, 1),
];

#[test]
fn real_files_read_without_a_bad_line() {
    let Some(data) = std::env::var_os("LOCKSTEP_TEST_POSTS").map(PathBuf::from) else {
        eprintln!("skipped: no folder of real posts in LOCKSTEP_TEST_POSTS");
        return;
    };
    for (name, posts, duplicates) in REAL {
        let outcome = read(&[data.join(name)]);
        assert_eq!(outcome.bad(), [""; 0], "{name}");
        assert_eq!(outcome.counts.duplicates, duplicates, "{name}");
        assert_eq!(outcome.counts.posts, posts - duplicates, "{name}");
        assert!(outcome.counts.damaged.is_empty(), "{name}");
        let times: Vec<i64> = outcome.posts.iter().map(|raw| post::decode(raw).unwrap().created_at).collect();
        assert!(times.is_sorted(), "{name}");
    }
}
