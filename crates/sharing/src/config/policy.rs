//! Reads the file of recipients and rules, for example `config/sharing.toml`.

use std::path::Path;

use casework::{
    Tlp,
    policy::{Policy, PolicyFile},
};

/// Reads the file. `tlp` is the marking of what is shared where a class has none of its own. An error names file, line and key.
pub fn load_policy(path: &Path, tlp: Tlp) -> Result<Policy, String> {
    let file: PolicyFile =
        configuration::load(Some(path), "LOCKSTEP_SHARING", &[]).map_err(|error| error.to_string())?;
    Policy::of(file, tlp).map_err(|problem| format!("{}: {problem}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use casework::policy::{Class, Rules};

    use super::*;
    use crate::Config;

    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/sharing.toml");

    #[test]
    fn the_commented_file_says_the_defaults() {
        let read = load_policy(std::path::Path::new(FILE), Tlp::Amber).unwrap();
        assert_eq!(read, Policy { recipients: Vec::new(), rules: Rules::with_marking(Tlp::Amber) });
        // And its examples are in order.
        let text = std::fs::read_to_string(FILE).unwrap();
        let at = text.find("# [[recipients]]").unwrap();
        let examples: String =
            text[at..].lines().map(|line| format!("{}\n", line.trim_start_matches(['#', ' ']))).collect();
        let read = load(&examples).unwrap();
        assert_eq!(read.recipients.iter().map(|r| r.class).collect::<BTreeSet<_>>(), BTreeSet::from(Class::ALL));
    }

    fn load(text: &str) -> Result<Policy, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.toml");
        std::fs::write(&path, text).unwrap();
        load_policy(&path, Tlp::Amber).map_err(|problem| problem.replace(&folder.path().display().to_string(), ""))
    }

    #[test]
    fn a_fault_in_the_file_says_where_and_what_to_do() {
        let class = |name: &str, text: &str| format!("[classes.{name}]\n{text}\n");
        let one = |text: &str| format!("[[recipients]]\nname = \"a\"\n{text}\n");
        for (text, words) in [
            ("[ruls]\nx = 1".to_owned(), "/r.toml:1: unknown key ruls, did you mean \"rules\"?"),
            (class("secret_service", "concerned = \"never\""), "classes.secret_service.concerned must be \"always\""),
            (class("secret_service", "products = []"), "classes.secret_service.products is empty"),
            (class("state_local", "concerned = \"never\"\notherwise = \"never\"\nproducts = []"), "(rule 5)"),
            (class("public", "otherwise = \"by_default\""), "people choose a public notice"),
            (class("public", "shows = { account_ids = \"all\" }"), "a public notice names no account"),
            (class("public", "tlp = \"red\""), "classes.public.tlp must be \"clear\""),
            (class("platform", "shows = { account_ids = \"all\" }"), "a platform sees only its own accounts"),
            (class("platform", "otherwise = \"always\""), "classes.platform.otherwise must be \"never\""),
            (class("congress", "shows = { handles = true }"), "a handle also identifies an account"),
            (class("congress", "shows = { handels = true }"), "did you mean \"handles\"?"),
            (class("congress", "products = [\"platform_feed\"]"), "\"platform feed\", which this class cannot receive"),
            (class("congres", ""), "did you mean \"congress\"?"),
            ("[rules]\nlongest_delay_days = 0".to_owned(), "rules.longest_delay_days is 0: set 1 to 365"),
            (one("class = \"platform\""), "recipients[0].platform is missing for \"a\""),
            (
                one("class = \"platform\"\nplatform = \"X\""),
                "recipients[0].platform is \"X\": use the platform's name as in posts, in lower case",
            ),
            (
                one("class = \"platform\"\nplatform = \"x\"\ndelivery = \"document\""),
                "recipients[0].delivery is \"document\"",
            ),
            (one("class = \"congress\""), "recipients[0].contact is empty"),
            (one("class = \"congress\"\ncontact = \"c\"\nplatform = \"x\""), "only class platform has this key"),
            (one("class = \"congress\"\ncontact = \"c\"\ndelivery = \"taxii\""), "must be \"document\""),
            (one("class = \"congress\"\ncontact = \"c\"\nstate = \"OH\""), "only class state_local has this key"),
            (one("class = \"state_local\"\ncontact = \"c\"\nstate = \"Ohio\""), "two capital letters"),
            (one("class = \"state_local\"\ncontact = \"c\"\nchief_election_official = true"), "without a state"),
            (
                one("class = \"secret_service\"\ncontact = \"c\"\ntlp_ceiling = \"clear\""),
                "this recipient must always be notified (rule 4)",
            ),
            (one("class = \"press\""), "recipients.0.class"),
            (format!("{0}{0}", one("class = \"public\"")), "recipients[1].name \"a\" is used twice"),
        ] {
            let problem = load(&text).unwrap_err();
            assert!(problem.contains(words), "{text}: {problem}");
            assert!(problem.contains("/r.toml"), "{problem}");
        }
        let missing = load_policy(std::path::Path::new("no.toml"), Tlp::Amber).unwrap_err();
        assert!(missing.contains("no.toml"), "{missing}");
    }

    #[test]
    fn certificates_belong_to_partners_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.toml");
        let text = "[[recipients]]\nname = \"birds\"\nclass = \"platform\"\nplatform = \"twitter\"\n\
                    [[recipients]]\nname = \"house\"\nclass = \"congress\"\ncontact = \"the clerk\"\n";
        std::fs::write(&path, text).unwrap();
        let mut config = Config { recipients: Some(path), ..Config::default() };
        for (name, fits) in [("birds", true), ("house", false), ("nobody", false)] {
            config.tls.clients = [(name.to_owned(), vec!["CN=feed, O=Example".to_owned()])].into();
            let refused = config.policy().err();
            assert_eq!(refused.is_none(), fits, "{refused:?}");
            let said =
                format!("sharing.tls.clients.{name} names no partner: add a recipient {name:?} of class \"platform\"");
            assert!(refused.is_none_or(|refused| refused.contains(&said)));
        }
    }
}
