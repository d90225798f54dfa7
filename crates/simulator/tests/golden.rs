//! Built-in worlds, byte for byte: the bundled sample and the bundled models were made from them.

use sha2::{Digest, Sha256};
use simulator::World;

/// SHA-256 of all posts of a world as NDJSON.
fn posts(name: &str, seed: u64) -> String {
    let world = World::named(name).unwrap();
    let mut hash = Sha256::new();
    let mut line = Vec::new();
    for post in world.stream(seed).0 {
        line.clear();
        post.write_ndjson(&mut line).unwrap();
        hash.update(&line);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The null worlds extend the prototype's, whose crowd and look-alikes are tested with it. One test a world, so that they run side by side.
macro_rules! golden {
    ($($world:ident $hash:literal)+) => {$(
        #[test]
        fn $world() {
            assert_eq!(posts(stringify!($world), 1), $hash, "the posts of a built-in world changed");
        }
    )+};
}

golden! {
    demo "948f768a61169b821bb3cfc8d469c958bf6be92386ffa4468483206e9c7bbd30"
    prototype "f379980c23e1a71693cf4681d6540524c83f0d4af644ba2add58f6c2eb33686a"
    training "1af1ae211aa60d0fc0d63af723724dcd3cb98342d635b97c10554df06e391247"
    lookalikes "28b04906e218ef85454e8105db24d4ba043763b82c5c07f6d05246b5ac6bf847"
    operations "31e1b6523c63f2347f4269b9702c0ee6a589bb9f91d5c335bd2c6cf99f21bf99"
    openly "8221024d11efe4b36dd8e29de97edf4e9ed3eab1ee421917c38a48ca0da3c96f"
}
