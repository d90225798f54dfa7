//! Connections that are kept open and shared: never more than are configured. Who finds none free waits.

use std::time::Duration;

use deadpool::{
    Runtime,
    managed::{Manager, Object, Pool, PoolError, QueueMode, Timeouts},
};

use crate::store::StoreError;

/// How long to wait for a connection.
#[cfg(not(test))]
const LONGEST_WAIT: Duration = Duration::from_secs(30);
#[cfg(test)]
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// An empty pool of at most so many connections.
pub(super) fn of<M: Manager>(manager: M, connections: usize) -> Result<Pool<M>, String> {
    // The connection that was used last has the most in its caches.
    let pool = Pool::builder(manager).max_size(connections).queue_mode(QueueMode::Lifo).runtime(Runtime::Tokio1);
    pool.build().map_err(|error| error.to_string())
}

/// Takes a connection, which goes back to the pool when it is dropped. Blocks.
pub(super) fn take<M: Manager<Error = StoreError>>(pool: &Pool<M>) -> Result<Object<M>, StoreError> {
    // A thread that knows no runtime has no timer, and waits without end. The service always has one.
    let wait = tokio::runtime::Handle::try_current().is_ok().then_some(LONGEST_WAIT);
    let timeouts = Timeouts { wait, create: None, recycle: None };
    futures::executor::block_on(pool.timeout_get(&timeouts)).map_err(|error| match error {
        PoolError::Backend(error) => error,
        PoolError::Timeout(_) => {
            StoreError::Busy { connections: pool.status().max_size, seconds: LONGEST_WAIT.as_secs() }
        }
        other => StoreError::Pool(other.to_string()),
    })
}
