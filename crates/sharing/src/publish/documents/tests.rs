mod redaction;

use std::collections::BTreeMap;

use expect_test::expect_file;
use jiff::Timestamp;
use messages::cluster::{ClusterMessage, TraceKind};

use super::{fonts::Fonts, *};
use casework::{
    case::Versions,
    policy::{
        Answer, Breach, Breaches, Duties, Duty, Facts, PublicNotice, Recorded, Rules, Target, TargetKind, Targets,
    },
};
use presentation::fixtures;

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(1_476_500_000 + second).unwrap()
}

fn recorded<T>(version: u32, what: T) -> Option<Recorded<T>> {
    Some(Recorded { by: "ann".to_owned(), at: time(0), version, what })
}

/// A released case with everything recorded that a document may tell of.
fn case(cluster: &ClusterMessage) -> Case {
    let (mut case, _) = Case::nominate(&cluster.cluster_id, cluster.version, time(0));
    let answer = || Answer { yes: false, why: "it repeats nothing".to_owned() };
    case.state = State::Released;
    case.released_version = Some(cluster.version);
    case.changed_at = time(3600);
    case.approved = Some(casework::case::Statement {
        by: "ann".to_owned(),
        at: time(60),
        version: cluster.version,
        text: "yes".to_owned(),
    });
    case.facts = Facts {
        targets: recorded(
            cluster.version,
            Targets {
                targets: vec![
                    Target {
                        kind: TargetKind::MajorCandidate,
                        name: "Quillon Vane".to_owned(),
                        recipient: Some("vane-campaign".to_owned()),
                    },
                    Target { kind: TargetKind::ElectionOffice, name: "Marlow County".to_owned(), recipient: None },
                ],
                suggestions: BTreeMap::new(),
            },
        ),
        breaches: recorded(
            cluster.version,
            Breaches {
                breaches: vec![Breach { state: "NV".to_owned(), system: "voter roll of Marlow County".to_owned() }],
                why: String::new(),
            },
        ),
        public_notice: recorded(cluster.version, PublicNotice { amplifies: answer(), revictimises: answer() }),
        duties: recorded(
            cluster.version,
            Duties {
                duties: vec![Duty {
                    duty: "state breach law".to_owned(),
                    whom: "the county tells the voters concerned".to_owned(),
                }],
                why: String::new(),
            },
        ),
        ..Facts::default()
    };
    case
}

fn recipient(class: Class) -> Recipient {
    Recipient {
        name: match class {
            Class::Candidate => "vane-campaign".to_owned(),
            other => format!("the-{}", other.name().replace('_', "-")),
        },
        class,
        platform: (class == Class::Platform).then(|| "twitter".to_owned()),
        state: (class == Class::StateLocal).then(|| "NV".to_owned()),
        chief_election_official: false,
        contact: String::new(),
        delivery: None,
        webhook: None,
        tlp_ceiling: Tlp::Red,
    }
}

fn product(class: Class) -> Product {
    match class {
        Class::Candidate => Product::DefensiveBriefing,
        Class::Public => Product::PublicNotice,
        _ => Product::NotificationLetter,
    }
}

/// The document that a class gets by default.
fn document(cluster: &ClusterMessage, case: &Case, class: Class) -> Document {
    shown(cluster, case, class, Rules::with_marking(Tlp::Amber).class(class).shows)
}

/// The document that a class gets where it sees so much.
fn shown(cluster: &ClusterMessage, case: &Case, class: Class, shows: Redaction) -> Document {
    render(&request(cluster, case, &recipient(class), shows)).unwrap()
}

fn request<'a>(cluster: &'a ClusterMessage, case: &'a Case, recipient: &'a Recipient, shows: Redaction) -> Request<'a> {
    Request {
        identity: "Example Clearing House",
        contact: "desk@clearing.example, +1 555 0100",
        case,
        reference: &case.id,
        cluster,
        before: None,
        recipient,
        product: product(recipient.class),
        shows,
        tlp: if recipient.class == Class::Public { Tlp::Clear } else { Tlp::Amber },
        statements: &[],
    }
}

const EVERYTHING: Redaction = Redaction {
    account_ids: AccountIds::All,
    elsewhere: Elsewhere::Pseudonyms,
    handles: true,
    post_ids: true,
    keys: true,
    source_names: true,
    model_internals: true,
};

/// What an independent reader makes of a PDF: the text of each page.
fn pages(document: &Document) -> Vec<String> {
    let pdf = lopdf::Document::load_mem(&document.pdf).unwrap();
    pdf.get_pages().keys().map(|page| pdf.extract_text(&[*page]).unwrap()).collect()
}

/// Everything that is in a document: the HTML, the PDF's text, and its bytes with every stream unpacked.
fn everything(document: &Document) -> String {
    let mut pdf = lopdf::Document::load_mem(&document.pdf).unwrap();
    pdf.decompress();
    let mut bytes = Vec::new();
    pdf.save_to(&mut bytes).unwrap();
    let wide: Vec<u16> = bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
    let shifted: Vec<u16> = bytes[1..].as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
    [
        document.html.clone(),
        pages(document).join("\n").replace('\n', ""),
        String::from_utf8_lossy(&bytes).into_owned(),
        String::from_utf16_lossy(&wide),
        String::from_utf16_lossy(&shifted),
    ]
    .join("\n")
}

/// Writes a document where people can look at it, if asked to.
fn look(name: &str, document: &Document) {
    if let Some(dir) = std::env::var_os("LOOK") {
        let dir = std::path::PathBuf::from(dir);
        std::fs::write(dir.join(format!("{name}.html")), &document.html).unwrap();
        std::fs::write(dir.join(format!("{name}.pdf")), &document.pdf).unwrap();
    }
}

#[test]
fn every_class_gets_its_document() {
    let cluster = fixtures::cluster("a", 3);
    for class in Class::ALL {
        let document = document(&cluster, &case(&cluster), class);
        look(class.name(), &document);
        expect_file![format!("golden/{}.html", class.name())].assert_eq(&document.html);
    }
}

#[test]
fn every_page_has_the_marking_twice_and_its_number() {
    let cluster = fixtures::sized("many", 1, 500, 90);
    for class in Class::ALL {
        let document = document(&cluster, &case(&cluster), class);
        look(&format!("many-{}", class.name()), &document);
        let pages = pages(&document);
        let label = if class == Class::Public { "TLP:CLEAR" } else { "TLP:AMBER" };
        for (index, text) in pages.iter().enumerate() {
            let number = format!("Page {} of {}", index + 1, pages.len());
            assert!(text.contains(&number), "{class}: {number} is not on\n{text}");
            assert!(text.matches(label).count() >= 2, "{class}, page {}:\n{text}", index + 1);
        }
        // Above, below, and where the document says what it means.
        assert_eq!(document.html.matches(label).count(), 3, "{class}");
    }
}

#[test]
fn html_and_pdf_say_the_same() {
    let cluster = fixtures::cluster("a", 3);
    let case = case(&cluster);
    for class in [Class::Congress, Class::StateLocal, Class::Candidate, Class::Public] {
        let recipient = recipient(class);
        let request = request(&cluster, &case, &recipient, Rules::with_marking(Tlp::Amber).class(class).shows);
        let content = spelled(request.content().unwrap(), &Fonts::new());
        let document = render(&request).unwrap();
        let squeeze = |text: &str| -> String { text.split_whitespace().collect() };
        let pages = pages(&document);
        let mut pdf = pages.iter().map(|page| squeeze(page)).collect::<String>();
        let mut html = document.html.replace("&#38;", "&").replace("&#39;", "'").replace("&#60;", "<");
        html = squeeze(&html.replace("<b>", "").replace("</b>", ""));
        // Page furniture comes in between where a paragraph goes over two pages.
        for page in 1..=pages.len() {
            pdf = pdf.replace(&squeeze(&format!("Page {page} of {}", pages.len())), "");
        }
        for text in
            [&squeeze(&format!("{} · {}", content.from, text_format::day(content.dated))), &squeeze(&content.reference)]
        {
            pdf = pdf.replace(text.as_str(), "");
        }
        pdf = pdf.replace(content.tlp.label(), "");
        let texts = content.blocks.iter().flat_map(|block| match block {
            content::Block::Heading(_, text) | content::Block::Paragraph(text) => vec![text],
            content::Block::List(items) => items.iter().collect(),
            content::Block::Table(table) => table.head.iter().chain(table.rows.iter().flatten()).collect(),
        });
        for text in texts {
            let text = squeeze(&text.plain());
            assert!(html.contains(&text), "{class}: the HTML lacks {text}");
            let text = text.replace(&squeeze(&content.reference), "").replace(content.tlp.label(), "");
            assert!(pdf.contains(&text), "{class}: the PDF lacks {text}\n{pdf}");
        }
    }
}

#[test]
fn the_same_request_gives_the_same_bytes() {
    let cluster = fixtures::sized("same", 1, 60, 40);
    let case = case(&cluster);
    let document = || shown(&cluster, &case, Class::SecretService, EVERYTHING);
    let (one, other) = (document(), document());
    assert_eq!(one, other);
    assert_eq!(one.pdf_sha256, hex(&Sha256::digest(&other.pdf)));
    assert_eq!(one.html_sha256, hex(&Sha256::digest(other.html.as_bytes())));
    // The date is the case's.
    assert!(pages(&one)[0].contains("15 Oct 2016"));
}

#[test]
fn a_platform_reads_that_action_is_voluntary_and_nobody_reads_of_others() {
    let cluster = fixtures::cluster("a", 3);
    let case = case(&cluster);
    let squeezed = |document: &Document| pages(document).join("").split_whitespace().collect::<String>();
    let voluntary: String = VOLUNTARY.split_whitespace().collect();
    for class in Class::ALL {
        let document = document(&cluster, &case, class);
        let (html, pdf) = (document.html.replace("&#39;", "'"), squeezed(&document));
        assert_eq!(html.matches(VOLUNTARY).count(), usize::from(class == Class::Platform), "{class}");
        assert_eq!(pdf.contains(&voluntary), class == Class::Platform, "{class}");
        // Whom it is directed against: the one concerned and the Secret Service read it by name.
        let named = matches!(class, Class::Candidate | Class::SecretService);
        assert_eq!(html.contains("Quillon Vane"), named, "{class}");
        assert_eq!(html.contains("Marlow County ("), class == Class::SecretService, "{class}");
        assert_eq!(html.contains("voter roll"), class == Class::StateLocal, "{class}");
        let duties = !matches!(class, Class::Platform | Class::Public);
        assert_eq!(html.contains("state breach law"), duties, "{class}");
        for heading in ["Actor", "Behaviour", "Content", "Degree", "Effect", "Contact"] {
            assert!(html.contains(&format!("<h2>{heading}</h2>")), "{class}: {heading}");
        }
    }
}

#[test]
fn without_evidence_there_is_still_a_document() {
    let mut cluster = fixtures::cluster("bare", 1);
    cluster.evidence.clear();
    cluster.traces.clear();
    cluster.ties.clear();
    cluster.sources.clear();
    cluster.reasons.clear();
    cluster.accounts.clear();
    (cluster.log_e, cluster.log_e_leave_one_source_out, cluster.probability) = (0.0, f64::NAN, Some(f64::NAN));
    cluster.windows.iter_mut().for_each(|w| (w.group, w.crowd, w.near) = ([0; 5], [0; 5], [0; 5]));
    let case = case(&cluster);
    for class in Class::ALL {
        let document = shown(&cluster, &case, class, EVERYTHING);
        look(&format!("bare-{}", class.name()), &document);
        assert!(document.html.contains("0 accounts"), "{class}");
        assert!(!document.html.contains("NaN") && !document.html.contains("inf "), "{class}");
    }
}

/// What was stored when the wire had version 1, and what is a count, have documents that claim no more than they know.
#[test]
fn findings_without_a_test_have_documents() {
    let old = fixtures::of_version_1();
    for class in Class::ALL {
        let to = Recipient { platform: Some("chirp".to_owned()), ..recipient(class) };
        let document = render(&request(&old, &case(&old), &to, EVERYTHING)).unwrap();
        look(&format!("old-{}", class.name()), &document);
        assert!(document.html.contains("habits"), "{class}");
        assert!(!document.html.contains("people near"), "{class}");
    }
    let mut count = fixtures::one_text("t", 34);
    count.accounts.truncate(30);
    for class in Class::ALL {
        let document = shown(&count, &case(&count), class, EVERYTHING);
        look(&format!("count-{}", class.name()), &document);
        assert!(document.html.contains("it is not known how likely it is"), "{class}");
        assert!(!document.html.contains("evidence as strong as this"), "{class}");
        assert!(document.html.contains("in numbers that are counted and not tested"), "{class}");
    }
}

#[test]
fn drafts_updates_and_withdrawals_say_so() {
    let cluster = fixtures::cluster("a", 3);
    let mut case = case(&cluster);
    let letter = document(&cluster, &case, Class::Platform);
    assert!(!letter.draft && !letter.html.contains("DRAFT"));

    case.notified = Some(BTreeMap::from([("the-platform".to_owned(), Versions { first: 1, last: 2 })]));
    let update = document(&cluster, &case, Class::Platform);
    assert_eq!(update.title, "Updated notification: accounts acting in lockstep");
    assert!(update.html.contains("version 3 of our notice. It replaces version 1 and all versions since"));
    // Others have nothing that it could replace.
    assert_eq!(document(&cluster, &case, Class::Congress).title, "Notification: accounts acting in lockstep");

    case.released_version = Some(2);
    let draft = document(&cluster, &case, Class::Platform);
    let pages = pages(&draft);
    assert!(draft.draft && pages.iter().all(|page| page.contains("DRAFT")), "{pages:?}");

    case.demo = true;
    assert!(document(&cluster, &case, Class::Platform).html.contains("no person looked"));
    case.demo = false;

    case.state = State::Retracted;
    case.changed_at = time(200_000);
    for class in Class::ALL {
        let withdrawal = document(&cluster, &case, class);
        look(&format!("withdrawal-{}", class.name()), &withdrawal);
        assert!(withdrawal.title.starts_with("Withdrawal"), "{}", withdrawal.title);
        assert!(withdrawal.html.contains("17 Oct 2016") && !withdrawal.draft);
        expect_file![format!("golden/withdrawal-{}.html", class.name())].assert_eq(&withdrawal.html);
    }
}

#[test]
fn what_cannot_be_made_is_refused_with_what_to_do() {
    let cluster = fixtures::cluster("a", 3);
    let case = case(&cluster);
    let to = recipient(Class::Congress);
    let right = request(&cluster, &case, &to, UNNAMED);
    let refused = |request: Request<'_>| render(&request).unwrap_err().to_string();
    assert!(refused(Request { product: Product::PlatformFeed, ..right }).contains("choose a notification letter"));
    assert!(refused(Request { contact: " ", ..right }).contains("sharing.contact"));
    assert!(refused(Request { product: Product::PublicNotice, ..right }).contains("TLP:CLEAR"));
    let low = Recipient { tlp_ceiling: Tlp::Green, ..to.clone() };
    assert!(refused(Request { recipient: &low, ..right }).contains("may receive TLP:GREEN at most"));
    let other = fixtures::cluster("b", 3);
    assert!(refused(Request { cluster: &other, ..right }).contains("is about cluster a, not b"));
    let mut silent = case.clone();
    silent.facts.public_notice.as_mut().unwrap().version = 2;
    for state in [State::Dismissed, State::Closed] {
        let over = Case { state, ..case.clone() };
        assert!(refused(Request { case: &over, ..right }).contains("no document is made for it"));
    }
    let everybody = recipient(Class::Public);
    assert!(refused(request(&cluster, &silent, &everybody, UNNAMED)).contains("record both answers"));
}

#[test]
fn who_has_left_the_group_is_cleared_by_name_where_it_was_named() {
    let before = fixtures::cluster("a", 2);
    let mut cluster = fixtures::cluster("a", 3);
    let gone: Vec<_> = ["twitter", "bluesky"]
        .map(|platform| {
            let place = cluster.accounts.iter().position(|account| account.platform == platform).unwrap();
            cluster.accounts.remove(place)
        })
        .into();
    let case = case(&cluster);
    for (class, names) in
        [(Class::Platform, [true, false]), (Class::SecretService, [true, true]), (Class::Congress, [false; 2])]
    {
        let recipient = recipient(class);
        let shows = Rules::with_marking(Tlp::Amber).class(class).shows;
        let document =
            render(&Request { before: Some(&before), ..request(&cluster, &case, &recipient, shows) }).unwrap();
        let cleared = document.html.split("<h2>Accounts that are cleared</h2>").nth(1);
        let cleared = cleared.map(|rest| rest.split("<h2>").next().unwrap()).unwrap_or_default();
        for (account, named) in gone.iter().zip(names) {
            assert_eq!(cleared.contains(&account.account_id), named, "{class}: {}", account.account_id);
        }
        assert!(!cleared.contains(&cluster.accounts[0].account_id), "{class}");
    }
}

/// Nobody may keep a letter from being written by the choice of a name.
#[test]
fn any_name_can_be_drawn() {
    let fonts = Fonts::new();
    let drawn: Vec<char> = ('\0'..=char::MAX).filter(|c| fonts.has(*c)).collect();
    assert!(drawn.len() > 30_000, "{}", drawn.len());
    let mut cluster = fixtures::cluster("names", 1);
    let first = cluster.accounts[0].clone();
    let named = |(n, name): (usize, String)| messages::cluster::ClusterAccount {
        account_id: format!("id{n}"),
        account_name: name,
        ..first.clone()
    };
    // Neighbours in the code, and strangers from every script side by side in both directions.
    let neighbours = drawn.chunks(60).map(|chars| chars.iter().collect::<String>());
    let strangers = (0..300).map(|n| drawn.iter().skip(n).step_by(1009).collect::<String>());
    cluster.accounts = neighbours.chain(strangers).enumerate().map(named).collect();
    let case = case(&cluster);
    let document = shown(&cluster, &case, Class::SecretService, EVERYTHING);
    look("names", &document);
    let text: std::collections::HashSet<char> = pages(&document).concat().chars().collect();
    let letters = ('А'..='я').chain('\u{4E00}'..='\u{9FA5}').chain('\u{AC00}'..='\u{D7A3}').chain('ぁ'..='ん');
    let lost: String = letters.filter(|c| !text.contains(c)).collect();
    assert_eq!(lost, "");
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(12))]
    #[test]
    fn random_names_can_be_drawn(names in proptest::collection::vec(proptest::collection::vec(proptest::char::any(), 0..50), 1..30)) {
        let mut cluster = fixtures::cluster("names", 1);
        let first = cluster.accounts[0].clone();
        cluster.accounts = names
            .iter()
            .map(|name| messages::cluster::ClusterAccount { account_name: name.iter().collect(), ..first.clone() })
            .collect();
        shown(&cluster, &case(&cluster), Class::SecretService, EVERYTHING);
    }
}
