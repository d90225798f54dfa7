//! Tables that tools write, recognised by their own columns. `crates/detection/FORMATS.md` lists
//! them; a test keeps that page equal to this list.
//!
//! Names with a dot, a slash or a blank are compared unchanged except for case; other names in the
//! form of [`normal`]. A `*` matches a number.

use super::fields::{Field, normal};

/// A tool's table.
#[derive(Debug, PartialEq, Eq)]
pub struct ToolLayout {
    /// Its name, for messages and documentation.
    pub name: &'static str,
    /// The platform of all its rows, if the tool has only one.
    pub platform: Option<&'static str>,
    /// Columns by which it is recognised; all of them must be present.
    pub needs: &'static [&'static str],
    /// Fields with their columns, best first. For lists, and with `Fallback`, the next column is
    /// used if a cell is empty.
    pub(super) fields: &'static [(Field, Choice, &'static [&'static str])],
}

/// Which of several columns is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// The first one in the header.
    First,
    /// In each row the first one that is not empty.
    Fallback,
    /// All of them together.
    All,
}

use Choice::{All, Fallback, First};

/// All tools' tables, in alphabetic order.
pub const TOOL_LAYOUTS: &[ToolLayout] = &[
    ToolLayout {
        name: "4CAT",
        platform: None,
        needs: &["id", "thread_id", "timestamp", "body", "author"],
        fields: &[
            (Field::Id, First, &["id"]),
            (Field::AccountId, First, &["author_id", "author"]),
            (Field::AccountName, First, &["author", "author_fullname"]),
            (Field::CreatedAt, First, &["timestamp"]),
            (Field::Text, First, &["body"]),
            (Field::Lang, First, &["language_guess", "language"]),
            (Field::Urls, Fallback, &["urls"]),
            (Field::Hashtags, First, &["hashtags"]),
            (Field::Mentions, First, &["mentions"]),
            (Field::IsRepost, First, &["is_retweet"]),
            (Field::Client, First, &["source"]),
            (Field::Followers, First, &["author_followers"]),
            (Field::Platform, First, &["platform"]),
            (Field::PlatformOfLink, First, &["link", "url", "post_url", "tiktok_url"]),
        ],
    },
    ToolLayout {
        name: "538",
        platform: Some("twitter"),
        needs: &["external_author_id", "author", "content", "publish_date", "harvested_date"],
        fields: &[
            (Field::Id, First, &["tweet_id"]),
            // In some editions its author ids went through a spreadsheet; handles did not.
            (Field::AccountId, First, &["author"]),
            (Field::CreatedAt, First, &["publish_date"]),
            (Field::Text, First, &["content"]),
            (Field::IsRepost, First, &["retweet"]),
            (Field::Urls, All, &["tco1_step1", "tco2_step1", "tco3_step1"]),
            (Field::Followers, First, &["followers"]),
            (Field::Following, First, &["following"]),
            (Field::AccountPosts, First, &["updates"]),
        ],
    },
    ToolLayout {
        name: "Apify",
        platform: Some("twitter"),
        needs: &["author/id", "created_at", "id"],
        fields: &[
            (Field::Id, First, &["id"]),
            (Field::AccountId, First, &["author/id"]),
            (Field::AccountName, First, &["author/username", "author/name"]),
            (Field::CreatedAt, First, &["created_at"]),
            (Field::Text, First, &["full_text", "text"]),
            (Field::Lang, First, &["lang"]),
            (Field::Client, First, &["source"]),
            (Field::Urls, All, &["entities/urls/*/expanded_url"]),
            (Field::Hashtags, All, &["entities/hashtags/*/text"]),
            (Field::Mentions, All, &["entities/user_mentions/*/screen_name"]),
            (Field::RepostOf, First, &["retweet/id", "retweeted_tweet/id", "retweetedtweet/id", "retweet_id"]),
            (
                Field::RepostOfAccount,
                First,
                &["retweet/author/id", "retweeted_tweet/author/id", "retweetedtweet/author/id"],
            ),
            (Field::ReplyTo, First, &["in_reply_to_id"]),
            (Field::ReplyToAccount, First, &["in_reply_to_user_id"]),
            (Field::QuoteOf, First, &["quote/id", "quote_id"]),
            (Field::QuoteOfAccount, First, &["quote/author/id"]),
            (Field::Followers, First, &["author/followers"]),
            (Field::Following, First, &["author/following"]),
            (Field::AccountPosts, First, &["author/statusescount"]),
            (Field::AccountCreatedAt, First, &["author/createdat"]),
        ],
    },
    ToolLayout {
        name: "Brandwatch",
        platform: None,
        needs: &["query id", "page type", "author", "date", "url"],
        fields: &[
            (Field::Id, First, &["url"]),
            (Field::Platform, First, &["page type"]),
            (Field::AccountId, First, &["author"]),
            (Field::AccountName, First, &["full name"]),
            (Field::CreatedAt, First, &["date"]),
            (Field::Text, Fallback, &["full text", "snippet", "title"]),
            (Field::Lang, First, &["language"]),
            (Field::Urls, Fallback, &["expanded urls", "display urls"]),
            (Field::Hashtags, First, &["hashtags"]),
            (Field::Mentions, First, &["mentioned authors"]),
            (Field::RepostOf, First, &["twitter retweet of"]),
            (Field::ReplyTo, First, &["twitter reply to"]),
            (Field::Followers, First, &["twitter followers"]),
            (Field::Following, First, &["twitter following"]),
            (Field::AccountPosts, First, &["twitter tweets"]),
        ],
    },
    ToolLayout {
        name: "CooRnet",
        platform: Some("facebook"),
        needs: &["account.id", "expanded", "date"],
        fields: &[
            (Field::Id, Fallback, &["id", "platformid", "platform_id", "posturl"]),
            (Field::Platform, First, &["platform"]),
            (Field::AccountId, First, &["account.id"]),
            (Field::AccountName, First, &["account.handle", "account.name"]),
            (Field::CreatedAt, First, &["date"]),
            (Field::Text, Fallback, &["message", "description", "title"]),
            (Field::Lang, First, &["language_code", "languagecode"]),
            (Field::Urls, Fallback, &["expanded"]),
            (Field::Followers, Fallback, &["account.subscribercount", "subscriber_count"]),
        ],
    },
    ToolLayout {
        name: "CrowdTangle",
        platform: Some("facebook"),
        needs: &["facebook id", "post created", "url"],
        fields: &[
            (Field::Id, First, &["url"]),
            (Field::AccountId, First, &["facebook id"]),
            (Field::AccountName, Fallback, &["user name", "page name", "group name"]),
            (Field::CreatedAt, First, &["post created"]),
            (Field::Text, First, &["message"]),
            (Field::Urls, Fallback, &["final link", "link"]),
            (Field::Followers, Fallback, &["followers at posting", "likes at posting"]),
            (Field::AccountCreatedAt, First, &["page created"]),
        ],
    },
    ToolLayout {
        name: "CrowdTangle (Instagram)",
        platform: Some("instagram"),
        needs: &["account", "user name", "post created", "url"],
        fields: &[
            (Field::Id, First, &["url"]),
            (Field::AccountId, First, &["user name"]),
            (Field::CreatedAt, First, &["post created"]),
            (Field::Text, Fallback, &["description", "title"]),
            (Field::Followers, First, &["followers at posting"]),
        ],
    },
    ToolLayout {
        name: "Meltwater",
        platform: None,
        needs: &["date", "url", "hit sentence"],
        fields: &[
            (Field::Id, Fallback, &["tweet id", "document id", "url"]),
            (
                Field::AccountId,
                Fallback,
                &["twitter id", "author handle", "influencer", "author name", "source name", "source"],
            ),
            (Field::AccountName, Fallback, &["twitter screen name", "author handle", "influencer", "author name"]),
            (Field::CreatedAt, First, &["date"]),
            (Field::Time, First, &["time"]),
            (Field::Text, Fallback, &["hit sentence", "opening text", "headline", "title"]),
            (Field::Lang, First, &["language"]),
            (Field::Urls, First, &["links"]),
            (Field::Hashtags, First, &["hashtags"]),
            (Field::Client, First, &["twitter client"]),
            (Field::Followers, First, &["twitter followers"]),
            (Field::Following, First, &["twitter following"]),
            (Field::PlatformOfLink, First, &["url"]),
        ],
    },
    ToolLayout {
        name: "Meta Content Library",
        platform: Some("facebook"),
        needs: &["id", "creation_time", "post_owner.id"],
        fields: META,
    },
    ToolLayout {
        name: "Meta Content Library (Instagram)",
        platform: Some("instagram"),
        needs: &["id", "creation_time", "post_owner.id", "media_type"],
        fields: META,
    },
    ToolLayout {
        name: "rtweet",
        platform: Some("twitter"),
        needs: &["user_id", "status_id", "created_at", "screen_name", "text", "retweet_status_id"],
        fields: &[
            (Field::Id, First, &["status_id"]),
            (Field::AccountId, First, &["user_id"]),
            (Field::AccountName, First, &["screen_name"]),
            (Field::CreatedAt, First, &["created_at"]),
            (Field::Text, First, &["text"]),
            (Field::Lang, First, &["lang"]),
            (Field::Client, First, &["source"]),
            (Field::Urls, Fallback, &["urls_expanded_url", "urls_url"]),
            (Field::Hashtags, First, &["hashtags"]),
            (Field::Mentions, Fallback, &["mentions_screen_name", "mentions_user_id"]),
            (Field::RepostOf, First, &["retweet_status_id"]),
            (Field::RepostOfAccount, First, &["retweet_user_id"]),
            (Field::ReplyTo, First, &["reply_to_status_id"]),
            (Field::ReplyToAccount, First, &["reply_to_user_id"]),
            (Field::QuoteOf, First, &["quoted_status_id"]),
            (Field::QuoteOfAccount, First, &["quoted_user_id"]),
            (Field::Followers, First, &["followers_count"]),
            (Field::Following, First, &["friends_count"]),
            (Field::AccountPosts, First, &["statuses_count"]),
            (Field::AccountCreatedAt, First, &["account_created_at"]),
        ],
    },
    ToolLayout {
        name: "snscrape",
        platform: Some("twitter"),
        needs: &["id", "url", "date", "rendered_content"],
        fields: &[
            (Field::Id, First, &["id"]),
            (Field::AccountId, First, &["user.id", "user_id", "user"]),
            (Field::AccountName, First, &["user.username", "user_username", "username", "user"]),
            (Field::CreatedAt, First, &["date"]),
            (Field::Text, First, &["raw_content", "content"]),
            (Field::Lang, First, &["lang"]),
            (Field::Client, First, &["source_label"]),
            (Field::Urls, Fallback, &["links", "outlinks"]),
            (Field::Hashtags, First, &["hashtags"]),
            (Field::Mentions, First, &["mentioned_users"]),
            (Field::RepostOf, First, &["retweeted_tweet.id", "retweetedtweet.id", "retweeted_tweet"]),
            (Field::ReplyTo, First, &["in_reply_to_tweet_id"]),
            (Field::ReplyToAccount, First, &["inreplytouser.id", "in_reply_to_user"]),
            (Field::QuoteOf, First, &["quoted_tweet.id", "quotedtweet.id"]),
            (Field::QuoteOfAccount, First, &["quoted_tweet.user.id", "quotedtweet.user.id"]),
            (Field::Followers, First, &["user.followerscount"]),
            (Field::Following, First, &["user.friendscount"]),
            (Field::AccountPosts, First, &["user.statusescount"]),
            (Field::AccountCreatedAt, First, &["user.created"]),
        ],
    },
    ToolLayout {
        name: "twarc-csv",
        platform: Some("twitter"),
        needs: &["id", "author_id", "created_at", "referenced_tweets.retweeted.id"],
        fields: &[
            (Field::Id, First, &["id"]),
            (Field::AccountId, First, &["author_id"]),
            (Field::AccountName, First, &["author.username"]),
            (Field::CreatedAt, First, &["created_at"]),
            (Field::Text, First, &["text"]),
            (Field::Lang, First, &["lang"]),
            (Field::Client, First, &["source"]),
            (Field::Urls, First, &["entities.urls"]),
            (Field::Hashtags, First, &["entities.hashtags"]),
            (Field::Mentions, First, &["entities.mentions"]),
            (Field::RepostOf, First, &["referenced_tweets.retweeted.id"]),
            (Field::RepostOfAccount, First, &["retweeted_user_id"]),
            (Field::ReplyTo, First, &["referenced_tweets.replied_to.id"]),
            (Field::ReplyToAccount, First, &["in_reply_to_user_id"]),
            (Field::QuoteOf, First, &["referenced_tweets.quoted.id"]),
            (Field::QuoteOfAccount, First, &["quoted_user_id"]),
            (Field::Followers, First, &["author.public_metrics.followers_count"]),
            (Field::Following, First, &["author.public_metrics.following_count"]),
            (Field::AccountPosts, First, &["author.public_metrics.tweet_count"]),
            (Field::AccountCreatedAt, First, &["author.created_at"]),
        ],
    },
    ToolLayout {
        name: "twint",
        platform: Some("twitter"),
        needs: &["id", "conversation_id", "created_at", "user_id", "username", "tweet"],
        fields: &[
            (Field::Id, First, &["id"]),
            (Field::AccountId, First, &["user_id"]),
            (Field::AccountName, First, &["username"]),
            (Field::CreatedAt, First, &["created_at"]),
            (Field::Text, First, &["tweet"]),
            // Swapped if a row is a retweet: see `Columns::read`.
            (Field::RepostOf, First, &["retweet_id"]),
            (Field::RepostOfAccount, Fallback, &["user_rt_id", "user_rt"]),
            (Field::Lang, First, &["language"]),
            (Field::Client, First, &["source"]),
            (Field::Urls, First, &["urls"]),
            (Field::Hashtags, First, &["hashtags"]),
            (Field::Mentions, First, &["mentions"]),
        ],
    },
    ToolLayout {
        name: "Twitter API v1.1, flattened",
        platform: Some("twitter"),
        needs: &["id_str", "created_at", "user.id_str"],
        fields: &[
            (Field::Id, First, &["id_str"]),
            (Field::AccountId, First, &["user.id_str"]),
            (Field::AccountName, First, &["user.screen_name"]),
            (Field::CreatedAt, First, &["created_at"]),
            (Field::Text, Fallback, &["extended_tweet.full_text", "full_text", "text"]),
            (Field::Lang, First, &["lang"]),
            (Field::Client, First, &["source"]),
            (Field::Urls, First, &["entities.urls"]),
            (Field::Hashtags, First, &["entities.hashtags"]),
            (Field::Mentions, First, &["entities.user_mentions"]),
            (Field::RepostOf, First, &["retweeted_status.id_str"]),
            (Field::RepostOfAccount, First, &["retweeted_status.user.id_str"]),
            (Field::ReplyTo, First, &["in_reply_to_status_id_str"]),
            (Field::ReplyToAccount, First, &["in_reply_to_user_id_str"]),
            (Field::QuoteOf, First, &["quoted_status_id_str"]),
            (Field::QuoteOfAccount, First, &["quoted_status.user.id_str"]),
            (Field::Followers, First, &["user.followers_count"]),
            (Field::Following, First, &["user.friends_count"]),
            (Field::AccountPosts, First, &["user.statuses_count"]),
            (Field::AccountCreatedAt, First, &["user.created_at"]),
            (Field::DefaultProfile, First, &["user.default_profile"]),
        ],
    },
    ToolLayout {
        name: "Twitter's information operations",
        platform: Some("twitter"),
        needs: &["tweetid", "userid", "tweet_time", "tweet_text"],
        fields: &[
            (Field::Id, First, &["tweetid"]),
            (Field::AccountId, First, &["userid"]),
            (Field::AccountName, First, &["user_screen_name"]),
            (Field::CreatedAt, First, &["tweet_time"]),
            (Field::Text, First, &["tweet_text"]),
            (Field::Lang, First, &["tweet_language"]),
            (Field::Client, First, &["tweet_client_name"]),
            (Field::Urls, First, &["urls"]),
            (Field::Hashtags, First, &["hashtags"]),
            (Field::Mentions, First, &["user_mentions"]),
            (Field::RepostOf, First, &["retweet_tweetid"]),
            (Field::RepostOfAccount, First, &["retweet_userid"]),
            (Field::ReplyTo, First, &["in_reply_to_tweetid"]),
            (Field::ReplyToAccount, First, &["in_reply_to_userid"]),
            (Field::QuoteOf, First, &["quoted_tweet_tweetid"]),
            (Field::Followers, First, &["follower_count"]),
            (Field::Following, First, &["following_count"]),
            (Field::AccountCreatedAt, First, &["account_creation_date"]),
        ],
    },
    ToolLayout {
        name: "twitterscraper",
        platform: Some("twitter"),
        needs: &["screen_name", "username", "user_id", "tweet_id", "tweet_url", "timestamp"],
        fields: &[
            (Field::Id, First, &["tweet_id"]),
            (Field::AccountId, First, &["user_id"]),
            (Field::AccountName, First, &["screen_name"]),
            (Field::CreatedAt, First, &["timestamp"]),
            (Field::Text, First, &["text"]),
            (Field::Urls, First, &["links"]),
            (Field::Hashtags, First, &["hashtags"]),
            (Field::ReplyTo, First, &["parent_tweet_id"]),
        ],
    },
];

const META: &[(Field, Choice, &[&str])] = &[
    (Field::Id, First, &["id"]),
    (Field::AccountId, First, &["post_owner.id"]),
    (Field::AccountName, Fallback, &["post_owner.username", "post_owner.name"]),
    (Field::CreatedAt, First, &["creation_time"]),
    (Field::Text, First, &["text"]),
    (Field::Lang, First, &["lang"]),
    (Field::Urls, Fallback, &["link_attachment.link", "link_attachment"]),
    (Field::Hashtags, First, &["hashtags"]),
    (Field::RepostOf, First, &["shared_post_id"]),
];

impl ToolLayout {
    /// The tool whose columns a header has; of several, the one with the most required columns.
    pub(super) fn of(header: &Names) -> Option<&'static ToolLayout> {
        let known = |layout: &&ToolLayout| layout.needs.iter().all(|name| header.has(name));
        TOOL_LAYOUTS.iter().filter(known).max_by_key(|layout| layout.needs.len())
    }
}

/// The names of a header, in the forms in which they are compared.
#[derive(Debug)]
pub(super) struct Names {
    lower: Vec<String>,
    normal: Vec<String>,
}

impl Names {
    pub(super) fn of(header: &[String]) -> Names {
        let lower = |name: &String| name.trim().trim_start_matches('\u{feff}').trim().to_lowercase();
        Names { lower: header.iter().map(lower).collect(), normal: header.iter().map(|name| normal(name)).collect() }
    }

    fn has(&self, name: &str) -> bool {
        let plain = !name.contains(['.', '/', ' ', '*']);
        self.lower.iter().any(|column| column == name) || (plain && self.normal.iter().any(|column| column == name))
    }

    /// Columns with a name of a layout: those with the same spelling, or else those with another
    /// spelling.
    pub(super) fn places(&self, name: &str) -> Vec<usize> {
        let is = |place: &usize| match name.split_once('*') {
            Some((start, end)) => self.lower[*place]
                .strip_prefix(start)
                .and_then(|rest| rest.strip_suffix(end))
                .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())),
            None => !name.contains(['.', '/', ' ']) && self.normal[*place] == name,
        };
        let exact: Vec<usize> = (0..self.lower.len()).filter(|place| self.lower[*place] == name).collect();
        if exact.is_empty() { (0..self.lower.len()).filter(is).collect() } else { exact }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_names_what_a_post_needs_and_is_known_by_its_own_columns() {
        for layout in TOOL_LAYOUTS {
            for field in [Field::Id, Field::AccountId, Field::CreatedAt, Field::Text] {
                assert!(layout.fields.iter().any(|(known, ..)| *known == field), "{}: {field}", layout.name);
            }
            let header: Vec<String> = layout.needs.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(ToolLayout::of(&Names::of(&header)), Some(layout), "{}", layout.name);
        }
        assert!(TOOL_LAYOUTS.is_sorted_by_key(|layout| layout.name.to_lowercase()));
    }
}
