//! Correlation over what a handler sends by itself.

use std::sync::Arc;

use async_trait::async_trait;

use crate::command::interceptor::{CommandInterceptor, Next};
use crate::command::message::{CommandMessage, CommandResult};
use crate::message::Metadata;

tokio::task_local! {
    static CARRIED: Metadata;
}

/// Copies chosen metadata from the command that is being handled to every command that is sent meanwhile in the same task,
/// where the sender has not set it.
///
/// A [`Gateway`](crate::Gateway) that a handler takes as a parameter carries all metadata on by itself, with correlation and
/// causation. This is for whatever is sent otherwise: by an interceptor, or by a component that keeps a gateway of its own.
/// It stands around dispatch.
///
/// ```
/// use annals::Annals;
/// use annals::Metadata;
/// use annals::command::interceptors::Correlate;
///
/// let builder = Annals::builder().dispatch_interceptor(Correlate::keys([Metadata::CORRELATION_ID, "user"]));
/// ```
#[derive(Debug, Clone)]
pub struct Correlate {
    keys: Arc<[String]>,
}

impl Correlate {
    /// Copies what stands under these keys.
    #[must_use]
    pub fn keys<K: Into<String>>(keys: impl IntoIterator<Item = K>) -> Self {
        Self { keys: keys.into_iter().map(Into::into).collect() }
    }

    /// What `metadata` has under the keys, on top of what was carried here.
    fn carried(&self, metadata: &Metadata) -> Metadata {
        let mut carried = CARRIED.try_with(Clone::clone).unwrap_or_default();
        for key in &*self.keys {
            if let Some(value) = metadata.get(key) {
                carried.insert(key, value);
            }
        }
        carried
    }
}

#[async_trait]
impl CommandInterceptor for Correlate {
    async fn intercept(&self, mut command: CommandMessage, next: Next<'_>) -> CommandResult {
        let own_id = command.id.to_string();
        let _ = CARRIED.try_with(|carried| {
            for key in &*self.keys {
                // A command that nobody correlated has got its own id as correlation id.
                let unset = match command.metadata.get(key) {
                    None => true,
                    Some(value) => key == Metadata::CORRELATION_ID && value == own_id,
                };
                if let (true, Some(value)) = (unset, carried.get(key)) {
                    command.metadata.insert(key, value);
                }
            }
        });
        CARRIED.scope(self.carried(&command.metadata), next.run(command)).await
    }
}
