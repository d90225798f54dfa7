//! Content of the posts in a finding's evidence, read from the topic `posts` when a person opens a page.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use messages::{
    cluster::{LogPosition, PostRef},
    topics,
};

use crate::service::Sharing;
use presentation::posts::{PostContent, Posts};

/// The most posts that are looked up for one page.
pub(crate) const MOST: usize = 300;
/// How long a page waits for the log.
const PATIENCE: Duration = Duration::from_secs(3);

/// A post whose text is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    platform: String,
    id: String,
    /// Not known of findings from files and from detectors of before.
    at: Option<LogPosition>,
}

impl From<&PostRef> for Wanted {
    fn from(post: &PostRef) -> Wanted {
        Wanted { platform: post.platform.clone(), id: post.id.clone(), at: post.log }
    }
}

/// Looks posts up, the first [`MOST`] of them, and says what is not known and why.
pub(crate) async fn look_up(sharing: &Sharing, wanted: Vec<Wanted>) -> Posts {
    let cut = wanted.len() > MOST;
    let mut posts = Posts::default();
    let Some(log) = sharing.inner.log.get() else {
        return posts
            .with_remark("The content of these posts is not shown yet: the service is still starting.".to_owned());
    };
    let wanted: BTreeMap<(i32, i64), &Wanted> =
        wanted.iter().take(MOST).filter_map(|post| Some(((post.at?.partition, post.at?.offset), post))).collect();
    if wanted.is_empty() {
        return posts.with_remark(
            "The content of these posts is not known: the finding does not say where they are on the log.".to_owned(),
        );
    }
    let places: Vec<(i32, i64)> = wanted.keys().copied().collect();
    // One request that hangs is cut off later than a reading that is merely long.
    let reading = log.records_at(topics::POSTS, &places, PATIENCE);
    let (records, all) = match tokio::time::timeout(2 * PATIENCE, reading).await {
        Ok(Ok(records)) => records,
        Ok(Err(error)) => {
            tracing::warn!(%error, "posts in evidence cannot be read from the log");
            sharing.inner.metrics.errors.with_label_values(&["log"]).inc();
            return posts.with_remark(format!("The content of these posts cannot be read from the log: {error}."));
        }
        Err(_) => {
            return posts.with_remark(format!(
                "The content of these posts is not shown: the log did not answer within {} seconds. Load the page again.",
                2 * PATIENCE.as_secs()
            ));
        }
    };
    let mut found = 0;
    for record in records {
        let Some(post) = record.value.as_deref().and_then(|value| messages::post::decode(value).ok()) else { continue };
        // The log may be another one than that of the time.
        if wanted
            .get(&(record.partition, record.offset))
            .is_some_and(|of| of.platform == post.platform && of.id == post.id)
        {
            let owned = |texts: &[Cow<'_, str>]| texts.iter().map(|text| text.clone().into_owned()).collect();
            let content = PostContent {
                text: post.text.clone().into_owned(),
                links: owned(&post.urls),
                media: owned(&post.media),
            };
            posts.insert(&post.platform, &post.id, content);
            found += 1;
        }
    }
    match places.len() - found {
        some if !all => posts.with_remark(format!(
            "The content of {} of these {} could not be read within {} seconds. To see the posts of one key, open the key and magnify its burst.",
            text_format::thousands(some as u64),
            text_format::count(places.len() as u64, "post"),
            PATIENCE.as_secs(),
        )),
        0 if cut => posts.with_remark(format!(
            "Only the content of the first {MOST} posts is shown. To see the posts of one key, open the key and magnify its burst."
        )),
        0 => posts,
        gone => posts.with_remark(format!(
            "The content of {} of these {} is no longer on the log.",
            text_format::thousands(gone as u64),
            text_format::count(places.len() as u64, "post"),
        )),
    }
}
