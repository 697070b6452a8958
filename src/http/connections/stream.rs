//! An answer that lasts. hyper sends its head and how it begins; the rest is sent without hyper, which keeps two buffers of
//! 8 KiB for as long as it has the connection.

use std::convert::Infallible;
use std::future::pending;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use async_graphql::futures_util::stream::{BoxStream, Stream, StreamExt};
use axum::body::{Body, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Marks the answer whose body lasts as long as its stream, and shares the pieces with that body.
#[derive(Clone)]
pub(in crate::http) struct Streaming(Arc<Mutex<Lent>>);

struct Lent {
    /// `None` once the last is taken, or once the rest is sent without hyper.
    pieces: Option<BoxStream<'static, Bytes>>,
    progress: Progress,
}

/// How far hyper is with what it has taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    NotBegun,
    Buffered,
    Written,
}

impl Streaming {
    /// The body of an answer that consists of these pieces, none of which is empty, with the mark for that answer.
    pub(in crate::http) fn new(pieces: impl Stream<Item = Bytes> + Send + 'static) -> (Self, Body) {
        let lent = Lent { pieces: Some(Box::pin(pieces)), progress: Progress::NotBegun };
        let streaming = Self(Arc::new(Mutex::new(lent)));
        (streaming.clone(), Body::from_stream(streaming))
    }

    fn lock(&self) -> MutexGuard<'_, Lent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The socket has taken all that hyper had for it.
    pub(super) fn flushed(&self) {
        let mut lent = self.lock();
        if lent.progress == Progress::Buffered {
            lent.progress = Progress::Written;
        }
    }

    /// The pieces that hyper has not taken, once it has written those that it has.
    pub(super) fn take_rest(&self) -> Option<BoxStream<'static, Bytes>> {
        let mut lent = self.lock();
        if lent.progress == Progress::Written { lent.pieces.take() } else { None }
    }
}

impl Stream for Streaming {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut lent = self.lock();
        let Some(pieces) = &mut lent.pieces else { return Poll::Ready(None) };
        let piece = ready!(pieces.as_mut().poll_next(context));
        match &piece {
            Some(_) => lent.progress = Progress::Buffered,
            None => lent.pieces = None,
        }
        Poll::Ready(piece.map(Ok))
    }
}

/// The rest of an answer in chunks (RFC 9112, section 7.1), with the socket that takes it.
pub(super) struct Rest<S> {
    pub(super) socket: S,
    pub(super) pieces: BoxStream<'static, Bytes>,
    /// Whether the client has sent nothing behind its request. What it sends there is not for us, and not read on.
    pub(super) is_quiet: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Rest<S> {
    /// Sends it until it ends, or until the client has gone.
    pub(super) async fn send(mut self) {
        loop {
            let piece = tokio::select! {
                piece = self.pieces.next() => piece,
                () = gone(&mut self.socket, &mut self.is_quiet) => return,
            };
            // The chunk without a byte is the last one.
            let chunk = chunk(piece.as_deref().unwrap_or_default());
            if self.socket.write_all(&chunk).await.is_err() || self.socket.flush().await.is_err() {
                return;
            }
            if piece.is_none() {
                let _ = self.socket.shutdown().await;
                return;
            }
        }
    }
}

/// Returns when the client has closed its side, or is away.
async fn gone(socket: &mut (impl AsyncRead + Unpin), is_quiet: &mut bool) {
    if *is_quiet && !matches!(socket.read(&mut [0; 1]).await, Ok(1)) {
        return;
    }
    *is_quiet = false;
    pending::<()>().await;
}

fn chunk(piece: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()
}

#[cfg(test)]
mod tests;
