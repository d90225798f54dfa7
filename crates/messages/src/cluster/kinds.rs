//! Trace kinds in JSON: by their names, in alphabetical order.

use std::{borrow::Cow, collections::BTreeMap};

use coordination::TraceKind;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::Serializer;

/// Writes what there is of each kind, in the order of their names.
pub(super) fn by_name<S: Serializer>(traces: &BTreeMap<TraceKind, f64>, serializer: S) -> Result<S::Ok, S::Error> {
    let by_name: BTreeMap<&str, f64> = traces.iter().map(|(kind, nats)| (kind.name(), *nats)).collect();
    serializer.collect_map(by_name)
}

/// A name of a trace kind.
pub(super) fn schema(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<Cow<'static, str>> = TraceKind::ALL.iter().map(|kind| kind.name().into()).collect();
    json_schema!({ "type": "string", "enum": names })
}
