//! Blobs over plain TCP, from the page cache into the socket without a copy (sendfile(2)).
//!
//! hyper writes what bodies give it, and bodies give bytes. So the body of a verified blob gives
//! [placeholders](placeholder) of the right length, which nobody ever reads; below hyper, [`Direct`] knows them by
//! their address and sends as much of the blob in their place. The two are joined by the [`Lane`] of the connection.
//!
//! A file may have to come from a slow disk, so the call is made where it may wait.

use std::collections::VecDeque;
use std::future::Future as _;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::fd::{AsFd as _, OwnedFd};
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use hyper::body::Bytes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::store::Blob;

/// The longest placeholder, in bytes: about as much as a socket takes at once.
const LONGEST: usize = 1 << 20;

/// Memory that is never written, read, or backed by any: only its addresses count.
static PLACEHOLDER: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(vec![0; LONGEST]));

/// How many connections send at the same moment; more would only need more threads.
const AT_ONCE: usize = 8;

/// Places for those who send, shared by all connections.
#[derive(Clone)]
pub struct Places(Arc<Semaphore>);

impl Default for Places {
    fn default() -> Self {
        Places(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

/// Stretches of blobs that are to go out over one connection, in order.
#[derive(Clone, Default)]
pub struct Lane {
    stretches: Arc<Mutex<VecDeque<Stretch>>>,
    places: Places,
}

struct Stretch {
    blob: Blob,
    range: Range<u64>,
}

/// The body of an answer that goes out over a [`Lane`].
pub struct DirectBody {
    /// Until it begins.
    waiting: Option<(Lane, Stretch)>,
    left: u64,
}

/// A connection that sends stretches of blobs in place of placeholders.
pub struct Direct {
    stream: TcpStream,
    lane: Lane,
    /// The same socket, for calls that may outlive this.
    socket: Option<Arc<OwnedFd>>,
    sending: Option<JoinHandle<io::Result<usize>>>,
}

impl Lane {
    /// A lane of a new connection.
    pub fn new(places: &Places) -> Lane {
        Lane { stretches: Arc::default(), places: places.clone() }
    }

    fn stretches(&self) -> MutexGuard<'_, VecDeque<Stretch>> {
        self.stretches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What goes out next, at most `length` bytes of it.
    fn next(&self, length: u64) -> Option<(Blob, Range<u64>)> {
        let stretches = self.stretches();
        let Stretch { blob, range } = stretches.front()?;
        Some((blob.clone(), range.start..range.end.min(range.start + length)))
    }

    fn sent(&self, count: u64) {
        let mut stretches = self.stretches();
        if let Some(first) = stretches.front_mut() {
            first.range.start += count;
        }
        if stretches.front().is_some_and(|first| first.range.is_empty()) {
            stretches.pop_front();
        }
    }
}

impl DirectBody {
    /// Sends `range` of a blob that [is verified](Blob::is_verified) and [lies in files](Blob::lies_in_files).
    pub(super) fn new(lane: Lane, blob: Blob, range: Range<u64>) -> DirectBody {
        let left = range.end - range.start;
        DirectBody { waiting: Some((lane, Stretch { blob, range })), left }
    }

    /// How many bytes are still to come.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// The next placeholder.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        if let Some((lane, stretch)) = self.waiting.take() {
            lane.stretches().push_back(stretch);
        }
        let length = self.left.min(LONGEST as u64);
        self.left -= length;
        (length > 0).then(|| PLACEHOLDER.slice(..length as usize))
    }
}

fn is_placeholder(bytes: &[u8]) -> bool {
    PLACEHOLDER.as_ptr_range().contains(&bytes.as_ptr())
}

impl Direct {
    /// Sends over `stream` what comes through `lane`.
    pub fn new(stream: TcpStream, lane: Lane) -> Direct {
        Direct { stream, lane, socket: None, sending: None }
    }

    fn poll_send(&mut self, context: &mut Context<'_>, length: usize) -> Poll<io::Result<usize>> {
        loop {
            if let Some(sending) = &mut self.sending {
                let sent = ready!(Pin::new(sending).poll(context)).map_err(io::Error::other).flatten();
                self.sending = None;
                match sent {
                    // The file became shorter since it was opened.
                    Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                    Ok(count) => {
                        self.lane.sent(count as u64);
                        return Poll::Ready(Ok(count));
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait_for_room(),
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
            ready!(self.stream.poll_write_ready(context))?;
            let next = self.lane.next(length as u64);
            let (blob, range) =
                next.ok_or_else(|| io::Error::other("nothing stands behind a placeholder"))?;
            let socket = self.socket()?;
            let places = self.lane.places.0.clone();
            self.sending = Some(tokio::spawn(async move {
                // There is no end of places.
                let _place = places.acquire().await;
                let sending = tokio::task::spawn_blocking(move || blob.send_file(&*socket, range));
                sending.await.map_err(io::Error::other).flatten()
            }));
        }
    }

    /// Lets the next [`TcpStream::poll_write_ready`] wait, unless there is room by now.
    fn wait_for_room(&self) {
        let _ = self.stream.try_io(Interest::WRITABLE, || {
            let mut sockets = [PollFd::new(&self.stream, PollFlags::OUT)];
            match poll(&mut sockets, Some(&Timespec::default()))? {
                0 => Err(io::ErrorKind::WouldBlock.into()),
                _ => Ok(()),
            }
        });
    }

    fn socket(&mut self) -> io::Result<Arc<OwnedFd>> {
        if let Some(socket) = &self.socket {
            return Ok(socket.clone());
        }
        let socket = Arc::new(self.stream.as_fd().try_clone_to_owned()?);
        self.socket = Some(socket.clone());
        Ok(socket)
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        if let Some(sending) = &self.sending {
            sending.abort();
        }
    }
}

impl AsyncRead for Direct {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Direct {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if is_placeholder(bytes) {
            return self.poll_send(context, bytes.len());
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // The slices up to the first of the other kind.
        let is_direct = slices.first().is_some_and(|first| is_placeholder(first));
        let same = slices.iter().position(|slice| is_placeholder(slice) != is_direct);
        let slices = &slices[..same.unwrap_or(slices.len())];
        if is_direct {
            return self.poll_send(context, slices.iter().map(|slice| slice.len()).sum());
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    // hyper copies what it has to write in one piece, and a placeholder that is copied is none.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::oci::digest::Digest;
    use crate::store::{Content as _, Store};

    async fn connected() -> (Direct, Lane, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let lane = Lane::default();
        (Direct::new(listener.accept().await.unwrap().0, lane.clone()), lane, client)
    }

    fn blob(bytes: &[u8]) -> (tempfile::TempDir, Blob) {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::create(&directory.path().join("store")).unwrap();
        let digest = Digest::of(bytes);
        fs_err::write(store.root().join("blobs/sha256").join(digest.hex()), bytes).unwrap();
        let blob = store.blob(&digest.into()).unwrap().unwrap();
        (directory, blob)
    }

    /// Writes a body as hyper does.
    async fn write(direct: &mut Direct, mut body: DirectBody) -> io::Result<()> {
        while let Some(bytes) = body.next() {
            direct.write_all(&bytes).await?;
        }
        Ok(())
    }

    #[tokio::test]
    async fn blobs_go_out_in_order_between_other_bytes() {
        let bytes: Vec<u8> = (0..5_000_000_u32).map(|number| (number % 251) as u8).collect();
        let (_directory, blob) = blob(&bytes);
        let (mut direct, lane, mut client) = connected().await;
        let body = |range| DirectBody::new(lane.clone(), blob.clone(), range);
        let (first, second) = (body(0..5_000_000), body(7..9));
        let sending = async {
            direct.write_all(b"head").await.unwrap();
            write(&mut direct, first).await.unwrap();
            let placeholder = PLACEHOLDER.slice(..2);
            let _pushed = { second }.next();
            let slices = [IoSlice::new(b"next"), IoSlice::new(&placeholder), IoSlice::new(b"end")];
            assert_eq!(direct.write_vectored(&slices).await.unwrap(), 4, "one kind at a time");
            assert_eq!(direct.write_vectored(&slices[1..]).await.unwrap(), 2);
            direct.write_all(b"end").await.unwrap();
            direct.shutdown().await.unwrap();
        };
        let mut received = Vec::new();
        let (_, read) = tokio::join!(sending, client.read_to_end(&mut received));
        read.unwrap();
        let expected = [b"head", &bytes[..], b"next", &bytes[7..9], b"end"].concat();
        assert!(received == expected);
        assert!(lane.stretches().is_empty());
    }

    #[tokio::test]
    async fn a_file_that_became_shorter_breaks_the_connection() {
        let (directory, blob) = blob(&[1; 1000]);
        let path = directory.path().join("store/blobs/sha256").join(Digest::of(&[1; 1000]).hex());
        let (mut direct, lane, _client) = connected().await;
        fs_err::OpenOptions::new().write(true).open(path).unwrap().set_len(400).unwrap();
        let error = write(&mut direct, DirectBody::new(lane, blob, 0..1000)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
