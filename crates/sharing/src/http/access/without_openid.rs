//! In a build without the feature `openid`: no provider. A configuration that names one is refused when it is checked.

use axum::Router;

use crate::{config::access::Provider as Config, http::Server};

/// There is none.
pub(super) enum Provider {}

impl Provider {
    pub fn new(_: &Config, _: &str) -> Option<Self> {
        None
    }

    pub fn name(&self) -> &str {
        match *self {}
    }
}

pub(super) fn routes() -> Router<Server> {
    Router::new()
}
