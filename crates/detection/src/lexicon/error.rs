//! Why a lexicon cannot be used.

/// Why a lexicon cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LexiconError {
    /// The file or folder cannot be read.
    #[error("cannot read the lexicon {path}: {source}{advice}")]
    Read {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
        /// What to do, where that is plain; begins with a semicolon.
        advice: String,
    },
    /// The folder has nothing to read.
    #[error("lexicon {path}: the folder has no file whose name ends in .toml")]
    Empty {
        /// Which folder.
        path: String,
    },
    /// A subject makes no sense.
    #[error("lexicon {path}: {what}")]
    Subject {
        /// Which file.
        path: String,
        /// Which subject, what is wrong with it and what to do.
        what: String,
    },
    /// It is no lexicon.
    #[error("lexicon {path}: {source}")]
    Parse {
        /// Which file.
        path: String,
        /// Where and why.
        source: toml::de::Error,
    },
    /// A pattern is no regular expression, or all together are too large.
    #[error("lexicon {path}: {source}")]
    Pattern {
        /// Which file.
        path: String,
        /// Which pattern and why.
        source: regex::Error,
    },
    /// More subjects than a mask holds.
    #[error("lexicon {path}: {count} topics and targets, at most 64 are possible")]
    TooMany {
        /// Which file.
        path: String,
        /// How many.
        count: usize,
    },
}
