//! People for tests: ann reviews, bob releases, ida administers, eve reviews and releases, cy signs off as public affairs.

use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version, password_hash::PasswordHasher};
use sha2::{Digest, Sha256};

use crate::service::Sharing;

pub(crate) const PASSWORD: &str = "correct horse battery";

/// Writes a file of users, hashed as cheaply as can be; its path goes into `login.users`.
pub(crate) fn users(folder: &Path) -> String {
    let cheap = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
    let mut text = String::new();
    for (name, roles) in
        [("ann", "'reviewer'"), ("bob", "'approver'"), ("ida", "'admin'"), ("eve", "'reviewer', 'approver'")]
    {
        let hash = cheap.hash_password(PASSWORD.as_bytes()).unwrap();
        text.push_str(&format!("[users.{name}]\nroles = [{roles}]\npassword = '{hash}'\n"));
    }
    let hash = cheap.hash_password(PASSWORD.as_bytes()).unwrap();
    text.push_str(&format!("[users.cy]\nroles = []\nsign_off_roles = ['public affairs']\npassword = '{hash}'\n"));
    let path = folder.join("users.toml");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// Logs in; returns what the header `Cookie` has to say from then on.
pub(crate) fn log_in(base: &str, name: &str) -> String {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into();
    let response = agent.post(format!("{base}/login")).send_form([("name", name), ("password", PASSWORD)]).unwrap();
    assert_eq!(response.status(), 303, "{name} can log in");
    let cookie = response.headers().get("set-cookie").unwrap().to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

/// The token that forms of that session carry in the field `csrf`.
pub(crate) fn csrf(sharing: &Sharing, cookie: &str) -> String {
    let id = cookie.split_once('=').unwrap().1;
    sharing.inner.store.session(&Sha256::digest(id.as_bytes())).unwrap().unwrap().csrf
}
