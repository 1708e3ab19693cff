//! A walk over the definitions: every field that a request can have is either shown to be honoured by a test, or refused.
//! A field that is added to the definitions and to neither table fails here; so does a method that only seems to be there.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod table;

use std::collections::BTreeSet;
use std::path::Path;

use bytes::Bytes;
use ferrymq_client::v1::ErrorReason;
use ferrymq_client::{Client, Code, Error};
use ferrymq_tests::{call_once, prepared, within};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};

use self::table::{FIELDS, METHODS, Row};

const PACKAGE: &str = "ferrymq.v1";

fn pool() -> DescriptorPool {
    DescriptorPool::decode(ferrymq_proto::DESCRIPTORS).unwrap()
}

/// `Service/Method` of every method there is.
fn methods(pool: &DescriptorPool) -> Vec<(String, MethodDescriptor)> {
    let methods = pool.services().filter(|service| service.package_name() == PACKAGE);
    let methods = methods.flat_map(|service| service.methods().collect::<Vec<_>>());
    methods.map(|method| (format!("{}/{}", method.parent_service().name(), method.name()), method)).collect()
}

fn name(field: &FieldDescriptor) -> String {
    format!("{}.{}", field.parent_message().name(), field.name())
}

/// Rows of a field that end the walk there: nobody reads what is below.
fn ends_walk(field: &str) -> bool {
    let is_shown = FIELDS.iter().any(|row| matches!(row, Row::Shown(of, _) if *of == field));
    !is_shown && FIELDS.iter().any(|row| matches!(row, Row::Refused(of, ..) | Row::Output(of) if *of == field))
}

fn walk(message: &MessageDescriptor, found: &mut BTreeSet<String>) {
    for field in message.fields() {
        let name = name(&field);
        if !found.insert(name.clone()) || ends_walk(&name) || field.is_map() {
            continue;
        }
        if let Kind::Message(inner) = field.kind()
            && inner.package_name() == PACKAGE
        {
            walk(&inner, found);
        }
    }
}

#[test]
fn every_field_of_a_request_is_honoured_or_refused() {
    let mut found = BTreeSet::new();
    for (name, method) in methods(&pool()) {
        if METHODS.contains(&name.as_str()) {
            walk(&method.input(), &mut found);
        }
    }
    let field = |row: &Row| match row {
        Row::Shown(field, _) | Row::Refused(field, ..) | Row::Output(field) => (*field).to_owned(),
    };
    let known: BTreeSet<String> = FIELDS.iter().map(field).collect();
    let missing: Vec<_> = found.difference(&known).collect();
    let gone: Vec<_> = known.difference(&found).collect();
    assert!(missing.is_empty() && gone.is_empty(), "in no table: {missing:#?}, in no request: {gone:#?}");
}

#[test]
fn each_test_that_is_named_is_there_and_speaks_of_the_field() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for row in FIELDS {
        let Row::Shown(field, test) = row else { continue };
        let (file, function) = test.split_once("::").unwrap();
        let text = std::fs::read_to_string(directory.join(file).with_extension("rs")).unwrap();
        assert!(text.contains(&format!("fn {function}()")), "{field}: no {test}");
        let own = field.split_once('.').unwrap().1.trim_end_matches('s');
        assert!(text.to_ascii_lowercase().contains(own), "{field}: {file} does not speak of it");
    }
}

#[test]
fn what_is_ignored_is_said_to_be_output_only() {
    let resources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/ferrymq/v1/resources.proto");
    let text = std::fs::read_to_string(resources).unwrap();
    for row in FIELDS {
        let Row::Output(field) = row else { continue };
        let (message, own) = field.split_once('.').unwrap();
        let body = text.split(&format!("\nmessage {message} {{")).nth(1).unwrap();
        let before = body.split(&format!(" {own} = ")).next().unwrap();
        let comment: String = before.lines().rev().skip(1).take_while(|line| line.trim().starts_with("//")).collect();
        let refers = comment.contains(&format!("As Topic.{own}"));
        assert!(refers || comment.contains("Output only"), "{field}: {comment}");
    }
}

async fn answer(client: &Client, method: &str, request: Bytes) -> Result<Bytes, Error> {
    let path = format!("/{PACKAGE}.{method}");
    within(method, call_once(client, &path, request)).await.map_err(Error::from)
}

#[tokio::test]
async fn a_field_that_is_not_honoured_is_refused_by_name() {
    let (_broker, client) = prepared().await;
    let pool = pool();
    for row in FIELDS {
        let Row::Refused(field, method, json, named) = row else { continue };
        let (_, descriptor) = methods(&pool).into_iter().find(|(name, _)| name == method).unwrap();
        let mut json = serde_json::Deserializer::from_str(json);
        let request = DynamicMessage::deserialize(descriptor.input(), &mut json).unwrap();
        let error = answer(&client, method, request.encode_to_vec().into()).await.expect_err(field);
        let violations: Vec<&str> = error.field_violations().iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(
            (error.code(), error.reason(), violations),
            (Code::InvalidArgument, ErrorReason::FieldNotSupported, vec![*named]),
            "{field}: {error}"
        );
    }
    assert!(client.list_topics("x").await.unwrap().is_empty() && client.list_queues("x").await.unwrap().is_empty());
    let kept = client.get_topic("t").await.unwrap().stats.unwrap().messages;
    assert_eq!(kept, 0, "nothing of a refused batch is there");
}

#[tokio::test]
async fn a_method_that_does_not_work_yet_says_so_and_all_others_do_work() {
    let (_broker, client) = prepared().await;
    let all = methods(&pool());
    assert!(METHODS.iter().all(|known| all.iter().any(|(name, _)| name == known)));
    for (name, _) in all {
        // An empty request is refused by what works, or answered; a stream without a source ends.
        let error = answer(&client, &name, Bytes::new()).await.err();
        let is_unimplemented = error.as_ref().is_some_and(|error| error.code() == Code::Unimplemented);
        assert_eq!(is_unimplemented, !METHODS.contains(&name.as_str()), "{name}: {error:?}");
    }
}
