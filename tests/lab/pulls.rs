//! Images come from our registry under their original names, and a missing one is told as containerd tells it.

use serde_json::Value;

use crate::lab::node::Node;
use crate::lab::release::Release;
use crate::lab::{Lab, is_possible};
use crate::samples;
use crate::standin::{TOKEN, address, server, write};

const REGISTRY: &str = "10.77.0.11:5000";
const UNIT: &str = "[Service]\nType=notify\nExecStart=/usr/local/bin/airlock registry serve --listen 10.77.0.11:5000 \
    --token-file /var/lib/airlock/token\n";
const MIRRORS: &str = "mirrors:\n  \"*\":\n    endpoint: [\"https://10.77.0.11:5000\"]\nconfigs:\n  \
    \"10.77.0.11:5000\":\n    tls: {ca_file: /var/lib/airlock/registry/ca.crt}\n";

fn serve_samples(node: &Node) {
    node.copy_in(env!("CARGO_BIN_EXE_airlock").as_ref(), "/usr/local/bin/airlock").unwrap();
    write(node, "/etc/systemd/system/registry.service", UNIT);
    node.shell("mkdir -p /var/lib/airlock && systemctl daemon-reload && timeout 30 systemctl start registry")
        .unwrap();
    let local = tempfile::tempdir().unwrap();
    samples::make(local.path(), b"stands for a program").unwrap();
    let certificates = local.path().join("certificates");
    fs_err::create_dir_all(&certificates).unwrap();
    node.copy_out("/var/lib/airlock/registry/ca.crt", &certificates.join("ca.crt")).unwrap();
    let credentials = format!("ada:{}", node.succeed(&["cat", "/var/lib/airlock/token"]).unwrap().trim());
    let certificates = certificates.to_str().unwrap();
    for image in [samples::PAUSE, samples::ZSTD, samples::BUSYBOX] {
        let from = format!("oci:{}:{image}", local.path().join("layout").display());
        let to = format!("docker://{REGISTRY}/{image}");
        let mut arguments = vec!["--insecure-policy", "copy", "--quiet", "--all", "--preserve-digests"];
        arguments.extend(["--dest-cert-dir", certificates, "--dest-creds", &credentials, &from, &to]);
        let output = node.command_beside("skopeo", &arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

fn pod(name: &str, image: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{containers: [{{name: c, image: {image}}}]}}\n"
    )
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn pods_run_with_images_of_our_registry_and_wait_for_those_that_are_missing() {
    if !is_possible() || std::process::Command::new("skopeo").arg("--version").output().is_err() {
        return;
    }
    let lab = Lab::new("pulls").unwrap();
    let node = lab.node("server1", Release::Trixie).unwrap();
    serve_samples(&node);
    write(&node, "/etc/rancher/k3s/registries.yaml", MIRRORS);
    let settings = "disable-default-registry-endpoint: true\n";
    let server = server(&node, &format!("{}token: {TOKEN}\n{settings}", address(&node)));
    server.start();
    server.until("k3s kubectl -n kube-system get pods | grep -q 'coredns-0.*1/1.*Running'");
    write(
        &node,
        "/root/pods.yaml",
        &[pod("here", "busybox:1.36"), pod("missing", "busybox:9")].join("---\n"),
    );
    server.kubectl(&["apply", "-f", "/root/pods.yaml"]);
    server.kubectl(&["wait", "--for=condition=Ready", "pod/here", "--timeout=30s"]);
    server.until("k3s kubectl get pods | grep -q 'missing.*0/1.*ImagePullBackOff'");

    let missing: Value =
        serde_json::from_str(&server.kubectl(&["get", "pod", "missing", "-o", "json"])).unwrap();
    let message = missing["status"]["containerStatuses"][0]["state"]["waiting"]["message"].as_str().unwrap();
    let name = "docker.io/library/busybox:9";
    let cause =
        format!("failed to pull and unpack image \"{name}\": failed to resolve image: {name}: not found");
    assert!(message.starts_with("Back-off pulling image \"busybox:9\": ErrImagePull: "), "{message}");
    assert!(message.ends_with(&format!("rpc error: code = NotFound desc = {cause}")), "{message}");

    // The digest is that of the registry, and the registry was asked as containerd asks.
    let url = format!("https://{REGISTRY}/v2/library/busybox/manifests/1.36?ns=docker.io");
    let head = node.succeed(&["curl", "-sI", "--cacert", "/var/lib/airlock/registry/ca.crt", &url]).unwrap();
    let images: Value = serde_json::from_str(&node.shell("k3s crictl images -o json").unwrap()).unwrap();
    let all = images["images"].as_array().unwrap();
    let busybox = all.iter().find(|image| image["repoTags"][0] == samples::BUSYBOX).unwrap();
    assert!(head.to_lowercase().contains(busybox["id"].as_str().unwrap()), "{head}");
    let hosts = "/var/lib/rancher/k3s/agent/etc/containerd/certs.d/_default/hosts.toml";
    assert!(node.succeed(&["cat", hosts]).unwrap().contains("[host.\"https://10.77.0.11:5000/v2\"]"));
    // Without the registry everything that is here stays, and nothing new comes.
    node.systemctl(&["stop", "registry"]).unwrap();
    let pulled = node.run(&["k3s", "crictl", "pull", "nvcr.io/nvidia/none:1"]).unwrap();
    let said = String::from_utf8_lossy(&pulled.stderr).into_owned();
    assert!(said.contains("dial tcp 10.77.0.11:5000: connect: connection refused"), "{said}");
}
