use std::path::PathBuf;

use messages::schema;
use serde_json::Value;

const REGENERATE: &str = "UPDATE_SCHEMAS=1 cargo test --workspace --test wire schemas";

fn committed(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schemas").join(name)
}

/// One test for both, so that an update never overwrites the schema that the comparison needs.
#[test]
fn committed_schemas_are_those_of_the_types_and_break_no_reader() {
    let update = std::env::var_os("UPDATE_SCHEMAS").is_some();
    for (name, schema) in schema::all() {
        let generated = schema.as_value();
        let text = format!("{}\n", serde_json::to_string_pretty(generated).unwrap());
        let path = committed(&name);
        let Ok(old) = std::fs::read_to_string(&path) else {
            assert!(update, "schemas/{name} is missing: run `{REGENERATE}` and commit it");
            std::fs::write(&path, text).unwrap();
            continue;
        };
        let breaks = breaking(&serde_json::from_str(&old).unwrap(), generated);
        assert!(
            breaks.is_empty(),
            "the types break readers or writers of schemas/{name}:\n  {}\nMake the change compatible (an optional field with a \
             default), or raise the SCHEMA_VERSION beside the type.",
            breaks.join("\n  ")
        );
        if update {
            std::fs::write(&path, text).unwrap();
        } else {
            assert_eq!(old, text, "schemas/{name} is not that of the types: run `{REGENERATE}` and commit it");
        }
    }
}

/// Every reason why `new` cannot replace `old` under the same version.
fn breaking(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(old, new, "", &mut found);
    found
}

fn compare(old: &Value, new: &Value, path: &str, found: &mut Vec<String>) {
    let required = |schema: &Value| -> Vec<String> {
        let names = schema.get("required").and_then(Value::as_array);
        names.into_iter().flatten().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let (was, is) = (required(old), required(new));
    for name in was.iter().filter(|name| !is.contains(name)) {
        found.push(format!("{path}/{name} is no longer required: readers rely on it"));
    }
    for name in is.iter().filter(|name| !was.contains(name)) {
        found.push(format!("{path}/{name} is newly required: older messages lack it"));
    }
    for key in ["type", "enum", "const", "format", "$ref"] {
        let (was, is) = (old.get(key), new.get(key));
        if was.is_some() && was != is {
            let gone = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
            found.push(format!("{path} had {key} {}, has {}", gone(was), gone(is)));
        }
    }
    for group in ["properties", "$defs"] {
        let Some(Value::Object(members)) = old.get(group) else {
            continue;
        };
        for (name, was) in members {
            match new.get(group).and_then(|group| group.get(name)) {
                Some(is) => compare(was, is, &format!("{path}/{name}"), found),
                None => found.push(format!("{path}/{name} is gone")),
            }
        }
    }
    for key in ["items", "additionalProperties"] {
        if let (Some(was), Some(is)) = (old.get(key), new.get(key)) {
            compare(was, is, &format!("{path}/{key}"), found);
        }
    }
    for key in ["anyOf", "oneOf"] {
        let parts = |schema: &Value| schema.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let is = parts(new);
        for was in parts(old) {
            let same = |part: &Value| breaking(&was, part).is_empty();
            if !is.iter().any(same) {
                found.push(format!("{path}/{key} no longer has {was}"));
            }
        }
    }
}

#[test]
fn the_comparison_sees_what_breaks_a_reader() {
    let old = serde_json::json!({
        "type": "object",
        "required": ["a", "b"],
        "properties": { "a": { "type": "string" }, "b": { "$ref": "#/$defs/B" }, "c": { "type": "integer" } },
        "$defs": { "B": { "type": "object", "required": ["x"], "properties": { "x": { "type": "number" } } } },
    });
    let changed = |pointer: &str, value: Value| {
        let mut new = old.clone();
        *new.pointer_mut(pointer).unwrap() = value;
        breaking(&old, &new)
    };
    assert!(breaking(&old, &old).is_empty());
    assert_eq!(changed("/required", serde_json::json!(["a"])), ["/b is no longer required: readers rely on it"]);
    assert_eq!(
        changed("/required", serde_json::json!(["a", "b", "c"])),
        ["/c is newly required: older messages lack it"]
    );
    assert_eq!(changed("/$defs/B/required", serde_json::json!([])), ["/B/x is no longer required: readers rely on it"]);
    assert_eq!(changed("/properties/c/type", serde_json::json!("string")), ["/c had type \"integer\", has \"string\""]);
    let mut added = old.clone();
    added["properties"]["d"] = serde_json::json!({ "type": "string" });
    assert!(breaking(&old, &added).is_empty(), "a new optional field breaks nobody");
}
