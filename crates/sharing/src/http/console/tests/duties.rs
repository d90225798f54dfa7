//! Mandatory recipients and delays, on the page of a case, in the metrics and after the flags expired.

use jiff::{SignedDuration, Timestamp};

use super::{steps::*, *};

#[test]
fn a_mandatory_recipient_is_notified_by_a_recorded_delivery() {
    let s = server_with(Reviewers::People, &["a"], |config, folder| {
        let path = folder.join("recipients.toml");
        let text = "[[recipients]]\nname = 'birds'\nclass = 'platform'\nplatform = 'twitter'\n\
                    [[recipients]]\nname = 'service'\nclass = 'secret_service'\ncontact = 'the duty officer'\ntlp_ceiling = 'red'\n";
        std::fs::write(&path, text).unwrap();
        config.partners = Vec::new();
        config.recipients = Some(path);
    });
    let (ann, bob, eve) = (s.cookie.clone(), people::log_in(&s.base, "bob"), people::log_in(&s.base, "eve"));
    let done = |cookie: &str, fields: &[(&str, &str)]| {
        let (status, page) = send(&s, cookie, "a", fields);
        assert_eq!(status, 303, "{fields:?}: {page}");
    };
    let refused = |cookie: &str, fields: &[(&str, &str)], why: &str| {
        let (status, page) = send(&s, cookie, "a", fields);
        assert!(status == 422 && page.contains(why), "{fields:?}: {status} {page}");
    };
    let open_duties = || s.sharing.inner.store.open_duties().unwrap();
    done(&ann, &[("step", "begin")]);
    RECORDS.iter().for_each(|record| done(&eve, record));
    done(&eve, &[("step", "approve"), ("comment", "clear")]);
    // What changes who learns what takes the approval back, and the page says so at once.
    let target = [("step", "targets"), ("kind_0", "major_candidate"), ("name_0", "Doe")];
    let page = {
        let (status, page) = send(&s, &ann, "a", &target);
        assert_eq!(status, 303, "{page}");
        s.get("/clusters/a?done=approval_taken_back").1
    };
    assert!(page.contains("needs a new approval") && page.contains("the Secret Service, since"), "{page}");
    assert_eq!(open_duties().0, 1);
    let handover = |at: &str, to: &str| -> Vec<(String, String)> {
        let fields = [("step", "handover"), ("recipient", "service"), ("to", to), ("how", "by courier"), ("at", at)];
        fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    };
    let hand_over = |cookie: &str, at: &str, to: &str| {
        let fields = handover(at, to);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        send(&s, cookie, "a", &fields)
    };
    done(&eve, &[("step", "approve"), ("comment", "clear")]);
    done(&bob, &[("step", "release"), ("seen", "yes")]);
    let page = s.get_as(&bob, "/clusters/a").1;
    look("case-mandatory.html", &page);
    assert!(page.contains("id=\"form-handover\"") && page.contains("A release alone notifies nobody"), "{page}");
    // Neither a withdrawal nor time ends the case before the delivery.
    s.sharing.inner.look_at_ends(Timestamp::now() + SignedDuration::from_hours(24 * 90)).unwrap();
    refused(&ann, &[("step", "close")], "the Secret Service must be notified first");
    done(&bob, &[("step", "retract"), ("reason", "a mirror")]);
    refused(&ann, &[("step", "close")], "the Secret Service must be notified first");
    assert_eq!(open_duties().0, 1);
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S").to_string();
    assert_eq!(hand_over(&bob, &now, "\u{200b}").0, 422);
    assert_eq!(hand_over(&ann, &now, "an officer").0, 422, "it needs the role approver");
    let (status, page) = hand_over(&bob, &now, "an officer");
    assert_eq!(status, 303, "{page}");
    assert_eq!(open_duties(), (0, None));
    assert!(s.get("/clusters/a").1.contains("to service (an officer)"));
    done(&ann, &[("step", "close")]);
}

#[test]
fn a_delay_with_a_wrong_date_is_taken_back_on_the_page() {
    let s = server(Reviewers::People, &["a"]);
    let (ann, eve) = (s.cookie.clone(), people::log_in(&s.base, "eve"));
    let done = |fields: &[(&str, &str)]| {
        let (status, page) = send(&s, &ann, "a", fields);
        assert_eq!(status, 303, "{fields:?}: {page}");
    };
    done(&[("step", "begin")]);
    done(&[("step", "breaches"), ("state_0", "OH"), ("system_0", "voter rolls"), ("why", "a call")]);
    let until = (Timestamp::now() + SignedDuration::from_hours(48)).strftime("%Y-%m-%dT%H:%M").to_string();
    let delay = [("step", "delay"), ("state", "OH"), ("approver", "bob"), ("until", &*until), ("why", "an arrest")];
    done(&delay);
    let page = s.get("/clusters/a").1;
    look("case-delay.html", &page);
    let at = page.find("name=\"delay\" value=\"").unwrap() + "name=\"delay\" value=\"".len();
    let named = page[at..].split('"').next().unwrap().to_owned();
    assert!(page.contains("Take back a delay") && named.starts_with("OH "), "{named}");
    assert!(!s.get_as(&eve, "/clusters/a").1.contains("Take back a delay"), "eve neither recorded nor approves it");
    let withdrawal = [("step", "withdraw_delay"), ("delay", &*named)];
    let (status, page) = send(&s, &eve, "a", &withdrawal);
    assert!(status == 422 && page.contains("ann recorded it and bob is its approver"), "{status} {page}");
    done(&withdrawal);
    let page = s.get("/clusters/a?done=withdraw_delay").1;
    assert!(page.contains("The delay is taken back.") && !page.contains("Take back a delay"), "{page}");
    assert!(page.contains("delay withdrawn"), "the history has it: {page}");
}
