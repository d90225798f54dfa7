//! Tables: how their columns are read, and how cells are handled that are not as expected.

use messages::dialect::csv::Mapping;

use super::*;

const HEADER: &str = "id,platform,account_id,created_at,text";

fn mapped(settings: &[(&str, &str)]) -> Options {
    let mut mapping = Mapping::default();
    for (name, value) in settings {
        mapping.set(name, vec![(*value).to_owned()]).unwrap();
    }
    Options { mapping, ..Options::default() }
}

fn told(outcome: &ReadInput, warning: bool) -> Vec<&str> {
    outcome.notices.iter().filter(|notice| notice.warning == warning).map(|notice| notice.text.as_str()).collect()
}

#[track_caller]
fn refused(content: &[u8], options: Options, wanted: &[&str]) {
    let folder = Folder::new();
    let error = try_read(&[folder.file("table.csv", content)], options).err().unwrap().to_string();
    for text in wanted {
        assert!(error.contains(text), "{text:?} is not in: {error}");
    }
}

#[test]
fn it_is_said_what_each_column_is_taken_for() {
    let folder = Folder::new();
    let csv = "Tweet ID,platform,user_id,screen_name,username,created_at,text,Mood,Notes\n1,x,7,ann,Ann,1400000000,hi,good,-\n";
    let outcome = try_read(&[folder.file("a.csv", csv.as_bytes())], mapped(&[("ignore", "notes")])).unwrap();
    assert_eq!(
        told(&outcome, false),
        [
            "table of posts: id from Tweet ID, platform, account_id from user_id, account_name from screen_name, created_at, text; not read: \
          username, Mood; ignored: Notes"
        ]
    );
    let entries = outcome.counts.column_entries();
    assert_eq!(entries.len(), 9);
    assert_eq!(
        (&entries[0]["column"], &entries[0]["taken_for"], &entries[0]["by"]),
        (&"Tweet ID".into(), &"id".into(), &"alias".into())
    );
    assert_eq!((&entries[0]["read"], &entries[7]["taken_for"]), (&1.into(), &"not read".into()));
}

#[test]
fn columns_whose_loss_would_change_the_findings_are_refused() {
    let table = |column: &str| format!("{HEADER},{column}\n1,x,7,1400000000,hi,55\n");
    for column in [
        "retweeted_from_id",
        "parent_post_id",
        "original_id",
        "sharedStatusId",
        "forward_from_message_id",
        "referenced.id",
    ] {
        refused(
            table(column).as_bytes(),
            Options::default(),
            &[column, "looks like the id of a repost", "--column repost_of=", "--column ignore="],
        );
        let folder = Folder::new();
        let file = folder.file("a.csv", table(column).as_bytes());
        let read = |name: &str| try_read(std::slice::from_ref(&file), mapped(&[(name, column)])).unwrap();
        assert!(String::from_utf8_lossy(&read("repost_of").posts[0]).contains(r#""repost_of":"55""#), "{column}");
        assert!(!String::from_utf8_lossy(&read("ignore").posts[0]).contains("repost_of"), "{column}");
    }
    refused(table("object_id").as_bytes(), Options::default(), &["looks like the object that was shared"]);
    let folder = Folder::new();
    for column in ["retweet_count", "shares", "is_retweet", "share_count", "original_language"] {
        assert_eq!(read(&[folder.file("a.csv", table(column).as_bytes())]).counts.posts, 1, "{column}");
    }
    let empty = format!("{HEADER},parent_id\n1,x,7,1400000000,hi,NA\n");
    assert_eq!(read(&[folder.file("a.csv", empty.as_bytes())]).counts.posts, 1, "nothing is lost with it");
}

#[test]
fn the_words_of_a_repost_are_not_its_own_where_only_a_flag_says_so() {
    let folder = Folder::new();
    let csv = format!(
        "{HEADER},is_retweet\n1,x,7,1400000000,Rain today,true\n2,x,8,1400000001,Rain  today ,True\n3,x,9,1400000002,Rain today,false\n\
         4,x,9,1400000003,RT @ann: Rain today,true\n5,x,9,1400000004,,true\n6,x,9,1400000005,Snow today,1\n"
    );
    let outcome = read(&[folder.file("a.csv", csv.as_bytes())]);
    let posts: Vec<_> = outcome.posts.iter().map(|raw| post::decode(raw).unwrap().repost_of).collect();
    assert!(posts[0].is_some() && posts[5].is_some() && posts[0] != posts[5], "{posts:?}");
    assert_eq!((&posts[2], &posts[3], &posts[4]), (&None, &None, &None));
    let warnings = told(&outcome, true);
    assert!(warnings.len() == 1 && warnings[0].starts_with("3 posts are said to be reposts"), "{warnings:?}");
    // The id of the original has priority.
    let csv = format!("{HEADER},is_retweet,retweet_id\n1,x,7,1400000000,Rain today,true,55\n");
    let outcome = read(&[folder.file("b.csv", csv.as_bytes())]);
    assert_eq!(post::decode(&outcome.posts[0]).unwrap().repost_of.as_deref(), Some("55"));
    assert_eq!(told(&outcome, true), [""; 0]);
}

#[test]
fn ids_are_made_only_where_that_is_asked_for() {
    let table = "user_id,created_at,text\n7,1400000000,hi\n7,1400000000,hi\n7,1400000001,hi\n8,1400000000,hi\n";
    let options = |make_ids| {
        let mapping = Mapping { make_ids, platform: Some("x".to_owned()), ..Mapping::default() };
        Options { mapping, ..Options::default() }
    };
    refused(table.as_bytes(), options(false), &["`id`: is required", "--make-ids"]);
    let folder = Folder::new();
    let outcome = try_read(&[folder.file("a.csv", table.as_bytes())], options(true)).unwrap();
    assert_eq!((outcome.counts.posts, outcome.counts.duplicates), (3, 1));
    assert!(told(&outcome, true)[0].contains("made of account, time and text"), "{:?}", told(&outcome, true));
    // A column with ids has priority.
    let table = format!("{HEADER}\n1,x,7,1400000000,hi\n2,x,7,1400000000,hi\n");
    let outcome = try_read(&[folder.file("b.csv", table.as_bytes())], options(true)).unwrap();
    assert_eq!((outcome.counts.posts, told(&outcome, true).len()), (2, 0));
}

#[test]
fn columns_that_may_matter_are_warned_of() {
    let folder = Folder::new();
    for (header, column) in [
        ("id,platform,account_id,created_at,title_of_post", "title_of_post"),
        ("id,platform,account_id,created_at,permalink_url", "permalink_url"),
        ("id,platform,account_id,created_at,retweet", "retweet"),
        ("id,platform,account_id,created_at,is_a_boost", "is_a_boost"),
        ("id,platform,account_id,date,post_hour", "post_hour"),
        ("id,platform,account_id,created_at,retweeted_author_name", "retweeted_author_name"),
    ] {
        let outcome = read(&[folder.file("a.csv", format!("{header}\n1,x,7,2014-05-13 10:00,5\n").as_bytes())]);
        let warnings = told(&outcome, true);
        assert!(
            warnings.len() == 1 && warnings[0].contains(column) && warnings[0].contains("--column"),
            "{warnings:?}"
        );
    }
}

#[test]
fn two_columns_for_one_field_are_an_error_that_names_both() {
    let table = "id,platform,account_id,created_at,text,full_text\n1,x,7,1400000000,a,b\n";
    refused(table.as_bytes(), Options::default(), &["`text`", "text and full_text", "--column text=NAME"]);
    refused(b"id,platform,account_id,created_at,text,text\n", Options::default(), &["text and text"]);
    let folder = Folder::new();
    let outcome = try_read(&[folder.file("a.csv", table.as_bytes())], mapped(&[("text", "full_text")])).unwrap();
    assert!(String::from_utf8_lossy(&outcome.posts[0]).contains(r#""text":"b""#));
    refused(table.as_bytes(), mapped(&[("text", "body")]), &["`text`", "column body", "no such column"]);
}

#[test]
fn a_mapping_names_columns_platform_times_and_missing_values() {
    let folder = Folder::new();
    let csv = "Link,Who,Day,Clock,Words,Short,Long\nu/1,ann,5.1.2021,12:00,-,https://t.example/1,-\nu/2,ann,5.1.2021,13:00,hi,s,https://l.example/2\n";
    let mut options = mapped(&[
        ("id", "Link"),
        ("account_id", "who"),
        ("created_at", "Day"),
        ("time", "Clock"),
        ("text", "Words"),
        ("platform", "Town"),
        ("timezone", "Europe/Berlin"),
        ("na", "-"),
    ]);
    options.mapping.set("urls", vec!["Long".to_owned(), "Short".to_owned()]).unwrap();
    let outcome = try_read(&[folder.file("a.csv", csv.as_bytes())], options).unwrap();
    let posts: Vec<String> = outcome.posts.iter().map(|raw| String::from_utf8_lossy(raw).into_owned()).collect();
    expect_test::expect![[r#"
        {"id":"u/1","platform":"town","account_id":"ann","account_name":"ann","created_at":"2021-01-05T11:00:00Z","text":"-","urls":["https://t.example/1"],"hashtags":[],"mentions":[]}
        {"id":"u/2","platform":"town","account_id":"ann","account_name":"ann","created_at":"2021-01-05T12:00:00Z","text":"hi","urls":["https://l.example/2"],"hashtags":[],"mentions":[]}"#]]
    .assert_eq(&posts.join("\n"));
}

#[test]
fn words_for_a_missing_value_are_missing_but_in_texts_and_names() {
    let folder = Folder::new();
    for word in messages::dialect::csv::MISSING {
        let csv = format!(
            "id,platform,account_id,account_name,created_at,text,repost_of,urls,hashtags,followers,reply_to\n\
             1,x,7,{word},1400000000,{word},{word},{word},{word},{word},{word}\n"
        );
        let outcome = read(&[folder.file("a.csv", csv.replace("\"\"", "\"\"\"\"\"\"").as_bytes())]);
        let post = post::decode(&outcome.posts[0]).unwrap();
        assert_eq!((post.repost_of, post.reply_to, post.followers), (None, None, None), "{word}");
        // The text `#N/A` has a hashtag of its own.
        assert_eq!((post.urls.len(), post.hashtags.len()), (0, usize::from(word.starts_with('#'))), "{word}");
        assert_eq!((post.text.as_ref(), post.account_name.as_ref()), (word, word), "{word}");
        let missing: Vec<u64> = outcome.counts.tables[0].columns.iter().map(|column| column.cells.missing).collect();
        assert_eq!(missing, [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1], "{word}");
    }
    let list = format!("{HEADER},urls\n1,x,7,1400000000,hi,\"['https://a.example/1', 'nan', None]\"\n");
    let outcome = read(&[folder.file("a.csv", list.as_bytes())]);
    assert_eq!(post::decode(&outcome.posts[0]).unwrap().urls, ["https://a.example/1"]);
}

#[test]
fn optional_cells_that_cannot_be_read_do_not_cost_the_post() {
    let folder = Folder::new();
    let csv = format!(
        "{HEADER},followers,account_created_at,default_profile,urls\n1,x,7,1400000000,hi,many,long ago,perhaps,\"[{{\"\n"
    );
    let outcome = read(&[folder.file("a.csv", csv.as_bytes())]);
    assert_eq!((outcome.counts.posts, outcome.counts.bad), (1, 0));
    let warnings = told(&outcome, true);
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    assert_eq!(warnings[0], "column followers: 1 cell could not be read, and followers is not known there");
}

#[test]
fn rounded_ids_end_the_run_and_exact_ones_are_read() {
    for (column, row) in [
        ("id", "1.25018E+18,x,7,1400000000,hi"),
        ("account_id", "1,x,9.06e+17,1400000000,hi"),
        ("id", "1250180000000000000.0,x,7,1400000000,hi"),
    ] {
        refused(
            format!("{HEADER}\n0,x,7,1400000000,first\n{row}\n").as_bytes(),
            Options::default(),
            &["table.csv:3: column", column, "rounded", "export the ids as text"],
        );
    }
    let zeros: String = (1..9).map(|n| format!("12501{n}0000000000000,x,7,1400000000,hi\n")).collect();
    refused(format!("{HEADER}\n{zeros}").as_bytes(), Options::default(), &["column `id`", "end in zeros"]);
    let folder = Folder::new();
    let csv = format!(
        "{HEADER}\n102.0,x, 79 ,1400000000,hi\n=\"103\",x,\"=\"\"79\"\"\",1400000000,hi\n7e10,x,79,1400000000,hi\n"
    );
    let outcome = read(&[folder.file("a.csv", csv.as_bytes())]);
    assert_eq!(outcome.ids(), ["102", "103", "7e10"]);
    let accounts: Vec<String> =
        outcome.posts.iter().map(|raw| post::decode(raw).unwrap().account_id.into_owned()).collect();
    assert_eq!(accounts, ["79", "79", "79"]);
    assert!(
        told(&outcome, false).contains(&"column id: 2 ids are read without what stood around it (blanks, .0, =\"…\")")
    );
}

#[test]
fn the_day_and_the_month_are_settled_by_the_column_or_asked_for() {
    let folder = Folder::new();
    let table = |rows: &[&str]| {
        let rows: String = rows.iter().enumerate().map(|(n, time)| format!("{n},x,7,{time},hi\n")).collect();
        format!("{HEADER}\n{rows}")
    };
    let open = table(&["1/5/2021 12:00", "2/5/2021 12:00"]);
    refused(
        open.as_bytes(),
        Options::default(),
        &["column `created_at`", "1 May", "5 January", "--time-format day-first"],
    );
    let first = |content: &str, options: Options| {
        let outcome = try_read(&[folder.file("a.csv", content.as_bytes())], options).unwrap();
        post::decode(&outcome.posts[0]).unwrap().created_at
    };
    assert_eq!(first(&open, mapped(&[("time_format", "day-first")])), 1_619_870_400_000);
    assert_eq!(first(&open, mapped(&[("time_format", "month-first")])), 1_609_848_000_000);
    assert_eq!(first(&table(&["1/5/2021 12:00", "13/5/2021 12:00"]), Options::default()), 1_619_870_400_000);
    assert_eq!(first(&table(&["1/5/2021 12:00", "1/13/2021 12:00"]), Options::default()), 1_609_848_000_000);
    let two = "id,platform,account_id,date,time,text\n1,x,7,2021-01-05,12:00:00,hi\n";
    assert_eq!(first(two, Options::default()), 1_609_848_000_000, "date and time in two columns");
    let alone = read(&[folder.file("a.csv", two.replace(",time", ",clock").as_bytes())]);
    assert!(alone.bad()[0].contains("a date without a time of day"), "{:?}", alone.bad());
}

#[test]
fn it_is_said_once_that_times_without_a_zone_are_utc() {
    let folder = Folder::new();
    let csv =
        format!("{HEADER}\n1,x,7,2021-01-05 12:00,hi\n2,x,7,2021-01-05 12:00,hi\n3,x,7,2021-01-05T12:00:00Z,hi\n");
    let file = folder.file("a.csv", csv.as_bytes());
    let outcome = read(std::slice::from_ref(&file));
    let said = "2 times are without a zone, taken as UTC; --timezone names another";
    assert_eq!(told(&outcome, false).iter().filter(|text| **text == said).count(), 1);
    let outcome = try_read(&[file], mapped(&[("timezone", "Europe/Berlin")])).unwrap();
    assert!(!told(&outcome, false).contains(&said));
}

#[test]
fn a_stray_quotation_mark_costs_nothing() {
    let folder = Folder::new();
    let rows: String =
        (1..8).map(|n| format!("{n}\tx\t7\t140000000{n}\t{}words\n", if n % 3 == 1 { "\"" } else { "" })).collect();
    let outcome = read(&[folder.file("a.tsv", format!("{}\n{rows}", HEADER.replace(',', "\t")).as_bytes())]);
    assert_eq!(outcome.ids(), ["1", "2", "3", "4", "5", "6", "7"]);
    assert_eq!(told(&outcome, true), ["3 lines have a quotation mark that is not closed; read as they stand"]);
}

#[test]
fn a_nul_costs_its_line_only() {
    let folder = Folder::new();
    let csv = format!("{HEADER}\n1,x,7,1400000001,before\0after\n2,x,7,1400000002,fine\n\0\0\0\0\0\0\n");
    let outcome = read(&[folder.file("a.csv", csv.as_bytes())]);
    assert_eq!(outcome.ids(), ["2"]);
    let lines: Vec<u64> = outcome.bad.iter().map(|bad| bad.line).collect();
    assert_eq!(lines, [2, 4]);
}

#[test]
fn encodings_are_seen_where_that_is_sure_and_else_asked_for() {
    let folder = Folder::new();
    let windows = |text: &str| encoding_rs::WINDOWS_1252.encode(text).0.into_owned();
    let csv = format!("{HEADER}\n1,x,7,1400000001,Grüße aus Köln\n2,x,7,1400000002,“Zoë”\n");
    let outcome = read(&[folder.file("a.csv", &windows(&csv))]);
    assert!(String::from_utf8_lossy(&outcome.posts[0]).contains("Grüße aus Köln"));
    assert_eq!(told(&outcome, true), ["is read as windows-1252; --encoding names another"]);
    let cyrillic = encoding_rs::WINDOWS_1251
        .encode(&format!("{HEADER}\n1,x,7,1400000001,Привет\n2,x,7,1400000002,Привет\n"))
        .0
        .into_owned();
    refused(&cyrillic, Options::default(), &["more than half of its lines are not UTF-8", "--encoding"]);
    let options = Options { encoding: Some(encoding("windows-1251").unwrap()), ..Options::default() };
    let outcome = try_read(&[folder.file("b.csv", &cyrillic)], options).unwrap();
    assert!(String::from_utf8_lossy(&outcome.posts[0]).contains("Привет"));
    let no_mark: Vec<u8> = csv.encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(read(&[folder.file("c.csv", &no_mark)]).ids(), ["1", "2"]);
    let one: String = (1..9).map(|n| format!("{n},x,7,140000000{n},hi\n")).collect();
    let one = [format!("{HEADER}\n{one}").as_bytes(), b"9,x,7,1400000009,\xFF\n"].concat();
    let outcome = read(&[folder.file("d.csv", &one)]);
    assert_eq!((outcome.counts.posts, outcome.bad[0].error.path.as_str()), (8, "text"));
}

#[test]
fn headers_are_found_wherever_they_stand_and_however_often() {
    let folder = Folder::new();
    let twice = format!("\u{feff}{HEADER}\r\n1,x,7,1400000001,a\r\n\u{feff}{HEADER}\r\n2,x,7,1400000002,b\r\n");
    let outcome = read(&[folder.file("a.csv", twice.as_bytes())]);
    assert_eq!((outcome.counts.posts, outcome.counts.passed_over), (2, 1));
    let preamble = format!("Export of today\n\n{HEADER}\n1,x,7,1400000001,a\n");
    let outcome = read(&[folder.file("b.csv", preamble.as_bytes())]);
    assert_eq!((outcome.counts.posts, outcome.counts.passed_over), (1, 2));
    let row_names = format!("{HEADER}\n1,10,x,7,1400000001,a\n2,11,x,7,1400000002,b\n");
    assert_eq!(read(&[folder.file("c.csv", row_names.as_bytes())]).ids(), ["10", "11"], "R's row names have no name");
    let trailing = format!("{HEADER}\n10,x,7,1400000001,a,\n");
    assert_eq!(read(&[folder.file("d.csv", trailing.as_bytes())]).ids(), ["10"]);
    refused(
        b"1204535068812812289,twitter,7,2021-01-05T12:00:00Z,hello\n",
        Options::default(),
        &["has no header", "1204535068812812289,twitter,7"],
    );
}

#[test]
fn an_object_beside_a_content_is_never_dropped() {
    let folder = Folder::new();
    for header in [
        ",object_id,account_id,content_id,timestamp_share",
        "mood,object_id,user_id,content_id,timestamp",
        "object_id,x,account_id,content_id,timestamp_share",
    ] {
        let cell = |name: &'static str| match name {
            "object_id" => "https://news.example/1",
            "timestamp" | "timestamp_share" => "1614556800",
            other => &other[..other.len().min(1)],
        };
        let row: Vec<&str> = header.split(',').map(cell).collect();
        let outcome = read(&[folder.file("a.csv", format!("{header}\n{}\n", row.join(",")).as_bytes())]);
        assert_eq!(outcome.counts.tables[0].layout, "CooRTweet", "{header}");
        assert_eq!(post::decode(&outcome.posts[0]).unwrap().urls, ["https://news.example/1"], "{header}");
    }
}

/// A minimal workbook with one or more sheets: rows of (reference, type, value) cells.
fn workbook(sheets: &[(&str, &str)]) -> Vec<u8> {
    let names: String = sheets
        .iter()
        .enumerate()
        .map(|(n, (name, _))| format!(r#"<sheet name="{name}" sheetId="{0}" r:id="rId{0}"/>"#, n + 1))
        .collect();
    let relations: String = (1..=sheets.len())
        .map(|n| {
            format!(
                r#"<Relationship Id="rId{n}" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet{n}.xml"/>"#
            )
        })
        .collect();
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let mut members = vec![
        (
            "[Content_Types].xml".to_owned(),
            r#"<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="xml" ContentType="application/xml"/></Types>"#
                .to_owned(),
        ),
        (
            "xl/workbook.xml".to_owned(),
            format!(
                r#"<?xml version="1.0"?><workbook xmlns="{main}" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>{names}</sheets></workbook>"#
            ),
        ),
        (
            "xl/_rels/workbook.xml.rels".to_owned(),
            format!(
                r#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{relations}<Relationship Id="rId99" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>"#
            ),
        ),
        (
            "xl/styles.xml".to_owned(),
            format!(
                r#"<?xml version="1.0"?><styleSheet xmlns="{main}"><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="22" applyNumberFormat="1"/></cellXfs></styleSheet>"#
            ),
        ),
    ];
    members.push((
        "_rels/.rels".to_owned(),
        r#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#
            .to_owned(),
    ));
    for (n, (_, rows)) in sheets.iter().enumerate() {
        let data =
            format!(r#"<?xml version="1.0"?><worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>"#);
        members.push((format!("xl/worksheets/sheet{}.xml", n + 1), data));
    }
    let members: Vec<(&str, &[u8])> = members.iter().map(|(name, data)| (name.as_str(), data.as_bytes())).collect();
    zipped(&members)
}

/// A row of a sheet: `t` marks a text, `n` a number, `d` a date.
fn sheet_row(number: usize, cells: &[&str]) -> String {
    let cells: String = cells
        .iter()
        .enumerate()
        .map(|(column, cell)| {
            let place = format!("{}{number}", char::from(b'A' + column as u8));
            let (kind, value) = cell.split_at(1);
            match kind {
                "n" => format!(r#"<c r="{place}"><v>{value}</v></c>"#),
                "d" => format!(r#"<c r="{place}" s="1"><v>{value}</v></c>"#),
                _ => format!(r#"<c r="{place}" t="inlineStr"><is><t>{value}</t></is></c>"#),
            }
        })
        .collect();
    format!(r#"<row r="{number}">{cells}</row>"#)
}

#[test]
fn workbooks_of_other_programs() {
    // posts.xls was written by xlwt 1.3, posts.ods by odfpy 1.4.
    for name in ["posts.xls", "posts.ods"] {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/workbooks").join(name);
        let outcome = read(&[file]);
        let posts: Vec<_> = outcome.posts.iter().map(|raw| post::decode(raw).unwrap()).collect();
        let told: Vec<String> = posts
            .iter()
            .map(|post| format!("{} {} {} {}", post.id, post.account_id, post.created_at / 1_000, post.text))
            .collect();
        let wanted = [
            "914580356430536707 700 1506887880 A bridge is closed",
            "914580356430536708 701 1506888030 Snow, then \"rain\"",
            "914580356430536709 702 1506902400 Ferries run",
        ];
        assert_eq!(told, wanted, "{name}");
        assert_eq!((outcome.counts.tables[0].rows, outcome.counts.bad), (3, 0), "{name}");
    }
}

#[test]
fn workbooks_of_spreadsheets() {
    let folder = Folder::new();
    let header = sheet_row(1, &["tid", "tplatform", "taccount_id", "tcreated_at", "ttext"]);
    let rows = header.clone()
        + &sheet_row(2, &["t1250184309386039296", "tx", "n79", "d44201.5", "tNA is a word"])
        + &sheet_row(3, &["n102", "tx", "n79", "d44202", "tat midnight"]);
    let notes = sheet_row(1, &["tNotes"]);
    let file = folder.file("a.xlsx", &workbook(&[("Posts", &rows), ("Notes", &notes)]));
    let outcome = read(std::slice::from_ref(&file));
    let posts: Vec<String> = outcome.posts.iter().map(|raw| String::from_utf8_lossy(raw).into_owned()).collect();
    expect_test::expect![[r#"
        {"id":"1250184309386039296","platform":"x","account_id":"79","account_name":"79","created_at":"2021-01-05T12:00:00Z","text":"NA is a word","urls":[],"hashtags":[],"mentions":[]}
        {"id":"102","platform":"x","account_id":"79","account_name":"79","created_at":"2021-01-06T00:00:00Z","text":"at midnight","urls":[],"hashtags":[],"mentions":[]}"#]]
    .assert_eq(&posts.join("\n"));
    assert_eq!(told(&outcome, true), ["sheet \"Posts\" is read, and not Notes; --sheet names another"]);
    let choose = |sheet: &str| {
        try_read(std::slice::from_ref(&file), Options { sheet: Some(sheet.to_owned()), ..Options::default() })
    };
    assert_eq!(choose("1").unwrap().counts.posts, 2);
    assert!(choose("Notes").err().unwrap().to_string().contains("column `id`: is required"));
    assert!(choose("Nothing").err().unwrap().to_string().contains("no sheet \"Nothing\"; there are Posts, Notes"));
    let rounded = header.clone() + &sheet_row(2, &["n1250184309386039300", "tx", "n79", "d44201.5", "thi"]);
    let error =
        try_read(&[folder.file("b.xlsx", &workbook(&[("Posts", &rounded)]))], Options::default()).err().unwrap();
    assert!(matches!(error, InputError::Rounded { line: 2, .. }), "{error}");
    let dates = header + &sheet_row(2, &["t1", "tx", "n79", "d44201", "thi"]);
    let outcome = read(&[folder.file("c.xlsx", &workbook(&[("Posts", &dates)]))]);
    assert!(outcome.bad()[0].contains("a date without a time of day"), "{:?}", outcome.bad());
}

#[test]
fn a_preview_shows_columns_cells_and_posts_and_reads_no_more() {
    let folder = Folder::new();
    let csv = format!("{HEADER},parent_id\n1,x,7,1400000001,a,5\n2,x,7,never,b,6\n3,x,7,1400000003,c,7\n");
    let file = folder.file("a.csv", csv.as_bytes());
    let previews = Input::open(&[file], Options::default()).unwrap().preview(2).unwrap();
    let [preview] = &previews[..] else { panic!() };
    assert_eq!((preview.columns.len(), &preview.columns[4].cells), (6, &vec!["a".to_owned(), "b".to_owned()]));
    assert!(
        preview.posts[0].as_ref().unwrap().contains(r#""id":"1""#)
            && preview.posts[1].as_ref().unwrap_err().contains("is not a time")
    );
    assert!(preview.concerns.refusal.as_ref().unwrap().contains("parent_id"));
}
