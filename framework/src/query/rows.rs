//! The rows of an answer on their way from the handler to the caller.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;

use super::QueryError;

/// Where the handler of a streaming query writes its rows, as a parameter `rows: &mut Rows<Row>`.
///
/// ```
/// use annals::prelude::*;
/// use annals::query::Rows;
///
/// #[derive(Query)]
/// #[query(name = "number.all", stream = u32)]
/// struct AllNumbers { up_to: u32 }
///
/// struct Numbers;
///
/// #[query_handlers]
/// impl Numbers {
///     #[handle]
///     async fn all(query: AllNumbers, rows: &mut Rows<u32>) -> Result<(), QueryError> {
///         for number in 0..query.up_to {
///             rows.send(number).await;
///         }
///         Ok(())
///     }
/// }
/// ```
pub struct Rows<R>(mpsc::Sender<R>);

impl<R: Send> Rows<R> {
    /// Hands `row` to the caller. Waits until the row before was taken; when the caller has gone away the handler is
    /// cancelled here.
    pub async fn send(&mut self, row: R) {
        // The receiver goes away together with the future that runs the handler.
        let _ = self.0.send(row).await;
    }

    /// Hands over all rows of `stream`, until the first error.
    pub(crate) async fn forward<T: IntoRow<R>>(
        mut self,
        stream: impl Stream<Item = T> + Send,
    ) -> Result<(), QueryError> {
        let mut stream = std::pin::pin!(stream);
        while let Some(row) = stream.next().await {
            self.send(row.into_row()?).await;
        }
        Ok(())
    }
}

impl<R> fmt::Debug for Rows<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rows")
    }
}

/// What the stream of a handler may consist of: rows, or results of them.
#[diagnostic::on_unimplemented(
    message = "the handler's stream gives `{Self}`, but the rows of its query are `{R}`",
    label = "expected a stream of `{R}`, or of `Result<{R}, QueryError>`",
    note = "the rows are stated with the query, as in `#[query(name = \"..\", stream = {R})]`"
)]
pub trait IntoRow<R> {
    /// The row, or why there are no more.
    ///
    /// # Errors
    /// What the handler said.
    fn into_row(self) -> Result<R, QueryError>;
}

impl<R> IntoRow<R> for R {
    fn into_row(self) -> Result<R, QueryError> {
        Ok(self)
    }
}

impl<R, E: Into<QueryError>> IntoRow<R> for Result<R, E> {
    fn into_row(self) -> Result<R, QueryError> {
        self.map_err(Into::into)
    }
}

/// Runs a handler inside the polls of its caller, and gives the rows that it writes: nothing runs ahead by more than a row,
/// and dropping this drops the handler.
pub(super) struct Flowing<R> {
    handler: Option<BoxFuture<'static, Result<(), QueryError>>>,
    rows: mpsc::Receiver<R>,
    /// Comes last.
    failure: Option<QueryError>,
}

impl<R: Send + 'static> Flowing<R> {
    pub(super) fn new(handler: impl FnOnce(Rows<R>) -> BoxFuture<'static, Result<(), QueryError>>) -> Self {
        let (sender, rows) = mpsc::channel(1);
        Self { handler: Some(handler(Rows(sender))), rows, failure: None }
    }
}

impl<R: Send + 'static> Stream for Flowing<R> {
    type Item = Result<R, QueryError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Poll::Ready(Some(row)) = self.rows.poll_recv(context) {
                return Poll::Ready(Some(Ok(row)));
            }
            let Some(handler) = &mut self.handler else {
                return Poll::Ready(self.failure.take().map(Err));
            };
            match handler.as_mut().poll(context) {
                Poll::Ready(ended) => {
                    self.handler = None;
                    self.failure = ended.err();
                }
                Poll::Pending => match self.rows.poll_recv(context) {
                    Poll::Ready(Some(row)) => return Poll::Ready(Some(Ok(row))),
                    _ => return Poll::Pending,
                },
            }
        }
    }
}
