//! Calls that end at their deadline.

use std::time::Duration;

use tonic::{Request, Response, Status};

use crate::{Client, Error};

/// Longer than this is without end.
const TIMEOUT_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

impl Client {
    /// One call within the client's `call_timeout`.
    pub(crate) async fn call<T, R>(
        &self,
        message: T,
        call: impl AsyncFnOnce(Request<T>) -> Result<Response<R>, Status>,
    ) -> Result<R, Error> {
        self.call_within(self.call_timeout, message, call).await
    }

    /// One call within another time. The broker is told, so that it does not work for nobody.
    pub(crate) async fn call_within<T, R>(
        &self,
        timeout: Duration,
        message: T,
        call: impl AsyncFnOnce(Request<T>) -> Result<Response<R>, Status>,
    ) -> Result<R, Error> {
        let timeout = timeout.min(TIMEOUT_MAX);
        let mut request = Request::new(message);
        request.set_timeout(timeout);
        match tokio::time::timeout(timeout, call(request)).await {
            Ok(response) => Ok(response?.into_inner()),
            Err(_) => Err(Error::late(timeout)),
        }
    }
}
