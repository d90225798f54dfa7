//! The nine rules by name, and what about them is data: which class is told when, of what, and who has to agree.

use std::fmt;

use messages::cluster::ClusterMessage;
use serde::{Deserialize, Serialize};

use super::decide::Terms;
use crate::{
    Tlp,
    recipients::{Class, Partner, Recipient},
};

/// Said to every platform that is told of an account.
pub const VOLUNTARY: &str =
    "Any action on these accounts is voluntary and the platform's own decision under its own rules.";

/// A rule, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// 1. A case is decided by people, never by a score alone.
    NominateThenDecide,
    /// 2. Nothing leaves before the sources-and-methods check is recorded; redaction goes by class.
    SourcesAndMethodsFirst,
    /// 3. A victim is told where the policy says so and cannot stop others from being told; security and political
    ///    sensitivity are considered, and that is recorded.
    NoVetoForTheVictim,
    /// 4. The Secret Service is always told of what is directed against a major candidate.
    SecretServiceAlways,
    /// 5. A state's chief election official is told of a breach of its election systems; a delay needs a named approver.
    LocalBreach,
    /// 6. No rule reads a viewpoint.
    NoPartisanPolitics,
    /// 7. A public notice answers whether it amplifies and whether it re-victimises.
    DoNotAmplify,
    /// 8. Every notice to a platform says that action is voluntary.
    PlatformsDecide,
    /// 9. A case notes which existing duties to notify victims also apply.
    SupplementNotReplace,
}

impl Rule {
    /// All rules, by number.
    pub const ALL: [Rule; 9] = [
        Rule::NominateThenDecide,
        Rule::SourcesAndMethodsFirst,
        Rule::NoVetoForTheVictim,
        Rule::SecretServiceAlways,
        Rule::LocalBreach,
        Rule::NoPartisanPolitics,
        Rule::DoNotAmplify,
        Rule::PlatformsDecide,
        Rule::SupplementNotReplace,
    ];

    /// Its number, from 1.
    pub fn number(self) -> u8 {
        self as u8 + 1
    }

    /// Its name, for people.
    pub fn title(self) -> &'static str {
        match self {
            Rule::NominateThenDecide => "nominate, then decide",
            Rule::SourcesAndMethodsFirst => "sources and methods first",
            Rule::NoVetoForTheVictim => "no veto for the victim",
            Rule::SecretServiceAlways => "the Secret Service is always told",
            Rule::LocalBreach => "local breach of election systems",
            Rule::NoPartisanPolitics => "partisan politics plays no role",
            Rule::DoNotAmplify => "do not amplify, do not re-victimise",
            Rule::PlatformsDecide => "platforms decide for themselves",
            Rule::SupplementNotReplace => "supplement, not replace",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {}, {}", self.number(), self.title())
    }
}

/// What a recipient gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Product {
    /// Objects for machines, in a platform's own collection.
    PlatformFeed,
    /// A letter.
    NotificationLetter,
    /// A briefing that helps a candidate to protect itself.
    DefensiveBriefing,
    /// A notice to everybody.
    PublicNotice,
}

impl Product {
    /// In words.
    pub fn label(self) -> &'static str {
        match self {
            Product::PlatformFeed => "platform feed",
            Product::NotificationLetter => "notification letter",
            Product::DefensiveBriefing => "defensive briefing",
            Product::PublicNotice => "public notice",
        }
    }
}

/// Whether recipients of a class are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// Always; nobody can leave it out.
    Always,
    /// Unless a releaser chose recipients and left it out.
    ByDefault,
    /// Only if a releaser chose it.
    WhenChosen,
    /// Never.
    Never,
}

/// Which accounts are named by their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccountIds {
    /// Those of the recipient's own platform.
    OwnPlatform,
    /// All.
    All,
    /// None.
    None,
}

/// What is said of accounts that are not named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Elsewhere {
    /// How many there are per platform, and a pseudonym for each that only this recipient gets.
    Pseudonyms,
    /// How many there are per platform.
    Counts,
    /// How many there are in all.
    Total,
}

/// What recipients of a class see of a case. Whatever is not shown is left out of every product they get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Redaction {
    /// Which accounts are named by their ids.
    pub account_ids: AccountIds,
    /// What is said of the other accounts.
    pub elsewhere: Elsewhere,
    /// Whether accounts that are named come with their handles and display names.
    pub handles: bool,
    /// Whether posts are named by their ids.
    pub post_ids: bool,
    /// Whether the links, hashtags and texts on which they acted together are shown.
    pub keys: bool,
    /// Whether the sources of those are named (a domain, an account that was reposted).
    pub source_names: bool,
    /// Whether scores, weights, thresholds and the model's reasons are shown.
    pub model_internals: bool,
}

impl Redaction {
    /// Whether any account can be told from what is shown.
    pub fn names_accounts(&self) -> bool {
        self.account_ids != AccountIds::None || self.handles
    }

    /// What is left out, in words; empty where everything is shown.
    pub fn left_out(&self) -> Vec<&'static str> {
        let mut out = Vec::new();
        match self.account_ids {
            AccountIds::All => {}
            AccountIds::OwnPlatform => out.push("account ids of other platforms"),
            AccountIds::None => out.push("account ids"),
        }
        match (self.account_ids, self.elsewhere) {
            (AccountIds::All, _) => {}
            (_, Elsewhere::Pseudonyms) => out.push("other accounts (as counts per platform and pseudonyms)"),
            (_, Elsewhere::Counts) => out.push("other accounts (as counts per platform)"),
            (_, Elsewhere::Total) => out.push("other accounts (as one count)"),
        }
        for (shown, what) in [
            (self.handles, "handles and display names"),
            (self.post_ids, "post ids"),
            (self.keys, "links, hashtags and texts"),
            (self.source_names, "names of sources"),
            (self.model_internals, "model internals"),
        ] {
            if !shown {
                out.push(what);
            }
        }
        out
    }
}

/// What is data about a class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ClassRule {
    /// Whether a recipient is told that the case concerns: a platform with accounts in it, a target or victim, the Secret
    /// Service where a major candidate is concerned.
    pub concerned: Told,
    /// Whether a recipient is told that it does not concern.
    pub otherwise: Told,
    /// What it gets.
    pub products: Vec<Product>,
    /// What it sees.
    pub shows: Redaction,
    /// Roles that have to sign off before this class is told.
    pub sign_off: Vec<String>,
    /// Marking of what it gets.
    pub tlp: Tlp,
}

/// What is data about the rules, complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Rules {
    /// Per class, in the order of [`Class::ALL`].
    classes: [ClassRule; 7],
    /// Who may approve that a state's chief election official is told later; anybody where empty.
    pub delay_approvers: Vec<String>,
    /// Longest such delay, days from its record.
    pub longest_delay_days: u32,
}

impl Rules {
    /// Classes in the order of [`Class::ALL`].
    pub fn new(classes: [ClassRule; 7], delay_approvers: Vec<String>, longest_delay_days: u32) -> Rules {
        Rules { classes, delay_approvers, longest_delay_days }
    }

    /// What is data about a class.
    pub fn class(&self, class: Class) -> &ClassRule {
        &self.classes[class as usize]
    }

    /// The rules without a file: what `config/sharing.toml` says.
    pub fn with_marking(tlp: Tlp) -> Rules {
        Rules::new(Class::ALL.map(|class| default_class(class, tlp)), Vec::new(), 30)
    }
}

/// Who may be told, and by which rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Policy {
    /// In the order of the file.
    pub recipients: Vec<Recipient>,
    /// What is data about the rules.
    pub rules: Rules,
}

impl Policy {
    /// What a decision about this finding rests on.
    pub fn terms<'a>(&'a self, cluster: &'a ClusterMessage) -> Terms<'a> {
        Terms { cluster, recipients: &self.recipients, rules: &self.rules }
    }

    /// The platforms, each of which has a TAXII collection of its own.
    pub fn partners(&self) -> Vec<Partner> {
        let platforms = self.recipients.iter().filter_map(|recipient| Some((recipient, recipient.platform.clone()?)));
        platforms
            .map(|(recipient, platform)| Partner {
                name: recipient.name.clone(),
                platform,
                tlp_ceiling: recipient.tlp_ceiling,
                webhook: recipient.webhook.clone(),
            })
            .collect()
    }
}

fn default_class(class: Class, tlp: Tlp) -> ClassRule {
    let hidden = Redaction {
        account_ids: AccountIds::None,
        elsewhere: Elsewhere::Counts,
        handles: false,
        post_ids: false,
        keys: false,
        source_names: false,
        model_internals: false,
    };
    let letter = vec![Product::NotificationLetter];
    let rule = |concerned, otherwise, products, shows| ClassRule {
        concerned,
        otherwise,
        products,
        shows,
        sign_off: Vec::new(),
        tlp,
    };
    match class {
        Class::Platform => rule(
            Told::ByDefault,
            Told::Never,
            vec![Product::PlatformFeed],
            Redaction {
                account_ids: AccountIds::OwnPlatform,
                elsewhere: Elsewhere::Pseudonyms,
                handles: true,
                post_ids: true,
                keys: true,
                source_names: true,
                model_internals: true,
            },
        ),
        Class::Congress => ClassRule {
            sign_off: vec!["congressional affairs".to_owned()],
            ..rule(Told::WhenChosen, Told::WhenChosen, letter, hidden)
        },
        Class::StateLocal | Class::PrivateSector => rule(Told::ByDefault, Told::WhenChosen, letter, hidden),
        Class::Candidate => rule(
            Told::ByDefault,
            Told::Never,
            vec![Product::DefensiveBriefing],
            Redaction { keys: true, source_names: true, ..hidden },
        ),
        Class::SecretService => rule(
            Told::Always,
            Told::WhenChosen,
            letter,
            Redaction {
                account_ids: AccountIds::All,
                handles: true,
                post_ids: true,
                keys: true,
                source_names: true,
                ..hidden
            },
        ),
        Class::Public => ClassRule {
            sign_off: vec!["public affairs".to_owned()],
            tlp: Tlp::Clear,
            ..rule(
                Told::WhenChosen,
                Told::WhenChosen,
                vec![Product::PublicNotice],
                Redaction { elsewhere: Elsewhere::Total, ..hidden },
            )
        },
    }
}
