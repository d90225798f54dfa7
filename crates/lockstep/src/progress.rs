//! Progress: a bar on a terminal; elsewhere nothing or plain lines.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
pub use text_format::{count as counted, thousands as count};

/// A bar over `total` units, or a spinner if the total is unknown. It is drawn on standard error,
/// and only on a terminal.
pub fn bar(total: Option<u64>, template: &str) -> ProgressBar {
    let bar = match total {
        Some(total) => ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(8)),
        None => ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(8)),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
