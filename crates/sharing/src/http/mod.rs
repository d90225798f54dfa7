//! What others reach over HTTP: the console and its JSON API for people, TAXII for partners, and who gets in.

pub(crate) mod access;
mod api;
mod console;
mod feed;
mod filters;
mod respond;
mod router;
pub(crate) mod taxii;

use std::{sync::Arc, time::Duration};

use axum::{Router, extract::FromRef};
use jiff::Timestamp;
use runtime::{http, shutdown::Shutdown};
use tokio::net::TcpListener;

use crate::service::{Sharing, SharingError};
use access::Access;
#[doc(hidden)]
pub use taxii::{check_taxii_envelope, check_taxii_query};

/// The HTTP server of the sharing service. Cheap to clone.
#[derive(Clone)]
pub struct Server {
    sharing: Sharing,
    access: Arc<Access>,
}

impl FromRef<Server> for Sharing {
    fn from_ref(server: &Server) -> Sharing {
        server.sharing.clone()
    }
}

impl Server {
    /// A server for the service. It reads no file yet.
    pub fn new(sharing: Sharing) -> Server {
        let access = Arc::new(Access::new(sharing.config()));
        Server { sharing, access }
    }

    /// Reads certificates and users, and listens where the configuration says.
    pub async fn bind(&self) -> Result<TcpListener, SharingError> {
        let access = Arc::clone(&self.access);
        self.sharing.blocking(move |inner| access.prepare(&inner.config)).await?;
        Ok(http::listen(self.sharing.config().listen).await?)
    }

    /// Console, JSON API and TAXII.
    pub fn router(&self) -> Router {
        router::router(self.clone())
    }

    /// Serves console, JSON API and TAXII until `shutdown`, within the limits of the configuration, then lets requests under way end.
    pub async fn serve(&self, listener: TcpListener, shutdown: Shutdown) {
        let config = self.sharing.config();
        let limits = &config.limits;
        let time = |seconds: u32| Duration::from_secs(seconds.into());
        let mut router = http::bounded(self.router(), limits.requests as usize, time(limits.request_s));
        if config.tls.is_on() || config.behind_proxy {
            router = router.layer(axum::middleware::from_fn(access::only_tls));
        }
        let maintenance = tokio::spawn(self.clone().maintain(shutdown.clone()));
        let router = router::outermost(router);
        let sharing = self.sharing.clone();
        let serving = http::Serving {
            limits: http::Limits {
                connections: Some(limits.connections),
                connections_per_address: (!config.behind_proxy).then_some(limits.connections_per_address),
                head: Some(time(limits.head_s)),
                read: Some(time(limits.read_s)),
            },
            certificates: self.access.certificates(),
            refused: Some(Arc::new(move || sharing.inner.metrics.limited.with_label_values(&["connection"]).inc())),
        };
        http::serve(router, listener, serving, shutdown).await;
        drop(maintenance.await);
    }

    /// Forgets what has ended and brings metrics up to date: once a minute, and at the end.
    async fn maintain(self, shutdown: Shutdown) {
        while !shutdown.is_stopping() {
            let access = Arc::clone(&self.access);
            let done = self.sharing.blocking(move |inner| access.maintain(inner, Timestamp::now())).await;
            if let Err(error) = done {
                self.sharing.inner.metrics.errors.with_label_values(&["store"]).inc();
                tracing::warn!(%error, "sessions and keys could not be brought up to date, trying again in a minute");
            }
            tokio::select! {
                () = shutdown.stopping() => {}
                () = tokio::time::sleep(Duration::from_secs(60)) => {}
            }
        }
        drop(self.sharing.blocking(|inner| Ok(inner.write_used()?)).await);
    }
}
