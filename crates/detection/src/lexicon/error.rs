//! Why a lexicon cannot be used.

/// Why a lexicon cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LexiconError {
    /// The file or folder cannot be read.
    #[error("cannot read the lexicon {path}: {source}{advice}")]
    Read {
        /// Which file.
        path: String,
        /// The reason.
        source: std::io::Error,
        /// What to do, if known; begins with a semicolon.
        advice: String,
    },
    /// The folder has no lexicon files.
    #[error("lexicon {path}: the folder has no file whose name ends in .toml")]
    Empty {
        /// Which folder.
        path: String,
    },
    /// A subject is invalid.
    #[error("lexicon {path}: {what}")]
    Subject {
        /// Which file.
        path: String,
        /// Which subject, what is wrong with it, and what to do.
        what: String,
    },
    /// The file is not a lexicon.
    #[error("lexicon {path}: {source}")]
    Parse {
        /// Which file.
        path: String,
        /// Place and reason.
        source: toml::de::Error,
    },
    /// A pattern is not a regular expression, or all together are too large.
    #[error("lexicon {path}: {source}")]
    Pattern {
        /// Which file.
        path: String,
        /// Which pattern, and the reason.
        source: regex::Error,
    },
    /// There are more subjects than a mask has bits.
    #[error("lexicon {path}: {count} topics and targets, at most 64 are possible")]
    TooMany {
        /// Which file.
        path: String,
        /// How many.
        count: usize,
    },
}
