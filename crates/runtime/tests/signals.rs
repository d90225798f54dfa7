//! Signals, as a process gets them: this test binary runs itself as the process to be stopped.
#![cfg(unix)]
#![allow(clippy::print_stdout)] // test binaries talk on stdout
use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use runtime::shutdown::Shutdown;

const VICTIM: &str = "LOCKSTEP_TEST_VICTIM";

/// Says when it is told to stop, and takes for ever to do so.
#[tokio::test]
async fn victim() {
    if std::env::var_os(VICTIM).is_none() {
        return;
    }
    let shutdown = Shutdown::on_signals().unwrap();
    println!("waiting");
    shutdown.stopping().await;
    println!("stopping");
    std::future::pending::<()>().await;
}

fn check(signal: &str, code: i32) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim", "--nocapture"])
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut wait_for = |word: &str| while !lines.next().expect("it lives").unwrap().contains(word) {};
    let id = child.id().to_string();
    let send = || assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    wait_for("waiting");
    send();
    wait_for("stopping");
    assert!(child.try_wait().unwrap().is_none(), "the first signal leaves time");
    send();
    assert_eq!(child.wait().unwrap().code(), Some(code), "the second one does not");
}

#[test]
fn the_second_signal_ends_at_once() {
    check("-TERM", 143);
    check("-INT", 130);
}
