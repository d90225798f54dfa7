//! Legal hold: what a case says has to be preserved, for a court or an authority. A held case is
//! neither erased nor deleted because it is old; reviews and sharing go on as usual.
//!
//! One person suffices to preserve. To give the case free, another person has to agree.

use jiff::Timestamp;

use crate::{
    audit::Entry,
    case::{Case, Illegal, LegalHold},
    facts::is_same_person,
};

impl Case {
    /// Puts the case under legal hold.
    pub fn place_hold(&mut self, reason: &str, by: &str, now: Timestamp) -> Result<Entry, Illegal> {
        if let Some(hold) = &self.hold {
            return self.refuse("hold", &format!("{} has put it under legal hold already: {}", hold.by, hold.reason));
        }
        if text_format::is_blank(reason) {
            return self.refuse("hold", "enter why it must be preserved, and for whom");
        }
        self.hold = Some(LegalHold { by: by.to_owned(), at: now, reason: reason.to_owned() });
        self.changed_at = now;
        Ok(self.entry(by, "hold_placed", format!("under legal hold: {reason}"), now))
    }

    /// Lifts the legal hold. A person other than the one who placed it has to do it.
    pub fn lift_hold(&mut self, reason: &str, by: &str, now: Timestamp) -> Result<Entry, Illegal> {
        let Some(hold) = &self.hold else {
            return self.refuse("lift the legal hold of", "it is under none");
        };
        if is_same_person(&hold.by, by) {
            return self.refuse("lift the legal hold of", &format!("{by} placed it: another person has to lift it"));
        }
        if text_format::is_blank(reason) {
            return self.refuse("lift the legal hold of", "enter why it need not be preserved any more");
        }
        self.hold = None;
        self.changed_at = now;
        Ok(self.entry(by, "hold_lifted", format!("the legal hold is lifted: {reason}"), now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_holds_a_case_and_another_lifts_it() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let (mut case, _) = Case::nominate("c", 1, now);
        assert!(case.lift_hold("over", "ben", now).unwrap_err().why.contains("under none"));
        assert!(case.place_hold(" ", "ann", now).unwrap_err().why.contains("enter why"));
        let entry = case.place_hold("court order 12", "ann", now).unwrap();
        assert_eq!((entry.action.as_str(), entry.text.as_str()), ("hold_placed", "under legal hold: court order 12"));
        assert!(case.place_hold("again", "ben", now).unwrap_err().why.contains("court order 12"));
        assert!(case.lift_hold("over", " Ann", now).unwrap_err().why.contains("another person"));
        assert!(case.lift_hold("", "ben", now).unwrap_err().why.contains("enter why"));
        assert_eq!(case.lift_hold("over", "ben", now).unwrap().action, "hold_lifted");
        assert_eq!(case.hold, None);
    }
}
