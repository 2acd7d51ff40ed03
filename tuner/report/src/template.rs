//! Page and summary: two templates over the value. What they print is escaped for where it stands, so that
//! nothing a model's file or a host says becomes markup.

use std::fmt::Write;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, Value};
use minijinja::{AutoEscape, Environment, Output, State, UndefinedBehavior, context};
use sysinfer_stats::Estimate;

use crate::charts::{self, Chart, Size};
use crate::error::Error;
use crate::escape::{in_html, in_markdown};
use crate::figures;
use crate::value::Report;

/// Name of the page's template; the ending says how it is escaped.
const PAGE: &str = "report.html.jinja";
/// Name of the summary's template.
const SUMMARY: &str = "report.md.jinja";
/// How Markdown is escaped.
const MARKDOWN: &str = "markdown";

/// `report.html`: the whole run on one page that asks for nothing else: style and charts are in it, no script,
/// no link to another file.
///
/// # Errors
/// None that a user could cause.
pub fn page(report: &Report) -> Result<String, Error> {
    render(PAGE, report, |chart| {
        let drawn = |size| chart.inline(size).map(Value::from_safe_string);
        Ok(context! { narrow => drawn(Size::Narrow)?, wide => drawn(Size::Wide)? })
    })
}

/// `summary.md`: the same in Markdown, which shows the charts' files.
///
/// # Errors
/// None that a user could cause.
pub fn summary(report: &Report) -> Result<String, Error> {
    render(SUMMARY, report, |_| Ok(context! {}))
}

fn render(
    template: &str,
    report: &Report,
    draw: impl Fn(&Chart) -> Result<Value, Error>,
) -> Result<String, Error> {
    let chart = |chart: &Chart| {
        let (name, title, key) = (chart.name, &chart.title, &chart.key);
        Ok(context! { name, title, key, ..draw(chart)? })
    };
    let drawn: Result<Vec<Value>, Error> = charts::all(report).iter().map(chart).collect();
    let value = context! {
        charts => drawn?,
        colours => charts::COLOURS,
        style => include_str!("../templates/page.css"),
        ..Value::from(Serde(report))
    };
    Ok(environment()?.get_template(template)?.render(value)?)
}

fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut all = Environment::new();
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()?;
    all.set_syntax(syntax);
    all.set_undefined_behavior(UndefinedBehavior::Strict);
    all.set_auto_escape_callback(|name| match name {
        PAGE => AutoEscape::Html,
        _ => AutoEscape::Custom(MARKDOWN.into()),
    });
    all.set_formatter(escaped);
    all.add_filter("number", |value: f64| figures::number(value));
    all.add_filter("maybe", |value: Option<f64>| figures::maybe(value));
    all.add_filter("duration", |seconds: f64| figures::duration(seconds));
    all.add_filter("share", |part: f64| figures::share(part));
    all.add_filter("middle", |value: &Value| {
        figures::maybe(estimate(value).map(|known| known.median))
    });
    all.add_filter("interval", |value: &Value, options: Kwargs| {
        let by: f64 = options.get::<Option<f64>>("by")?.unwrap_or(1.0);
        options.assert_all_used()?;
        let scaled = estimate(value).map(|known| known.map(|value| by * value));
        Ok::<_, minijinja::Error>(figures::interval(scaled))
    });
    all.add_filter("said", |value: &Value| estimate(value).map(figures::said));
    all.add_filter("both", |value: &Value| estimate(value).map(figures::both));
    all.add_filter("percent", |value: &Value| {
        estimate(value).map_or("-".into(), |known| format!("{:.0} %", known.median))
    });
    // For a block of code, which is not escaped and ends with its line.
    all.add_filter("line", |text: &str| text.replace(char::is_control, " "));
    all.add_test("numeric", |cell: &str| figures::is_number(cell));
    all.add_template(PAGE, include_str!("../templates/report.html.jinja"))?;
    all.add_template(SUMMARY, include_str!("../templates/report.md.jinja"))?;
    Ok(all)
}

/// What a template has of an estimate; `None` of what was not measured.
fn estimate(value: &Value) -> Option<Estimate> {
    let number = |name| f64::try_from(value.get_attr(name).ok()?).ok();
    Some(Estimate {
        median: number("median")?,
        low: number("low")?,
        high: number("high")?,
        count: number("samples")? as usize,
    })
}

fn escaped(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), minijinja::Error> {
    let text = value.to_string();
    if value.is_safe() {
        return Ok(out.write_str(&text)?);
    }
    let escape = match state.auto_escape() {
        AutoEscape::Html => in_html,
        _ => in_markdown,
    };
    for character in text.chars() {
        match escape(character) {
            Some(instead) => out.write_str(instead)?,
            None => out.write_char(character)?,
        }
    }
    Ok(())
}
