//! What the tests share: stores that outlive an application, faults on demand, and waiting without sleeping blindly.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use annals::Annals;
use annals::app::{Builder, StartError};
use annals::store::{MemoryStore, SharedStore};
use tempfile::TempDir;
use tokio::time::Instant;

/// Long enough for everything that is to happen; a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// An application of what a test includes and nothing else.
pub(crate) fn app() -> Builder {
    Annals::builder().without_discovery().processors(|config| {
        config.pause = Duration::from_millis(5);
        config.longest_pause = Duration::from_millis(20);
        config.poll = Duration::from_millis(25);
    })
}

/// A store that outlives the application: a file, a database on a server, or memory that the test holds on to.
pub(crate) enum Lasting {
    Memory(SharedStore),
    File(TempDir),
    #[cfg(feature = "servers")]
    Server(annals_tests::servers::Server, tokio::sync::OnceCell<String>),
}

impl Lasting {
    /// One of each kind that there is.
    pub(crate) fn each() -> Vec<Self> {
        let embedded = vec![Self::Memory(Arc::new(MemoryStore::new())), Self::file()];
        #[cfg(feature = "servers")]
        let embedded = {
            let servers = annals_tests::servers::Server::ALL.map(|server| Self::Server(server, Default::default()));
            embedded.into_iter().chain(servers).collect()
        };
        embedded
    }

    pub(crate) fn file() -> Self {
        Self::File(tempfile::tempdir().unwrap())
    }

    /// Starts `builder` on this store.
    pub(crate) async fn start(&self, builder: Builder) -> Annals {
        self.try_start(builder).await.unwrap()
    }

    /// Starts `builder` on this store, if it can be started.
    pub(crate) async fn try_start(&self, builder: Builder) -> Result<Annals, StartError> {
        match self {
            Self::Memory(store) => builder.opened_store(Arc::clone(store)),
            Self::File(_) => builder.store(self.url()),
            #[cfg(feature = "servers")]
            Self::Server(server, url) => builder.store(url.get_or_init(|| server.fresh_database()).await.clone()),
        }
        .start()
        .await
    }

    /// The address of the file.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Memory(_) => "memory:".to_owned(),
            #[cfg(feature = "servers")]
            Self::Server(_, url) => url.get().cloned().unwrap_or_default(),
            Self::File(directory) => format!("sqlite://{}", directory.path().join("flow.db").display()),
        }
    }
}

/// Failures on demand: how often the handling of what is named is still to fail.
#[derive(Clone, Default)]
pub(crate) struct Faults(Arc<Mutex<HashMap<String, u32>>>);

impl Faults {
    /// Has the next `times` attempts at `what` fail.
    pub(crate) fn fail(&self, what: impl Into<String>, times: u32) {
        self.0.lock().unwrap().insert(what.into(), times);
    }

    /// Has `what` succeed from now on.
    pub(crate) fn heal(&self, what: &str) {
        self.0.lock().unwrap().remove(what);
    }

    /// Whether this attempt at `what` is to fail.
    pub(crate) fn strike(&self, what: &str) -> bool {
        let mut faults = self.0.lock().unwrap();
        match faults.get_mut(what) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }
}

/// Looks again and again until `probe` finds something.
pub(crate) async fn eventually<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: it has not happened");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Numbers that look random and can be had again: xorshift64*.
///
/// Source: S. Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled".
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// A seed that differs from run to run; print it.
    pub(crate) fn any_seed() -> u64 {
        annals::CommandId::new().uuid().as_u64_pair().1
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }
}
