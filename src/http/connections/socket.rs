//! A connection's socket, as hyper reads and writes it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::state::State;

/// The most that is passed on at once. hyper makes a connection's buffer larger once a read has filled it,
/// which is 8 KiB at first, and never smaller while the connection waits.
const READ_MAX: usize = 8 * 1024 - 1;

/// Tells what passes to the state of its connection, and never reads beyond the end of a request:
/// so hyper has no head at hand that the state has not seen by itself.
pub(super) struct Socket<S> {
    stream: S,
    /// Makes the kernel discard what it holds for the client.
    reset: fn(&S),
    state: Arc<State>,
    /// What has been read and belongs to the next request.
    ahead: Bytes,
}

impl<S> Socket<S> {
    pub(super) fn new(stream: S, reset: fn(&S), state: Arc<State>) -> Self {
        Self { stream, reset, state, ahead: Bytes::new() }
    }

    /// Tells whether the socket has taken something.
    fn tell(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(_)) => self.state.wrote(),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.state.block(),
        }
        written
    }
}

impl<S> Drop for Socket<S> {
    fn drop(&mut self) {
        // The rest of the answer will not come, so what the kernel has of it is worth nothing.
        if self.state.is_answering() {
            (self.reset)(&self.stream);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.ahead.is_empty() {
            let offered = into.remaining().min(READ_MAX).min(this.ahead.len());
            let taken = this.state.hear(&this.ahead[..offered]);
            into.put_slice(&this.ahead.split_to(taken));
            return Poll::Ready(Ok(()));
        }
        // Not into zeroes: to write them would take memory for all of hyper's buffer, of which most requests fill little.
        let before = into.filled().len();
        let Poll::Ready(outcome) = Pin::new(&mut this.stream).poll_read(context, into) else {
            this.state.wait();
            return Poll::Pending;
        };
        outcome?;
        let came = &into.filled()[before..];
        if came.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let taken = this.state.hear(&came[..came.len().min(READ_MAX)]);
        if taken < came.len() {
            this.ahead = Bytes::copy_from_slice(&came[taken..]);
        }
        into.set_filled(before + taken);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.tell(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.tell(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.state.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
