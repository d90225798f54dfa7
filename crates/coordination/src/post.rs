//! One message by one account on one platform at an event time.

use std::borrow::Cow;

/// Event time: milliseconds since the Unix epoch, UTC.
pub type Millis = i64;

/// Times further than this from 1970 (about 285,000 years) are taken for this: the engine can then add and subtract any of them.
const FURTHEST: Millis = 1 << 53;

/// The nearest time that the engine reckons with.
pub(crate) fn within_reach(at: Millis) -> Millis {
    at.clamp(-FURTHEST, FURTHEST)
}

/// A decoded post, borrowing from the bytes it was read from where it can.
///
/// `urls`, `hashtags` and `mentions` are complete when a post gets here: whoever decodes a post takes them from the text
/// where the input has no such field. Every `None` means "not known", never "no" or zero.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Post<'a> {
    /// Unique on its platform.
    pub id: Cow<'a, str>,
    /// Lower-case name of the platform, for example `twitter`.
    pub platform: Cow<'a, str>,
    /// Unique on its platform; never reused.
    pub account_id: Cow<'a, str>,
    /// Handle or display name.
    pub account_name: Cow<'a, str>,
    /// When it was posted.
    pub created_at: Millis,
    /// What it says, without any quoted post.
    pub text: Cow<'a, str>,
    /// BCP 47 language tag, where the platform gives one.
    pub lang: Option<Cow<'a, str>>,
    /// Links, in order.
    pub urls: Vec<Cow<'a, str>>,
    /// Hashtags without `#`, in order.
    pub hashtags: Vec<Cow<'a, str>>,
    /// Mentioned accounts without `@`, in order.
    pub mentions: Vec<Cow<'a, str>>,
    /// Perceptual hashes of attached media.
    pub media: Vec<Cow<'a, str>>,
    /// Id of the post that this one repeats.
    pub repost_of: Option<Cow<'a, str>>,
    /// Author of the post that this one repeats.
    pub repost_of_account: Option<Cow<'a, str>>,
    /// Id of the post that this one answers.
    pub reply_to: Option<Cow<'a, str>>,
    /// Author of the post that this one answers.
    pub reply_to_account: Option<Cow<'a, str>>,
    /// The application it was posted from.
    pub client: Option<Cow<'a, str>>,
    /// Accounts following this one, at the time.
    pub followers: Option<u64>,
    /// Accounts that this one follows, at the time.
    pub following: Option<u64>,
    /// When the account was made.
    pub account_created_at: Option<Millis>,
    /// Posts the account had made in its life, at the time.
    pub account_posts: Option<u64>,
    /// Whether the profile was never filled in.
    pub default_profile: Option<bool>,
    /// When the post was deleted.
    pub deleted_at: Option<Millis>,
}
