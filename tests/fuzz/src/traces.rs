//! Canonicalisers: what each kind of trace makes of what stands in a post.

use std::sync::LazyLock;

use coordination::{Engine, Params, Post, Reader};
use serde_json::Value;

static READER: LazyLock<Reader> = LazyLock::new(|| {
    let params = Params::default();
    Engine::new(params).expect("the parameters are sound").reader()
});

/// The most that a post may leave in the engine: bytes of keys, sources and signatures, and traces.
const MOST_BYTES: usize = 256 << 10;
const MOST_TRACES: usize = 64;
/// A longer key or source is cut, and ends in a hash.
const LONGEST: usize = 2_000;

/// A post, one field a line; what it is made of, canonicalised twice.
pub(crate) fn traces(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let parts: Vec<&str> = text.split('\n').collect();
    let mut post = Post { platform: "x".into(), id: "1".into(), account_id: "a".into(), ..Post::default() };
    for (number, part) in parts.iter().enumerate() {
        let part: std::borrow::Cow<'_, str> = (*part).into();
        match number % 8 {
            0 => post.urls.push(part),
            1 => post.text = part,
            2 => post.hashtags.push(part),
            3 => post.mentions.push(part),
            4 => post.media.push(part),
            5 => post.lang = Some(part),
            6 => post.reply_to = Some(part).filter(|part| !part.is_empty()),
            _ => post.repost_of = Some(part).filter(|part| !part.is_empty()),
        }
    }
    let all = read(&post);
    assert!(all.len() <= MOST_TRACES, "{} traces", all.len());
    let bytes: usize = all.iter().map(|trace| trace.key.len() + trace.source.len()).sum();
    assert!(bytes <= MOST_BYTES, "{bytes} bytes of keys and sources");
    assert_eq!(all, read(&post), "reading is a function of the post");

    for trace in &all {
        let key = trace.key.as_str();
        let again = Post { platform: "x".into(), ..Post::default() };
        let again = match trace.kind.as_str() {
            "Url" if key.len() < LONGEST => Post { urls: vec![format!("https://{key}").into()], ..again },
            "Media" if key.len() < LONGEST => Post { media: vec![key.into()], ..again },
            "Hashtags" if !key.contains(' ') && key.len() < LONGEST => Post { hashtags: vec![key.into()], ..again },
            _ => continue,
        };
        let keys: Vec<String> = read(&again).into_iter().map(|trace| trace.key).collect();
        assert_eq!(keys, [key], "canonical twice is canonical once");
    }
}

#[derive(Debug, PartialEq)]
struct Trace {
    kind: String,
    key: String,
    source: String,
}

/// Traces as a snapshot would write them: the engine keeps them to itself otherwise.
fn read(post: &Post<'_>) -> Vec<Trace> {
    let mut read = serde_json::to_value(READER.read(post)).expect("a post that was read can be written");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let Value::Array(traces) = read["traces"].take() else {
        panic!("traces have another name now");
    };
    traces
        .iter()
        .map(|trace| Trace { kind: text(&trace["kind"]), key: text(&trace["key"]), source: text(&trace["source"]) })
        .collect()
}
