//! Trace kinds in JSON: by their names, in alphabetical order. The schema of messages has them as text, for kinds are added without a new
//! version of it.

use std::collections::BTreeMap;

use coordination::TraceKind;
use serde::Serializer;

/// Writes what there is of each kind, in the order of their names.
pub(super) fn by_name<S: Serializer>(traces: &BTreeMap<TraceKind, f64>, serializer: S) -> Result<S::Ok, S::Error> {
    let by_name: BTreeMap<&str, f64> = traces.iter().map(|(kind, nats)| (kind.name(), *nats)).collect();
    serializer.collect_map(by_name)
}
