//! Recognises the dialect of a file from the names of the fields of its first records.

use super::{Dialect, scan};

/// Records that are examined before a file counts as written in no known dialect.
const LOOKED_AT: usize = 64;

impl Dialect {
    /// Recognises a dialect by the beginning of a JSON file, which may be cut anywhere. `None` if
    /// no record is known.
    pub fn recognise(head: &[u8]) -> Option<Dialect> {
        let start = head.trim_ascii_start();
        if scan::script(start).is_some() && (start.starts_with(b"window.YTD.") || start.starts_with(b"Grailbird.")) {
            return Some(Dialect::TwitterArchive);
        }
        scan::values(scan::content(head)).take(LOOKED_AT).find_map(|value| match value.first() {
            Some(b'[') => scan::elements(value).take(LOOKED_AT).find_map(object),
            _ => object(value),
        })
    }
}

/// The tool that wrote a record of X, if it was not X itself.
pub(super) fn tool(record: &[u8]) -> Option<Dialect> {
    let tools = [
        Dialect::TwitterArchive,
        Dialect::Zeeschuimer,
        Dialect::FourCat,
        Dialect::Snscrape,
        Dialect::Twint,
        Dialect::Apify,
    ];
    object(record).filter(|dialect| tools.contains(dialect))
}

/// The reader for an item of 4CAT: 4CAT's own for items that Zeeschuimer collected and for mapped
/// items, else that of its data source.
pub(super) fn item_of_4cat(record: &[u8]) -> Option<Dialect> {
    object(record).filter(|dialect| !matches!(dialect, Dialect::Lockstep | Dialect::Zeeschuimer))
}

/// The names of an object's members, with their values.
struct Names<'a>(Vec<(std::borrow::Cow<'a, str>, &'a [u8])>);

impl<'a> Names<'a> {
    fn of(object: &'a [u8]) -> Self {
        Names(scan::members(object).collect())
    }

    fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| *value)
    }

    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn all(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.has(name))
    }

    fn any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.has(name))
    }

    fn is_object(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.starts_with(b"{"))
    }

    fn is_list(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.starts_with(b"["))
    }

    /// Whether the member begins with these letters.
    fn text_starts(&self, name: &str, start: &str) -> bool {
        self.get(name)
            .is_some_and(|value| value.strip_prefix(b"\"").is_some_and(|text| text.starts_with(start.as_bytes())))
    }

    /// The names of an object under this name, or of the first element of a list there.
    fn within(&self, name: &str) -> Names<'a> {
        match self.get(name) {
            Some(list) if list.starts_with(b"[") => scan::elements(list).next().map_or(Names(Vec::new()), Names::of),
            Some(object) => Names::of(object),
            None => Names(Vec::new()),
        }
    }
}

fn object(record: &[u8]) -> Option<Dialect> {
    if !record.starts_with(b"{") {
        return None;
    }
    let names = Names::of(record);
    // The tools first: their records often contain what a platform gave them.
    let of_tool = tool_of(&names);
    of_tool.or_else(|| platform_of(&names))
}

fn tool_of(names: &Names<'_>) -> Option<Dialect> {
    if names.all(&["platform", "account_id", "created_at"]) {
        return Some(Dialect::Lockstep);
    }
    if names.text_starts("_type", "snscrape.") {
        return Some(Dialect::Snscrape);
    }
    if names.has("__import_meta")
        || names.all(&["thread_id", "body", "author"]) && names.any(&["timestamp", "unix_timestamp"])
    {
        return Some(Dialect::FourCat);
    }
    let web = |names: &Names<'_>| {
        names.all(&["rest_id", "legacy"])
            || names.all(&["desc", "createTime"])
            || names.any(&["taken_at", "taken_at_timestamp"])
    };
    if names.is_object("data") && names.any(&["nav_index", "timestamp_collected", "source_platform"])
        || web(names)
        || names.is_object("data") && web(&names.within("data"))
    {
        return Some(Dialect::Zeeschuimer);
    }
    if names.is_object("tweet") && names.within("tweet").any(&["full_text", "id_str", "text"]) {
        return Some(Dialect::TwitterArchive);
    }
    if names.all(&["tweet", "user_id", "username"]) && names.any(&["conversation_id", "link", "date", "created_at"]) {
        return Some(Dialect::Twint);
    }
    let author = names.within("author");
    if names.has("createdAt") && names.is_object("author") && author.any(&["userName", "followers", "twitterUrl"])
        || names.all(&["shortCode", "ownerUsername"])
        || names.is_object("authorMeta") && names.any(&["createTime", "createTimeISO"])
        || names.all(&["facebookUrl", "postId"])
    {
        return Some(Dialect::Apify);
    }
    None
}

fn platform_of(names: &Names<'_>) -> Option<Dialect> {
    if names.has("did") && names.any(&["commit", "time_us", "kind"])
        || names.text_starts("uri", "at://")
        || names.is_object("post") && names.within("post").text_starts("uri", "at://")
        || names.is_list("feed") && names.within("feed").has("post")
        || names.is_list("posts") && names.within("posts").text_starts("uri", "at://")
        || names.is_object("thread") && names.within("thread").has("post")
    {
        return Some(Dialect::Bluesky);
    }
    if names.is_list("orderedItems")
        || names.all(&["actor", "object", "type"])
        || names.is_object("account") && names.any(&["content", "created_at", "uri"])
        || names.all(&["event", "payload"])
        || names.is_list("statuses")
            && (names.within("statuses").has("account") || names.all(&["accounts", "hashtags"]))
    {
        return Some(Dialect::Mastodon);
    }
    if names.is_list("messages") && names.any(&["type", "id", "name"])
        || names.is_object("chats")
        || names.is_object("left_chats")
        || names.text_starts("_", "Message")
        || names.any(&["peer_id", "update_id", "_chat", "date_unixtime"])
        || names.any(&["message_id", "id"]) && names.has("date") && names.any(&["chat", "chat_id", "channel_id"])
    {
        return Some(Dialect::Telegram);
    }
    let page = |names: &Names<'_>| names.any(&["author_id", "edit_history_tweet_ids", "text"]);
    if names.has("data") && (names.any(&["includes", "meta", "matching_rules"]) || page(&names.within("data")))
        || names.is_list("statuses")
            && (names.within("statuses").any(&["user", "id_str"]) || names.has("search_metadata"))
        || names.is_object("user") && names.any(&["id_str", "full_text", "text"])
        || names.all(&["id_str", "created_at"])
        || names.all(&["id", "text"]) && names.any(&["author_id", "author", "author_user"])
        || names.is_object("delete")
    {
        return Some(Dialect::X);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_fields() {
        use Dialect::*;
        for (head, dialect) in [
            (r#"{"id":"1","platform":"x","account_id":"2","created_at":3}"#, Some(Lockstep)),
            ("window.YTD.tweets.part0 = [\n {\"tweet\": {", Some(TwitterArchive)),
            (r#"[{"tweet":{"full_text":"x"}}]"#, Some(TwitterArchive)),
            (r#"{"data":[{"id":"1","author_id":"2"}]}"#, Some(X)),
            (r#"{"statuses":[{"id_str":"1","user":{}}],"search_metadata":{}}"#, Some(X)),
            (r#"{"delete":{"status":{}}}"#, Some(X)),
            (r#"{"accounts":[],"statuses":[],"hashtags":[]}"#, Some(Mastodon)),
            (r#"{"statuses":[{"id":"1","account":{}}]}"#, Some(Mastodon)),
            (r#"{"@context":"x","type":"OrderedCollection","orderedItems":["#, Some(Mastodon)),
            (r#"{"event":"update","payload":"{}"}"#, Some(Mastodon)),
            (r#"{"did":"did:plc:a","time_us":1,"type":"com"}"#, Some(Bluesky)),
            (r#"{"feed":[{"post":{"uri":"at://x"}}],"cursor":"1"}"#, Some(Bluesky)),
            (r#"{"posts":[{"uri":"at://x"}]}"#, Some(Bluesky)),
            (
                "{\n \"name\": \"N\",\n \"type\": \"public_channel\",\n \"id\": 1,\n \"messages\": [\n  {\n   \"id\"",
                Some(Telegram),
            ),
            (r#"{"about":"x","left_chats":{"list":[]}}"#, Some(Telegram)),
            (r#"{"_":"Message","id":1,"peer_id":{}}"#, Some(Telegram)),
            (r#"{"update_id":5,"message":{}}"#, Some(Telegram)),
            (r#"{"nav_index":"1","data":{"rest_id":"1"}}"#, Some(Zeeschuimer)),
            (r#"{"rest_id":"1","legacy":{},"__import_meta":{}}"#, Some(FourCat)),
            (r#"{"_type":"snscrape.modules.twitter.Tweet"}"#, Some(Snscrape)),
            (r#"{"id":1,"conversation_id":"1","tweet":"x","user_id":1,"username":"a"}"#, Some(Twint)),
            (r#"[{"id":"1","createdAt":"x","author":{"userName":"a"}}]"#, Some(Apify)),
            ("not json\n{\"id\":\"1\",\"text\":\"x\",\"author_id\":\"2\"}\n", Some(X)),
            (r#"{"a":1}"#, None),
            ("", None),
        ] {
            assert_eq!(Dialect::recognise(head.as_bytes()), dialect, "{head}");
        }
    }
}
