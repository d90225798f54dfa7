//! Digests, with a mail server on loopback that keeps every byte.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
};

use super::*;
use crate::config::digest::{Digest, Every, SmtpTls};

on_both_databases!(async fn a_digest_is_sent_once_with_counts_and_a_link_and_without_accounts, a_digest_that_fails_is_tried_again, a_digest_can_be_a_file);

/// What came over the wire, line by line, and the answer to the end of each mail.
struct MailServer {
    port: u16,
    lines: Arc<Mutex<Vec<String>>>,
}

impl MailServer {
    /// Answers the end of mails with these, and from then on with 250.
    fn start(mut answers: Vec<&'static str>) -> MailServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                stream.write_all(b"220 mail.example ESMTP\r\n").unwrap();
                let (mut is_body, mut line) = (false, String::new());
                while {
                    line.clear();
                    reader.read_line(&mut line).unwrap() > 0
                } {
                    assert!(line.ends_with("\r\n"), "{line:?}");
                    kept.lock().unwrap().push(line.trim_end().to_owned());
                    let answer = match (is_body, line.trim_end()) {
                        (true, ".") => {
                            is_body = false;
                            if answers.is_empty() { "250 taken" } else { answers.remove(0) }
                        }
                        (true, _) => continue,
                        (false, "DATA") => {
                            is_body = true;
                            "354 go on"
                        }
                        (false, said) if said.starts_with("EHLO") => {
                            "250-mail.example\r\n250-8BITMIME\r\n250 AUTH PLAIN"
                        }
                        (false, said) if said.starts_with("AUTH PLAIN") => "235 welcome",
                        (false, "QUIT") => "221 bye",
                        (false, _) => "250 fine",
                    };
                    stream.write_all(format!("{answer}\r\n").as_bytes()).unwrap();
                }
            }
        });
        MailServer { port, lines }
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    fn mails(&self) -> usize {
        self.lines().iter().filter(|line| *line == ".").count()
    }
}

fn with_digest(place: &str, digest: Digest) -> Sharing {
    let sharing = open(place, Reviewers::Demo, Tlp::Amber);
    let mut config = sharing.config().clone();
    drop(sharing);
    config.public_url = "https://lockstep.example/".to_owned();
    config.digest = Digest {
        every: Every::Daily,
        from: "Lockstep desk <desk@lockstep.example>".to_owned(),
        to: [("birds".to_owned(), vec!["safety@birds.example".to_owned(), "Jo <jo@birds.example>".to_owned()])].into(),
        ..digest
    };
    Sharing::open(config, &runtime::metrics::Metrics::new().unwrap()).unwrap()
}

fn by_mail(server: &MailServer) -> Digest {
    Digest {
        smtp_host: "127.0.0.1".to_owned(),
        smtp_port: server.port,
        smtp_tls: SmtpTls::None,
        smtp_user: "lockstep".to_owned(),
        smtp_password: "hush".to_owned(),
        ..Digest::default()
    }
}

fn send(sharing: &Sharing, at: Timestamp) -> bool {
    sharing.inner.send_digests(at, &|| false).unwrap()
}

fn tomorrow() -> Timestamp {
    Timestamp::now() + SignedDuration::from_hours(24)
}

fn counted(sharing: &Sharing, outcome: &str) -> u64 {
    sharing.inner.metrics.digests.with_label_values(&[outcome]).get()
}

async fn a_digest_is_sent_once_with_counts_and_a_link_and_without_accounts((_folder, place): Place) {
    let server = MailServer::start(Vec::new());
    let sharing = with_digest(&place, by_mail(&server));
    let cluster = fixtures::cluster("a", 1);
    sharing.on_clusters(vec![cluster.clone()]).await.unwrap();
    let at = tomorrow();
    assert!(send(&sharing, at) && send(&sharing, at));
    let lines = server.lines();
    assert_eq!((server.mails(), counted(&sharing, "sent")), (1, 1));
    let has = |line: &str| lines.iter().any(|found| found == line);
    // "\0lockstep\0hush" in base64.
    for line in [
        "MAIL FROM:<desk@lockstep.example>",
        "RCPT TO:<safety@birds.example>",
        "RCPT TO:<jo@birds.example>",
        "AUTH PLAIN AGxvY2tzdGVwAGh1c2g=",
    ] {
        assert!(lines.iter().any(|found| found.starts_with(line)), "{line}: {lines:#?}");
    }
    assert!(
        has("Auto-Submitted: auto-generated") && has("From: \"Lockstep desk\" <desk@lockstep.example>"),
        "{lines:#?}"
    );
    assert!(lines.iter().any(|line| line.starts_with("Subject: Lockstep: digest for birds, ")), "{lines:#?}");
    let own = cluster.accounts.iter().filter(|account| account.platform == "twitter").count();
    assert!(has("       1  cases shared with you for the first time"), "{lines:#?}");
    assert!(has(&format!("{own:>8}  accounts shared, changed or withdrawn")), "{lines:#?}");
    let date = at.to_zoned(jiff::tz::TimeZone::UTC).date();
    assert!(has(&format!("https://lockstep.example/feed/digest?days=1&until={date}")), "{lines:#?}");
    let all = lines.join("\n");
    for account in &cluster.accounts {
        assert!(!all.contains(&account.account_id) && !all.contains(&account.account_name));
    }
    // Another instance, or the same one after a restart, sends no second mail; the next day has its own.
    drop(sharing);
    let sharing = with_digest(&place, by_mail(&server));
    assert!(send(&sharing, at));
    assert_eq!(server.mails(), 1);
    assert!(send(&sharing, at + SignedDuration::from_hours(24)));
    assert_eq!(server.mails(), 2);
    assert!(server.lines().contains(&"       0  cases shared with you for the first time".to_owned()));
}

async fn a_digest_that_fails_is_tried_again((_folder, place): Place) {
    let server = MailServer::start(vec!["451 try later"]);
    let sharing = with_digest(&place, by_mail(&server));
    let at = tomorrow();
    assert!(!send(&sharing, at));
    assert_eq!((counted(&sharing, "failed"), counted(&sharing, "sent")), (1, 0));
    assert_eq!(sharing.inner.metrics.errors.with_label_values(&["digest"]).get(), 1);
    assert!(send(&sharing, at) && send(&sharing, at));
    assert_eq!((counted(&sharing, "failed"), counted(&sharing, "sent"), server.mails()), (1, 1, 2));
    // A second try is the same mail.
    let ids: std::collections::BTreeSet<String> =
        server.lines().into_iter().filter(|line| line.starts_with("Message-ID: ")).collect();
    assert_eq!(ids.len(), 1);
    // A server that cannot be encrypted to gets neither the password nor the mail.
    let before = server.lines().len();
    let sharing = with_digest(&place, Digest { smtp_tls: SmtpTls::Starttls, ..by_mail(&server) });
    assert!(!send(&sharing, at + SignedDuration::from_hours(24)));
    assert!(server.lines()[before..].iter().all(|line| line.starts_with("EHLO") || line == "QUIT" || line.is_empty()));
}

async fn a_digest_can_be_a_file((_folder, place): Place) {
    let folder = tempfile::tempdir().unwrap();
    let mails = folder.path().join("mails");
    let sharing = with_digest(&place, Digest { folder: mails.display().to_string(), ..Digest::default() });
    let at = tomorrow();
    assert!(send(&sharing, at) && send(&sharing, at));
    let files: Vec<_> = std::fs::read_dir(&mails).unwrap().map(|file| file.unwrap().path()).collect();
    let date = at.to_zoned(jiff::tz::TimeZone::UTC).date();
    assert_eq!(files, [mails.join(format!("birds-1d-{date}.eml"))]);
    let text = std::fs::read_to_string(&files[0]).unwrap();
    assert!(text.contains("To: safety@birds.example, Jo <jo@birds.example>\r\n"), "{text}");
}
