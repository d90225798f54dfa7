//! Measures a world: `cargo run --release -p simulator --example world_stats -- WORLD [SEED [PATH=VALUE]...]`.
//!
//! `WORLD` is a built-in world or a file; every `PATH=VALUE` changes a parameter, as `campaign.*.cover_per_day=60` does.

use std::{error::Error, io::Write, time::Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "demo".to_owned());
    let seed = arguments.next().map_or(Ok(1), |seed| seed.parse())?;
    let mut world = match name.ends_with(".toml") {
        true => simulator::World::from_toml(&std::fs::read_to_string(&name)?)?,
        false => simulator::World::named(&name)?,
    };
    for change in arguments {
        let (path, value) = change.split_once('=').ok_or("a change is PATH=VALUE")?;
        world = world.with(path, value)?;
    }
    let begun = Instant::now();
    let simulation = world.generate(seed);
    let took = begun.elapsed();
    let mut bytes = Vec::new();
    simulation.write_ndjson(&mut bytes)?;
    let level = if bytes.len() < 50_000_000 { 19 } else { 3 };
    let packed = zstd::encode_all(bytes.as_slice(), level)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "world {name}, seed {seed}: {} posts in {took:.2?}", simulation.posts.len())?;
    writeln!(out, "NDJSON {} bytes, zstd -{level} {} bytes", bytes.len(), packed.len())?;
    write!(out, "{}", simulator::stats(&simulation))?;
    let truth = &simulation.truth;
    for group in truth.campaigns.iter().chain(&truth.lookalikes) {
        let (members, actions) = (group.members.len(), group.actions.len());
        let acts: usize = group.actions.iter().map(|action| action.participants.len()).sum();
        writeln!(out, "{}: {members} accounts, {actions} actions, {acts} accounts acting", group.name)?;
    }
    Ok(())
}
