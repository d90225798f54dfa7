//! Content of the posts in a finding's evidence, for a page: as it was kept, or else read from the topic `posts`.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use messages::{
    cluster::{LogPosition, PostRef},
    topics,
};

use crate::service::{Sharing, SharingError};
use presentation::posts::{PostContent, Posts};

/// The most posts that are looked up for one page.
pub(crate) const MOST: usize = 300;
/// What stands in place of a text.
const GONE: &str = "Text is gone";
const ERASED: &str = "Text was erased";
/// How long a page waits for the log.
const PATIENCE: Duration = Duration::from_secs(3);

/// A post whose text is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    platform: String,
    id: String,
    account_id: String,
    /// Not known of findings from files and from detectors of before.
    at: Option<LogPosition>,
}

impl From<&PostRef> for Wanted {
    fn from(post: &PostRef) -> Wanted {
        Wanted {
            platform: post.platform.clone(),
            id: post.id.clone(),
            account_id: post.account_id.clone(),
            at: post.log,
        }
    }
}

/// Looks posts up, the first [`MOST`] of them, and says what is not known and why.
pub(crate) async fn look_up(sharing: &Sharing, mut wanted: Vec<Wanted>) -> Posts {
    let cut = wanted.len() > MOST;
    wanted.truncate(MOST);
    let asked = wanted.len();
    let (mut posts, missing) = match kept(sharing, wanted).await {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(%error, "kept posts cannot be read");
            sharing.inner.metrics.errors.with_label_values(&["store"]).inc();
            return Posts::default().with_remark(format!("The content of these posts cannot be read: {error}."));
        }
    };
    if missing.is_empty() {
        return if cut { posts.with_remark(first_of()) } else { posts };
    }
    // Where nothing at all is kept, the remark need not say how many.
    let these = |count: usize| match count == asked {
        true => "these posts".to_owned(),
        false => {
            format!("{} of these {}", text_format::thousands(count as u64), text_format::count(asked as u64, "post"))
        }
    };
    let Some(log) = sharing.inner.log.get() else {
        let which = these(missing.len());
        return posts.with_remark(format!("The content of {which} is not shown yet: the service is still starting."));
    };
    let (unplaced, places): (Vec<Wanted>, Vec<Wanted>) = missing.into_iter().partition(|post| post.at.is_none());
    let of_log: BTreeMap<(i32, i64), &Wanted> =
        places.iter().filter_map(|post| Some(((post.at?.partition, post.at?.offset), post))).collect();
    if of_log.is_empty() {
        return posts.with_remark(format!(
            "The content of {} is not known: it is not kept, and the finding does not say where they are on the log.",
            these(unplaced.len())
        ));
    }
    let places: Vec<(i32, i64)> = of_log.keys().copied().collect();
    // One request that hangs is cut off later than a reading that is merely long.
    let reading = log.records_at(topics::POSTS, &places, PATIENCE);
    let (records, all) = match tokio::time::timeout(2 * PATIENCE, reading).await {
        Ok(Ok(records)) => records,
        Ok(Err(error)) => {
            tracing::warn!(%error, "posts in evidence cannot be read from the log");
            sharing.inner.metrics.errors.with_label_values(&["log"]).inc();
            return posts
                .with_remark(format!("The content of {} cannot be read from the log: {error}.", these(places.len())));
        }
        Err(_) => {
            return posts.with_remark(format!(
                "The content of {} is not shown: the log did not answer within {} seconds. Load the page again.",
                these(places.len()),
                2 * PATIENCE.as_secs()
            ));
        }
    };
    let mut found = BTreeSet::new();
    for record in records {
        let Some(post) = record.value.as_deref().and_then(|value| messages::post::decode(value).ok()) else { continue };
        let place = (record.partition, record.offset);
        // The log may be another one than that of the time.
        if of_log.get(&place).is_some_and(|of| of.platform == post.platform && of.id == post.id) {
            let owned = |texts: &[Cow<'_, str>]| texts.iter().map(|text| text.clone().into_owned()).collect();
            let content = PostContent {
                text: post.text.clone().into_owned(),
                links: owned(&post.urls),
                media: owned(&post.media),
            };
            posts.insert(&post.platform, &post.id, content);
            found.insert(place);
        }
    }
    let gone = || of_log.iter().filter(|(place, _)| !found.contains(place)).map(|(_, post)| post);
    if all {
        gone().for_each(|post| posts.insert_missing(&post.platform, &post.id, GONE));
    }
    match gone().count() {
        some if !all => posts.with_remark(format!(
            "The content of {} could not be read within {} seconds. To see the posts of one key, open the key and magnify its burst.",
            these(some),
            PATIENCE.as_secs(),
        )),
        0 if cut => posts.with_remark(first_of()),
        0 => posts,
        gone => posts.with_remark(format!(
            "The text of {} is gone: it was not kept, and it is no longer on the log.",
            these(gone)
        )),
    }
}

fn first_of() -> String {
    format!(
        "Only the content of the first {MOST} posts is shown. To see the posts of one key, open the key and magnify its burst."
    )
}

/// What is kept of posts, and the posts of which nothing is. What an erased account posted is not looked for.
async fn kept(sharing: &Sharing, wanted: Vec<Wanted>) -> Result<(Posts, Vec<Wanted>), SharingError> {
    sharing
        .blocking(move |inner| {
            let kept = inner.store.kept_posts(wanted.iter().map(|post| (&*post.platform, &*post.id)))?;
            let accounts = wanted.iter().map(|post| (&*post.platform, &*post.account_id));
            let erased = inner.store.erased_accounts(accounts)?;
            let (mut posts, mut missing) = (Posts::default(), Vec::new());
            for post in &wanted {
                if let Some(kept) = kept.get(&post.platform, &post.id) {
                    let (text, links, media) = (kept.text.clone(), kept.links.clone(), kept.media.clone());
                    posts.insert(&post.platform, &post.id, PostContent { text, links, media });
                } else if erased.contains(&(&*post.platform, &*post.account_id)) {
                    posts.insert_missing(&post.platform, &post.id, ERASED);
                } else {
                    missing.push(post.clone());
                }
            }
            Ok((posts, missing))
        })
        .await
}
