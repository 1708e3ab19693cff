//! Every setting there is.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::LogFormat;
use super::setting::{Setting, address, bytes, count, duration, flag, memory, optional, origins, path};

const MIB: u64 = 1 << 20;
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
/// A group of this size at most goes to the disk as one; a request has to fit in beside what sealed the group.
const REQUEST_BYTES_MAX: u64 = 6 * MIB;

pub(super) const DATA: Setting<PathBuf> =
    Setting { key: "data", default: "ferrymq-data", about: "directory of the data", read: path };
pub(super) const EPHEMERAL: Setting<bool> =
    Setting { key: "ephemeral", default: "false", about: "keep everything in memory; `data` is not used", read: flag };
pub(super) const LISTEN: Setting<SocketAddr> = Setting {
    key: "listen",
    default: "127.0.0.1:7171",
    about: "address and port; port 0: any free one",
    read: address,
};
pub(super) const ALLOW_ANONYMOUS: Setting<bool> = Setting {
    key: "allow_anonymous",
    default: "false",
    about: "listen beyond this machine though there is no authentication",
    read: flag,
};
pub(super) const PORT_FILE: Setting<Option<PathBuf>> = Setting {
    key: "port_file",
    default: "none",
    about: "the bound address is written to this file once the broker is ready",
    read: |text| optional(text, path),
};
pub(super) const DISK_LIMIT: Setting<Option<u64>> = Setting {
    key: "disk_limit",
    default: "none",
    about: "most bytes of the journal; above, publishes are refused; none: what the disk has",
    read: |text| optional(text, |text| bytes(text, 128 * MIB, 1 << 50)),
};
pub(super) const DRAIN_TIMEOUT: Setting<Duration> = Setting {
    key: "drain_timeout",
    default: "10s",
    about: "how long streams may take to end when the broker stops",
    read: |text| duration(text, Duration::ZERO, HOUR),
};
pub(super) const LOG: Setting<String> = Setting {
    key: "log",
    default: "info",
    about: "what to log: error, warn, info, debug, trace, or by part: info,ferrymq_server=debug",
    read: |text| if text.is_empty() { Err("must not be empty".into()) } else { Ok(text.into()) },
};
pub(super) const LOG_FORMAT: Setting<LogFormat> = Setting {
    key: "log_format",
    default: "text",
    about: "text, or json: one object on each line",
    read: |text| match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("must be text or json".into()),
    },
};
pub(super) const CONNECTIONS_MAX: Setting<u32> = Setting {
    key: "connections_max",
    default: "4096",
    about: "most connections",
    read: |text| count(text, 1, 1_000_000),
};
pub(super) const CONNECTIONS_PER_IP_MAX: Setting<u32> = Setting {
    key: "connections_per_ip_max",
    default: "1024",
    about: "most connections from one IP address; of IPv6, from one network of 64 bits",
    read: |text| count(text, 1, 1_000_000),
};
pub(super) const STREAMS_PER_CONNECTION_MAX: Setting<u32> = Setting {
    key: "streams_per_connection_max",
    default: "256",
    about: "most open calls of one connection; more wait",
    read: |text| count(text, 1, 100_000),
};
pub(super) const FIRST_BYTES_TIMEOUT: Setting<Duration> = Setting {
    key: "first_bytes_timeout",
    default: "10s",
    about: "a new connection that stays silent so long is closed",
    read: |text| duration(text, Duration::from_millis(10), HOUR),
};
pub(super) const KEEPALIVE_INTERVAL: Setting<Duration> = Setting {
    key: "keepalive_interval",
    default: "30s",
    about: "a quiet connection is asked so often whether it is alive",
    read: |text| duration(text, SECOND, HOUR),
};
pub(super) const KEEPALIVE_TIMEOUT: Setting<Duration> = Setting {
    key: "keepalive_timeout",
    default: "10s",
    about: "a connection that does not answer so long is closed",
    read: |text| duration(text, SECOND, HOUR),
};
pub(super) const WEB_ORIGINS: Setting<Option<Vec<String>>> = Setting {
    key: "web_origins",
    default: "none",
    about: "origins, with commas between, whose pages may call with gRPC-Web; none: it is not spoken",
    read: |text| optional(text, origins),
};
pub(super) const MESSAGE_BYTES: Setting<usize> = Setting {
    key: "message_bytes_max",
    default: "1MiB",
    about: "largest message, encoded",
    read: |text| memory(text, 1 << 10, REQUEST_BYTES_MAX),
};
pub(super) const REQUEST_BYTES: Setting<usize> = Setting {
    key: "request_bytes_max",
    default: "4MiB",
    about: "largest request, its messages together",
    read: |text| memory(text, 1 << 10, REQUEST_BYTES_MAX),
};
pub(super) const BATCH_ITEMS: Setting<u32> = Setting {
    key: "batch_items_max",
    default: "10000",
    about: "most messages or ack ids in one request",
    // Clients settle up to 1,000 at once.
    read: |text| count(text, 1_000, 100_000),
};
pub(super) const UNCONFIRMED_BYTES: Setting<usize> = Setting {
    key: "unconfirmed_bytes_max",
    default: "64MiB",
    about: "most bytes of publishes on their way to the disk; above, publishers wait",
    read: |text| memory(text, REQUEST_BYTES_MAX, 4 << 30),
};
pub(super) const CACHE_BYTES: Setting<usize> = Setting {
    key: "cache_bytes_max",
    default: "64MiB",
    about: "most bytes of messages kept in memory for reading: the newest, and, in a quarter of it, what was read from disk last",
    read: |text| memory(text, 0, 1 << 40),
};
