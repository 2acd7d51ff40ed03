//! What the user sees while it runs: on a terminal three lines that are drawn anew (the stage with a
//! bar and an ETA; the best so far; candidates left and the bandwidth in use), plain lines elsewhere.

use std::cell::{Cell, RefCell};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use sysinfer_probe::{Progress, Stage};

/// On a pipe or in a log: at most one line of progress in this time.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// Progress of the present stage, on standard error.
pub struct Terminal {
    bar: ProgressBar,
    live: Option<Live>,
    plain: Option<RefCell<Plain>>,
    place: Cell<Option<Stage>>,
    left: Cell<Option<(usize, usize)>>,
    rate: Cell<Option<Rate>>,
}

/// The lines below the bar, and what holds all three together.
struct Live {
    lines: MultiProgress,
    best: ProgressBar,
    state: ProgressBar,
}

struct Plain {
    title: String,
    last: Instant,
}

/// What the last sample read, GB/s, and what the team can read.
#[derive(Clone, Copy)]
struct Rate {
    gb_per_second: f64,
    roof: Option<f64>,
}

impl Terminal {
    /// A live view if standard error is a terminal, else lines.
    pub fn to_stderr() -> Self {
        if !std::io::stderr().is_terminal() {
            let plain = Plain {
                title: String::new(),
                last: Instant::now(),
            };
            return Self::new(ProgressBar::hidden(), None, Some(RefCell::new(plain)));
        }
        let lines = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let line = |template: &str| {
            let bar = ProgressBar::new(1);
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            lines.add(bar)
        };
        // 78 columns; what is longer is cut off, so that no line ever wraps.
        let bar = line("{prefix:38!} [{bar:18}] {percent:>3} %  ETA {eta:>4}");
        let (best, state) = (
            line("  {wide_msg}"),
            line("  {elapsed:>4} in all; {wide_msg}"),
        );
        Self::new(bar, Some(Live { lines, best, state }), None)
    }

    /// Shows nothing.
    pub fn silent() -> Self {
        Self::new(ProgressBar::hidden(), None, None)
    }

    fn new(bar: ProgressBar, live: Option<Live>, plain: Option<RefCell<Plain>>) -> Self {
        Self {
            bar,
            live,
            plain,
            place: Cell::new(None),
            left: Cell::new(None),
            rate: Cell::new(None),
        }
    }

    fn show(&self, message: &str) {
        self.draw(message);
        let Some(plain) = &self.plain else {
            return;
        };
        let mut plain = plain.borrow_mut();
        if plain.last.elapsed() < PLAIN_INTERVAL {
            return;
        }
        plain.last = Instant::now();
        let total = self.bar.length().unwrap_or(1).max(1);
        let percent = 100 * self.bar.position().min(total) / total;
        let seconds = self.bar.eta().as_secs();
        let state = state(self.left.get(), self.rate.get());
        let parts = [message, &state].map(str::to_owned);
        let said: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        eprintln!(
            "{} {percent} %, {seconds} s left; {}",
            plain.title,
            said.join("; ")
        );
    }

    fn draw(&self, message: &str) {
        if let Some(live) = &self.live {
            live.best.set_message(message.to_string());
            live.state
                .set_message(state(self.left.get(), self.rate.get()));
        }
    }
}

impl Progress for Terminal {
    fn place(&self, stage: Stage) {
        self.place.set(Some(stage));
    }

    fn stage(&self, title: &str, units: u64) {
        let title = match self.place.get().map(Stage::place) {
            Some((place, all)) => format!("{place}/{all} {title}"),
            None => title.to_string(),
        };
        self.left.set(None);
        self.bar.reset();
        self.bar.set_length(units.max(1));
        self.bar.set_prefix(title.clone());
        self.draw("");
        if let Some(plain) = &self.plain {
            let mut plain = plain.borrow_mut();
            eprintln!("{title} ...");
            plain.title = title;
            plain.last = Instant::now();
        }
    }

    fn left(&self, running: usize, all: usize) {
        self.left.set(Some((running, all)));
    }

    fn reads(&self, gb_per_second: f64, roof: Option<f64>) {
        self.rate.set(Some(Rate {
            gb_per_second,
            roof,
        }));
    }

    fn advance(&self, units: u64, message: &str) {
        self.bar.inc(units);
        self.show(message);
    }

    fn set(&self, units: u64, message: &str) {
        self.bar.set_position(units);
        self.show(message);
    }

    fn goes_on(&self, seconds: f64, left: f64, message: &str) {
        let done = self.bar.position() + milliseconds(seconds);
        self.bar.set_length((done + milliseconds(left)).max(1));
        self.set(done, message);
    }

    fn note(&self, line: &str) {
        match &self.live {
            // Fails where standard error has gone away; nobody reads the line then.
            Some(live) => drop(live.lines.println(line)),
            None if self.plain.is_some() => eprintln!("{line}"),
            None => {}
        }
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
        if let Some(live) = &self.live {
            live.best.finish_and_clear();
            live.state.finish_and_clear();
        }
    }
}

/// Rounded up; 0 of what is no time.
fn milliseconds(seconds: f64) -> u64 {
    (1000.0 * seconds).ceil().max(0.0) as u64
}

/// Candidates and bandwidth, as far as they are known.
fn state(left: Option<(usize, usize)>, rate: Option<Rate>) -> String {
    let left = left.map(|(running, all)| format!("{running} of {all} candidates left"));
    let rate = rate.map(|rate| match rate.roof {
        Some(roof) if roof > 0.0 => format!(
            "reads {:.1} GB/s, {:.0} % of bandwidth",
            rate.gb_per_second,
            100.0 * rate.gb_per_second / roof
        ),
        _ => format!("reads {:.1} GB/s", rate.gb_per_second),
    });
    let parts: Vec<String> = left.into_iter().chain(rate).collect();
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_says_what_is_known() {
        let rate = |roof| {
            Some(Rate {
                gb_per_second: 28.04,
                roof,
            })
        };
        let cases = [
            (None, None, ""),
            (Some((3, 9)), None, "3 of 9 candidates left"),
            (None, rate(None), "reads 28.0 GB/s"),
            (
                Some((3, 9)),
                rate(Some(30.0)),
                "3 of 9 candidates left; reads 28.0 GB/s, 93 % of bandwidth",
            ),
        ];
        for (left, rate, expected) in cases {
            assert_eq!(state(left, rate), expected);
        }
    }

    #[test]
    fn a_stage_of_unknown_length_ends_where_nothing_is_left() {
        let progress = Terminal::silent();
        progress.stage("long", 1);
        for (seconds, left, position, length) in [
            (2.0, 8.0, 2000, 10_000),
            (2.0, 1.0, 4000, 5000),
            (0.5, 0.0, 4500, 4500),
            (f64::NAN, -1.0, 4500, 4500),
        ] {
            progress.goes_on(seconds, left, "");
            let bar = (progress.bar.position(), progress.bar.length());
            assert_eq!(bar, (position, Some(length)));
        }
    }

    #[test]
    fn stages_are_counted_in_their_order() {
        let (first, all) = Stage::Calibration.place();
        assert_eq!(first, 1);
        assert_eq!(Stage::Split.place(), (all, all));
        assert!(Stage::DecodeTeam.place().0 < Stage::Table.place().0);
    }
}
