//! Block sizes that somebody asks for: `rows=32,64;chunk=256`.

use std::str::FromStr;

use serde::Serialize;
use sysinfer_engine::{Blocking, PhasePlan, Plan};

/// Most sizes of one list.
const MAX_SIZES: usize = 64;

/// Sizes that the user asked for, field by field; `None`: those derived from the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// Most rows of a step of the decode team.
    pub decode_rows: Option<Vec<usize>>,
    /// Prefetch distances, bytes.
    pub prefetch: Option<Vec<usize>>,
    /// Rows per tile loop of prefill.
    pub rows: Option<Vec<usize>>,
    /// Tokens per step of prefill.
    pub chunk: Option<Vec<usize>>,
    /// Positions per attention task.
    pub attention: Option<Vec<usize>>,
}

impl FromStr for Asked {
    type Err = String;

    /// `NAME=SIZES`, several of them separated by semicolons.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut asked = Asked::default();
        for item in text
            .split(';')
            .map(str::trim)
            .filter(|item| !item.is_empty())
        {
            let Some((name, list)) = item.split_once('=') else {
                return Err(format!(
                    "\"{item}\" is not of the form NAME=SIZES, as rows=32,64 is"
                ));
            };
            let field = match name.trim() {
                "prefetch" => &mut asked.prefetch,
                "rows" => &mut asked.rows,
                "chunk" => &mut asked.chunk,
                "attention" => &mut asked.attention,
                "decode-rows" => &mut asked.decode_rows,
                other => {
                    return Err(format!(
                        "\"{other}\" is no block size; choose of prefetch, rows, chunk, attention, decode-rows"
                    ));
                }
            };
            *field = Some(sizes(list)?);
        }
        check(&asked)?;
        Ok(asked)
    }
}

impl Asked {
    /// Lists of `later` in place of those of the same name.
    #[must_use]
    pub fn with(self, later: &Asked) -> Asked {
        let newer = |old: Option<Vec<usize>>, new: &Option<Vec<usize>>| new.clone().or(old);
        Asked {
            prefetch: newer(self.prefetch, &later.prefetch),
            rows: newer(self.rows, &later.rows),
            chunk: newer(self.chunk, &later.chunk),
            attention: newer(self.attention, &later.attention),
            decode_rows: newer(self.decode_rows, &later.decode_rows),
        }
    }
}

fn sizes(list: &str) -> Result<Vec<usize>, String> {
    let size = |text: &str| {
        let text = text.trim();
        text.parse::<usize>()
            .map_err(|_| format!("\"{text}\" is not a size"))
    };
    let sizes = list.split(',').take(MAX_SIZES + 1).map(size);
    let sizes: Vec<usize> = sizes.collect::<Result<_, _>>()?;
    if sizes.len() > MAX_SIZES {
        return Err(format!("a list of sizes has at most {MAX_SIZES}"));
    }
    Ok(sizes)
}

/// Every size must be one that a plan may have.
fn check(asked: &Asked) -> Result<(), String> {
    type Set = fn(&mut Blocking, usize);
    let fields: [(&Option<Vec<usize>>, Set); 5] = [
        (&asked.prefetch, |blocking, size| {
            blocking.prefetch_bytes = size
        }),
        (&asked.rows, |blocking, size| blocking.prefill_rows = size),
        (&asked.chunk, |blocking, size| blocking.prefill_chunk = size),
        (&asked.attention, |blocking, size| {
            blocking.attention_chunk = size
        }),
        (&asked.decode_rows, |blocking, size| {
            blocking.decode_rows = size
        }),
    ];
    for (sizes, set) in fields {
        for &size in sizes.iter().flatten() {
            let mut plan = Plan::with_threads(PhasePlan::unpinned(1));
            set(&mut plan.blocking, size);
            plan.validate().map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_later_ones_win() {
        let first: Asked = "prefetch=0,1024; rows=32".parse().expect("two lists");
        assert_eq!(first.prefetch, Some(vec![0, 1024]));
        let both = first.with(&"rows=64,128".parse().expect("one list"));
        assert_eq!(
            (both.prefetch, both.rows),
            (Some(vec![0, 1024]), Some(vec![64, 128]))
        );
        assert_eq!(both.chunk, None);
    }

    #[test]
    fn nonsense_is_refused_with_its_reason() {
        for (text, reason) in [
            ("rows", "NAME=SIZES"),
            ("lines=3", "no block size"),
            ("rows=x", "not a size"),
            ("rows=0", "prefill_rows"),
            ("attention=40", "multiple of 32"),
            ("decode-rows=0", "decode_rows"),
            ("prefetch=99999999", "65536"),
        ] {
            let message = text.parse::<Asked>().expect_err(text);
            assert!(message.contains(reason), "{text}: {message}");
        }
    }
}
