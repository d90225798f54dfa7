//! Commands that a build without the feature `services` does not have. Each prints this, whatever
//! its options.

#![cfg_attr(feature = "services", allow(dead_code, reason = "in a build with the services, its test alone uses it"))]

use std::ffi::OsString;

use anyhow::Result;
use clap::Args;

use crate::Usage;

macro_rules! absent {
    ($($module:ident::$name:ident is $command:literal),* $(,)?) => {$(
        pub mod $module {
            use super::*;

            /// Not in this build: needs the feature `services`
            #[derive(Args)]
            pub struct $name {
                #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
                _given: Vec<OsString>,
            }

            impl $name {
                pub fn run(self) -> Result<()> {
                    Err(Usage(sentence(concat!("`lockstep ", $command, "`"))).into())
                }
            }
        }
    )*};
}

absent! {
    audit::Audit is "audit",
    backup::Backup is "backup",
    dead_letters::DeadLetters is "dead-letters",
    deliveries::Retractions is "retractions",
    demo::Demo is "demo",
    documents::Documents is "documents",
    encryption::Encryption is "encryption",
    erase::Erase is "erase",
    evidence::Evidence is "evidence",
    ingest::Ingest is "ingest",
    open::Open is "open",
    partners::Partners is "partners",
    policy::Policy is "policy",
    producers::Producers is "producers",
    restore::Restore is "restore",
    serve::Serve is "serve",
    tokens::Tokens is "tokens",
    users::Users is "users",
}

/// A sentence that something is not in this build, and how to build Lockstep with it.
pub fn sentence(what: &str) -> String {
    format!(
        "{what} needs the services, which are not in this build: build Lockstep with `--features services`, or with the default features"
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    enum Commands {
        Serve(serve::Serve),
        Partners(partners::Partners),
    }

    #[test]
    fn a_command_that_is_not_there_says_how_to_get_it_whatever_its_options() {
        let run = |line: &str| match Commands::parse_from(line.split(' ')) {
            Commands::Serve(serve) => serve.run(),
            Commands::Partners(partners) => partners.run(),
        };
        for (line, command) in [
            ("lockstep serve all --brokers b:9092", "serve"),
            ("lockstep partners", "partners"),
            ("lockstep serve -x --", "serve"),
        ] {
            let error = run(line).unwrap_err();
            assert!(error.is::<Usage>(), "{line}");
            assert_eq!(
                error.to_string(),
                format!(
                    "`lockstep {command}` needs the services, which are not in this build: build Lockstep with `--features services`, or with \
                     the default features"
                )
            );
        }
    }
}
