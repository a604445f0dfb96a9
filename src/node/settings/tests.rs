//! What settings are taken and what is refused.

use super::*;

#[test]
fn defaults_are_those_of_a_first_server() {
    let settings = Settings::parse(b"{}").unwrap();
    assert_eq!(settings, Settings::default());
    let json = serde_json::to_vec(&settings).unwrap();
    assert_eq!(Settings::parse(&json).unwrap(), settings);
    let json = br#"{"registry": {"kind": "external", "endpoint": "http://harbor.lab:8080/platform"}}"#;
    assert!(Settings::parse(json).is_ok(), "without TLS, but only as it is written");
}

#[test]
fn certificates_name_the_virtual_address_once() {
    let json =
        br#"{"serverNames": ["k3s.lab"], "virtualAddress": {"kind": "kubeVip", "address": "10.0.0.100"}}"#;
    let mut settings = Settings::parse(json).unwrap();
    assert_eq!(settings.certificate_names(), ["k3s.lab", "10.0.0.100"]);
    settings.server_names.push("10.0.0.100".to_owned());
    assert_eq!(settings.certificate_names(), ["k3s.lab", "10.0.0.100"]);
}

#[test]
fn a_balancer_has_no_registry_and_may_have_the_port_of_the_servers() {
    let json = br#"{"role": "balancer", "virtualAddress": {"kind": "haproxy", "address": "10.0.0.100",
        "vrrp": {"priority": 1}, "balancer": {"port": 6443, "statusPort": 8404, "servers": ["10.0.0.1"]}}}"#;
    let settings = Settings::parse(json).unwrap();
    assert_eq!(settings.registry, Registry::Peers { endpoints: Vec::new() });
    assert_eq!(settings.role.k3s(), None);
}

#[test]
fn what_cannot_work_is_told_with_its_option() {
    for (json, part) in [
        (r#"{"role": "agent"}"#, "which server"),
        (r#"{"rolle": "agent"}"#, "cannot be understood"),
        (r#"{"role": "agent", "join": "http://a:6443"}"#, "--join"),
        (r#"{"labels": {"node-role.kubernetes.io/master": "true"}}"#, "--label"),
        (r#"{"labels": {"a b": "true"}}"#, "--label"),
        (r#"{"taints": ["gpu=yes:Sometimes"]}"#, "cannot be understood"),
        (r#"{"name": "GPU_1"}"#, "--node-name"),
        (r#"{"httpPort": 6443}"#, "--http-port"),
        (r#"{"httpPort": 443}"#, "--https-port"),
        (r#"{"httpsPort": 5443}"#, "--registry-port"),
        (r#"{"serviceCidr": "10.42.128.0/20"}"#, "--cluster-cidr"),
        (r#"{"interface": "-x"}"#, "--interface"),
        (r#"{"dataDirectory": "data"}"#, "--data-dir"),
        (r#"{"disable": ["a\nb"]}"#, "--disable"),
        (r#"{"signatures": 0}"#, "--signatures"),
        (r#"{"registry": {"kind": "external", "endpoint": "harbor"}}"#, "--registry"),
        (r#"{"registry": {"kind": "external", "endpoint": "https://a/B"}}"#, "--registry"),
        (r#"{"registry": {"kind": "peers", "endpoints": ["http://a"]}}"#, "--peer"),
        (r#"{"registry": {"kind": "own", "port": 5443, "endpoints": ["a"]}}"#, "--peer"),
        (r#"{"nfs": [{"source": "nas", "path": "/data"}]}"#, "nfs.source"),
        (r#"{"virtualAddress": {"kind": "external", "host": "a b"}}"#, "virtualAddress.host"),
        (r#"{"virtualAddress": {"kind": "floating"}}"#, "cannot be understood"),
        (r#"{"role": "balancer"}"#, "virtual address"),
        (
            r#"{"role": "agent", "join": "https://a:6443",
                "virtualAddress": {"kind": "external", "host": "lb"}}"#,
            "virtualAddress.kind",
        ),
        (
            r#"{"virtualAddress": {"kind": "haproxy", "address": "10.0.0.100", "vrrp": {"priority": 1},
                "balancer": {"port": 443, "statusPort": 8404, "servers": ["10.0.0.1"]}}}"#,
            "virtualAddress.balancer",
        ),
    ] {
        let error = Settings::parse(json.as_bytes()).unwrap_err();
        assert_eq!(error.code(), codes::NODE_SETTINGS);
        assert!(error.message().contains(part), "{json}: {}", error.message());
    }
}
