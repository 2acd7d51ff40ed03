//! What the user sees while it runs: a bar with an ETA on a terminal, plain lines elsewhere.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// On a pipe or in a log: at most one line of progress in this time.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// Progress of the present stage, on standard error.
pub struct Progress {
    bar: ProgressBar,
    plain: Option<RefCell<Plain>>,
}

struct Plain {
    title: String,
    last: Instant,
}

impl Progress {
    /// A bar if standard error is a terminal, else lines.
    pub fn to_stderr() -> Self {
        let plain = (!std::io::stderr().is_terminal()).then(|| {
            RefCell::new(Plain {
                title: String::new(),
                last: Instant::now(),
            })
        });
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let template = "{prefix} [{bar:24}] {percent:>3}%  ETA {eta:>4}  {wide_msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        Self { bar, plain }
    }

    /// Shows nothing.
    pub fn silent() -> Self {
        Self {
            bar: ProgressBar::hidden(),
            plain: None,
        }
    }

    /// Begins a stage of `units` (samples, bytes, estimated milliseconds: only their ratio counts).
    pub fn stage(&self, title: &str, units: u64) {
        self.bar.reset();
        self.bar.set_length(units.max(1));
        self.bar.set_prefix(title.to_string());
        self.bar.set_message("");
        if let Some(plain) = &self.plain {
            let mut plain = plain.borrow_mut();
            plain.title = title.to_string();
            plain.last = Instant::now();
            eprintln!("{title} ...");
        }
    }

    /// Some units are done; `message` says what is best so far.
    pub fn advance(&self, units: u64, message: &str) {
        self.bar.inc(units);
        self.show(message);
    }

    /// So many units are done in all.
    pub fn set(&self, units: u64, message: &str) {
        self.bar.set_position(units);
        self.show(message);
    }

    /// A line that stays.
    pub fn note(&self, line: &str) {
        if self.plain.is_some() {
            eprintln!("{line}");
        } else {
            self.bar.println(line);
        }
    }

    /// Clears the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn show(&self, message: &str) {
        self.bar.set_message(message.to_string());
        if let Some(plain) = &self.plain {
            let mut plain = plain.borrow_mut();
            if plain.last.elapsed() >= PLAIN_INTERVAL {
                plain.last = Instant::now();
                let total = self.bar.length().unwrap_or(1).max(1);
                let percent = 100 * self.bar.position().min(total) / total;
                eprintln!(
                    "{} {percent} %, {} s left, {message}",
                    plain.title,
                    self.bar.eta().as_secs()
                );
            }
        }
    }
}
