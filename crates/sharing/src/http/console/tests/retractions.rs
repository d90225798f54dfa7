//! What comes back from partners, and what follows a release, over real HTTP.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::*;
use crate::{DeliveryState, config::webhooks::Config as WebhooksConfig, webhooks};

const NASTY: &str = "<script>alert(1)</script>\"><img src=x onerror=alert(1)>\u{202E}{{ 7*7 }}";

/// One partner that gets objects, letters and calls of its webhook.
pub(super) fn with_partner(ids: &[&str]) -> Server {
    server_with(Reviewers::People, ids, |config, folder| {
        let path = folder.join("recipients.toml");
        let text = "[classes.platform]\nproducts = ['platform_feed', 'notification_letter']\n\
                    [[recipients]]\nname = 'birds'\nclass = 'platform'\nplatform = 'twitter'\ncontact = 'desk@birds.example'\n\
                    webhook = 'http://127.0.0.1:9/'\n";
        std::fs::write(&path, text).unwrap();
        config.partners = Vec::new();
        config.recipients = Some(path);
        config.webhooks = WebhooksConfig { private: true, timeout_s: 1, ..WebhooksConfig::default() };
        config.contact = "desk@sharing.example".to_owned();
    })
}

pub(super) fn released(s: &Server, id: &str) {
    let (ann, eve, bob) = (s.cookie.clone(), people::log_in(&s.base, "eve"), people::log_in(&s.base, "bob"));
    assert_eq!(send(s, &ann, id, &[("step", "begin")]).0, 303);
    for record in RECORDS {
        assert_eq!(send(s, &ann, id, record).0, 303, "{record:?}");
    }
    assert_eq!(send(s, &eve, id, &[("step", "approve"), ("comment", "clear")]).0, 303);
    let (status, page) = send(s, &bob, id, &[("step", "release"), ("seen", "yes")]);
    assert_eq!(status, 303, "{page}");
}

/// A form of any page.
pub(super) fn post(s: &Server, cookie: &str, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
    let token = field(&s.get_as(cookie, "/help").1, "csrf").unwrap();
    let mut form: Vec<(&str, &str)> = vec![("csrf", &token)];
    form.extend_from_slice(fields);
    post_bare(s, cookie, path, &form)
}

pub(super) fn post_bare(s: &Server, cookie: &str, path: &str, form: &[(&str, &str)]) -> (u16, String) {
    let request = s.posting.post(format!("{}{path}", s.base)).header("cookie", cookie);
    let mut response = request.send_form(form.to_vec()).unwrap();
    (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
}

pub(super) fn json_of(s: &Server, path: &str) -> Value {
    serde_json::from_str(&s.get(path).1).unwrap()
}

pub(super) fn call(s: &Server, cookie: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let who: Value = serde_json::from_str(&s.get_as(cookie, "/api/person").1).unwrap();
    let request = s
        .agent
        .post(format!("{}{path}", s.base))
        .header("cookie", cookie)
        .header("x-csrf-token", who["csrf"].as_str().unwrap());
    let mut response = match body {
        Some(body) => request.header("content-type", "application/json").send(body.to_string()).unwrap(),
        None => request.send_empty().unwrap(),
    };
    let text = response.body_mut().read_to_string().unwrap();
    (response.status().as_u16(), serde_json::from_str(&text).unwrap())
}

/// What a partner does by TAXII: it fetches its indicators and rejects the first of them.
fn reject(s: &Server, note: &str) {
    let media = "application/taxii+json;version=2.1";
    let key = s.runtime.block_on(s.sharing.issue_key("birds")).unwrap();
    let base = format!("{}/taxii2/lockstep/collections", s.base);
    let bearer = format!("Bearer {key}");
    let mut found = s
        .agent
        .get(format!("{base}/findings-birds/objects/?match[type]=indicator"))
        .header("authorization", &bearer)
        .header("accept", media)
        .call()
        .unwrap();
    let found: Value = serde_json::from_str(&found.body_mut().read_to_string().unwrap()).unwrap();
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string();
    let opinion = json!({"objects": [{
        "type": "opinion", "spec_version": "2.1", "id": format!("opinion--{}", uuid::Uuid::new_v4()), "created": now,
        "modified": now, "opinion": "strongly-disagree", "explanation": note, "object_refs": [found["objects"][0]["id"]],
    }]});
    let sent = s
        .agent
        .post(format!("{base}/feedback-birds/objects/"))
        .header("authorization", &bearer)
        .header("accept", media)
        .header("content-type", media)
        .send(opinion.to_string())
        .unwrap();
    assert_eq!(sent.status(), 202);
    s.runtime.block_on(s.sharing.blocking(|inner| inner.read_inboxes(Timestamp::now()))).unwrap();
}

pub(super) fn harmless(page: &str) {
    for banned in ["<script>alert", "<img", "\u{202E}"] {
        assert!(!page.contains(banned), "{banned}");
    }
}

#[test]
fn a_rejection_leads_to_a_withdrawal_that_somebody_acknowledges() {
    let s = with_partner(&["a"]);
    let (ann, bob, ida) = (s.cookie.clone(), people::log_in(&s.base, "bob"), people::log_in(&s.base, "ida"));
    released(&s, "a");
    assert!(s.get("/retractions").1.contains("No rejection waits for a decision"));
    reject(&s, NASTY);
    let page = s.get_as(&bob, "/retractions").1;
    look("retractions-case.html", &page);
    harmless(&page);
    assert!(page.contains("partner birds") && page.contains("1 account on twitter") && page.contains("/clusters/a"));
    assert!(page.contains("&#60;script&#62;alert(1)"), "the words are there, as words: {page}");
    let case = s.get("/clusters/a").1;
    look("case-feedback.html", &case);
    harmless(&case);
    assert!(case.contains("Partner feedback") && case.contains("waits for a decision"));
    assert!(case.contains("<span class=\"badge state-retracted\">rejected</span>"));

    // Who may not, cannot; and nobody can from elsewhere.
    let path = "/retractions/cases/1";
    let keep: &[(&str, &str)] = &[("do", "keep"), ("reason", "typed <text> stays")];
    assert!(!s.get("/retractions").1.contains("Withdraw from all partners"));
    let (status, page) = post(&s, &ann, path, keep);
    assert_eq!(status, 422);
    assert!(page.contains("the role approver") && page.contains("typed &#60;text&#62; stays"), "{page}");
    assert_eq!(post_bare(&s, &bob, path, &[("do", "withdraw")]).0, 403);
    assert_eq!(post_bare(&s, &bob, path, &[("do", "withdraw"), ("csrf", "x")]).0, 403);
    let (status, page) = post(&s, &bob, path, &[("do", "keep"), ("reason", " ")]);
    assert_eq!(status, 422);
    assert!(page.contains("without a reason") && page.contains("href=\"#case-1\""), "{page}");
    assert_eq!(post(&s, &bob, path, &[("do", "fly")]).0, 422);
    assert_eq!(json_of(&s, "/api/retraction_cases")["retraction_cases"][0]["state"], "open");

    assert_eq!(post(&s, &bob, path, &[("do", "withdraw")]).0, 303);
    assert_eq!(post(&s, &bob, path, keep).0, 409, "it is decided");
    assert_eq!(json_of(&s, "/api/retraction_cases")["retraction_cases"], json!([]));
    assert_eq!(json_of(&s, "/api/retraction_cases?all=1")["retraction_cases"][0]["state"], "withdrawn");
    let all = s.get("/retractions?all=1").1;
    harmless(&all);
    assert!(all.contains("<b>withdrawn</b>") && all.contains("by bob"));

    let page = s.get_as(&ida, "/retractions").1;
    look("retractions-waiting.html", &page);
    assert!(page.contains("waits until") && page.contains("Record that birds knows"));
    let path = "/retractions/1/acknowledgement";
    assert_eq!(call(&s, &ann, &format!("/api{path}"), Some(json!({"note": "x"}))).0, 403);
    let path = "/retractions/1/acknowledge";
    assert_eq!(post(&s, &ann, path, &[("note", "x")]).0, 422);
    let (status, page) = post(&s, &ida, path, &[("note", "  ")]);
    assert_eq!(status, 422);
    assert!(page.contains("say how you know"));
    assert_eq!(post(&s, &ida, path, &[("note", &"x".repeat(4_001))]).0, 422);
    assert_eq!(post_bare(&s, &ida, path, &[("note", "x")]).0, 403);
    assert_eq!(post(&s, &ida, "/retractions/x/acknowledge", &[("note", "x")]).0, 422);
    assert_eq!(post(&s, &ida, path, &[("note", NASTY)]).0, 303);
    assert_eq!(post(&s, &ida, path, &[("note", "again")]).0, 409);
    assert!(s.get("/retractions").1.contains("Every partner has acknowledged"));
    let case = s.get("/clusters/a").1;
    harmless(&case);
    assert!(case.contains("a person recorded it") && case.contains("contains the withdrawn account"), "{case}");
    assert!(s.get("/audit?verify=1").1.contains("The log is intact"));
}

#[test]
fn the_api_decides_rejections_and_says_what_is_overdue() {
    let s = with_partner(&["a"]);
    let bob = people::log_in(&s.base, "bob");
    released(&s, "a");
    reject(&s, "our own news desk");
    let path = "/api/retraction_cases/1/decision";
    assert_eq!(call(&s, &s.cookie, path, Some(json!({"decide": "withdraw"}))).0, 403);
    assert_eq!(call(&s, &bob, path, Some(json!({"decide": "keep", "reason": ""}))).0, 422);
    assert_eq!(call(&s, &bob, path, Some(json!({"decide": "fly"}))).0, 400);
    assert_eq!(call(&s, &bob, path, Some(json!({"decide": "withdraw"}))), (200, json!({"done": true})));
    assert_eq!(call(&s, &bob, path, Some(json!({"decide": "withdraw"}))).0, 422);
    assert_eq!(json_of(&s, "/api/retractions")["retractions"][0]["partner"], "birds");
    assert_eq!(json_of(&s, "/api/retractions?overdue=1")["retractions"], json!([]));
    for odd in ["/api/retractions?overdue=x", "/api/retraction_cases?all=x", "/api/deliveries?state=x"] {
        assert_eq!(s.get(odd).0, 400, "{odd}");
    }
    let path = "/api/retractions/1/acknowledgement";
    assert_eq!(call(&s, &bob, path, Some(json!({"note": "by telephone"}))).0, 200);
    assert_eq!(call(&s, &bob, path, Some(json!({"note": "by telephone"}))).0, 422);
    assert_eq!(call(&s, &bob, "/api/retractions/x/acknowledgement", Some(json!({"note": "n"}))).0, 400);
}

#[test]
fn what_is_overdue_says_so_in_words() {
    let s = server_with(Reviewers::People, &["a"], |_, _| ());
    let bob = people::log_in(&s.base, "bob");
    released(&s, "a");
    assert_eq!(send(&s, &bob, "a", &[("step", "retract"), ("reason", "a fan club")]).0, 303);
    let one = s.sharing.inner.store.retractions_due(Timestamp::MAX).unwrap().remove(0);
    let late = crate::http::console::retractions::waiting_view(one, Timestamp::now() + SignedDuration::from_hours(30));
    assert_eq!(late.overdue.as_deref(), Some("overdue by 6.0 h"));
}

#[test]
fn deliveries_are_listed_sent_again_and_discarded_by_admins() {
    let s = with_partner(&["a"]);
    let (bob, ida) = (people::log_in(&s.base, "bob"), people::log_in(&s.base, "ida"));
    assert!(s.get("/deliveries").1.contains("No delivery has been sent to a webhook"));
    released(&s, "a");
    assert!(s.get("/deliveries").1.contains("No secret:"));
    s.runtime.block_on(s.sharing.webhook_secret("birds")).unwrap();
    let id = json_of(&s, "/api/deliveries")["deliveries"][0]["id"].as_str().unwrap().to_owned();
    let inner = &s.sharing.inner;
    let sender = webhooks::send::Sender::new(std::time::Duration::from_secs(1), true).unwrap();
    // Nobody listens there: after four days it is given up.
    let at = |hours: i64| move || Timestamp::now() + SignedDuration::from_secs(2) + SignedDuration::from_hours(hours);
    inner.send_next(&sender, "birds", &at(0)).unwrap();
    assert!(s.get("/deliveries?state=pending").1.contains("<span class=\"badge single\">pending</span>"));
    assert_eq!(post(&s, &ida, &format!("/deliveries/{id}"), &[("do", "discard")]).0, 422, "only what is dead");
    inner.send_next(&sender, "birds", &at(96)).unwrap();
    let page = s.get_as(&ida, "/deliveries?state=dead&partner=birds").1;
    look("deliveries.html", &page);
    assert!(
        page.contains(&id) && page.contains("badge state-retracted\">dead") && page.contains("/clusters/a"),
        "{page}"
    );
    assert!(page.contains(">1<span class=\"hidden\"> given up<") && page.contains(">Discard<"));
    assert!(!s.get("/deliveries").1.contains(">Send again<"), "a reviewer is offered nothing");
    assert!(s.get("/deliveries?state=delivered").1.contains("No delivery matches"));
    assert!(s.get("/deliveries?partner=blue").1.contains("No delivery matches"));

    let path = format!("/deliveries/{id}");
    let state =
        || s.sharing.inner.store.deliveries(&crate::DeliveryQuery { limit: 1, ..Default::default() }).unwrap()[0].state;
    assert_eq!(post(&s, &bob, &path, &[("do", "resend")]).0, 422);
    assert_eq!(post_bare(&s, &ida, &path, &[("do", "resend")]).0, 403);
    assert_eq!(call(&s, &bob, &format!("/api{path}/resend"), None).0, 403);
    assert_eq!(state(), DeliveryState::Dead);
    assert_eq!(post(&s, &ida, &path, &[("do", "discard"), ("state", "dead")]).0, 303);
    assert_eq!(state(), DeliveryState::Discarded);
    let (status, page) = post(&s, &ida, &path, &[("do", "discard")]);
    assert_eq!(status, 422);
    assert!(page.contains("or it is neither dead nor disabled"), "{page}");
    assert_eq!(post(&s, &ida, &path, &[("do", "resend")]).0, 303);
    assert_eq!(state(), DeliveryState::Pending);
    assert_eq!(call(&s, &ida, &format!("/api{path}/resend"), None), (200, json!({"done": true})));
    assert_eq!(call(&s, &ida, &format!("/api{path}/discard"), None).0, 422);
    assert_eq!(call(&s, &ida, "/api/deliveries/none/resend", None).0, 422);
    assert!(s.get("/audit").1.contains("delivery discarded") && s.get("/audit").1.contains("<bdi>ida</bdi>"));
    for odd in ["%00", "%3Cscript%3Ealert(1)%3C%2Fscript%3E", "%E2%80%AE", "99999999999999999999"] {
        for path in [format!("/deliveries?partner={odd}"), format!("/deliveries?state={odd}&page={odd}&done={odd}")] {
            let (status, page) = s.get(&path);
            assert_eq!(status, 200, "{path}");
            harmless(&page);
        }
        let (status, page) = post(&s, &ida, &format!("/deliveries/{odd}"), &[("do", "resend")]);
        assert_eq!(status, 422);
        harmless(&page);
    }
}

#[test]
fn single_accounts_are_withdrawn_by_a_form_with_a_reason() {
    let s = with_partner(&["a"]);
    let bob = people::log_in(&s.base, "bob");
    released(&s, "a");
    let page = s.get_as(&bob, "/clusters/a").1;
    assert!(!s.get("/clusters/a").1.contains("Withdraw single accounts"), "for approvers");
    let account = field(&page, "account").unwrap();
    assert!(account.starts_with("twitter="), "{account}");
    let form = |reason| [("step", "withdraw_accounts"), ("account", account.as_str()), ("reason", reason)];
    assert_eq!(send(&s, &s.cookie, "a", &form("x")).0, 422);
    let (status, page) = send(&s, &bob, "a", &form(" "));
    assert_eq!(status, 422);
    assert!(page.contains("needs a reason") && page.contains(&format!("value=\"{account}\" checked")), "{page}");
    assert_eq!(send(&s, &bob, "a", &[("step", "withdraw_accounts"), ("reason", "x")]).0, 422);
    let made_up = [("step", "withdraw_accounts"), ("account", "twitter=none"), ("reason", "x")];
    assert!(send(&s, &bob, "a", &made_up).1.contains("did not receive account"));
    assert_eq!(send_seen(&s, &bob, "a", "1", &form("late")).0, 409);
    assert_eq!(send(&s, &bob, "a", &form("a mirror")).0, 303);
    let one = json_of(&s, "/api/clusters/a");
    assert_eq!(one["retractions"][0]["accounts"].as_array().unwrap().len(), 1);
    let revision = &one["revision"];
    let page = s.get_as(&bob, "/clusters/a?done=withdraw_accounts").1;
    look("case-withdrawn.html", &page);
    assert!(
        !page.contains(&account)
            && page.contains("not acknowledged yet")
            && page.contains("is notified of the withdrawal")
    );
    let (platform, id) = ("twitter", one["cluster"]["accounts"][1]["account_id"].as_str().unwrap());
    let step = json!({"take": "withdraw_accounts", "accounts": [{"platform": platform, "account_id": id}], "reason": "as well"});
    let (status, body) = call(&s, &bob, "/api/clusters/a/steps", Some(json!({"revision": revision, "step": step})));
    assert_eq!((status, &body["state"]), (200, &json!("released")), "{body}");
}

#[test]
fn flags_that_run_out_are_looked_at_and_renewed_by_a_second_person() {
    let s = with_partner(&["a"]);
    let (ann, eve, bob) = (s.cookie.clone(), people::log_in(&s.base, "eve"), people::log_in(&s.base, "bob"));
    released(&s, "a");
    assert!(!s.get("/clusters/a").1.contains("id=\"form-attend\""));
    s.sharing.inner.look_at_ends(Timestamp::now() + SignedDuration::from_hours(25 * 24)).unwrap();
    let page = s.get("/clusters/a").1;
    look("case-attention.html", &page);
    assert!(
        page.contains("renew them or let them expire")
            && page.contains("is valid until")
            && page.contains("id=\"form-attend\"")
    );
    let (status, page) = send(&s, &ann, "a", &[("step", "attend"), ("comment", " ")]);
    assert_eq!(status, 422);
    assert!(page.contains("enter what was found"));
    assert_eq!(send(&s, &ann, "a", &[("step", "attend"), ("comment", NASTY)]).0, 303);
    let page = s.get("/clusters/a").1;
    harmless(&page);
    assert!(!page.contains("id=\"form-attend\""));
    let renew: &[(&str, &str)] = &[("step", "renew"), ("seen", "yes")];
    assert_eq!(send(&s, &bob, "a", renew).0, 422, "nobody has proposed it");
    assert_eq!(send(&s, &bob, "a", &[("step", "propose_renewal"), ("reason", "x")]).0, 422, "for reviewers");
    assert_eq!(send(&s, &eve, "a", &[("step", "propose_renewal"), ("reason", "they still do it")]).0, 303);
    assert!(s.get_as(&bob, "/clusters/a").1.contains("they still do it"));
    let (status, page) = send(&s, &eve, "a", renew);
    assert_eq!(status, 422);
    assert!(page.contains("two different people"), "{page}");
    assert_eq!(send(&s, &ann, "a", renew).0, 422);
    assert_eq!(send(&s, &bob, "a", &[("step", "renew")]).0, 422, "only after a look");
    assert_eq!(send(&s, &bob, "a", renew).0, 303);
    assert_eq!(json_of(&s, "/api/clusters/a")["case"]["state"], "updated");
}

#[test]
fn documents_are_shown_and_taken_along() {
    let s = with_partner(&["a", NASTY]);
    let path = "/clusters/a/documents/birds/notification_letter.html";
    let page = s.get("/clusters/a").1;
    assert!(page.contains("draft, not released") && page.contains(path), "{page}");
    let (status, draft) = s.get(path);
    look("document.html", &draft);
    assert_eq!(status, 200);
    assert!(draft.contains("DRAFT"));
    released(&s, "a");
    assert!(!s.get("/clusters/a").1.contains("draft, not released"));
    let response = s.agent.get(format!("{}{path}", s.base)).header("cookie", &s.cookie).call().unwrap();
    let csp = response.headers().get("content-security-policy").unwrap().to_str().unwrap().to_owned();
    assert!(csp.contains("style-src 'sha256-") && csp.contains("sandbox") && !csp.contains("'self'"), "{csp}");
    let html = response.into_body().read_to_string().unwrap();
    assert!(
        !html.contains("DRAFT") && html.contains(csp.split('\'').find(|part| part.starts_with("sha256-")).unwrap())
    );
    let mut response =
        s.agent.get(format!("{}{}", s.base, path.replace(".html", ".pdf"))).header("cookie", &s.cookie).call().unwrap();
    let header = |name: &str| response.headers().get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "application/pdf");
    let disposition = header("content-disposition");
    assert!(
        disposition.starts_with("attachment; filename=\"case-") && disposition.ends_with("letter.pdf\""),
        "{disposition}"
    );
    assert!(response.body_mut().read_to_vec().unwrap().starts_with(b"%PDF-"));
    for (path, status) in [
        ("/clusters/a/documents/birds/platform_feed.html", 404),
        ("/clusters/a/documents/birds/notification_letter.exe", 404),
        ("/clusters/a/documents/birds/public_notice.html", 404),
        ("/clusters/a/documents/%3Cscript%3Ealert(1)/notification_letter.pdf", 404),
        ("/clusters/none/documents/birds/notification_letter.pdf", 404),
        ("/clusters/a/documents/birds/..%2F..%2Fsharing.sqlite", 404),
    ] {
        let (found, page) = s.get(path);
        assert_eq!(found, status, "{path}");
        harmless(&page);
    }
    let stranger = s.posting.get(format!("{}{path}", s.base)).call().unwrap();
    assert_eq!(stranger.status(), 303, "to log in");
}
