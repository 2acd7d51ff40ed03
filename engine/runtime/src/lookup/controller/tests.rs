//! The controller against texts and machines with a known truth: no engine, no clock.

use sysinfer_random::SplitMix64;

use super::*;
use crate::lookup::index::NgramIndex;

/// A machine: seconds of a step by rows, as parts of a step of one row.
type Machine = fn(usize) -> f64;

const NEARLY_FREE: Machine = |rows| 1.0 + 0.05 * (rows - 1) as f64;
/// Kernels that take four rows at a time.
const IN_FOURS: Machine = |rows| [1.0, 1.1, 1.3, 1.3, 1.7, 1.7, 1.7, 1.7][rows - 1];
const HALF: Machine = |rows| 1.0 + 0.5 * (rows - 1) as f64;
/// Nothing is saved by doing rows together.
const FULL: Machine = |rows| rows as f64;
/// Everything beyond one row is a disaster.
const CLIFF: Machine = |rows| if rows == 1 { 1.0 } else { 6.0 };

const MACHINES: [(&str, Machine); 5] = [
    ("nearly free", NEARLY_FREE),
    ("in fours", IN_FOURS),
    ("half", HALF),
    ("full", FULL),
    ("cliff", CLIFF),
];

fn decode(decode: usize) -> Rows {
    Rows { decode, prompt: 0 }
}

/// Tokens drawn evenly from `kinds`.
fn noise(count: usize, kinds: u64) -> Vec<u32> {
    let mut random = SplitMix64(kinds);
    (0..count)
        .map(|_| (random.next_bits() % kinds) as u32)
        .collect()
}

/// What a run over a known answer came to.
struct Run {
    /// Time of plain steps over time with drafts.
    gain: f64,
    /// Tokens of the answer that were there when a draft of three or more was first made.
    first_long: Option<usize>,
}

/// "Generates" `answer` after `prompt` on a machine whose every 50th step is disturbed.
fn run(prompt: &[u32], answer: &[u32], machine: Machine) -> Run {
    let (mut index, mut acceptance) = (NgramIndex::default(), Acceptance::default());
    let mut controller = Controller::default();
    index.extend(prompt);
    let (mut at, mut steps, mut spent, mut first_long) = (0, 0, 0.0, None);
    let mut draft = Vec::new();
    while at < answer.len() {
        let prospect = Prospect {
            acceptance: &acceptance,
            match_length: index.current().map_or(0, |found| found.length),
            most: answer.len() - at - 1,
        };
        let length = controller.drafts(&[prospect], 0)[0];
        if length >= 3 {
            first_long.get_or_insert(at);
        }
        index.draft(length, &mut draft);
        let right = draft.iter().zip(&answer[at..]);
        let tokens = 1 + right.take_while(|(draft, token)| draft == token).count();
        for token in &answer[at..at + tokens] {
            if let (Some(found), Some(predicted)) = (index.current(), index.predicted()) {
                acceptance.note(found.length, predicted == *token);
            }
            index.push(*token);
        }
        at += tokens;
        steps += 1;
        let seconds = 0.01 * machine(1 + length);
        spent += seconds;
        let disturbed = if steps % 50 == 7 { 10.0 } else { 1.0 };
        controller.note(Outcome {
            sequences: 1,
            rows: decode(1 + length),
            tokens,
            took: Duration::from_secs_f64(seconds * disturbed),
        });
    }
    let gain = 0.01 * answer.len() as f64 / spent;
    Run { gain, first_long }
}

#[test]
fn what_cannot_be_foreseen_costs_less_than_three_percent() {
    // Copies that break off, always when a draft has become long.
    let traps: Vec<u32> = (0..60)
        .flat_map(|at: u32| [1, 2, 3, 4, 5, 6, 7, 1000 + at])
        .collect();
    let mut random = SplitMix64(5);
    // Every other token follows from the one before it; the rest is noise.
    let half: Vec<u32> = noise(300, 40)
        .into_iter()
        .flat_map(|token| match random.next_bits() % 4 {
            0 => [token, noise(1, 97 + random.next_bits() % 900)[0]],
            _ => [token, token + 50],
        })
        .collect();
    let texts = [
        ("never seen", (0..400).collect()),
        ("noise of 4", noise(400, 4)),
        ("noise of 20", noise(400, 20)),
        ("noise of 300", noise(400, 300)),
        ("traps", traps),
        ("half", half),
    ];
    for (name, text) in &texts {
        for (machine_name, machine) in MACHINES {
            let Run { gain, .. } = run(&noise(100, 20), text, machine);
            assert!(gain > 0.97, "{name} on {machine_name}: {gain:.3}");
        }
    }
}

#[test]
fn quotes_are_found_at_once_and_pay() {
    let prompt = noise(300, 5000);
    // Some words, a quote of 120 tokens, some words.
    let answer: Vec<u32> = (6000..6040)
        .chain(prompt[40..160].iter().copied())
        .chain(7000..7020)
        .collect();
    for (name, machine, least) in [
        ("nearly free", NEARLY_FREE, 2.0),
        ("in fours", IN_FOURS, 1.7),
        ("half", HALF, 1.1),
        ("full", FULL, 0.97),
        ("cliff", CLIFF, 0.97),
    ] {
        let Run { gain, first_long } = run(&prompt, &answer, machine);
        assert!(gain > least, "{name}: {gain:.3}");
        if least > 1.5 {
            let after = first_long.expect("long drafts") - 40;
            assert!(after <= 6, "{name}: noticed after {after} tokens");
        }
    }
    let whole = run(&prompt, &prompt, NEARLY_FREE).gain;
    assert!(whole > 4.5, "a copy: {whole:.2}");
}

/// A controller that knows what steps of 1..=8 rows take.
fn trained(machine: Machine) -> Controller {
    let mut controller = Controller::default();
    for rows in (1..=DECODE_ROWS).chain(1..=DECODE_ROWS) {
        let took = Duration::from_secs_f64(machine(rows));
        controller.costs.note(decode(rows), took);
    }
    controller
}

#[test]
fn sequences_share_the_rows_of_a_step() {
    let acceptance = Acceptance::default();
    let prospect = |match_length, most| Prospect {
        acceptance: &acceptance,
        match_length,
        most,
    };
    let (sure, doubtful, none) = (prospect(20, 7), prospect(2, 7), prospect(0, 7));
    let cases: [(&[Prospect<'_>], &[usize]); 9] = [
        (&[], &[]),
        (&[sure], &[7]),
        (&[none], &[0]),
        (&[prospect(20, 2)], &[2]),
        (&[prospect(20, 0)], &[0]),
        (&[sure, none, sure], &[2, 0, 3]),
        (&[none, sure, doubtful, none], &[0, 4, 0, 0]),
        (&[sure; 8], &[0; 8]),
        (&[sure; 9], &[0; 9]),
    ];
    let controller = trained(NEARLY_FREE);
    for (prospects, wanted) in cases {
        let drafts = controller.drafts(prospects, 0);
        assert_eq!(drafts, wanted, "{prospects:?}");
    }
}

#[test]
fn the_cost_of_rows_limits_drafts() {
    let acceptance = Acceptance::default();
    let prospect = Prospect {
        acceptance: &acceptance,
        match_length: 6,
        most: MAX_DRAFTED,
    };
    let lengths = MACHINES.map(|(_, machine)| trained(machine).drafts(&[prospect], 0)[0]);
    assert_eq!(lengths, [7, 7, 1, 0, 0]);
    let nothing_known = Controller::default();
    assert_eq!(nothing_known.drafts(&[prospect], 0), [0]);
}

#[test]
fn losses_end_drafts_until_tokens_have_made_up_for_them() {
    let acceptance = Acceptance::default();
    let sure = Prospect {
        acceptance: &acceptance,
        match_length: 20,
        most: MAX_DRAFTED,
    };
    let mut controller = trained(IN_FOURS);
    let step = |rows: usize, tokens| Outcome {
        sequences: 1,
        rows: decode(rows),
        tokens,
        took: Duration::from_secs_f64(IN_FOURS(rows)),
    };
    let mut drafted = 0;
    while controller.drafts(&[sure], 0) != [0] {
        controller.note(step(8, 1));
        drafted += 1;
        assert!(drafted < 10, "drafts that always fail go on");
    }
    let mut rested = 0;
    while controller.drafts(&[sure], 0) == [0] {
        controller.note(step(1, 1));
        rested += 1;
        assert!(rested < 100, "drafts never come back");
    }
    assert!(rested > 20, "only {rested} tokens");
}

#[test]
fn beside_a_prompt_a_drafted_row_costs_as_much_as_one_of_the_prompt() {
    let acceptance = Acceptance::default();
    let sure = Prospect {
        acceptance: &acceptance,
        match_length: 20,
        most: MAX_DRAFTED,
    };
    // Rows of decode steps are so dear that no draft pays.
    let mut controller = trained(CLIFF);
    assert_eq!(controller.drafts(&[sure], 0), [0]);
    assert_eq!(controller.drafts(&[sure], 100), [0], "not measured");
    let rows = Rows {
        decode: 1,
        prompt: 100,
    };
    for _ in 0..2 {
        controller.costs.note(rows, Duration::from_secs(11));
    }
    assert_eq!(controller.drafts(&[sure], 100), [7]);
}
