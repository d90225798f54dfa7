//! What people see: the console's pages and the report, drawn by the same code.

use crate::report::ReportInput;

pub(crate) fn report(input: &ReportInput) -> String {
    format!(
        "<!doctype html><title>{}</title>",
        input.title.replace('<', "&lt;")
    )
}
