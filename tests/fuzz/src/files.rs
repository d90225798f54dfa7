//! Files of posts: format, compression and layout are told from the content.

use std::cell::Cell;
use std::io::Write;

use detection::input::{Input, InputError, Options};
use messages::dialect::Dialect;

use crate::settings::scratch;

/// Options by the first byte, then a file.
pub(crate) fn files(data: &[u8]) {
    let Some((choice, content)) = data.split_first() else {
        return;
    };
    // A kilobyte of a compressed file may stand for a megabyte; more would only make the search slow.
    let content = &content[..content.len().min(64 << 10)];
    let dialects = Dialect::ALL.len() + 1;
    let name = ["posts", "posts.jsonl", "posts.json", "posts.csv"][usize::from(*choice) / dialects % 4];
    let file = scratch().join(name);
    std::fs::File::create(&file).and_then(|mut file| file.write_all(content)).expect("a scratch file can be written");
    let options = Options {
        dialect: Dialect::ALL.get(usize::from(*choice) % dialects).copied(),
        platform: (choice & 0x40 != 0).then(|| "x".to_owned()),
        memory_mib: 1,
        keep_duplicates: choice & 0x80 != 0,
        spill_dir: Some(scratch().to_owned()),
        ..Options::default()
    };
    let (posts, bad) = (Cell::new(0), Cell::new(0));
    let Ok(input) = Input::open(std::slice::from_ref(&file), options.clone()) else {
        return;
    };
    let counts = input.each::<InputError>(
        &mut |post, raw| {
            posts.set(posts.get() + 1);
            assert_eq!(messages::post::decode(raw).as_ref(), Ok(post), "a post comes with its native bytes");
            Ok(())
        },
        &mut |_| bad.set(bad.get() + 1),
        &mut |_| {},
    );
    let Ok(counts) = counts else {
        return;
    };
    assert_eq!((counts.posts, counts.bad), (posts.get(), bad.get()), "nothing is lost silently");

    let mut sorted = Input::open(&[file], options).and_then(|input| input.sorted(&mut |_| {}, &mut |_| {}));
    let sorted = sorted.as_mut().expect("what was read once is read twice");
    let mut last = None;
    let mut given = 0;
    while let Some(raw) = sorted.advance().expect("a sorted run can be read back") {
        let post = messages::post::decode(raw).expect("sorted posts are native");
        let turn = Some((post.created_at, post.id.to_string()));
        assert!(last <= turn, "posts come by time");
        (last, given) = (turn, given + 1);
    }
    assert_eq!(given, counts.posts, "sorting loses nothing");
}
