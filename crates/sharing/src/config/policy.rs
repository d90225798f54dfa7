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

    use casework::policy::{Class, Partner, Rules};

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
    fn old_partners_are_recipients_and_one_name_is_one_recipient() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.toml");
        std::fs::write(&path, "[[recipients]]\nname = \"birds\"\nclass = \"platform\"\nplatform = \"twitter\"\n")
            .unwrap();
        let partner = |name: &str| Partner {
            name: name.to_owned(),
            platform: "bluesky".to_owned(),
            tlp_ceiling: Tlp::Green,
            webhook: None,
        };
        let config =
            |name: &str| Config { recipients: Some(path.clone()), partners: vec![partner(name)], ..Config::default() };
        let policy = config("skies").policy().unwrap();
        let named: Vec<_> = policy.recipients.iter().map(|r| (r.name.as_str(), r.class, r.tlp_ceiling)).collect();
        assert_eq!(named, [("birds", Class::Platform, Tlp::Amber), ("skies", Class::Platform, Tlp::Green)]);
        assert_eq!(
            policy.partners(),
            [
                Partner {
                    name: "birds".to_owned(),
                    platform: "twitter".to_owned(),
                    tlp_ceiling: Tlp::Amber,
                    webhook: None
                },
                partner("skies"),
            ]
        );
        let twice = config("birds").policy().unwrap_err();
        assert!(twice.contains("sharing.partners[0].name \"birds\"") && twice.contains("remove it"), "{twice}");
    }
}
