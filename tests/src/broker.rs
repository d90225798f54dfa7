//! An Apache Kafka of one test alone.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use tempfile::TempDir;

use crate::{free_port, root};

/// A broker whose topics no other test sees. It ends with this value.
pub struct Broker {
    home: TempDir,
    address: String,
}

impl Broker {
    /// Starts one from the files that `tests/kafka/kafka.sh start` has fetched.
    ///
    /// # Panics
    ///
    /// Where they were not fetched, or the broker does not start.
    pub fn start() -> Broker {
        let lib = fetched();
        assert!(lib.join(".complete").exists(), "run tests/kafka/kafka.sh start first: {} is not there", lib.display());
        let mut broker = Broker { home: tempfile::tempdir().unwrap(), address: String::new() };
        let output = broker.script("start");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let address = said.trim().strip_prefix("LOCKSTEP_TEST_BROKERS=").filter(|_| output.status.success());
        let address = address.unwrap_or_else(|| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)));
        broker.address = address.to_owned();
        broker
    }

    /// Its address, `HOST:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Stops its process without ending it: it answers nobody until the returned value is dropped.
    ///
    /// # Panics
    ///
    /// Where the process cannot be stopped.
    pub fn freeze(&self) -> Frozen<'_> {
        self.signal("-STOP");
        Frozen(self)
    }

    fn signal(&self, name: &str) {
        let pid = std::fs::read_to_string(self.home.path().join("run/pid")).unwrap();
        assert!(Command::new("kill").args([name, pid.trim()]).status().unwrap().success(), "{name} {pid}");
    }

    fn script(&self, what: &str) -> Output {
        let mut script = Command::new(root().join("tests/kafka/kafka.sh"));
        script.arg(what).env("KAFKA_HOME_DIR", self.home.path()).env("KAFKA_LIB_DIR", fetched());
        // No two tests get one port.
        for name in ["KAFKA_PORT", "KAFKA_CONTROLLER_PORT"] {
            script.env(name, free_port().to_string());
        }
        script.output().unwrap()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.script("stop");
    }
}

/// A broker that does not answer until this is dropped.
pub struct Frozen<'a>(&'a Broker);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        self.0.signal("-CONT");
    }
}

/// Where `tests/kafka/kafka.sh` keeps Kafka's files.
fn fetched() -> PathBuf {
    std::env::var_os("KAFKA_HOME_DIR").map_or_else(|| root().join("target/kafka"), PathBuf::from).join("lib")
}
