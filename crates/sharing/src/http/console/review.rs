//! Where a case is decided: what stands in the way, and a form for every step. What was typed is kept where a step is refused.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use jiff::{Timestamp, civil, tz::TimeZone};

use crate::http::access::Person;
use casework::CaseRecord;
use casework::{
    Act, Role,
    case::{Case, State, Step},
    policy::{
        Answer, Breach, Breaches, Class, Consideration, Delay, Duties, Duty, Fact, Objection, Outcome, Policy,
        PublicNotice, Recorded, Rule, SignOff, Target, TargetKind, Targets,
    },
};

/// Rows of a list that a form has at most.
const ROWS: usize = 40;
/// Longest text of a field.
const LONGEST: usize = 4_000;
/// Accounts with a box of their own.
const BOXES: usize = 500;

/// A form as it was sent.
#[derive(Debug, Clone, Default)]
pub(super) struct Sent(pub Vec<(String, String)>);

impl Sent {
    pub fn get(&self, field: &str) -> &str {
        self.0.iter().find(|(name, _)| name == field).map_or("", |(_, value)| value)
    }

    fn all(&self, field: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(name, _)| name == field).map(|(_, value)| value.as_str())
    }

    fn text(&self, field: &str) -> String {
        self.get(field).trim().to_owned()
    }

    /// Whatever was typed, for people to copy.
    pub fn typed(&self) -> Vec<(String, String)> {
        // Boxes are ticked again in a moment.
        let not_typed = |name: &str| {
            matches!(name, "csrf" | "revision" | "step" | "authentic" | "seen") || name.starts_with("suggested_")
        };
        self.0.iter().filter(|(name, value)| !not_typed(name) && !value.trim().is_empty()).cloned().collect()
    }

    /// What it asks for.
    pub fn act(&self) -> Result<Act, String> {
        Ok(match self.get("step") {
            "attend" => Act::Attend { comment: self.short("comment")? },
            "propose_renewal" => Act::ProposeRenewal { reason: self.short("reason")? },
            "renew" if self.get("seen") != "yes" => {
                return Err("say first that you have looked at it and agree".to_owned());
            }
            "renew" => Act::Renew,
            "withdraw_accounts" => {
                let accounts = self.all("account").map(|text| {
                    account(text).ok_or_else(|| {
                        format!("{:?} names no account: use the boxes of this page", text_format::shorten(text, 60))
                    })
                });
                let accounts = accounts.collect::<Result<Vec<_>, _>>()?;
                Act::withdraw_accounts(accounts, self.short("reason")?)
            }
            _ => Act::Step(self.step()?),
        })
    }

    /// A text that is not longer than its field.
    fn short(&self, field: &str) -> Result<String, String> {
        let text = self.text(field);
        match text.chars().count() {
            n if n > LONGEST => Err(format!("the text has {n} characters: {LONGEST} at most, link to the rest")),
            _ => Ok(text),
        }
    }

    fn step(&self) -> Result<Step, String> {
        Ok(match self.get("step") {
            "begin" => Step::BeginReview,
            "check" => Step::CheckSourcesAndMethods { finding: self.text("finding") },
            "approve" => Step::Approve { comment: self.text("comment") },
            "dismiss" => Step::Dismiss { reason: self.text("reason"), authentic: self.get("authentic") == "yes" },
            "return" => Step::ReturnToReview { reason: self.text("reason") },
            "release" | "update" if self.get("seen") != "yes" => {
                return Err("say first that you have looked at what each recipient will see".to_owned());
            }
            "release" => Step::Release,
            "update" => Step::Update,
            "retract" => Step::Retract { reason: self.text("reason") },
            "close" => Step::Close,
            "targets" => Step::Record(Fact::Targets(self.targets()?)),
            "breaches" => Step::Record(Fact::Breaches(Breaches {
                breaches: self
                    .rows(["state", "system"], |[state, system]| Breach { state: state.to_uppercase(), system }),
                why: self.text("why"),
            })),
            "delay" => Step::Record(Fact::Delay(Delay {
                state: self.text("state").to_uppercase(),
                approver: self.text("approver"),
                until: self.until()?,
                why: self.text("why"),
            })),
            "consideration" => Step::Record(Fact::Consideration(Consideration {
                security: self.text("security"),
                political_sensitivity: self.text("political"),
            })),
            "public_notice" => Step::Record(Fact::PublicNotice(PublicNotice {
                amplifies: self.answer("amplifies")?,
                revictimises: self.answer("revictimises")?,
            })),
            "duties" => Step::Record(Fact::Duties(Duties {
                duties: self.rows(["duty", "whom"], |[duty, whom]| Duty { duty, whom }),
                why: self.text("why"),
            })),
            "chosen" => Step::Record(Fact::Chosen(self.all("recipient").map(str::to_owned).collect())),
            "sign_off" => {
                Step::Record(Fact::SignOff(SignOff { role: self.text("role"), comment: self.text("comment") }))
            }
            "objection" => {
                Step::Record(Fact::Objection(Objection { from: self.text("from"), text: self.text("text") }))
            }
            other => {
                return Err(format!(
                    "there is no step {:?}: use the forms of this page",
                    text_format::shorten(other, 40)
                ));
            }
        })
    }

    /// Rows in which anything was written.
    fn rows<const N: usize, T>(&self, fields: [&str; N], make: impl Fn([String; N]) -> T) -> Vec<T> {
        let row = |n: usize| fields.map(|field| self.text(&format!("{field}_{n}")));
        (0..ROWS).map(row).filter(|row| row.iter().any(|text| !text.is_empty())).map(make).collect()
    }

    fn targets(&self) -> Result<Targets, String> {
        let mut targets = Vec::new();
        for n in 0..ROWS {
            let (name, kind) = (self.text(&format!("name_{n}")), self.get(&format!("kind_{n}")));
            if name.is_empty() {
                continue;
            }
            let Some(kind) = TargetKind::ALL.into_iter().find(|known| kind_name(*known) == kind) else {
                return Err(format!("say what kind of target {:?} is", text_format::shorten(&name, 60)));
            };
            let recipient = self.text(&format!("recipient_{n}"));
            targets.push(Target { kind, name, recipient: Some(recipient).filter(|name| !name.is_empty()) });
        }
        let mut suggestions = BTreeMap::new();
        for n in 0..ROWS {
            let (suggested, said) = (self.get(&format!("suggested_{n}")), self.text(&format!("said_{n}")));
            if !suggested.is_empty() && !said.is_empty() {
                suggestions.insert(suggested.to_owned(), said);
            }
        }
        Ok(Targets { targets, suggestions })
    }

    fn answer(&self, question: &str) -> Result<Answer, String> {
        let yes = match self.get(question) {
            "yes" => true,
            "no" => false,
            _ => return Err("answer both questions with yes or no".to_owned()),
        };
        Ok(Answer { yes, why: self.text(&format!("{question}_why")) })
    }

    fn until(&self) -> Result<Timestamp, String> {
        let text = self.text("until");
        let time: Result<civil::DateTime, _> = text.parse();
        let zoned = time.ok().and_then(|time| time.to_zoned(TimeZone::UTC).ok());
        zoned.map(|zoned| zoned.timestamp()).ok_or_else(|| {
            format!("{:?} is no time: write it like 2026-10-09 14:00, in UTC", text_format::shorten(&text, 40))
        })
    }
}

/// An account as the value of a box, and back: its id may have any character.
fn account_value(platform: &str, id: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new()).append_pair(platform, id).finish()
}

fn account(value: &str) -> Option<(String, String)> {
    let (platform, id) = url::form_urlencoded::parse(value.as_bytes()).next()?;
    Some((platform.into_owned(), id.into_owned()))
}

/// A step that was refused.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    pub sent: Sent,
    pub why: String,
    pub allowed: String,
    /// Somebody else changed the case meanwhile.
    pub conflict: bool,
}

#[derive(Template)]
#[template(path = "review.html")]
pub(super) struct ReviewForms {
    action: String,
    csrf: String,
    revision: i64,
    stages: Vec<(String, &'static str)>,
    note: Option<String>,
    reviews: bool,
    releases: bool,
    state: State,
    version: u32,
    /// Whether there is anything to record in this state.
    open: bool,
    shared: bool,
    /// Whether there is a version that is not shared yet.
    pending: bool,
    blocks: Vec<BlockView>,
    told: Vec<String>,
    refused: Option<Refused>,
    marks: BTreeMap<&'static str, Mark>,
    kinds: Vec<(&'static str, &'static str)>,
    targets: Vec<TargetRow>,
    suggestions: Vec<(String, String, String)>,
    recipients: Vec<RecipientRow>,
    breaches: Vec<(String, String)>,
    breaches_why: String,
    delays: Vec<String>,
    approvers: String,
    security: String,
    political: String,
    questions: Vec<Question>,
    duties: Vec<(String, String)>,
    duties_why: String,
    roles: Vec<String>,
    signed: Vec<String>,
    objections: Vec<String>,
    attention: Vec<String>,
    valid_until: Option<String>,
    /// Who proposed to renew the version that partners have: name, time, reason.
    proposed: Option<(String, String, String)>,
    /// Accounts that partners were told of: value of the box, name, platform, whether ticked.
    accounts: Vec<AccountBox>,
    further_accounts: usize,
}

struct AccountBox {
    value: String,
    name: String,
    platform: String,
    ticked: bool,
}

struct BlockView {
    text: String,
    number: u8,
    rule: &'static str,
    form: &'static str,
}

/// How far a record has come.
struct Mark {
    class: &'static str,
    text: String,
}

struct TargetRow {
    kind: &'static str,
    name: String,
    recipient: String,
}

struct RecipientRow {
    name: String,
    class: String,
    ticked: bool,
    must: bool,
}

struct Question {
    name: &'static str,
    text: &'static str,
    answer: &'static str,
    why: String,
}

impl ReviewForms {
    pub fn new(
        stored: &CaseRecord,
        outcome: &Outcome,
        policy: &Policy,
        person: &Person,
        refused: Option<Refused>,
        demo: bool,
    ) -> ReviewForms {
        let CaseRecord { case, revision, .. } = stored;
        let facts = &case.facts;
        let (reviews, releases) = (person.may(Role::Reviewer), person.may(Role::Approver));
        let shared = matches!(case.state, State::Released | State::Updated);
        let note = match (person.name.is_empty(), reviews || releases) {
            (true, _) if demo => Some("This is a demonstration: nothing can be changed here.".to_owned()),
            (true, _) => Some("Log in to take part in this case.".to_owned()),
            (false, false) => Some(
                "You may read this case. To decide needs the role reviewer, to release the role approver.".to_owned(),
            ),
            _ => None,
        };
        let told_of =
            stored.released.as_ref().filter(|_| shared && releases).map_or(&[][..], |released| &released.accounts);
        // A form that was refused comes back as it was sent.
        let sent = |form: &str| refused.as_ref().filter(|r| !r.conflict && r.sent.get("step") == form).map(|r| &r.sent);
        let ticked: BTreeSet<String> =
            sent("withdraw_accounts").map(|sent| sent.all("account").map(str::to_owned).collect()).unwrap_or_default();
        let kept = |form: &str, field: &str, otherwise: &str| -> String {
            sent(form).map_or_else(|| otherwise.to_owned(), |sent| sent.get(field).to_owned())
        };
        let pairs = |form: &'static str, fields: [&str; 2], recorded: Vec<(String, String)>| {
            let mut rows = match sent(form) {
                Some(sent) => sent.rows(fields, |[a, b]| (a, b)),
                None => recorded,
            };
            rows.resize_with((rows.len() + 2).min(ROWS), Default::default);
            rows
        };
        let mut targets: Vec<TargetRow> = match sent("targets") {
            Some(sent) => sent
                .rows(["kind", "name", "recipient"], |[kind, name, recipient]| (kind, name, recipient))
                .into_iter()
                .filter(|(_, name, _)| !name.is_empty())
                .map(|(kind, name, recipient)| TargetRow {
                    kind: TargetKind::ALL.into_iter().map(kind_name).find(|known| *known == kind).unwrap_or(""),
                    name,
                    recipient,
                })
                .collect(),
            None => facts
                .targets
                .iter()
                .flat_map(|record| &record.what.targets)
                .map(|target| TargetRow {
                    kind: kind_name(target.kind),
                    name: target.name.clone(),
                    recipient: target.recipient.clone().unwrap_or_default(),
                })
                .collect(),
        };
        targets.resize_with((targets.len() + 2).min(ROWS), || TargetRow {
            kind: "",
            name: String::new(),
            recipient: String::new(),
        });
        let suggestions = outcome.suggestions.iter().take(ROWS).enumerate().map(|(n, (name, answer))| {
            let said = kept("targets", &format!("said_{n}"), answer.as_deref().unwrap_or_default());
            (name.clone(), text_format::shorten(name, 80), said)
        });
        let recipients = outcome.recipients.iter().map(|decision| RecipientRow {
            name: decision.recipient.clone(),
            class: decision.class.to_string(),
            ticked: match sent("chosen") {
                Some(sent) => sent.all("recipient").any(|name| name == decision.recipient),
                None => decision.told,
            },
            must: decision.must,
        });
        let notice = facts.public_notice.as_ref().map(|record| &record.what);
        let question = |name: &'static str, text: &'static str, answer: Option<&Answer>| {
            let recorded = answer.map_or("", |answer| if answer.yes { "yes" } else { "no" });
            let answer_kept = kept("public_notice", name, recorded);
            Question {
                name,
                text,
                answer: ["yes", "no"].into_iter().find(|known| *known == answer_kept).unwrap_or(""),
                why: kept("public_notice", &format!("{name}_why"), answer.map_or("", |answer| &answer.why)),
            }
        };
        let considered = facts.consideration.as_ref().map(|record| &record.what);
        let roles: BTreeSet<String> =
            Class::ALL.iter().flat_map(|class| policy.rules.class(*class).sign_off.clone()).collect();
        let recorded_duties = facts.duties.iter().flat_map(|record| &record.what.duties);
        let recorded_breaches = facts.breaches.iter().flat_map(|record| &record.what.breaches);
        ReviewForms {
            action: format!("/clusters/{}/steps", crate::http::respond::path_segment(&case.cluster_id)),
            csrf: person.csrf.clone(),
            revision: *revision,
            stages: stages(case),
            note,
            reviews,
            releases,
            state: case.state,
            version: case.version,
            open: shared || matches!(case.state, State::InReview | State::Approved),
            shared,
            pending: case.needs_attention() && case.state != State::Nominated,
            blocks: outcome
                .blocking()
                .map(|block| BlockView {
                    text: text_format::shorten(&block.text, 400),
                    number: block.number,
                    rule: block.rule.title(),
                    form: form_for(block.rule, &block.text),
                })
                .collect(),
            told: outcome.told().map(|decision| decision.recipient.clone()).collect(),
            marks: marks(case, outcome),
            kinds: TargetKind::ALL.map(|kind| (kind_name(kind), kind.label())).to_vec(),
            targets,
            suggestions: suggestions.collect(),
            recipients: recipients.collect(),
            breaches: pairs(
                "breaches",
                ["state", "system"],
                recorded_breaches.map(|breach| (breach.state.clone(), breach.system.clone())).collect(),
            ),
            breaches_why: kept("breaches", "why", facts.breaches.as_ref().map_or("", |record| &record.what.why)),
            delays: facts
                .delays
                .iter()
                .map(|record| {
                    let delay = &record.what;
                    format!(
                        "{} until {} UTC, approved by {}",
                        delay.state,
                        text_format::minute(delay.until),
                        delay.approver
                    )
                })
                .collect(),
            approvers: policy.rules.delay_approvers.join(", "),
            security: kept("consideration", "security", considered.map_or("", |what| &what.security)),
            political: kept("consideration", "political", considered.map_or("", |what| &what.political_sensitivity)),
            questions: vec![
                question(
                    "amplifies",
                    "Does the notice carry the message further than it got by itself?",
                    notice.map(|notice| &notice.amplifies),
                ),
                question(
                    "revictimises",
                    "Does the notice harm again whom the operation harmed?",
                    notice.map(|notice| &notice.revictimises),
                ),
            ],
            duties: pairs(
                "duties",
                ["duty", "whom"],
                recorded_duties.map(|duty| (duty.duty.clone(), duty.whom.clone())).collect(),
            ),
            duties_why: kept("duties", "why", facts.duties.as_ref().map_or("", |record| &record.what.why)),
            roles: roles.into_iter().collect(),
            signed: facts
                .sign_offs
                .iter()
                .map(|record| format!("{}, by {} for version {}", record.what.role, record.by, record.version))
                .collect(),
            objections: facts
                .objections
                .iter()
                .map(|record| text_format::shorten(&format!("{}: {}", record.what.from, record.what.text), 200))
                .collect(),
            attention: case.attention.iter().map(|attention| text_format::shorten(&attention.text, 400)).collect(),
            valid_until: case.valid_until.filter(|_| shared).map(text_format::minute),
            proposed: case.renewal.as_ref().filter(|word| shared && Some(word.version) == case.released_version).map(
                |word| {
                    (
                        text_format::shorten(&word.by, 60),
                        text_format::minute(word.at),
                        text_format::shorten(&word.text, 600),
                    )
                },
            ),
            further_accounts: told_of.len().saturating_sub(BOXES),
            accounts: told_of
                .iter()
                .take(BOXES)
                .map(|account| {
                    let value = account_value(&account.platform, &account.account_id);
                    AccountBox {
                        ticked: ticked.contains(&value),
                        value,
                        name: text_format::shorten(&format!("{} {}", account.account_id, account.account_name), 80),
                        platform: text_format::shorten(&account.platform, 40),
                    }
                })
                .collect(),
            refused,
        }
    }

    /// What a field says: what was typed where the form was refused.
    fn kept(&self, form: &str, field: &str) -> &str {
        self.refused
            .as_ref()
            .filter(|refused| !refused.conflict && refused.sent.get("step") == form)
            .map_or("", |refused| refused.sent.get(field))
    }

    /// Why this form was refused, and what is allowed instead.
    fn error(&self, form: &str) -> Option<&Refused> {
        self.refused.as_ref().filter(|refused| !refused.conflict && refused.sent.get("step") == form)
    }

    fn mark(&self, form: &str) -> &Mark {
        static NONE: Mark = Mark { class: "quiet", text: String::new() };
        self.marks.get(form).unwrap_or(&NONE)
    }

    /// Open where it was refused, or where it is needed.
    fn is_open(&self, form: &str) -> bool {
        self.error(form).is_some()
    }

    fn share_step(&self) -> &'static str {
        if self.shared { "update" } else { "release" }
    }

    /// Whether the page has a form for that step now.
    fn has_form(&self, step: &str) -> bool {
        match step {
            "begin" => self.reviews && self.state == State::Nominated,
            "approve" => self.reviews && self.is_state(&["in_review", "released", "updated"]),
            "release" => self.releases && self.state == State::Approved,
            "update" => self.releases && self.shared,
            "retract" => self.releases && self.shared,
            "dismiss" => self.reviews && self.is_state(&["in_review", "approved"]),
            "return" => self.reviews && self.is_state(&["approved", "dismissed"]),
            "close" => self.reviews && self.is_state(&["released", "updated", "retracted", "dismissed"]),
            "attend" => self.reviews && !self.attention.is_empty(),
            "propose_renewal" => self.reviews && self.shared,
            "renew" => self.shared && self.proposed.is_some(),
            "withdraw_accounts" => self.releases && self.shared,
            _ => self.reviews && self.open,
        }
    }

    fn is_state(&self, names: &[&str]) -> bool {
        names.contains(&self.state.name())
    }
}

fn kind_name(kind: TargetKind) -> &'static str {
    match kind {
        TargetKind::MajorCandidate => "major_candidate",
        TargetKind::MajorCandidateOrganisation => "major_candidate_organisation",
        TargetKind::MajorCandidateEvent => "major_candidate_event",
        TargetKind::Candidate => "candidate",
        TargetKind::ElectionOffice => "election_office",
        TargetKind::PrivateOrganisation => "private_organisation",
        TargetKind::Other => "other",
    }
}

/// Where what a rule asks for is recorded.
fn form_for(rule: Rule, text: &str) -> &'static str {
    match rule {
        Rule::NominateThenDecide if text.contains("signed off") => "sign_off",
        Rule::NominateThenDecide => "approve",
        Rule::SourcesAndMethodsFirst => "check",
        Rule::NoVetoForTheVictim => "consideration",
        Rule::LocalBreach => "breaches",
        Rule::DoNotAmplify => "public_notice",
        Rule::SupplementNotReplace => "duties",
        Rule::SecretServiceAlways | Rule::NoPartisanPolitics | Rule::PlatformsDecide => "targets",
    }
}

/// The way of the case, with where it is.
fn stages(case: &Case) -> Vec<(String, &'static str)> {
    let way: &[State] = match case.state {
        State::Dismissed => &[State::Nominated, State::InReview, State::Dismissed],
        State::Retracted => &[State::Nominated, State::InReview, State::Approved, State::Released, State::Retracted],
        State::Updated => &[State::Nominated, State::InReview, State::Approved, State::Released, State::Updated],
        State::Closed => &[State::Nominated, State::InReview, State::Closed],
        _ => &[State::Nominated, State::InReview, State::Approved, State::Released],
    };
    let here = way.iter().position(|state| *state == case.state).unwrap_or(0);
    way.iter()
        .enumerate()
        .map(|(place, state)| {
            let class = match place.cmp(&here) {
                std::cmp::Ordering::Less => "past",
                std::cmp::Ordering::Equal => "here",
                std::cmp::Ordering::Greater => "to-come",
            };
            (state.to_string(), class)
        })
        .collect()
}

fn marks(case: &Case, outcome: &Outcome) -> BTreeMap<&'static str, Mark> {
    let facts = &case.facts;
    let mut marks = BTreeMap::new();
    let said = |by: &str, at: Timestamp, version: u32, lasts: bool| {
        let text = format!("{by}, {} UTC", text_format::minute(at));
        if lasts || version == case.version {
            Mark { class: "done", text: format!("recorded by {text}") }
        } else {
            Mark { class: "stale", text: format!("for version {version} only, by {text}") }
        }
    };
    fn of<T>(record: &Option<Recorded<T>>) -> Option<(&str, Timestamp, u32)> {
        record.as_ref().map(|record| (record.by.as_str(), record.at, record.version))
    }
    let word = |word: &Option<casework::case::Word>| word.as_ref().map(|word| (word.by.clone(), word.at, word.version));
    let needed = |form: &str| outcome.blocking().any(|block| form_for(block.rule, &block.text) == form);
    for (form, record, lasts) in [
        ("targets", of(&facts.targets), false),
        ("breaches", of(&facts.breaches), true),
        ("consideration", of(&facts.consideration), false),
        ("public_notice", of(&facts.public_notice), false),
        ("duties", of(&facts.duties), true),
        ("chosen", of(&facts.chosen), true),
    ] {
        let mark = match record {
            Some((by, at, version)) => said(by, at, version, lasts),
            None if needed(form) => Mark { class: "missing", text: "needed".to_owned() },
            None => Mark { class: "quiet", text: "not recorded".to_owned() },
        };
        marks.insert(form, mark);
    }
    for (form, record) in [("check", word(&case.checked)), ("approve", word(&case.approved))] {
        let mark = match record {
            Some((by, at, version)) => said(&by, at, version, false),
            None => Mark { class: "missing", text: "needed".to_owned() },
        };
        marks.insert(form, mark);
    }
    let signs = if needed("sign_off") {
        Mark { class: "missing", text: "needed".to_owned() }
    } else {
        Mark { class: "quiet", text: text_format::count(facts.sign_offs.len() as u64, "sign-off") }
    };
    marks.insert("sign_off", signs);
    marks
}
