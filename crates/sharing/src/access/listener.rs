//! The listener: TLS or plain, and no patience with clients that are slow on purpose.
//!
//! A client has so long for a handshake, for the head of a request, for its body, and to read what it asked for; whoever takes longer
//! is cut off. Certificates are read again when their files change.

use std::{
    collections::HashMap,
    fs, io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, HeaderValue, Request, header},
};
use hyper::{body::Incoming, server::conn::http1, service::Service};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use runtime::shutdown::{Shutdown, drain};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::{Instant, Sleep, sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::config::{Limits, Tls};
use crate::{audit::hex, service::Sharing};

/// How long open requests may take to finish when the service stops.
const DRAIN: Duration = Duration::from_secs(10);
/// Bytes of a request's head at most; whoever sends more gets 431.
const LARGEST_HEAD: usize = 32 * 1024;
/// Fields of a request's head at most.
const MOST_HEADERS: usize = 64;
/// A reader has to take so many bytes in the time it has.
const PACE: usize = 64 * 1024;
/// How often the files of certificates are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Who is at the other end of a connection. In the extensions of every request.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub address: IpAddr,
    pub certificate: Option<Arc<Certificate>>,
}

/// A client certificate that one of our authorities issued.
#[derive(Debug)]
pub(crate) struct Certificate {
    /// SHA-256, hexadecimal.
    pub fingerprint: String,
    /// As `CN=feed, O=Example`.
    pub subject: String,
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

/// The certificates, as the files were when they were last read.
pub(crate) struct Certificates {
    config: Tls,
    seen: Mutex<Vec<Option<(SystemTime, u64)>>>,
    current: Mutex<Current>,
}

#[derive(Clone)]
struct Current {
    acceptor: TlsAcceptor,
    expires: i64,
}

impl Certificates {
    /// Reads the files. `None` where TLS is not configured.
    pub fn open(config: &Tls) -> Result<Option<Self>, String> {
        if !config.is_on() {
            return Ok(None);
        }
        let seen = Mutex::new(look(config));
        Ok(Some(Self { config: config.clone(), seen, current: Mutex::new(load(config)?) }))
    }

    /// Seconds since the Unix epoch when the server's certificate ends.
    pub fn expires(&self) -> i64 {
        lock(&self.current).expires
    }

    /// Reads the files again where they have changed. What cannot be used changes nothing.
    pub fn refresh(&self) {
        let found = look(&self.config);
        if *lock(&self.seen) == found {
            return;
        }
        match load(&self.config) {
            Ok(new) => {
                *lock(&self.current) = new;
                tracing::info!(certificate = self.config.certificate, "the certificate was read again");
            }
            Err(why) => tracing::error!(%why, "the new certificate cannot be used, the old one stays"),
        }
        *lock(&self.seen) = found;
    }

    fn acceptor(&self) -> TlsAcceptor {
        lock(&self.current).acceptor.clone()
    }
}

/// What says that a file has changed.
fn look(config: &Tls) -> Vec<Option<(SystemTime, u64)>> {
    [&config.certificate, &config.key, &config.client_ca]
        .into_iter()
        .filter(|path| !path.is_empty())
        .map(|path| fs::metadata(path).ok().and_then(|meta| Some((meta.modified().ok()?, meta.len()))))
        .collect()
}

fn load(config: &Tls) -> Result<Current, String> {
    let chain = certificates("certificate", &config.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&config.key)
        .map_err(|error| format!("sharing.tls.key: {} has no private key: {error}", config.key))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    let builder = if config.client_ca.is_empty() {
        builder.with_no_client_auth()
    } else {
        let mut roots = RootCertStore::empty();
        for root in certificates("client_ca", &config.client_ca)? {
            roots.add(root).map_err(|error| format!("sharing.tls.client_ca: {}: {error}", config.client_ca))?;
        }
        // People at the console have no certificate, and partners may come with a key instead.
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
            .allow_unauthenticated()
            .build()
            .map_err(|error| format!("sharing.tls.client_ca: {}: {error}", config.client_ca))?;
        builder.with_client_cert_verifier(verifier)
    };
    let expires = chain
        .first()
        .and_then(|own| x509_parser::parse_x509_certificate(own).ok())
        .map_or(0, |(_, own)| own.validity().not_after.timestamp());
    let mut server = builder.with_single_cert(chain, key).map_err(|error| {
        format!("sharing.tls: {} and {} do not go together: {error}", config.certificate, config.key)
    })?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Current { acceptor: TlsAcceptor::from(Arc::new(server)), expires })
}

fn certificates(key: &str, path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.map_err(|error| format!("sharing.tls.{key}: {path} cannot be read: {error}"))?;
    if found.is_empty() {
        return Err(format!("sharing.tls.{key}: {path} has no certificate in PEM form"));
    }
    Ok(found)
}

fn certificate(der: &CertificateDer<'_>) -> Option<Certificate> {
    let (_, parsed) = x509_parser::parse_x509_certificate(der).ok()?;
    Some(Certificate { fingerprint: hex(&Sha256::digest(der)), subject: parsed.subject().to_string() })
}

/// Serves until `shutdown`; then no new connections are taken and open requests have ten seconds to finish.
pub(crate) async fn serve(sharing: Sharing, router: Router, listener: TcpListener, shutdown: Shutdown) {
    let address = listener.local_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)));
    tracing::info!(%address, tls = sharing.inner.access.certificates.is_some(), "listening");
    let config = sharing.config();
    let per_address = if config.behind_proxy { u32::MAX } else { config.limits.connections_per_address };
    let counts = Arc::new(Counts { most: config.limits.connections, per_address, open: Mutex::default() });
    let open = GracefulShutdown::new();
    let mut looked = tokio::time::interval(LOOK_EVERY);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = looked.tick() => {
                if sharing.inner.access.certificates.is_some() {
                    let inner = Arc::clone(&sharing.inner);
                    tokio::task::spawn_blocking(move || inner.access.certificates.as_ref().map(Certificates::refresh));
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
            sharing.inner.metrics.limited.with_label_values(&["connection"]).inc();
            continue;
        };
        let (sharing, router, watcher) = (sharing.clone(), router.clone(), open.watcher());
        tokio::spawn(async move {
            let _counted = counted;
            if let Err(error) = connection(sharing, router, stream, from, watcher).await {
                tracing::debug!(%error, %from, "a connection ended early");
            }
        });
    }
    drop(listener);
    drain("http server", DRAIN, open.shutdown()).await;
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn connection(
    sharing: Sharing,
    router: Router,
    stream: TcpStream,
    from: SocketAddr,
    watcher: hyper_util::server::graceful::Watcher,
) -> Result<(), Failure> {
    let limits = &sharing.config().limits;
    stream.set_nodelay(true)?;
    let mut peer = Peer { address: from.ip().to_canonical(), certificate: None };
    let Some(certificates) = &sharing.inner.access.certificates else {
        return http(stream, limits, router, peer, watcher).await;
    };
    let stream = timeout(head_time(limits), certificates.acceptor().accept(stream)).await??;
    let own = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    peer.certificate = own.and_then(certificate).map(Arc::new);
    http(stream, limits, router, peer, watcher).await
}

async fn http<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    limits: &Limits,
    router: Router,
    peer: Peer,
    watcher: hyper_util::server::graceful::Watcher,
) -> Result<(), Failure> {
    let router = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        router.call(request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_time(limits))
        .max_header_size(LARGEST_HEAD)
        .max_headers(MOST_HEADERS)
        .max_buf_size(LARGEST_HEAD.max(PACE))
        .serve_connection(TokioIo::new(Paced::new(stream, Duration::from_secs(limits.read_s.into()))), service);
    Ok(watcher.watch(connection).await?)
}

fn head_time(limits: &Limits) -> Duration {
    Duration::from_secs(limits.head_s.into())
}

/// Tells browsers to come with TLS only.
pub(crate) async fn only_tls(
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> axum::response::Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    response
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A stream whose reader has to take [`PACE`] bytes within `limit`, whenever it is us who wait.
struct Paced<S> {
    stream: S,
    limit: Duration,
    /// Runs while something waits to be read, and what was read since it was set.
    waiting: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<S> Paced<S> {
    fn new(stream: S, limit: Duration) -> Self {
        Self { stream, limit, waiting: None }
    }

    fn pace(&mut self, cx: &mut Context<'_>, wrote: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match wrote {
            Poll::Ready(Ok(bytes)) => {
                if let Some((clock, read)) = &mut self.waiting {
                    *read += bytes;
                    if *read >= PACE {
                        clock.as_mut().reset(Instant::now() + self.limit);
                        *read = 0;
                    }
                }
                Poll::Ready(Ok(bytes))
            }
            Poll::Pending => {
                let limit = self.limit;
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
