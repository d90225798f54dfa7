//! The decision about one recipient, with its grounds.

use jiff::Timestamp;

use super::*;

/// The decision about one recipient.
pub(super) fn about(recipient: &Recipient, case: &Case, terms: &Terms<'_>, now: Timestamp) -> Decision {
    let rule = terms.rules.class(recipient.class);
    let has_version = case.received_versions(recipient).map(|versions| versions.last);
    let mut decision = Decision {
        recipient: recipient.name.clone(),
        class: recipient.class,
        delivery: recipient.delivery(),
        notified: false,
        must: false,
        because: Vec::new(),
        products: Vec::new(),
        tlp: rule.tlp,
        shows: rule.shows,
        statements: Vec::new(),
        blocks: Vec::new(),
        not_before: None,
        has_version,
    };
    let because = &mut decision.because;
    // Why the case concerns the recipient.
    match recipient.class {
        Class::Platform => {
            let platform = recipient.platform.as_deref().unwrap_or_default();
            let own = terms.cluster.accounts.iter().filter(|account| account.platform == platform).count();
            if own > 0 {
                let text = format!("{} of {platform} in the case", text_format::count(own as u64, "account"));
                because.push(ground(Rule::NominateThenDecide, text));
            }
        }
        Class::SecretService => {
            if let Some(record) = &case.facts.protected {
                let text = format!("target: {} (recorded by {})", record.what.kind.label(), record.by);
                because.push(ground(Rule::SecretServiceAlways, text));
                decision.must = true;
            }
        }
        _ => {
            let named = case.facts.targets.iter().flat_map(|record| &record.what.targets);
            for target in named.filter(|target| target.recipient.as_ref() == Some(&recipient.name)) {
                let text = format!("target or victim: {} ({})", target.name, target.kind.label());
                because.push(ground(Rule::NoVetoForTheVictim, text));
            }
        }
    }
    if recipient.chief_election_official
        && let Some(state) = &recipient.state
        && let Some(breach) = breaches(case).find(|breach| breach.state == *state)
    {
        let text =
            format!("chief election official of {state}, where election systems were breached: {}", breach.system);
        because.push(ground(Rule::LocalBreach, text));
        match delay(case, state, now) {
            Some(delay) => {
                decision.not_before = Some(delay.what.until);
                let text = format!(
                    "notified by {} at the latest; the delay was approved by {}: {}",
                    delay.what.until, delay.what.approver, delay.what.why
                );
                because.push(ground(Rule::LocalBreach, text));
            }
            None => decision.must = true,
        }
    }
    let concerned = !because.is_empty();
    let setting = if concerned { rule.concerned } else { rule.otherwise };
    let chosen = case.facts.chosen.as_ref().map(|record| (&record.by, record.what.contains(&recipient.name)));
    let default = "notified by default";
    let (notified, why) = match (setting, chosen) {
        _ if decision.must => (true, None),
        // A platform that may have acted on flags has to learn of every change.
        _ if recipient.class == Class::Platform && has_version.is_some() => {
            (true, Some("has an earlier version, so it receives every later one".to_owned()))
        }
        (NotifyWhen::Never, Some((by, true))) => {
            (false, Some(format!("selected by {by}, but this class is not notified of such a case")))
        }
        (NotifyWhen::Never, _) if !concerned => (false, Some("the case does not concern it".to_owned())),
        (NotifyWhen::Never, _) => (false, Some("its class is not notified".to_owned())),
        (NotifyWhen::Always, _) => (true, None),
        (NotifyWhen::ByDefault | NotifyWhen::WhenChosen, Some((by, true))) => (true, Some(format!("selected by {by}"))),
        (NotifyWhen::ByDefault, Some((by, false))) => (false, Some(format!("not selected by {by}"))),
        (NotifyWhen::ByDefault, None) => (true, Some(default.to_owned())),
        (NotifyWhen::WhenChosen, _) if recipient.class == Class::SecretService => {
            (false, Some("no major candidate is recorded as a target, and nobody selected it".to_owned()))
        }
        (NotifyWhen::WhenChosen, _) => (false, Some("nobody selected it".to_owned())),
    };
    because.extend(why.map(|text| ground(Rule::NominateThenDecide, text)));
    decision.notified = notified && decision.not_before.is_none();
    if decision.notified {
        marking(recipient, &mut decision);
    }
    if decision.notified && (recipient.class == Class::Public || rule.products.contains(&Product::PublicNotice)) {
        public_notice(case, &mut decision);
    }
    if decision.notified {
        decision.products = rule.products.clone();
        if recipient.class == Class::Platform || rule.products.contains(&Product::PlatformFeed) {
            decision.statements.push(VOLUNTARY);
            decision.because.push(ground(Rule::PlatformsDecide, "any action of the platform is voluntary".to_owned()));
        }
    }
    decision
}

/// No recipient receives products marked above its ceiling.
fn marking(recipient: &Recipient, decision: &mut Decision) {
    if decision.tlp <= recipient.tlp_ceiling {
        return;
    }
    let text = format!(
        "the products of its class are {}, and it may receive at most {}",
        decision.tlp.label(),
        recipient.tlp_ceiling.label()
    );
    if decision.must {
        let rule = decision.because.first().map_or(Rule::NominateThenDecide, |ground| ground.rule);
        let text = format!("{} must be notified, but {text}: raise its tlp_ceiling", recipient.name);
        decision.blocks.push(block(rule, Needs::Recipients, text));
    } else {
        decision.notified = false;
        decision.because.push(ground(Rule::SourcesAndMethodsFirst, text));
    }
}

/// Rule 7.
fn public_notice(case: &Case, decision: &mut Decision) {
    let Some(notice) = current(&case.facts.public_notice, case) else {
        let text = format!(
            "a public notice of version {} needs answers to two questions: does it amplify the message, does it harm the victims again? \
             Record both answers, or deselect {}",
            case.version, decision.recipient
        );
        decision.blocks.push(block(Rule::DoNotAmplify, Needs::PublicNotice, text));
        return;
    };
    for (answer, question) in
        [(&notice.amplifies, "amplify the message"), (&notice.revictimises, "harm the victims again")]
    {
        if answer.yes {
            decision.notified = false;
            let text = format!("a public notice would {question}: {}", answer.why);
            decision.because.push(ground(Rule::DoNotAmplify, text));
        } else {
            let text = format!("a public notice does not {question}: {}", answer.why);
            decision.because.push(ground(Rule::DoNotAmplify, text));
        }
    }
}
