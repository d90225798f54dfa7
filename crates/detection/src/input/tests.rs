use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;

use flate2::Compression;
use flate2::write::GzEncoder;
use messages::post;
use proptest::prelude::*;

use super::*;

mod damaged;
mod documents;
mod formats;
mod memory;
mod real_files;
mod tables;

/// Everything that reading some files returned.
struct ReadInput {
    posts: Vec<Vec<u8>>,
    bad: Vec<BadLine>,
    counts: Counts,
    spilled_runs: usize,
    last_progress: Option<Progress>,
    notices: Vec<Notice>,
}

impl ReadInput {
    fn ids(&self) -> Vec<String> {
        let id = |raw: &Vec<u8>| post::decode(raw).unwrap().id.into_owned();
        self.posts.iter().map(id).collect()
    }

    fn bad(&self) -> Vec<String> {
        self.bad.iter().map(|bad| format!("{}: {}", bad.line, bad.error)).collect()
    }
}

fn try_read(files: &[PathBuf], options: Options) -> Result<ReadInput, InputError> {
    read_input(|options| Input::open(files, options), options)
}

fn read_input(
    input: impl FnOnce(Options) -> Result<Input, InputError>,
    options: Options,
) -> Result<ReadInput, InputError> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let notices = Arc::clone(&told);
    let options =
        Options { notices: NoticeSink::new(move |notice| notices.lock().unwrap().push(notice.clone())), ..options };
    let mut bad = Vec::new();
    let mut last_progress = None;
    let input = input(options)?;
    let mut sorted = input.sorted(&mut |b| bad.push(b), &mut |p| last_progress = Some(p))?;
    let mut posts = Vec::new();
    while let Some(raw) = sorted.advance()? {
        posts.push(raw.to_vec());
    }
    let spilled_runs = sorted.spilled_runs();
    let counts = sorted.into_counts();
    assert_eq!(counts.posts, posts.len() as u64, "the count of posts is that of those given");
    assert_eq!(counts.bad, bad.len() as u64);
    let accounted = counts.posts + counts.duplicates + counts.bad + counts.not_posts + counts.passed_over;
    assert_eq!(counts.rows, accounted, "every row is a post, a duplicate, bad or passed over");
    let notices = told.lock().unwrap().clone();
    Ok(ReadInput { posts, bad, counts, spilled_runs, last_progress, notices })
}

fn read(files: &[PathBuf]) -> ReadInput {
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

fn bz2(content: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Packed as by `xz`; the library that is used here only unpacks.
fn xz(content: &[u8]) -> Vec<u8> {
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(6)).unwrap();
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn long_window(content: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(30).unwrap();
    encoder.long_distance_matching(true).unwrap();
    encoder.include_contentsize(false).unwrap();
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn utf16(content: &str) -> Vec<u8> {
    std::iter::once(0xFEFF).chain(content.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

fn zipped(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for (name, content) in members {
        if name.ends_with('/') {
            archive.add_directory(*name, options).unwrap();
        } else {
            archive.start_file(*name, options).unwrap();
            archive.write_all(content).unwrap();
        }
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn one_content_in_every_compression_and_layout() {
    let folder = Folder::new();
    let lines = format!("{}\n\n{}\r\n{}", line("b", 20), line("a", 20), line("c", 10));
    let array = format!("\u{feff}[{},\n {},{}]\n", line("b", 20), line("a", 20), line("c", 10));
    let csv =
        "id,platform,account_id,created_at\nb,twitter,7,1400000020\na,twitter,7,1400000020\nc,twitter,7,1400000010\n";
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
        ("bars.csv", csv.replace(',', "|").into_bytes()),
        ("told.csv", format!("sep=;\r\n{}", csv.replace(',', ";")).into_bytes()),
        ("plain.bz2", bz2(lines.as_bytes())),
        ("plain.xz", xz(lines.as_bytes())),
        ("long.zst", long_window(lines.as_bytes())),
        ("utf16.csv", utf16(csv)),
        ("one.zip", zipped(&[("posts.csv", csv.as_bytes())])),
        (
            "two.zip",
            zipped(&[
                ("a/first.jsonl", line("b", 20).as_bytes()),
                ("a/", b""),
                ("b.jsonl.gz", &gz(&lines.as_bytes()[line("b", 20).len()..])),
            ]),
        ),
    ] {
        let file = folder.file(name, &content);
        let size = content.len() as u64;
        let outcome = read(&[file]);
        assert_eq!(outcome.ids(), ["c", "a", "b"], "{name}");
        assert_eq!(outcome.bad(), [""; 0], "{name}");
        let progress = outcome.last_progress.unwrap();
        assert_eq!((progress.total, progress.posts), (Some(size), 3), "{name}");
        assert_eq!(progress.bytes, size, "{name}");
    }
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
    let rows =
        b"object_id,account_id,content_id,timestamp_share\n#a,7,1,1400000010\n#b,7,1,1400000010\n#a,7,1,1400000010\n";
    let outcome = read(&[folder.file("coortweet.csv", rows)]);
    assert_eq!((outcome.ids().len(), outcome.counts.duplicates), (2, 1), "two objects of one content");
}

#[test]
fn what_a_file_is_written_in_is_recognised_and_told() {
    let folder = Folder::new();
    let mut told: Vec<String> = Vec::new();
    let options = Options::default;
    let printed =
        "{\n \"id\": \"1\",\n \"text\": \"a\",\n \"author_id\": \"7\",\n \"created_at\": \"2023-03-01T10:00:00Z\"\n}\n";
    let printed = format!("{printed}{}", printed.replace("\"1\"", "\"2\""));
    let outcome = try_read(&[folder.file("printed", printed.as_bytes())], options()).unwrap();
    assert_eq!(outcome.ids(), ["1", "2"]);
    told.extend(outcome.notices.iter().map(ToString::to_string));
    let archive = "window.YTD.tweets.part0 = [ {\"tweet\": {\"id_str\": \"5\", \"full_text\": \"x\", \"created_at\": \
                   \"Wed Oct 12 01:00:00 +0000 2022\"}} ]";
    let without = try_read(&[folder.file("tweets.js", archive.as_bytes())], options()).err().unwrap().to_string();
    assert!(without.contains("put account.js beside the file"), "{without}");
    folder.file(
        "account.js",
        b"window.YTD.account.part0 = [{\"account\": {\"accountId\": \"77\", \"username\": \"ann\"}}]",
    );
    let outcome = try_read(&[folder.file("tweets.js", archive.as_bytes())], options()).unwrap();
    assert_eq!(post::decode(&outcome.posts[0]).unwrap().account_name, "ann");
    told.extend(outcome.notices.iter().map(ToString::to_string));
    let other = Options { account: Some("9:bea".parse().unwrap()), ..options() };
    let outcome = try_read(&[folder.file("tweets.js", archive.as_bytes())], other).unwrap();
    assert_eq!(post::decode(&outcome.posts[0]).unwrap().account_id, "9");
    let told = told.join("\n");
    for sentence in ["posts of the X (Twitter) API (--dialect x)", "(--dialect twitter-archive)", "posts of ann (77)"] {
        assert!(told.contains(sentence), "{sentence} in {told}");
    }
}

#[test]
fn the_page_of_formats_has_a_row_for_every_dialect() {
    let page = include_str!("../../FORMATS.md");
    let json = page.split_once("\n## JSON\n").expect("the section").1;
    let json = json.split("\n## ").next().unwrap();
    let rows = json.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let rows: Vec<&str> = rows.filter(|name| *name != "--dialect").collect();
    let json = Dialect::ALL.into_iter().filter(|dialect| *dialect != Dialect::Csv);
    assert_eq!(rows, json.map(Dialect::name).collect::<Vec<_>>());
}

#[test]
fn fields_that_cannot_be_read_and_times_of_no_zone_are_counted() {
    let folder = Folder::new();
    let odd = |id: &str| line(id, 1).replace("\"label\":\"x\"", "\"followers\":\"many\",\"lang\":{}");
    let content = format!("{}\n{}\n{}\n", line("a", 1), odd("b"), odd("c"));
    let outcome = read(&[folder.file("odd.jsonl", content.as_bytes())]);
    assert_eq!(outcome.ids(), ["a", "b", "c"]);
    assert_eq!(outcome.counts.unreadable_fields(), [("followers", 2), ("lang", 2)].into());
    let first = &outcome.counts.unreadable["followers"].first;
    assert!(first.contains("odd.jsonl:2: `followers`: is not a whole number"), "{first}");
    let old = r#"{"id":1,"type":"personal_chat","messages":[{"id":2,"date":"2020-08-10T20:54:05","from_id":"user1","text":"x"}]}"#;
    let file = folder.file("old.json", old.as_bytes());
    let outcome = read(std::slice::from_ref(&file));
    assert_eq!((outcome.counts.local_times, outcome.counts.posts), (1, 1));
    let mut told = Options::default();
    told.mapping.set("timezone", vec!["Europe/Moscow".to_owned()]).unwrap();
    let outcome = try_read(&[file], told).unwrap();
    assert_eq!(outcome.counts.local_times, 0);
    let at = post::decode(&outcome.posts[0]).unwrap().created_at;
    assert_eq!(at, "2020-08-10T17:54:05Z".parse::<jiff::Timestamp>().unwrap().as_millisecond());
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
            3 => drop(
                open.typed::<Int64Type>().write_batch(&[1_400_000_020_000, 1_400_000_010_500, 1], None, None).unwrap(),
            ),
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
        {"id":"a","platform":"x","account_id":"8","account_name":"8","created_at":"2014-05-13T16:53:30.5Z","text":"#u","urls":[],"hashtags":["u"],"mentions":[]}
        {"id":"b","platform":"x","account_id":"7","account_name":"7","created_at":"2014-05-13T16:53:40Z","text":"see #t","urls":[],"hashtags":["v","w"],"mentions":[]}"##]].assert_eq(&posts.join("\n"));
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
                let _ = try_read(std::slice::from_ref(&file), Options { dialect: Some(dialect), ..Options::default() });
            }
            let _ = try_read(std::slice::from_ref(&file), Options::default());
        }
    }
}
