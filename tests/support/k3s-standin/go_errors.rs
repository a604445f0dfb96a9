//! Errors of connections in the words of Go's net/http, crypto/tls and crypto/x509, which k3s passes on.

use std::error::Error;
use std::io;

use rustls::CertificateError;

/// `Get "URL": what went wrong`.
pub fn describe(method: &str, url: &str, error: &reqwest::Error) -> String {
    format!("{method} \"{url}\": {}", cause(url, error))
}

fn cause(url: &str, error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "context deadline exceeded (Client.Timeout exceeded while awaiting headers)".to_owned();
    }
    let mut next = error.source();
    while let Some(current) = next {
        if let Some(tls) = current.downcast_ref::<rustls::Error>() {
            return certificate(tls);
        }
        let input_or_output = current.downcast_ref::<io::Error>();
        if let Some(connection) = input_or_output.and_then(connection) {
            return format!("dial tcp {}: connect: {connection}", authority(url));
        }
        // What an error of this kind wraps is not its source but that of its source.
        let wrapped = input_or_output.and_then(io::Error::get_ref);
        next = wrapped.map(|inner| inner as &(dyn Error + 'static)).or_else(|| current.source());
    }
    let host = authority(url).rsplit_once(':').map_or("", |(host, _)| host).to_owned();
    if format!("{error:?}").contains("dns error") {
        return format!("dial tcp: lookup {host}: no such host");
    }
    format!("{error:?}")
}

fn connection(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Some("connection refused"),
        io::ErrorKind::HostUnreachable => Some("no route to host"),
        io::ErrorKind::NetworkUnreachable => Some("network is unreachable"),
        io::ErrorKind::TimedOut => Some("connection timed out"),
        _ => None,
    }
}

fn certificate(error: &rustls::Error) -> String {
    use CertificateError as Invalid;
    let reason = match error {
        rustls::Error::InvalidCertificate(Invalid::NotValidYet | Invalid::NotValidYetContext { .. }) => {
            "certificate has expired or is not yet valid: the current time is before its start"
        }
        rustls::Error::InvalidCertificate(Invalid::Expired | Invalid::ExpiredContext { .. }) => {
            "certificate has expired or is not yet valid: the current time is after its end"
        }
        rustls::Error::InvalidCertificate(
            Invalid::NotValidForName | Invalid::NotValidForNameContext { .. },
        ) => "certificate is valid for other names",
        rustls::Error::InvalidCertificate(_) => "certificate signed by unknown authority",
        other => return format!("remote error: tls: {other}"),
    };
    format!("tls: failed to verify certificate: x509: {reason}")
}

/// Host and port of an URL.
fn authority(url: &str) -> String {
    let Ok(url) = reqwest::Url::parse(url) else { return url.to_owned() };
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{}:{port}", url.host_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refused_connection_reads_as_in_go() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        // A port that was free a moment ago.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/ping", listener.local_addr().unwrap());
        drop(listener);
        let client = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
        let error = client.get(&url).send().await.unwrap_err();
        let address = authority(&url);
        let expected = format!("Get \"{url}\": dial tcp {address}: connect: connection refused");
        assert_eq!(describe("Get", &url, &error), expected);
    }
}
