use std::borrow::Cow;

use coordination::Post;
use expect_test::{Expect, expect};
use messages::post::{self, MAX_VALUE_BYTES, decode, encode, key};
use proptest::prelude::*;

/// A post with the required fields, plus these, or with these replaced.
fn with(fields: &str) -> String {
    let required = [
        ("id", r#""1""#),
        ("platform", r#""twitter""#),
        ("account_id", r#""7""#),
        ("account_name", r#""ann""#),
        ("created_at", r#""2026-11-02T10:00:00Z""#),
    ];
    let mut all: Vec<String> = required
        .iter()
        .filter(|(name, _)| !fields.contains(&format!("\"{name}\":")))
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    if !fields.is_empty() {
        all.push(fields.to_owned());
    }
    format!("{{{}}}", all.join(","))
}

fn full() -> Post<'static> {
    Post {
        id: "1".into(),
        platform: "twitter".into(),
        account_id: "7".into(),
        account_name: "ann \"a\"".into(),
        created_at: 1_762_077_600_123,
        text: "читай https://a.example/x #vote @bob\n".into(),
        lang: Some("ru".into()),
        urls: vec!["https://a.example/x".into()],
        hashtags: vec!["vote".into()],
        mentions: vec!["bob".into()],
        media: vec!["phash:00ff".into()],
        repost_of: Some("2".into()),
        repost_of_account: Some("8".into()),
        reply_to: Some("3".into()),
        reply_to_account: Some("9".into()),
        // A repost quotes nothing of its own: the next test has one that does.
        quote_of: None,
        quote_of_account: None,
        client: Some("web".into()),
        followers: Some(0),
        following: Some(u64::MAX),
        account_created_at: Some(-1),
        account_posts: Some(3),
        default_profile: Some(false),
        deleted_at: Some(1_762_077_700_000),
        // Of the log, not of the post: it is not written.
        position: None,
    }
}

#[test]
fn a_quotation_is_told_and_a_repost_has_none_of_its_own() {
    let quoting = Post { quote_of: Some("4".into()), quote_of_account: Some("10".into()), ..full() };
    let own = Post { repost_of: None, repost_of_account: None, ..quoting.clone() };
    let bytes = encode(&own);
    assert!(String::from_utf8_lossy(&bytes).contains(r#""quote_of":"4","quote_of_account":"10""#));
    assert_eq!(decode(&bytes), Ok(own));
    assert_eq!(decode(&encode(&quoting)), Ok(full()));
}

#[test]
fn a_full_post_has_these_exact_bytes() {
    let bytes = encode(&full());
    expect![[r#"{"id":"1","platform":"twitter","account_id":"7","account_name":"ann \"a\"","created_at":"2025-11-02T10:00:00.123Z","text":"читай https://a.example/x #vote @bob\n","lang":"ru","urls":["https://a.example/x"],"hashtags":["vote"],"mentions":["bob"],"media":["phash:00ff"],"repost_of":"2","repost_of_account":"8","reply_to":"3","reply_to_account":"9","client":"web","followers":0,"following":18446744073709551615,"account_created_at":"1969-12-31T23:59:59.999Z","account_posts":3,"default_profile":false,"deleted_at":"2025-11-02T10:01:40Z"}"#]]
        .assert_eq(std::str::from_utf8(&bytes).unwrap());
    assert_eq!(decode(&bytes).unwrap(), full());
    assert_eq!(key(&full()), "twitter:7");
}

#[test]
fn the_least_post_has_these_exact_bytes() {
    let text = with("");
    let post = decode(text.as_bytes()).unwrap();
    expect![[r#"{"id":"1","platform":"twitter","account_id":"7","account_name":"ann","created_at":"2026-11-02T10:00:00Z","urls":[],"hashtags":[],"mentions":[]}"#]]
        .assert_eq(std::str::from_utf8(&encode(&post)).unwrap());
}

#[test]
fn text_is_borrowed_unless_escaped() {
    let text = with(r##""text":"plain #tag","lang":"e\u006e""##);
    let post = decode(text.as_bytes()).unwrap();
    for borrowed in [&post.id, &post.text, &post.hashtags[0], &post.platform] {
        assert!(matches!(borrowed, Cow::Borrowed(_)), "{borrowed}");
    }
    assert_eq!(post.lang.as_deref(), Some("en"));
}

#[test]
fn lenient_where_the_meaning_is_plain() {
    let check = |fields: &str, expected: &dyn Fn(&Post<'_>) -> bool| {
        let text = with(fields);
        let post = decode(text.as_bytes()).unwrap_or_else(|error| panic!("{fields}: {error}"));
        assert!(expected(&post), "{fields}: {post:?}");
    };
    const TIME: i64 = 1_793_613_600_000;
    check(r#""account_name":null"#, &|p| p.account_name == "7");
    check(r#""account_name":" ""#, &|p| p.account_name == "7");
    check(r#""id":18446744073709551615,"account_id":-5"#, &|p| p.id == "18446744073709551615" && p.account_id == "-5");
    check(r#""platform":" Twitter ""#, &|p| p.platform == "twitter");
    check(r#""created_at":"2026-11-02T12:30:00+02:30""#, &|p| p.created_at == TIME);
    check(r#""created_at":1793613600"#, &|p| p.created_at == TIME);
    check(r#""created_at":1793613600000"#, &|p| p.created_at == TIME);
    check(r#""created_at":1793613600000000"#, &|p| p.created_at == TIME);
    check(r#""created_at":"1793613600""#, &|p| p.created_at == TIME);
    check(r#""created_at":1793613600.25"#, &|p| p.created_at == TIME + 250);
    check(r#""repost_of":"","lang":"","urls":["",null_free],"#.replace(",null_free],", "]").as_str(), &|p| {
        p.repost_of.is_none() && p.lang.is_none() && p.urls.is_empty()
    });
    check(r#""followers":12.0,"following":"13""#, &|p| p.followers == Some(12) && p.following == Some(13));
    check(r##""hashtags":["#a","＃b","c"],"mentions":["@d"]"##, &|p| {
        p.hashtags == ["a", "b", "c"] && p.mentions == ["d"]
    });
    check(r##""text":"#a @b https://c.example""##, &|p| {
        p.hashtags == ["a"] && p.mentions == ["b"] && p.urls == ["https://c.example"]
    });
    check(r##""text":"#a @b https://c.example","hashtags":[],"mentions":null,"urls":[]"##, &|p| {
        p.hashtags.is_empty() && p.mentions == ["b"] && p.urls.is_empty()
    });
    check(r#""label":"organic","campaign":{"deep":[1,{"x":null}]}"#, &|p| p.id == "1");
}

#[test]
fn errors_name_the_field_the_reason_and_the_place() {
    let check = |value: &[u8], expected: Expect| {
        expected.assert_eq(&decode(value).unwrap_err().to_string());
    };
    let field = |fields: &str, expected: Expect| check(with(fields).as_bytes(), expected);
    check(b"", expect!["is not a JSON object"]);
    check(b"not json", expect![[r#"is not a JSON object, near "not json""#]]);
    check(b"[1]", expect![[r#"is not a JSON object, near "[1]""#]]);
    check(b"{\"id\":\"1\"", expect![[r#"is not JSON: it ends too early, at column 9, near "{\"id\":\"1\"""#]]);
    check(b"{\"id\":\"\xFF\"}", expect![[r#"`id`: is not UTF-8 at column 8, near "{\"id\":\"�\"}""#]]);
    check(
        br#"{"id":"1","platform":"x","account_id":"7"}"#,
        expect![[
            r#"`created_at`: is required, but missing or null, near "{\"id\":\"1\",\"platform\":\"x\",\"account_id\":\"7\"}""#
        ]],
    );
    field(
        r#""id":"""#,
        expect![[
            r#"`id`: is empty, near "{\"platform\":\"twitter\",\"account_id\":\"7\",\"account_name\":\"ann\",\"created_at\":\"2026-1…""#
        ]],
    );
    field(
        r#""platform":"  ""#,
        expect![[
            r#"`platform`: is empty, near "{\"id\":\"1\",\"account_id\":\"7\",\"account_name\":\"ann\",\"created_at\":\"2026-11-02T10:00:0…""#
        ]],
    );
    field(
        r#""account_id":null"#,
        expect![[
            r#"`account_id`: is required, but missing or null, near "{\"id\":\"1\",\"platform\":\"twitter\",\"account_name\":\"ann\",\"created_at\":\"2026-11-02T10:…""#
        ]],
    );
    field(
        r#""id":1.5"#,
        expect![[r#"`id`: is a number with a fraction; expected text or a whole number, near "1.5""#]],
    );
    field(r#""id":{"x":1}"#, expect![[r#"`id`: is an object; expected text or a whole number, near "{\"x\":1}""#]]);
    field(
        r#""created_at":"2026-11-02T10:00:00""#,
        expect![[
            r#"`created_at`: has no offset from UTC: expected for example 2026-11-02T10:00:00Z, near "2026-11-02T10:00:00""#
        ]],
    );
    field(
        r#""created_at":"yesterday""#,
        expect![[
            r#"`created_at`: is not a time: expected RFC 3339 with an offset, for example 2026-11-02T10:00:00Z, near "yesterday""#
        ]],
    );
    field(
        r#""created_at":1e18"#,
        expect![[r#"`created_at`: is not a time: too large for an epoch number in microseconds, near "1e+18""#]],
    );
}

#[test]
fn an_optional_field_that_cannot_be_read_does_not_cost_the_post() {
    let read = |fields: &str| {
        let text: &'static str = with(fields).leak();
        post::read(text.as_bytes()).unwrap_or_else(|error| panic!("{fields}: {error}"))
    };
    let check = |fields: &str, expected: &[&str]| {
        let (post, unreadable) = read(fields);
        assert_eq!(post.id, "1", "{fields}");
        let told: Vec<String> = unreadable.iter().map(messages::DecodeError::field).collect();
        assert_eq!(told, expected, "{fields}");
        assert!(unreadable.iter().all(|error| !error.reason.is_empty() && !error.excerpt.is_empty()), "{unreadable:?}");
    };
    check(r#""followers":-1"#, &["followers"]);
    check(r#""followers":"many","following":1.5,"account_posts":[3]"#, &["followers", "following", "account_posts"]);
    check(
        r#""account_created_at":"once","deleted_at":{},"default_profile":"no""#,
        &["account_created_at", "default_profile", "deleted_at"],
    );
    check(r#""text":["a"],"lang":{},"client":3.5"#, &["text", "lang", "client"]);
    check(
        r#""reply_to":{"x":1},"reply_to_account":[],"repost_of_account":{}"#,
        &["repost_of_account", "reply_to", "reply_to_account"],
    );
    check(
        r#""urls":"https://a.example","hashtags":{"a":1},"mentions":[{"x":1}],"media":7"#,
        &["media", "urls", "hashtags", "mentions[]"],
    );
    let (post, unreadable) = read(r##""urls":["https://a.example",{"c":1},null],"hashtags":[{"text":"b"},"#c"]"##);
    assert_eq!((post.urls.len(), post.hashtags), (1, vec!["b".into(), "c".into()]), "what can be read of a list stays");
    assert_eq!(unreadable[0].field(), "urls[]");
    let (post, _) = read(r##""text":"#a https://b.example","urls":{},"hashtags":7"##);
    assert_eq!((post.hashtags.len(), post.urls.len()), (1, 1), "an unknown list is taken from the text");
    let (post, unreadable) = read(r##""repost_of":1.5e18,"text":"what another said #b""##);
    assert_eq!((&*post.text, post.hashtags.len()), ("", 0), "the words of a repost are not the account's own");
    assert_eq!(unreadable[0].path, "repost_of");
    assert_eq!(read(r#""followers":2,"followers":3"#).0.followers, Some(3), "the last of two fields counts");
}

#[test]
fn a_value_over_the_limit_is_an_error_and_one_under_it_is_not() {
    let long = with(&format!("\"text\":\"{}\"", "a".repeat(MAX_VALUE_BYTES - 200)));
    assert_eq!(decode(long.as_bytes()).unwrap().text.len(), MAX_VALUE_BYTES - 200);
    let longer = with(&format!("\"text\":\"{}\"", "a".repeat(MAX_VALUE_BYTES)));
    let error = decode(longer.as_bytes()).unwrap_err();
    assert!(error.reason.contains("1000000"), "{error}");
    assert!(error.excerpt.chars().count() <= 81, "the excerpt is short");
}

#[test]
fn bytes_that_are_no_text_harm_only_what_is_kept() {
    let broken = |fields: &str| with(fields).bytes().map(|b| if b == b'~' { 0xff } else { b }).collect::<Vec<u8>>();
    assert_eq!(decode(&broken(r#""label":"~","text":"ä""#)).unwrap().text, "ä");
    let error = decode(&broken(r#""label":"ä","text":"~""#)).unwrap_err();
    assert_eq!((error.path.as_str(), error.reason.contains("UTF-8")), ("text", true), "{error}");
}

#[test]
fn deep_nesting_is_harmless() {
    for open in ["[", "{\"a\":"] {
        let bomb = open.repeat(400_000 / open.len());
        assert!(decode(bomb.as_bytes()).is_err());
        assert!(decode(with(&format!("\"unknown\":{bomb}")).as_bytes()).is_err());
        assert!(decode(with(&format!("\"urls\":{bomb}")).as_bytes()).is_err());
    }
    let closed = format!("\"unknown\":{}{}", "[".repeat(400_000), "]".repeat(400_000));
    // Whether an ignored field at this depth is read or refused does not matter; the stack must not
    // overflow.
    let _ = decode(with(&closed).as_bytes());
}

fn words() -> impl Strategy<Value = Cow<'static, str>> {
    any::<String>().prop_map(Cow::Owned)
}

fn named() -> impl Strategy<Value = Cow<'static, str>> {
    any::<String>().prop_filter("blank names are errors", |name| !name.trim().is_empty()).prop_map(Cow::Owned)
}

/// As a decoder returns it: not blank, without a sign in front.
fn tags() -> impl Strategy<Value = Vec<Cow<'static, str>>> {
    let bare = named().prop_filter("signs are taken off", |tag| !tag.starts_with(['#', '＃', '@', '＠']));
    prop::collection::vec(bare, 0..4)
}

fn maybe() -> impl Strategy<Value = Option<Cow<'static, str>>> {
    prop::option::of(named())
}

fn times() -> std::ops::Range<i64> {
    -300_000_000_000_000..250_000_000_000_000
}

fn posts() -> impl Strategy<Value = Post<'static>> {
    (
        (named(), "[a-z]{1,8}", named(), named(), times(), words()),
        (maybe(), tags(), tags(), tags(), tags()),
        (maybe(), maybe(), maybe(), maybe(), maybe(), (maybe(), maybe())),
        (
            prop::option::of(any::<u64>()),
            prop::option::of(any::<u64>()),
            prop::option::of(times()),
            prop::option::of(any::<u64>()),
            prop::option::of(any::<bool>()),
            prop::option::of(times()),
        ),
    )
        .prop_map(|(who, what, refs, numbers)| {
            let is_repost = refs.0.is_some();
            Post {
                id: who.0,
                platform: who.1.into(),
                account_id: who.2,
                account_name: who.3,
                created_at: who.4,
                text: who.5,
                lang: what.0,
                urls: what.1,
                hashtags: what.2,
                mentions: what.3,
                media: what.4,
                repost_of: refs.0,
                repost_of_account: refs.1,
                reply_to: refs.2,
                reply_to_account: refs.3,
                // A repost quotes nothing of its own.
                quote_of: refs.5.0.filter(|_| !is_repost),
                quote_of_account: refs.5.1.filter(|_| !is_repost),
                client: refs.4,
                followers: numbers.0,
                following: numbers.1,
                account_created_at: numbers.2,
                account_posts: numbers.3,
                default_profile: numbers.4,
                deleted_at: numbers.5,
                position: None,
            }
        })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(post in posts()) {
        let bytes = encode(&post);
        prop_assert_eq!(decode(&bytes), Ok(post.clone()));
        prop_assert!(!bytes.contains(&b'\n'), "one post is one line");
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(&bytes);
        for dialect in messages::dialect::Dialect::ALL {
            let context = messages::dialect::Context::default();
            let _ = dialect.decode(&bytes, &context, &mut |_| std::ops::ControlFlow::Continue(()));
        }
    }

    #[test]
    fn no_broken_post_panics(post in posts(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = encode(&post);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = decode(&bytes);
        let _ = decode(&bytes[..at]);
    }

    #[test]
    fn any_text_is_searched_without_panic(text in any::<String>(), signs in "[#@＃＠:/.a-zé投 ]{0,40}") {
        for text in [text, signs] {
            let bytes = encode(&Post {
                id: "1".into(), platform: "mastodon".into(), account_id: "2".into(), account_name: "n".into(), text: text.into(),
                ..Post::default()
            });
            let without = String::from_utf8(bytes).unwrap()
                .replace(r#","urls":[],"hashtags":[],"mentions":[]"#, "");
            let post = decode(without.as_bytes()).unwrap();
            for part in post.urls.iter().chain(&post.hashtags).chain(&post.mentions) {
                prop_assert!(post.text.contains(part.as_ref()));
            }
        }
    }
}
