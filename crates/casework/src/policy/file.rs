//! The file of recipients and rules, for example `config/sharing.toml`. The caller reads the file.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::rules::{AccountIds, ClassRule, Elsewhere, NotifyWhen, Policy, Product, Redaction, Rules};
use crate::{
    Tlp,
    facts::is_state,
    recipients::{Class, Delivery, Recipient},
    typed::check_typed,
};

/// The whole file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyFile {
    recipients: Vec<Recipient>,
    rules: General,
    classes: Classes,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct General {
    delay_approvers: Vec<String>,
    longest_delay_days: u32,
}

impl Default for General {
    fn default() -> Self {
        let Rules { delay_approvers, longest_delay_days, .. } = Rules::with_marking(Tlp::Amber);
        Self { delay_approvers, longest_delay_days }
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Classes {
    platform: Setting,
    congress: Setting,
    state_local: Setting,
    private_sector: Setting,
    candidate: Setting,
    secret_service: Setting,
    public: Setting,
}

impl Classes {
    fn of(&self, class: Class) -> &Setting {
        match class {
            Class::Platform => &self.platform,
            Class::Congress => &self.congress,
            Class::StateLocal => &self.state_local,
            Class::PrivateSector => &self.private_sector,
            Class::Candidate => &self.candidate,
            Class::SecretService => &self.secret_service,
            Class::Public => &self.public,
        }
    }
}

/// The settings of a class in the file. Missing settings keep the defaults of the class.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Setting {
    concerned: Option<NotifyWhen>,
    otherwise: Option<NotifyWhen>,
    products: Option<Vec<Product>>,
    sign_off: Option<Vec<String>>,
    tlp: Option<Tlp>,
    shows: Shows,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Shows {
    account_ids: Option<AccountIds>,
    elsewhere: Option<Elsewhere>,
    handles: Option<bool>,
    post_ids: Option<bool>,
    keys: Option<bool>,
    source_names: Option<bool>,
    model_internals: Option<bool>,
}

impl Setting {
    fn over(&self, default: ClassRule) -> ClassRule {
        let (shows, shown) = (&self.shows, default.shows);
        ClassRule {
            concerned: self.concerned.unwrap_or(default.concerned),
            otherwise: self.otherwise.unwrap_or(default.otherwise),
            products: self.products.clone().unwrap_or(default.products),
            sign_off: self.sign_off.clone().unwrap_or(default.sign_off),
            tlp: self.tlp.unwrap_or(default.tlp),
            shows: Redaction {
                account_ids: shows.account_ids.unwrap_or(shown.account_ids),
                elsewhere: shows.elsewhere.unwrap_or(shown.elsewhere),
                handles: shows.handles.unwrap_or(shown.handles),
                post_ids: shows.post_ids.unwrap_or(shown.post_ids),
                keys: shows.keys.unwrap_or(shown.keys),
                source_names: shows.source_names.unwrap_or(shown.source_names),
                model_internals: shows.model_internals.unwrap_or(shown.model_internals),
            },
        }
    }
}

impl Policy {
    /// The policy of a file. `tlp` is the marking for classes without their own marking. An error
    /// names the key.
    pub fn of(file: PolicyFile, tlp: Tlp) -> Result<Policy, String> {
        let defaults = Rules::with_marking(tlp);
        let rules = Rules::new(
            Class::ALL.map(|class| file.classes.of(class).over(defaults.class(class).clone())),
            file.rules.delay_approvers,
            file.rules.longest_delay_days,
        );
        let policy = Policy { recipients: file.recipients, rules };
        policy.check()?;
        Ok(policy)
    }

    /// Checks the values. An error names the key.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=365).contains(&self.rules.longest_delay_days) {
            return Err(format!("rules.longest_delay_days is {}: set 1 to 365", self.rules.longest_delay_days));
        }
        if self.rules.delay_approvers.iter().any(|name| text_format::is_blank(name)) {
            return Err(
                "rules.delay_approvers has an empty name: remove it, or use an empty list to allow anybody".to_owned()
            );
        }
        for class in Class::ALL {
            class_fault(class, self.rules.class(class))
                .map_or(Ok(()), |fault| Err(format!("classes.{}.{fault}", class.name())))?;
        }
        let mut names = BTreeSet::new();
        for (index, recipient) in self.recipients.iter().enumerate() {
            let fault = recipient_fault(recipient, self.rules.class(recipient.class)).or_else(|| {
                let twice = !names.insert(&recipient.name);
                twice.then(|| format!("name {:?} is used twice: give each recipient a different name", recipient.name))
            });
            fault.map_or(Ok(()), |fault| Err(format!("recipients[{index}].{fault}")))?;
        }
        Ok(())
    }
}

/// An invalid setting of a class. The text begins with the key.
fn class_fault(class: Class, rule: &ClassRule) -> Option<String> {
    let by_people = |when: NotifyWhen| matches!(when, NotifyWhen::WhenChosen | NotifyWhen::Never);
    let shows = rule.shows;
    let fault = match class {
        Class::SecretService if rule.concerned != NotifyWhen::Always => {
            "concerned must be \"always\": the Secret Service is always notified of operations against a major candidate (rule 4)"
        }
        Class::Platform if rule.otherwise != NotifyWhen::Never => {
            "otherwise must be \"never\": a finding without accounts of a platform does not concern that platform"
        }
        Class::Public if !by_people(rule.concerned) || !by_people(rule.otherwise) => {
            "concerned and otherwise must be \"when_chosen\" or \"never\": people choose a public notice (rules 1 and 7)"
        }
        Class::Public if rule.tlp != Tlp::Clear => {
            "tlp must be \"clear\": a public document cannot have another marking"
        }
        Class::Public if shows.names_accounts() => {
            "shows.account_ids and shows.handles must be \"none\" and false: a public notice names no account (rule 7)"
        }
        Class::Platform if shows.account_ids == AccountIds::All => {
            "shows.account_ids must not be \"all\": a platform sees only its own accounts"
        }
        Class::Platform => "",
        _ if shows.account_ids == AccountIds::OwnPlatform => {
            "shows.account_ids must be \"all\" or \"none\": only a platform has its own accounts"
        }
        _ => "",
    };
    if !fault.is_empty() {
        return Some(fault.to_owned());
    }
    if shows.handles && shows.account_ids == AccountIds::None {
        return Some(
            "shows.handles is true although shows.account_ids is \"none\": a handle also identifies an account"
                .to_owned(),
        );
    }
    if rule.products.is_empty() && (rule.concerned, rule.otherwise) != (NotifyWhen::Never, NotifyWhen::Never) {
        return Some(
            "products is empty although the class is notified: add a product, or set concerned and otherwise to \"never\""
                .to_owned(),
        );
    }
    if class == Class::StateLocal && rule.products.is_empty() {
        return Some(
            "products is empty: a state's chief election official must be notified of a breach (rule 5)".to_owned(),
        );
    }
    let fits = |product: &Product| match product {
        Product::PlatformFeed => class == Class::Platform,
        Product::DefensiveBriefing => class == Class::Candidate,
        Product::PublicNotice => class == Class::Public,
        Product::NotificationLetter => class != Class::Public,
    };
    if let Some(product) = rule.products.iter().find(|product| !fits(product)) {
        return Some(format!("products has {:?}, which this class cannot receive", product.label()));
    }
    if rule.sign_off.iter().any(|role| text_format::is_blank(role)) {
        return Some("sign_off has an empty role: remove it, or use an empty list".to_owned());
    }
    if let Some(fault) = rule.sign_off.iter().find_map(|role| check_typed(role, "sign_off: a role").err()) {
        return Some(fault);
    }
    None
}

/// An invalid setting of a recipient. The text begins with the key.
fn recipient_fault(recipient: &Recipient, rule: &ClassRule) -> Option<String> {
    let Recipient { name, class, platform, state, contact, tlp_ceiling, .. } = recipient;
    let named = !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b));
    if !named {
        return Some(format!("name is {name:?}: use 1 to 64 of a-z, 0-9, '-', '_' and '.'"));
    }
    match platform {
        None if *class == Class::Platform => {
            return Some(format!("platform is missing for {name:?}: set the platform's name as in posts"));
        }
        Some(platform) if *class != Class::Platform => {
            return Some(format!(
                "platform is {platform:?} for {name:?} of class {}: only class platform has this key",
                class.name()
            ));
        }
        Some(platform) if platform.is_empty() || *platform != platform.to_lowercase() => {
            return Some(format!("platform is {platform:?}: use the platform's name as in posts, in lower case"));
        }
        _ => {}
    }
    match state {
        Some(state) if *class != Class::StateLocal => {
            return Some(format!(
                "state is {state:?} for {name:?} of class {}: only class state_local has this key",
                class.name()
            ));
        }
        Some(state) if !is_state(state) => {
            return Some(format!("state is {state:?}: use its postal code of two capital letters, for example \"OH\""));
        }
        None if recipient.chief_election_official => {
            return Some(format!(
                "chief_election_official is true for {name:?} without a state: set state, and class state_local"
            ));
        }
        _ => {}
    }
    match (class, recipient.delivery()) {
        (Class::Platform, Delivery::Document) => {
            return Some(format!(
                "delivery is \"document\" for {name:?}: a platform receives its feed by \"taxii\" or \"webhook\""
            ));
        }
        (Class::Platform, Delivery::Webhook) if recipient.webhook.is_none() => {
            return Some(format!("delivery is \"webhook\" for {name:?}, but webhook has no URL"));
        }
        (Class::Platform, _) => {}
        _ if recipient.webhook.is_some() => {
            return Some(format!("webhook is set for {name:?}: class {} receives documents and no feed", class.name()));
        }
        (_, Delivery::Taxii | Delivery::Webhook) => {
            return Some(format!(
                "delivery of {name:?} must be \"document\": only platforms have feeds, class {} receives documents",
                class.name()
            ));
        }
        (Class::Public, _) => {}
        _ if check_typed(contact, "contact").is_err() => {
            return check_typed(contact, &format!("contact of {name:?}")).err();
        }
        _ if text_format::is_blank(contact) => {
            return Some(format!("contact is empty for {name:?}: enter who receives the documents"));
        }
        _ => {}
    }
    if *class == Class::SecretService && *tlp_ceiling < rule.tlp {
        return Some(format!(
            "tlp_ceiling of {name:?} is below the marking of its class ({}): this recipient must always be notified (rule 4)",
            rule.tlp.label()
        ));
    }
    None
}
