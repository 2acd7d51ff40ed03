//! Ordered lists of CPUs as in `GOMP_CPU_AFFINITY` (libgomp manual) and `taskset -c`: one parser for
//! the environment, the command line and profiles. Order and repeats carry meaning, so it is no set.

use std::fmt;
use std::str::FromStr;

use crate::MachineError;

/// The largest CPU number that is taken for one; Linux allows far fewer.
pub(crate) const MAX_CPU_ID: usize = (1 << 20) - 1;

/// The longest list; a typing error must not become an allocation.
const MAX_ENTRIES: usize = 65_536;

/// OS indices of CPUs, in order, repeats allowed; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuList(Vec<usize>);

impl CpuList {
    /// Takes a list that is already numbers.
    ///
    /// # Errors
    /// [`MachineError::CpuList`] if it is empty, longer than 65,536 or has a CPU beyond 2^20 - 1.
    pub fn new(cpus: Vec<usize>) -> Result<CpuList, MachineError> {
        if cpus.is_empty() {
            return Err(Item {
                text: "",
                position: 1,
            }
            .error("the list is empty"));
        }
        if cpus.len() > MAX_ENTRIES {
            return Err(Item {
                text: "",
                position: 1,
            }
            .error(TOO_LONG));
        }
        if let Some(index) = cpus.iter().position(|&cpu| cpu > MAX_CPU_ID) {
            let text = cpus[index].to_string();
            return Err(Item {
                text: &text,
                position: index + 1,
            }
            .error(TOO_LARGE));
        }
        Ok(CpuList(cpus))
    }

    /// The entries, in order.
    pub fn as_slice(&self) -> &[usize] {
        &self.0
    }

    /// One CPU for each of `threads` workers: worker `i` takes entry `i`, starting over at the end of
    /// the list, as libgomp does.
    pub fn assign(&self, threads: usize) -> Vec<usize> {
        self.0.iter().copied().cycle().take(threads).collect()
    }
}

const TOO_LONG: &str = "the list has more than 65536 entries";
const TOO_LARGE: &str = "a CPU number may be at most 1048575";

/// One item of a list and where it stands, for messages.
struct Item<'a> {
    text: &'a str,
    /// Counted from 1, in bytes.
    position: usize,
}

impl Item<'_> {
    fn error(&self, why: impl Into<String>) -> MachineError {
        let mut item: String = self.text.chars().take(40).collect();
        if item.len() < self.text.len() {
            item.push_str("...");
        }
        MachineError::CpuList {
            item,
            position: self.position,
            why: why.into(),
        }
    }

    fn number(&self, text: &str, what: &str) -> Result<usize, MachineError> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(self.error(format!("{what} is not a number")));
        }
        // Digits only, so what does not parse does not fit.
        match text.parse() {
            Ok(number) if number <= MAX_CPU_ID => Ok(number),
            _ => Err(self.error(TOO_LARGE)),
        }
    }

    /// Appends what the item stands for.
    fn expand(&self, cpus: &mut Vec<usize>) -> Result<(), MachineError> {
        let (range, stride) = match self.text.split_once(':') {
            Some((range, stride)) if range.contains('-') => {
                (range, self.number(stride, "the stride")?)
            }
            Some(_) => return Err(self.error("a stride needs a range before it")),
            None => (self.text, 1),
        };
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (
                self.number(first, "the start of the range")?,
                self.number(last, "the end of the range")?,
            ),
            None => {
                let cpu = self.number(range, "it")?;
                (cpu, cpu)
            }
        };
        if stride == 0 {
            return Err(self.error("the stride must be at least 1"));
        }
        if first > last {
            return Err(self.error("the range ends before it starts"));
        }
        if cpus.len() + (last - first) / stride + 1 > MAX_ENTRIES {
            return Err(self.error(TOO_LONG));
        }
        cpus.extend((first..=last).step_by(stride));
        Ok(())
    }
}

impl FromStr for CpuList {
    type Err = MachineError;

    /// Reads items `N`, `M-N` or `M-N:STRIDE`, separated by blanks, a comma, or both.
    fn from_str(text: &str) -> Result<CpuList, MachineError> {
        if text.trim().is_empty() {
            return Err(Item {
                text: "",
                position: 1,
            }
            .error("the list is empty"));
        }
        let mut cpus = Vec::new();
        let mut comma_from = 0;
        for between_commas in text.split(',') {
            let mut items = 0;
            for item in between_commas.split_whitespace() {
                // Both are slices of `text`, so the difference of addresses is the offset.
                let position = item.as_ptr().addr() - text.as_ptr().addr() + 1;
                Item {
                    text: item,
                    position,
                }
                .expand(&mut cpus)?;
                items += 1;
            }
            if items == 0 {
                let item = Item {
                    text: "",
                    position: comma_from + 1,
                };
                return Err(item.error("nothing stands between two commas or at an end"));
            }
            comma_from += between_commas.len() + 1;
        }
        Ok(CpuList(cpus))
    }
}

/// The shortest-looking form of the same list: `0-21,24-45`; three or more entries at the same
/// distance become a range with a stride.
impl fmt::Display for CpuList {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_slice();
        let mut separator = "";
        while let &[first, ..] = rest {
            let (len, stride) = leading_run(rest);
            let last = rest[len - 1];
            match (len, stride) {
                (1, _) => write!(formatter, "{separator}{first}")?,
                (_, 1) => write!(formatter, "{separator}{first}-{last}")?,
                _ => write!(formatter, "{separator}{first}-{last}:{stride}")?,
            }
            rest = &rest[len..];
            separator = ",";
        }
        Ok(())
    }
}

/// How many entries from the start one item can say, and their distance.
fn leading_run(cpus: &[usize]) -> (usize, usize) {
    let stride = match cpus {
        &[first, second, ..] if second > first => second - first,
        _ => return (1, 1),
    };
    let len = 1 + cpus
        .windows(2)
        .take_while(|pair| pair[1].checked_sub(pair[0]) == Some(stride))
        .count();
    if stride > 1 && len < 3 {
        (1, 1)
    } else {
        (len, stride)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_and_prints() {
        let cases: [(&str, &[usize], &str); 11] = [
            ("0", &[0], "0"),
            ("0-3", &[0, 1, 2, 3], "0-3"),
            (
                "0 3 1-2 4-15:2",
                &[0, 3, 1, 2, 4, 6, 8, 10, 12, 14],
                "0,3,1-2,4-14:2",
            ),
            ("0-2,6", &[0, 1, 2, 6], "0-2,6"),
            ("0-10:2", &[0, 2, 4, 6, 8, 10], "0-10:2"),
            (" 1 , 2\t3,  5 ", &[1, 2, 3, 5], "1-3,5"),
            ("3,3,3", &[3, 3, 3], "3,3,3"),
            ("5 4 3", &[5, 4, 3], "5,4,3"),
            ("7-7:9", &[7], "7"),
            ("0,4", &[0, 4], "0,4"),
            ("1048575", &[1_048_575], "1048575"),
        ];
        for (text, cpus, printed) in cases {
            let list: CpuList = text.parse().unwrap();
            assert_eq!(list.as_slice(), cpus, "{text}");
            assert_eq!(list.to_string(), printed, "{text}");
        }
        let reference: CpuList = "0-21,24-45,48-69,72-93".parse().unwrap();
        assert_eq!(reference.as_slice().len(), 88);
        assert_eq!(reference.to_string(), "0-21,24-45,48-69,72-93");
    }

    #[test]
    fn refuses_with_item_and_position() {
        let cases = [
            ("", "", 1, "empty"),
            (" \t", "", 1, "empty"),
            (",1", "", 1, "between two commas"),
            ("1,,2", "", 3, "between two commas"),
            ("1,", "", 3, "between two commas"),
            ("0-3,x", "x", 5, "not a number"),
            ("0 1 2-", "2-", 5, "end of the range"),
            ("-3", "-3", 1, "start of the range"),
            ("+1", "+1", 1, "not a number"),
            ("1-2-3", "1-2-3", 1, "end of the range"),
            ("5-3", "5-3", 1, "before it starts"),
            ("0-8:0", "0-8:0", 1, "at least 1"),
            ("0-8:", "0-8:", 1, "stride"),
            ("4:2", "4:2", 1, "needs a range"),
            ("0-99999999999", "0-99999999999", 1, "at most 1048575"),
            (
                "99999999999999999999999",
                "99999999999999999999999",
                1,
                "at most 1048575",
            ),
            ("0,0-65535", "0-65535", 3, "65536 entries"),
        ];
        for (text, expected_item, expected_position, word) in cases {
            match text.parse::<CpuList>() {
                Err(MachineError::CpuList {
                    item,
                    position,
                    why,
                }) => {
                    assert_eq!(
                        (item.as_str(), position),
                        (expected_item, expected_position),
                        "{text}"
                    );
                    assert!(why.contains(word), "{text}: {why}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
        assert!(CpuList::new(vec![]).is_err());
        assert!(CpuList::new(vec![0, 1 << 20]).is_err());
        assert!(CpuList::new(vec![0; 65_537]).is_err());
    }

    #[test]
    fn assigns_from_the_start_again() {
        let list: CpuList = "4 2".parse().unwrap();
        assert_eq!(list.assign(5), [4, 2, 4, 2, 4]);
        assert_eq!(list.assign(1), [4]);
        assert!(list.assign(0).is_empty());
    }

    proptest! {
        #[test]
        fn printing_and_reading_returns_the_list(cpus in prop::collection::vec(0usize..40, 1..60)) {
            let list = CpuList::new(cpus).unwrap();
            prop_assert_eq!(list.to_string().parse::<CpuList>().unwrap(), list);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9,: \\-a]{0,30}") {
            if let Ok(list) = text.parse::<CpuList>() {
                prop_assert_eq!(list.to_string().parse::<CpuList>().unwrap(), list);
            }
        }
    }
}
