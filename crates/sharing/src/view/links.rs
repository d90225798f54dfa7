//! Addresses of posts on their platforms, from templates of ours: never an address that came with a post.

/// Where people can see the post. `None` where the platform has no template, or the id is not of the platform's form.
pub(crate) fn post(platform: &str, id: &str) -> Option<String> {
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
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::post;

    #[test]
    fn only_ids_of_the_platforms_own_form_become_links() {
        assert_eq!(post("twitter", "784000").unwrap(), "https://x.com/i/status/784000");
        let id = "at://did:plc:abc234/app.bsky.feed.post/3kabc";
        assert_eq!(post("bluesky", id).unwrap(), "https://bsky.app/profile/did:plc:abc234/post/3kabc");
        for (platform, id) in [
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
