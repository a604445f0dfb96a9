//! Bad files `cluster.yaml`: the code, the exit status, the words under the underline, and all fields as a
//! snapshot, so that a change of wording is seen in a review.

use airlock::error::Error;

use crate::{rendered, yaml};

/// An inventory that must be refused: what it is, its text, the code, what is underlined, what the message says.
pub type Case<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str);

pub fn check(cases: &[Case<'_>], parse: fn(&str) -> Result<airlock::spec::cluster::Read, Error>) -> String {
    let mut all = String::new();
    for (name, text, code, underlined, message) in cases {
        let error = parse(text).expect_err(name);
        let shown = rendered(&error);
        assert_eq!(error.code().to_string(), *code, "{name}: {shown}");
        assert_eq!(error.kind().exit_status(), 3, "{name}");
        assert!(error.message().contains(message), "{name}: {shown}");
        let snippet = error.location().and_then(|location| location.snippet.as_ref()).expect(name);
        assert_eq!(&snippet.text[snippet.span.clone()], *underlined, "{name}: {shown}");
        all += &format!("=== {name}\n{shown}\n");
    }
    all
}

#[test]
fn yaml_says_what_is_wrong_with_hosts() {
    let report = check(
        &[
            ("no server", "agents: [a]\n", "E1104", "a", "no server"),
            ("empty servers", "servers: []\n", "E1104", "[", "no server"),
            (
                "same name",
                "servers: [a]\nagents:\n  - b\n  - a\n",
                "E1103",
                "a",
                "stands twice, first on line 3",
            ),
            (
                "same address of SSH",
                "servers: [{name: a, host: 10.0.0.1}]\nagents: [{name: b, host: 10.0.0.1}]\n",
                "E1103",
                "b",
                "same address and port of SSH as `a` on line 3",
            ),
            (
                "same address",
                "servers: [{name: a, address: 10.0.0.1}]\nagents: [{name: b, address: 10.0.0.1}]\n",
                "E1103",
                "b",
                "same `address` as `a`",
            ),
            (
                "two here",
                "servers: [{name: a, local: true}, {name: b, local: true}]\n",
                "E1103",
                "b",
                "machine itself",
            ),
            ("no name", "servers: [{host: 10.0.0.1}]\n", "E0106", "{", "has no name"),
            ("upper case", "servers: [Node1]\n", "E0105", "Node1", "name of a node"),
            ("underscore", "servers: [node_1]\n", "E0105", "node_1", "name of a node"),
            ("range without an end", "servers: [\"n[1:\"]\n", "E0105", "\"n[1:\"", "name of a node"),
            ("range backwards", "servers: [\"n[5:1]\"]\n", "E0105", "\"n[5:1]\"", "ends before it begins"),
            (
                "ranges of two lengths",
                "servers: [{name: \"n[1:3]\", host: \"10.0.0.[1:2]\"}]\n",
                "E0105",
                "\"10.0.0.[1:2]\"",
                "2 hosts",
            ),
            (
                "one address for a range",
                "servers: [{name: \"n[1:3]\", address: 10.0.0.1}]\n",
                "E0105",
                "10.0.0.1",
                "for 3 hosts",
            ),
            ("port 0", "servers: [{name: a, port: 0}]\n", "E0105", "0", "not a port"),
            ("port 70000", "servers: [{name: a, port: 70000}]\n", "E0105", "70000", "not a port"),
            ("port with a space", "servers: [{name: a, port: \"22 \"}]\n", "E0105", "\"22 \"", "not a port"),
            ("port in octal", "servers: [{name: a, port: 022}]\n", "E0105", "022", "not a port"),
            (
                "address with zone",
                "servers: [{name: a, address: \"fe80::1%eth0\"}]\n",
                "E0105",
                "\"fe80::1%eth0\"",
                "zone",
            ),
            (
                "loopback",
                "servers: [{name: a, address: 127.0.0.1}]\n",
                "E0105",
                "127.0.0.1",
                "another machine",
            ),
            (
                "network for address",
                "servers: [{name: a, address: 10.0.0.1/24}]\n",
                "E0105",
                "10.0.0.1/24",
                "is a network",
            ),
            (
                "long label",
                "servers: [{name: a, labels: {x: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}}]\n",
                "E0105",
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                "cannot be a label",
            ),
            (
                "reserved label",
                "servers: [{name: a, labels: {kubernetes.io/os: linux}}]\n",
                "E0105",
                "linux",
                "cannot be a label",
            ),
            (
                "label without quotes",
                "servers: [{name: a, labels: {gpu: true}}]\n",
                "E0104",
                "true",
                "truth value",
            ),
            (
                "taint without effect",
                "servers: [{name: a, taints: [gpu=yes]}]\n",
                "E0105",
                "gpu=yes",
                "taint",
            ),
            (
                "taint with a bad effect",
                "servers: [{name: a, taints: [\"gpu:Sometimes\"]}]\n",
                "E0105",
                "\"gpu:Sometimes\"",
                "effect",
            ),
            (
                "taint with two values",
                "servers: [{name: a, taints: [\"gpu=a:NoSchedule\", \"gpu=b:NoSchedule\"]}]\n",
                "E0105",
                "\"gpu=b:NoSchedule\"",
                "stands twice",
            ),
            ("gpu", "servers: [{name: a, gpu: maybe}]\n", "E0105", "maybe", "GPU"),
            (
                "first without registry",
                "servers: [{name: a, registry: false}]\n",
                "E0105",
                "a",
                "first server",
            ),
            ("SSH to itself", "servers: [{name: a, local: true, host: b}]\n", "E0105", "b", "about SSH"),
            ("name for all", "defaults: {name: a}\nservers: [a]\n", "E0105", "a", "same for all"),
            (
                "fingerprint",
                "servers: [{name: a, hostKeys: [\"MD5:aa\"]}]\n",
                "E0105",
                "\"MD5:aa\"",
                "fingerprint",
            ),
            (
                "mount over the system",
                "servers: [{name: a, nfs: [{source: \"nas:/x\", path: /usr/local}]}]\n",
                "E0105",
                "/usr/local",
                "place to mount",
            ),
            (
                "mount of nothing",
                "servers: [{name: a, nfs: [{source: nas, path: /data}]}]\n",
                "E0105",
                "nas",
                "source",
            ),
            ("inline token", "servers: [a]\ntoken: hunter2\n", "E0102", "token", "unknown key `token`"),
            (
                "inline password",
                "servers: [{name: a, sudoPassword: hunter2}]\n",
                "E0102",
                "sudoPassword",
                "unknown key",
            ),
            (
                "labelled balancer",
                "servers: [a]\nbalancers: [{name: b, labels: {x: y}}]\nvirtualAddress: 10.0.0.9\n",
                "E0105",
                "x",
                "no node",
            ),
        ],
        yaml,
    );
    assert!(!report.contains("hunter2"), "{report}");
    insta::assert_snapshot!(report);
}

#[test]
fn yaml_says_what_is_wrong_with_networks() {
    let nodes = "servers: [{name: a, host: 10.0.0.1}]\n";
    let cases: Vec<(&str, String, &str, &str, &str)> = vec![
        (
            "node in pods",
            "servers: [{name: a, host: 10.42.0.7}]\n".into(),
            "E1105",
            "a",
            "10.42.0.7, which is in 10.42.0.0/16",
        ),
        (
            "node in services",
            "servers: [{name: a, address: 10.43.0.7}]\n".into(),
            "E1105",
            "a",
            "network of the services",
        ),
        (
            "pods and services",
            format!("{nodes}serviceCidr: 10.42.128.0/20\n"),
            "E0105",
            "10.42.128.0/20",
            "overlap",
        ),
        (
            "not a network",
            format!("{nodes}clusterCidr: 10.42.1.0/16\n"),
            "E0105",
            "10.42.1.0/16",
            "no network",
        ),
        ("two families", "servers: [{name: a, host: \"fd00::1\"}]\n".into(), "E1105", "a", "IPv6"),
        (
            "address of a node",
            format!("{nodes}virtualAddress: 10.0.0.1\n"),
            "E1105",
            "10.0.0.1",
            "that of `a` on line 3",
        ),
        (
            "address among pods",
            format!("{nodes}virtualAddress: 10.42.0.1\n"),
            "E1105",
            "10.42.0.1",
            "network of the pods",
        ),
        (
            "address elsewhere",
            format!("{nodes}virtualAddress: {{host: 10.0.1.9, prefix: 24}}\n"),
            "E1105",
            "10.0.1.9",
            "not in the network of `a`",
        ),
        (
            "address with prefix",
            format!("{nodes}virtualAddress: 10.0.0.9/24\n"),
            "E0105",
            "10.0.0.9/24",
            "is a network",
        ),
        (
            "name as address",
            format!("{nodes}virtualAddress: k3s.lab\n"),
            "E0105",
            "k3s.lab",
            "not an IP address",
        ),
        (
            "mode",
            format!("{nodes}virtualAddress: {{host: 10.0.0.9, mode: keepalivd}}\n"),
            "E0105",
            "keepalivd",
            "not a value of `mode`",
        ),
        (
            "key of another mode",
            format!("{nodes}virtualAddress: {{host: 10.0.0.9, port: 7443}}\n"),
            "E0105",
            "7443",
            "no meaning",
        ),
        (
            "port of the API",
            format!("{nodes}virtualAddress: {{host: 10.0.0.9, mode: haproxy, port: 6443}}\n"),
            "E0105",
            "6443",
            "used for something else",
        ),
        (
            "haproxy on a port of the ingress",
            format!("{nodes}httpsPort: 8443\nvirtualAddress: {{host: 10.0.0.9, mode: haproxy}}\n"),
            "E0105",
            "{",
            "port 8443 of the servers",
        ),
        (
            "router 0",
            format!("{nodes}virtualAddress: {{host: 10.0.0.9, routerId: 0}}\n"),
            "E0105",
            "0",
            "virtual router",
        ),
        ("balancers without address", format!("{nodes}balancers: [b]\n"), "E0105", "b", "no virtual address"),
        (
            "balancers for nothing",
            format!("{nodes}balancers: [b]\nvirtualAddress: {{host: 10.0.0.9, mode: kube-vip}}\n"),
            "E0105",
            "kube-vip",
            "only the mode `haproxy`",
        ),
        ("port twice", format!("{nodes}httpPort: 443\n"), "E0105", "443", "used for"),
        ("port of k3s", format!("{nodes}httpPort: 10250\n"), "E0105", "10250", "used for k3s"),
        (
            "two registries",
            "servers: [{name: a, registry: true}]\nsiteRegistry: https://harbor.lab/x\n".into(),
            "E0105",
            "true",
            "the site has one",
        ),
        (
            "registry of the site",
            format!("{nodes}siteRegistry: harbor.lab\n"),
            "E0301",
            "harbor.lab",
            "not the address of a registry",
        ),
        (
            "login without a registry",
            format!("{nodes}siteRegistryPullAuth: true\n"),
            "E0105",
            "true",
            "none is named",
        ),
        ("concurrency", format!("{nodes}concurrency: 0\n"), "E0105", "0", "number of commands"),
    ];
    let mut report = String::new();
    for (name, text, code, underlined, message) in &cases {
        report += &check(&[(name, text, code, underlined, message)], yaml);
    }
    insta::assert_snapshot!(report);
}

#[test]
fn yaml_says_what_is_wrong_with_the_file() {
    for (text, code, message) in [
        ("", "E0106", "the file is empty"),
        ("apiVersion: airlock/v1\nservers: [a]\n", "E0106", "`kind` is missing"),
        ("apiVersion: airlock/v1\nkind: Bundle\nservers: [a]\n", "E0105", "not that of a cluster"),
        ("apiVersion: airlock/v2\nkind: Cluster\nservers: [a]\n", "E0105", "not that of a cluster"),
        ("apiVersion: airlock/v1\nkind: Cluster\nserver: [a]\n", "E0102", "unknown key `server`"),
        ("apiVersion: airlock/v1\nkind: Cluster\nservers: a\n", "E0104", "must be a list"),
        ("apiVersion: airlock/v1\nkind: Cluster\nservers: [1]\n", "E0104", "but it is `1`"),
    ] {
        let mut none = |_: &std::path::Path| unreachable!("no file is named");
        let error = airlock::spec::cluster::parse(text.as_bytes(), "c", std::path::Path::new(""), &mut none)
            .expect_err(text);
        assert_eq!(error.code().to_string(), code, "{text}: {error}");
        assert!(error.message().contains(message) && error.help().is_some(), "{text}: {error}");
    }
}
