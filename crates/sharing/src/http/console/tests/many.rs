//! One step on many cases, its undo, and the comparison of two clusters.

use super::*;

/// Sends a form of the list or of a preview.
fn post(s: &Server, cookie: &str, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
    let token = field(&s.get_as(cookie, "/").1, "csrf").unwrap();
    let mut form: Vec<(&str, &str)> = vec![("csrf", &token)];
    form.extend_from_slice(fields);
    let request = s.posting.post(format!("{}{path}", s.base)).header("cookie", cookie);
    let mut response = request.send_form(form).unwrap();
    (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
}

fn fields<'a>(page: &'a str, name: &'static str) -> Vec<(&'static str, &'a str)> {
    let begin = format!("name=\"{name}\" value=\"");
    let rest = page.split(&begin).skip(1);
    rest.map(|rest| (name, rest.split('"').next().unwrap())).collect()
}

fn state(s: &Server, id: &str) -> String {
    let one: serde_json::Value = serde_json::from_str(&s.get(&format!("/api/clusters/{id}")).1).unwrap();
    one["case"]["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_step_on_many_cases_is_previewed_confirmed_and_undone() {
    let s = server(Reviewers::People, &["a", "b", "c"]);
    let ann = s.cookie.clone();
    let list = s.get("/").1;
    assert!(list.contains("action=\"/cases/preview\"") && fields(&list, "case").len() == 3, "{list}");
    assert_eq!(send(&s, &ann, "a", &[("step", "begin")]).0, 303);
    assert_eq!(send(&s, &ann, "b", &[("step", "begin")]).0, 303);

    // The preview changes nothing, and says of each case what would happen or why not.
    let selected = [("case", "a"), ("case", "b"), ("case", "c"), ("case", "none"), ("step", "dismiss")];
    let (status, preview) = post(&s, &ann, "/cases/preview", &selected);
    look("console-preview.html", &preview);
    assert_eq!(status, 200);
    assert!(
        preview.contains("The step applies to 2 cases") && preview.contains("does not apply to 1 case"),
        "{preview}"
    );
    assert!(
        preview.contains("it is nominated") && preview.contains("1 of the selected cases is left out"),
        "{preview}"
    );
    assert_eq!([state(&s, "a"), state(&s, "c")], ["in_review", "nominated"]);

    // A dismissal needs a reason, also of many.
    let mut form = fields(&preview, "seen");
    form.extend([("step", "dismiss"), ("reason", " ")]);
    let (status, page) = post(&s, &ann, "/cases/steps", &form);
    assert!(status == 422 && page.contains("enter a text"), "{status} {page}");
    assert_eq!(state(&s, "a"), "in_review");

    // Somebody else changes one case before the confirmation.
    assert_eq!(send(&s, &ann, "b", &[("step", "check"), ("finding", "public posts")]).0, 303);
    form.pop();
    form.push(("reason", "fan clubs of one band"));
    let (status, page) = post(&s, &ann, "/cases/steps", &form);
    look("console-many.html", &page);
    assert_eq!(status, 200);
    assert!(page.contains("Done for 1 case.") && page.contains("Not done for 1 case."), "{page}");
    assert!(page.contains("somebody else changed the case in the meantime"), "{page}");
    assert_eq!([state(&s, "a"), state(&s, "b")], ["dismissed", "in_review"]);
    assert!(s.get("/audit").1.contains("fan clubs of one band"));

    // The undo works once, by the revision after the step.
    let undo = fields(&page, "seen");
    assert_eq!(undo.len(), 1);
    let (status, page) = post(&s, &ann, "/cases/undo", &undo);
    assert!(status == 200 && page.contains("Done for 1 case."), "{page}");
    assert_eq!(state(&s, "a"), "in_review");
    assert!(s.get("/audit").1.contains("dismiss by ann at "));
    let (_, page) = post(&s, &ann, "/cases/undo", &undo);
    assert!(page.contains("Not done for 1 case."), "{page}");

    // The page of a case offers the same.
    assert_eq!(send(&s, &ann, "a", &[("step", "dismiss"), ("reason", "a fan club")]).0, 303);
    assert!(s.get("/clusters/a").1.contains("Last decision: <bdi>dismiss, by ann"));
    assert_eq!(send(&s, &ann, "a", &[("step", "undo")]).0, 303);
    assert_eq!(state(&s, "a"), "in_review");
    assert!(!s.get("/clusters/a").1.contains("id=\"form-undo\""));
}

#[test]
fn approving_many_still_needs_a_second_person_for_each_release() {
    let s = server(Reviewers::People, &["a", "b"]);
    let eve = people::log_in(&s.base, "eve");
    for id in ["a", "b"] {
        assert_eq!(send(&s, &eve, id, &[("step", "begin")]).0, 303);
        for record in RECORDS {
            assert_eq!(send(&s, &eve, id, record).0, 303);
        }
    }
    let (_, preview) = post(&s, &eve, "/cases/preview", &[("case", "a"), ("case", "b"), ("step", "approve")]);
    assert!(preview.contains("A release would notify") && preview.contains("<bdi>birds</bdi>"), "{preview}");
    let mut form = fields(&preview, "seen");
    form.extend([("step", "approve"), ("comment", "two sources each")]);
    assert_eq!(post(&s, &eve, "/cases/steps", &form).0, 200);
    assert_eq!([state(&s, "a"), state(&s, "b")], ["approved", "approved"]);
    let (status, page) = send(&s, &eve, "a", &[("step", "release"), ("seen", "yes")]);
    assert!(status == 422 && page.contains("two different people"), "{page}");
    let bob = people::log_in(&s.base, "bob");
    assert_eq!(send(&s, &bob, "a", &[("step", "release"), ("seen", "yes")]).0, 303);
    // What is released cannot be undone.
    let (_, page) = post(&s, &eve, "/cases/undo", &fields(&s.get("/").1, "none"));
    assert!(page.contains("no case is selected"));
    assert_eq!(send(&s, &eve, "a", &[("step", "undo")]).0, 422);
}

#[test]
fn only_reviewers_are_offered_steps_on_many_cases() {
    let s = server(Reviewers::People, &["a"]);
    let bob = people::log_in(&s.base, "bob");
    let list = s.get_as(&bob, "/").1;
    assert!(!list.contains("/cases/preview") && list.contains("method=\"get\" action=\"/cases/compare\""), "{list}");
    for path in ["/cases/preview", "/cases/steps", "/cases/undo"] {
        let (status, page) = post(&s, &bob, path, &[("case", "a"), ("seen", "1 a"), ("step", "begin")]);
        assert!(status == 422 && page.contains("the role reviewer"), "{path}: {status} {page}");
        let request = s.posting.post(format!("{}{path}", s.base)).header("cookie", &s.cookie);
        assert_eq!(request.send_form([("case", "a"), ("step", "begin")]).unwrap().status().as_u16(), 403, "no token");
    }
    let ann = s.cookie.clone();
    for odd in [&[("step", "dismiss")][..], &[("case", "a"), ("step", "release")], &[("case", "a")]] {
        assert_eq!(post(&s, &ann, "/cases/preview", odd).0, 422, "{odd:?}");
    }
    assert_eq!(state(&s, "a"), "nominated");
}

#[test]
fn two_clusters_are_compared() {
    let s = server(Reviewers::People, &["a", "b"]);
    let (status, page) = s.get("/cases/compare?case=a&case=b");
    look("console-compare.html", &page);
    assert_eq!(status, 200);
    for part in ["Compare two clusters", "accounts in common, of", "keys in common, of", "/clusters/a", "/clusters/b"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let (status, _) = post(&s, &s.cookie.clone(), "/cases/compare", &[("case", "a"), ("case", "b")]);
    assert_eq!(status, 303);
    for (odd, status) in [("", 422), ("?case=a", 422), ("?case=a&case=b&case=c", 422), ("?case=a&case=none", 404)] {
        assert_eq!(s.get(&format!("/cases/compare{odd}")).0, status, "{odd}");
    }
    assert!(s.get("/clusters/a").1.contains("Compare with another cluster"));
}

#[test]
fn accounts_are_ordered_without_a_script() {
    let s = server(Reviewers::People, &["a"]);
    let first = |order: &str| {
        let page = s.get(&format!("/clusters/a?order={order}")).1;
        let table = page.split("id=\"account-table\"").nth(1).unwrap().split("</table>").next().unwrap().to_owned();
        table.split("data-a=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    let one: serde_json::Value = serde_json::from_str(&s.get("/api/clusters/a").1).unwrap();
    let accounts = one["cluster"]["accounts"].as_array().unwrap();
    let place = |of: &dyn Fn(&serde_json::Value) -> f64| {
        let most = accounts.iter().map(of).fold(f64::NEG_INFINITY, f64::max);
        accounts.iter().position(|account| of(account) == most).unwrap().to_string()
    };
    assert_eq!(first("evidence"), place(&|account| account["log_e"].as_f64().unwrap()));
    assert_eq!(first("posts"), place(&|account| account["posts"].as_f64().unwrap()));
    assert_eq!(first("odd"), "0");
}

#[test]
fn ids_with_any_character_can_be_selected() {
    let id = "<b>/\"?#% +\u{202E}";
    let s = server(Reviewers::People, &[id]);
    let ann = s.cookie.clone();
    let list = s.get("/").1;
    let mut selected = fields(&list, "case");
    assert!(!list.contains('\u{202E}') && selected.len() == 1, "{list}");
    selected.push(("step", "begin"));
    let (_, preview) = post(&s, &ann, "/cases/preview", &selected);
    assert!(preview.contains("The step applies to 1 case") && !preview.contains('\u{202E}'), "{preview}");
    let mut form = fields(&preview, "seen");
    form.push(("step", "begin"));
    let (_, page) = post(&s, &ann, "/cases/steps", &form);
    assert!(page.contains("Done for 1 case."), "{page}");
}
