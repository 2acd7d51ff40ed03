//! [`Row`]: all that is said of a metric.

/// What its values do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// They only grow.
    Counter,
    /// They go up and down.
    Gauge,
    /// They are many, and counted by size.
    Histogram,
}

impl Kind {
    /// The word of Prometheus.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// All that is said of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// What it is called.
    pub name: &'static str,
    /// What vLLM calls it, if it has the same; exported under both names.
    pub vllm: Option<&'static str>,
    /// What its values do.
    pub kind: Kind,
    /// Of its values; empty for a count.
    pub unit: &'static str,
    /// Names of its labels; vLLM's metrics have `model_name` too.
    pub labels: &'static [&'static str],
    /// What it says, as the text of `# HELP`.
    pub what: &'static str,
    /// Upper bounds of a histogram's buckets.
    pub bounds: &'static [f64],
}

impl Row {
    const fn of(kind: Kind, name: &'static str, unit: &'static str, what: &'static str) -> Self {
        Self {
            name,
            vllm: None,
            kind,
            unit,
            labels: &[],
            what,
            bounds: &[],
        }
    }

    pub(super) const fn counter(
        name: &'static str,
        unit: &'static str,
        what: &'static str,
    ) -> Self {
        Self::of(Kind::Counter, name, unit, what)
    }

    pub(super) const fn gauge(name: &'static str, unit: &'static str, what: &'static str) -> Self {
        Self::of(Kind::Gauge, name, unit, what)
    }

    pub(super) const fn histogram(
        name: &'static str,
        unit: &'static str,
        what: &'static str,
        bounds: &'static [f64],
    ) -> Self {
        Self {
            bounds,
            ..Self::of(Kind::Histogram, name, unit, what)
        }
    }

    /// The same under vLLM's name too.
    pub(super) const fn also(self, vllm: &'static str) -> Self {
        Self {
            vllm: Some(vllm),
            ..self
        }
    }

    pub(super) const fn with(self, labels: &'static [&'static str]) -> Self {
        Self { labels, ..self }
    }
}
