//! Properties that hold for any facts, by any person, in any order.

use super::*;

/// Names of candidates, parties, offices and recipients, used for nothing else: swapping them must
/// change only these names.
const NAMES: [&str; 6] = ["zqalpha", "zqbravo", "zqcharlie", "zqdelta", "zqecho", "zqfoxtrot"];

fn swap(text: &str, to: &[usize]) -> String {
    let marked =
        NAMES.iter().enumerate().fold(text.to_owned(), |text, (i, name)| text.replace(name, &format!("\u{1}{i}\u{1}")));
    to.iter().enumerate().fold(marked, |text, (i, to)| text.replace(&format!("\u{1}{i}\u{1}"), NAMES[*to]))
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(NAMES.to_vec()).prop_map(str::to_owned)
}

fn any_recipients() -> impl Strategy<Value = Vec<Recipient>> {
    let classes = prop::collection::vec((0usize..7, any::<bool>(), 0usize..3), NAMES.len());
    (classes, 0..=NAMES.len()).prop_map(|(classes, n)| {
        classes
            .into_iter()
            .zip(NAMES)
            .take(n)
            .map(|((class, chief, ceiling), name)| {
                let class = Class::ALL[class];
                let local = class == Class::StateLocal;
                Recipient {
                    platform: (class == Class::Platform).then(|| ["twitter", "bluesky"][usize::from(chief)].to_owned()),
                    state: local.then(|| "OH".to_owned()),
                    chief_election_official: local && chief,
                    tlp_ceiling: [Tlp::Clear, Tlp::Amber, Tlp::Red][ceiling],
                    ..recipient(name, class)
                }
            })
            .collect()
    })
}

fn any_fact() -> impl Strategy<Value = Fact> {
    let suggestions = prop::collection::btree_map(name(), Just("looked at".to_owned()), 0..3);
    let target = (0usize..7, name(), prop::option::of(name())).prop_map(|(kind, name, recipient)| Target {
        kind: TargetKind::ALL[kind],
        name,
        recipient,
    });
    let duty = (name(), name()).prop_map(|(duty, whom)| Duty { duty, whom });
    prop_oneof![
        4 => (prop::collection::vec(target, 0..3), suggestions)
            .prop_map(|(targets, suggestions)| Fact::Targets(Targets { targets, suggestions })),
        1 => name().prop_map(|system| {
            let breaches = vec![Breach { state: "OH".to_owned(), system }];
            Fact::Breaches(Breaches { breaches, why: "logs".to_owned() })
        }),
        1 => (name(), 0..40i64).prop_map(|(approver, day)| delay(&approver, days(day))),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(a, r)| answers(a, r)),
        2 => prop::collection::btree_set(name(), 0..5).prop_map(Fact::Chosen),
        1 => prop::collection::vec(duty, 0..2)
            .prop_map(|duties| Fact::Duties(Duties { duties, why: "looked".to_owned() })),
        1 => (name(), name()).prop_map(|(security, political_sensitivity)| {
            Fact::Consideration(Consideration { security, political_sensitivity })
        }),
        1 => name().prop_map(|from| Fact::Objection(Objection { from, text: "no".to_owned() })),
    ]
}

/// Runs a whole case for some recipients: the refused steps, and the outcome at the end.
fn life(recipients: &[Recipient], facts: &[Fact], suggested: &[String]) -> serde_json::Value {
    let mut scenario = Scenario::new(recipients.to_vec());
    scenario.cluster.targets = suggested.to_vec();
    scenario.cluster.topics = suggested.to_vec();
    let mut refused: Vec<bool> = Vec::new();
    scenario.take(Step::CheckSourcesAndMethods { finding: "public posts only".to_owned() }, "ann").unwrap();
    for fact in facts {
        refused.push(scenario.record(fact.clone(), "ann").is_err());
    }
    scenario.take(sign_off("public affairs"), "cy").unwrap();
    let mut outcome = scenario.outcome();
    outcome.notes.sort();
    refused.push(
        scenario.take(Step::Dismiss { reason: "no".to_owned(), authentic: true }, "ann").is_err() || {
            scenario.case.state = State::InReview;
            false
        },
    );
    scenario.approve();
    refused.push(scenario.take(Step::Release, "bob").is_err());
    serde_json::json!({"refused": refused, "outcome": outcome, "notified": scenario.case.notified})
}

fn swapped<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T, to: &[usize]) -> T {
    serde_json::from_str(&swap(&serde_json::to_string(value).unwrap(), to)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Rule 6: if candidates, parties, offices and recipients swap names, only the names in the
    /// outcome change.
    #[test]
    fn rule_6_swapping_candidates_and_parties_changes_nothing_but_names(
        recipients in any_recipients(),
        facts in prop::collection::vec(any_fact(), 0..12),
        suggested in prop::collection::btree_set(name(), 0..3),
        to in Just((0..NAMES.len()).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        let suggested: Vec<String> = suggested.into_iter().collect();
        let mut before = life(&recipients, &facts, &suggested);
        let mut after = life(&swapped(&recipients, &to), &swapped(&facts, &to), &swapped(&suggested, &to));
        before = swapped(&before, &to);
        for life in [&mut before, &mut after] {
            // Notes are sorted by text, and the texts contain names.
            if let Some(notes) = life["outcome"]["notes"].as_array_mut() {
                notes.sort_by_key(ToString::to_string);
            }
        }
        prop_assert_eq!(before, after);
    }

    /// Rule 4, whatever else is recorded in any order: once a major candidate is a target, the
    /// Secret Service is notified or nobody is.
    #[test]
    fn rule_4_holds_whatever_else_is_recorded(
        recipients in any_recipients(),
        facts in prop::collection::vec(any_fact(), 0..16),
    ) {
        let mut scenario = Scenario::ready(recipients.clone(), vec![]);
        for fact in facts {
            let _ = scenario.record(fact, "ann");
        }
        let protected = scenario.case.facts.protected.is_some();
        if scenario.release().is_ok() && protected {
            let service: Vec<&Recipient> = recipients.iter().filter(|r| r.class == Class::SecretService).collect();
            prop_assert!(!service.is_empty());
            for recipient in service {
                prop_assert!(scenario.case.notified.as_ref().unwrap().contains_key(&recipient.name));
            }
        }
    }
}
