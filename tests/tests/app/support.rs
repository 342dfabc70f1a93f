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
    address: Address,
}

enum Address {
    Memory(SharedStore),
    File(tempfile::TempDir),
    #[cfg(feature = "servers")]
    Server(String),
}

impl Place {
    /// The file of the database; `None` elsewhere.
    pub fn file(&self) -> Option<std::path::PathBuf> {
        match &self.address {
            Address::File(directory) => Some(directory.path().join("annals.db")),
            _ => None,
        }
    }

    fn is_embedded(&self) -> bool {
        matches!(self.address, Address::Memory(_) | Address::File(_))
    }

    /// What kind of store it is.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The address of the database; `None` in memory.
    pub fn url(&self) -> Option<String> {
        match &self.address {
            Address::Memory(_) => None,
            Address::File(directory) => Some(format!("sqlite://{}", directory.path().join("annals.db").display())),
            #[cfg(feature = "servers")]
            Address::Server(url) => Some(url.clone()),
        }
    }

    /// Another handle on the same events.
    pub async fn node(&self) -> SharedStore {
        match (&self.address, self.url()) {
            (Address::Memory(store), _) => store.clone(),
            (_, url) => annals::store::open(&url.unwrap()).await.unwrap(),
        }
    }

    /// An application on another handle, with nothing but what `declare` includes.
    pub async fn start(&self, declare: impl FnOnce(Builder) -> Builder) -> Annals {
        let builder = Annals::builder().without_discovery().opened_store(self.node().await);
        declare(builder).start().await.unwrap()
    }
}

/// Memory, a SQLite file, and a database on each server that there is.
pub async fn places() -> Vec<Place> {
    let memory = Address::Memory(annals::store::open("memory:").await.unwrap());
    let file = Address::File(tempfile::tempdir().unwrap());
    let places = vec![Place { kind: "memory", address: memory }, Place { kind: "sqlite", address: file }];
    #[cfg(feature = "servers")]
    let places = with_servers(places).await;
    places
}

#[cfg(feature = "servers")]
async fn with_servers(mut places: Vec<Place>) -> Vec<Place> {
    use annals_tests::servers::Server;
    for (kind, server) in [("postgres", Server::Postgres), ("mysql", Server::MySql)] {
        places.push(Place { kind, address: Address::Server(server.fresh_database().await) });
    }
    places
}

/// Runs `case` in memory and on a SQLite file.
pub async fn in_each_place(case: impl AsyncFn(&Place)) {
    for place in places().await {
        // Shown only if the case fails.
        println!("in the place `{}`", place.kind);
        case(&place).await;
    }
}

/// Runs `case` in the places where appends wait for an open transaction, so that a test can hold them up.
pub async fn in_each_embedded_place(case: impl AsyncFn(&Place)) {
    for place in places().await.into_iter().filter(|place| place.is_embedded()) {
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

/// Fails when `text` lacks one of `parts`.
#[track_caller]
pub fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}
