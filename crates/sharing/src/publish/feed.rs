//! The accounts of a partner's collection as rows, for partners that read tables instead of STIX.
//!
//! A row is made of objects that the partner can fetch by TAXII, and of nothing else: the indicator of the account, its
//! `user-account`, and the `campaign` and the evidence of the case. So it holds nothing that the same partner does not see there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::stix::{self, object::marked_with};
use crate::object::{account_of_pattern, micros};

/// Most links of a row: the first by time.
const LINKS: usize = 20;

/// Names of the columns, in the order of the fields of [`AccountRow`].
const COLUMNS: [&str; 18] = [
    "account_id",
    "account_name",
    "platform",
    "case",
    "status",
    "review_state",
    "tlp",
    "confidence",
    "first_seen",
    "last_seen",
    "group_first_seen",
    "group_last_seen",
    "valid_until",
    "evidence_posts",
    "evidence_links",
    "indicator",
    "modified",
    "date_added",
];

/// One account of the partner's platform in one case. Times are in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct AccountRow {
    /// The platform's id of the account.
    pub account_id: String,
    /// Its name; null where it is not known or not shown to the partner.
    pub account_name: Option<String>,
    /// The partner's platform.
    pub platform: String,
    /// The case, under the partner's id for it.
    pub case: String,
    pub status: Status,
    /// Where the case stood in review when the account was shared. `demo_policy_no_person_looked`: automatic reviewers of a
    /// demonstration approved it; do not act on it.
    pub review_state: String,
    /// Marking of the Traffic Light Protocol 2.0, which binds whoever reads the row.
    pub tlp: String,
    /// That the group's coordination is inauthentic, 0 to 100; null where it is not known or not shown to the partner.
    pub confidence: Option<i64>,
    /// Time of the account's first post in the evidence that the partner has; null where it has none.
    pub first_seen: Option<String>,
    /// The same for its last post.
    pub last_seen: Option<String>,
    /// When the group was first and last seen to act.
    pub group_first_seen: String,
    pub group_last_seen: Option<String>,
    /// When the flag expires.
    pub valid_until: String,
    /// Posts of the account in the evidence that the partner has.
    pub evidence_posts: usize,
    /// Links to the first 20 of these posts, where the platform has such links.
    pub evidence_links: Vec<String>,
    /// Id of the STIX indicator: feedback refers to it.
    pub indicator: String,
    /// When this version of the indicator was made.
    pub modified: String,
    /// When it was added to the collection. `added_after` with this value gives what is new since.
    pub date_added: String,
}

/// Whether what was said of the account stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// It stands, until `valid_until`.
    Shared,
    /// It is withdrawn: reverse any action based on it.
    Withdrawn,
}

/// What rows of one case have in common: the group's times, and the evidence of each account. Its size is bounded by the evidence
/// that a platform gets.
#[derive(Debug, Default)]
pub(crate) struct CaseEvidence {
    last_seen: Option<String>,
    accounts: BTreeMap<String, AccountEvidence>,
}

/// Posts of an account in the evidence by time and id, each with its link.
type AccountEvidence = BTreeMap<(String, String), Option<String>>;

#[derive(Deserialize)]
struct Shared {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    revoked: bool,
    last_seen: Option<String>,
    #[serde(default)]
    external_references: Vec<Reference>,
    #[serde(default)]
    extensions: BTreeMap<String, Evidence>,
}

#[derive(Deserialize)]
struct Reference {
    external_id: Option<String>,
    url: Option<String>,
}

#[derive(Deserialize)]
struct Evidence {
    #[serde(default)]
    posts: Vec<Post>,
}

#[derive(Deserialize)]
struct Post {
    id: String,
    account_id: String,
    created_at: String,
}

impl CaseEvidence {
    /// Takes an object of the case: its campaign or a part of its evidence.
    pub fn take(&mut self, body: &str) -> Result<(), String> {
        let object: Shared = serde_json::from_str(body).map_err(|error| error.to_string())?;
        if object.kind == "campaign" {
            self.last_seen = object.last_seen;
            return Ok(());
        }
        if object.revoked {
            return Ok(());
        }
        let link = |id: &str| {
            let reference = object.external_references.iter().find(|one| one.external_id.as_deref() == Some(id))?;
            reference.url.clone()
        };
        let evidence = object.extensions.get(stix::evidence::EXTENSION);
        for post in evidence.into_iter().flat_map(|evidence| &evidence.posts) {
            let key = (post.created_at.clone(), post.id.clone());
            self.accounts.entry(post.account_id.clone()).or_default().insert(key, link(&post.id));
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Indicator {
    id: String,
    pattern: String,
    modified: String,
    valid_from: String,
    valid_until: String,
    confidence: Option<i64>,
    #[serde(default)]
    revoked: bool,
    object_marking_refs: Vec<String>,
    extensions: BTreeMap<String, Finding>,
}

#[derive(Deserialize)]
struct Finding {
    case: String,
    review_state: String,
}

#[derive(Deserialize)]
struct UserAccount {
    display_name: Option<String>,
}

/// An indicator of a collection, read.
pub(crate) struct Listed {
    indicator: Indicator,
    account_id: String,
    date_added: i64,
}

impl Listed {
    /// Reads an indicator that this service made. Whatever else is in a collection is refused with the reason.
    pub fn read(body: &str, date_added: i64) -> Result<Listed, String> {
        let indicator: Indicator = serde_json::from_str(body).map_err(|error| error.to_string())?;
        let account_id = account_of_pattern(&indicator.pattern)
            .ok_or_else(|| format!("the pattern of {} names no account", indicator.id))?;
        Ok(Listed { indicator, account_id, date_added })
    }

    /// Id of the indicator.
    pub fn id(&self) -> &str {
        &self.indicator.id
    }

    /// Id of the object about the account itself.
    pub fn account_object(&self, platform: &str) -> String {
        stix::object::account_object_id(platform, &self.account_id)
    }

    /// The row, with the `user-account` if there is one, and the evidence of the case.
    pub fn row(self, platform: &str, account: Option<&str>, evidence: &CaseEvidence) -> Result<AccountRow, String> {
        let Listed { indicator, account_id, date_added } = self;
        let of_account: Option<UserAccount> =
            account.map(serde_json::from_str).transpose().map_err(|error| error.to_string())?;
        let finding = indicator.extensions.get(stix::EXTENSION);
        let finding = finding.ok_or_else(|| format!("{} says nothing of its finding", indicator.id))?;
        let tlp = indicator.object_marking_refs.iter().find_map(|reference| marked_with(reference));
        let tlp = tlp.ok_or_else(|| format!("{} has no marking", indicator.id))?;
        let posts = evidence.accounts.get(&account_id);
        let time = |post: Option<(&(String, String), &Option<String>)>| post.map(|((at, _), _)| at.clone());
        Ok(AccountRow {
            account_name: of_account.and_then(|account| account.display_name),
            platform: platform.to_owned(),
            case: finding.case.clone(),
            status: if indicator.revoked { Status::Withdrawn } else { Status::Shared },
            review_state: finding.review_state.clone(),
            tlp: tlp.label().to_owned(),
            confidence: indicator.confidence,
            first_seen: time(posts.and_then(|posts| posts.first_key_value())),
            last_seen: time(posts.and_then(|posts| posts.last_key_value())),
            group_first_seen: indicator.valid_from,
            group_last_seen: evidence.last_seen.clone(),
            valid_until: indicator.valid_until,
            evidence_posts: posts.map_or(0, BTreeMap::len),
            evidence_links: posts.into_iter().flat_map(BTreeMap::values).flatten().take(LINKS).cloned().collect(),
            indicator: indicator.id,
            modified: indicator.modified,
            date_added: micros(date_added),
            account_id,
        })
    }
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// RFC 4180, with a first line of column names.
    Csv,
    /// One JSON object a line.
    JsonLines,
}

impl Format {
    /// What stands before the first row.
    pub fn head(self) -> Result<Vec<u8>, String> {
        match self {
            Format::Csv => csv([COLUMNS.map(str::to_owned)]),
            Format::JsonLines => Ok(Vec::new()),
        }
    }

    /// Rows as text.
    pub fn write(self, rows: &[AccountRow]) -> Result<Vec<u8>, String> {
        match self {
            Format::Csv => csv(rows.iter().map(cells)),
            Format::JsonLines => {
                let mut text = Vec::new();
                for row in rows {
                    serde_json::to_writer(&mut text, row).map_err(|error| error.to_string())?;
                    text.push(b'\n');
                }
                Ok(text)
            }
        }
    }
}

fn csv(rows: impl IntoIterator<Item = [String; COLUMNS.len()]>) -> Result<Vec<u8>, String> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for row in rows {
        writer.write_record(row.iter().map(|cell| plain(cell))).map_err(|error| error.to_string())?;
    }
    writer.into_inner().map_err(|error| error.to_string())
}

fn cells(row: &AccountRow) -> [String; COLUMNS.len()] {
    let AccountRow { account_id, account_name, platform, case, status, review_state, tlp, confidence, .. } =
        row.clone();
    let AccountRow { first_seen, last_seen, group_first_seen, group_last_seen, valid_until, .. } = row.clone();
    let AccountRow { evidence_posts, evidence_links, indicator, modified, date_added, .. } = row.clone();
    let status = match status {
        Status::Shared => "shared",
        Status::Withdrawn => "withdrawn",
    };
    let unknown = String::new;
    [
        account_id,
        account_name.unwrap_or_else(unknown),
        platform,
        case,
        status.to_owned(),
        review_state,
        tlp,
        confidence.map_or_else(unknown, |confidence| confidence.to_string()),
        first_seen.unwrap_or_else(unknown),
        last_seen.unwrap_or_else(unknown),
        group_first_seen,
        group_last_seen.unwrap_or_else(unknown),
        valid_until,
        evidence_posts.to_string(),
        evidence_links.join(" "),
        indicator,
        modified,
        date_added,
    ]
}

/// A cell that no spreadsheet takes for a formula: an apostrophe before the characters that OWASP names (*CSV Injection*), and before
/// an apostrophe, so that whoever removes one from the beginning of a cell has the value.
fn plain(cell: &str) -> String {
    let is_odd = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\'', '＝', '＋', '－', '＠']);
    if is_odd { format!("'{cell}") } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> AccountRow {
        let text = str::to_owned;
        AccountRow {
            account_id: text("=1+2"),
            account_name: Some(text("a, \"b\"\nc")),
            platform: text("chirp"),
            case: text("case-1"),
            status: Status::Withdrawn,
            review_state: text("retracted"),
            tlp: text("TLP:AMBER"),
            confidence: None,
            first_seen: None,
            last_seen: None,
            group_first_seen: text("2026-01-01T00:00:00.000Z"),
            group_last_seen: None,
            valid_until: text("2026-02-01T00:00:00.000Z"),
            evidence_posts: 2,
            evidence_links: vec![text("https://a.example/1"), text("https://a.example/2")],
            indicator: text("indicator--1"),
            modified: text("2026-01-02T00:00:00.000Z"),
            date_added: micros(1),
        }
    }

    #[test]
    fn no_cell_is_a_formula_and_the_value_comes_back() {
        for value in ["=1+2", "+1", "-1", "@a", "\tx", "\rx", "\nx", "＝1", "'", "plain", "", "a=b"] {
            let text = Format::Csv.write(&[AccountRow { account_id: value.to_owned(), ..row() }]).unwrap();
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&*text);
            let cells = reader.records().next().unwrap().unwrap();
            assert!(cells.iter().all(|cell| !cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝'])));
            assert_eq!(cells[0].strip_prefix('\'').unwrap_or(&cells[0]), value);
        }
    }

    #[test]
    fn columns_are_the_fields_in_their_order() {
        let object = String::from_utf8(Format::JsonLines.write(&[row()]).unwrap()).unwrap();
        let mut at = 0;
        for column in COLUMNS {
            at += object[at..].find(&format!("\"{column}\":")).expect(column);
        }
        assert_eq!(object.matches("\":").count(), COLUMNS.len());
        expect_test::expect![[r#"
            '=1+2,"a, ""b""
            c",chirp,case-1,withdrawn,retracted,TLP:AMBER,,,,2026-01-01T00:00:00.000Z,,2026-02-01T00:00:00.000Z,2,https://a.example/1 https://a.example/2,indicator--1,2026-01-02T00:00:00.000Z,1970-01-01T00:00:00.000001Z
        "#]]
        .assert_eq(&String::from_utf8(Format::Csv.write(&[row()]).unwrap()).unwrap().replace("\r\n", "\n"));
    }
}
