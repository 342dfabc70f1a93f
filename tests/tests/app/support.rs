//! Places to keep events in, and ways to wait without sleeping.

use std::time::{Duration, Instant};

use annals::Annals;
use annals::app::Builder;
use annals::store::SharedStore;

/// How long a test waits for what must happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Somewhere to keep events. Each [`Place::node`] has a handle of its own on them, as another process would.
pub struct Place {
    kind: &'static str,
    memory: Option<SharedStore>,
    directory: tempfile::TempDir,
}

impl Place {
    /// The file of the database; `None` in memory.
    pub fn file(&self) -> Option<std::path::PathBuf> {
        self.memory.is_none().then(|| self.directory.path().join("annals.db"))
    }

    /// Another handle on the same events.
    pub async fn node(&self) -> SharedStore {
        match (&self.memory, self.file()) {
            (Some(store), _) => store.clone(),
            (None, file) => annals::store::open(&format!("sqlite://{}", file.unwrap().display())).await.unwrap(),
        }
    }

    /// An application on another handle, with nothing but what `declare` includes.
    pub async fn start(&self, declare: impl FnOnce(Builder) -> Builder) -> Annals {
        let builder = Annals::builder().without_discovery().opened_store(self.node().await);
        declare(builder).start().await.unwrap()
    }
}

/// Memory and a SQLite file.
pub async fn places() -> [Place; 2] {
    let place = |kind, memory| Place { kind, memory, directory: tempfile::tempdir().unwrap() };
    [place("memory", Some(annals::store::open("memory:").await.unwrap())), place("sqlite", None)]
}

/// Runs `case` in memory and on a SQLite file.
pub async fn in_each_place(case: impl AsyncFn(&Place)) {
    for place in places().await {
        // Shown only if the case fails.
        println!("in the place `{}`", place.kind);
        case(&place).await;
    }
}

/// Looks again and again until `look` gives something.
#[track_caller]
pub fn eventually<T>(look: impl AsyncFn() -> Option<T>) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        let begun = Instant::now();
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(begun.elapsed() < PATIENCE, "nothing after {PATIENCE:?}, waiting at {caller}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// Polls `future` once: what it waits for is then under way.
pub async fn begin<F: Future + Unpin>(future: &mut F) {
    tokio::select! {
        biased;
        _ = future => panic!("it was to wait"),
        () = std::future::ready(()) => {}
    }
}

/// What a panic of `run` said; fails when it did not panic.
#[track_caller]
pub fn panic_of(run: impl FnOnce()) -> String {
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).expect_err("it was to panic");
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).expect("a panic has a text")
}
