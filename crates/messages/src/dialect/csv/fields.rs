//! The fields of a post that a column can be read as, and the names by which columns are
//! recognised.

use std::fmt;
use std::str::FromStr;

/// What a column can be read as: a field of a post, or something that helps to make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "they are the fields of the native dialect; the others are described")]
pub enum Field {
    Id,
    Platform,
    AccountId,
    AccountName,
    CreatedAt,
    /// The time of day, if `CreatedAt` is only a date.
    Time,
    Text,
    Lang,
    Urls,
    Hashtags,
    Mentions,
    Media,
    RepostOf,
    RepostOfAccount,
    /// Whether it is a repost, if the original's id is not given.
    IsRepost,
    ReplyTo,
    ReplyToAccount,
    QuoteOf,
    QuoteOfAccount,
    Client,
    Followers,
    Following,
    AccountCreatedAt,
    AccountPosts,
    DefaultProfile,
    DeletedAt,
    /// What was shared, in CooRTweet's layout: a link, a hashtag or the id of a post.
    Object,
    /// The post's own URL, whose site shows the platform if no column names it.
    PlatformOfLink,
}

impl Field {
    /// All fields.
    pub const ALL: [Field; 28] = [
        Field::Id,
        Field::Platform,
        Field::AccountId,
        Field::AccountName,
        Field::CreatedAt,
        Field::Time,
        Field::Text,
        Field::Lang,
        Field::Urls,
        Field::Hashtags,
        Field::Mentions,
        Field::Media,
        Field::RepostOf,
        Field::RepostOfAccount,
        Field::IsRepost,
        Field::ReplyTo,
        Field::ReplyToAccount,
        Field::QuoteOf,
        Field::QuoteOfAccount,
        Field::Client,
        Field::Followers,
        Field::Following,
        Field::AccountCreatedAt,
        Field::AccountPosts,
        Field::DefaultProfile,
        Field::DeletedAt,
        Field::Object,
        Field::PlatformOfLink,
    ];

    /// Its name, as in the native dialect.
    pub fn name(self) -> &'static str {
        match self {
            Field::Id => "id",
            Field::Platform => "platform",
            Field::AccountId => "account_id",
            Field::AccountName => "account_name",
            Field::CreatedAt => "created_at",
            Field::Time => "time",
            Field::Text => "text",
            Field::Lang => "lang",
            Field::Urls => "urls",
            Field::Hashtags => "hashtags",
            Field::Mentions => "mentions",
            Field::Media => "media",
            Field::RepostOf => "repost_of",
            Field::RepostOfAccount => "repost_of_account",
            Field::IsRepost => "is_repost",
            Field::ReplyTo => "reply_to",
            Field::ReplyToAccount => "reply_to_account",
            Field::QuoteOf => "quote_of",
            Field::QuoteOfAccount => "quote_of_account",
            Field::Client => "client",
            Field::Followers => "followers",
            Field::Following => "following",
            Field::AccountCreatedAt => "account_created_at",
            Field::AccountPosts => "account_posts",
            Field::DefaultProfile => "default_profile",
            Field::DeletedAt => "deleted_at",
            Field::Object => "object",
            Field::PlatformOfLink => "platform_of_link",
        }
    }

    /// Other names by which its column is recognised, in the form of [`normal`].
    pub fn aliases(self) -> &'static [&'static str] {
        match self {
            Field::Id => &[
                "post_id",
                "postid",
                "tweet_id",
                "tweetid",
                "message_id",
                "status_id",
                "content_id",
                "comment_id",
                "id_str",
            ],
            Field::Platform => &["network", "source_platform", "social_network"],
            Field::AccountId => &[
                "user_id",
                "userid",
                "author_id",
                "external_author_id",
                "author",
                "from_user_id",
                "from_id",
                "user_id_str",
                "sender_id",
                "channel_id",
                "profile_id",
            ],
            Field::AccountName => &[
                "screen_name",
                "username",
                "user_screen_name",
                "user_username",
                "user_name",
                "author_username",
                "author_user_name",
                "handle",
                "from_user",
                "author_name",
                "author",
            ],
            Field::CreatedAt => &[
                "timestamp",
                "date",
                "tweet_time",
                "publish_date",
                "timestamp_share",
                "datetime",
                "date_time",
                "created",
                "created_utc",
                "created_time",
                "creation_time",
                "published_at",
                "posted_at",
                "post_time",
                "post_date",
                "tweet_date",
                "tweet_created_at",
                "time",
            ],
            Field::Text => &[
                "message",
                "tweet_text",
                "content",
                "full_text",
                "tweet",
                "body",
                "post_text",
                "raw_content",
                "message_text",
                "comment_text",
                "caption",
            ],
            Field::Lang => &["language", "tweet_language", "tweet_lang"],
            Field::Urls => &["links", "expanded_urls", "expanded_url", "outlinks", "shared_urls", "shared_url"],
            Field::Hashtags => &["hashtag", "tags"],
            Field::Mentions => &["user_mentions", "mentioned_users"],
            Field::Media => &["media_hashes"],
            Field::RepostOf => &[
                "repost_id",
                "repost_of_id",
                "retweet_id",
                "retweet_tweetid",
                "retweet_status_id",
                "retweeted_status_id",
                "retweeted_status_id_str",
                "retweeted_tweet_id",
                "retweeted_id",
                "referenced_tweets_retweeted_id",
                "reblog_of_id",
                "reblog_id",
                "shared_post_id",
                "retweet_of",
                "retweet_of_id",
            ],
            Field::RepostOfAccount => &[
                "retweet_userid",
                "retweet_user_id",
                "retweeted_user_id",
                "retweeted_status_user_id",
                "retweeted_author_id",
                "repost_of_user_id",
            ],
            Field::IsRepost => &["is_retweet", "is_reblog"],
            Field::ReplyTo => &[
                "reply_id",
                "reply_to_id",
                "in_reply_to_tweetid",
                "in_reply_to_status_id",
                "in_reply_to_status_id_str",
                "in_reply_to_id",
                "in_reply_to_tweet_id",
                "reply_to_status_id",
                "reply_to_tweet_id",
                "referenced_tweets_replied_to_id",
            ],
            Field::ReplyToAccount => &[
                "in_reply_to_userid",
                "in_reply_to_user_id",
                "in_reply_to_user_id_str",
                "in_reply_to_account_id",
                "reply_to_user_id",
            ],
            Field::QuoteOf => &[
                "quote_id",
                "quoted_id",
                "quoted_status_id",
                "quoted_status_id_str",
                "quoted_tweet_id",
                "quoted_tweet_tweetid",
                "referenced_tweets_quoted_id",
            ],
            Field::QuoteOfAccount => &["quoted_user_id", "quoted_status_user_id", "quoted_author_id"],
            Field::Client => &["tweet_client_name", "source", "client_name"],
            Field::Followers => &["follower_count", "followers_count", "user_followers_count", "author_followers"],
            Field::Following => &["following_count", "friends_count", "user_friends_count"],
            Field::AccountCreatedAt => &["account_creation_date", "user_created_at", "author_created_at"],
            Field::AccountPosts => &["statuses_count", "tweet_count", "user_statuses_count"],
            Field::Object => &["object_id"],
            Field::Time | Field::DefaultProfile | Field::DeletedAt | Field::PlatformOfLink => &[],
        }
    }

    /// Whether a word such as `NA` is a word in this field, and not a missing value.
    pub(super) fn is_prose(self) -> bool {
        matches!(self, Field::Text | Field::AccountName)
    }

    /// Whether a user may map a column to this field.
    pub fn is_mappable(self) -> bool {
        self != Field::PlatformOfLink
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Field {
    type Err = String;

    fn from_str(name: &str) -> Result<Field, String> {
        let mappable = || Field::ALL.into_iter().filter(|field| field.is_mappable());
        mappable().find(|field| field.name() == name).ok_or_else(|| {
            let names: Vec<&str> = mappable().map(Field::name).collect();
            format!("{name:?} is not a field of a post; expected {} or ignore", names.join(", "))
        })
    }
}

/// The form in which names of columns are compared: `Tweet ID`, `tweet.id`, `tweetId` and
/// `tweet_id` are the same name.
pub fn normal(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut before_is_lower = false;
    for letter in name.trim().trim_start_matches('\u{feff}').trim().chars() {
        let part = letter.is_whitespace() || matches!(letter, '_' | '-' | '.' | '/' | ':');
        let begins = part || (letter.is_uppercase() && before_is_lower);
        if begins && !out.is_empty() && !out.ends_with('_') {
            out.push('_');
        }
        if !part {
            out.extend(letter.to_lowercase());
        }
        before_is_lower = letter.is_lowercase() || letter.is_ascii_digit();
    }
    out.truncate(out.trim_end_matches('_').len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_in_many_spellings() {
        for (name, want) in [
            ("Tweet ID", "tweet_id"),
            ("tweetId", "tweet_id"),
            ("retweeted_status.id", "retweeted_status_id"),
            ("author/userName", "author_user_name"),
            ("\u{feff}id", "id"),
            ("URLs", "urls"),
            ("ID", "id"),
            ("", ""),
        ] {
            assert_eq!(normal(name), want, "{name}");
        }
    }

    #[test]
    fn no_name_stands_for_two_fields_but_those_that_are_told_apart() {
        let mut names = std::collections::HashMap::new();
        for field in Field::ALL {
            for name in std::iter::once(&field.name()).chain(field.aliases()) {
                assert_eq!(normal(name), *name);
                if let Some(other) = names.insert(*name, field) {
                    assert!(["author", "time"].contains(name), "{name}: {other} and {field}");
                }
            }
        }
    }
}
