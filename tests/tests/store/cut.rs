//! A way to a server that loses answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes connections on to a server.
pub(super) struct Cut {
    url: String,
    shared: Arc<Shared>,
    listener: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    swallow: AtomicBool,
    /// How many questions on, counted from 1, one gets no answer; 0 for none.
    question: AtomicU64,
    swallowed: AtomicU64,
    refuse: watch::Sender<bool>,
}

impl Shared {
    /// A question is about to be passed on.
    fn note_question(&self) {
        let count = |left: u64| left.checked_sub(1);
        if self.question.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count) == Ok(1) {
            self.swallow.store(true, Ordering::SeqCst);
        }
    }
}

impl Cut {
    /// A way to the server at `url`, which has a TCP port in it.
    pub(super) async fn before(url: &str) -> Self {
        let rest = url.split_once("@").map_or(url, |(_, rest)| rest);
        let port = rest.split(['/', '?']).next().unwrap().rsplit(':').next().unwrap().to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let (server, of_listener) = (port.parse().unwrap(), Arc::clone(&shared));
        let listener = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if !*of_listener.refuse.borrow() {
                    tokio::spawn(pass_on(client, server, Arc::clone(&of_listener)));
                }
            }
        });
        Self { url: url.replace(&format!(":{port}"), &format!(":{own}")), shared, listener }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The next answer of the server cuts its connection in place of being passed on.
    pub(super) fn swallow_answers(&self) {
        self.shared.swallow.store(true, Ordering::SeqCst);
    }

    /// The answer to the question of this number, the next one being the first, cuts its connection; 0 takes that back.
    pub(super) fn swallow_answer_to(&self, number: u64) {
        self.shared.question.store(number, Ordering::SeqCst);
    }

    /// How many answers were swallowed.
    pub(super) fn swallowed(&self) -> u64 {
        self.shared.swallowed.load(Ordering::SeqCst)
    }

    /// Cuts every connection and takes no more.
    pub(super) fn refuse(&self) {
        self.shared.refuse.send_replace(true);
    }

    pub(super) fn accept(&self) {
        self.shared.refuse.send_replace(false);
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn pass_on(mut client: TcpStream, port: u16, shared: Arc<Shared>) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let mut refuse = shared.refuse.subscribe();
    let (mut question, mut answer) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            // In this order: nothing passes any more once it refuses.
            biased;
            () = refused(&mut refuse) => return,
            read = client.read(&mut question) => match read {
                Ok(0) | Err(_) => return,
                Ok(length) => {
                    shared.note_question();
                    if server.write_all(&question[..length]).await.is_err() { return }
                }
            },
            read = server.read(&mut answer) => match read {
                Ok(0) | Err(_) => return,
                Ok(_) if shared.swallow.swap(false, Ordering::SeqCst) => {
                    shared.swallowed.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                Ok(length) => if client.write_all(&answer[..length]).await.is_err() { return },
            },
        }
    }
}

async fn refused(refuse: &mut watch::Receiver<bool>) {
    let _ = refuse.wait_for(|refuse| *refuse).await;
}
