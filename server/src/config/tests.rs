use std::ffi::OsString;

use super::*;

fn flags(values: &[(&str, &str)]) -> Layer {
    Layer::from_flags(values.iter().map(|(key, value)| (*key, Some((*value).to_owned()))))
}

fn env(variables: &[(&str, &str)]) -> Result<Layer, ConfigError> {
    Layer::from_env(variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))))
}

fn file(text: &str) -> Result<Layer, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ferrymq.toml");
    std::fs::write(&path, text).unwrap();
    Layer::from_file(&path)
}

fn refusal(layer: Layer) -> String {
    Config::resolve(vec![layer]).unwrap_err().to_string()
}

#[test]
fn a_flag_goes_before_the_environment_and_that_before_the_file() {
    let environment = env(&[("FERRYMQ_LOG", "warn"), ("FERRYMQ_LISTEN", "127.0.0.1:1"), ("HOME", "/")]).unwrap();
    let file = file("listen = '127.0.0.1:2'\ndisk_limit = '1GiB'\nconnections_max = 7\nephemeral = true").unwrap();
    let config = Config::resolve(vec![flags(&[("log", "debug")]), environment, file]).unwrap();
    assert_eq!((config.log.as_str(), config.listen.port(), config.disk_limit), ("debug", 1, Some(1 << 30)));
    assert_eq!((config.connections_max, config.data), (7, None));
}

#[test]
fn what_is_printed_gives_the_same_configuration_again() {
    let all = [
        ("data", "/somewhere \"else\"\n"),
        ("drain_timeout", "1.5m"),
        ("disk_limit", "10GiB"),
        ("log_format", "json"),
        ("keepalive_interval", "7s"),
        ("streams_per_connection_max", "9"),
        ("port_file", "007"),
        ("allow_anonymous", "true"),
    ];
    for layers in [vec![], vec![flags(&all)], vec![flags(&[("ephemeral", "true")])]] {
        let config = Config::resolve(layers).unwrap();
        let mut again = Config::resolve(vec![file(&config.to_toml()).unwrap()]).unwrap();
        again.lines = config.lines.clone();
        assert_eq!(again, config, "{}", config.to_toml());
    }
}

#[test]
fn an_error_names_the_setting_where_it_was_given_the_value_and_the_rule() {
    assert_eq!(
        refusal(flags(&[("drain_timeout", "5")])),
        "drain_timeout: `5` (flag --drain-timeout) must be a number and a unit: 250ms, 30s, 5m, 2h, 7d"
    );
    assert_eq!(
        refusal(env(&[("FERRYMQ_MESSAGE_BYTES_MAX", "1GiB")]).unwrap()),
        "message_bytes_max: `1GiB` (environment variable FERRYMQ_MESSAGE_BYTES_MAX) must be from 1KiB to 6MiB"
    );
    let from_file = refusal(file("connections_max = 0").unwrap());
    assert!(from_file.starts_with("connections_max: `0` (key `connections_max` in /"), "{from_file}");
    assert!(from_file.ends_with("ferrymq.toml) must be a whole number from 1 to 1000000"), "{from_file}");
}

#[test]
fn every_setting_refuses_what_is_out_of_its_range() {
    let bad = [
        ("data", ""),
        ("ephemeral", "perhaps"),
        ("listen", "localhost"),
        ("allow_anonymous", "1"),
        ("port_file", ""),
        ("disk_limit", "1MiB"),
        ("drain_timeout", "2h"),
        ("log", ""),
        ("log_format", "xml"),
        ("connections_max", "-1"),
        ("connections_per_ip_max", "0"),
        ("streams_per_connection_max", "100001"),
        ("first_bytes_timeout", "0s"),
        ("keepalive_interval", "1ms"),
        ("keepalive_timeout", "x"),
        ("web_origins", "https://app.example.com/, *"),
        ("message_bytes_max", "1"),
        ("request_bytes_max", "7MiB"),
        ("batch_items_max", "1e3"),
        ("unconfirmed_bytes_max", "1MiB"),
        ("cache_bytes_max", "-1"),
    ];
    let known: Vec<&str> = Config::resolve(Vec::new()).unwrap().lines.iter().map(|line| line.key).collect();
    assert!(known.iter().all(|key| bad.iter().any(|(there, _)| there == key)), "a setting is not tried here");
    for (key, value) in &bad {
        let error = Config::resolve(vec![flags(&[(key, value)])]).unwrap_err();
        assert_eq!((error.setting.as_str(), error.value.as_deref()), (*key, Some(*value)));
    }
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    assert!(refusal(flags(&[("ephemeral", "true"), ("data", "d")])).contains("together with `ephemeral`"));
    assert!(refusal(flags(&[("listen", "0.0.0.0:1")])).contains("set allow_anonymous"));
    assert!(Config::resolve(vec![flags(&[("listen", "0.0.0.0:1"), ("allow_anonymous", "true")])]).is_ok());
    let larger = flags(&[("message_bytes_max", "2MiB"), ("request_bytes_max", "1MiB")]);
    assert!(refusal(larger).contains("at most request_bytes_max, 1MiB"));
}

#[test]
fn an_unknown_setting_is_refused_and_the_one_that_was_meant_is_named() {
    let variable = refusal(env(&[("FERRYMQ_LISTN", "127.0.0.1:1")]).unwrap());
    assert!(variable.ends_with("did you mean environment variable FERRYMQ_LISTEN?"), "{variable}");
    let key = refusal(file("drain_timeout_s = 3").unwrap());
    assert!(key.contains("did you mean key `drain_timeout`"), "{key}");
    let strange = refusal(env(&[("FERRYMQ_COLOUR_OF_THE_SKY", "blue")]).unwrap());
    assert!(strange.ends_with("--print-config` prints them all"), "{strange}");
}

#[test]
fn what_others_put_into_the_environment_is_left_alone() {
    let variables = [
        ("FERRYMQ_URL", "http://somewhere:1"),
        ("FERRYMQ_CONFIG", "file"),
        ("FERRYMQ_SERVICE_HOST", "10.0.0.1"),
        ("FERRYMQ_SERVICE_PORT_GRPC", "7171"),
        ("FERRYMQ_PORT", "tcp://10.0.0.1:7171"),
        ("FERRYMQ_PORT_7171_TCP_ADDR", "10.0.0.1"),
    ];
    assert_eq!(env(&variables).unwrap(), Layer::default());
    assert!(Config::resolve(vec![env(&[("FERRYMQ_PORT", "7171")]).unwrap()]).is_err());
}

#[cfg(unix)]
#[test]
fn text_that_is_not_utf8_is_refused_by_name() {
    use std::os::unix::ffi::OsStringExt as _;
    let bad = || OsString::from_vec(vec![b'a', 0xff]);
    let error = Layer::from_env([(OsString::from("FERRYMQ_DATA"), bad())]).unwrap_err().to_string();
    assert!(error.contains("FERRYMQ_DATA") && error.ends_with("must be UTF-8"), "{error}");
    let name = OsString::from_vec(b"FERRYMQ_\xff".to_vec());
    assert!(Config::resolve(vec![Layer::from_env([(name, OsString::new())]).unwrap()]).is_err());
    assert_eq!(Layer::from_env([(bad(), bad())]).unwrap(), Layer::default());
}

#[test]
fn a_file_that_is_no_toml_or_holds_other_values_is_refused() {
    for bad in ["listen = ", "log = ['a']", "drain_timeout = 1.5", "[table]\nlog = 'x'"] {
        assert!(file(bad).is_err(), "{bad}");
    }
    assert!(Layer::from_file(std::path::Path::new("/nowhere/at/all")).unwrap_err().rule.contains("cannot be read"));
}
