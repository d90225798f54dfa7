//! What the page shows of the feed is what is sent.

use serde_json::Value;

use super::*;

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Without what is not known before the release.
fn without_times(mut objects: Vec<Value>) -> Vec<Value> {
    for object in objects.iter_mut().filter_map(Value::as_object_mut) {
        for time in ["created", "modified", "valid_until"] {
            object.remove(time);
        }
    }
    objects
}

#[test]
fn the_page_shows_the_objects_that_a_release_sends() {
    let s = server(Reviewers::People, &["a"]);
    let (bob, eve) = (people::log_in(&s.base, "bob"), people::log_in(&s.base, "eve"));
    assert_eq!(send(&s, &eve, "a", &[("step", "begin")]).0, 303);
    for record in RECORDS {
        assert_eq!(send(&s, &eve, "a", record).0, 303);
    }
    let page = s.get("/clusters/a").1;
    assert!(page.contains("href=\"/clusters/a/objects/birds\"") && !page.contains("as approved"), "{page}");
    assert_eq!(send(&s, &eve, "a", &[("step", "approve"), ("comment", "clear")]).0, 303);
    let page = s.get("/clusters/a").1;
    look("console-objects.html", &page);
    assert!(page.contains(">as approved<"), "{page}");

    let (status, text) = s.get("/clusters/a/objects/birds");
    assert_eq!(status, 200);
    let shown = lines(&text);
    let outcome: Value = serde_json::from_str(&s.get("/api/clusters/a/outcome").1).unwrap();
    assert!(page.contains(outcome["objects"]["birds"].as_str().unwrap()));
    // What stands under "will see" is in the objects.
    let rows = outcome["beside"]["birds"].as_array().unwrap();
    let seen = |what: &str| {
        let row = rows.iter().find(|row| row["what"].as_str().unwrap().starts_with(what)).unwrap();
        row["seen"].as_str().unwrap().to_owned()
    };
    let posts = shown.iter().filter(|object| object["type"] == "observed-data");
    let posts: usize = posts.map(|object| object["external_references"].as_array().map_or(0, Vec::len)).sum();
    assert_eq!(seen("Posts by their ids"), text_format::count(posts as u64, "post"));
    for key in seen("Links, hashtags").split(" and ").next().unwrap().split(", ") {
        assert!(text.contains(key), "{key}");
    }

    assert_eq!(send(&s, &bob, "a", &[("step", "release"), ("seen", "yes")]).0, 303);
    let (partners, sent) = s
        .runtime
        .block_on(s.sharing.blocking(|inner| {
            let partners = inner.store.partners()?;
            let query = crate::store::ObjectQuery::every_version(&[]);
            let (objects, _) = inner.store.objects(partners[0].collection, &query)?;
            Ok((partners, objects))
        }))
        .unwrap();
    assert_eq!(partners.len(), 1);
    let sent: String = sent.into_iter().map(|object| object.body + "\n").collect();
    assert_eq!(without_times(lines(&sent)), without_times(shown));

    assert_eq!(s.get("/clusters/a/objects/nobody").0, 404);
    assert_eq!(s.get("/clusters/none/objects/birds").0, 404);
}
