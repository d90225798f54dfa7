//! The explanation of a case in plain words, over real HTTP.

use super::{
    retractions::{released, with_partner},
    *,
};

#[test]
fn a_case_is_explained_without_names_as_page_and_pdf() {
    let s = with_partner(&["a"]);
    let (status, draft) = s.get("/clusters/a/explanation/explanation.html");
    look("explanation-draft.html", &draft);
    assert_eq!(status, 200);
    assert!(draft.contains("DRAFT. Not released"), "{draft}");
    assert!(s.get("/clusters/a").1.contains("href=\"/clusters/a/explanation/explanation.html\""));
    released(&s, "a");
    let (status, page) = s.get("/clusters/a/explanation/explanation.html");
    assert_eq!(status, 200);
    assert!(page.contains("another person released it") && !page.contains("DRAFT"), "{page}");
    let case = s.sharing.inner.store.case("a").unwrap().unwrap();
    for account in &case.cluster.accounts {
        assert!(!page.contains(&account.account_id) && !page.contains(&account.account_name), "{page}");
    }
    // A platform knows the case under an id of its own.
    assert!(page.contains(&case.case.id));
    let (_, own) = s.get("/clusters/a/explanation/explanation.html?recipient=birds");
    assert!(!own.contains(&case.case.id), "{own}");
    let reference = s.sharing.inner.store.reference_for("birds", &case.case.id).unwrap();
    assert!(own.contains(&reference), "{own}");
    let mut pdf = s
        .agent
        .get(format!("{}/clusters/a/explanation/explanation.pdf", s.base))
        .header("cookie", &s.cookie)
        .call()
        .unwrap();
    assert_eq!(pdf.headers()["content-type"], "application/pdf");
    assert!(pdf.body_mut().read_to_vec().unwrap().starts_with(b"%PDF"));
    assert_eq!(s.get("/clusters/none/explanation/explanation.html").0, 404);
    assert_eq!(s.get("/clusters/a/explanation/other.html").0, 404);
}

#[test]
fn without_a_contact_nobody_could_object_so_there_is_no_explanation() {
    let s = server(Reviewers::People, &["a"]);
    let (status, page) = s.get("/clusters/a/explanation/explanation.html");
    assert_eq!(status, 422);
    assert!(page.contains("sharing.contact is empty"), "{page}");
    let case = s.get("/clusters/a").1;
    assert!(case.contains("sharing.contact") && !case.contains("/explanation/"), "no link leads to a refusal");
}
