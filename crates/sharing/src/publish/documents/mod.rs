//! Documents for people: the notification letter, the defensive briefing and the public notice, each as HTML and as PDF.
//!
//! One document's journey: a [`Request`] → what the recipient may see of the finding (`finding`, the only place that
//! redacts) → the product's text (`templates/documents/*.md`) with that filled in → headings, paragraphs, lists and tables
//! (`content`) → two drawings of the same (`html`, `pdf`). Pure: the same request gives the same bytes, and every date comes
//! from the case.
//!
//! Absent on purpose: what posts say, live links, pictures, any reading of opinion, and everything that the redaction leaves out.

mod content;
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
use text_format::hex;

/// What to make, of what, for whom.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The organisation that shares.
    pub identity: &'a str,
    /// How it is reached, for questions and for saying that it is wrong.
    pub contact: &'a str,
    /// The case.
    pub case: &'a Case,
    /// The id under which the recipient knows the case.
    pub reference: &'a str,
    /// The version of the finding that is told.
    pub cluster: &'a ClusterMessage,
    /// The version that the recipient was told of before: accounts that have left the group since are named as cleared.
    pub before: Option<&'a ClusterMessage>,
    /// Who is told.
    pub recipient: &'a Recipient,
    /// What it gets.
    pub product: Product,
    /// What it sees.
    pub shows: Redaction,
    /// The marking.
    pub tlp: Tlp,
    /// What the policy says that the document has to say, word for word.
    pub statements: &'a [&'static str],
}

/// A document, ready to be handed over.
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
    /// Whether it says that it is a draft: the case is not released at this version.
    pub draft: bool,
}

/// Why there is no document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// A feed is for machines.
    #[error("a {} is no document: ask for a notification letter, a defensive briefing or a public notice", .0.label())]
    NotADocument(Product),
    /// Nobody could answer.
    #[error("sharing.contact is empty: name an address or a number, so that who is told can answer and correct")]
    NoContact,
    /// The finding is of another case.
    #[error("case {case} is about cluster {about}, not {given}")]
    OtherCluster {
        /// The case.
        case: String,
        /// Its cluster.
        about: String,
        /// The one given.
        given: String,
    },
    /// Nothing is told any more, or never was.
    #[error("case {case} is {state}: no document is made of it")]
    Over {
        /// The case.
        case: String,
        /// Where it stands.
        state: State,
    },
    /// The marking is above what the recipient may get.
    #[error("{recipient} may receive {} at most, and this is {}: lower the marking or raise its tlp_ceiling", .ceiling.label(), .tlp.label())]
    AboveCeiling {
        /// The recipient.
        recipient: String,
        /// What it may get.
        ceiling: Tlp,
        /// What this is.
        tlp: Tlp,
    },
    /// A public notice has to answer two questions first.
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
    /// A text or a drawing has a mistake.
    #[error("the text of the {} cannot be drawn: {why}", .product.label())]
    Text {
        /// The product.
        product: Product,
        /// What is wrong with it.
        why: String,
    },
}

/// Makes a document. Where the case was retracted it is the withdrawal of the one that the recipient had.
pub fn render(request: &Request<'_>) -> Result<Document, DocumentError> {
    request.check()?;
    let fail = |why: String| DocumentError::Text { product: request.product, why };
    let paper = request.paper().map_err(fail)?;
    #[cfg(feature = "pdf")]
    let fonts = fonts::Fonts::new();
    #[cfg(feature = "pdf")]
    let paper = spelled(paper, &fonts);
    let html = html::render(&paper).map_err(fail)?;
    #[cfg(feature = "pdf")]
    let pdf = pdf::render(&paper, fonts).map_err(fail)?;
    Ok(Document {
        html_sha256: hex(&Sha256::digest(&html)),
        #[cfg(feature = "pdf")]
        pdf_sha256: hex(&Sha256::digest(&pdf)),
        title: paper.title,
        draft: request.draft(),
        html,
        #[cfg(feature = "pdf")]
        pdf,
    })
}

/// A document whose every character has a glyph, in the HTML as in the PDF.
#[cfg(feature = "pdf")]
fn spelled(mut paper: Content, fonts: &fonts::Fonts) -> Content {
    paper.texts_mut().for_each(|text| fonts.spell(text));
    paper
}

/// Why a recipient is told now.
enum Occasion {
    First,
    /// It knows of earlier versions, this one first.
    Update(u32),
    /// It knows of these versions, and all that it was told is taken back.
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
        // Of a closed case nobody knows here whether it was retracted before: its documents were handed out when it was open.
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
        let told = self.case.told.as_ref().and_then(|told| told.get(&self.recipient.name));
        match told {
            Some(told) if told.first < self.cluster.version => Occasion::Update(told.first),
            _ => Occasion::First,
        }
    }

    fn draft(&self) -> bool {
        self.case.released_version != Some(self.cluster.version) && !self.withdrawn()
    }

    /// When what the document says was decided.
    fn dated(&self) -> Timestamp {
        let approved = self.case.approved.as_ref().filter(|word| word.version == self.cluster.version);
        match approved {
            Some(word) if !self.withdrawn() => word.at,
            _ => self.case.changed_at,
        }
    }

    fn paper(&self) -> Result<Content, String> {
        let public = self.product == Product::PublicNotice;
        // A notice to everybody names no account and no person, whatever a file says.
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

/// Said on every page of what nobody has released.
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

/// What is filled into the texts beside the finding.
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
    /// Of an update: what it replaces.
    replaces: Option<String>,
    statements: Vec<String>,
    /// Whom the finding is directed against, as far as this recipient is told.
    targets: Vec<String>,
    breaches: Vec<String>,
    /// Other duties to notify victims, with whom they bind.
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
                // A platform is told how accounts behave, and everybody what harms nobody again.
                Class::Platform | Class::Public => None,
                _ if own(target) => Some(format!("{name} ({kind}), which is you or for whom you speak")),
                // It is told because of whom this is directed against.
                Class::SecretService => Some(format!("{name} ({kind})")),
                _ => Some(format!("another target ({kind}), not named here")),
            }
        });
        let breaches = facts.breaches.iter().filter(|breaches| current(breaches.version));
        let breaches = breaches
            .flat_map(|breaches| &breaches.what.breaches)
            .filter(|breach| class == Class::StateLocal && recipient.state.as_deref() == Some(&*breach.state))
            .map(|breach| finding::safe(&breach.system, 200));
        let told_of_duties = !matches!(class, Class::Platform | Class::Public);
        let duties = facts.duties.iter().filter(|duties| told_of_duties && current(duties.version));
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
                Occasion::Update(first) => Some(format!("version {first} and all between")),
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

/// What a marking allows (FIRST, Traffic Light Protocol 2.0).
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
