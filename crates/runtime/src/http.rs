//! HTTP: a listener with clear errors, TLS, limits for slow clients, and a server with graceful
//! shutdown. The admin server, the intake of posts, the sharing service and the page of `lockstep
//! open` all use this server.

mod guard;
mod pace;
mod serve;
mod subject;
mod tls;

use std::{
    io,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::Request,
    http::{StatusCode, Version, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use tokio::net::TcpListener;

pub use guard::Guard;
pub(crate) use guard::bearer;
pub use serve::{Limits, Peer, Serving, serve};
pub use subject::Subject;
pub use tls::{Certificate, Certificates, TlsFiles};

/// Listening or serving failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The program cannot listen on the address.
    #[error("cannot listen on {address}: {}", listen_advice(*.address, .source))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Cause of the failure.
        source: io::Error,
    },
}

fn listen_advice(address: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => match next_free(address, &[]) {
            Some(free) => {
                format!(
                    "the address is in use; stop the program that listens there, or choose another port: {free} is free"
                )
            }
            None => "the address is in use; stop the program that listens there, or choose another port".to_owned(),
        },
        io::ErrorKind::PermissionDenied => {
            format!("{error}; ports below 1024 need a privilege; choose a higher port")
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("{error}; this machine does not have the address")
        }
        _ => error.to_string(),
    }
}

/// Whether the program could listen on the address a moment ago.
pub fn is_free(address: SocketAddr) -> bool {
    std::net::TcpListener::bind(address).is_ok()
}

/// The next free address with a higher port that is not in `taken`, among the next hundred ports.
pub fn next_free(address: SocketAddr, taken: &[SocketAddr]) -> Option<SocketAddr> {
    let ports = address.port().checked_add(1)?..=address.port().saturating_add(100);
    ports
        .map(|port| SocketAddr::new(address.ip(), port))
        .find(|candidate| !taken.contains(candidate) && is_free(*candidate))
}

/// Listens on an address. Port 0 selects a free port; the listener's `local_addr` returns it.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, HttpError> {
    TcpListener::bind(address).await.map_err(|source| HttpError::Listen { address, source })
}

/// Limits a router to `at_once` requests at the same time; further requests are answered with 503
/// immediately. A request that takes longer than `limit` is answered with 504, and one that does not
/// name exactly one host with 400.
pub fn bounded(router: Router, at_once: usize, limit: Duration) -> Router {
    let permits = std::sync::Arc::new(tokio::sync::Semaphore::new(at_once));
    router.layer(middleware::from_fn(move |request: Request, next: Next| {
        let permits = permits.clone();
        async move {
            if !names_one_host(&request) {
                return (StatusCode::BAD_REQUEST, "the request needs exactly one Host header\n").into_response();
            }
            answer_within(&permits, limit, next.run(request)).await
        }
    }))
}

/// Whether a request names one host, as HTTP/1.1 requires (RFC 9112, section 3.2): two servers could
/// understand several differently.
fn names_one_host(request: &Request) -> bool {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    hosts == 1 || hosts == 0 && request.version() != Version::HTTP_11
}

async fn answer_within(
    permits: &tokio::sync::Semaphore,
    limit: Duration,
    answer: impl Future<Output = Response>,
) -> Response {
    let Ok(_permit) = permits.try_acquire() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many requests at once, try again\n").into_response();
    };
    match tokio::time::timeout(limit, answer).await {
        Ok(response) => response,
        Err(_) => (StatusCode::GATEWAY_TIMEOUT, "no response in time\n").into_response(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
