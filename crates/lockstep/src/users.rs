//! `lockstep users`: people who log in to the console with a password.

use std::{
    collections::BTreeSet,
    io::{BufRead, IsTerminal, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use casework::Role;
use clap::{Args, Subcommand};
use sharing::{SHORTEST_PASSWORD, Users as UsersFile};

use crate::config::ConfigFile;

/// Manages people who log in to the console with a password.
///
/// Writes the file that sharing.login.users names, with passwords as argon2id hashes, readable by
/// its owner only. A running service applies a change at its next request; sessions of a person who
/// was removed or has a new password end immediately. The password is asked for on a terminal, or
/// read from the first line of standard input.
#[derive(Args)]
#[command(after_help = "\
Examples:
  lockstep users add ann --role reviewer --config config/lockstep.toml
  lockstep users add bob --role reviewer --role approver
  lockstep users add cy --sign-off-role \"public affairs\"
  pass show lockstep/ann | lockstep users password ann
  lockstep users list")]
pub struct Users {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Adds a person
    Add {
        /// The name for the login; it appears in the audit log
        name: String,
        /// The person's roles: reviewer (looks, records, approves), approver (releases, retracts),
        /// admin (partners, users)
        #[arg(long = "role", required_unless_present = "sign_off_roles", value_name = "ROLE")]
        roles: Vec<Role>,
        /// A role in which the person may sign off: one of sign_off in the recipients' file
        #[arg(long = "sign-off-role", value_name = "ROLE")]
        sign_off_roles: Vec<String>,
        #[command(flatten)]
        file: File,
    },
    /// Sets a new password, which ends the person's sessions
    Password {
        /// The person's name
        name: String,
        #[command(flatten)]
        file: File,
    },
    /// Replaces the person's roles
    Roles {
        /// The person's name
        name: String,
        /// All roles of the person from now on
        #[arg(long = "role", required_unless_present = "sign_off_roles", value_name = "ROLE")]
        roles: Vec<Role>,
        /// All roles in which the person may sign off from now on; none where it is left out
        #[arg(long = "sign-off-role", value_name = "ROLE")]
        sign_off_roles: Vec<String>,
        #[command(flatten)]
        file: File,
    },
    /// Removes a person, which ends the person's sessions
    Remove {
        /// The person's name
        name: String,
        #[command(flatten)]
        file: File,
    },
    /// Lists names and roles
    List(File),
}

#[derive(Args)]
struct File {
    #[command(flatten)]
    config: ConfigFile,
}

impl File {
    fn path(&self) -> Result<PathBuf> {
        let users = self.config.load()?.sharing.login.users;
        if users.is_empty() {
            bail!(
                "no file of users is configured: set users = \"config/users.toml\" under [sharing.login] in the configuration file, \
                 and give that file with --config"
            );
        }
        Ok(PathBuf::from(users))
    }

    /// The roles, all of which the rules of sharing ask for.
    fn sign_off_roles(&self, given: Vec<String>) -> Result<BTreeSet<String>> {
        let policy = self.config.load()?.sharing.policy().map_err(anyhow::Error::msg)?;
        let known = policy.rules.sign_off_roles();
        if let Some(unknown) = given.iter().find(|role| !known.contains(role.as_str())) {
            let known: Vec<&str> = known.into_iter().collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            bail!("the rules of sharing ask for no sign-off by {unknown:?}; they ask for: {known}");
        }
        Ok(given.into_iter().collect())
    }
}

impl Users {
    pub fn run(self) -> Result<()> {
        match self.action {
            Action::Add { name, roles, sign_off_roles, file } => {
                let roles: BTreeSet<Role> = roles.into_iter().collect();
                let (path, sign_off_roles) = (file.path()?, file.sign_off_roles(sign_off_roles)?);
                // Checked before the password is asked for, so that an invalid name costs no
                // typing.
                UsersFile::read(&path)?.check_new(&name)?;
                let password = password(&name)?;
                change(&path, |users| Ok(users.add(&name, roles, sign_off_roles, &password)?))?;
                eprintln!("{name} can log in now");
            }
            Action::Password { name, file } => {
                let path = file.path()?;
                UsersFile::read(&path)?.check_known(&name)?;
                let password = password(&name)?;
                change(&path, |users| Ok(users.set_password(&name, &password)?))?;
                eprintln!("{name} has a new password; sessions with the old password have ended");
            }
            Action::Roles { name, roles, sign_off_roles, file } => {
                let sign_off_roles = file.sign_off_roles(sign_off_roles)?;
                change(&file.path()?, |users| {
                    Ok(users.set_roles(&name, roles.into_iter().collect(), sign_off_roles)?)
                })?;
                eprintln!("{name} has new roles");
            }
            Action::Remove { name, file } => {
                change(&file.path()?, |users| Ok(users.remove(&name)?))?;
                eprintln!("{name} can no longer log in");
            }
            Action::List(file) => {
                let users = UsersFile::read(&file.path()?)?;
                let mut out = std::io::stdout().lock();
                for (name, roles, sign_off_roles) in users.list() {
                    let sign_off_roles = sign_off_roles.iter().map(|role| format!("signs off as {role}"));
                    let roles: Vec<String> =
                        roles.iter().map(|role| role.name().to_owned()).chain(sign_off_roles).collect();
                    writeln!(out, "{name}  {}", roles.join(", "))?;
                }
                if users.is_empty() {
                    eprintln!("no users yet; add one with: lockstep users add NAME --role reviewer");
                }
            }
        }
        Ok(())
    }
}

fn change(path: &Path, work: impl FnOnce(&mut UsersFile) -> Result<()>) -> Result<()> {
    let mut users = UsersFile::read(path)?;
    work(&mut users)?;
    Ok(users.write(path)?)
}

fn password(name: &str) -> Result<String> {
    if !std::io::stdin().is_terminal() {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).context("cannot read the password from standard input")?;
        let password = line.trim_end_matches(['\r', '\n']).to_owned();
        if password.is_empty() {
            bail!("standard input has no password: give it as the first line, or run this on a terminal");
        }
        return Ok(password);
    }
    let ask = |what: String| rpassword::prompt_password(what).context("cannot read the password from the terminal");
    let first = ask(format!("Password for {name} (at least {SHORTEST_PASSWORD} characters): "))?;
    if ask("Repeat the password: ".to_owned())? != first {
        bail!("the passwords differ: nothing was changed");
    }
    Ok(first)
}
