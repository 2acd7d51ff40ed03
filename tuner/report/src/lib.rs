//! What a tuning run says. [`Report`] is all of it as plain data; the rest shows it and knows nothing of how it
//! was measured: [`page`] is one self-contained HTML page and [`summary`] one of Markdown, both templates;
//! [`charts`] are drawn for page and files, [`csv`] has the tables for programs. [`figures`] is how numbers
//! are written. Nothing here touches a file: [`files`] returns names and contents.
#![forbid(unsafe_code)]

pub mod charts;
pub mod csv;
mod error;
mod escape;
pub mod figures;
mod template;
pub mod value;

pub use error::Error;
pub use template::{page, summary};
pub use value::{Length, Report, Section};

/// All files of a report as names and contents, tables first.
///
/// # Errors
/// None that a user could cause.
pub fn files(report: &Report) -> Result<Vec<(String, String)>, Error> {
    let mut files = vec![("throughput.csv".to_owned(), csv::throughput(report)?)];
    if let Some(measured) = &report.concurrency {
        let text = csv::concurrency(measured, report.trusted)?;
        files.push(("concurrency.csv".into(), text));
    }
    for chart in charts::all(report) {
        files.push((format!("{}.svg", chart.name), chart.document()?));
    }
    files.push(("summary.md".into(), summary(report)?));
    files.push(("report.html".into(), page(report)?));
    Ok(files)
}

/// The value as JSON, indented.
///
/// # Errors
/// None that a user could cause.
pub fn json(report: &Report) -> Result<String, Error> {
    Ok(serde_json::to_string_pretty(report)?)
}
