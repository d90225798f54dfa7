//! Trace kinds in JSON: by their names, in alphabetical order. The schema of messages treats them
//! as text, because a new kind does not change the schema version.

use std::collections::BTreeMap;

use coordination::TraceKind;
use serde::Serializer;

/// Writes the value of each kind, in the order of the kinds' names.
pub(super) fn by_name<S: Serializer>(traces: &BTreeMap<TraceKind, f64>, serializer: S) -> Result<S::Ok, S::Error> {
    let by_name: BTreeMap<&str, f64> = traces.iter().map(|(kind, nats)| (kind.name(), *nats)).collect();
    serializer.collect_map(by_name)
}
