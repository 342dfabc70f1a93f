//! Puts an application together.

use std::any::TypeId;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::command::{CommandConfig, CommandInterceptor, Gateway};
use crate::handler::{HandlerError, Resources};
use crate::message::{Clock, Codec, Payloads, SystemClock};
use crate::processor::{EventComponent, ProcessorConfig, Processors, catch_up};
use crate::registry::{Built, Ingredients, Registrar, Registration, Surroundings};
use crate::store::{Journal, SharedStore};
use crate::view::ViewAccess;

use super::{Annals, Inner, StartError};

/// How often records of commands are looked through for old ones.
const CLEANING: Duration = Duration::from_secs(3600);

/// Puts an application together. Without other words it discovers everything that is annotated in the linked crates.
///
/// ```standalone_crate
/// use annals::Annals;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> annals::Result<()> {
/// let app = Annals::builder().store("memory:").resource(String::from("EUR")).start().await?;
/// app.shutdown().await
/// # }
/// ```
#[must_use]
pub struct Builder {
    store: Option<Source>,
    tenant: String,
    clock: Arc<dyn Clock>,
    payloads: Payloads,
    resources: Resources,
    discover: bool,
    included: Vec<TypeId>,
    declared: Vec<Declaration>,
    dispatching: Vec<Arc<dyn CommandInterceptor>>,
    handling: Vec<Arc<dyn CommandInterceptor>>,
    commands: CommandConfig,
    processors: ProcessorConfig,
}

type Declaration = Box<dyn FnOnce(&mut Registrar) + Send>;

enum Source {
    Url(String),
    Store(SharedStore),
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            store: None,
            tenant: String::new(),
            clock: Arc::new(SystemClock),
            payloads: Payloads::json(),
            resources: Resources::default(),
            discover: true,
            included: Vec::new(),
            declared: Vec::new(),
            dispatching: Vec::new(),
            handling: Vec::new(),
            commands: CommandConfig::default(),
            processors: ProcessorConfig::default(),
        }
    }
}

impl Builder {
    /// Keeps everything in the store at `url`; see [`crate::store::open`] for the addresses.
    pub fn store(mut self, url: impl Into<String>) -> Self {
        self.store = Some(Source::Url(url.into()));
        self
    }

    /// Keeps everything in a store that is open already, and leaves it open: whoever opened it closes it.
    pub fn opened_store(mut self, store: SharedStore) -> Self {
        self.store = Some(Source::Store(store));
        self
    }

    /// Reads and writes the data of this tenant. Default: the empty text, for an application with one.
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = tenant.into();
        self
    }

    /// Takes the time from this clock. Default: the machine's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Writes payloads with this codec. Default: JSON. A store is read with the codec that wrote it.
    pub fn codec(mut self, codec: impl Codec) -> Self {
        self.payloads = Payloads::with(Arc::new(codec));
        self
    }

    /// Gives handlers a value that they ask for by its type.
    pub fn resource<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.resources.insert(value);
        self
    }

    /// Takes nothing from what is annotated but what [`Builder::include`] names.
    pub fn without_discovery(mut self) -> Self {
        self.discover = false;
        self
    }

    /// Takes what is annotated on the type `T`: the struct and its handler blocks.
    pub fn include<T: 'static>(mut self) -> Self {
        self.included.push(TypeId::of::<T>());
        self
    }

    /// Declares things by hand.
    ///
    /// ```
    /// use annals::Annals;
    /// use annals::prelude::*;
    /// use annals::registry::Location;
    ///
    /// # #[derive(Event, Serialize, Deserialize)] #[event(name = "t.happened")] struct Happened {}
    /// let builder = Annals::builder().declare(|registrar| registrar.event::<Happened>(Location::here()));
    /// ```
    pub fn declare(mut self, declare: impl FnOnce(&mut Registrar) + Send + 'static) -> Self {
        self.declared.push(Box::new(declare));
        self
    }

    /// Runs `interceptor` around the dispatch of every command, after those added before it.
    pub fn dispatch_interceptor(mut self, interceptor: impl CommandInterceptor) -> Self {
        self.dispatching.push(Arc::new(interceptor));
        self
    }

    /// Runs `interceptor` around the handling of every command, inside its lane, after those added before it.
    pub fn handler_interceptor(mut self, interceptor: impl CommandInterceptor) -> Self {
        self.handling.push(Arc::new(interceptor));
        self
    }

    /// Changes the settings of the command side.
    pub fn commands(mut self, change: impl FnOnce(&mut CommandConfig)) -> Self {
        change(&mut self.commands);
        self
    }

    /// Changes the settings of the processors.
    pub fn processors(mut self, change: impl FnOnce(&mut ProcessorConfig)) -> Self {
        change(&mut self.processors);
        self
    }

    /// Opens the store, checks everything that is declared, and starts the processors.
    ///
    /// # Errors
    /// [`StartError::Problems`] with all that is wrong at once, or why the store could not be opened.
    pub async fn start(mut self) -> Result<Annals, StartError> {
        let (store, owned) = match self.store.take().ok_or(StartError::NoStore)? {
            Source::Store(store) => (store, false),
            Source::Url(url) => (crate::store::open(&url).await?, true),
        };
        match self.start_on(Arc::clone(&store), owned).await {
            Ok(app) => Ok(app),
            Err(error) => {
                if owned {
                    store.close().await;
                }
                Err(error)
            }
        }
    }

    async fn start_on(self, store: SharedStore, owns_store: bool) -> Result<Annals, StartError> {
        let mut registrar = Registrar::default();
        Registration::collect(&mut registrar, if self.discover { None } else { Some(&self.included) });
        for declare in self.declared {
            declare(&mut registrar);
        }
        registrar.sort();
        let mut resources = self.resources;
        resources.add_missing(store.resources());
        let gateway = Gateway::unconnected();
        resources.insert(gateway.clone());
        let surroundings =
            Surroundings { resources: &resources, transaction: store.transaction_type(), store: &store.address() };
        let upcasters = registrar.check(&surroundings).map_err(StartError::Problems)?;
        registrar.add_defaults(&mut resources);
        let journal = Journal::new(Arc::clone(&store), upcasters, self.payloads, Arc::clone(&self.clock), self.tenant);
        let processors = Processors::new(journal.clone(), registrar.processor_names());
        let views = ViewAccess {
            journal: journal.clone(),
            processors: processors.clone(),
            resources: Arc::new(OnceLock::new()),
        };
        resources.insert(views.clone());
        let resources = Arc::new(resources);
        // Only start-up sets it, and only once.
        let _ = views.resources.set(Arc::downgrade(&resources));
        let stop = CancellationToken::new();
        let remembered = self.commands.remembered;
        let processor_config = Arc::new(self.processors);
        let Built { commands, queries, inline, components, tasks } = registrar.build(&Ingredients {
            journal: journal.clone(),
            clock: self.clock,
            resources: Arc::clone(&resources),
            processors: processors.clone(),
            command_config: Arc::new(self.commands),
            processor_config: Arc::clone(&processor_config),
            dispatching: self.dispatching,
            handling: self.handling,
            stop: stop.clone(),
        });
        for component in components {
            set_up(&journal, &*component).await?;
        }
        for (view, component) in inline {
            let brought_up = catch_up(&journal, &view, &component, &processor_config).await;
            brought_up.map_err(|error| StartError::InlineView { view, source: error.into_source() })?;
        }
        gateway.connect(&commands);
        registrar.log(&store.address());
        let tracker = TaskTracker::new();
        for task in tasks {
            tracker.spawn(task);
        }
        tracker.spawn(forget_commands(journal.clone(), remembered, stop.clone()));
        let sagas = registrar.saga_names();
        let inner = Inner {
            store,
            owns_store,
            journal,
            gateway,
            _commands: commands,
            queries,
            processors,
            views,
            sagas,
            stop,
            tasks: tracker,
        };
        Ok(Annals { inner: Arc::new(inner) })
    }
}

/// Has a component make what it writes to.
async fn set_up(journal: &Journal, component: &dyn EventComponent) -> Result<(), StartError> {
    let failed = |error: HandlerError| StartError::Setup {
        component: component.label().to_owned(),
        source: error.into_source(),
    };
    let mut transaction = journal.store().begin().await.map_err(|error| failed(error.into()))?;
    component.setup(&mut *transaction).await.map_err(failed)?;
    transaction.commit().await.map_err(|error| failed(error.into()))
}

/// Removes the records of commands that are older than the application wants to remember.
async fn forget_commands(journal: Journal, remembered: Duration, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let now = journal.now();
        let micros = i64::try_from(remembered.as_micros()).unwrap_or(i64::MAX);
        let before = crate::Timestamp::from_micros(now.as_micros().saturating_sub(micros));
        match journal.store().forget_commands(before).await {
            Ok(0) => {}
            Ok(count) => tracing::debug!(count, "forgot old commands"),
            Err(error) => tracing::warn!(%error, "old commands could not be forgotten"),
        }
        tokio::select! {
            () = journal.clock().sleep_until(now.plus(CLEANING)) => {}
            () = stop.cancelled() => {}
        }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("discover", &self.discover)
            .field("resources", &self.resources)
            .finish_non_exhaustive()
    }
}
