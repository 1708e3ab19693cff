//! Compiles the definitions with a protobuf compiler written in Rust, so that no `protoc` is needed.
//!
//! Two modules come out: the full types for clients, and a server's view of the same services in which the messages on
//! the hot path are bound to the hand-written structs of `raw.rs`.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

const FILES: [&str; 7] =
    ["admin_service", "errors", "message", "messaging_service", "operations_service", "resources", "stats"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=ferrymq");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let files = FILES.map(|name| root.join(format!("ferrymq/v1/{name}.proto")));
    let set = protox::compile(files, [&root])?;
    fs::write(out.join("descriptors.bin"), set.encode_to_vec())?;

    for (module, server) in [("client", false), ("server", true)] {
        let dir = out.join(module);
        fs::create_dir_all(&dir)?;
        let mut config = tonic_prost_build::configure()
            .build_client(!server)
            .build_server(server)
            .codec_path("crate::codec::SizedCodec")
            .out_dir(&dir)
            .bytes(".");
        if server {
            config = config
                .generate_default_stubs(true)
                .extern_path(".ferrymq.v1.PublishRequest", "crate::raw::RawPublishRequest")
                .extern_path(".ferrymq.v1.Delivery", "crate::raw::RawDelivery");
        }
        config.compile_fds(set.clone())?;
    }
    Ok(())
}
