//! Sockets of both kinds behind one face.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

pub(super) enum Upstream {
    Tcp(String),
    Unix(PathBuf),
}

pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Listener {
    /// On a free port of this machine; its address.
    pub(super) async fn tcp() -> (Listener, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let address = listener.local_addr().expect("a listener has an address").to_string();
        (Listener::Tcp(listener), address)
    }

    pub(super) fn unix(path: &Path) -> Listener {
        Listener::Unix(UnixListener::bind(path).expect("a socket can be made in a folder of our own"))
    }

    pub(super) async fn accept(&self) -> std::io::Result<Socket> {
        Ok(match self {
            Listener::Tcp(listener) => Socket::Tcp(listener.accept().await?.0),
            Listener::Unix(listener) => Socket::Unix(listener.accept().await?.0),
        })
    }
}

impl Upstream {
    pub(super) async fn connect(&self) -> std::io::Result<Socket> {
        Ok(match self {
            Upstream::Tcp(address) => Socket::Tcp(TcpStream::connect(address).await?),
            Upstream::Unix(path) => Socket::Unix(UnixStream::connect(path).await?),
        })
    }
}

impl Socket {
    /// Closes so that the other side gets an error where the kind of socket has one.
    pub(super) fn reset(self) {
        if let Socket::Tcp(stream) = &self {
            // Without it the closing would be an orderly one, which is a fault as well.
            let _ = stream.set_zero_linger();
        }
    }

    /// Whether the other side is known to have gone away. (Of a Unix socket nobody here knows.)
    pub(super) fn is_gone(&self) -> bool {
        match self {
            Socket::Tcp(stream) => matches!(stream.peek(&mut [0]).now_or_never(), Some(Ok(0) | Err(_))),
            Socket::Unix(_) => false,
        }
    }

    fn reader(&mut self) -> Pin<&mut (dyn AsyncRead + Send + Unpin)> {
        match self {
            Socket::Tcp(stream) => Pin::new(stream as _),
            Socket::Unix(stream) => Pin::new(stream as _),
        }
    }

    fn writer(&mut self) -> Pin<&mut (dyn AsyncWrite + Send + Unpin)> {
        match self {
            Socket::Tcp(stream) => Pin::new(stream as _),
            Socket::Unix(stream) => Pin::new(stream as _),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        self.get_mut().reader().poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.get_mut().writer().poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.get_mut().writer().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.get_mut().writer().poll_shutdown(cx)
    }
}
