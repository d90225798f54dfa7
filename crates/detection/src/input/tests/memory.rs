//! Posts and tables in memory are read like files.

use super::*;

const HEADER: &str = "id,platform,account_id,account_name,created_at,text,followers";
const ROWS: [&str; 4] = [
    "2,x,a,Ann,2026-01-01 12:00:00,see https://example.org/a #news,7",
    "1,x,b,Ben,2026-01-01 11:00:00,ä word,many",
    "3,x,b,Ben,yesterday,never,1",
    "2,x,a,Ann,2026-01-01 12:00:00,again,7",
];

fn cells(line: &str) -> Vec<String> {
    line.split(',').map(str::to_owned).collect()
}

fn table(rows: Vec<io::Result<Vec<String>>>) -> Result<ReadInput, InputError> {
    let rows: TableRows = Box::new(rows.into_iter());
    read_input(|options| Ok(Input::table("the frame", cells(HEADER), rows, options)), Options::default())
}

#[test]
fn a_table_in_memory_is_read_as_its_csv_would_be() {
    let folder = Folder::new();
    let of_file = read(&[folder.file("posts.csv", format!("{HEADER}\n{}\n", ROWS.join("\n")).as_bytes())]);
    let of_memory = table(ROWS.iter().map(|row| Ok(cells(row))).collect()).unwrap();
    assert_eq!(of_memory.ids(), ["1", "2"]);
    assert_eq!(of_memory.posts, of_file.posts);
    assert_eq!(of_memory.counts.unreadable_fields(), of_file.counts.unreadable_fields());
    assert_eq!((of_memory.counts.bad, of_memory.counts.duplicates, of_memory.counts.rows), (1, 1, 4));
    let texts =
        |outcome: &ReadInput| -> Vec<String> { outcome.notices.iter().map(|notice| notice.text.clone()).collect() };
    assert_eq!(texts(&of_memory), texts(&of_file), "what the columns are taken for is told");
    assert!(of_memory.bad[0].to_string().starts_with("the frame:3: `created_at`"), "{}", of_memory.bad[0]);
}

#[test]
fn a_table_whose_columns_would_be_misread_is_refused_by_its_name() {
    let header = vec!["id".to_owned(), "text".to_owned()];
    let read = |options| Ok(Input::table("the frame", header, Box::new(std::iter::empty()), options));
    let error = read_input(read, Options::default()).err().unwrap().to_string();
    assert!(error.starts_with("the frame: column ") && error.contains("is required"), "{error}");
}

#[test]
fn rows_that_break_off_are_damage_and_those_before_are_read() {
    let mut rows: Vec<_> = ROWS[..2].iter().map(|row| Ok(cells(row))).collect();
    rows.push(Err(io::Error::other("the stream was closed")));
    let outcome = table(rows).unwrap();
    assert_eq!(outcome.counts.posts, 2);
    let damage = outcome.counts.damaged[0].to_string();
    assert!(damage.starts_with("the frame breaks off") && damage.contains("the stream was closed"), "{damage}");
}

#[test]
fn posts_in_memory_are_read_as_lines_and_a_bad_one_is_told_by_its_number() {
    let post = |id: &'static str, created_at| Post {
        id: id.into(),
        platform: "X".into(),
        account_id: "a".into(),
        account_name: "Ann".into(),
        created_at,
        hashtags: vec!["#news".into()],
        ..Post::default()
    };
    let posts = [post("2", 2_000), post("", 3_000), post("1", 1_000)];
    let outcome = read_input(|options| Ok(Input::posts(posts, options)), Options::default()).unwrap();
    assert_eq!(outcome.ids(), ["1", "2"]);
    let first = post::decode(&outcome.posts[0]).unwrap();
    assert_eq!((&*first.platform, &*first.hashtags[0]), ("x", "news"), "tidied as in a file");
    assert_eq!(outcome.bad.len(), 1);
    assert!(outcome.bad[0].to_string().starts_with("posts in memory:2: `id`"), "{}", outcome.bad[0]);
}
