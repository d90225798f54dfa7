//! Documents for people: the notification letter, the defensive briefing, the public notice, and the explanation in plain words, each as
//! HTML and as PDF.
//!
//! Steps of a document: a [`Request`] → the finding as the recipient may see it (`finding`, the only place
//! that redacts) → the product's template (`templates/documents/*.md`) → headings, paragraphs, lists and
//! tables (`content`) → HTML and PDF (`html`, `pdf`). Pure: the same request gives the same bytes, and every
//! date comes from the case.
//!
//! Absent on purpose: the content of posts, links, pictures, opinions, and everything that the redaction
//! leaves out.

mod content;
mod explanation;
mod finding;
#[cfg(feature = "pdf")]
mod fonts;
mod html;
mod markdown;
#[cfg(feature = "pdf")]
mod pdf;
#[cfg(test)]
mod tests;

use askama::Template;
use jiff::Timestamp;
use messages::cluster::ClusterMessage;
use sha2::{Digest, Sha256};

use crate::publish::documents::{content::Content, finding::Finding};
pub(crate) use crate::publish::documents::{html::style_source, markdown::Markdown};
use casework::policy::VOLUNTARY;
use casework::{
    Tlp,
    case::{Case, State},
    policy::{AccountIds, Class, Elsewhere, Product, Recipient, Redaction},
};
pub(crate) use explanation::{Explained, render as render_explanation};
use text_format::hex;

/// A request for a document.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The organisation that shares.
    pub identity: &'a str,
    /// How to reach the organisation with questions and objections.
    pub contact: &'a str,
    /// The case.
    pub case: &'a Case,
    /// The id under which the recipient knows the case.
    pub reference: &'a str,
    /// The version of the finding that the document is about.
    pub cluster: &'a ClusterMessage,
    /// The version that the recipient has. Accounts that left the group since then are named as cleared.
    pub before: Option<&'a ClusterMessage>,
    /// The recipient.
    pub recipient: &'a Recipient,
    /// The kind of document.
    pub product: Product,
    /// What the recipient may see.
    pub shows: Redaction,
    /// The marking.
    pub tlp: Tlp,
    /// Statements that the policy requires, word for word.
    pub statements: &'a [&'static str],
}

/// A finished document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its title.
    pub title: String,
    /// As one HTML file.
    pub html: String,
    /// As PDF.
    #[cfg(feature = "pdf")]
    pub pdf: Vec<u8>,
    /// SHA-256 of the HTML file, in hexadecimal.
    pub html_sha256: String,
    /// SHA-256 of the PDF, in hexadecimal.
    #[cfg(feature = "pdf")]
    pub pdf_sha256: String,
    /// Whether it is marked as a draft, because this version is not released.
    pub draft: bool,
}

/// The reason why a document cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// A feed is not a document.
    #[error("a {} is not a document: choose a notification letter, a defensive briefing or a public notice", .0.label())]
    NotADocument(Product),
    /// There is no contact to which a recipient could answer.
    #[error(
        "sharing.contact is empty: enter an email address or a phone number, so that recipients can answer and correct"
    )]
    NoContact,
    /// The finding belongs to another case.
    #[error("case {case} is about cluster {about}, not {given}")]
    OtherCluster {
        /// The case.
        case: String,
        /// Its cluster.
        about: String,
        /// The one given.
        given: String,
    },
    /// The case is not shared.
    #[error("case {case} is {state}: no document is made for it")]
    Over {
        /// The case.
        case: String,
        /// Its state.
        state: State,
    },
    /// The marking is above the recipient's limit.
    #[error("{recipient} may receive {} at most, and this is {}: lower the marking or raise its tlp_ceiling", .ceiling.label(), .tlp.label())]
    AboveCeiling {
        /// The recipient.
        recipient: String,
        /// The recipient's limit.
        ceiling: Tlp,
        /// The marking of the document.
        tlp: Tlp,
    },
    /// Two questions about a public notice are not answered yet.
    #[error(
        "case {case}: whether a public notice amplifies and whether it re-victimises is not answered for version {version}: \
         record both answers first"
    )]
    NotAnswered {
        /// The case.
        case: String,
        /// The version.
        version: u32,
    },
    /// A public notice is for everybody.
    #[error("a public notice is marked TLP:CLEAR, not {}", .0.label())]
    NotPublic(Tlp),
    /// The template of the explanation has an error, or its PDF cannot be written.
    #[error("the explanation cannot be rendered: {why}")]
    Explanation {
        /// The error.
        why: String,
    },
    /// A template has an error, or the PDF cannot be written.
    #[error("the text of the {} cannot be rendered: {why}", .product.label())]
    Text {
        /// The product.
        product: Product,
        /// The error.
        why: String,
    },
}

/// Makes a document. If the case was retracted, it is the withdrawal of the document that the recipient
/// has.
pub fn render(request: &Request<'_>) -> Result<Document, DocumentError> {
    request.check()?;
    let fail = |why: String| DocumentError::Text { product: request.product, why };
    finish(request.content().map_err(fail)?, request.draft()).map_err(fail)
}

/// The content as HTML and PDF.
fn finish(content: Content, draft: bool) -> Result<Document, String> {
    #[cfg(feature = "pdf")]
    let fonts = fonts::Fonts::new();
    #[cfg(feature = "pdf")]
    let content = spelled(content, &fonts);
    let html = html::render(&content)?;
    #[cfg(feature = "pdf")]
    let pdf = pdf::render(&content, fonts)?;
    Ok(Document {
        html_sha256: hex(&Sha256::digest(&html)),
        #[cfg(feature = "pdf")]
        pdf_sha256: hex(&Sha256::digest(&pdf)),
        title: content.title,
        draft,
        html,
        #[cfg(feature = "pdf")]
        pdf,
    })
}

/// The document with only characters that have a glyph, in HTML and PDF alike.
#[cfg(feature = "pdf")]
fn spelled(mut content: Content, fonts: &fonts::Fonts) -> Content {
    content.texts_mut().for_each(|text| fonts.spell(text));
    content
}

/// The occasion of a document.
enum Occasion {
    First,
    /// The recipient has earlier versions, from this version on.
    Update(u32),
    /// The recipient has these versions, and everything is withdrawn.
    Withdrawal,
}

impl Request<'_> {
    fn check(&self) -> Result<(), DocumentError> {
        let version = self.cluster.version;
        if self.product == Product::PlatformFeed {
            return Err(DocumentError::NotADocument(self.product));
        }
        if self.contact.trim().is_empty() {
            return Err(DocumentError::NoContact);
        }
        if self.case.cluster_id != self.cluster.cluster_id {
            return Err(DocumentError::OtherCluster {
                case: self.case.id.clone(),
                about: self.case.cluster_id.clone(),
                given: self.cluster.cluster_id.clone(),
            });
        }
        // Whether a closed case was retracted before is not known here. Its documents were delivered while it was open.
        if matches!(self.case.state, State::Dismissed | State::Closed) {
            return Err(DocumentError::Over { case: self.case.id.clone(), state: self.case.state });
        }
        if self.product == Product::PublicNotice {
            if self.tlp != Tlp::Clear {
                return Err(DocumentError::NotPublic(self.tlp));
            }
            let answered = self.case.facts.public_notice.as_ref().is_some_and(|answers| answers.version == version);
            if !answered && !self.withdrawn() {
                return Err(DocumentError::NotAnswered { case: self.case.id.clone(), version });
            }
        }
        if self.tlp > self.recipient.tlp_ceiling {
            return Err(DocumentError::AboveCeiling {
                recipient: self.recipient.name.clone(),
                ceiling: self.recipient.tlp_ceiling,
                tlp: self.tlp,
            });
        }
        Ok(())
    }

    fn withdrawn(&self) -> bool {
        self.case.state == State::Retracted
    }

    fn occasion(&self) -> Occasion {
        if self.withdrawn() {
            return Occasion::Withdrawal;
        }
        let versions = self.case.notified.as_ref().and_then(|notified| notified.get(&self.recipient.name));
        match versions {
            Some(versions) if versions.first < self.cluster.version => Occasion::Update(versions.first),
            _ => Occasion::First,
        }
    }

    fn draft(&self) -> bool {
        self.case.released_version != Some(self.cluster.version) && !self.withdrawn()
    }

    /// Time of the decision that the document is about.
    fn dated(&self) -> Timestamp {
        let approved = self.case.approved.as_ref().filter(|statement| statement.version == self.cluster.version);
        match approved {
            Some(word) if !self.withdrawn() => word.at,
            _ => self.case.changed_at,
        }
    }

    fn content(&self) -> Result<Content, String> {
        let public = self.product == Product::PublicNotice;
        // A public notice never names an account or a person, whatever the configuration says.
        let shows = if public { UNNAMED } else { self.shows };
        let slots = Slots::new(self, Finding::new(self.cluster, self.before, self.recipient, &shows));
        let text = match (&self.occasion(), self.product) {
            (Occasion::Withdrawal, _) => Withdrawal { slots, public }.render(),
            (_, Product::DefensiveBriefing) => Briefing { slots }.render(),
            (_, Product::PublicNotice) => Notice { slots }.render(),
            (_, Product::NotificationLetter | Product::PlatformFeed) => Letter { slots }.render(),
        };
        let (title, blocks) = markdown::read(&text.map_err(|error| error.to_string())?)?;
        Ok(Content {
            title,
            from: finding::legible(self.identity, 120),
            reference: format!("{}, version {}", finding::safe(self.reference, 80), self.cluster.version),
            dated: self.dated(),
            tlp: self.tlp,
            warning: match (self.draft(), self.case.demo) {
                (_, true) => Some(casework::DEMO_NOTICE),
                (true, false) => Some(DRAFT),
                (false, false) => None,
            },
            blocks,
        })
    }
}

/// The warning on every page of a draft.
const DRAFT: &str = "DRAFT. Not released; do not pass on.";

const UNNAMED: Redaction = Redaction {
    account_ids: AccountIds::None,
    elsewhere: Elsewhere::Total,
    handles: false,
    post_ids: false,
    keys: false,
    source_names: false,
    model_internals: false,
};

#[derive(Template)]
#[template(path = "documents/letter.md")]
struct Letter {
    slots: Slots,
}

#[derive(Template)]
#[template(path = "documents/briefing.md")]
struct Briefing {
    slots: Slots,
}

#[derive(Template)]
#[template(path = "documents/notice.md")]
struct Notice {
    slots: Slots,
}

#[derive(Template)]
#[template(path = "documents/withdrawal.md")]
struct Withdrawal {
    slots: Slots,
    public: bool,
}

/// Values for the templates, other than the finding.
struct Slots {
    finding: Finding,
    identity: String,
    contact: String,
    to: String,
    attention: Option<String>,
    platform: bool,
    case: String,
    version: u32,
    date: String,
    tlp: &'static str,
    tlp_meaning: &'static str,
    /// The versions that an update replaces.
    replaces: Option<String>,
    statements: Vec<String>,
    /// Targets that this recipient may know.
    targets: Vec<String>,
    breaches: Vec<String>,
    /// Other duties to notify victims: the duty, and who notifies whom.
    duties: Vec<(String, String)>,
}

impl Slots {
    fn new(request: &Request<'_>, finding: Finding) -> Slots {
        let Request { recipient, case, cluster, .. } = request;
        let class = recipient.class;
        let mut statements: Vec<String> = request.statements.iter().map(|text| (*text).to_owned()).collect();
        if class == Class::Platform && !statements.iter().any(|text| text == VOLUNTARY) {
            statements.push(VOLUNTARY.to_owned());
        }
        let current = |version: u32| version == cluster.version;
        let facts = &case.facts;
        let own = |target: &casework::policy::Target| target.recipient.as_deref() == Some(&*recipient.name);
        let targets = facts.targets.iter().filter(|targets| current(targets.version));
        let targets = targets.flat_map(|targets| &targets.what.targets).filter_map(|target| {
            let (name, kind) = (finding::safe(&target.name, 120), target.kind.label());
            match class {
                // A platform learns how accounts behave; a public notice must not harm victims again.
                Class::Platform | Class::Public => None,
                _ if own(target) => Some(format!("{name} ({kind}), you, or a person or body that you represent")),
                // The target is the reason for the notification.
                Class::SecretService => Some(format!("{name} ({kind})")),
                _ => Some(format!("another target ({kind}), not named here")),
            }
        });
        let breaches = facts.breaches.iter().filter(|breaches| current(breaches.version));
        let breaches = breaches
            .flat_map(|breaches| &breaches.what.breaches)
            .filter(|breach| class == Class::StateLocal && recipient.state.as_deref() == Some(&*breach.state))
            .map(|breach| finding::safe(&breach.system, 200));
        let sees_duties = !matches!(class, Class::Platform | Class::Public);
        let duties = facts.duties.iter().filter(|duties| sees_duties && current(duties.version));
        Slots {
            finding,
            identity: finding::legible(request.identity, 120),
            contact: finding::legible(request.contact, 300),
            to: match (&recipient.platform, &recipient.state) {
                (Some(platform), _) => {
                    format!("{} ({class}: {})", finding::safe(&recipient.name, 80), finding::safe(platform, 40))
                }
                (None, Some(state)) => {
                    format!("{} ({class}: {})", finding::safe(&recipient.name, 80), finding::safe(state, 40))
                }
                (None, None) => format!("{} ({class})", finding::safe(&recipient.name, 80)),
            },
            attention: (!recipient.contact.trim().is_empty()).then(|| finding::safe(&recipient.contact, 200)),
            platform: class == Class::Platform,
            case: finding::safe(request.reference, 80),
            version: cluster.version,
            date: text_format::day(request.dated()),
            tlp: request.tlp.label(),
            tlp_meaning: meaning(request.tlp),
            replaces: match request.occasion() {
                Occasion::Update(first) if first + 1 == cluster.version => Some(format!("version {first}")),
                Occasion::Update(first) => Some(format!("version {first} and all versions since")),
                _ => None,
            },
            statements,
            targets: targets.collect(),
            breaches: breaches.collect(),
            duties: duties
                .flat_map(|duties| &duties.what.duties)
                .map(|duty| (finding::safe(&duty.duty, 200), finding::safe(&duty.whom, 200)))
                .collect(),
        }
    }
}

/// Meaning of a marking (FIRST, Traffic Light Protocol 2.0).
fn meaning(tlp: Tlp) -> &'static str {
    match tlp {
        Tlp::Clear => "disclosure is not limited",
        Tlp::Green => "limited disclosure; recipients may spread this within their community",
        Tlp::Amber => {
            "limited disclosure; recipients may spread this on a need-to-know basis within their organisation and its clients"
        }
        Tlp::AmberStrict => {
            "limited disclosure; recipients may spread this on a need-to-know basis within their organisation only"
        }
        Tlp::Red => "for the eyes and ears of individual recipients only, no further disclosure",
    }
}
