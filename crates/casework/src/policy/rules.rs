//! The nine rules by name, and their settings: for each class, when a recipient is notified, of
//! what, and who has to sign off.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

use crate::{
    Tlp,
    recipients::{Class, Partner, Recipient},
};

/// Part of every notice to a platform that names an account.
pub const VOLUNTARY: &str =
    "Any action on these accounts is voluntary and the platform's own decision under its own rules.";

/// A rule, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// 1. A case is decided by people, never by a score alone.
    NominateThenDecide,
    /// 2. Nothing is shared before the sources-and-methods check is recorded; redaction depends on
    ///    the class.
    SourcesAndMethodsFirst,
    /// 3. A victim is notified as the policy says, and cannot prevent the notification of others.
    ///    Security and political sensitivity are considered, and the consideration is recorded.
    NoVetoForTheVictim,
    /// 4. The Secret Service is always notified of an operation against a major candidate.
    SecretServiceAlways,
    /// 5. A state's chief election official is notified of a breach of its election systems; a
    ///    delay needs a named approver.
    LocalBreach,
    /// 6. No rule reads a viewpoint.
    NoPartisanPolitics,
    /// 7. A public notice needs an answer to two questions: does it amplify the message, and does
    ///    it harm the victims again?
    DoNotAmplify,
    /// 8. Every notice to a platform says that any action is voluntary.
    PlatformsDecide,
    /// 9. A case records which existing duties to notify victims apply in addition.
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

    /// The rule's number, from 1.
    pub fn number(self) -> u8 {
        self as u8 + 1
    }

    /// The rule's name, for people.
    pub fn title(self) -> &'static str {
        match self {
            Rule::NominateThenDecide => "nominate, then decide",
            Rule::SourcesAndMethodsFirst => "sources and methods first",
            Rule::NoVetoForTheVictim => "no veto for the victim",
            Rule::SecretServiceAlways => "the Secret Service is always notified",
            Rule::LocalBreach => "local breach of election systems",
            Rule::NoPartisanPolitics => "partisan politics plays no role",
            Rule::DoNotAmplify => "do not amplify, do not harm victims again",
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

/// A form in which a recipient receives a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Product {
    /// Machine-readable objects in a platform's own collection.
    PlatformFeed,
    /// A letter.
    NotificationLetter,
    /// A briefing that helps a candidate to protect itself.
    DefensiveBriefing,
    /// A public notice.
    PublicNotice,
}

impl Product {
    /// The name for people.
    pub fn label(self) -> &'static str {
        match self {
            Product::PlatformFeed => "platform feed",
            Product::NotificationLetter => "notification letter",
            Product::DefensiveBriefing => "defensive briefing",
            Product::PublicNotice => "public notice",
        }
    }
}

/// When recipients of a class are notified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotifyWhen {
    /// Always; nobody can deselect the recipient.
    Always,
    /// Unless a releaser selected recipients without this one.
    ByDefault,
    /// Only if a releaser selected the recipient.
    WhenChosen,
    /// Never.
    Never,
}

/// Which accounts a recipient sees by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccountIds {
    /// Accounts of the recipient's own platform.
    OwnPlatform,
    /// All.
    All,
    /// None.
    None,
}

/// What a recipient sees of accounts without an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Elsewhere {
    /// Counts per platform, and for each account a pseudonym that only this recipient receives.
    Pseudonyms,
    /// Counts per platform.
    Counts,
    /// One total count.
    Total,
}

/// What recipients of a class see of a case. Everything else is left out of their products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Redaction {
    /// Which accounts are shown by id.
    pub account_ids: AccountIds,
    /// What is shown of the other accounts.
    pub elsewhere: Elsewhere,
    /// Whether accounts shown by id also have their handles and display names.
    pub handles: bool,
    /// Whether posts are shown by id.
    pub post_ids: bool,
    /// Whether the links, hashtags and texts that the accounts shared are shown.
    pub keys: bool,
    /// Whether the sources of these keys are shown (a domain, a reposted account).
    pub source_names: bool,
    /// Whether scores, weights, thresholds and the model's reasons are shown.
    pub model_internals: bool,
}

impl Redaction {
    /// Whether anything shown identifies an account.
    pub fn names_accounts(&self) -> bool {
        self.account_ids != AccountIds::None || self.handles
    }

    /// Names of what is left out; empty if everything is shown.
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

/// Settings of a class of recipients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ClassRule {
    /// When a recipient is notified of a case that concerns it. A case concerns a platform with
    /// accounts in it, a target or victim, and the Secret Service if a major candidate is a target.
    pub concerned: NotifyWhen,
    /// When a recipient is notified of a case that does not concern it.
    pub otherwise: NotifyWhen,
    /// The products that it receives.
    pub products: Vec<Product>,
    /// What it sees.
    pub shows: Redaction,
    /// Roles that have to sign off before this class is notified.
    pub sign_off: Vec<String>,
    /// TLP marking of its products.
    pub tlp: Tlp,
}

/// The settings of all rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Rules {
    /// Settings per class, in the order of [`Class::ALL`].
    classes: [ClassRule; 7],
    /// Names of people who may approve a delay for a state's chief election official; empty allows
    /// anybody.
    pub delay_approvers: Vec<String>,
    /// Longest such delay, in days from its record.
    pub longest_delay_days: u32,
}

impl Rules {
    /// Rules with the settings of each class, in the order of [`Class::ALL`].
    pub fn new(classes: [ClassRule; 7], delay_approvers: Vec<String>, longest_delay_days: u32) -> Rules {
        Rules { classes, delay_approvers, longest_delay_days }
    }

    /// The settings of a class.
    pub fn class(&self, class: Class) -> &ClassRule {
        &self.classes[class as usize]
    }

    /// The roles in which the rules ask for sign-offs.
    pub fn sign_off_roles(&self) -> BTreeSet<&str> {
        self.classes.iter().flat_map(|class| &class.sign_off).map(String::as_str).collect()
    }

    /// The default rules, the same as in `config/sharing.toml`.
    pub fn with_marking(tlp: Tlp) -> Rules {
        Rules::new(Class::ALL.map(|class| default_class(class, tlp)), Vec::new(), 30)
    }
}

/// The recipients and the rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Policy {
    /// Recipients, in the order of the file.
    pub recipients: Vec<Recipient>,
    /// The settings of all rules.
    pub rules: Rules,
}

impl Policy {
    /// The platforms. Each has its own TAXII collection.
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
            NotifyWhen::ByDefault,
            NotifyWhen::Never,
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
            ..rule(NotifyWhen::WhenChosen, NotifyWhen::WhenChosen, letter, hidden)
        },
        Class::StateLocal | Class::PrivateSector => rule(NotifyWhen::ByDefault, NotifyWhen::WhenChosen, letter, hidden),
        Class::Candidate => rule(
            NotifyWhen::ByDefault,
            NotifyWhen::Never,
            vec![Product::DefensiveBriefing],
            Redaction { keys: true, source_names: true, ..hidden },
        ),
        Class::SecretService => rule(
            NotifyWhen::Always,
            NotifyWhen::WhenChosen,
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
                NotifyWhen::WhenChosen,
                NotifyWhen::WhenChosen,
                vec![Product::PublicNotice],
                Redaction { elsewhere: Elsewhere::Total, ..hidden },
            )
        },
    }
}
