//! Measures a world: `cargo run --release -p simulator --example world_stats -- WORLD [SEED]`.

use std::{error::Error, io::Write, time::Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "demo".to_owned());
    let seed = arguments.next().map_or(Ok(1), |seed| seed.parse())?;
    let world = simulator::World::named(&name)?;
    let begun = Instant::now();
    let simulation = world.generate(seed);
    let took = begun.elapsed();
    let mut bytes = Vec::new();
    simulation.write_ndjson(&mut bytes)?;
    let packed = zstd::encode_all(bytes.as_slice(), 19)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "world {name}, seed {seed}: {} posts in {took:.2?}", simulation.posts.len())?;
    writeln!(out, "NDJSON {} bytes, zstd -19 {} bytes", bytes.len(), packed.len())?;
    write!(out, "{}", simulator::stats(&simulation))?;
    let truth = &simulation.truth;
    for group in truth.campaigns.iter().chain(&truth.lookalikes) {
        let (members, actions) = (group.members.len(), group.actions.len());
        let acts: usize = group.actions.iter().map(|action| action.participants.len()).sum();
        writeln!(out, "{}: {members} accounts, {actions} actions, {acts} accounts acting", group.name)?;
    }
    Ok(())
}
