//! A simulated post, and the two ways out: the engine's own type, and a line of the native dialect.

use std::{borrow::Cow, io};

use coordination::{Millis, Post};
use serde::{Serialize, Serializer};

/// A simulated post, with its fields as the native dialect has them; what its platform does not tell is left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SimPost {
    /// Unique on its platform; grows with time.
    pub id: String,
    /// The platform's name.
    pub platform: String,
    /// Unique on its platform.
    pub account_id: String,
    /// Handle.
    pub account_name: String,
    /// When it was posted, in milliseconds since the Unix epoch; RFC 3339 in JSON.
    #[serde(serialize_with = "rfc3339")]
    pub created_at: Millis,
    /// What it says.
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
    /// Perceptual hashes of its pictures, 16 hexadecimal digits each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<String>,
    /// Id of the post that this one repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repost_of: Option<String>,
    /// Its author.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repost_of_account: Option<String>,
    /// Id of the post that this one answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// Its author.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to_account: Option<String>,
    /// The application it was posted from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Followers of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub followers: Option<u64>,
    /// Accounts that it follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub following: Option<u64>,
    /// When the account was made.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "rfc3339_option")]
    pub account_created_at: Option<Millis>,
    /// Posts of the account in its life so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_posts: Option<u64>,
    /// Whether the profile was never filled in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_profile: Option<bool>,
    /// When the post was deleted.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "rfc3339_option")]
    pub deleted_at: Option<Millis>,
}

impl SimPost {
    /// The post as the engine takes it.
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

/// A moment as the dialect writes it.
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
