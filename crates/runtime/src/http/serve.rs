//! The HTTP server: accepts connections with or without TLS, limits each of them, and shuts down
//! gracefully.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request},
};
use hyper::{body::Incoming, server::conn::http1, service::Service};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

use super::{
    lock,
    pace::{PACE, Paced},
    tls::{Certificate, Certificates, certificate},
};
use crate::shutdown::{Shutdown, drain};

/// Time for open requests to finish when the server stops.
const DRAIN: Duration = Duration::from_secs(10);
/// Largest size of a request's head, in bytes; a larger head is answered with 431.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// Largest number of header fields of a request.
const MAX_HEADERS: usize = 64;
/// Interval at which certificate files are checked for changes.
const CERTIFICATE_CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// Limits for clients. `None` means no limit.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Number of connections at the same time.
    pub connections: Option<u32>,
    /// Number of connections at the same time from one IP address.
    pub connections_per_address: Option<u32>,
    /// Time for a TLS handshake, for the head of a request, and until the next request on a
    /// connection.
    pub head: Option<Duration>,
    /// Time within which a client must read the next 64 KiB of a response.
    pub read: Option<Duration>,
}

/// Settings for serving a router.
#[derive(Clone, Default)]
pub struct Serving {
    /// Limits for clients.
    pub limits: Limits,
    /// Certificates for TLS; `None` serves without TLS.
    pub certificates: Option<Arc<Certificates>>,
    /// Called for each connection that is refused because of a limit.
    pub refused: Option<Arc<dyn Fn() + Send + Sync>>,
}

/// The peer of a connection. Stored in the extensions of every request.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its IP address.
    pub address: IpAddr,
    /// Its certificate, if it presented one that a configured authority issued.
    pub certificate: Option<Arc<Certificate>>,
}

impl Peer {
    /// The IP address of the client. Behind a proxy it comes from the proxy's `x-forwarded-for`
    /// header.
    pub fn client(&self, headers: &HeaderMap, behind_proxy: bool) -> IpAddr {
        // The proxy wrote the last value; the client may have invented those before it.
        let forwarded = || {
            let last = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
            last.rsplit(',').next()?.trim().parse().ok()
        };
        behind_proxy.then(forwarded).flatten().unwrap_or(self.address)
    }
}

/// Serves until `shutdown`. Then no new connections are accepted, and open requests have ten
/// seconds to finish.
pub async fn serve(router: Router, listener: TcpListener, serving: Serving, shutdown: Shutdown) {
    let address = listener.local_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)));
    tracing::info!(%address, tls = serving.certificates.is_some(), "listening");
    let limits = &serving.limits;
    let counts = Arc::new(ConnectionCounts {
        most: limits.connections.unwrap_or(u32::MAX),
        per_address: limits.connections_per_address.unwrap_or(u32::MAX),
        open: Mutex::default(),
    });
    let open = GracefulShutdown::new();
    let mut certificate_check = tokio::time::interval(CERTIFICATE_CHECK_INTERVAL);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = certificate_check.tick() => {
                if let Some(certificates) = serving.certificates.clone() {
                    tokio::task::spawn_blocking(move || certificates.refresh());
                }
                continue;
            }
            () = shutdown.stopping() => break,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Mostly caused by a lack of file descriptors: without a pause the loop would spin.
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(open_connection) = counts.enter(from.ip().to_canonical()) else {
            if let Some(refused) = &serving.refused {
                refused();
            }
            continue;
        };
        let (serving, router, watcher) = (serving.clone(), router.clone(), open.watcher());
        tokio::spawn(async move {
            let _open_connection = open_connection;
            if let Err(error) = connection(&serving, router, stream, from, watcher).await {
                tracing::debug!(%error, %from, "a connection ended early");
            }
        });
    }
    drop(listener);
    drain("http server", DRAIN, open.shutdown()).await;
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn connection(
    serving: &Serving,
    router: Router,
    stream: TcpStream,
    from: SocketAddr,
    watcher: Watcher,
) -> Result<(), Failure> {
    let limits = &serving.limits;
    stream.set_nodelay(true)?;
    let mut peer = Peer { address: from.ip().to_canonical(), certificate: None };
    let Some(certificates) = &serving.certificates else {
        return http(stream, limits, router, peer, watcher).await;
    };
    let handshake = certificates.acceptor().accept(stream);
    let stream = match limits.head {
        Some(time) => timeout(time, handshake).await??,
        None => handshake.await?,
    };
    let own = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    peer.certificate = own.and_then(certificate).map(Arc::new);
    http(stream, limits, router, peer, watcher).await
}

async fn http<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    limits: &Limits,
    router: Router,
    peer: Peer,
    watcher: Watcher,
) -> Result<(), Failure> {
    let router = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        router.call(request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_header_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES.max(PACE))
        .serve_connection(TokioIo::new(Paced::new(stream, limits.read)), service);
    Ok(watcher.watch(connection).await?)
}

/// Open connections.
struct ConnectionCounts {
    most: u32,
    per_address: u32,
    open: Mutex<(u32, HashMap<IpAddr, u32>)>,
}

/// One open connection.
struct OpenConnection(Arc<ConnectionCounts>, IpAddr);

impl ConnectionCounts {
    fn enter(self: &Arc<Self>, from: IpAddr) -> Option<OpenConnection> {
        let mut open = lock(&self.open);
        let (all, by_address) = &mut *open;
        let here = by_address.get(&from).copied().unwrap_or(0);
        if *all >= self.most || here >= self.per_address {
            return None;
        }
        *all += 1;
        by_address.insert(from, here + 1);
        Some(OpenConnection(Arc::clone(self), from))
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let mut open = lock(&self.0.open);
        let (all, by_address) = &mut *open;
        *all -= 1;
        match by_address.get_mut(&self.1) {
            Some(here) if *here > 1 => *here -= 1,
            _ => drop(by_address.remove(&self.1)),
        }
    }
}
