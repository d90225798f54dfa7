//! Replays the committed corpus, and simple mutations of it, without a fuzzer.

use std::fs;
use std::path::Path;

use fuzzing::TARGETS;

/// Each seed as it is, cut short, doubled, and with bytes changed at fixed places.
#[test]
fn seeds_and_mutations_of_them_hold() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in TARGETS {
        let mut seeds: Vec<_> = fs::read_dir(corpus.join(name))
            .unwrap_or_else(|error| panic!("the target {name} has no corpus: {error}"))
            .map(|entry| entry.unwrap().path())
            .collect();
        seeds.sort();
        assert!(!seeds.is_empty(), "the corpus of {name} is empty");
        for seed in seeds {
            let bytes = fs::read(&seed).unwrap();
            println!("{}", seed.display());
            target(&bytes);
            target(&bytes[..bytes.len() / 2]);
            target(&bytes.repeat(2));
            for place in 0..16.min(bytes.len()) {
                let mut changed = bytes.clone();
                changed[bytes.len() * place / 16] ^= 1 << (place % 8);
                target(&changed);
            }
        }
    }
}
