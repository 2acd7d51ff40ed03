//! The rendering process: reads a template and then conversations from standard input, writes texts
//! to standard output, and ends when its input does, even in the middle of a rendering.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, channel};

use jiff::Timestamp;
use rustix::process::{Resource, Rlimit, setrlimit};

use super::NO_THREAD;
use super::wire::{self, Answer, Setup};
use crate::prompt::Conversation;
use crate::prompt::template::ChatTemplate;

/// Expressions are compiled recursively: half a kilobyte of stack for each byte of the source, in the
/// worst case, and real templates have 30 KB at most.
const STACK_BYTES: usize = 256 << 20;

/// Address space, the stack included; a prompt of a million tokens takes some dozens of megabytes.
const MOST_BYTES: u64 = 1 << 30;

/// A prompt is little more than its messages: what a template adds is its own text, some times over.
const ADDED_BYTES: usize = 64 << 10;

/// The longest prompt that may come of so many bytes of template and conversation.
fn longest_prompt(given_bytes: usize) -> usize {
    ADDED_BYTES + 4 * given_bytes
}

/// Runs the rendering process on this process' standard input and output.
pub fn run() -> ExitCode {
    let limits = [(Resource::As, MOST_BYTES), (Resource::Core, 0)];
    for (resource, most) in limits {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        // Without the limit there is still the server's deadline: an emulator accepts one of memory and
        // may not keep it.
        let _ = setrlimit(resource, limit);
    }
    let (send, received) = channel();
    let render = std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || serve(&received));
    if render.is_err() {
        return ExitCode::from(NO_THREAD as u8);
    }
    let mut input = io::stdin().lock();
    let Ok((setup, setup_bytes)) = wire::read_sized(&mut input) else {
        return ExitCode::FAILURE;
    };
    let mut order = Order::Compile(setup);
    while send.send(order).is_ok() {
        match wire::read_sized::<Conversation>(&mut input) {
            Ok((conversation, bytes)) => {
                order = Order::Render {
                    conversation,
                    most_bytes: longest_prompt(setup_bytes + bytes),
                };
            }
            Err(_) => break,
        }
    }
    // The server is gone or wants no more; whatever is being rendered ends with the process.
    ExitCode::SUCCESS
}

enum Order {
    Compile(Setup),
    Render {
        conversation: Conversation,
        most_bytes: usize,
    },
}

fn serve(orders: &Receiver<Order>) {
    let mut out = io::stdout().lock();
    // From here on, it is the template's doing if this process ends.
    if reply(&Ok(String::new()), &mut out).is_err() {
        return;
    }
    let mut template = Err("nothing was compiled".to_owned());
    while let Ok(order) = orders.recv() {
        let answer = match order {
            Order::Compile(setup) => {
                let Setup {
                    source,
                    origin,
                    tokens,
                } = setup;
                template = ChatTemplate::new(&source, &origin, tokens, Timestamp::now)
                    .map_err(|error| error.to_string());
                template
                    .as_ref()
                    .map(|_| String::new())
                    .map_err(String::clone)
            }
            Order::Render {
                conversation,
                most_bytes,
            } => render(&template, &conversation, most_bytes),
        };
        if reply(&answer, &mut out).is_err() {
            return;
        }
    }
}

fn render(
    template: &Result<ChatTemplate, String>,
    conversation: &Conversation,
    most_bytes: usize,
) -> Answer {
    let text = template
        .as_ref()
        .map_err(String::clone)?
        .text_of(conversation)?;
    if text.len() > most_bytes {
        let bytes = text.len();
        return Err(format!(
            "it made {bytes} bytes of these messages, more than the {most_bytes} that they may become"
        ));
    }
    Ok(text)
}

/// Writes an answer, or why it cannot be written.
fn reply(answer: &Answer, out: &mut impl Write) -> io::Result<()> {
    match wire::write(answer, out) {
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            wire::write(&Answer::Err(error.to_string()), out)
        }
        written => written,
    }
}
