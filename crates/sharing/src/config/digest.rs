//! What an operator can set about the digest that partners get by mail.

use std::{collections::BTreeMap, path::PathBuf};

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `[sharing.digest]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Digest {
    /// How often each partner that has addresses gets a mail with counts and a link: for each day or week (from
    /// Monday) in UTC, after its end.
    #[schemars(with = "String", extend("enum" = ["off", "daily", "weekly"]))]
    pub every: Every,
    /// Who the mail is from, as "Lockstep <lockstep@example.org>".
    pub from: String,
    /// Addresses of each partner, by its name in the file of recipients.
    #[schemars(extend("example" = "example-network = [\"trust-and-safety@network.example\"]"))]
    pub to: BTreeMap<String, Vec<String>>,
    /// Folder into which mails are written as files, NAME.eml, instead of being sent; it is made where missing.
    pub folder: String,
    /// Name of the mail server that takes the mails (SMTP).
    pub smtp_host: String,
    /// Its port: 587 for submission with STARTTLS, 465 for TLS from the beginning.
    #[schemars(range(min = 1, max = 65535), extend("unit" = "(TCP port)"))]
    pub smtp_port: u16,
    /// How the connection is encrypted. "none" is for a server on loopback only.
    #[schemars(with = "String", extend("enum" = ["starttls", "tls", "none"]))]
    pub smtp_tls: SmtpTls,
    /// File with the certificates of a private authority of the mail server, PEM. The machine's own list counts, too.
    pub smtp_ca: String,
    /// User at the mail server; nobody logs in where empty.
    pub smtp_user: String,
    /// The password. Better in the environment, LOCKSTEP__SHARING__DIGEST__SMTP_PASSWORD, or in a file.
    pub smtp_password: String,
    /// File with the password, on its first line; it is read for every mail.
    pub smtp_password_file: String,
}

/// How often there is a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Every {
    /// There is none.
    Off,
    /// One for each day.
    Daily,
    /// One for each week.
    Weekly,
}

/// How the connection to the mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// From the command STARTTLS on; without it nothing is sent.
    Starttls,
    /// From the beginning.
    Tls,
    /// Not at all.
    None,
}

impl Default for Digest {
    fn default() -> Self {
        Self {
            every: Every::Off,
            from: String::new(),
            to: BTreeMap::new(),
            folder: String::new(),
            smtp_host: String::new(),
            smtp_port: 587,
            smtp_tls: SmtpTls::Starttls,
            smtp_ca: String::new(),
            smtp_user: String::new(),
            smtp_password: String::new(),
            smtp_password_file: String::new(),
        }
    }
}

/// A period of whole days in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period {
    /// The first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
}

impl Period {
    /// Days until a moment.
    pub fn before(until: Timestamp, days: i64) -> Option<Period> {
        Some(Period { from: until.checked_sub(SignedDuration::from_hours(24 * days)).ok()?, until })
    }

    /// How many days it has.
    pub fn days(self) -> i64 {
        self.from.duration_until(self.until).as_hours() / 24
    }
}

impl Every {
    /// The last period that has ended. None if there is no digest.
    pub(crate) fn last_period(self, now: Timestamp) -> Option<Period> {
        let day = now.as_second().div_euclid(86_400);
        let (end, days) = match self {
            Every::Off => return None,
            Every::Daily => (day, 1),
            // The first day of the epoch was a Thursday.
            Every::Weekly => ((day + 3).div_euclid(7) * 7 - 3, 7),
        };
        Period::before(Timestamp::from_second(end * 86_400).ok()?, days)
    }
}

impl Digest {
    /// Meaning what is wrong with the values, with the name of the key.
    pub(crate) fn check(&self, public_url: &str) -> Result<(), String> {
        let address = |key: &str, text: &str| {
            let mailbox = text.parse::<lettre::message::Mailbox>();
            mailbox
                .map(drop)
                .map_err(|error| format!("sharing.digest.{key} has {text:?}, which is no mail address: {error}"))
        };
        for (partner, addresses) in &self.to {
            addresses.iter().try_for_each(|text| address(&format!("to.{partner}"), text))?;
        }
        if !self.smtp_password.is_empty() && !self.smtp_password_file.is_empty() {
            return Err("sharing.digest has both smtp_password and smtp_password_file: the password must be in one place, remove \
                        one of the two"
                .to_owned());
        }
        if self.every == Every::Off {
            return Ok(());
        }
        address("from", &self.from)?;
        if public_url.is_empty() {
            return Err(
                "sharing.digest.every is on and sharing.public_url is empty: the mail has a link to this service, set \
                        sharing.public_url"
                    .to_owned(),
            );
        }
        match (self.smtp_host.is_empty(), self.folder.is_empty()) {
            (true, true) => Err("sharing.digest.every is on, and there is neither smtp_host nor folder: name the mail server, or the \
                                 folder for files"
                .to_owned()),
            (false, false) => {
                Err("sharing.digest has both smtp_host and folder: mails are sent or written as files, remove one of the two"
                    .to_owned())
            }
            (false, true) if self.smtp_tls == SmtpTls::None && !is_loopback(&self.smtp_host) => Err(format!(
                "sharing.digest.smtp_tls is \"none\" and the mail server {:?} is not on loopback: use \"starttls\" or \"tls\"",
                self.smtp_host
            )),
            _ => Ok(()),
        }
    }

    /// The folder for files, if mails are not sent.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        (!self.folder.is_empty()).then(|| PathBuf::from(&self.folder))
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_whole_days_and_weeks_from_monday() {
        let now: Timestamp = "2026-12-01T15:00:00Z".parse().unwrap();
        let days = |every: Every, now: Timestamp| {
            every.last_period(now).map(|period| (period.from.to_string(), period.until.to_string(), period.days()))
        };
        let of =
            |from: &str, until: &str, days| Some((format!("{from}T00:00:00Z"), format!("{until}T00:00:00Z"), days));
        assert_eq!(days(Every::Off, now), None);
        assert_eq!(days(Every::Daily, now), of("2026-11-30", "2026-12-01", 1));
        assert_eq!(days(Every::Weekly, now), of("2026-11-23", "2026-11-30", 7));
        let monday: Timestamp = "2026-11-30T00:00:00Z".parse().unwrap();
        assert_eq!(days(Every::Weekly, monday), of("2026-11-23", "2026-11-30", 7));
        assert_eq!(days(Every::Weekly, monday - SignedDuration::from_secs(1)), of("2026-11-16", "2026-11-23", 7));
    }

    #[test]
    fn what_is_lacking_is_said() {
        let whole = Digest {
            every: Every::Daily,
            from: "Lockstep <lockstep@example.org>".to_owned(),
            to: [("birds".to_owned(), vec!["desk@birds.example".to_owned()])].into(),
            smtp_host: "mail.example.org".to_owned(),
            ..Digest::default()
        };
        let url = "https://lockstep.example.org";
        assert_eq!((whole.check(url), Digest::default().check("")), (Ok(()), Ok(())));
        let refused = |digest: Digest, url: &str| digest.check(url).unwrap_err();
        assert!(refused(whole.clone(), "").contains("sharing.public_url"));
        assert!(refused(Digest { from: String::new(), ..whole.clone() }, url).contains("sharing.digest.from"));
        assert!(refused(Digest { smtp_host: String::new(), ..whole.clone() }, url).contains("neither"));
        assert!(refused(Digest { folder: "mails".to_owned(), ..whole.clone() }, url).contains("both"));
        assert!(refused(Digest { smtp_tls: SmtpTls::None, ..whole.clone() }, url).contains("loopback"));
        let to = [("birds".to_owned(), vec!["nobody".to_owned()])].into();
        assert!(refused(Digest { to, ..whole.clone() }, url).contains("sharing.digest.to.birds"));
        let two = Digest { smtp_password: "a".to_owned(), smtp_password_file: "b".to_owned(), ..whole };
        assert!(refused(two, url).contains("both"));
    }
}
