//! The server: connections with or without TLS, each within its limits, until the end.

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

/// How long open requests may take to finish when the server stops.
const DRAIN: Duration = Duration::from_secs(10);
/// Bytes of a request's head at most; whoever sends more gets 431.
const LARGEST_HEAD: usize = 32 * 1024;
/// Fields of a request's head at most.
const MOST_HEADERS: usize = 64;
/// How often the files of certificates are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What clients may take. `None` is without bound.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Connections at once.
    pub connections: Option<u32>,
    /// Connections at once from one address.
    pub connections_per_address: Option<u32>,
    /// Time for a TLS handshake or for the head of a request, and for the next request on a connection.
    pub head: Option<Duration>,
    /// Time to read the next 64 KiB of an answer.
    pub read: Option<Duration>,
}

/// How a router is served.
#[derive(Clone, Default)]
pub struct Serving {
    /// What clients may take.
    pub limits: Limits,
    /// With TLS where there are certificates.
    pub certificates: Option<Arc<Certificates>>,
    /// Called for each connection that is one too many.
    pub refused: Option<Arc<dyn Fn() + Send + Sync>>,
}

/// Who is at the other end of a connection. In the extensions of every request.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// Its certificate, where it showed one that our authorities issued.
    pub certificate: Option<Arc<Certificate>>,
}

impl Peer {
    /// Where the request comes from, which behind a proxy only the proxy knows.
    pub fn client(&self, headers: &HeaderMap, behind_proxy: bool) -> IpAddr {
        // The last one is the proxy's own word; those before it are whatever the client said.
        let forwarded = || {
            let last = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
            last.rsplit(',').next()?.trim().parse().ok()
        };
        behind_proxy.then(forwarded).flatten().unwrap_or(self.address)
    }
}

/// Serves until `shutdown`; then no new connections are taken and open requests have ten seconds to finish.
pub async fn serve(router: Router, listener: TcpListener, serving: Serving, shutdown: Shutdown) {
    let address = listener.local_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)));
    tracing::info!(%address, tls = serving.certificates.is_some(), "listening");
    let limits = &serving.limits;
    let counts = Arc::new(Counts {
        most: limits.connections.unwrap_or(u32::MAX),
        per_address: limits.connections_per_address.unwrap_or(u32::MAX),
        open: Mutex::default(),
    });
    let open = GracefulShutdown::new();
    let mut looked = tokio::time::interval(LOOK_EVERY);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = looked.tick() => {
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
                // Out of file descriptors, mostly: taking the next at once would only spin.
                tracing::warn!(%error, "a connection could not be taken");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(counted) = counts.enter(from.ip().to_canonical()) else {
            if let Some(refused) = &serving.refused {
                refused();
            }
            continue;
        };
        let (serving, router, watcher) = (serving.clone(), router.clone(), open.watcher());
        tokio::spawn(async move {
            let _counted = counted;
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
        .max_header_size(LARGEST_HEAD)
        .max_headers(MOST_HEADERS)
        .max_buf_size(LARGEST_HEAD.max(PACE))
        .serve_connection(TokioIo::new(Paced::new(stream, limits.read)), service);
    Ok(watcher.watch(connection).await?)
}

/// Open connections.
struct Counts {
    most: u32,
    per_address: u32,
    open: Mutex<(u32, HashMap<IpAddr, u32>)>,
}

/// One open connection.
struct Counted(Arc<Counts>, IpAddr);

impl Counts {
    fn enter(self: &Arc<Self>, from: IpAddr) -> Option<Counted> {
        let mut open = lock(&self.open);
        let (all, by_address) = &mut *open;
        let here = by_address.get(&from).copied().unwrap_or(0);
        if *all >= self.most || here >= self.per_address {
            return None;
        }
        *all += 1;
        by_address.insert(from, here + 1);
        Some(Counted(Arc::clone(self), from))
    }
}

impl Drop for Counted {
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
