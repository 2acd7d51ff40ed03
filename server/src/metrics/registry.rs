//! [`Registry`]: makes handles of the rows, and the text of all values.

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, SharedString,
};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

use super::row::{Kind, Row};
use super::series::Series;
use super::text::tidy;

/// vLLM's label of all its metrics.
const MODEL_NAME: &str = "model_name";

static METADATA: Metadata<'_> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// The metrics of one server.
pub(super) struct Registry {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    model_name: String,
}

impl Registry {
    /// All `rows` are known, none has a value.
    pub(super) fn new(rows: &[Row], model_name: &str) -> Self {
        let names = |row: &Row| [Some(row.name), row.vllm].into_iter().flatten();
        let mut builder = PrometheusBuilder::new();
        for row in rows.iter().filter(|row| !row.bounds.is_empty()) {
            for name in names(row) {
                let matcher = Matcher::Full(name.into());
                let set = builder.set_buckets_for_metric(matcher, row.bounds);
                // Refuses no bounds at all, which the filter rules out.
                builder = set.expect("a histogram has bounds");
            }
        }
        let recorder = builder.build_recorder();
        for row in rows {
            for name in names(row) {
                let name = KeyName::from(name);
                let what = SharedString::const_str(row.what);
                match row.kind {
                    Kind::Counter => recorder.describe_counter(name, None, what),
                    Kind::Gauge => recorder.describe_gauge(name, None, what),
                    Kind::Histogram => recorder.describe_histogram(name, None, what),
                }
            }
        }
        Self {
            handle: recorder.handle(),
            recorder,
            model_name: model_name.into(),
        }
    }

    /// A counter, by the values of its labels in their order.
    pub(super) fn counter(&self, row: &Row, values: &[&str]) -> Series<Counter> {
        self.series(row, values, Counter::noop, |key| {
            self.recorder.register_counter(key, &METADATA)
        })
    }

    /// The same of a gauge.
    pub(super) fn gauge(&self, row: &Row, values: &[&str]) -> Series<Gauge> {
        self.series(row, values, Gauge::noop, |key| {
            self.recorder.register_gauge(key, &METADATA)
        })
    }

    /// The same of a histogram.
    pub(super) fn histogram(&self, row: &Row, values: &[&str]) -> Series<Histogram> {
        self.series(row, values, Histogram::noop, |key| {
            self.recorder.register_histogram(key, &METADATA)
        })
    }

    fn series<H>(
        &self,
        row: &Row,
        values: &[&str],
        nothing: fn() -> H,
        register: impl Fn(&Key) -> H,
    ) -> Series<H> {
        let label = |(name, value): (&&'static str, &&str)| Label::new(*name, (*value).to_owned());
        let labels: Vec<Label> = row.labels.iter().zip(values).map(label).collect();
        let theirs = row.vllm.map(|name| {
            let model = Label::new(MODEL_NAME, self.model_name.clone());
            let labels: Vec<Label> = std::iter::once(model).chain(labels.clone()).collect();
            register(&Key::from_parts(name, labels))
        });
        Series {
            ours: register(&Key::from_parts(row.name, labels)),
            vllm: theirs.unwrap_or_else(nothing),
        }
    }

    /// The text of all values, for Prometheus.
    pub(super) fn text(&self) -> String {
        tidy(&self.handle.render())
    }

    /// Takes what histograms have recorded into their buckets, so that it takes no more memory.
    pub(super) fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}
