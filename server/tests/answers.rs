//! One answer, drawn from logits that each test makes up.
#![forbid(unsafe_code)]

mod common;

use common::vocabulary::{END, tokenizer};
use sysinfer_engine::{Drafts, SamplingOptions};
use sysinfer_server::backend::answer::{Answer, Vocabulary};
use sysinfer_server::scheduler::{Event, FinishReason, JobLimits, TokenSet, ValidJob};

/// The token of a byte.
fn byte(byte: u8) -> u32 {
    197 + u32::from(byte)
}

fn job(limits: JobLimits) -> ValidJob {
    let limits = JobLimits {
        max_tokens: 8,
        ..limits
    };
    ValidJob::new(vec![byte(b'?')], 64, limits, SamplingOptions::default(), 0).expect("valid")
}

/// What a client gets where the model likes the tokens of each list in their order, best first; and how many
/// tokens with logprobs came.
fn said(job: ValidJob, likes: &[&[u32]]) -> (String, Vec<bool>, Option<(FinishReason, usize)>) {
    let tokenizer = tokenizer();
    let size = tokenizer.vocabulary_size();
    let vocabulary = Vocabulary::new(tokenizer, size, &[]);
    let mut answer = Answer::new(1, job, 0, &vocabulary).expect("valid");
    let (mut text, mut pieces, mut end) = (String::new(), Vec::new(), None);
    let mut emit = |_, event| match event {
        Event::Text {
            text: more,
            logprobs,
        } => {
            text += &more;
            pieces.push(logprobs.is_some());
        }
        Event::Finished(finish) => end = Some((finish.reason, finish.completion_tokens)),
        event => panic!("{event:?}"),
    };
    for likes in likes {
        let mut logits = vec![0.0; size];
        for (rank, token) in likes.iter().enumerate() {
            logits[*token as usize] = 9.0 - rank as f32;
        }
        if answer.draw(&vocabulary, &logits, &mut emit).over {
            break;
        }
    }
    answer.end(Drafts::default(), &mut emit);
    (text, pieces, end)
}

#[test]
fn stop_tokens_end_an_answer_and_are_no_part_of_it() {
    let stop = || JobLimits {
        stop_tokens: vec![byte(b'.'), END],
        ..JobLimits::default()
    };
    let (a, dot) = (byte(b'a'), byte(b'.'));
    let (text, pieces, end) = said(job(stop()), &[&[a], &[dot]]);
    assert_eq!((text.as_str(), pieces.len()), ("a", 1));
    assert_eq!(end, Some((FinishReason::Stop, 2)));
    // Not before there are as many tokens as were asked for, ...
    let limits = JobLimits {
        min_tokens: 2,
        ..stop()
    };
    let (text, ..) = said(job(limits), &[&[dot, a], &[END, a], &[dot]]);
    assert_eq!(text, "aa");
    // ... and a model's own end token only if it was asked for, where those are ignored.
    let limits = JobLimits {
        ignore_eos: true,
        ..stop()
    };
    let (text, _, end) = said(job(limits), &[&[a], &[END, a], &[a]]);
    assert_eq!((text.as_str(), end), ("a", Some((FinishReason::Stop, 2))));
    let limits = JobLimits {
        ignore_eos: true,
        ..JobLimits::default()
    };
    assert_eq!(said(job(limits), &[&[a], &[END, a], &[a]]).0, "aaa");
}

#[test]
fn an_answer_is_made_of_the_tokens_that_are_allowed() {
    let (a, b) = (byte(b'a'), byte(b'b'));
    let mut allowed = TokenSet(vec![0; 32]);
    allowed.insert(&[b, END]);
    let likes: [&[u32]; 3] = [&[a, b], &[a, b], &[a, END]];
    let only = job(JobLimits::default()).with_allowed(allowed.clone());
    let (text, _, end) = said(only, &likes);
    assert_eq!((text.as_str(), end), ("bb", Some((FinishReason::Stop, 3))));
    let longer = JobLimits {
        min_tokens: 3,
        ..JobLimits::default()
    };
    let only = job(longer).with_allowed(allowed);
    assert_eq!(said(only, &likes).0, "bbb");
    // Nothing else is allowed, so that is what there is.
    let mut end = TokenSet(vec![0; 32]);
    end.insert(&[END]);
    let deaf = JobLimits {
        ignore_eos: true,
        ..JobLimits::default()
    };
    let (text, _, ended) = said(job(deaf).with_allowed(end), &likes);
    assert_eq!((text.as_str(), ended), ("", Some((FinishReason::Stop, 1))));
}

#[test]
fn control_tokens_are_shown_where_they_are_asked_for() {
    let begin = common::vocabulary::BEGIN;
    let likes: [&[u32]; 3] = [&[byte(b'a')], &[begin], &[END]];
    assert_eq!(said(job(JobLimits::default()), &likes).0, "a");
    let shown = job(JobLimits::default()).with_specials();
    assert_eq!(said(shown, &likes).0, "a<s>");
}

#[test]
fn there_is_an_event_per_token_and_what_was_held_back_comes_with_the_last() {
    let limits = JobLimits {
        stop: vec!["abc".into()],
        ..JobLimits::default()
    };
    let (a, b) = (byte(b'a'), byte(b'b'));
    let held = || job(limits.clone()).with_logprobs(0);
    let likes: [&[u32]; 8] = [&[a], &[b], &[a], &[b], &[a], &[b], &[a], &[b]];
    let (text, pieces, end) = said(held(), &likes);
    assert_eq!((text.as_str(), pieces), ("abababab", vec![true; 8]));
    assert_eq!(end, Some((FinishReason::Length, 8)));
    // The end token has no logprobs, but may bring text.
    let (text, pieces, end) = said(held(), &[&[a], &[END]]);
    assert_eq!((text.as_str(), pieces), ("a", vec![true, false]));
    assert_eq!(end, Some((FinishReason::Stop, 2)));
    let (text, pieces, _) = said(held(), &[&[END]]);
    assert_eq!((text.as_str(), pieces), ("", vec![]));
}
