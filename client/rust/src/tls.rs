//! `https://`: a proxy in front of the broker that ends TLS.

use tonic::transport::Endpoint;

use crate::Error;

#[cfg(feature = "tls")]
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";

/// The endpoint over TLS, trusting `ca_certificate` (PEM), or what the system trusts.
#[cfg(feature = "tls")]
pub(crate) fn over(endpoint: Endpoint, ca_certificate: Option<&[u8]>) -> Result<Endpoint, Error> {
    use tonic::transport::{Certificate, ClientTlsConfig};

    let (config, field) = match ca_certificate {
        // What holds none would only be seen when nobody is trusted.
        Some(pem) if !String::from_utf8_lossy(pem).contains(BEGIN) => {
            return Err(Error::invalid("ca_certificate", "holds no certificate in PEM"));
        }
        Some(pem) => (ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)), "ca_certificate"),
        None => (ClientTlsConfig::new().with_native_roots(), "url"),
    };
    endpoint.tls_config(config).map_err(|error| Error::invalid(field, &Error::disconnected(&error).to_string()))
}

/// Without TLS there is none.
#[cfg(not(feature = "tls"))]
pub(crate) fn over(_: Endpoint, _: Option<&[u8]>) -> Result<Endpoint, Error> {
    Err(Error::invalid("url", "https:// needs the feature `tls` of ferrymq-client"))
}
