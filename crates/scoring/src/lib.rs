//! linfa models: is a coordinated cluster inauthentic?

/// What a model says of one cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Log-odds in nats: the model's intercept plus the sum of the contributions of `reasons`.
    pub score: f64,
    /// Calibrated probability that the coordination is inauthentic.
    pub probability: f64,
    /// At or above the model's threshold.
    pub inauthentic: bool,
    /// Every feature that moved the score, largest absolute contribution first.
    pub reasons: Vec<Reason>,
    /// Name of the model, as in the registry.
    pub model: String,
    /// Version of the model.
    pub version: String,
}

/// One feature's part in a verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// The feature's name.
    pub feature: &'static str,
    /// Its value, in the feature's unit; `None` where it was not known.
    pub value: Option<f64>,
    /// Signed contribution to the score, in nats.
    pub contribution: f64,
    /// The same in words for a reviewer.
    pub text: String,
}
