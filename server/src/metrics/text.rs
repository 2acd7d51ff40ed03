//! The exporter's text as it is shown: in an order that stays, and without what is not known.

/// How a value is written that is not known.
const UNKNOWN: &str = " NaN";

/// Sorts the metrics by their names, and values of a counter or gauge by their labels: the exporter has them in
/// another order each time. Leaves out values that are not known, and metrics that have no other.
pub(super) fn tidy(text: &str) -> String {
    let mut metrics: Vec<(&str, String)> = text.split("\n\n").filter_map(metric).collect();
    metrics.sort();
    metrics.into_iter().map(|(_, lines)| lines).collect()
}

/// A metric's name and lines; none if it has no known value.
fn metric(text: &str) -> Option<(&str, String)> {
    let (comments, mut values): (Vec<&str>, Vec<&str>) = text
        .lines()
        .filter(|line| !line.is_empty())
        .partition(|line| line.starts_with('#'));
    let kind = comments
        .iter()
        .find_map(|line| line.strip_prefix("# TYPE "))?;
    let (name, kind) = kind.split_once(' ')?;
    values.retain(|line| !line.ends_with(UNKNOWN));
    // Buckets of a histogram are in their order.
    if kind != "histogram" {
        values.sort_unstable();
    }
    if values.is_empty() {
        return None;
    }
    let lines = comments.into_iter().chain(values);
    Some((name, lines.map(|line| format!("{line}\n")).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_stays_and_what_is_not_known_is_left_out() {
        let text = "# HELP b of b\n# TYPE b gauge\nb{x=\"2\"} 1\nb{x=\"1\"} NaN\nb{x=\"0\"} 3\n\n\
                    # TYPE c gauge\nc NaN\n\n\
                    # TYPE a histogram\na_bucket{le=\"9\"} 1\na_bucket{le=\"10\"} 2\na_sum 1\n\n";
        let wanted = "# TYPE a histogram\na_bucket{le=\"9\"} 1\na_bucket{le=\"10\"} 2\na_sum 1\n\
                      # HELP b of b\n# TYPE b gauge\nb{x=\"0\"} 3\nb{x=\"2\"} 1\n";
        assert_eq!(tidy(text), wanted);
        assert_eq!(tidy(""), "");
    }
}
