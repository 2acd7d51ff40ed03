//! What the log says when logits are not finite: which tensor of the file they come from.
//!
//! Weights are looked through once per load, and only when an answer failed: reading a file takes seconds
//! to minutes, so a thread of its own does it while the engine goes on.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, SystemTime};

use sysinfer_engine::{CacheType, ModelFile, damaged_tensors};

/// How long the first failed answer waits for the look at the file: small models are named before their
/// client hears of it, and nobody else waits longer than for a chunk of a prompt.
const PATIENCE: Duration = Duration::from_millis(200);

/// Looks through a model file when it is asked to.
#[derive(Debug)]
pub struct Inspector {
    ask: Option<SyncSender<()>>,
    told: Receiver<()>,
}

/// By what a file is known to be the one that was loaded.
type Version = Option<(u64, SystemTime)>;

impl Inspector {
    /// Starts the thread, which sleeps until the first [`Inspector::look`]. It may run where the calling thread may:
    /// to be called before the engine's thread is pinned.
    pub fn start(model: PathBuf, cache: CacheType) -> Self {
        let (ask, asked) = sync_channel::<()>(1);
        let (tell, told) = sync_channel(1);
        let loaded = version(&model);
        let inspect = move || {
            if asked.recv().is_ok() {
                tracing::error!("{}", verdict(&model, loaded, cache));
                let _ = tell.send(());
            }
        };
        let thread = std::thread::Builder::new().name("sysinfer-inspect".into());
        if let Err(error) = thread.spawn(inspect) {
            tracing::warn!(%error, "no thread to look for damaged weights");
        }
        let ask = Some(ask);
        Self { ask, told }
    }

    /// Logs what is wrong with the file, once, as soon as it is known.
    pub fn look(&mut self) {
        let asked = self.ask.take().is_some_and(|ask| ask.send(()).is_ok());
        if asked {
            let _ = self.told.recv_timeout(PATIENCE);
        }
    }
}

fn version(model: &Path) -> Version {
    let metadata = std::fs::metadata(model).ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}

/// Where values that are not finite come from, in one line.
fn verdict(model: &Path, loaded: Version, cache: CacheType) -> String {
    let name = model.display();
    if version(model) != loaded {
        return format!(
            "logits are not finite; {name} is not the file any more that was loaded, so the weight that \
             they come from is not known; restart the server to load what is there now"
        );
    }
    let remedy = match cache {
        CacheType::F32 => "use another conversion of the model",
        _ => "try --cache-type f32, or another conversion of the model",
    };
    match ModelFile::open(model) {
        Err(error) => format!("logits are not finite, and weights cannot be looked at: {error}"),
        Ok(file) => match damaged_tensors(&file, 1, &mut |_| {}).first() {
            Some(damage) => format!(
                "logits are not finite because of {name}: {damage}; the file is damaged: fetch it again, or \
                 convert the model again"
            ),
            None => format!(
                "logits are not finite, but all weights of {name} are: values overflow in the computation or \
                 in the {} cache; {remedy}",
                cache.name()
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_replaced_is_not_blamed() {
        // Any file that is no model will do.
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let loaded = version(&path);
        let unreadable = verdict(&path, loaded, CacheType::F16);
        assert!(unreadable.contains("cannot be looked at"), "{unreadable}");
        let shorter = loaded.map(|(bytes, modified)| (bytes - 1, modified));
        for (path, loaded) in [(&path, shorter), (&path.join("gone"), loaded)] {
            let replaced = verdict(path, loaded, CacheType::F16);
            assert!(replaced.contains("not the file any more"), "{replaced}");
        }
    }
}
