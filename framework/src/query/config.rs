//! Settings of queries.

use std::time::Duration;

/// Settings of queries: `Annals::builder().queries(|config| ..)`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct QueryConfig {
    /// How long `app.query_all(..)` waits for handlers unless `.within(..)` says otherwise. Default 5 s.
    pub gather_time: Duration,
    /// How many emitted updates wait for a subscriber before it overflows, unless `.buffer(..)` says otherwise. At least 1;
    /// default 256. More takes memory while a subscriber is slow; less ends it earlier.
    pub buffer: usize,
    /// How often changes of views that another process has made are looked for while somebody is subscribed. Default
    /// 500 ms. On PostgreSQL an append of another node also wakes at once.
    pub poll: Duration,
    /// Names the build of the program, such as its version or commit, as part of every
    /// [`ETag`](crate::query::ETag). With it tags outlive a restart and hold on all nodes of the same build; a build that
    /// may answer otherwise needs another name. Default: none, and tags hold inside the process that gave them.
    pub build: Option<String>,
}

impl Default for QueryConfig {
    fn default() -> Self {
        Self { gather_time: Duration::from_secs(5), buffer: 256, poll: Duration::from_millis(500), build: None }
    }
}
