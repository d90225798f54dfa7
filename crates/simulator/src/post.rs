//! A simulated post, and its two output forms: the engine's type, and a line of the native dialect.

use std::{borrow::Cow, io};

use coordination::{Millis, Post};
use serde::{Serialize, Serializer};

/// A simulated post with the fields of the native dialect. Fields that its platform does not
/// provide are left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SimPost {
    /// Unique on its platform; grows with time.
    pub id: String,
    /// The platform's name.
    pub platform: String,
    /// Id of the account, unique on its platform.
    pub account_id: String,
    /// Handle.
    pub account_name: String,
    /// Time of posting, in milliseconds since the Unix epoch; RFC 3339 in JSON.
    #[serde(serialize_with = "rfc3339")]
    pub created_at: Millis,
    /// The text.
    pub text: String,
    /// BCP 47 language tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lang: Option<&'static str>,
    /// Links.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Hashtags without `#`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hashtags: Vec<String>,
    /// Mentioned handles without `@`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<String>,
    /// Perceptual hashes of the pictures, 16 hexadecimal digits each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<String>,
    /// Id of the reposted post.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repost_of: Option<String>,
    /// Author of the reposted post.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repost_of_account: Option<String>,
    /// Id of the post that this post replies to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// Author of the post that this post replies to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to_account: Option<String>,
    /// The application from which it was posted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Number of followers of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub followers: Option<u64>,
    /// Number of accounts that the account follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub following: Option<u64>,
    /// Time at which the account was created.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "rfc3339_option")]
    pub account_created_at: Option<Millis>,
    /// Total number of posts of the account so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_posts: Option<u64>,
    /// Whether the profile was never filled in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_profile: Option<bool>,
    /// Time at which the post was deleted.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "rfc3339_option")]
    pub deleted_at: Option<Millis>,
}

impl SimPost {
    /// The post as the engine's type.
    pub fn as_post(&self) -> Post<'_> {
        Post {
            id: Cow::Borrowed(&self.id),
            platform: Cow::Borrowed(&self.platform),
            account_id: Cow::Borrowed(&self.account_id),
            account_name: Cow::Borrowed(&self.account_name),
            created_at: self.created_at,
            text: Cow::Borrowed(&self.text),
            lang: self.lang.map(Cow::Borrowed),
            urls: borrowed(&self.urls),
            hashtags: borrowed(&self.hashtags),
            mentions: borrowed(&self.mentions),
            media: borrowed(&self.media),
            repost_of: self.repost_of.as_deref().map(Cow::Borrowed),
            repost_of_account: self.repost_of_account.as_deref().map(Cow::Borrowed),
            reply_to: self.reply_to.as_deref().map(Cow::Borrowed),
            reply_to_account: self.reply_to_account.as_deref().map(Cow::Borrowed),
            quote_of: None,
            quote_of_account: None,
            client: self.client.as_deref().map(Cow::Borrowed),
            followers: self.followers,
            following: self.following,
            account_created_at: self.account_created_at,
            account_posts: self.account_posts,
            default_profile: self.default_profile,
            deleted_at: self.deleted_at,
            position: None,
        }
    }

    /// Writes the post as one line of the native dialect.
    pub fn write_ndjson(&self, mut out: impl io::Write) -> io::Result<()> {
        serde_json::to_writer(&mut out, self)?;
        out.write_all(b"\n")
    }
}

fn borrowed(values: &[String]) -> Vec<Cow<'_, str>> {
    values.iter().map(|value| Cow::Borrowed(value.as_str())).collect()
}

/// A time in the form of the dialect.
pub(crate) fn moment(at: Millis) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(at).unwrap_or(jiff::Timestamp::MAX)
}

pub(crate) fn rfc3339<S: Serializer>(at: &Millis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&moment(*at))
}

fn rfc3339_option<S: Serializer>(at: &Option<Millis>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => rfc3339(at, serializer),
        None => serializer.serialize_none(),
    }
}
