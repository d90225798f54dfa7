//! The engine: any posts in any order of time, and any bytes for a snapshot.

use std::sync::LazyLock;

use coordination::{Engine, Limits, Millis, Params, Post};
use xxhash_rust::xxh3::xxh3_64;

fn fresh() -> Engine {
    let limits = Limits { uses: 400, ties: 100, texts: 50, candidates: 10, accounts: 50 };
    let params = Params { text_nats: 2.0, limits, ..Params::default() };
    Engine::new(params).expect("the parameters are sound")
}

/// Posts of 6 bytes each: what sort of step in time, how far, account, what it does, with what.
pub(crate) fn engine(data: &[u8]) {
    let mut engine = fresh();
    let mut clusters = Vec::new();
    let mut at: Millis = 0;
    let mut counted = 0;
    for (number, bytes) in data.chunks_exact(6).take(2_000).enumerate() {
        let [step, far, account, kind, what, told] = bytes else {
            return;
        };
        let far = Millis::from(*far) + 1;
        at = match step % 12 {
            0..6 => at.saturating_add(far * 100),
            6 => at.saturating_sub(far * 1_000),
            7 => at.saturating_add(far * 60_000),
            8 => at.saturating_add(far << (step / 12 * 3).min(54)),
            9 => at.saturating_sub(far << (step / 12 * 3).min(54)),
            10 => [Millis::MIN, Millis::MAX, 0, 253_402_300_799_999, -377_705_116_800_000][usize::from(*step) / 12 % 5],
            _ => at,
        };
        let mut post = Post {
            id: (number / 2 + usize::from(*told)).to_string().into(),
            platform: "x".into(),
            account_id: (account % 32).to_string().into(),
            created_at: at,
            ..Post::default()
        };
        let word = format!("w{}", what % 16);
        match kind % 7 {
            0 => post.urls.push(format!("https://s{}.example/{word}", what % 4).into()),
            1 => post.repost_of = Some(word.into()),
            2 => post.hashtags = ["a", "b", &word].map(|tag| tag.to_owned().into()).to_vec(),
            3 => post.text = format!("the same words again {word} {word}").into(),
            4 => post.media.push(word.into()),
            5 => post.reply_to = Some(word.into()),
            _ => post.mentions = vec!["ann".into(), word.into()],
        }
        let now = if told % 8 == 7 { at.saturating_add(1_000_000) } else { at };
        engine.on_post(now, &post, &mut clusters);
        counted += 1;
        if told % 32 == 31 {
            engine.on_time(now.saturating_add(far), &mut clusters);
        }
        if told % 64 == 63 {
            let snapshot = engine.snapshot().expect("any state can be written");
            engine = fresh();
            engine.restore(&snapshot).expect("what was written can be read");
            // Tables are written in whatever order they lie.
            let again = engine.snapshot().expect("any state can be written");
            assert_eq!(again.len(), snapshot.len(), "and is the same again");
        }
    }
    engine.finish(&mut clusters);
    let stats = engine.stats();
    assert_eq!(stats.accepted + stats.late + stats.too_late + stats.duplicate, counted, "every post has one outcome");
    assert_eq!(stats.sizes.waiting, 0);
}

/// A snapshot of an engine that has something in every table.
static SNAPSHOT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut engine = fresh();
    for number in 0..120_i64 {
        let text = format!("the same words again {}", number / 40);
        let mut post = Post {
            id: number.to_string().into(),
            platform: "x".into(),
            account_id: (number % 5).to_string().into(),
            created_at: number * 30_000,
            text: text.into(),
            ..Post::default()
        };
        post.urls.push(format!("https://s{}.example/{}", number % 3, number / 5).into());
        post.hashtags = ["a", "b", "c"].map(Into::into).to_vec();
        engine.on_post(post.created_at, &post, &mut Vec::new());
    }
    engine.snapshot().expect("any state can be written")
});

/// Magic, version and hash of the parameters, then the checksum of what follows.
const CHECKSUM: std::ops::Range<usize> = 20..28;

/// Bytes as they come; the bytes as edits of a real snapshot; and both with a checksum that fits.
pub(crate) fn snapshot(data: &[u8]) {
    let mut engine = fresh();
    assert!(engine.restore(data).is_err(), "bytes from elsewhere are no snapshot");
    let real = &*SNAPSHOT;

    let mut edited = real.clone();
    for edit in data.chunks_exact(4) {
        let place = usize::from(u16::from_le_bytes([edit[0], edit[1]])) * 7 % edited.len();
        match edit[2] % 4 {
            0 => edited[place] ^= edit[3],
            1 => edited[place] = edit[3],
            2 => drop(edited.remove(place)),
            _ => edited.insert(place, edit[3]),
        }
        if edited.len() < CHECKSUM.end {
            break;
        }
    }
    assert_eq!(engine.restore(&edited).is_ok(), edited == *real, "a damaged snapshot is refused");

    let mut forged = real[..CHECKSUM.end].to_vec();
    forged.extend_from_slice(data);
    for mut forged in [forged, edited] {
        if forged.len() >= CHECKSUM.end {
            forged[..CHECKSUM.start].copy_from_slice(&real[..CHECKSUM.start]);
            let checksum = xxh3_64(&forged[CHECKSUM.end..]);
            forged[CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
            // May be read or refused; must come back, and within bounds of memory.
            let _ = engine.restore(&forged);
        }
    }
}
