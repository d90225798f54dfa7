//! Metrics of the process, read from /proc on each request. They exist on Linux only.
//!
//! Names follow Prometheus' client guidelines. The `process` feature of prometheus would add procfs
//! and libc for these six numbers.
use std::fs;

use prometheus::{
    Counter, Gauge,
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::{Description, Kind};

/// The unit of times in /proc/PID/stat: USER_HZ, which Linux fixes at 100 on every architecture
/// that Rust supports.
const TICKS_PER_SECOND: f64 = 100.0;

const CPU: (&str, &str) = ("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.");
const RESIDENT: (&str, &str) = ("process_resident_memory_bytes", "Resident memory size in bytes.");
const VIRTUAL: (&str, &str) = ("process_virtual_memory_bytes", "Virtual memory size in bytes.");
const OPEN_FDS: (&str, &str) = ("process_open_fds", "Number of open file descriptors.");
const MAX_FDS: (&str, &str) = ("process_max_fds", "Maximum number of open file descriptors.");
const START: (&str, &str) = ("process_start_time_seconds", "Start time of the process since unix epoch in seconds.");

/// Descriptions of all metrics of the process.
pub(super) fn described() -> Vec<Description> {
    let gauges = [RESIDENT, VIRTUAL, OPEN_FDS, MAX_FDS, START].map(|metric| (metric, Kind::Gauge));
    let all = gauges.into_iter().chain([(CPU, Kind::Counter)]);
    let describe = |((name, help), kind): ((&str, &str), Kind)| Description {
        name: name.to_owned(),
        kind,
        labels: Vec::new(),
        help: help.to_owned(),
    };
    all.map(describe).collect()
}

pub(super) struct Process {
    start_seconds: Option<f64>,
}

/// Values read from /proc; `None` if a value could not be read.
struct Reading {
    cpu_seconds: Option<f64>,
    gauges: [((&'static str, &'static str), Option<f64>); 5],
}

impl Process {
    pub(super) fn new() -> Process {
        Process { start_seconds: start_seconds() }
    }

    fn read(&self) -> Reading {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let kib = |name| field(&status, name).map(|kib| kib * 1024.0);
        Reading {
            // utime and stime.
            cpu_seconds: stat_field(&stat, 14)
                .zip(stat_field(&stat, 15))
                .map(|(user, system)| (user + system) / TICKS_PER_SECOND),
            gauges: [
                (RESIDENT, kib("VmRSS:")),
                (VIRTUAL, kib("VmSize:")),
                (
                    OPEN_FDS,
                    // One of the descriptors is that of the listing itself.
                    fs::read_dir("/proc/self/fd").ok().map(|list| list.count().saturating_sub(1) as f64),
                ),
                (MAX_FDS, field(&limits, "Max open files")),
                (START, self.start_seconds),
            ],
        }
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        // No descriptions to check for duplicates: the names are well known.
        Vec::new()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let reading = self.read();
        let mut families = Vec::new();
        let cpu = Counter::new(CPU.0, CPU.1);
        if let (Ok(counter), Some(seconds)) = (cpu, reading.cpu_seconds) {
            counter.inc_by(seconds);
            families.extend(counter.collect());
        }
        for ((name, help), value) in reading.gauges {
            if let (Ok(gauge), Some(value)) = (Gauge::new(name, help), value) {
                gauge.set(value);
                families.extend(gauge.collect());
            }
        }
        families
    }
}

/// The first number in the line that starts with `name`.
fn field(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Field `n`, counted from 1 as in proc(5). Field 2 is the program's name in parentheses, which may
/// contain any character.
fn stat_field(stat: &str, n: usize) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(n - 3)?.parse().ok()
}

fn start_seconds() -> Option<f64> {
    let boot = field(&fs::read_to_string("/proc/stat").ok()?, "btime")?;
    let ticks = stat_field(&fs::read_to_string("/proc/self/stat").ok()?, 22)?;
    Some(boot + ticks / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_name_may_hold_anything() {
        let stat = "12 (a) b (c) S 1 12 12 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 1 0 777 0 0";
        assert_eq!(stat_field(stat, 14), Some(250.0));
        assert_eq!(stat_field(stat, 22), Some(777.0));
        assert_eq!(stat_field("", 14), None);
    }
}
