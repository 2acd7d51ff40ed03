//! The text of `/metrics`, read as Prometheus reads it; anything that is not of that format is a failure.

use std::collections::BTreeMap;

use super::{Server, get, text};

/// Everything that was exported.
#[derive(Debug, Default)]
pub(crate) struct Exported {
    /// By the name of a metric, its `# HELP` and its `# TYPE`.
    pub(crate) kinds: BTreeMap<String, (String, String)>,
    /// By name and labels, as they are written.
    pub(crate) values: BTreeMap<String, f64>,
}

impl Exported {
    pub(crate) async fn of(server: &Server) -> Self {
        let response = server.send(get("/metrics")).await;
        assert_eq!(response.status(), 200);
        let kind = response.headers()["content-type"].to_str().unwrap();
        assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
        Self::parse(&text(response).await)
    }

    pub(crate) fn parse(text: &str) -> Self {
        let mut exported = Self::default();
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').expect("a text");
                let entry = exported.kinds.entry(name.into()).or_default();
                assert_eq!(entry.0, "", "one HELP: {line}");
                entry.0 = help.into();
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("a kind");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                let entry = exported.kinds.entry(name.into()).or_default();
                assert_eq!(entry.1, "", "one TYPE: {line}");
                entry.1 = kind.into();
            } else {
                let (series, value) = line.rsplit_once(' ').expect("a value");
                let value: f64 = value.parse().expect("a number");
                assert!(value.is_finite(), "{line}");
                let name = exported.kinds.get(exported.metric(series));
                let (help, kind) = name.unwrap_or_else(|| panic!("before its TYPE: {line}"));
                assert!(!help.is_empty() && !kind.is_empty(), "{line}");
                let twice = exported.values.insert(series.into(), value);
                assert_eq!(twice, None, "twice: {line}");
            }
        }
        exported
    }

    /// The metric of a series: its name, without what histograms put behind theirs.
    pub(crate) fn metric<'s>(&self, series: &'s str) -> &'s str {
        let name = series.split('{').next().expect("a name");
        let stem = ["_bucket", "_sum", "_count"];
        let stem = stem.iter().find_map(|end| name.strip_suffix(end));
        let is_histogram = |name: &&str| {
            let kind = self.kinds.get(*name);
            kind.is_some_and(|(_, kind)| kind == "histogram")
        };
        stem.filter(is_histogram).unwrap_or(name)
    }

    /// The value of a series that there is.
    #[track_caller]
    pub(crate) fn value(&self, series: &str) -> f64 {
        let value = self.values.get(series);
        *value.unwrap_or_else(|| panic!("no {series} in {:#?}", self.values))
    }

    /// The same for several.
    #[track_caller]
    pub(crate) fn have(&self, wanted: &[(&str, f64)]) {
        for (series, wanted) in wanted {
            let found = self.value(series);
            assert!(
                (found - wanted).abs() < 1e-9,
                "{series} is {found}, not {wanted}"
            );
        }
    }
}
