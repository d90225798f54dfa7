//! Settings as people read them: a commented file, a page, and the values that take effect.
use std::collections::BTreeMap;

use super::{Bounds, Section, Setting, Settings, range};

/// Columns of a comment.
const WIDTH: usize = 100;

impl Settings {
    /// A file with every key at its default, and what each means above it.
    pub fn file(&self, introduction: &str) -> String {
        let mut file = String::new();
        comment(&mut file, introduction);
        for section in &self.sections {
            if section.path.is_empty() && section.settings.is_empty() {
                continue;
            }
            if !file.is_empty() {
                file.push('\n');
            }
            comment(&mut file, &section.meaning);
            if !section.path.is_empty() {
                file += &format!("[{}]\n", section.path);
            }
            for setting in &section.settings {
                comment(&mut file, &setting.explained());
                match (&setting.default, &setting.example) {
                    (Some(default), _) => file += &format!("{} = {default}\n", setting.key()),
                    (None, example) => {
                        file += &format!("# {} = {}\n", setting.key(), example.as_deref().unwrap_or_default());
                    }
                }
            }
            for line in section.example.iter().flat_map(|example| example.lines()) {
                file += &format!("# {line}\n");
            }
        }
        file
    }

    /// A page of Markdown with a table for each table of the file.
    pub fn page(&self, introduction: &str) -> String {
        let mut page = introduction.to_owned();
        for Section { path, meaning, settings, example } in &self.sections {
            if path.is_empty() && settings.is_empty() {
                continue;
            }
            page += &format!("\n## `[{path}]`\n");
            if !meaning.is_empty() {
                page += &format!("\n{meaning}\n");
            }
            if !settings.is_empty() {
                page += "\n| key | default | values | what it does |\n| --- | --- | --- | --- |\n";
            }
            for setting in settings {
                let default = match (&setting.default, &setting.example) {
                    (Some(default), _) => format!("`{default}`"),
                    (None, Some(example)) => format!("none; for example `{example}`"),
                    (None, None) => "none".to_owned(),
                };
                let cells = [format!("`{}`", setting.key()), default, setting.values(), setting.meaning.clone()];
                page += &format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "));
            }
            if let Some(example) = example {
                page += &format!("\nKeys are yours to choose, for example:\n\n```toml\n[{path}]\n{example}\n```\n");
            }
        }
        page
    }

    /// Says of each line of `text`, a whole configuration as TOML, where its value comes from;
    /// `origins` has those that are no default. With `explain`, what a key means stands above it.
    pub fn annotate(&self, text: &str, origins: &BTreeMap<String, String>, explain: bool) -> String {
        let mut annotated = String::new();
        let mut table = String::new();
        let mut quoted = false;
        for line in text.lines() {
            let inside = quoted;
            quoted ^= line.matches("\"\"\"").count() % 2 == 1;
            if !inside && line.starts_with('[') {
                line.trim_matches(['[', ']']).clone_into(&mut table);
            }
            let key = (!inside && !line.starts_with(['[', ' ', ']'])).then(|| line.split_once(" = ")).flatten();
            let Some((key, _)) = key else {
                annotated += &format!("{line}\n");
                continue;
            };
            let path = format!("{table}.{}", key.trim_matches('"')).trim_start_matches('.').to_owned();
            if let Some(setting) = self.all().find(|setting| explain && setting.path == path) {
                comment(&mut annotated, &setting.explained());
            }
            // The parts of a list have the origin of the list.
            let mut above = Some(path.as_str());
            let mut origin = None;
            while let (Some(path), None) = (above, origin) {
                origin = origins.get(path);
                above = path.rsplit_once('.').map(|(above, _)| above);
            }
            match quoted {
                true => annotated += &format!("{line}\n"),
                false => annotated += &format!("{line}  # {}\n", origin.map_or("default", String::as_str)),
            }
        }
        annotated
    }
}

impl Setting {
    /// What it does and which values it takes.
    fn explained(&self) -> String {
        let values = self.values();
        if values.is_empty() { self.meaning.clone() } else { format!("{}\nValues: {values}.", self.meaning) }
    }

    /// The values that it takes; nothing where its default shows them.
    fn values(&self) -> String {
        match &self.bounds {
            Some(bounds @ Bounds { usual: Some((least, most)), .. }) => {
                format!("{bounds}, usually {}", range(*least, *most))
            }
            Some(bounds) => bounds.to_string(),
            None => self.choices.join(", "),
        }
    }
}

/// Adds a text as a comment, wrapped.
fn comment(file: &mut String, text: &str) {
    for paragraph in text.lines() {
        let mut line = "#".to_owned();
        for word in paragraph.split_whitespace() {
            if line.len() + 1 + word.len() > WIDTH {
                *file += &format!("{line}\n");
                line = "#".to_owned();
            }
            line = format!("{line} {word}");
        }
        *file += &format!("{line}\n");
    }
}
