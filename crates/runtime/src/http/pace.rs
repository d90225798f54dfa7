//! Disconnects clients that read too slowly: a client must read a number of bytes within a time
//! limit.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// Number of bytes that a client must read within the time limit.
pub(super) const PACE: usize = 64 * 1024;

/// A stream whose reader must read [`PACE`] bytes within `limit` while the server waits for it.
/// Without a limit the reader may take any time.
pub(super) struct Paced<S> {
    stream: S,
    limit: Option<Duration>,
    /// Timer that runs while data waits to be read, with the number of bytes read since it was set.
    waiting: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<S> Paced<S> {
    pub fn new(stream: S, limit: Option<Duration>) -> Self {
        Self { stream, limit, waiting: None }
    }

    fn pace(&mut self, cx: &mut Context<'_>, wrote: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let Some(limit) = self.limit else { return wrote };
        match wrote {
            Poll::Ready(Ok(bytes)) => {
                if let Some((clock, read)) = &mut self.waiting {
                    *read += bytes;
                    if *read >= PACE {
                        clock.as_mut().reset(Instant::now() + limit);
                        *read = 0;
                    }
                }
                Poll::Ready(Ok(bytes))
            }
            Poll::Pending => {
                let (clock, _) = self.waiting.get_or_insert_with(|| (Box::pin(sleep(limit)), 0));
                ready!(clock.as_mut().poll(cx));
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read its answer")))
            }
            other => other,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.pace(cx, wrote)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if let Poll::Ready(Ok(())) = flushed {
            self.waiting = None;
            return flushed;
        }
        let paced = self.pace(cx, flushed.map_ok(|()| 0));
        paced.map_ok(drop)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        let paced = self.pace(cx, shut.map_ok(|()| 0));
        paced.map_ok(drop)
    }
}
