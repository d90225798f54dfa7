//! The digest of a period for one partner: counts and a link. It names no account and no case.

use jiff::{SignedDuration, tz::TimeZone};

use crate::config::digest::Period;
use casework::digest::Counts;

/// A digest.
pub(crate) struct Digest<'a> {
    pub identity: &'a str,
    pub partner: &'a str,
    pub period: Period,
    pub counts: Counts,
    /// URL of this service, without a slash at its end.
    pub public_url: &'a str,
}

impl Digest<'_> {
    /// `23 Nov 2026 to 29 Nov 2026`, with both days.
    pub fn days(&self) -> String {
        let first = text_format::day(self.period.from);
        let last = text_format::day(self.period.until - SignedDuration::from_nanos(1));
        if first == last { first } else { format!("{first} to {last}") }
    }

    /// URL of the page with the same counts. The partner logs in there with its key.
    pub fn link(&self) -> String {
        let date = self.period.until.to_zoned(TimeZone::UTC).date();
        format!("{}/feed/digest?days={}&until={date}", self.public_url, self.period.days())
    }

    pub fn subject(&self) -> String {
        format!("{}: digest for {}, {}", self.identity, self.partner, self.days())
    }

    /// The text of the mail.
    pub fn text(&self) -> String {
        let mut text = format!("What {} shared with {}, {} (UTC):\n\n", self.identity, self.partner, self.days());
        for (count, words) in self.counts.lines() {
            text.push_str(&format!("{:>8}  {words}\n", text_format::thousands(count)));
        }
        text.push_str(&format!(
            "\nThis page has these counts as they are now, and leads to the accounts.\nLog in there with your partner name and your API key:\n{}\n\n\
             What is done about an account is your own, voluntary decision.\n",
            self.link()
        ));
        text
    }
}
