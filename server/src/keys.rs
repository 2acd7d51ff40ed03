//! API keys: those of the command line and those of a file, which is read again on request.

use std::fmt::{self, Debug, Formatter};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use subtle::ConstantTimeEq;

/// Largest key file: thousands of keys.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Longest key, which has to fit into a header of a request.
const MAX_KEY_BYTES: usize = 1024;

/// Why keys cannot be used. No message has a key in it.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read.
    #[error("cannot read the key file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is no list of keys.
    #[error("{}: larger than 1 MiB; a key file has one API key in each line", .0.display())]
    TooLarge(PathBuf),
    /// With no key in it, anybody would be let in, or nobody.
    #[error("{}: no API key in it; write one key in each line", .0.display())]
    Empty(PathBuf),
    /// A key that no client can send.
    #[error("{place}: an API key has 1 to 1024 printable ASCII characters and no spaces")]
    Unsendable {
        /// The line of the file, or the flag.
        place: String,
    },
}

/// Accepted API keys; none: any request is let in.
#[derive(Default)]
pub struct Keys {
    given: Vec<String>,
    file: Option<PathBuf>,
    accepted: RwLock<Arc<[String]>>,
}

/// Without the keys.
impl Debug for Keys {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let count = self.accepted().len();
        formatter
            .debug_struct("Keys")
            .field("count", &count)
            .field("file", &self.file)
            .finish()
    }
}

impl Keys {
    /// The keys that are `given`, and those of `file`.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn new(given: Vec<String>, file: Option<PathBuf>) -> Result<Self, KeysError> {
        for key in &given {
            check(key, || "--api-key".into())?;
        }
        let keys = Self {
            given,
            file,
            accepted: RwLock::default(),
        };
        keys.reload()?;
        Ok(keys)
    }

    /// Reads the file again and returns how many keys are accepted from now on. After an error, the keys are
    /// those of before.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn reload(&self) -> Result<usize, KeysError> {
        let mut keys = self.given.clone();
        if let Some(path) = &self.file {
            keys.extend(read(path)?);
        }
        let count = keys.len();
        *self
            .accepted
            .write()
            .unwrap_or_else(PoisonError::into_inner) = keys.into();
        Ok(count)
    }

    /// The file, if there is one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Whether a request needs a key.
    pub fn are_required(&self) -> bool {
        !self.accepted().is_empty()
    }

    /// Whether a request with this key is let in. All keys are compared whatever the answer, so that the time
    /// it takes tells nothing but lengths.
    pub fn accept(&self, key: &[u8]) -> bool {
        let keys = self.accepted();
        keys.iter().fold(false, |known, accepted| {
            known | bool::from(key.ct_eq(accepted.as_bytes()))
        })
    }

    fn accepted(&self) -> Arc<[String]> {
        Arc::clone(&self.accepted.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn read(path: &Path) -> Result<Vec<String>, KeysError> {
    let unreadable = |source| KeysError::Unreadable {
        path: path.into(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    let others_may_read = file.metadata().map_err(unreadable)?.permissions().mode() & 0o004 != 0;
    let mut text = String::new();
    (file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)).map_err(unreadable)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(KeysError::TooLarge(path.into()));
    }
    let keys = parse(&text, path)?;
    if others_may_read {
        tracing::warn!(
            "{}: every user of this host can read these API keys; chmod 600 it",
            path.display()
        );
    }
    Ok(keys)
}

/// A key in each line; empty lines and those that begin with `#` are none.
fn parse(text: &str, path: &Path) -> Result<Vec<String>, KeysError> {
    let mut keys = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        check(line, || format!("{}:{}", path.display(), number + 1))?;
        keys.push(line.to_string());
    }
    match keys.is_empty() {
        true => Err(KeysError::Empty(path.into())),
        false => Ok(keys),
    }
}

fn check(key: &str, place: impl Fn() -> String) -> Result<(), KeysError> {
    let is_sendable = key.bytes().all(|byte| byte.is_ascii_graphic());
    match is_sendable && (1..=MAX_KEY_BYTES).contains(&key.len()) {
        true => Ok(()),
        false => Err(KeysError::Unsendable { place: place() }),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use tempfile::NamedTempFile;

    use super::*;

    fn file(text: &str) -> NamedTempFile {
        let mut file = NamedTempFile::new().expect("a file");
        file.write_all(text.as_bytes()).expect("written");
        file
    }

    fn of_file(text: &str) -> Result<Keys, KeysError> {
        Keys::new(Vec::new(), Some(file(text).path().into()))
    }

    #[test]
    fn keys_of_the_command_line_and_of_the_file_are_accepted() {
        let file = file("# operators\nsk-one\r\n\n  sk-two  \n");
        let keys = Keys::new(vec!["given".into()], Some(file.path().into())).expect("keys");
        for (key, wanted) in [
            ("sk-one", true),
            ("sk-two", true),
            ("given", true),
            ("sk-on", false),
            ("sk-one ", false),
            ("# operators", false),
            ("", false),
        ] {
            assert_eq!(keys.accept(key.as_bytes()), wanted, "{key:?}");
        }
        assert!(keys.are_required());
        assert!(!Keys::default().are_required());
    }

    #[test]
    fn a_changed_file_counts_after_a_reload_and_a_broken_one_does_not() {
        let file = file("old\n");
        let keys = Keys::new(Vec::new(), Some(file.path().into())).expect("keys");
        std::fs::write(file.path(), "new\nnewer\n").expect("written");
        assert!(keys.accept(b"old") && !keys.accept(b"new"));
        assert_eq!(keys.reload().expect("sound"), 2);
        assert!(!keys.accept(b"old") && keys.accept(b"new"));
        std::fs::write(file.path(), "# all gone\n").expect("written");
        keys.reload()
            .expect_err("nobody could come in, or everybody");
        assert!(keys.accept(b"new"));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_key() {
        let long = "x".repeat(1025);
        for text in ["a b\n", "sk-\u{e9}\n", long.as_str()] {
            let error = of_file(&format!("good\n{text}"))
                .expect_err(text)
                .to_string();
            assert!(error.contains(":2: an API key has 1 to 1024"), "{error}");
            assert!(!error.contains(text.trim()), "{error}");
        }
        let error = Keys::new(vec![String::new()], None).expect_err("nothing is no key");
        assert!(error.to_string().starts_with("--api-key: "), "{error}");
        let error = of_file(&"x\n".repeat(1 << 20)).expect_err("too much");
        assert!(error.to_string().contains("larger than 1 MiB"), "{error}");
        let missing = Keys::new(Vec::new(), Some("/nowhere/keys".into()));
        let error = missing.expect_err("no file").to_string();
        assert_eq!(error, "cannot read the key file /nowhere/keys");
        assert!(!format!("{:?}", Keys::new(vec!["secret".into()], None)).contains("secret"));
    }
}
