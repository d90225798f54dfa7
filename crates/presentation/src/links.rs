//! URLs of posts on their platforms, made from our own templates. A URL from a post is never used.

/// URL of a post, as [`post`]. For Mastodon, which has many servers, the URL that is the post's id: only
/// for people who read their own files.
pub fn post_anywhere(platform: &str, id: &str) -> Option<String> {
    if platform != "mastodon" {
        return post(platform, id);
    }
    let (host, path) = id.strip_prefix("https://")?.split_once('/')?;
    let host_is_plain = host.contains('.')
        && host.len() <= 253
        && host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-'));
    let name_is_plain = |name: &str| {
        (1..=64).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
    };
    let number = |text: &str| (1..=24).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let parts: Vec<&str> = path.split('/').collect();
    let path_is_known = match parts[..] {
        ["users", name, "statuses", status] => name_is_plain(name) && number(status),
        [name, status] => name.strip_prefix('@').is_some_and(name_is_plain) && number(status),
        _ => false,
    };
    (host_is_plain && path_is_known).then(|| id.to_owned())
}

/// URL of a post. `None` if there is no template for the platform, or the id does not have the platform's
/// form.
pub fn post(platform: &str, id: &str) -> Option<String> {
    match platform {
        "x" | "twitter" => {
            let number = (1..=20).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit());
            number.then(|| format!("https://x.com/i/status/{id}"))
        }
        "bluesky" => {
            let (did, rest) = id.strip_prefix("at://")?.split_once('/')?;
            let key = rest.strip_prefix("app.bsky.feed.post/")?;
            let plc = did.strip_prefix("did:plc:")?;
            let plain = |text: &str, most: usize| {
                (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            };
            (plain(plc, 24) && plain(key, 24)).then(|| format!("https://bsky.app/profile/{did}/post/{key}"))
        }
        "telegram" => {
            // A channel's marked id, which its members can open, or its public name.
            let (chat, number) = id.split_once('/')?;
            let digits =
                |text: &str, most: usize| (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            if !digits(number, 12) {
                return None;
            }
            if let Some(channel) = chat.strip_prefix("-100") {
                return digits(channel, 13).then(|| format!("https://t.me/c/{channel}/{number}"));
            }
            let public = (5..=32).contains(&chat.len())
                && chat.as_bytes()[0].is_ascii_alphabetic()
                && chat.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            public.then(|| format!("https://t.me/{chat}/{number}"))
        }
        "youtube" => {
            let video = id.len() == 11 && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
            video.then(|| format!("https://www.youtube.com/watch?v={id}"))
        }
        "facebook" => {
            let (page, post) = id.split_once('_')?;
            let number = |text: &str| (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            (number(page) && number(post)).then(|| format!("https://www.facebook.com/{page}_{post}"))
        }
        "reddit" => {
            // The URL of a comment contains the id of its submission, which the comment's id does not have.
            let key = id.strip_prefix("t3_")?;
            let plain =
                (1..=12).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
            plain.then(|| format!("https://www.reddit.com/comments/{key}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{post, post_anywhere};

    #[test]
    fn only_ids_of_the_platforms_own_form_become_links() {
        assert_eq!(post("twitter", "784000").unwrap(), "https://x.com/i/status/784000");
        let id = "at://did:plc:abc234/app.bsky.feed.post/3kabc";
        assert_eq!(post("bluesky", id).unwrap(), "https://bsky.app/profile/did:plc:abc234/post/3kabc");
        for (platform, id, address) in [
            ("telegram", "-1001465826763/38", "https://t.me/c/1465826763/38"),
            ("telegram", "some_channel/38", "https://t.me/some_channel/38"),
            ("youtube", "dQw4w9WgXcQ", "https://www.youtube.com/watch?v=dQw4w9WgXcQ"),
            ("facebook", "123_456", "https://www.facebook.com/123_456"),
            ("reddit", "t3_1abc2d", "https://www.reddit.com/comments/1abc2d"),
        ] {
            assert_eq!(post(platform, id).as_deref(), Some(address));
        }
        for id in ["https://mastodon.example/users/ann/statuses/12", "https://mastodon.example/@ann/12"] {
            assert_eq!((post_anywhere("mastodon", id).as_deref(), post("mastodon", id)), (Some(id), None));
        }
        for id in [
            "http://mastodon.example/@ann/12",
            "https://mastodon.example/@ann/12?x=<script>",
            "https://user@evil.example/@ann/12",
            "https://evil.example:8080/@ann/12",
            "https://mastodon.example/@ann/../12",
            "12",
        ] {
            assert_eq!(post_anywhere("mastodon", id), None, "{id}");
        }
        for (platform, id) in [
            ("telegram", "tg-1001465826763/38"),
            ("telegram", "a b/1"),
            ("youtube", "Ugzabcdefghijklmnop"),
            ("facebook", "123"),
            ("reddit", "t1_abc"),
            ("reddit", "t3_../x"),
            ("twitter", "1?x=\"><script>"),
            ("twitter", ""),
            ("x", "javascript:alert(1)"),
            ("bluesky", "at://did:web:evil.example/app.bsky.feed.post/3k"),
            ("bluesky", "at://did:plc:abc/app.bsky.feed.post/../../x"),
            ("bluesky", "at://did:plc:abc/app.bsky.feed.repost/3k"),
            ("mastodon", "https://evil.example/1"),
            ("gab", "1"),
        ] {
            assert_eq!(post(platform, id), None, "{platform} {id}");
        }
    }
}
