//! Random sequences of events on a case. The invariants hold after every event.

use std::cell::Cell;

use presentation::fixtures;
use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};

use super::*;
use crate::{
    Tlp,
    accounts::key_of_account,
    audit::{Chain, GENESIS, seal},
    case::State,
    fixtures::facts,
    handover::Handover,
    policy::{Breach, Breaches, Class, ConfirmedDelay, Delay, Fact, Recipient, Rules, Target, TargetKind, Targets},
};

const PEOPLE: [&str; 3] = ["ann", "bob", "eve"];
const PLATFORMS: [(&str, &str); 2] = [("birds", "twitter"), ("skies", "bluesky")];

/// An event on a case.
#[derive(Debug, Clone)]
enum Event {
    /// A version of the cluster with these of its accounts.
    Cluster { status: Status, accounts: u16, newer: bool },
    /// The cluster was merged into another cluster.
    Absorbed,
    /// All steps that an approval needs, by one person. Refused steps are ignored.
    Prepare { by: usize },
    /// One action, by one person.
    Act { act: Act, by: usize },
    /// Something is handed over to one of the mandatory recipients.
    Handover { recipient: &'static str, by: usize },
    /// Time goes on.
    Tick { hours: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    let reason = || "for a reason".to_owned();
    prop_oneof![
        1 => Just(Step::BeginReview),
        1 => Just(Step::CheckSourcesAndMethods { finding: reason() }),
        1 => prop::sample::select(facts()).prop_map(Step::Record),
        1 => prop::sample::select(duties()).prop_map(Step::Record),
        1 => Just(Step::Approve { comment: reason() }),
        1 => any::<bool>().prop_map(move |authentic| Step::Dismiss { reason: reason(), authentic }),
        1 => Just(Step::ReturnToReview { reason: reason() }),
        3 => Just(Step::Release),
        3 => Just(Step::Update),
        1 => Just(Step::Retract { reason: reason() }),
        1 => Just(Step::Close),
        2 => Just(Step::Undo),
    ]
}

/// What makes and ends duties to tell somebody.
fn duties() -> Vec<Fact> {
    let until = Timestamp::from_second(1_780_600_000).unwrap();
    let target = Target { kind: TargetKind::MajorCandidate, name: "Doe".to_owned(), recipient: None };
    let breach = Breach { state: "OH".to_owned(), system: "voter rolls".to_owned() };
    let delay = |approver: &str| {
        let why = "an arrest is under way".to_owned();
        Fact::Delay(Delay { state: "OH".to_owned(), approver: approver.to_owned(), until, why })
    };
    vec![
        Fact::Targets(Targets { targets: vec![target], ..Targets::default() }),
        Fact::Breaches(Breaches { breaches: vec![breach], why: String::new() }),
        Fact::Breaches(Breaches { breaches: vec![], why: "a false alarm".to_owned() }),
        delay("ann"),
        delay("bob"),
        Fact::ConfirmDelay(ConfirmedDelay { state: "OH".to_owned(), until }),
        Fact::WithdrawDelay(ConfirmedDelay { state: "OH".to_owned(), until }),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let accounts = prop::collection::vec(0usize..12, 0..3).prop_map(|places| {
        let cluster = fixtures::cluster("c", 1);
        let accounts = places.into_iter().map(|place| {
            let account = &cluster.accounts[place];
            (account.platform.clone(), account.account_id.clone())
        });
        Act::withdraw_accounts(accounts, "not theirs".to_owned())
    });
    prop_oneof![
        8 => step().prop_map(Act::Step),
        1 => Just(Act::Attend { comment: "looked".to_owned() }),
        2 => Just(Act::ProposeRenewal { reason: "still there".to_owned() }),
        2 => Just(Act::Renew),
        3 => accounts,
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let status = prop::sample::select(vec![Status::Flagged, Status::Flagged, Status::Faded, Status::Coordinated]);
    prop_oneof![
        3 => (status, any::<u16>(), prop::bool::weighted(0.8))
            .prop_map(|(status, accounts, newer)| Event::Cluster { status, accounts, newer }),
        1 => Just(Event::Absorbed),
        4 => (0..PEOPLE.len()).prop_map(|by| Event::Prepare { by }),
        10 => (act(), 0..PEOPLE.len()).prop_map(|(act, by)| Event::Act { act, by }),
        1 => (prop::sample::select(vec!["service", "ohio"]), 0..PEOPLE.len())
            .prop_map(|(recipient, by)| Event::Handover { recipient, by }),
        2 => (-1i64..400).prop_map(|hours| Event::Tick { hours }),
    ]
}

/// A case, the flags that partners have, and the audit log.
struct Simulation {
    policy: Policy,
    reviewers: Reviewers,
    now: Timestamp,
    version: u32,
    record: Option<CaseRecord>,
    /// Keys of the accounts that each partner has flags of.
    held: BTreeMap<String, BTreeSet<String>>,
    log: Vec<Entry>,
    withdrawn: bool,
}

impl Simulation {
    fn new(reviewers: Reviewers) -> Simulation {
        let recipient = |name: &str, class: Class, platform: Option<&str>| Recipient {
            name: name.to_owned(),
            class,
            platform: platform.map(str::to_owned),
            state: None,
            chief_election_official: false,
            contact: "by hand".to_owned(),
            delivery: None,
            webhook: None,
            tlp_ceiling: Tlp::Red,
        };
        let mut recipients: Vec<Recipient> =
            PLATFORMS.iter().map(|(name, platform)| recipient(name, Class::Platform, Some(platform))).collect();
        recipients.push(recipient("house", Class::Congress, None));
        recipients.push(recipient("service", Class::SecretService, None));
        recipients.push(Recipient {
            state: Some("OH".to_owned()),
            chief_election_official: true,
            ..recipient("ohio", Class::StateLocal, None)
        });
        Simulation {
            policy: Policy { recipients, rules: Rules::with_marking(Tlp::Amber) },
            reviewers,
            now: Timestamp::from_second(1_780_000_000).unwrap(),
            version: 0,
            record: None,
            held: BTreeMap::new(),
            log: Vec::new(),
            withdrawn: false,
        }
    }

    fn on(&mut self, event: &Event) -> Result<(), TestCaseError> {
        match event {
            Event::Cluster { status, accounts, newer } => {
                self.version += u32::from(*newer);
                let whole = fixtures::cluster("c", self.version.max(1));
                let gone = whole.accounts.iter().enumerate().filter(|(place, _)| accounts & (1 << place) == 0);
                let gone: BTreeSet<String> = gone.map(|(_, account)| key_of_account(account)).collect();
                let cluster = ClusterMessage { status: *status, ..without(&whole, &gone) };
                let before = self.record.clone();
                let known = self.record.clone();
                let effects = Case::on_cluster(known, &cluster, &self.settings(), self.now);
                let effects = effects.map_err(|error| TestCaseError::fail(error.to_string()))?;
                if let Some(before) = before.as_ref().filter(|before| cluster.version <= before.case.version) {
                    prop_assert!(effects.is_none(), "version {} is known", before.case.version);
                }
                effects.map_or(Ok(()), |effects| self.carry_out(effects))
            }
            Event::Absorbed => {
                let Some(record) = self.record.clone() else { return Ok(()) };
                let effects = record.on_absorbed("d", &self.settings(), self.now);
                let effects = effects.map_err(|error| TestCaseError::fail(error.to_string()))?;
                effects.map_or(Ok(()), |effects| self.carry_out(effects))
            }
            Event::Prepare { by } => {
                let word = || "looked at".to_owned();
                let mut steps = vec![Step::BeginReview, Step::CheckSourcesAndMethods { finding: word() }];
                steps.extend(facts().into_iter().map(Step::Record));
                steps.push(Step::Approve { comment: word() });
                steps.into_iter().try_for_each(|step| self.act(Act::Step(step), PEOPLE[*by]))
            }
            Event::Act { act, by } => self.act(act.clone(), PEOPLE[*by]),
            Event::Handover { recipient, by } => {
                let recipient = (*recipient).to_owned();
                let handover =
                    Handover { recipient, to: "an officer".to_owned(), how: "by courier".to_owned(), at: self.now };
                self.act(Act::RecordHandover(handover), PEOPLE[*by])
            }
            Event::Tick { hours } => {
                self.now = self.now.checked_add(SignedDuration::from_hours(*hours)).unwrap();
                let Some(record) = self.record.clone() else { return Ok(()) };
                let effects = record.on_tick(&self.settings(), self.now);
                effects.map_or(Ok(()), |effects| self.carry_out(effects))
            }
        }
    }

    fn act(&mut self, act: Act, by: &str) -> Result<(), TestCaseError> {
        let Some(before) = self.record.clone() else { return Ok(()) };
        let renews = matches!(act, Act::Renew);
        let Ok(effects) = before.clone().on_act(act, by, &self.settings(), self.now) else { return Ok(()) };
        if effects.publish.as_ref().is_some_and(|publish| publish.what == Notice::Shared) {
            let first = if renews { &before.case.renewal } else { &before.case.approved };
            let first = first.as_ref().map(|statement| statement.by.as_str());
            prop_assert!(first.is_some_and(|first| first != by), "{by} alone shared it, after {first:?}");
            prop_assert!(before.case.checked.is_some(), "sources and methods were not checked");
        }
        self.carry_out(effects)
    }

    fn settings(&self) -> Settings<'static> {
        // Leaked on purpose: a few hundred small policies in a test.
        let policy: &'static Policy = Box::leak(Box::new(self.policy.clone()));
        Settings { policy, reviewers: self.reviewers, valid_days: 30, expiry_notice_days: 7, rendered: None }
    }

    fn carry_out(&mut self, effects: Effects) -> Result<(), TestCaseError> {
        let Effects { at, record, audit, publish, .. } = effects;
        prop_assert!(!audit.is_empty(), "a change that the audit log does not know of");
        if let Some(before) = &self.record {
            prop_assert!(at > before.case.changed_at, "two changes at one time");
        }
        prop_assert!(audit.iter().all(|entry| entry.subject == record.case.id && entry.at <= at));
        self.log.extend(audit);
        let shared = record.case.state.is_shared();
        if let Some(publish) = publish {
            self.deliver(&record, &publish)?;
        }
        prop_assert!(!shared || record.case.valid_until.is_some(), "what is shared runs out");
        prop_assert!(!shared || record.released.is_some());
        if record.case.state == State::Retracted {
            prop_assert!(self.held.values().all(BTreeSet::is_empty), "something stays: {:?}", self.held);
        }
        for accounts in self.held.values() {
            prop_assert!(accounts.is_disjoint(&record.case.left_out), "an account that was withdrawn is flagged");
        }
        let case = &record.case;
        prop_assert_eq!(&case.duties, &case.find_open_duties(at), "the case knows its duties");
        if case.state == State::Closed {
            prop_assert!(case.duties.is_empty(), "closed with an open duty: {:?}", case.duties);
            let delivered = case.handovers.iter().any(|handover| handover.handover.recipient == "service");
            prop_assert!(case.facts.protected.is_none() || delivered, "nobody notified the Secret Service");
        }
        let due = case.duties.iter().any(|duty| duty.not_before.is_none());
        prop_assert!(!due || case.needs_attention(), "somebody must be notified, and nobody is alerted");
        self.record = Some(record);
        Ok(())
    }

    /// Applies a notice as a platform would: it keeps flags until they are withdrawn.
    fn deliver(&mut self, record: &CaseRecord, publish: &Publish) -> Result<(), TestCaseError> {
        for (name, platform) in PLATFORMS.iter().filter(|(name, _)| publish.goes_to(name)) {
            let notified = record.case.notified.as_ref().is_some_and(|notified| notified.contains_key(*name));
            prop_assert!(notified, "{name} gets something and was not notified");
            let of = |cluster: &ClusterMessage| -> BTreeSet<String> {
                let own = cluster.accounts.iter().filter(|account| account.platform == *platform);
                own.map(key_of_account).collect()
            };
            let held = self.held.entry((*name).to_owned()).or_default();
            match &publish.what {
                Notice::Shared => {
                    prop_assert!(!self.withdrawn, "shared again after everything was withdrawn");
                    // An account that leaves the cluster is revoked, which needs the version
                    // before.
                    let before = publish.before_of(name).map(&of).unwrap_or_default();
                    prop_assert!(held.is_subset(&before), "{name} holds what nothing revokes");
                    *held = of(&publish.cluster);
                }
                Notice::Withdrawn => {
                    let before = publish.before_of(name).map(&of).unwrap_or_default();
                    *held = held.difference(&before).cloned().collect();
                }
                Notice::AccountsWithdrawn { gone } => {
                    let before = publish.before_of(name).map(&of).unwrap_or_default();
                    prop_assert!(of(gone).is_subset(&before));
                    *held = held.difference(&of(gone)).cloned().collect();
                }
            }
        }
        self.withdrawn |= publish.what == Notice::Withdrawn;
        Ok(())
    }

    fn log_verifies(&self) -> Result<(), TestCaseError> {
        let (mut chain, mut before) = (Chain::new(), GENESIS.to_owned());
        for (seq, entry) in (1..).zip(&self.log) {
            let sealed = seal(&before, seq, entry.clone(), None);
            before = sealed.seal.clone();
            prop_assert_eq!(chain.check(sealed), Ok(()));
        }
        prop_assert_eq!(chain.end(), Ok((self.log.len() as i64, before)));
        Ok(())
    }
}

/// Runs random sequences in rounds of three hundred until `enough` of them shared and withdrew
/// something: a sequence in which nothing happens tests nothing. The sequences are random, so both
/// counts differ from run to run.
fn random_cases(reviewers: Reviewers, enough: (u32, u32)) {
    const MOST_ROUNDS: u32 = 5;
    let (shared, withdrawn) = (Cell::new(0), Cell::new(0));
    for _ in 0..MOST_ROUNDS {
        round(reviewers, &shared, &withdrawn);
        if shared.get() > enough.0 && withdrawn.get() > enough.1 {
            return;
        }
    }
    panic!("in {MOST_ROUNDS} rounds of 300 random cases {} were shared, {} withdrawn", shared.get(), withdrawn.get());
}

fn round(reviewers: Reviewers, shared: &Cell<u32>, withdrawn: &Cell<u32>) {
    let mut runner = TestRunner::new(Config { cases: 300, ..Config::default() });
    let first = Event::Cluster { status: Status::Flagged, accounts: u16::MAX, newer: true };
    runner
        .run(&prop::collection::vec(event(), 0..60), |events| {
            let mut simulation = Simulation::new(reviewers);
            simulation.on(&first)?;
            events.iter().try_for_each(|event| simulation.on(event))?;
            simulation.log_verifies()?;
            shared.set(shared.get() + u32::from(!simulation.held.is_empty()));
            withdrawn.set(withdrawn.get() + u32::from(simulation.withdrawn));
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn whatever_people_do_two_agree_and_what_is_withdrawn_stays_withdrawn() {
    random_cases(Reviewers::People, (50, 20));
}

#[test]
fn the_demo_keeps_to_the_same() {
    random_cases(Reviewers::Demo, (200, 50));
}
