//! Lists of counts on the command line: `1,2,4`, `8-96:8`.

use std::str::FromStr;

/// Most numbers that one list may hold.
const MAX_COUNT: usize = 4096;
/// Largest number that makes sense as a count of threads or tokens.
const MAX_NUMBER: usize = 1 << 20;

/// Ascending, distinct, positive counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers(Vec<usize>);

impl Numbers {
    /// A list that may be left empty: `none`, or as any other.
    ///
    /// # Errors
    /// As for other lists.
    pub fn or_none(text: &str) -> Result<Self, String> {
        match text.trim() {
            "none" => Ok(Self(Vec::new())),
            text => text.parse(),
        }
    }

    /// The counts, ascending.
    pub fn values(&self) -> &[usize] {
        &self.0
    }
}

impl FromStr for Numbers {
    type Err = String;

    /// Items separated by commas: `N`, `FIRST-LAST`, `FIRST-LAST:STEP`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut values = Vec::new();
        for item in text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
        {
            let (first, last, step) = range(item)?;
            let count = (last - first) / step + 1;
            if values.len() + count > MAX_COUNT {
                return Err(format!(
                    "\"{item}\" makes the list longer than {MAX_COUNT} numbers"
                ));
            }
            values.extend((first..=last).step_by(step));
        }
        if values.is_empty() {
            return Err("the list is empty; write for example 32,64,128".into());
        }
        values.sort_unstable();
        values.dedup();
        Ok(Self(values))
    }
}

fn range(item: &str) -> Result<(usize, usize, usize), String> {
    let (span, step) = match item.split_once(':') {
        Some((span, step)) => (span, number(step, item)?),
        None => (item, 1),
    };
    let (first, last) = match span.split_once('-') {
        Some((first, last)) => (number(first, item)?, number(last, item)?),
        None => (number(span, item)?, number(span, item)?),
    };
    if first > last {
        return Err(format!(
            "\"{item}\" runs backwards; write the smaller number first"
        ));
    }
    Ok((first, last, step))
}

fn number(text: &str, item: &str) -> Result<usize, String> {
    match text.trim().parse() {
        Ok(value) if (1..=MAX_NUMBER).contains(&value) => Ok(value),
        _ => Err(format!(
            "\"{item}\": \"{text}\" is not a number from 1 to {MAX_NUMBER}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_and_distinct() {
        let cases: [(&str, &[usize]); 5] = [
            ("4,2,2,1", &[1, 2, 4]),
            ("8-24:8", &[8, 16, 24]),
            ("1-3, 2-4", &[1, 2, 3, 4]),
            ("5-5", &[5]),
            ("32,", &[32]),
        ];
        for (text, expected) in cases {
            assert_eq!(
                text.parse::<Numbers>().expect(text).values(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn nonsense_is_an_error_and_not_an_allocation() {
        for text in [
            "",
            ",",
            "x",
            "0",
            "-1",
            "3-1",
            "1-8:0",
            "1-1000000",
            "1-999999999999",
            "1--2",
        ] {
            assert!(text.parse::<Numbers>().is_err(), "{text} was accepted");
        }
    }
}
