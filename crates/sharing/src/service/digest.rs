//! The digest that partners get by mail: one for each period, with counts and a link.
//!
//! A digest is claimed in the database before it is sent, and marked when the mail server has taken it, so two instances never send
//! two. A failure gives it back, and it is tried again. Where the process ends between the two, nobody knows whether it was sent: it is
//! not sent again, and half an hour later the log says so.

use std::{
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use lettre::{
    Message, SmtpTransport, Transport,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use runtime::shutdown::Shutdown;
use sha2::{Digest as _, Sha256};

use super::{Inner, Sharing, SharingError};
use crate::{
    config::digest::{Digest as Settings, Period, SmtpTls},
    publish::digest::Digest,
};

/// How often it is looked whether a period has ended.
const EVERY: Duration = Duration::from_secs(60);
/// How long after a failure it is tried again; twice as long after each further one, up to the second.
const AGAIN: [Duration; 2] = [Duration::from_secs(300), Duration::from_secs(6 * 3_600)];
/// Time for each answer of the mail server: less than a service manager waits for the end of a service.
const PATIENCE: Duration = Duration::from_secs(60);
/// What stands in the name of a file as a percent sign and two digits.
const IN_FILE_NAMES: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');
/// A claim of this age was not kept: the process ended.
const LOST: SignedDuration = SignedDuration::from_mins(30);

/// Sends digests until `shutdown`.
pub(crate) async fn run(sharing: &Sharing, shutdown: &Shutdown) -> Result<(), SharingError> {
    let mut not_before: Option<Instant> = None;
    let mut again = AGAIN[0];
    while !shutdown.is_stopping() {
        if not_before.is_none_or(|time| time <= Instant::now()) {
            let stop = shutdown.clone();
            let done =
                sharing.blocking(move |inner| inner.send_digests(Timestamp::now(), &|| stop.is_stopping())).await;
            match done {
                Ok(true) => {
                    sharing.inner.succeeded("digest", "digests are sent");
                    (not_before, again) = (None, AGAIN[0]);
                }
                failed => {
                    // Each failure of a mail is told where it happens.
                    if let Err(error) = failed {
                        sharing.inner.failed("digest", &error, "digests could not be sent, it is tried again");
                    }
                    not_before = Some(Instant::now() + again);
                    again = (again * 2).min(AGAIN[1]);
                }
            }
        }
        tokio::select! {
            () = shutdown.stopping() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
    Ok(())
}

impl Inner {
    /// Sends the digests of the last period that are not sent yet. False if one of them could not be sent.
    pub(crate) fn send_digests(&self, now: Timestamp, is_stopping: &dyn Fn() -> bool) -> Result<bool, SharingError> {
        let settings = &self.config.digest;
        let Some(period) = settings.every.last_period(now) else { return Ok(true) };
        for partner in self.store.give_up_digests(now.checked_sub(LOST).unwrap_or(Timestamp::MIN), now)? {
            tracing::warn!(partner, "the service ended while it sent a digest; it is not sent again");
        }
        let mut all = true;
        for (partner, to) in settings.to.iter().filter(|(_, to)| !to.is_empty()) {
            if is_stopping() {
                return Ok(all);
            }
            let Some(counts) = self.store.digest_counts(partner, period)? else { continue };
            if !self.store.claim_digest(partner, period, now)? {
                continue;
            }
            let public_url = self.config.public_url.trim_end_matches('/');
            let digest = Digest { identity: &self.config.identity, partner, period, counts, public_url };
            let sent =
                message(settings, &digest, to, now).and_then(|message| deliver(settings, partner, period, &message));
            self.store.end_digest(partner, period, sent.is_ok().then_some(now))?;
            let outcome = if sent.is_ok() { "sent" } else { "failed" };
            self.metrics.digests.with_label_values(&[outcome]).inc();
            if let Err(error) = sent {
                all = false;
                self.failed(
                    "digest",
                    &error,
                    &format!("the digest for {partner} could not be sent, it is tried again"),
                );
            }
        }
        Ok(all)
    }
}

/// The mail. The same digest has the same Message-ID, by which a mail server can tell a second try after a lost answer.
fn message(settings: &Settings, digest: &Digest<'_>, to: &[String], now: Timestamp) -> Result<Message, String> {
    let mailbox =
        |text: &String| text.parse::<Mailbox>().map_err(|error| format!("{text:?} is no mail address: {error}"));
    let from = mailbox(&settings.from)?;
    let named = format!("{}\u{1f}{}\u{1f}{}", digest.public_url, digest.partner, digest.link());
    let id = &text_format::hex(&Sha256::digest(named))[..32];
    let mut message = Message::builder()
        .message_id(Some(format!("<digest.{id}@{}>", from.email.domain())))
        .from(from)
        .subject(digest.subject())
        .date(now.into())
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()))
        .header(ContentType::TEXT_PLAIN);
    for text in to {
        message = message.to(mailbox(text)?);
    }
    message.body(digest.text()).map_err(|error| error.to_string())
}

fn deliver(settings: &Settings, partner: &str, period: Period, message: &Message) -> Result<(), String> {
    match settings.folder() {
        Some(folder) => {
            let until = period.until.to_zoned(TimeZone::UTC).date();
            let name = format!("{}-{}d-{until}.eml", utf8_percent_encode(partner, IN_FILE_NAMES), period.days());
            write(&folder, &name, &message.formatted())
        }
        None => send(settings, message),
    }
}

fn write(folder: &Path, name: &str, mail: &[u8]) -> Result<(), String> {
    let said = |error: std::io::Error| format!("cannot write {}: {error}", folder.join(name).display());
    std::fs::create_dir_all(folder).map_err(said)?;
    atomic_file::write(&folder.join(name), atomic_file::Kind::State, |file| file.write_all(mail)).map_err(said)
}

fn send(settings: &Settings, message: &Message) -> Result<(), String> {
    let host = &settings.smtp_host;
    let read = |path: &str| std::fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"));
    let parameters = || {
        let mut parameters = TlsParameters::builder(host.clone());
        if !settings.smtp_ca.is_empty() {
            let pem = read(&settings.smtp_ca)?;
            let wrong = |error| format!("{} has no certificate that can be used: {error}", settings.smtp_ca);
            parameters = parameters.add_root_certificate(Certificate::from_pem(pem.as_bytes()).map_err(wrong)?);
        }
        parameters.build_rustls().map_err(|error| error.to_string())
    };
    let tls = match settings.smtp_tls {
        SmtpTls::None => Tls::None,
        SmtpTls::Starttls => Tls::Required(parameters()?),
        SmtpTls::Tls => Tls::Wrapper(parameters()?),
    };
    let mut transport =
        SmtpTransport::builder_dangerous(host).port(settings.smtp_port).tls(tls).timeout(Some(PATIENCE));
    if !settings.smtp_user.is_empty() {
        let password = match settings.smtp_password_file.as_str() {
            "" => settings.smtp_password.clone(),
            file => read(file)?.lines().next().unwrap_or_default().to_owned(),
        };
        transport = transport.credentials(Credentials::new(settings.smtp_user.clone(), password));
    }
    transport.build().send(message).map(drop).map_err(|error| format!("{host}:{}: {error}", settings.smtp_port))
}
