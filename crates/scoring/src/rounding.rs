//! Numbers are rounded before they are written: rounding errors of a processor must not show in a
//! file.

/// To twelve significant digits: JSON then reads them back exactly.
pub(crate) fn twelve_digits(x: f64) -> f64 {
    format!("{x:.11e}").parse().unwrap_or(x)
}

/// To five decimals: the solver stops within about 1e-6 of the one optimum, whatever its rounding
/// errors are.
pub(crate) fn five_decimals(x: f64) -> f64 {
    // Adding 0 turns -0 into 0.
    (x * 1e5).round() / 1e5 + 0.0
}

/// To six decimals, for figures and for the bounds of bins.
pub(crate) fn six_decimals(x: f64) -> f64 {
    (x * 1e6).round() / 1e6
}

/// To nine decimals: JSON then reads them back exactly, and smaller parts change no score.
pub(crate) fn nine_decimals(x: f64) -> f64 {
    // Adding 0 turns -0 into 0.
    (x * 1e9).round() / 1e9 + 0.0
}
