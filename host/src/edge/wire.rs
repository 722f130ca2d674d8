//! The stream below hyper: watches the framing of what comes in, does not wait
//! for ever to get rid of what goes out, and lets a refusal arrive.

use super::framing::Framing;
use super::limited::Limit;
use super::presence::Presence;
use super::refusal;
use crate::limits;
use bytes::Bytes;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A connection's stream.
pub(crate) struct Wire<S> {
    stream: S,
    /// Read and watched already, and to be read again.
    unread: Bytes,
    framing: Framing,
    presence: Arc<Presence>,
    write_time: Duration,
    /// Runs out when the peer has taken nothing for that long.
    stalled: Option<Pin<Box<Sleep>>>,
    instead: Option<Instead>,
    farewell: Farewell,
}

/// Bytes that are written in the place of others.
struct Instead {
    bytes: Vec<u8>,
    written: usize,
    /// How many bytes they stand for.
    stand_for: usize,
}

/// Closing a socket with bytes in it that nobody has read resets the connection,
/// and the peer may lose an answer it has not read yet. So after a refusal what
/// still comes is thrown away, for a while.
enum Farewell {
    NotYet,
    Said {
        until: Pin<Box<Sleep>>,
        bytes: usize,
    },
    Over,
}

impl<S> Wire<S> {
    pub(crate) fn new(stream: S, presence: Arc<Presence>) -> Wire<S> {
        Wire {
            stream,
            unread: Bytes::new(),
            framing: Framing::default(),
            presence,
            write_time: limits::WRITE_TIME,
            stalled: None,
            instead: None,
            farewell: Farewell::NotYet,
        }
    }

    /// Lets bytes that were read be read again.
    pub(crate) fn unread(&mut self, bytes: Bytes) {
        self.unread = bytes;
    }

    /// What came of a write: progress ends a stall, no progress may be the end.
    fn progress<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            if self.stalled.is_some() {
                self.stalled = None;
                self.presence.set_stuck(false);
            }
            return written;
        }
        let write_time = self.write_time;
        let presence = &self.presence;
        let stalled = self.stalled.get_or_insert_with(|| {
            presence.set_stuck(true);
            Box::pin(sleep(write_time))
        });
        ready!(stalled.as_mut().poll(context));
        self.presence.limited.count(Limit::AnswerTime);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.unread.is_empty() {
            let piece = this.unread.len().min(buffer.remaining());
            buffer.put_slice(&this.unread.split_to(piece));
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        if read.is_ready() {
            let arrived = buffer.filled().get(before..).unwrap_or_default();
            this.framing.take(arrived);
            if let Some(fault) = this.framing.fault() {
                this.presence.set_fault(fault);
            }
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> Wire<S> {
    /// Writes all of what stands for other bytes.
    fn poll_instead(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        while let Some(instead) = &mut self.instead {
            let left = instead.bytes.get(instead.written..).unwrap_or_default();
            if left.is_empty() {
                let stand_for = instead.stand_for;
                self.instead = None;
                return Poll::Ready(Ok(stand_for));
            }
            let written = Pin::new(&mut self.stream).poll_write(context, left);
            let written = ready!(self.progress(context, written))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            if let Some(instead) = &mut self.instead {
                instead.written += written;
            }
        }
        Poll::Ready(Ok(0))
    }

    /// Takes note if these bytes are to be written as others.
    fn look_at(&mut self, bytes: &[u8]) {
        if let Some((instead, limit)) = refusal::instead(bytes) {
            self.presence.limited.count(limit);
            self.presence.set_refused();
            self.instead = Some(Instead {
                bytes: instead,
                written: 0,
                stand_for: bytes.len(),
            });
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.instead.is_none() {
            this.look_at(bytes);
        }
        if this.instead.is_some() {
            return this.poll_instead(context);
        }
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.progress(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.instead.is_none()
            && let [only] = bytes
        {
            this.look_at(only);
        }
        if this.instead.is_some() {
            return this.poll_instead(context);
        }
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, bytes);
        this.progress(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let flushed = Pin::new(&mut this.stream).poll_flush(context);
        this.progress(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Farewell::NotYet = this.farewell {
            let shut = Pin::new(&mut this.stream).poll_shutdown(context);
            ready!(this.progress(context, shut))?;
            this.farewell = if this.presence.is_refused() {
                Farewell::Said {
                    until: Box::pin(sleep(limits::FAREWELL_TIME)),
                    bytes: limits::FAREWELL_BYTES,
                }
            } else {
                Farewell::Over
            };
        }
        this.throw_away(context).map(Ok)
    }
}

impl<S: AsyncRead + Unpin> Wire<S> {
    /// Reads what nobody wants until the peer has closed, too much has come or
    /// too much time gone by.
    fn throw_away(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while let Farewell::Said { until, bytes } = &mut self.farewell {
            let mut thrown = [0; 4096];
            let mut buffer = ReadBuf::new(&mut thrown);
            let read = Pin::new(&mut self.stream).poll_read(context, &mut buffer);
            let came = buffer.filled().len();
            match read {
                Poll::Pending => {
                    ready!(until.as_mut().poll(context));
                    self.farewell = Farewell::Over;
                }
                Poll::Ready(Ok(())) if came > 0 && came <= *bytes => *bytes -= came,
                Poll::Ready(_) => self.farewell = Farewell::Over,
            }
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::fault::Fault;
    use super::*;
    use std::time::Instant;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    fn wire(room: usize) -> (Wire<tokio::io::DuplexStream>, tokio::io::DuplexStream) {
        let (near, far) = duplex(room);
        let wire = Wire::new(near, Presence::new(Instant::now(), Arc::default()));
        (wire, far)
    }

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            // What waits for ever fails.
            .block_on(async { tokio::time::timeout(Duration::from_secs(20), test).await })
            .unwrap();
    }

    #[test]
    fn a_fault_of_the_second_head_spares_the_first() {
        run(async {
            let (mut wire, mut far) = wire(1 << 10);
            let heads = "GET / HTTP/1.1\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 1\r\n\
                         Content-Length: 1\r\n\r\n";
            far.write_all(heads.as_bytes()).await.unwrap();
            wire.read_exact(&mut vec![0; heads.len()]).await.unwrap();
            let now = Instant::now();
            let [first, second] = [(); 2].map(|()| wire.presence.begin(now));
            assert_eq!(
                (first.fault(), second.fault()),
                (None, Some(Fault::LengthTwice))
            );
        });
    }

    #[test]
    fn a_peer_that_reads_nothing_is_given_up_and_one_that_reads_slowly_is_not() {
        run(async {
            let (mut wire, mut far) = wire(8);
            wire.write_time = Duration::from_millis(200);
            let slow = async {
                for _ in 0..8 {
                    sleep(Duration::from_millis(50)).await;
                    far.read_exact(&mut [0; 8]).await.unwrap();
                }
                far
            };
            let (written, _far) = tokio::join!(wire.write_all(&[b'a'; 64]), slow);
            written.unwrap();
            let error = wire.write_all(&[b'a'; 64]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert_eq!(wire.presence.limited.get(Limit::AnswerTime), 1);
        });
    }

    #[test]
    fn after_a_refusal_the_rest_is_thrown_away_for_a_while() {
        run(async {
            let (mut wire, mut far) = wire(1 << 10);
            wire.presence.set_refused();
            let talker = async {
                // More than fits: it would be stuck if nobody read it.
                far.write_all(&[b'x'; 5 << 10]).await.unwrap();
                far
            };
            let (shut, _far) = tokio::join!(wire.shutdown(), talker);
            shut.unwrap();
        });
    }

    #[test]
    fn a_bare_refusal_is_written_as_a_document_whatever_room_there_is() {
        for room in [7, 1 << 12] {
            run(async move {
                let (mut wire, mut far) = wire(room);
                let bare = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\
                            date: Thu, 26 Nov 2026 03:20:09 GMT\r\n\r\n";
                let writing = async {
                    wire.write_all(bare.as_bytes()).await.unwrap();
                    wire.presence.limited.get(Limit::Head)
                };
                let reading = async {
                    let mut answer = String::new();
                    let mut byte = [0];
                    while !answer.ends_with('}') {
                        far.read_exact(&mut byte).await.unwrap();
                        answer.push(byte[0].into());
                    }
                    answer
                };
                let (counted, answer) = tokio::join!(writing, reading);
                assert_eq!(counted, 1);
                assert!(answer.contains("\"reason\":\"malformed\""), "{answer}");
            });
        }
    }
}
