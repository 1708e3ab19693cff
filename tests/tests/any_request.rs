//! Whatever is sent as the request of any method, the broker answers within its codes, and serves on.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::time::Duration;

use bytes::Bytes;
use ferrymq_client::Code;
use ferrymq_client::v1::Queue;
use ferrymq_tests::{Broker, call_once, create_queue, create_topic, message, publish, pull_some};
use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, MethodDescriptor, Value,
};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

const CASES: usize = 48;
const SEED: u64 = 20_26;
/// A call that was understood may wait; every refusal comes sooner.
const PATIENCE: Duration = Duration::from_millis(700);
const DEPTH_MAX: usize = 4;

/// Names that exist, that do not, and that cannot.
const TEXTS: [&str; 12] = ["", "t", "q", "q.dlq", "g", "none", "a.b", "#", "*.x", "\u{0}", "a/b", "name-of-a-thing"];
const NUMBERS: [i64; 13] =
    [0, 1, 2, -1, 7, 255, 1_000, 10_001, i32::MAX as i64, i32::MIN as i64, i64::MAX, i64::MIN, 1 << 40];

/// A message of the right shape, filled with what is there, what is not, and what is out of range.
fn filled(descriptor: &MessageDescriptor, depth: usize, rng: &mut StdRng) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        // The first field mostly says what the request is about.
        let likely = if field.number() == 1 { 0.9 } else { 0.3 };
        if depth < DEPTH_MAX && rng.random_bool(likely) {
            message.set_field(&field, value(&field, depth, rng));
        }
    }
    message
}

fn value(field: &FieldDescriptor, depth: usize, rng: &mut StdRng) -> Value {
    let count = rng.random_range(0..3);
    if field.is_map() {
        let entry = field.kind();
        let of = entry.as_message().unwrap().map_entry_value_field();
        return Value::Map((0..count).map(|_| (MapKey::String(text(rng)), single(&of.kind(), depth, rng))).collect());
    }
    if field.is_list() {
        return Value::List((0..count).map(|_| single(&field.kind(), depth, rng)).collect());
    }
    single(&field.kind(), depth, rng)
}

fn single(kind: &Kind, depth: usize, rng: &mut StdRng) -> Value {
    let number = *NUMBERS.choose(rng).unwrap();
    match kind {
        Kind::Message(descriptor) => Value::Message(filled(descriptor, depth + 1, rng)),
        Kind::Enum(_) => Value::EnumNumber(rng.random_range(-1..12)),
        Kind::Bool => Value::Bool(rng.random()),
        Kind::String => Value::String(text(rng)),
        Kind::Bytes => Value::Bytes(noise(rng)),
        Kind::Double => Value::F64(*[0.0, 1.5, -1.0, f64::NAN, f64::INFINITY, 1e300].choose(rng).unwrap()),
        Kind::Float => Value::F32(number as f32),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(number as i32),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(number as u32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(number),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(number as u64),
    }
}

fn text(rng: &mut StdRng) -> String {
    match rng.random_range(0..10) {
        0 => "n".repeat(rng.random_range(200..5_000)),
        _ => (*TEXTS.choose(rng).unwrap()).to_owned(),
    }
}

fn noise(rng: &mut StdRng) -> Bytes {
    let mut bytes = vec![0; rng.random_range(0..80)];
    rng.fill(&mut bytes[..]);
    bytes.into()
}

/// Mostly well formed; else with some bytes changed, cut off, or nothing but noise.
fn request(method: &MethodDescriptor, rng: &mut StdRng) -> Bytes {
    let mut bytes = filled(&method.input(), 0, rng).encode_to_vec();
    match rng.random_range(0..8) {
        0 => return noise(rng),
        1 => bytes.truncate(rng.random_range(0..=bytes.len())),
        2 | 3 if !bytes.is_empty() => {
            for _ in 0..rng.random_range(1..4) {
                let at = rng.random_range(0..bytes.len());
                bytes[at] = rng.random();
            }
        }
        _ => {}
    }
    bytes.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn any_request_of_any_method_is_answered_and_does_no_harm() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    let pool = DescriptorPool::decode(ferrymq_proto::DESCRIPTORS).unwrap();
    let mut rng = StdRng::seed_from_u64(SEED);
    let (mut methods, mut understood) = (0, 0);
    for service in pool.services() {
        for method in service.methods() {
            methods += 1;
            // An earlier request may have deleted them.
            create_topic(&client, "t").await;
            let _ = client.delete_queue("q", true).await;
            create_queue(&client, Queue { name: "q".into(), ..Queue::default() }, &[("t", "#")]).await;
            let path = format!("/{}/{}", service.full_name(), method.name());
            let calls = (0..CASES).map(|_| {
                let (client, path, request) = (client.clone(), path.clone(), request(&method, &mut rng));
                async move {
                    let answer = call_once(&client, &path, request.clone());
                    (request, tokio::time::timeout(PATIENCE, answer).await)
                }
            });
            let calls: Vec<_> = calls.collect();
            for (request, answer) in futures::future::join_all(calls).await {
                match answer {
                    // It waits, or was answered: it was understood.
                    Err(_) | Ok(Ok(_)) => understood += 1,
                    Ok(Err(status)) => {
                        let code = status.code();
                        let known = !matches!(code, Code::Internal | Code::Unknown | Code::Unavailable);
                        assert!(
                            known && code != Code::DataLoss,
                            "{path}: {status:?} for {:x?}",
                            &request[..request.len().min(200)]
                        );
                    }
                }
            }
        }
    }
    assert!(methods > 40 && understood > CASES, "{methods} methods, {understood} requests were understood");
    assert!(!broker.log().contains("panicked"), "{}", broker.log());
    create_topic(&client, "after").await;
    create_queue(&client, Queue { name: "after".into(), ..Queue::default() }, &[("after", "#")]).await;
    publish(&client, "after", vec![message("", "served")]).await;
    assert_eq!(pull_some(&client, "after").await.len(), 1);
}
