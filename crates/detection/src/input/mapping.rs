//! A mapping of columns as a TOML file.
//!
//! ```toml
//! id = "Post URL"
//! account_id = "Page ID"
//! created_at = "Posted"
//! urls = ["Final Link", "Link"]    # the first that is not empty
//! platform = "facebook"            # a column, or where there is none of that name, the platform of all rows
//! time_format = "day-first"
//! timezone = "Europe/Berlin"
//! na = ["", "-", "n/a"]
//! ignore = ["Notes"]
//! ```

use std::path::Path;

use messages::dialect::csv::Mapping;
use toml::{Table, Value};

/// Reads a mapping file into a mapping. The error names the file and the fault.
pub fn read_mapping(path: &Path, mapping: &mut Mapping) -> Result<(), String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read the mapping {}: {error}", path.display()))?;
    let table: Table = text.parse().map_err(|error| format!("the mapping {} is not TOML: {error}", path.display()))?;
    take(table, mapping).map_err(|reason| format!("the mapping {}: {reason}", path.display()))
}

fn take(table: Table, mapping: &mut Mapping) -> Result<(), String> {
    for (name, value) in table {
        match value {
            // The same keys inside a table `[columns]`.
            Value::Table(columns) if name == "columns" => take(columns, mapping)?,
            Value::String(text) => mapping.set(&name, vec![text])?,
            Value::Array(items) => {
                let texts = items.into_iter().map(|item| match item {
                    Value::String(text) => Ok(text),
                    other => Err(format!("`{name}` holds {other}: expected texts only")),
                });
                let texts: Vec<String> = texts.collect::<Result<_, _>>()?;
                mapping.set(&name, texts)?;
            }
            other => {
                return Err(format!(
                    "`{name}` is {other}: expected the name of a column in quotation marks, or a list of names"
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_in_the_documentation_is_read() {
        let text: String = include_str!("mapping.rs")
            .lines()
            .skip_while(|line| !line.contains("```toml"))
            .skip(1)
            .take_while(|line| !line.contains("```"))
            .map(|line| line.trim_start_matches("//!").to_owned() + "\n")
            .collect();
        let mut mapping = Mapping::default();
        take(text.parse().unwrap(), &mut mapping).unwrap();
        assert_eq!(mapping.fields.len(), 5);
        assert_eq!(mapping.ignore, ["Notes"]);
        assert!(mapping.missing.holds("-") && !mapping.missing.holds("NA"));
        for (wrong, want) in [
            ("accuont_id = \"x\"", "\"accuont_id\" is not a field of a post; expected id, platform, account_id"),
            ("id = 5", "`id` is 5"),
            ("timezone = \"Mars\"", "\"Mars\" is not a time zone"),
        ] {
            let error = take(wrong.parse().unwrap(), &mut Mapping::default()).unwrap_err();
            assert!(error.contains(want), "{error}");
        }
    }
}
