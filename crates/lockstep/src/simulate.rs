//! `lockstep simulate`: synthetic posts with their truth.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::PathBuf,
};

use anyhow::{Context, Result};
use clap::Args;
use simulator::World;

use crate::{detect::println_json, progress};

/// Generates posts of a synthetic world, with the truth about planted accounts.
///
/// The same world and seed always give the same bytes. Figures from these posts must be called
/// synthetic.
#[derive(Args)]
#[command(after_help = "\
Examples:
  lockstep simulate --world demo --seed 1 --out demo        demo/posts.jsonl.zst, demo/truth.jsonl, demo/accounts.tsv
  lockstep simulate --world my-world.toml --seed 7 > posts.jsonl
  lockstep simulate --list")]
pub struct Simulate {
    /// A built-in world (see --list) or a world file
    #[arg(long, required_unless_present = "list")]
    world: Option<String>,
    /// The seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder for posts.jsonl.zst, truth.jsonl and accounts.tsv; without it posts go to standard
    /// output
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print statistics of the crowd as JSON, instead of posts
    #[arg(long)]
    stats: bool,
    /// List the built-in worlds
    #[arg(long)]
    list: bool,
}

impl Simulate {
    pub fn run(self) -> Result<()> {
        let mut stdout = std::io::stdout().lock();
        if self.list {
            for name in World::names() {
                writeln!(stdout, "{name}")?;
            }
            return Ok(());
        }
        let world = world(self.world.as_deref().unwrap_or_default())?;
        if self.stats {
            drop(stdout);
            return println_json(&serde_json::to_value(simulator::stats(&world.generate(self.seed)))?);
        }
        let (posts, truth) = world.stream(self.seed);
        let Some(dir) = self.out else {
            let mut out = BufWriter::new(stdout);
            for post in posts {
                post.write_ndjson(&mut out)?;
            }
            return Ok(out.flush()?);
        };
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let create = |name: &str| {
            let path = dir.join(name);
            File::create(&path).map(BufWriter::new).with_context(|| format!("cannot write {}", path.display()))
        };
        let bar = progress::bar(Some(posts.len() as u64), "simulating {bar:30} {human_pos}/{human_len} posts");
        let mut out = zstd::Encoder::new(create("posts.jsonl.zst")?, 9)?;
        let count = posts.len() as u64;
        for post in posts {
            post.write_ndjson(&mut out)?;
            bar.inc(1);
        }
        out.finish()?.flush()?;
        bar.finish_and_clear();
        let mut out = create("truth.jsonl")?;
        truth.write_jsonl(&mut out)?;
        out.flush()?;
        let mut out = create("accounts.tsv")?;
        truth.write_accounts_tsv(&mut out)?;
        out.flush()?;
        eprintln!("{} posts in {}", progress::count(count), dir.display());
        Ok(())
    }
}

/// A built-in world, or a world from a file.
pub fn world(name: &str) -> Result<World> {
    if name.ends_with(".toml") {
        let text = std::fs::read_to_string(name).with_context(|| format!("cannot read the world {name}"))?;
        return World::from_toml(&text).with_context(|| name.to_owned());
    }
    Ok(World::named(name)?)
}
