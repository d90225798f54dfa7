//! Legal hold on the page of a case: one person places it, an approver lifts it.

use serde_json::json;

use super::{
    retractions::{call, harmless, json_of},
    *,
};

const NASTY: &str = "<script>alert(1)</script>\"><img src=x onerror=alert(1)>{{ 7*7 }}";

#[test]
fn a_case_is_put_under_legal_hold_and_another_person_lifts_it() {
    let s = server(Reviewers::People, &["a"]);
    // Ann reviews, Eve does too; Bob approves.
    let (ann, bob) = (s.cookie.clone(), people::log_in(&s.base, "bob"));
    let page = s.get("/clusters/a").1;
    assert!(page.contains("id=\"form-place_hold\"") && !page.contains("id=\"form-lift_hold\""), "{page}");
    let place = |reason| [("step", "place_hold"), ("reason", reason)];
    let (status, page) = send(&s, &ann, "a", &place(" "));
    assert_eq!(status, 422);
    assert!(page.contains("enter why it must be preserved"), "{page}");
    assert_eq!(send(&s, &ann, "a", &place(NASTY)).0, 303);
    let page = s.get("/clusters/a?done=place_hold").1;
    look("case-hold.html", &page);
    harmless(&page);
    assert!(page.contains("This case must be preserved") && page.contains("neither erased nor deleted"), "{page}");
    assert!(!page.contains("id=\"form-lift_hold\""), "for approvers");
    assert_eq!(send(&s, &ann, "a", &place("again")).0, 422);
    let lift = |reason| [("step", "lift_hold"), ("reason", reason)];
    assert_eq!(send(&s, &ann, "a", &lift("over")).0, 422, "for approvers");
    let (status, page) = send(&s, &bob, "a", &lift(""));
    assert_eq!(status, 422);
    assert!(page.contains("need not be preserved") && page.contains("id=\"form-lift_hold\" open"), "{page}");
    assert_eq!(json_of(&s, "/api/clusters/a")["case"]["hold"]["by"], "ann");
    assert_eq!(send(&s, &bob, "a", &lift("the proceeding is over")).0, 303);
    let one = json_of(&s, "/api/clusters/a");
    assert_eq!(one["case"].get("hold"), None);
    let actions: Vec<&str> =
        one["history"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["nominated", "hold_placed", "hold_lifted"]);

    let step = json!({"take": "place_hold", "reason": "asked by the court"});
    let body = json!({"revision": one["revision"], "step": step});
    assert_eq!(call(&s, &ann, "/api/clusters/a/steps", Some(body)).0, 200);
    let one = json_of(&s, "/api/clusters/a");
    let body = json!({"revision": one["revision"], "step": {"take": "lift_hold", "reason": "over"}});
    assert_eq!(call(&s, &ann, "/api/clusters/a/steps", Some(body.clone())).0, 403);
    assert_eq!(call(&s, &bob, "/api/clusters/a/steps", Some(body)).0, 200);
}
