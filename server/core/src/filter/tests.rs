use proptest::prelude::*;

use super::{Filter, FilterError, MessageView, json};
use crate::codec;

fn bytes_field(number: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    codec::put_varint(&mut out, u64::from(number << 3 | 2));
    codec::put_bytes(&mut out, bytes);
    out
}

fn message(attributes: &[(&str, &str)], content_type: &str, payload: &[u8]) -> Vec<u8> {
    let entry = |(key, value): &(&str, &str)| {
        bytes_field(2, &[bytes_field(1, key.as_bytes()), bytes_field(2, value.as_bytes())].concat())
    };
    let attributes: Vec<u8> = attributes.iter().flat_map(entry).collect();
    let texts = [bytes_field(3, b"eu.de.created"), bytes_field(4, b"customer-7")].concat();
    [texts, attributes, bytes_field(6, content_type.as_bytes()), bytes_field(1, payload)].concat()
}

const ORDER: &str = r#" {"delay": 61, "price": 9.5, "big": 9007199254740993, "tags": ["new", "red\n\ud83d\ude00"],
    "customer": {"name": "Ann", "vip": true, "address": null}, "items": [{"n": 1}, {"n": 5}], "twice": 1, "twice": 2} "#;

fn matches(filter: &str) -> bool {
    let attributes = [("country", "DE"), ("count", "12"), ("empty", "")];
    let message = message(&attributes, "application/json; charset=utf-8", ORDER.as_bytes());
    let filter = Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
    filter.matches(&MessageView::new(&message))
}

fn error(filter: &str) -> FilterError {
    Filter::parse(filter).map(|_| ()).unwrap_err()
}

#[test]
fn what_is_true_matches() {
    for filter in [
        "true",
        "attributes.country == 'DE'",
        "attributes['country'] in [\"DE\", \"AT\",] && !('test' in attributes)",
        "has(attributes.empty) && attributes.empty == '' && !has(attributes.none)",
        "int(attributes.count) > 10 && double(attributes.count) < 12.5 && string(12) == attributes.count",
        "routing_key.startsWith('eu.') && routing_key.endsWith('.created') && routing_key.contains('.de.')",
        r"ordering_key.matches('^customer-\\d+$') && ordering_key.matches(r'\d')",
        "content_type.matches('json') && priority == 0",
        "json.delay > 60 && json.delay <= 61.0 && json.delay != 60.5",
        "json.price * 2 == 19 && json.price + 1 > 10 && -json.price < 0",
        "json.big == 9007199254740993 && json.big != 9007199254740992.0",
        "json.tags[0] == 'new' && 'red\\n\u{1f600}' in json.tags && size(json.tags) == 2",
        "json.customer.vip && json.customer['name'] == 'Ann' && json.customer.address == null",
        "has(json.customer.name) && !has(json.customer.mail) && 'vip' in json.customer",
        "json.items.exists(item, item.n > 4) && json.items.all(item, item.n >= 1)",
        "json.items.exists(item, json.tags.exists(tag, tag == 'new' && item.n == 5))",
        "attributes.exists(key, key == 'country') && attributes.size() == 3",
        "json.twice == 2",
        "json.delay > 60 ? attributes.country == 'DE' : false",
        "1 + 2 * 3 == 7 && (1 + 2) * 3 == 9 && 7 / 2 == 3 && 7 % 2 == 1 && 0x10 == 16 && 1e1 == 10",
        "-9223372036854775808 < 0 && size('\u{e4}b') == 2 && 'a' + 'b' == 'ab' && 'a' < 'b'",
        "[1, 2][1] == 2 && 2 in [1, json.none, 2] && size([]) == 0",
        "true || json.none // whatever cannot be evaluated",
        "json.none || true",
        "!(json.none && false)",
    ] {
        assert!(matches(filter), "{filter}");
    }
}

#[test]
fn what_is_false_or_cannot_be_evaluated_does_not_match() {
    for filter in [
        "false",
        "attributes.none == 'DE'",
        "attributes.none != 'DE'",
        "!(attributes.none == 'DE')",
        "json.none > 1",
        "json.customer > 1",
        "json.customer.name > 1",
        "json.tags[2] == ''",
        "json.tags[-1] == ''",
        "json.delay",
        "json.delay && true",
        "json.tags == json.tags",
        "int(attributes.country) == 1",
        "int(1e300) == 1",
        "9223372036854775807 + priority + 1 > 0",
        "-9223372036854775808 / (priority - 1) > 0",
        "- -9223372036854775808 > 0",
        "-9223372036854775808 % (priority - 1) == 0",
        "1 / priority == 0 || 1 % priority == 0",
        "json.items.all(item, item.n > 1)",
        "3 in [1, json.none, 2]",
        "json.none || false",
        "json.none ? true : true",
    ] {
        assert!(!matches(filter), "{filter}");
    }
}

#[test]
fn a_payload_is_json_only_if_it_says_so_and_is() {
    let filter = Filter::parse("json.a == 1").unwrap();
    for (content_type, payload, expected) in [
        ("application/json", r#"{"a":1}"#, true),
        ("APPLICATION/JSON;x=y", r#"{"a":1}"#, true),
        ("application/cloudevents+json", r#"{"a":1}"#, true),
        ("application/jsonl", r#"{"a":1}"#, false),
        ("text/plain", r#"{"a":1}"#, false),
        ("", r#"{"a":1}"#, false),
        ("application/json", r#"{"a":1"#, false),
        ("application/json", r#"{"a":1}}"#, false),
        ("application/json", r#"{"a":1,}"#, false),
        ("application/json", "", false),
        ("application/json", "[1]", false),
    ] {
        let message = message(&[], content_type, payload.as_bytes());
        assert_eq!(filter.matches(&MessageView::new(&message)), expected, "{content_type} {payload}");
    }
    let large = format!(r#"{{"a":1,"b":"{}"}}"#, "x".repeat(super::JSON_BYTES_MAX));
    assert!(!filter.matches(&MessageView::new(&message(&[], "application/json", large.as_bytes()))));
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (filter, position, part) in [
        ("", 1, "a value is expected here, not the end"),
        ("1 +", 4, "a value is expected"),
        ("(", 2, "a value is expected"),
        ("a = 'b'", 1, "`a` is not known; there are attributes,"),
        ("attributes.a = 'b'", 14, "an operator is missing before `=`"),
        ("attributes.a == 'b", 17, "a text is not closed"),
        ("'\u{e4}\u{e4}' == 'a\\q'", 11, "is no escape"),
        ("routing_key > 5", 1, "have no order"),
        ("routing_key == 5", 1, "never equal"),
        ("routing_key", 1, "true or false is expected here, not a text"),
        ("routing_key.size() > 1 && routing_key.x == 1", 27, "has no fields"),
        ("routing_key.matches('(')", 21, "bad regular expression: unclosed group"),
        ("routing_key.matches('\\\\w{1000}')", 21, "bad regular expression"),
        ("routing_key.matches(content_type)", 21, "takes a text in quotes"),
        ("routing_key.lower() == 'x'", 13, "there is no method `lower`"),
        ("now() > 5", 5, "a value is expected here, not `)`"),
        ("f(1) > 5", 1, "there is no function `f`"),
        ("has(attributes)", 5, "`has` takes a field"),
        ("99999999999999999999 > 1", 1, "is no number of 64 bits"),
        ("9223372036854775808 > 1", 1, "is no number of 64 bits"),
        ("priority > 5u", 13, "unsigned"),
        ("{'a': 1} == json", 1, "maps cannot be written"),
        ("json.exists(json, true)", 13, "cannot be the name of an element"),
        ("priority & 1", 10, "means nothing here"),
    ] {
        let error = error(filter);
        assert!(error.position == position && error.message.contains(part), "{filter}: {error}");
    }
}

#[test]
fn size_and_depth_are_bounded() {
    for (open, close) in
        [("(", ")"), ("[", "]"), ("!", ""), ("- ", ""), ("size(", ")"), ("true ? true : ", ""), ("[1][", "]")]
    {
        let deep = format!("{}1{}", open.repeat(200), close.repeat(200));
        assert!(error(&deep).message.contains("nested"), "{open}");
    }
    for chain in ["json".to_owned() + &".a".repeat(2_000), "1".to_owned() + &"+1".repeat(2_000)] {
        assert!(error(&chain).message.contains("nested"));
    }
    assert!(matches(&["true"; 500].join("&&")));
    assert!(error(&format!("true{}", " ".repeat(4_096))).message.contains("at most 4096"));
    let regexes = ["routing_key.matches('a')"; 9].join("||");
    assert!(error(&regexes).message.contains("at most 8"));
}

#[test]
fn what_costs_too_much_does_not_match() {
    let payload = format!(r#"{{"a":[{}0]}}"#, "0,".repeat(100_000));
    let message = message(&[], "application/json", payload.as_bytes());
    let cheap = Filter::parse("json.a.all(x, x == 0)").unwrap();
    assert!(cheap.matches(&MessageView::new(&message)));
    let dear = Filter::parse("json.a.all(x, json.a.all(y, x == y))").unwrap();
    assert!(!dear.matches(&MessageView::new(&message)));
}

fn json_value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        (-1e9..1e9).prop_map(|number: f64| format!("{number:e}")),
        r#""([a-z ,:{}\[\]]|\\n|\\"|\\u00e4|\\ud83d){0,6}""#,
    ];
    leaf.prop_recursive(4, 30, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[ {} ]", items.join(" , "))),
            prop::collection::vec(("[a-c]", inner), 0..4).prop_map(|items| {
                let items: Vec<String> = items.iter().map(|(name, value)| format!(r#""{name}" : {value}"#)).collect();
                format!("{{{}}}", items.join(","))
            }),
        ]
    })
}

/// Texts of the words that filters are made of, mostly no filters, and well-formed ones.
fn filter_text() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "json",
        "attributes",
        ".a",
        ".b",
        "['a']",
        "[0]",
        "(",
        ")",
        "[",
        "]",
        "&&",
        "||",
        "!",
        "-",
        "+",
        "==",
        "<",
        "in",
        "1",
        "'a'",
        "2.5",
        "null",
        "has(",
        "size(",
        ".exists(x,",
        ".all(x,",
        "x",
        "?",
        ":",
        ".matches('a*')",
        "%",
        "/",
        "r'",
        "\"",
        "\\",
        "\u{e4}",
        "0x",
        "1e",
        "//",
        "\n",
    ]);
    let noise = prop::collection::vec(words, 0..30).prop_map(|words| words.join(" "));
    let leaf = prop::sample::select(vec![
        "json",
        "json.a",
        "attributes.a",
        "priority",
        "1",
        "2.5",
        "'a'",
        "null",
        "true",
        "[1, 'a']",
        "routing_key",
        "-9223372036854775808",
    ]);
    let whole = leaf.prop_map(str::to_owned).prop_recursive(5, 40, 3, |inner| {
        let operator = prop::sample::select(vec!["==", "!=", "<", ">=", "+", "-", "*", "/", "%", "in", "&&", "||"]);
        prop_oneof![
            (inner.clone(), operator, inner.clone())
                .prop_map(|(one, operator, two)| format!("({one} {operator} {two})")),
            (inner.clone(), inner.clone()).prop_map(|(of, body)| format!("{of}.exists(x, x == {body})")),
            (inner.clone(), inner.clone()).prop_map(|(of, key)| format!("{of}[{key}]")),
            inner.clone().prop_map(|of| format!("-{of}")),
            inner.clone().prop_map(|of| format!("!{of}")),
            inner.clone().prop_map(|of| format!("size({of})")),
            inner.prop_map(|of| format!("has({of}.b)")),
        ]
    });
    prop_oneof![noise, whole]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn never_panics(text in filter_text(), payload in json_value(), cut in 0usize..200) {
        if let Ok(filter) = Filter::parse(&text) {
            let whole = message(&[("a", "1")], "application/json", payload.as_bytes());
            let _ = filter.matches(&MessageView::new(&whole));
            let _ = filter.matches(&MessageView::new(&whole[..cut.min(whole.len())]));
        }
    }

    #[test]
    fn never_panics_on_any_text(text in any::<String>(), payload in any::<Vec<u8>>()) {
        let _ = Filter::parse(&text);
        let _ = json::document(&payload);
        let _ = Filter::parse("json.a.b == 1").unwrap().matches(&MessageView::new(&payload));
    }

    #[test]
    fn json_is_walked_as_it_was_written(items in prop::collection::vec(json_value(), 0..6)) {
        let array = format!(" [{}] ", items.join(","));
        let document = json::document(array.as_bytes()).unwrap();
        prop_assert_eq!(json::elements(&array[document]).collect::<Vec<_>>(), items);
    }
}
