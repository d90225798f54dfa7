//! Sign-offs over HTTP: by whom, and what the page and the API say of them.

use serde_json::{Value, json};

use super::{steps::*, *};

#[test]
fn a_sign_off_is_given_by_a_person_who_holds_the_role_and_by_nobody_else() {
    let s = server_with(Reviewers::People, &["a"], |config, folder| {
        let path = folder.join("recipients.toml");
        let text = "[[recipients]]\nname = 'public'\nclass = 'public'\ntlp_ceiling = 'clear'\n\
                    [[recipients]]\nname = 'house'\nclass = 'congress'\ncontact = 'the clerk'\n";
        std::fs::write(&path, text).unwrap();
        config.partners = Vec::new();
        config.recipients = Some(path);
    });
    let (ann, bob, cy) = (s.cookie.clone(), people::log_in(&s.base, "bob"), people::log_in(&s.base, "cy"));
    let done = |cookie: &str, fields: &[(&str, &str)]| {
        let (status, page) = send(&s, cookie, "a", fields);
        assert_eq!(status, 303, "{fields:?}: {page}");
    };
    done(&ann, &[("step", "begin")]);
    RECORDS.iter().for_each(|record| done(&ann, record));
    let answers = [("step", "public_notice"), ("amplifies", "no"), ("amplifies_why", "known"), ("revictimises", "no")];
    done(&ann, &[&answers[..], &[("revictimises_why", "nobody is named")]].concat());
    done(&ann, &[("step", "chosen"), ("recipient", "public"), ("recipient", "house")]);
    let page = s.get("/clusters/a").1;
    look("case-sign-offs.html", &page);
    assert!(page.contains("missing. Who can sign off: <bdi>cy</bdi>"), "{page}");
    assert!(page.contains("missing. Who can sign off: <bdi>nobody holds this role"), "{page}");
    // A reviewer without the role cannot, whoever the form names.
    let given = [("step", "sign_off"), ("role", "public affairs"), ("comment", "read"), ("by", "cy"), ("held", "true")];
    let (status, page) = send(&s, &ann, "a", &given);
    assert!(status == 422 && page.contains("this needs the sign-off role public affairs"), "{status} {page}");
    let api = |cookie: &str, step: Value| {
        let csrf = people::csrf(&s.sharing, cookie);
        let revision = s.sharing.inner.store.case("a").unwrap().unwrap().revision;
        let sent = s.posting.post(format!("{}/api/clusters/a/steps", s.base)).header("cookie", cookie);
        let sent = sent.header("x-csrf-token", &csrf).header("content-type", "application/json");
        let mut answer = sent.send(json!({"revision": revision, "step": step}).to_string()).unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    };
    let sign = json!({"take": "sign_off", "role": "public affairs", "comment": "read"});
    assert_eq!(api(&ann, sign.clone()).0, 403);
    let old =
        json!({"take": "record", "fact": {"sign_off": {"role": "public affairs", "comment": "read", "held": true}}});
    assert_eq!(api(&ann, old).0, 400, "the form of before");
    // Cy holds it, and nothing else.
    let (status, said) = api(&cy, json!({"take": "sign_off", "role": "congressional affairs", "comment": "read"}));
    assert_eq!(status, 403, "{said}");
    assert_eq!(send(&s, &cy, "a", &[("step", "approve"), ("comment", "clear")]).0, 422);
    done(&cy, &given);
    let page = s.get_as(&cy, "/clusters/a").1;
    assert!(page.contains("signed off by <bdi>cy</bdi>"), "{page}");
    let outcome: Value = serde_json::from_str(&s.get("/api/clusters/a/outcome").1).unwrap();
    let needed = outcome["outcome"]["sign_offs"].as_array().unwrap();
    let of = |role: &str| needed.iter().find(|needed| needed["role"] == role).unwrap();
    assert_eq!((&of("public affairs")["by"], &of("congressional affairs")["by"]), (&json!("cy"), &Value::Null));
    assert_eq!(outcome["who_may_sign_off"]["public affairs"], json!({"users": ["cy"], "provider": null}));
    let person: Value = serde_json::from_str(&s.get_as(&cy, "/api/person").1).unwrap();
    assert_eq!(person["sign_off_roles"], json!(["public affairs"]));
    done(&ann, &[("step", "approve"), ("comment", "clear")]);
    let (status, page) = send(&s, &bob, "a", &[("step", "release"), ("seen", "yes")]);
    assert!(
        status == 422 && page.contains("house is notified only after congressional affairs has signed off"),
        "{page}"
    );
    done(&ann, &[("step", "chosen"), ("recipient", "public")]);
    done(&ann, &[("step", "approve"), ("comment", "clear")]);
    done(&bob, &[("step", "release"), ("seen", "yes")]);
}
