//! The submitted forms of a case, and the action that each requests.

use std::collections::BTreeMap;

use casework::{
    Act,
    case::Step,
    handover::Handover,
    policy::{
        Answer, Breach, Breaches, ConfirmedDelay, Consideration, Delay, Duties, Duty, Fact, Objection, PublicNotice,
        Target, TargetKind, Targets,
    },
};
use jiff::{Timestamp, civil, tz::TimeZone};

/// Maximum number of rows of a list in a form.
pub(super) const ROWS: usize = 40;
/// Maximum length of a text, characters.
const LONGEST: usize = 4_000;

/// A submitted form.
#[derive(Debug, Clone, Default)]
pub(in crate::http::console) struct Sent(pub Vec<(String, String)>);

impl Sent {
    pub fn get(&self, field: &str) -> &str {
        self.0.iter().find(|(name, _)| name == field).map_or("", |(_, value)| value)
    }

    pub fn all(&self, field: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(name, _)| name == field).map(|(_, value)| value.as_str())
    }

    fn text(&self, field: &str) -> String {
        self.get(field).trim().to_owned()
    }

    /// All texts that were typed, so that people can copy them.
    pub fn typed(&self) -> Vec<(String, String)> {
        // Checkboxes are quickly ticked again.
        let not_typed = |name: &str| {
            matches!(name, "csrf" | "revision" | "step" | "authentic" | "seen") || name.starts_with("suggested_")
        };
        self.0.iter().filter(|(name, value)| !not_typed(name) && !value.trim().is_empty()).cloned().collect()
    }

    /// The action that it requests.
    pub fn act(&self) -> Result<Act, String> {
        Ok(match self.get("step") {
            "attend" => Act::Attend { comment: self.short("comment")? },
            "propose_renewal" => Act::ProposeRenewal { reason: self.short("reason")? },
            "renew" if self.get("seen") != "yes" => {
                return Err("first confirm that you have reviewed the case".to_owned());
            }
            "renew" => Act::Renew,
            "place_hold" => Act::PlaceHold { reason: self.short("reason")? },
            "lift_hold" => Act::LiftHold { reason: self.short("reason")? },
            "handover" => Act::RecordHandover(Handover {
                recipient: self.text("recipient"),
                to: self.short("to")?,
                how: self.short("how")?,
                at: self.time("at")?,
            }),
            "withdraw_accounts" => {
                let accounts = self.all("account").map(|text| {
                    account(text).ok_or_else(|| {
                        format!("{:?} is not an account: use the boxes of this page", text_format::shorten(text, 60))
                    })
                });
                let accounts = accounts.collect::<Result<Vec<_>, _>>()?;
                Act::withdraw_accounts(accounts, self.short("reason")?)
            }
            _ => Act::Step(self.step()?),
        })
    }

    /// A text, if it is not too long.
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
                return Err("first confirm that you have checked what each recipient will see".to_owned());
            }
            "release" => Step::Release,
            "update" => Step::Update,
            "retract" => Step::Retract { reason: self.text("reason") },
            "close" => Step::Close,
            "undo" => Step::Undo,
            "targets" => Step::Record(Fact::Targets(self.targets()?)),
            "breaches" => Step::Record(Fact::Breaches(Breaches {
                breaches: self
                    .rows(["state", "system"], |[state, system]| Breach { state: state.to_uppercase(), system }),
                why: self.text("why"),
            })),
            "delay" => Step::Record(Fact::Delay(Delay {
                state: self.text("state").to_uppercase(),
                approver: self.text("approver"),
                until: self.time("until")?,
                why: self.text("why"),
            })),
            "confirm_delay" => Step::Record(Fact::ConfirmDelay(self.delay()?)),
            "withdraw_delay" => Step::Record(Fact::WithdrawDelay(self.delay()?)),
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
            "sign_off" => Step::SignOff { role: self.text("role"), comment: self.text("comment") },
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

    /// Rows that are not empty.
    pub fn rows<const N: usize, T>(&self, fields: [&str; N], make: impl Fn([String; N]) -> T) -> Vec<T> {
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
                return Err(format!("choose the kind of target {:?}", text_format::shorten(&name, 60)));
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

    /// The delay that a button names: the state and the end.
    fn delay(&self) -> Result<ConfirmedDelay, String> {
        let (state, until) = self.get("delay").split_once(' ').unwrap_or_default();
        let until = until.parse().map_err(|_| "choose a delay from the page".to_owned())?;
        Ok(ConfirmedDelay { state: state.to_owned(), until })
    }

    fn answer(&self, question: &str) -> Result<Answer, String> {
        let yes = match self.get(question) {
            "yes" => true,
            "no" => false,
            _ => return Err("answer both questions with yes or no".to_owned()),
        };
        Ok(Answer { yes, why: self.text(&format!("{question}_why")) })
    }

    fn time(&self, field: &str) -> Result<Timestamp, String> {
        let text = self.text(field);
        let time: Result<civil::DateTime, _> = text.parse();
        let zoned = time.ok().and_then(|time| time.to_zoned(TimeZone::UTC).ok());
        zoned.map(|zoned| zoned.timestamp()).ok_or_else(|| {
            format!("{:?} is not a time: write it as 2026-10-09 14:00, in UTC", text_format::shorten(&text, 40))
        })
    }
}

/// An account as the value of a checkbox. Its id may have any character.
pub(super) fn account_value(platform: &str, id: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new()).append_pair(platform, id).finish()
}

fn account(value: &str) -> Option<(String, String)> {
    let (platform, id) = url::form_urlencoded::parse(value.as_bytes()).next()?;
    Some((platform.into_owned(), id.into_owned()))
}

pub(super) fn kind_name(kind: TargetKind) -> &'static str {
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
