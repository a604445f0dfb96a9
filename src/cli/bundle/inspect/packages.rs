//! What `airlock bundle inspect` shows of the packages for one kind of node.

use crate::bundle::inspect::Repository;
use crate::bundle::manifest::apt::{Driver, Nvidia, Package, Purpose};
use crate::oci::platform::Platform;
use crate::ui::human;
use crate::ui::tree::Node;

/// Who installs what, in the order in which it is shown.
const INSTALLS: [(Purpose, &str); 4] = [
    (Purpose::Node, "every node installs"),
    (Purpose::Driver, "nodes with a GPU and no driver install"),
    (Purpose::FabricManager, "nodes with NVSwitch install"),
    (Purpose::ContainerToolkit, "nodes with a GPU install"),
];

/// The lines below the name of the target; with `all`, every package is one of them.
pub(super) fn nodes(repository: &Repository, platforms: &[Platform], all: bool) -> Vec<Node> {
    let platform = platforms.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let recommends = if repository.recommends { "with" } else { "without" };
    let target = format!(
        "{} {platform}, baseline {}, {recommends} recommended packages",
        repository.host, repository.baseline
    );
    let mut carried = Node::new(human::count(repository.packages.len() as u64, "package"));
    repository.packages.iter().filter(|_| all).map(package).for_each(|node| carried.push(node));
    let installs = INSTALLS.iter().filter_map(|(purpose, title)| installs(repository, *purpose, title));
    let nvidia = repository.nvidia.iter().flat_map(nvidia);
    [Node::new(target), carried].into_iter().chain(installs).chain(nvidia).collect()
}

fn package(package: &Package) -> Node {
    let Package { name, version, architecture, wanted_by, .. } = package;
    Node::new(format!("{name} {version} {architecture} ({wanted_by})"))
        .with_detail(human::size(package.blob.size))
}

fn installs(repository: &Repository, purpose: Purpose, title: &str) -> Option<Node> {
    let mut entries = repository.install.iter().filter(|entry| entry.purpose == purpose).peekable();
    entries.peek()?;
    let mut node = Node::new(title);
    entries.for_each(|entry| node.push(Node::new(format!("{} {}", entry.package, entry.version))));
    Some(node)
}

fn nvidia(nvidia: &Nvidia) -> impl Iterator<Item = Node> {
    let fabric_manager = nvidia.fabric_manager.iter();
    let fabric_manager = fabric_manager.map(|version| Node::new(format!("NVIDIA Fabric Manager {version}")));
    let toolkit = nvidia.container_toolkit.iter();
    let toolkit = toolkit.map(|version| Node::new(format!("NVIDIA container toolkit {version}")));
    nvidia.driver.iter().map(driver).chain(fabric_manager).chain(toolkit)
}

fn driver(driver: &Driver) -> Node {
    let modules = if driver.open { "open" } else { "proprietary" };
    let mut node = Node::new(format!("NVIDIA driver {}, {modules} kernel modules", driver.version));
    for kernel in &driver.kernels {
        let how =
            if kernel.prebuilt { "modules come ready and signed" } else { "modules are built on the node" };
        node.push(Node::new(format!("kernel {}: {how}", kernel.release)));
    }
    if driver.kernels.is_empty() {
        node.push(Node::new("modules are built on the node for the kernel that runs"));
    }
    if let Some(path) = &driver.run_file {
        node.push(Node::new(format!("installer {path}")));
    }
    node
}
