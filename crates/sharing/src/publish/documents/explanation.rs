//! The explanation of a case in words that need no statistics: a page for counsel, a press office, or the desk of a platform that hears
//! objections. It names no account, so it has no recipient and no redaction.

use askama::Template;
use messages::cluster::ClusterMessage;
use presentation::plain_words::{self, NOT_SHOWN, PlainWords};

use super::{DRAFT, Document, DocumentError, content::Content, finding, finish, markdown, meaning};
use casework::{
    Tlp,
    case::{Case, State},
};

/// A request for an explanation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Explained<'a> {
    /// The organisation that shares.
    pub identity: &'a str,
    /// How to reach the organisation with questions and objections.
    pub contact: &'a str,
    pub case: &'a Case,
    /// The id under which the reader knows the case.
    pub reference: &'a str,
    pub cluster: &'a ClusterMessage,
    pub tlp: Tlp,
}

#[derive(Template)]
#[template(path = "documents/explanation.md")]
struct Page {
    words: PlainWords,
    not_shown: [&'static str; 6],
    standing: &'static str,
    identity: String,
    contact: String,
    case: String,
    version: u32,
    date: String,
    tlp: &'static str,
    tlp_meaning: &'static str,
}

/// Makes the explanation.
pub(crate) fn render(asked: &Explained<'_>) -> Result<Document, DocumentError> {
    if asked.contact.trim().is_empty() {
        return Err(DocumentError::NoContact);
    }
    let fail = |why: String| DocumentError::Explanation { why };
    let Explained { case, cluster, .. } = asked;
    let released = case.released_version == Some(cluster.version);
    let draft = !released && !matches!(case.state, State::Retracted | State::Dismissed | State::Closed);
    let page = Page {
        words: plain_words::explain(cluster),
        not_shown: NOT_SHOWN,
        standing: standing(case, released),
        identity: finding::legible(asked.identity, 120),
        contact: finding::legible(asked.contact, 300),
        case: finding::safe(asked.reference, 80),
        version: cluster.version,
        date: text_format::day(case.changed_at),
        tlp: asked.tlp.label(),
        tlp_meaning: meaning(asked.tlp),
    };
    let (title, blocks) = markdown::read(&page.render().map_err(|error| fail(error.to_string()))?).map_err(fail)?;
    let content = Content {
        title,
        from: page.identity.clone(),
        reference: format!("{}, version {}", page.case, cluster.version),
        dated: case.changed_at,
        tlp: asked.tlp,
        warning: match (draft, case.demo) {
            (_, true) => Some(casework::DEMO_NOTICE),
            (true, false) => Some(DRAFT),
            (false, false) => None,
        },
        blocks,
    };
    finish(content, draft).map_err(fail)
}

/// What people decided, as a sentence.
fn standing(case: &Case, released: bool) -> &'static str {
    match case.state {
        State::Retracted => {
            "This case was withdrawn from everybody who was told. What it said about these accounts no longer holds."
        }
        State::Dismissed => "A person looked at this case and dismissed it. Nothing was shared.",
        State::Closed if case.released_version.is_none() => "This case is closed. Nothing was shared.",
        _ if released && case.demo => "This is a demonstration: no person looked at this case.",
        _ if released => {
            "One person looked at it and approved it, and another person released it. No program decides what is shared."
        }
        _ => "Nothing about this version has been shared. Two people have to agree before that; no program decides it.",
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use presentation::{fixtures, plain_words::FORBIDDEN};

    use super::*;

    fn asked<'a>(case: &'a Case, cluster: &'a ClusterMessage) -> Explained<'a> {
        let (identity, contact) = ("Example desk", "desk@example.org, +1 555 0100");
        Explained { identity, contact, case, reference: "case-1", cluster, tlp: Tlp::Amber }
    }

    fn case(cluster: &ClusterMessage) -> Case {
        Case::nominate(&cluster.cluster_id, cluster.version, Timestamp::from_second(1_700_000_000).unwrap()).0
    }

    /// The words of a page, without its markup and style.
    fn words(html: &str) -> String {
        let body = html.split("<main>").nth(1).unwrap().split("</main>").next().unwrap();
        let mut text = String::new();
        for part in body.split('<') {
            text.push_str(part.split_once('>').map_or(part, |(_, text)| text));
            text.push(' ');
        }
        text
    }

    #[test]
    fn the_page_has_no_word_of_statistics_and_says_what_it_does_not_show() {
        for cluster in [
            fixtures::cluster("a", 1),
            fixtures::near_miss("n"),
            fixtures::one_text("t", 1_234),
            fixtures::of_version_1(),
            fixtures::hostile("<script>alert(1)</script>"),
        ] {
            for state in State::ALL {
                let mut case = case(&cluster);
                case.state = state;
                let made = render(&asked(&case, &cluster)).unwrap();
                let text = words(&made.html).to_lowercase();
                for word in FORBIDDEN {
                    assert!(!text.contains(word), "{word:?}: {text}");
                }
                assert!(text.contains("what this does not show") && text.contains("who runs these accounts"), "{text}");
                assert!(!made.html.contains("<script"), "{}", made.html);
            }
        }
    }

    #[test]
    fn it_says_what_people_decided() {
        let cluster = fixtures::cluster("a", 1);
        let mut case = case(&cluster);
        let draft = render(&asked(&case, &cluster)).unwrap();
        assert!(draft.draft && draft.html.contains("DRAFT.") && draft.html.contains("Two people have to agree"));
        (case.state, case.released_version) = (State::Released, Some(1));
        let released = render(&asked(&case, &cluster)).unwrap();
        assert!(!released.draft && released.html.contains("another person released it"));
        case.state = State::Retracted;
        assert!(render(&asked(&case, &cluster)).unwrap().html.contains("no longer holds"));
        let silent = Explained { contact: " ", ..asked(&case, &cluster) };
        assert_eq!(render(&silent), Err(DocumentError::NoContact));
    }

    #[cfg(feature = "pdf")]
    #[test]
    fn it_fits_on_one_page() {
        for cluster in [fixtures::cluster("a", 1), fixtures::sized("b", 1, 500, 200), fixtures::near_miss("n")] {
            let case = case(&cluster);
            let made = render(&asked(&case, &cluster)).unwrap();
            let pdf = lopdf::Document::load_mem(&made.pdf).unwrap();
            assert_eq!(pdf.get_pages().len(), 1);
        }
    }
}
