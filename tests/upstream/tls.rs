//! Certificates that are not accepted, each with its reason (row 106).

use std::sync::Arc;

use airlock::error::codes;
use airlock::fetch::{Client, Limits, Settings};
use airlock::oci::registry::Registry;
use airlock::spec::HostSettings;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::common::{expect, quick};
use crate::misbehaving::{Server, answer};

const LIMITS: Limits = Limits { max_size: 1000 };

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Authority {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap())
    }

    fn serve(&self, name: &str, from: i32, until: i32) -> Server {
        let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(from, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.0).unwrap();
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
        Server::start_tls(Arc::new(config), |_, _| answer("200 OK", &[], b"secure"))
    }

    /// Settings that know this authority for `host`.
    fn known_for(&self, directory: &tempfile::TempDir, host: &str) -> Settings {
        let path = directory.path().join("ca.pem");
        fs_err::write(&path, self.0.pem()).unwrap();
        settings(host, HostSettings { ca: Some(path), ..HostSettings::default() })
    }
}

fn settings(host: &str, host_settings: HostSettings) -> Settings {
    Settings { hosts: [(host.to_owned(), host_settings)].into(), ..quick() }
}

async fn get(settings: Settings, server: &Server) -> airlock::error::Result<Vec<u8>> {
    let url = format!("https://localhost:{}/a", server.port);
    Client::new(settings).document(&url, LIMITS).await.map(|document| document.bytes)
}

#[tokio::test]
async fn an_authority_of_the_settings_is_trusted_for_its_host() {
    let (authority, directory) = (Authority::new(), tempfile::tempdir().unwrap());
    let server = authority.serve("localhost", 2020, 2120);
    let host = format!("localhost:{}", server.port);
    assert_eq!(get(authority.known_for(&directory, &host), &server).await.unwrap(), b"secure");
    let error = get(authority.known_for(&directory, "other.lab"), &server).await.unwrap_err();
    expect(
        "other host",
        &error,
        codes::FETCH_TLS,
        8,
        "signed by an authority that this machine does not know",
    );
    assert!(error.help().unwrap().contains(&format!("`registries.{host}.ca")), "{:?}", error.help());
}

#[tokio::test]
async fn certificates_are_refused_with_their_reason_and_at_once() {
    let (authority, directory) = (Authority::new(), tempfile::tempdir().unwrap());
    for (case, name, from, until, text) in [
        ("expired", "localhost", 2019, 2020, "expired on 2020-01-01T00:00:00Z; this machine's clock says 20"),
        ("clock-skewed", "localhost", 2120, 2121, "is not valid before 2120-01-01T00:00:00Z"),
        ("wrong host", "registry.lab", 2020, 2120, "is for another name: "),
    ] {
        let server = authority.serve(name, from, until);
        let host = format!("localhost:{}", server.port);
        let error = get(authority.known_for(&directory, &host), &server).await.expect_err(case);
        expect(case, &error, codes::FETCH_TLS, 8, text);
        assert!(error.details().is_empty(), "{case}: tried more than once");
        let insecure = HostSettings { insecure: true, ..HostSettings::default() };
        assert_eq!(get(settings(&host, insecure), &server).await.unwrap(), b"secure", "{case}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_recognised() {
    // A plain server takes the beginning of TLS for a broken request.
    let plain = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = plain.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in plain.incoming().flatten() {
            let mut stream = stream;
            let mut hello = [0; 16];
            let _ = std::io::Read::read(&mut stream, &mut hello);
            let _ = std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let reference = format!("{host}/a/b:1").parse().unwrap();
    let error = Registry::new(Client::new(quick())).resolve(&reference).await.unwrap_err();
    expect("plain", &error, codes::FETCH_TLS, 8, "answers without TLS");
    assert!(
        error.help().unwrap().contains(&format!("`registries.{host}.plainHttp: true`")),
        "{:?}",
        error.help()
    );
}
