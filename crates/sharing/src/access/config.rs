//! What an operator can set about access.

use serde::{Deserialize, Serialize};

/// The `[sharing.login]` part of the configuration: how people get into the console.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Login {
    /// The file of people with a password, as `lockstep users add` writes it; none where empty.
    pub users: String,
    /// Minutes without a request after which a session ends.
    pub idle_min: u32,
    /// Hours after which a session ends, used or not.
    pub longest_h: u32,
}

impl Default for Login {
    fn default() -> Self {
        Self { users: String::new(), idle_min: 30, longest_h: 12 }
    }
}

impl Login {
    /// Says what is wrong with the values, with the name of the key.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=24 * 60).contains(&self.idle_min) {
            return Err(format!("sharing.login.idle_min is {}: set 1 to 1440 minutes", self.idle_min));
        }
        if !(1..=24 * 7).contains(&self.longest_h) {
            return Err(format!("sharing.login.longest_h is {}: set 1 to 168 hours", self.longest_h));
        }
        Ok(())
    }
}
