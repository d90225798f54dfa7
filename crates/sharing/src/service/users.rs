//! People with a password: the file that `lockstep users` writes and the service reads.
//!
//! A person who is removed, or whose password or roles change, is known to be so with the next request: the file is looked at
//! each time, and read where it has changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use atomic_file::Kind;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use casework::{Role, policy::is_same_person};

/// The shortest password taken; no rule about kinds of characters, which makes passwords worse.
pub const SHORTEST_PASSWORD: usize = 12;
/// The longest: a person types it, and hashing more is work for us.
const LONGEST_PASSWORD: usize = 256;
/// A hash of a password that nobody has: checking against it takes as long as against a real one.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$x0gF5aTAIrx6DV7bl1hWkA$q1kyw2yIzFUvMXcUfBqW9y1eT2gG+3mKxm5hSTFVnDU";

/// Why a file of users cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// It cannot be read or written.
    #[error("cannot use the file of users {path}: {why}")]
    File {
        /// The file.
        path: String,
        /// Why not, and what to do.
        why: String,
    },
    /// What is asked makes no sense.
    #[error("{0}")]
    Refused(String),
}

/// People with a password, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Users {
    #[serde(default)]
    users: BTreeMap<String, User>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    roles: BTreeSet<Role>,
    /// Roles of the rules of sharing in which the person may sign off.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    sign_off_roles: BTreeSet<String>,
    /// As a PHC string: argon2id with its parameters and salt.
    password: String,
}

impl Users {
    /// Reads the file; nobody where there is none.
    pub fn read(path: &Path) -> Result<Users, UsersError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Users::default()),
            Err(error) => return Err(file_error(path, format!("{error}; check its permissions"))),
        };
        let users: Users = toml::from_str(&text)
            .map_err(|error| file_error(path, format!("{}; mend it with `lockstep users`", error.message())))?;
        for (name, user) in &users.users {
            if let Err(error) = PasswordHash::new(&user.password) {
                return Err(file_error(
                    path,
                    format!(
                        "users.{name}.password is no argon2id hash ({error}); set it with `lockstep users password {name}`"
                    ),
                ));
            }
        }
        Ok(users)
    }

    /// Writes the file in one piece, for its owner alone.
    pub fn write(&self, path: &Path) -> Result<(), UsersError> {
        let fail = |error: std::io::Error| file_error(path, format!("{error}; choose a folder that can be written to"));
        let text = toml::to_string_pretty(self).map_err(|error| file_error(path, error.to_string()))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(fail)?;
        atomic_file::write(path, Kind::Secret, |file| {
            file.write_all(b"# People with access to the console. Change it with `lockstep users`.\n")?;
            file.write_all(text.as_bytes())
        })
        .map_err(fail)
    }

    /// Names, roles and sign-off roles.
    pub fn list(&self) -> impl Iterator<Item = (&str, &BTreeSet<Role>, &BTreeSet<String>)> {
        self.users.iter().map(|(name, user)| (name.as_str(), &user.roles, &user.sign_off_roles))
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Meaning why there cannot be a new person of that name.
    pub fn check_new(&self, name: &str) -> Result<(), UsersError> {
        check_name(name)?;
        // Names that differ only in case are one person's wherever two people are needed.
        if let Some(known) = self.users.keys().find(|known| is_same_person(known, name)) {
            return Err(UsersError::Refused(format!(
                "there is a user {known:?} already: change the password with `lockstep users password {known}`, or remove the user first"
            )));
        }
        Ok(())
    }

    /// Meaning where there is no person of that name.
    pub fn check_known(&self, name: &str) -> Result<(), UsersError> {
        match self.users.contains_key(name) {
            true => Ok(()),
            false => Err(unknown(name)),
        }
    }

    /// Adds a person.
    pub fn add(
        &mut self,
        name: &str,
        roles: BTreeSet<Role>,
        sign_off_roles: BTreeSet<String>,
        password: &str,
    ) -> Result<(), UsersError> {
        self.check_new(name)?;
        some_role(&roles, &sign_off_roles)?;
        let user = User { roles, sign_off_roles, password: hash(name, password)? };
        self.users.insert(name.to_owned(), user);
        Ok(())
    }

    /// Gives a person another password, which ends that person's sessions.
    pub fn set_password(&mut self, name: &str, password: &str) -> Result<(), UsersError> {
        self.user(name)?.password = hash(name, password)?;
        Ok(())
    }

    /// Gives a person other roles, from the next request on.
    pub fn set_roles(
        &mut self,
        name: &str,
        roles: BTreeSet<Role>,
        sign_off_roles: BTreeSet<String>,
    ) -> Result<(), UsersError> {
        some_role(&roles, &sign_off_roles)?;
        let user = self.user(name)?;
        (user.roles, user.sign_off_roles) = (roles, sign_off_roles);
        Ok(())
    }

    /// Removes a person, which ends that person's sessions.
    pub fn remove(&mut self, name: &str) -> Result<(), UsersError> {
        self.user(name)?;
        self.users.remove(name);
        Ok(())
    }

    fn user(&mut self, name: &str) -> Result<&mut User, UsersError> {
        self.users.get_mut(name).ok_or_else(|| unknown(name))
    }

    /// Whether that is the password of that person. Takes as long whether or not there is such a person. Costs tens of
    /// milliseconds and 19 MiB on purpose.
    pub(crate) fn check(&self, name: &str, password: &str) -> bool {
        let user = self.users.get(name);
        let Ok(hash) = PasswordHash::new(user.map_or(NOBODY, |user| &user.password)) else {
            return false;
        };
        let right =
            password.len() <= LONGEST_PASSWORD && Argon2::default().verify_password(password.as_bytes(), &hash).is_ok();
        right && user.is_some()
    }

    /// What a session is held against: a change of the password changes it.
    pub(crate) fn stamp(&self, name: &str) -> Option<String> {
        self.users.get(name).map(|user| text_format::hex(&Sha256::digest(user.password.as_bytes())[..8]))
    }

    /// Roles and sign-off roles of a person.
    pub(crate) fn roles(&self, name: &str) -> Option<(&BTreeSet<Role>, &BTreeSet<String>)> {
        self.users.get(name).map(|user| (&user.roles, &user.sign_off_roles))
    }

    /// Who holds a sign-off role.
    pub(crate) fn holders(&self, role: &str) -> Vec<String> {
        self.users.iter().filter(|(_, user)| user.sign_off_roles.contains(role)).map(|(name, _)| name.clone()).collect()
    }
}

fn unknown(name: &str) -> UsersError {
    UsersError::Refused(format!("there is no user {name:?}: `lockstep users list` shows who there is"))
}

fn file_error(path: &Path, why: String) -> UsersError {
    UsersError::File { path: path.display().to_string(), why }
}

/// Meaning why somebody cannot be called that.
pub(crate) fn check_name(name: &str) -> Result<(), UsersError> {
    let plain = (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.@".contains(&b))
        && name != "lockstep";
    if plain {
        return Ok(());
    }
    // The audit log tells people apart by name, and `lockstep` is the service itself there.
    Err(UsersError::Refused(format!(
        "{name:?} cannot be a user's name: use 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.' and '@', and not \"lockstep\""
    )))
}

fn some_role(roles: &BTreeSet<Role>, sign_off_roles: &BTreeSet<String>) -> Result<(), UsersError> {
    if roles.is_empty() && sign_off_roles.is_empty() {
        return Err(UsersError::Refused(
            "a user needs a role (reviewer, approver or admin) or a role in which the rules of sharing ask for sign-offs".to_owned(),
        ));
    }
    Ok(())
}

fn hash(name: &str, password: &str) -> Result<String, UsersError> {
    if password.chars().count() < SHORTEST_PASSWORD || password.len() > LONGEST_PASSWORD {
        return Err(UsersError::Refused(format!(
            "the password has to have {SHORTEST_PASSWORD} characters or more (and at most {LONGEST_PASSWORD} bytes); a few random \
             words do well"
        )));
    }
    if password.to_lowercase().contains(&name.to_lowercase()) {
        return Err(UsersError::Refused("the password has the user's name in it: choose another".to_owned()));
    }
    Argon2::default()
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|error| UsersError::Refused(format!("the password could not be hashed: {error}")))
}

/// The file as last read. Cheap to ask again.
pub(crate) struct UsersFile {
    path: Option<PathBuf>,
    last: Mutex<(Option<Seen>, Arc<Users>)>,
}

/// What tells one version of the file from the next: each is a file of its own, renamed into place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    modified: SystemTime,
    length: u64,
    number: u64,
}

impl Seen {
    fn look(path: &Path) -> Option<Seen> {
        let meta = fs::metadata(path).ok()?;
        #[cfg(unix)]
        let number = std::os::unix::fs::MetadataExt::ino(&meta);
        #[cfg(not(unix))]
        let number = 0;
        Some(Seen { modified: meta.modified().ok()?, length: meta.len(), number })
    }
}

impl UsersFile {
    /// Nobody where `path` is empty.
    pub fn new(path: &str) -> Self {
        let path = (!path.is_empty()).then(|| PathBuf::from(path));
        Self { path, last: Mutex::new((None, Arc::default())) }
    }

    /// Meaning what is wrong with a file that is there.
    pub fn check(&self) -> Result<(), UsersError> {
        self.path.as_deref().map_or(Ok(()), |path| Users::read(path).map(drop))
    }

    /// Who there is now. Nobody while the file cannot be read: whoever was removed must not come in again.
    pub fn now(&self) -> Arc<Users> {
        let Some(path) = &self.path else { return Arc::default() };
        let seen = Seen::look(path);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.is_none() || last.0 != seen {
            let users = Users::read(path).unwrap_or_else(|error| {
                tracing::error!(%error, "nobody can log in with a password until this is mended");
                Users::default()
            });
            *last = (seen, Arc::new(users));
        }
        Arc::clone(&last.1)
    }
}
