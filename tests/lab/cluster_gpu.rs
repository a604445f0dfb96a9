//! `airlock cluster deploy` with a GPU in one of the nodes: the inventory that administrators have, a driver that comes
//! with the bundle, and the restart that it needs because the kernel's own driver is loaded.

use crate::cluster_deploy::{Desk, said};
use crate::driver_archive::DRIVER;
use crate::lab::gap::Gap;
use crate::lab::node::Node;
use crate::lab::release::Release;
use crate::lab::{Lab, is_possible};
use crate::stick::Stick;

/// What the node is told by the libraries of the driver, in the words of GPU Feature Discovery.
const LABELS: [(&str, &str); 4] =
    [("count", "1"), ("memory", "81559"), ("present", "true"), ("product", "NVIDIA-H100-80GB-HBM3")];

/// Inventory of Ansible as it was written for another tool; only addresses, user and key are those of the lab.
fn inventory(lab: &Lab, nodes: &[Node]) -> String {
    let key = lab.ssh_key();
    let host = |node: &Node| {
        let gpu = if node.name() == "worker2" { " has_gpu=true" } else { "" };
        format!(
            "{} ansible_ssh_user=operator ansible_ssh_host={} ansible_ssh_port=22 \
             ansible_ssh_private_key_file='{}' my_iface=eth0{gpu}\n",
            node.name(),
            node.address(),
            key.display()
        )
    };
    let hosts: String = nodes.iter().map(host).collect();
    format!(
        "{hosts}[driver]\nmaster\n[worker]\nworker1\nworker2\n[registry]\nmaster\n[all:vars]\n\
         convect_token=k3s_hub_token\nhas_gpu=false\ninstall_nvidia_driver=true\ninstall_docker=false\n\
         docker_repo=https://mirror.lab/docker\nhttp_port=9000\nhttps_port=9443\n"
    )
}

/// How the hosts ended in the last report.
fn states(desk: &Desk) -> Vec<String> {
    let report = desk.report();
    let hosts = report["hosts"].as_array().unwrap();
    hosts.iter().map(|host| host["state"].as_str().unwrap().to_owned()).collect()
}

/// The steps that a host has gone through in the last deployment.
fn steps(desk: &Desk, host: usize) -> String {
    desk.report()["hosts"][host]["steps"].to_string()
}

fn kubectl(server: &Node, words: &[&str]) -> String {
    server.succeed(&[&["k3s", "kubectl"], words].concat()).unwrap()
}

/// A label of a node; empty where it has none.
fn label(server: &Node, node: &str, name: &str) -> String {
    let path = format!("jsonpath={{.metadata.labels.nvidia\\.com/gpu\\.{name}}}");
    kubectl(server, &["get", "node", node, "-o", &path])
}

/// Driver, runtime of containers and labels are on the node with the GPU, and nowhere else.
fn only_the_last_has_a_gpu(nodes: &[Node]) {
    let (gpu, others) = nodes.split_last().unwrap();
    assert_eq!(gpu.succeed(&["nvidia-smi", "--query-gpu=driver_version"]).unwrap().trim(), DRIVER);
    let runtimes = gpu.shell("cat /var/lib/rancher/k3s/agent/etc/containerd/config.toml").unwrap();
    assert!(runtimes.contains("BinaryName = \"/usr/bin/nvidia-container-runtime\""), "{runtimes}");
    let held = gpu.succeed(&["apt-mark", "showhold"]).unwrap();
    assert!(held.contains("nvidia-open-kernel-dkms") && held.contains("nvidia-container-toolkit"), "{held}");
    gpu.systemctl(&["is-active", "nvidia-persistenced"]).unwrap();
    for (name, value) in LABELS {
        assert_eq!(label(&nodes[0], gpu.name(), name), value, "{name}");
    }
    for node in others {
        let installed = node.shell("dpkg-query --show --showformat '${Package}\\n'").unwrap();
        assert!(!installed.contains("nvidia") && !installed.contains("dkms"), "{installed}");
        let runtimes = node.shell("cat /var/lib/rancher/k3s/agent/etc/containerd/config.toml").unwrap();
        assert!(!runtimes.contains("nvidia"), "{runtimes}");
        assert_eq!(label(&nodes[0], node.name(), "present"), "");
    }
}

/// The device plugin of the bundle runs on the last node alone.
fn plugins_run_beside_gpus_only(nodes: &[Node]) {
    let pods = "k3s kubectl get pods --namespace kube-system --output wide | grep nvidia-device-plugin";
    let plugins = nodes[0]
        .shell(&format!("timeout 60 sh -c 'until {pods} | grep Running; do sleep 0.2; done' >&2; {pods}"));
    let plugins = plugins.unwrap();
    assert!(plugins.lines().all(|pod| pod.contains("worker2")), "{plugins}");
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn the_driver_comes_to_the_node_with_a_gpu_and_the_deployment_restarts_it() {
    if !is_possible() {
        return;
    }
    let stick = Stick::for_gpus();
    let lab = Lab::with_gap("deploy-gpu", Gap::Reject).unwrap();
    let nodes = lab.nodes_named(&["master", "worker1", "worker2"], Release::Bookworm).unwrap();
    let gpu = &nodes[2];
    gpu.insert_gpu().unwrap();
    let provisioner = lab.provisioner().unwrap();
    let desk = Desk::new(&lab, &provisioner, stick);
    desk.write("inventory.ini", &inventory(&lab, &nodes));

    let deployed = gpu.through_restart(|| desk.deploy(&["--restart"])).unwrap();
    assert!(deployed.status.success(), "{}", said(&deployed));
    assert_eq!(states(&desk), ["installed"; 3]);
    let steps = steps(&desk, 2);
    assert!(steps.contains("nvidia-packages") && steps.contains("nouveau"), "{steps}");
    only_the_last_has_a_gpu(&nodes);
    plugins_run_beside_gpus_only(&nodes);

    let path = |name: &str| desk.directory.join(name).to_str().unwrap().to_owned();
    let words = ["cluster", "status", "-i", &path("inventory.ini")];
    let status = provisioner.command(&path("airlock"), &words).output().unwrap();
    assert!(status.status.success(), "{}", said(&status));
    assert!(said(&status).contains("worker2"), "{}", said(&status));
    let again = desk.deploy(&[]);
    assert!(again.status.success(), "{}", said(&again));
    assert_eq!(states(&desk), ["unchanged"; 3], "{}", said(&again));
}

/// A server, and an agent of which nothing is said: its GPU is found.
fn server_and_agent(lab: &Lab, [server, agent]: [&Node; 2]) -> String {
    let host = |node: &Node| format!("[{{name: {}, host: {}}}]", node.name(), node.address());
    format!(
        "apiVersion: airlock/v1\nkind: Cluster\ndefaults: {{user: operator, identityFile: {}}}\n\
         servers: {}\nagents: {}\n",
        lab.ssh_key().display(),
        host(server),
        host(agent)
    )
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn a_gpu_that_was_found_waits_for_somebody_to_restart_its_node() {
    if !is_possible() {
        return;
    }
    let lab = Lab::with_gap("restart-gpu", Gap::Reject).unwrap();
    let nodes = lab.nodes_named(&["server1", "gpu1"], Release::Bookworm).unwrap();
    let gpu = &nodes[1];
    gpu.insert_gpu().unwrap();
    let provisioner = lab.provisioner().unwrap();
    let desk = Desk::new(&lab, &provisioner, Stick::for_gpus());
    desk.write("inventory.ini", &server_and_agent(&lab, [&nodes[0], gpu]));

    let plan = desk.deploy(&["--plan"]);
    assert!(plan.status.success(), "{}", said(&plan));
    assert!(said(&plan).contains("nouveau"), "{}", said(&plan));
    let waits = desk.deploy(&[]);
    assert_eq!(waits.status.code(), Some(9), "{}", said(&waits));
    assert!(said(&waits).contains("gpu1 has to be restarted (step nouveau)"), "{}", said(&waits));
    assert!(said(&waits).contains("--restart"), "{}", said(&waits));

    // Whether the same command comes before the node has gone on by itself, or afterwards.
    gpu.reboot().unwrap();
    let deployed = desk.deploy(&[]);
    assert!(deployed.status.success(), "{}", said(&deployed));
    only_the_last_has_a_gpu(&nodes);
    let failed = gpu.systemctl(&["list-units", "--failed", "--plain", "--no-legend"]).unwrap();
    assert!(!failed.contains("airlock"), "{failed}");

    gpu.reboot().unwrap();
    let again = desk.deploy(&[]);
    assert!(again.status.success(), "{}", said(&again));
    assert_eq!(states(&desk), ["unchanged"; 2], "{}", said(&again));
}
