//! gRPC-Web, for the pages of origins that are named: what browsers ask before they let a page call (CORS), and the translation.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, CONTENT_TYPE, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use tonic::body::Body;
use tonic_web::{GrpcWebLayer, GrpcWebService};
use tower::{Layer, Service};

use super::calls::Answer;

/// Headers that a page may send: those of gRPC-Web clients, and those for a proxy that knows its users.
const ALLOWED_HEADERS: HeaderValue = HeaderValue::from_static(
    "content-type,x-grpc-web,x-user-agent,grpc-timeout,authorization,traceparent,tracestate,connect-protocol-version",
);
/// Headers that a page may read: without them it sees no errors.
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static("grpc-status,grpc-message,grpc-status-details-bin");
/// Two hours: the most that browsers take.
const PREFLIGHT_SECONDS: HeaderValue = HeaderValue::from_static("7200");

/// Wraps the services in [`Web`].
#[derive(Debug, Clone)]
pub(super) struct WebLayer {
    /// Origins whose pages may call, as browsers send them. None: gRPC-Web is not spoken.
    pub(super) origins: Option<Arc<[String]>>,
}

impl<S: Clone> Layer<S> for WebLayer {
    type Service = Web<S>;

    fn layer(&self, inner: S) -> Web<S> {
        let pages =
            self.origins.clone().map(|origins| Pages { web: GrpcWebLayer::new().layer(inner.clone()), origins });
        Web { plain: inner, pages }
    }
}

/// The services, for gRPC and gRPC-Web.
#[derive(Debug, Clone)]
pub(super) struct Web<S> {
    plain: S,
    /// None: gRPC-Web is not spoken.
    pages: Option<Pages<S>>,
}

/// The services for gRPC-Web, and whose pages may call them.
#[derive(Debug, Clone)]
struct Pages<S> {
    web: GrpcWebService<S>,
    origins: Arc<[String]>,
}

impl<S> Service<Request<Body>> for Web<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future = Answer>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        match (self.plain.poll_ready(context), &mut self.pages) {
            (Poll::Ready(Ok(())), Some(pages)) => Service::<Request<Body>>::poll_ready(&mut pages.web, context),
            (plain, _) => plain,
        }
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        let Some(Pages { web, origins }) = &mut self.pages else { return self.plain.call(request) };
        let origin = request.headers().get(ORIGIN).cloned();
        match &origin {
            // Whoever is no browser is not bound to say where it comes from, and is served as any gRPC client is.
            Some(origin) if !origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()) => {
                return Box::pin(std::future::ready(Ok(empty(StatusCode::FORBIDDEN))));
            }
            Some(origin) if request.method() == Method::OPTIONS => {
                return Box::pin(std::future::ready(Ok(preflight(origin.clone()))));
            }
            _ => {}
        }
        if !is_web(&request) {
            return self.plain.call(request);
        }
        let answer = web.call(request);
        Box::pin(async move {
            let mut answer = answer.await?;
            if let Some(origin) = origin {
                allow(answer.headers_mut(), origin);
            }
            Ok(answer)
        })
    }
}

/// gRPC is HTTP/2; what is not is left to the translation, which refuses what it does not know.
fn is_web(request: &Request<Body>) -> bool {
    let content_type = request.headers().get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    request.version() < Version::HTTP_2 || content_type.starts_with(b"application/grpc-web")
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    answer
}

/// The answer to what a browser asks before the call itself.
fn preflight(origin: HeaderValue) -> Response<Body> {
    let mut answer = empty(StatusCode::NO_CONTENT);
    let headers = answer.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
    headers.insert(ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS);
    allow(headers, origin);
    answer
}

fn allow(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
    // A cache must not give one origin's answer to another.
    headers.append(VARY, HeaderValue::from_static("origin"));
}
