//! What a rejection opens, and withdrawals that partners have to know of.

use super::*;
use crate::store::database::tests::{Place, on_both_databases};

on_both_databases!(async fn a_rejection_opens_a_retraction_case_and_one_person_withdraws_the_account_from_everybody, a_retraction_case_can_be_kept_with_a_reason, a_withdrawal_is_overdue_after_a_day_unless_the_partner_fetched_it);

async fn a_rejection_opens_a_retraction_case_and_one_person_withdraws_the_account_from_everybody(
    (_folder, place): Place,
) {
    let sharing = open(&place, Reviewers::People);
    release(&sharing, "a").await;
    let before = seen(&sharing, "birds", "indicator");
    let ((id, account), (again, other)) = (indicator(&sharing, "birds", 3), indicator(&sharing, "birds", 4));
    says(
        &sharing,
        "birds",
        "opinion",
        &id,
        json!({"opinion": "strongly-disagree", "explanation": "our own news desk"}),
    );
    says(&sharing, "birds", "opinion", &again, json!({"opinion": "disagree"}));
    sharing.inner.read_inboxes(Timestamp::now()).unwrap();
    let open = sharing.retraction_cases(false).await.unwrap();
    assert_eq!(open.len(), 1, "one case for what one partner says of one case");
    assert_eq!((open[0].opened_by.as_str(), open[0].accounts.len()), ("partner birds", 2));
    assert!(open[0].reason.contains("our own news desk"), "{}", open[0].reason);
    assert!(seen(&sharing, "birds", "indicator").iter().all(|object| object["revoked"] != true), "people decide");

    sharing.decide_retraction(open[0].number, Decision::Withdraw, "cat").await.unwrap();
    let after = seen(&sharing, "birds", "indicator");
    for (old, new) in before.iter().map(|old| {
        let id = &old["id"];
        (old, after.iter().find(|new| new["id"] == *id).unwrap())
    }) {
        let gone = old["id"] == *id || old["id"] == *again;
        assert_eq!(new["revoked"] == true, gone);
        assert!(gone || new == old, "a withdrawal renews nothing");
    }
    let note = seen(&sharing, "birds", "note").into_iter().find(|note| note["abstract"] == "Withdrawn").unwrap();
    assert!(note["content"].as_str().unwrap().contains("2 accounts"), "{note}");
    let notes = seen(&sharing, "blue", "note");
    assert!(
        notes.iter().all(|note| note["abstract"] != "Withdrawn"),
        "a partner that did not receive them gets no note"
    );
    let waiting = sharing.retractions_waiting(false).await.unwrap();
    assert_eq!(waiting.len(), 1);
    let mut gone = vec![account.clone(), other];
    gone.sort();
    assert_eq!((waiting[0].partner.as_str(), &waiting[0].accounts), ("birds", &gone));
    let decided = sharing.retraction_cases(true).await.unwrap();
    assert_eq!((decided[0].state.as_str(), decided[0].decided_by.as_deref()), ("withdrawn", Some("cat")));
    assert!(sharing.decide_retraction(open[0].number, Decision::Withdraw, "cat").await.is_err());

    // What a later version says does not bring them back.
    sharing.on_clusters(vec![fixtures::cluster("a", 2)]).await.unwrap();
    let check = Step::CheckSourcesAndMethods { finding: "public posts only".to_owned() };
    sharing.step("a", check, "ann").await.unwrap();
    record(&sharing, "a").await;
    sharing.step("a", Step::Approve { comment: "clear".to_owned() }, "ann").await.unwrap();
    sharing.step("a", Step::Update, "bob").await.unwrap();
    let now = seen(&sharing, "birds", "indicator");
    assert_eq!(now.iter().filter(|object| object["revoked"] != true).count(), before.len() - 2);

    // To reject the account itself asks for nothing that has not happened.
    let user = seen(&sharing, "birds", "user-account").into_iter().find(|user| user["user_id"] == *account).unwrap();
    says(&sharing, "birds", "opinion", user["id"].as_str().unwrap(), json!({"opinion": "disagree"}));
    sharing.inner.read_inboxes(Timestamp::now()).unwrap();
    assert_eq!(sharing.retraction_cases(false).await.unwrap(), []);

    // To agree may mean the flag or its withdrawal: no label, and no acknowledgement. What it did about it is a label.
    let labels = || sharing.inner.store.unpublished_feedback(9).unwrap().len();
    let n = labels();
    says(&sharing, "birds", "opinion", &id, json!({"opinion": "agree"}));
    says(&sharing, "birds", "sighting", &id, json!({}));
    sharing.inner.read_inboxes(Timestamp::now()).unwrap();
    assert_eq!(labels(), n);
    says(&sharing, "birds", "note", &id, json!({"labels": ["actioned"]}));
    sharing.inner.read_inboxes(Timestamp::now()).unwrap();
    assert_eq!(labels(), n + 1);
    assert_eq!(sharing.retractions_waiting(false).await.unwrap().len(), 1);
    // Another partner cannot acknowledge for it.
    says(&sharing, "blue", "note", &id, json!({"labels": ["acknowledged"]}));
    sharing.inner.read_inboxes(Timestamp::now()).unwrap();
    assert_eq!(sharing.retractions_waiting(false).await.unwrap().len(), 1);
    says(&sharing, "birds", "note", &id, json!({"labels": ["acknowledged"]}));
    sharing.inner.read_inboxes(Timestamp::now()).unwrap();
    assert_eq!(labels(), n + 1);
    assert_eq!(sharing.retractions_waiting(false).await.unwrap(), []);
    assert!(actions(&sharing, "a").contains(&"retraction_acknowledged".to_owned()));
    assert!(sharing.verify_audit().await.unwrap().is_ok());
}

async fn a_retraction_case_can_be_kept_with_a_reason((_folder, place): Place) {
    let sharing = open(&place, Reviewers::People);
    release(&sharing, "a").await;
    let campaign = seen(&sharing, "blue", "campaign")[0]["id"].as_str().unwrap().to_owned();
    says(&sharing, "blue", "opinion", &campaign, json!({"opinion": "disagree"}));
    sharing.inner.read_inboxes(Timestamp::now()).unwrap();
    let open = sharing.retraction_cases(false).await.unwrap();
    assert_eq!(open[0].accounts, Vec::<String>::new(), "the whole case");
    let keep = |reason: &str| Decision::Keep { reason: reason.to_owned() };
    assert!(sharing.decide_retraction(open[0].number, keep(" "), "cat").await.is_err());
    sharing.decide_retraction(open[0].number, keep("seen on two more platforms"), "cat").await.unwrap();
    assert_eq!(sharing.retraction_cases(false).await.unwrap(), []);
    assert!(actions(&sharing, "a").contains(&"retraction_case_kept".to_owned()));
    // A second rejection opens a second one, and withdrawing it retracts the case from both partners.
    says(&sharing, "blue", "opinion", &campaign, json!({"opinion": "strongly-disagree"}));
    sharing.inner.read_inboxes(Timestamp::now()).unwrap();
    let open = sharing.retraction_cases(false).await.unwrap();
    sharing.decide_retraction(open[0].number, Decision::Withdraw, "cat").await.unwrap();
    assert_eq!(sharing.inner.store.case("a").unwrap().unwrap().case.state, State::Retracted);
    let waiting = sharing.retractions_waiting(false).await.unwrap();
    assert_eq!(waiting.iter().map(|one| one.partner.as_str()).collect::<Vec<_>>(), ["birds", "blue"]);
    assert_eq!(sharing.retraction_cases(false).await.unwrap(), []);
}

async fn a_withdrawal_is_overdue_after_a_day_unless_the_partner_fetched_it((_folder, place): Place) {
    let sharing = open(&place, Reviewers::People);
    release(&sharing, "a").await;
    sharing.step("a", Step::Retract { reason: "a fan club".to_owned() }, "ann").await.unwrap();
    let store = &sharing.inner.store;
    let now = Timestamp::now();
    let later = now + SignedDuration::from_secs(DAY + 60);
    assert_eq!(store.retraction_counts(now).unwrap(), (2, 0, 0));
    assert_eq!(store.retraction_counts(later).unwrap(), (2, 2, 0));
    assert_eq!(store.retractions_due(now).unwrap(), []);
    assert_eq!(store.retractions_due(later).unwrap().len(), 2);

    // What partners fetch is what a TAXII client gets: page by page, through the router.
    let key = sharing.issue_key("birds").await.unwrap();
    let fetch = |query: String, method: axum::http::Method| {
        let (sharing, key) = (sharing.clone(), key.clone());
        async move {
            let access = crate::http::access::Access::new(sharing.config());
            sharing
                .blocking(move |inner| {
                    let mut headers = axum::http::HeaderMap::new();
                    headers.insert("authorization", format!("Bearer {key}").parse().unwrap());
                    let path = "/taxii2/lockstep/collections/findings-birds/objects/";
                    let crate::http::taxii::Step::Answered(answered) =
                        crate::http::taxii::begin(inner, &access, &method, path, &query, &headers, None)
                    else {
                        panic!("a page needs no body")
                    };
                    assert_eq!(answered.response.status(), 200);
                    Ok(())
                })
                .await
                .unwrap();
            sharing.retractions_waiting(false).await.unwrap().len()
        }
    };
    let get = axum::http::Method::GET;
    assert_eq!(fetch("limit=5".to_owned(), get.clone()).await, 2, "the first page has no revocation");
    assert_eq!(fetch("match[type]=campaign".to_owned(), get.clone()).await, 2, "nor has one without indicators");
    assert_eq!(fetch("limit=1000".to_owned(), axum::http::Method::HEAD).await, 2, "HEAD hands out nothing");
    assert_eq!(fetch("limit=1000".to_owned(), get.clone()).await, 1, "all of it");
    let left = sharing.retractions_waiting(false).await.unwrap();
    assert_eq!(left[0].partner, "blue");
    sharing.acknowledge_retraction(left[0].number, "by telephone", "ann").await.unwrap();
    assert!(sharing.acknowledge_retraction(left[0].number, "by telephone", "ann").await.is_err());
    assert_eq!(store.retraction_counts(later).unwrap(), (0, 0, 0));
    let case = store.case("a").unwrap().unwrap().case;
    let by: Vec<_> = store.retractions_of(&case.id).unwrap().into_iter().filter_map(|one| one.acked_by).collect();
    assert_eq!(by, ["taxii", "operator"]);
}
