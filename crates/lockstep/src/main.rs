//! The `lockstep` command: a thin layer over the crates that do the work.
//!
//! Messages for people go to standard error, data to standard output. Exit codes: 0 success, 1
//! failure, 2 usage error.

#[cfg(feature = "services")]
mod audit;
#[cfg(feature = "services")]
mod backup;
mod config;
mod dataset;
#[cfg(feature = "services")]
mod dead_letters;
#[cfg(feature = "services")]
mod deliveries;
#[cfg(feature = "services")]
mod demo;
mod detect;
#[cfg(feature = "services")]
mod documents;
#[cfg(feature = "services")]
mod encryption;
#[cfg(feature = "services")]
mod erase;
mod evaluate;
#[cfg(feature = "services")]
mod evidence;
mod explain;
#[cfg(feature = "services")]
mod ingest;
mod input;
mod models;
#[cfg(feature = "services")]
mod open;
#[cfg(feature = "services")]
mod partners;
#[cfg(feature = "services")]
mod policy;
#[cfg(feature = "services")]
mod producers;
mod progress;
#[cfg(feature = "services")]
mod restore;
#[cfg(feature = "services")]
mod serve;
mod simulate;
mod table;
#[cfg(feature = "services")]
mod tokens;
mod train;
#[cfg(feature = "services")]
mod users;

#[cfg(any(test, not(feature = "services")))]
mod without_services;

use std::{io::Write, process::ExitCode};

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};

#[cfg(not(feature = "services"))]
use self::without_services::{
    audit, backup, dead_letters, deliveries, demo, documents, encryption, erase, evidence, ingest, open, partners,
    policy, producers, restore, serve, tokens, users,
};

/// The engine allocates and frees many small objects; on a dense simulated world this allocator
/// saves a quarter of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Finds groups of social-media accounts that act in lockstep, says how sure it is and why, and
/// delivers each finding to those who can act on it.
#[derive(Parser)]
#[command(
    name = "lockstep",
    version,
    max_term_width = 110,
    after_help = "\
Start here:
  lockstep demo                              the whole chain on a simulated sample
  lockstep open posts.csv                    your own file, in the browser
  lockstep detect posts.jsonl.gz --out out   groups, ties, accounts and a report
"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
#[cfg_attr(
    not(feature = "services"),
    expect(clippy::large_enum_variant, reason = "there is only one value, for the whole run")
)]
enum Command {
    Demo(demo::Demo),
    Detect(detect::Detect),
    Open(open::Open),
    Explain(explain::Explain),
    Ingest(ingest::Ingest),
    DeadLetters(dead_letters::DeadLetters),
    Serve(serve::Serve),
    Producers(producers::Producers),
    Partners(partners::Partners),
    Users(users::Users),
    Tokens(tokens::Tokens),
    Policy(policy::Policy),
    Documents(documents::Documents),
    Retractions(deliveries::Retractions),
    Audit(audit::Audit),
    Evidence(evidence::Evidence),
    Erase(erase::Erase),
    Encryption(encryption::Encryption),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Evaluate(evaluate::Evaluate),
    Dataset(dataset::DatasetCommand),
    Train(train::Train),
    Models(models::Models),
    Simulate(simulate::Simulate),
    Config(config::ConfigCommand),
    /// Prints a completion script for a shell.
    #[command(after_help = "Example:\n  lockstep completions bash > /etc/bash_completion.d/lockstep")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

fn main() -> ExitCode {
    let command = Cli::parse().command;
    #[cfg(all(unix, feature = "services"))]
    if command.keeps_its_files_private() {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    }
    let outcome = match command {
        Command::Demo(demo) => demo.run(),
        Command::Detect(detect) => detect.run(),
        Command::Open(open) => open.run(),
        Command::Explain(explain) => explain.run(),
        Command::Ingest(ingest) => ingest.run(),
        Command::DeadLetters(letters) => letters.run(),
        Command::Serve(serve) => serve.run(),
        Command::Producers(producers) => producers.run(),
        Command::Partners(partners) => partners.run(),
        Command::Users(users) => users.run(),
        Command::Tokens(tokens) => tokens.run(),
        Command::Policy(policy) => policy.run(),
        Command::Documents(documents) => documents.run(),
        Command::Retractions(retractions) => retractions.run(),
        Command::Audit(audit) => audit.run(),
        Command::Evidence(evidence) => evidence.run(),
        Command::Erase(erase) => erase.run(),
        Command::Encryption(encryption) => encryption.run(),
        Command::Backup(backup) => backup.run(),
        Command::Restore(restore) => restore.run(),
        Command::Evaluate(evaluate) => evaluate.run(),
        Command::Dataset(dataset) => dataset.run(),
        Command::Train(train) => train.run(),
        Command::Models(models) => models.run(),
        Command::Simulate(simulate) => simulate.run(),
        Command::Config(config) => config.run(),
        Command::Completions { shell } => {
            // The generator panics if it cannot write, so it writes to memory first.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "lockstep", &mut script);
            std::io::stdout().write_all(&script).context("cannot write to standard output")
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", chain(&error));
            if error.is::<Usage>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

#[cfg(all(unix, feature = "services"))]
impl Command {
    /// Whether the command writes stores, logs, checkpoints or exports of the services: only the user
    /// who runs it may read the files and folders that it makes, whatever library makes them.
    fn keeps_its_files_private(&self) -> bool {
        match self {
            Command::Demo(_)
            | Command::Ingest(_)
            | Command::DeadLetters(_)
            | Command::Serve(_)
            | Command::Producers(_)
            | Command::Partners(_)
            | Command::Users(_)
            | Command::Tokens(_)
            | Command::Policy(_)
            | Command::Documents(_)
            | Command::Retractions(_)
            | Command::Audit(_)
            | Command::Evidence(_)
            | Command::Erase(_)
            | Command::Encryption(_)
            | Command::Backup(_)
            | Command::Restore(_) => true,
            Command::Detect(_)
            | Command::Open(_)
            | Command::Explain(_)
            | Command::Evaluate(_)
            | Command::Dataset(_)
            | Command::Train(_)
            | Command::Models(_)
            | Command::Simulate(_)
            | Command::Config(_)
            | Command::Completions { .. } => false,
        }
    }
}

/// A command line that clap accepts but whose options contradict each other.
#[derive(Debug)]
struct Usage(String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// The error and its causes in one line, without repeated texts.
fn chain(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// Whether the reader of standard output has closed the pipe.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        // An error of writing JSON hides the error of the pipe.
        let json = cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
        io.or(json) == Some(std::io::ErrorKind::BrokenPipe)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
