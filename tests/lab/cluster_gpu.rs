//! `airlock cluster deploy` with a GPU in one of the nodes: the inventory that administrators have, a driver that comes
//! with the bundle, and the restart that it needs because the kernel's own driver is loaded.

use crate::desk::Desk;
use crate::driver_archive::DRIVER;
use crate::inventories::yaml;
use crate::lab::Lab;
use crate::lab::gap::Gap;
use crate::lab::node::Node;
use crate::lab::release::Release;
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
    let Some(stick) = Stick::for_gpus() else { return };
    let lab = Lab::with_gap("deploy-gpu", Gap::Reject).unwrap();
    let nodes = lab.nodes_named(&["master", "worker1", "worker2"], Release::Bookworm).unwrap();
    let gpu = &nodes[2];
    gpu.insert_gpu().unwrap();
    let desk = Desk::new(&lab, stick);
    desk.inventory(&inventory(&lab, &nodes));

    let deployed = gpu.through_restart(|| desk.deploy(&["--restart"])).unwrap();
    assert_eq!(deployed.status, Some(0), "{}", deployed.told);
    assert!(desk.states().iter().all(|host| host.ends_with(" installed")), "{:?}", desk.states());
    let steps = steps(&desk, 2);
    assert!(steps.contains("nvidia-packages") && steps.contains("nouveau"), "{steps}");
    only_the_last_has_a_gpu(&nodes);
    plugins_run_beside_gpus_only(&nodes);

    // The stand-in runs no container, so no device plugin offers the GPU: somebody has to be told of that.
    desk.refuse(&["status"], 9, "worker2: pods can use 0 of its 1 GPUs");
    let again = desk.deploy_all("unchanged", 3);
    assert!(!again.contains("are held"), "what we hold is no reason to warn: {again}");
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn a_gpu_that_was_found_waits_for_somebody_to_restart_its_node() {
    let Some(stick) = Stick::for_gpus() else { return };
    let lab = Lab::with_gap("restart-gpu", Gap::Reject).unwrap();
    let nodes = lab.nodes_named(&["server1", "gpu1"], Release::Bookworm).unwrap();
    let gpu = &nodes[1];
    gpu.insert_gpu().unwrap();
    let desk = Desk::new(&lab, stick);
    desk.inventory(&yaml(&lab, &[&nodes[0]], &[gpu], &[]));

    let plan = desk.deploy(&["--plan"]);
    assert_eq!(plan.status, Some(0), "{}", plan.told);
    assert!(plan.told.contains("nouveau"), "{}", plan.told);
    let waits = desk.deploy(&[]);
    assert_eq!(waits.status, Some(9), "{}", waits.told);
    assert!(waits.told.contains("gpu1 has to be restarted (step nouveau)"), "{}", waits.told);
    assert!(waits.told.contains("--restart"), "{}", waits.told);

    // Whether the same command comes before the node has gone on by itself, or afterwards.
    gpu.reboot().unwrap();
    let deployed = desk.deploy(&[]);
    assert_eq!(deployed.status, Some(0), "{}", deployed.told);
    only_the_last_has_a_gpu(&nodes);
    let failed = gpu.systemctl(&["list-units", "--failed", "--plain", "--no-legend"]).unwrap();
    assert!(!failed.contains("airlock"), "{failed}");

    gpu.reboot().unwrap();
    desk.deploy_all("unchanged", 2);
}
