//! The trace of a program goes on in the handler of what it published. Needs the `ferrymq` program, as `testing::Broker` does.

#![cfg(feature = "opentelemetry")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::time::Duration;

use ferrymq_client::testing::Broker;
use ferrymq_client::v1::{Message, Queue};
use ferrymq_client::{HandlerError, message, queue, to_queue};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use opentelemetry::{Context, global};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tokio::sync::mpsc;

const LONG: Duration = Duration::from_secs(20);
const TRACE: u128 = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;
const SPAN: u64 = 0xb7ad_6b71_6920_3331;
/// One that the program has set by itself.
const OTHER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// What a span of the program makes current.
fn current() -> Context {
    let span = SpanContext::new(TraceId::from(TRACE), SpanId::from(SPAN), TraceFlags::SAMPLED, true, TraceState::NONE);
    Context::new().with_remote_span_context(span)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_context_of_who_publishes_is_current_in_the_handler() {
    global::set_text_map_propagator(TraceContextPropagator::new());
    let broker = Broker::start().await.unwrap();
    let client = broker.client().await.unwrap();
    client.create_queue(Queue { name: "work".into(), ..Queue::default() }, vec![]).await.unwrap();

    let publisher = client.publisher(to_queue("work"));
    let attached = opentelemetry::trace::FutureExt::with_context(publisher.publish(message("of a trace")), current());
    attached.await.unwrap().await.unwrap();
    let attributes = [("traceparent".to_owned(), OTHER.to_owned())].into();
    publisher.publish(Message { attributes, ..message("of another") }).await.unwrap().await.unwrap();

    let (handled, mut traces) = mpsc::unbounded_channel();
    let worker = client.worker(queue("work")).concurrency(1).run_until(std::future::pending::<()>(), move |_| {
        let handled = handled.clone();
        async move {
            handled.send(Context::current().span().span_context().trace_id()).unwrap();
            Ok::<(), HandlerError>(())
        }
    });
    let expected = [TraceId::from(TRACE), TraceId::from_hex("4bf92f3577b34da6a3ce929d0e0e4736").unwrap()];
    let all = async {
        for trace in expected {
            assert_eq!(traces.recv().await.unwrap(), trace);
        }
    };
    tokio::select! {
        ended = worker => panic!("{ended:?}"),
        done = tokio::time::timeout(LONG, all) => done.unwrap(),
    }
}
