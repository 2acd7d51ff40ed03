//! [`Metrics`]: all metrics of a server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use metrics::{Counter, Gauge};

use super::jobs::JobMeters;
use super::registry::Registry;
use super::rows;
use super::series::Series;
use super::steps::StepMeters;
use crate::rate::RateNow;
use crate::rate::cause::Cause;

/// Statuses with which requests are refused: those are shown from the start, so that a rate of them is 0 and not
/// absent.
const REFUSALS: [u16; 9] = [400, 401, 404, 405, 408, 413, 415, 429, 503];

/// The status of a request whose client left before there was one, as access logs have it.
pub(super) const CLIENT_LEFT: u16 = 499;

/// All metrics of a server.
pub struct Metrics {
    registry: Registry,
    jobs: Arc<JobMeters>,
    steps: StepMeters,
    waiting: Series<Gauge>,
    context: Series<Gauge>,
    parallel: Series<Gauge>,
    decode_rate: Series<Gauge>,
    tuned_rate: Series<Gauge>,
    share: Series<Gauge>,
    causes: Vec<(Cause, Series<Gauge>)>,
    statuses: Vec<(&'static str, Series<Gauge>)>,
    info: Series<Gauge>,
    model_name: String,
    /// By route and status, which are few.
    http: Mutex<HashMap<(String, u16), Series<Counter>>>,
    refused: Mutex<HashMap<u16, Series<Counter>>>,
}

/// What is looked at when somebody asks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Now {
    /// Jobs in the queue.
    pub waiting: usize,
    /// What the server does.
    pub status: &'static str,
    /// How fast answers are decoded.
    pub rate: RateNow,
}

impl Metrics {
    /// Of a server that is loading and will do no other thing than one of `statuses`.
    pub fn new(model_name: &str, queue_limit: usize, statuses: &[&'static str]) -> Self {
        let registry = Registry::new(rows::ROWS, model_name);
        let gauge = |row| registry.gauge(row, &[]);
        // What is not known is not exported.
        let unknown = |row| {
            let gauge = gauge(row);
            gauge.set(f64::NAN);
            gauge
        };
        let info = info(&registry, model_name, "", "");
        info.set(1.0);
        let queue = gauge(&rows::QUEUE_LIMIT);
        queue.set(queue_limit as f64);
        let cause = |cause: Cause| (cause, registry.gauge(&rows::CAUSE, &[cause.name()]));
        let status = |name: &&'static str| (*name, registry.gauge(&rows::STATUS, &[name]));
        let refused = |status: u16| (status, refused(&registry, status));
        Self {
            jobs: Arc::new(JobMeters::new(&registry, model_name)),
            steps: StepMeters::new(&registry),
            waiting: gauge(&rows::WAITING),
            context: unknown(&rows::CONTEXT),
            parallel: unknown(&rows::PARALLEL),
            decode_rate: unknown(&rows::DECODE_RATE),
            tuned_rate: unknown(&rows::TUNED_RATE),
            share: unknown(&rows::SHARE),
            causes: Cause::ALL.map(cause).into(),
            statuses: statuses.iter().map(status).collect(),
            info,
            model_name: model_name.into(),
            http: Mutex::default(),
            refused: Mutex::new(REFUSALS.map(refused).into()),
            registry,
        }
    }

    /// Meters of jobs.
    pub fn jobs(&self) -> &Arc<JobMeters> {
        &self.jobs
    }

    /// Meters of steps.
    pub fn steps(&self) -> &StepMeters {
        &self.steps
    }

    /// The model is loaded: what kind it is, and its limits.
    pub fn loaded(&self, architecture: &str, quantisation: &str, context: usize, parallel: usize) {
        self.info.set(f64::NAN);
        info(&self.registry, &self.model_name, architecture, quantisation).set(1.0);
        self.context.set(context as f64);
        self.parallel.set(parallel as f64);
    }

    /// A request was answered with a status. `path` is its route.
    pub(super) fn answered(&self, path: &str, status: u16) {
        // No code panics while it holds one of the locks.
        let mut http = self.http.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (path.to_owned(), status);
        let count = http.entry(key).or_insert_with(|| {
            let values: &[&str] = &[path, &status.to_string()];
            self.registry.counter(&rows::HTTP_REQUESTS, values)
        });
        count.add(1);
        drop(http);
        if (400..500).contains(&status) && status != CLIENT_LEFT || status == 503 {
            let mut all = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            let count = all.entry(status);
            count
                .or_insert_with(|| refused(&self.registry, status))
                .add(1);
        }
    }

    /// The text of all metrics.
    pub fn text(&self, now: &Now) -> String {
        let known = |value: Option<f64>| value.unwrap_or(f64::NAN);
        let flag = |is_so: bool| f64::from(u8::from(is_so));
        self.waiting.set(now.waiting as f64);
        self.decode_rate.set(known(now.rate.decode));
        self.tuned_rate.set(known(now.rate.tuned));
        self.share.set(known(now.rate.share));
        for (cause, gauge) in &self.causes {
            gauge.set(flag(*cause == now.rate.cause));
        }
        for (status, gauge) in &self.statuses {
            gauge.set(flag(*status == now.status));
        }
        self.registry.text()
    }

    /// Bounds the memory of what was recorded and not shown. To be called every few seconds.
    pub fn upkeep(&self) {
        self.registry.upkeep();
    }
}

fn info(
    registry: &Registry,
    model_name: &str,
    architecture: &str,
    quantisation: &str,
) -> Series<Gauge> {
    let (version, build) = (env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
    let values = &[version, build, model_name, architecture, quantisation];
    registry.gauge(&rows::INFO, values)
}

fn refused(registry: &Registry, status: u16) -> Series<Counter> {
    registry.counter(&rows::REFUSED, &[&status.to_string()])
}
