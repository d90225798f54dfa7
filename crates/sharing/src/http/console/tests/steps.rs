//! Steps that people take, by forms and by JSON.

use super::*;

/// A form of the case's page, as a browser would send it.
pub(super) fn send(s: &Server, cookie: &str, id: &str, fields: &[(&str, &str)]) -> (u16, String) {
    let page = s.get_as(cookie, &format!("/clusters/{id}")).1;
    let revision = field(&page, "revision").unwrap_or_else(|| "1".to_owned());
    send_seen(s, cookie, id, &revision, fields)
}

pub(super) fn send_seen(s: &Server, cookie: &str, id: &str, revision: &str, fields: &[(&str, &str)]) -> (u16, String) {
    let page = s.get_as(cookie, "/").1;
    let token = field(&page, "csrf").unwrap();
    let mut form: Vec<(&str, &str)> = vec![("csrf", &token), ("revision", revision)];
    form.extend_from_slice(fields);
    let request = s.posting.post(format!("{}/clusters/{id}/steps", s.base)).header("cookie", cookie);
    let mut response = request.send_form(form).unwrap();
    (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
}

pub(super) fn field(page: &str, name: &str) -> Option<String> {
    let rest = page.split(&format!("name=\"{name}\" value=\"")).nth(1)?;
    Some(rest.split('"').next()?.to_owned())
}

pub(super) const RECORDS: [&[(&str, &str)]; 4] = [
    &[("step", "check"), ("finding", "public posts only")],
    &[("step", "targets")],
    &[("step", "consideration"), ("security", "none"), ("political", "none")],
    &[("step", "duties"), ("why", "looked at the list of duties")],
];

#[test]
fn what_people_type_is_kept_without_hidden_characters() {
    let s = server(Reviewers::People, &["a"]);
    let ann = s.cookie.clone();
    assert_eq!(send(&s, &ann, "a", &[("step", "begin")]).0, 303);
    let typed = "public\u{202e} posts\u{200b}\u{7} only";
    assert_eq!(send(&s, &ann, "a", &[("step", "check"), ("finding", typed)]).0, 303);
    let checked = s.sharing.inner.store.case("a").unwrap().unwrap().case.checked.unwrap();
    assert_eq!(checked.text, "public posts only");
    let case = s.get("/api/clusters/a").1;
    assert!(case.contains("public posts only") && !case.contains(typed), "{case}");
    // Nothing but such characters is nothing.
    assert_eq!(send(&s, &ann, "a", &[("step", "check"), ("finding", "\u{202e}\u{7}")]).0, 422);
}

#[test]
fn two_people_take_a_case_from_nominated_to_retracted_by_forms() {
    let s = server(Reviewers::People, &["a"]);
    let (ann, bob, eve) = (s.cookie.clone(), people::log_in(&s.base, "bob"), people::log_in(&s.base, "eve"));
    let state = || {
        let one: serde_json::Value = serde_json::from_str(&s.get("/api/clusters/a").1).unwrap();
        one["case"]["state"].as_str().unwrap().to_owned()
    };
    // What nobody has begun cannot be approved.
    let (status, page) = send(&s, &ann, "a", &[("step", "approve"), ("comment", "typed <before> its time")]);
    assert_eq!(status, 422);
    assert!(page.contains("Allowed now:") && page.contains("begin review"), "{page}");
    assert_eq!(send(&s, &ann, "a", &[("step", "begin")]).0, 303);
    let page = s.get("/clusters/a").1;
    look("console-decision.html", &page);
    assert!(page.contains("Required before release") && page.contains("href=\"#form-duties\""));
    for record in RECORDS {
        let (status, page) = send(&s, &eve, "a", record);
        assert_eq!(status, 303, "{record:?}: {page}");
    }
    // A record that says nothing is refused in its place, and what was typed stays.
    let (status, page) =
        send(&s, &eve, "a", &[("step", "consideration"), ("security", "kept <text>"), ("political", " ")]);
    assert_eq!(status, 422);
    assert!(page.contains("error-consideration") && page.contains("kept &#60;text&#62;"), "{page}");
    assert_eq!(send(&s, &eve, "a", &[("step", "approve"), ("comment", "clear")]).0, 303);
    assert_eq!(state(), "approved");
    let release: &[(&str, &str)] = &[("step", "release"), ("seen", "yes")];
    let (status, page) = send(&s, &eve, "a", release);
    assert_eq!(status, 422);
    assert!(page.contains("two different people"), "{page}");
    let (status, page) = send(&s, &ann, "a", release);
    assert_eq!(status, 422);
    assert!(page.contains("the role approver"), "{page}");
    assert_eq!(send(&s, &bob, "a", &[("step", "release")]).0, 422);
    assert_eq!(send(&s, &bob, "a", release).0, 303);
    assert_eq!(state(), "released");
    assert!(s.get("/clusters/a?done=release").1.contains("Released. Partners can fetch it now."));
    assert_eq!(send(&s, &bob, "a", &[("step", "retract"), ("reason", "a mirror")]).0, 303);
    assert_eq!(state(), "retracted");
    assert_eq!(send(&s, &ann, "a", &[("step", "close")]).0, 303);
}

#[test]
fn whoever_saw_an_older_state_changes_nothing_and_keeps_what_was_typed() {
    let s = server(Reviewers::People, &["a"]);
    let seen = field(&s.get("/clusters/a").1, "revision").unwrap();
    assert_eq!(send(&s, &s.cookie.clone(), "a", &[("step", "begin")]).0, 303);
    let form: &[(&str, &str)] = &[("step", "dismiss"), ("reason", "a long thought")];
    let (status, page) = send_seen(&s, &s.cookie.clone(), "a", &seen, form);
    assert_eq!(status, 409);
    assert!(page.contains("Somebody else changed this case in the meantime") && page.contains("a long thought"));
    assert!(s.get("/").1.contains("in review"));
}

#[test]
fn steps_by_json_say_what_went_wrong_and_what_is_next() {
    let s = server(Reviewers::People, &["a"]);
    let who: serde_json::Value = serde_json::from_str(&s.get("/api/person").1).unwrap();
    assert_eq!((&who["name"], &who["roles"]), (&"ann".into(), &serde_json::json!(["reviewer"])));
    let token = who["csrf"].as_str().unwrap();
    let take = |body: &str, token: &str| {
        let mut response = s
            .agent
            .post(format!("{}/api/clusters/a/steps", s.base))
            .header("cookie", &s.cookie)
            .header("x-csrf-token", token)
            .header("content-type", "application/json")
            .send(body)
            .unwrap();
        let body: serde_json::Value = serde_json::from_str(&response.body_mut().read_to_string().unwrap()).unwrap();
        (response.status().as_u16(), body)
    };
    let begin = r#"{"revision": 1, "step": {"take": "begin_review"}}"#;
    assert_eq!(take(begin, "").0, 403);
    assert_eq!(
        take(begin, token),
        (200, serde_json::json!({"state": "in_review", "revision": 2, "needs_approval": false}))
    );
    let (status, body) = take(begin, token);
    assert_eq!((status, body["where"].as_str().unwrap()), (409, "revision"));
    let (status, body) = take(r#"{"revision": 2, "step": {"take": "close"}}"#, token);
    assert_eq!(status, 422);
    assert!(body["next"].as_str().unwrap().starts_with("allowed now: check sources"), "{body}");
    let fact = r#"{"revision": 2, "step": {"take": "record", "fact": {"duties": {"why": "none applies"}}}}"#;
    assert_eq!(take(fact, token).0, 200);
    for odd in ["", "{", "[]", r#"{"revision": 3}"#, r#"{"revision": 3, "step": {"take": "fly"}}"#] {
        let (status, body) = take(odd, token);
        assert_eq!(status, 400, "{odd}");
        assert!(body["error"].is_string());
    }
    assert_eq!(take(r#"{"revision": 3, "step": {"take": "release"}}"#, token).0, 403);
}
