//! Looks at the files that the configuration names.

use casework::{Reviewers, Role, policy::Recipient};

use runtime::http::Certificates;

use crate::{config::Config, service::users::Users};

impl Config {
    /// Looks at the files that the values name. `Err` where the service would not start, else what an operator should know.
    pub fn check_files(&self) -> Result<Vec<String>, String> {
        let mut warnings = Vec::new();
        self.tls.files().map(Certificates::open).transpose()?;
        if self.tls.is_on() {
            warnings.extend(open_to_others("sharing.tls.key", &self.tls.key));
        }
        let users = &self.login.users;
        if !users.is_empty() {
            let found = Users::read(std::path::Path::new(users)).map_err(|error| error.to_string())?;
            if found.is_empty() {
                warnings.push(format!(
                    "nobody is in {users} (sharing.login.users): lockstep users add NAME --role reviewer"
                ));
            } else {
                let has = |role| found.list().any(|(_, roles, _)| roles.contains(&role));
                if !(self.login.provider.is_on() || has(Role::Reviewer) && has(Role::Approver)) {
                    warnings.push(format!(
                        "{users} (sharing.login.users) has no reviewer or no approver: nothing can be released without one of each"
                    ));
                }
            }
            let policy = self.policy()?;
            for role in policy.rules.sign_off_roles().into_iter().filter(|_| !self.login.provider.is_on()) {
                let asks = |recipient: &Recipient| {
                    policy.rules.class(recipient.class).sign_off.iter().any(|asked| asked == role)
                };
                let held = found.list().any(|(_, _, held)| held.contains(role));
                if !held && policy.recipients.iter().any(asks) {
                    warnings.push(format!(
                        "nobody in {users} (sharing.login.users) holds the sign-off role {role:?}, so recipients that wait for it are never \
                         notified: lockstep users roles NAME --role ROLE --sign-off-role {role:?}"
                    ));
                }
            }
            warnings.extend(open_to_others("sharing.login.users", users));
        } else if !self.login.provider.is_on() && self.reviewers == Reviewers::People {
            warnings.push(
                "nobody can log in to the console: set sharing.login.users or sharing.login.provider where this service shares"
                    .to_owned(),
            );
        }
        if self.login.provider.is_on() && self.login.provider.client_secret.is_empty() {
            warnings.push(
                "sharing.login.provider.client_secret is empty: right for a public client only; \
                 LOCKSTEP__SHARING__LOGIN__PROVIDER__CLIENT_SECRET sets it"
                    .to_owned(),
            );
        }
        if !cfg!(feature = "pdf") && !self.contact.is_empty() {
            warnings.push(
                "sharing.contact is set, and this build makes documents as HTML only: the Cargo feature `pdf` has them as PDF too"
                    .to_owned(),
            );
        }
        Ok(warnings)
    }
}

#[cfg(unix)]
fn open_to_others(key: &str, path: &str) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o007 != 0).then(|| format!("{path} ({key}) is open to every user of this machine: chmod 600 {path}"))
}

#[cfg(not(unix))]
fn open_to_others(_: &str, _: &str) -> Option<String> {
    None
}
