//! What is redacted is nowhere, and what comes from outside is text.

use super::*;

/// A finding in which every name and key can be told from all others.
fn labelled() -> ClusterMessage {
    let mut cluster = fixtures::sized("labelled", 1, 4, 6);
    for (n, account) in cluster.accounts.iter_mut().enumerate() {
        account.platform = ["twitter", "bluesky"][n % 2].to_owned();
        account.account_id = format!("ACCT{n}{}", account.platform);
        account.account_name = format!("HANDLE{n}{}", account.platform);
    }
    let ids: Vec<(String, String)> =
        cluster.accounts.iter().map(|a| (a.platform.clone(), a.account_id.clone())).collect();
    for (n, evidence) in cluster.evidence.iter_mut().enumerate() {
        let kind;
        (kind, evidence.key, evidence.source) = match n {
            0 => (TraceKind::Url, "https://keyzero.example/path".to_owned(), "sourcezero.example".to_owned()),
            1 => {
                (TraceKind::Url, "https://site.example/HANDLE1bluesky/status".to_owned(), "@handle0TWITTER".to_owned())
            }
            2 => (TraceKind::Url, "https://site.example/s/POST2bluesky1".to_owned(), "site.example".to_owned()),
            3 => (TraceKind::Repost, "twitter:POSTkey".to_owned(), "bluesky:SOURCEthree".to_owned()),
            4 => (TraceKind::Text, "TEXTfour they want you to believe".to_owned(), "TEXTsource".to_owned()),
            _ => (TraceKind::Hashtags, "HASHTAGfive".to_owned(), "HASHTAGsource".to_owned()),
        };
        evidence.kind = kind;
        evidence.source_kind = kind;
        let time = cluster.first_seen;
        evidence.posts = ids
            .iter()
            .enumerate()
            .map(|(m, (platform, id))| messages::cluster::PostRef {
                id: format!("POST{n}{platform}{m}"),
                platform: platform.clone(),
                account_id: id.clone(),
                created_at: time,
                log: None,
                gains: Vec::new(),
            })
            .collect();
    }
    cluster.model.as_mut().unwrap().name = "MODELname".to_owned();
    // Sources that do not count for an account may name others.
    cluster.accounts.iter_mut().for_each(|account| account.dropped[0].source = "SOURCEthree".to_owned());
    cluster.reasons[0].text = "REASONtext".to_owned();
    cluster.topics = vec!["TOPICone".to_owned()];
    cluster.targets = vec!["TARGETsuggested".to_owned()];
    cluster
}

#[test]
fn what_is_redacted_is_nowhere_in_the_bytes() {
    let cluster = labelled();
    let case = case(&cluster);
    let none = Redaction { account_ids: AccountIds::None, elsewhere: Elsewhere::Total, ..UNNAMED };
    let own = Redaction { account_ids: AccountIds::OwnPlatform, elsewhere: Elsewhere::Counts, ..EVERYTHING };
    let unseen = ["TEXT", "HASHTAG", "TOPICone", "TARGETsuggested", "they want you"];
    let check = |class, shows, present: &[&str], absent: &[&str]| {
        let all = everything(&shown(&cluster, &case, class, shows));
        for text in present {
            // Once in the HTML and once in the PDF's text at least: the reader would find it if it were there.
            assert!(all.matches(text).count() >= 2, "{class}: {text} is missing");
        }
        for text in absent.iter().chain(&unseen) {
            assert!(!all.contains(text), "{class}: {text} is there");
        }
    };
    check(
        Class::SecretService,
        EVERYTHING,
        &[
            "ACCT0twitter",
            "ACCT1bluesky",
            "HANDLE1bluesky",
            "POST0twitter0",
            "POST2bluesky1",
            "POSTkey",
            "keyzero",
            "SOURCEthree",
        ],
        &["withheld"],
    );
    check(
        Class::Platform,
        own,
        &[
            "ACCT0twitter",
            "HANDLE2twitter",
            "POST0twitter0",
            "keyzero",
            "sourcezero",
            "MODELname",
            "REASONtext",
            "2 on bluesky",
        ],
        &["SOURCEthree", "ACCT1", "HANDLE1", "handle1", "ACCT3", "HANDLE3", "bluesky1", "bluesky3"],
    );
    check(
        Class::Platform,
        Redaction { handles: false, post_ids: false, ..own },
        &["ACCT0twitter", "keyzero"],
        &["HANDLE", "handle0", "POST", "bluesky1"],
    );
    check(
        Class::Candidate,
        Redaction { keys: true, source_names: true, ..none },
        &["keyzero", "sourcezero", "SOURCEthree", "withheld"],
        &["ACCT", "HANDLE", "handle0", "POST", "MODELname", "REASONtext"],
    );
    for class in Class::ALL {
        let absent =
            ["ACCT", "HANDLE", "handle0", "POST", "keyzero", "sourcezero", "SOURCE", "MODELname", "REASONtext"];
        check(class, none, &[], &absent);
    }
    // A notice to everybody names nothing whatever it is told to show, and nobody.
    check(
        Class::Public,
        EVERYTHING,
        &["4 accounts"],
        &[
            "ACCT",
            "HANDLE",
            "POST",
            "keyzero",
            "sourcezero",
            "SOURCE",
            "MODELname",
            "REASONtext",
            "twitter",
            "bluesky",
            "Vane",
            "Marlow",
        ],
    );
}

#[test]
fn hostile_names_are_text_and_nothing_is_dropped() {
    let mut cluster = fixtures::hostile("<b>\u{202E}");
    let names = [
        "\u{202E}evil\u{2066}",
        "<script>alert(1)</script>",
        &"W".repeat(10_000),
        "nul\0\u{7}bell",
        "\u{1F600}\u{1F468}\u{200D}\u{1F469}",
        "Иван_Петров",
        "王小明選挙",
        "محمد علي",
        "דוד",
        "한국어",
        "แมว",
        &format!("z{}", "\u{0301}".repeat(40)),
        "| a | b |\n# c\n\n[d](https://e.example) ![f](g) `h` &amp; **i**",
        "",
        "\u{E000}\u{10FFFF}\u{FFFF}",
    ];
    let first = cluster.accounts[0].clone();
    cluster.accounts = names
        .iter()
        .enumerate()
        .map(|(n, name)| messages::cluster::ClusterAccount {
            account_id: format!("id{n}"),
            account_name: (*name).to_owned(),
            ..first.clone()
        })
        .collect();
    let mut case = case(&cluster);
    for target in &mut case.facts.targets.as_mut().unwrap().what.targets {
        target.name = names[0].to_owned();
    }
    let document = shown(&cluster, &case, Class::SecretService, EVERYTHING);
    look("hostile", &document);
    for banned in ["<script", "<img", "<h1>x", "<a ", "href", "\u{202E}", "\u{0}", "\u{200D}", "http://", "https://"] {
        assert!(!document.html.contains(banned), "{banned}");
    }
    let pdf = pages(&document).join("\n");
    let everything = everything(&document);
    for (what, shown) in [
        ("reordering", "[U+202E]evil[U+2066]"),
        ("markup", "<script>alert(1)</script>"),
        ("control", "nul[U+0000][U+0007]bell"),
        ("emoji", "😀[U+1F468][U+200D][U+1F469]"),
        ("Cyrillic", "Иван_Петров"),
        ("Chinese", "王小明選挙"),
        ("Korean", "한국어"),
        ("Thai", "[U+0E41][U+0E21][U+0E27]"),
        ("marks", "[U+0301]"),
        ("private", "[U+E000][U+10FFFF][U+FFFF]"),
        ("cut", "10,000 characters in all"),
        ("nothing", "(empty)"),
    ] {
        let squeeze = |text: &str| text.split_whitespace().collect::<String>();
        assert!(squeeze(&pdf).contains(&squeeze(shown)), "{what} in the PDF:\n{pdf}");
        assert!(document.html.replace("&#60;", "<").replace("&#62;", ">").contains(shown), "{what} in the HTML");
    }
    // Right to left: a reader of the PDF has every letter, in the order that they are drawn in or that they are read in.
    for name in ["محمد", "דוד"] {
        let backwards: String = name.chars().rev().collect();
        assert!(pdf.contains(name) || pdf.contains(&backwards), "{name}:\n{pdf}");
        assert!(document.html.contains(name));
    }
    for live in ["/URI", "/Launch", "/JavaScript", "/Annots", "/OpenAction", "/EmbeddedFile"] {
        assert!(!everything.contains(live), "{live}");
    }
}
