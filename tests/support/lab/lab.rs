//! Nodes without internet, on one machine: Debian roots with systemd as PID 1, on a bridge that leads nowhere.
//!
//! Every node is a container of `systemd-nspawn` in a network namespace of its own. A pair of `veth` leads from
//! there to a bridge, which has its own namespace as well, so the network of this machine is neither used nor
//! changed. Nothing is kept in this program: a lab is what lies in its directory, so that `scripts/lab` can come
//! back to it, and whatever a killed test has left is taken away by the next one.
//!
//! | below the cache directory | what |
//! |---|---|
//! | `roots/RELEASE-DIGEST/` | a root as mmdebstrap made it; [`root`] |
//! | `labs/NAME/owner` | locked by the program whose lab it is; missing for labs that are to stay |
//! | `labs/NAME/gap` | how the lab ends towards the outside; [`gap::Gap`] |
//! | `labs/NAME/key`, `known_hosts` | the key that opens the nodes, and theirs; [`access`] |
//! | `labs/NAME/provisioner/` | the home of the machine that nodes are reached from; [`provisioner`] |
//! | `labs/NAME/nodes/NODE/` | the disk of a node, its address, its stick, its process, its console; [`node`] |
//!
//! Needs root, and the packages systemd-container, mmdebstrap, iproute2, util-linux; tcpdump to capture, nftables to cut
//! a cable in the middle of a transfer, e2fsprogs to fill a disk.
#![allow(dead_code, reason = "every program that includes this module uses a part of it")]

mod access;
pub mod cable;
pub mod capture;
mod cgroup;
mod clock;
mod command;
mod disk;
pub mod gap;
mod gpu;
mod host_key;
mod limits;
mod login;
mod machine;
mod network;
pub mod node;
mod owner;
pub mod provisioner;
pub mod release;
mod root;
mod rootfs_settings;
pub mod snapshot;
mod switch;

use std::path::{Path, PathBuf};

use access::Access;
use cable::Cable;
use capture::Capture;
use gap::Gap;
use node::Node;
use owner::Owner;
use provisioner::Provisioner;
use release::Release;
use switch::Switch;

/// What everything here may fail with; the text goes to whoever runs it.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A bridge and its nodes.
pub struct Lab {
    name: String,
    directory: PathBuf,
    roots: PathBuf,
    switch: Switch,
    access: Access,
    /// Set if the lab goes away with this value.
    owner: Option<Owner>,
}

impl Lab {
    /// A lab of this process without a default route; it goes away when the value is dropped.
    pub fn new(name: &str) -> Result<Lab> {
        Lab::with_gap(name, Gap::None)
    }

    /// The same with another end towards the outside.
    pub fn with_gap(name: &str, gap: Gap) -> Result<Lab> {
        let cache = cache_directory()?;
        owner::sweep(&cache, |abandoned| {
            if let Err(error) = Lab::open_in(&cache, abandoned).and_then(|lab| lab.down()) {
                report(&format!("the abandoned lab `{abandoned}` cannot be taken down: {error}"));
            }
        })?;
        let mut lab = Lab::create_in(&cache, &format!("{name}-{}", std::process::id()), gap)?;
        lab.owner = Some(Owner::claim(&lab.directory)?);
        Ok(lab)
    }

    /// A lab that stays until it is taken down by [`Lab::down`].
    pub fn lasting(name: &str, gap: Gap) -> Result<Lab> {
        Lab::create_in(&cache_directory()?, name, gap)
    }

    /// The lab `name` as it is, made by [`Lab::lasting`].
    pub fn open(name: &str) -> Result<Lab> {
        Lab::open_in(&cache_directory()?, name)
    }

    fn create_in(cache: &Path, name: &str, gap: Gap) -> Result<Lab> {
        let directory = cache.join("labs").join(name);
        fs_err::create_dir_all(directory.join("nodes"))?;
        fs_err::write(directory.join("gap"), gap.as_str())?;
        let lab = Lab::open_in(cache, name)?;
        lab.access.prepare()?;
        lab.switch.up(gap)?;
        Ok(lab)
    }

    fn open_in(cache: &Path, name: &str) -> Result<Lab> {
        let directory = cache.join("labs").join(name);
        if !directory.is_dir() {
            return Err(format!("there is no lab `{name}`; start one with `scripts/lab up`").into());
        }
        let switch = Switch::of_lab(name);
        let access = Access::of_lab(&directory);
        Ok(Lab { name: name.to_owned(), roots: cache.join("roots"), directory, switch, access, owner: None })
    }

    /// A new node, booted. It gets the next address.
    pub fn node(&self, name: &str, release: Release) -> Result<Node> {
        self.node_with(name, release, None)
    }

    /// The same with a directory of this machine as the stick at [`machine::STICK`], which cannot be written there.
    pub fn node_with_stick(&self, name: &str, release: Release, stick: &Path) -> Result<Node> {
        self.node_with(name, release, Some(stick))
    }

    /// The same, with a stick or without.
    pub fn node_with(&self, name: &str, release: Release, stick: Option<&Path>) -> Result<Node> {
        let node = self.prepare(name, release, stick)?;
        node.boot()?;
        Ok(node)
    }

    /// Several new nodes, booted side by side.
    pub fn nodes_named(&self, names: &[&str], release: Release) -> Result<Vec<Node>> {
        let nodes: Result<Vec<Node>> = names.iter().map(|name| self.prepare(name, release, None)).collect();
        let nodes = nodes?;
        // An error cannot leave its thread, but what it says can.
        let boot = |node: &Node| node.boot().map_err(|error| error.to_string());
        std::thread::scope(|scope| {
            let boots: Vec<_> = nodes.iter().map(|node| scope.spawn(move || boot(node))).collect();
            let mut ends =
                boots.into_iter().map(|boot| boot.join().unwrap_or_else(|_| Err("panic".to_owned())));
            ends.try_for_each(|end| end)
        })?;
        Ok(nodes)
    }

    fn prepare(&self, name: &str, release: Release, stick: Option<&Path>) -> Result<Node> {
        let root = root::prepare(&self.roots, release)?;
        let directory = self.nodes_directory().join(name);
        if directory.exists() {
            return Err(format!("the lab `{}` has a node `{name}` already", self.name).into());
        }
        let node = Node::create(&self.name, name, &directory, network::address(self.free_number()?))?;
        node.prepare_disk(&root, &self.access.public_key()?)?;
        if let Some(stick) = stick {
            node.insert(stick)?;
        }
        self.switch.connect(&node, self.gap()?)?;
        Ok(node)
    }

    /// The node `name` of this lab, whether it runs or not.
    pub fn existing(&self, name: &str) -> Result<Node> {
        Node::open(&self.name, name, &self.nodes_directory().join(name))
    }

    /// All nodes, by name.
    pub fn nodes(&self) -> Result<Vec<Node>> {
        let mut names = Vec::new();
        for entry in fs_err::read_dir(self.nodes_directory())? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        names.iter().map(|name| self.existing(name)).collect()
    }

    /// Pulls the cable of a node.
    pub fn cut(&self, node: &Node) -> Result<()> {
        self.cable(node).pull()
    }

    /// Puts the cable of a node back.
    pub fn join(&self, node: &Node) -> Result<()> {
        self.cable(node).put_back()
    }

    /// The cable of a node.
    pub fn cable(&self, node: &Node) -> Cable<'_> {
        self.switch.cable(node)
    }

    /// The machine that nodes are reached from. It knows the keys that the nodes of the lab have now.
    pub fn provisioner(&self) -> Result<Provisioner> {
        self.switch.connect_provisioner()?;
        let (port, directory) = (switch::PROVISIONER_PORT, self.directory.join("provisioner"));
        let provisioner =
            Provisioner::new(self.switch.provisioner(), self.switch.namespace(), port, &directory);
        provisioner.prepare(&self.nodes()?, &self.known_hosts()?)?;
        Ok(provisioner)
    }

    /// The private key that opens all nodes, for `operator` and for root.
    pub fn ssh_key(&self) -> PathBuf {
        self.access.key()
    }

    /// A file of known hosts with the keys that the nodes have now.
    pub fn known_hosts(&self) -> Result<PathBuf> {
        self.access.write_known_hosts(&self.nodes()?)
    }

    /// An inventory of Ansible: the first node is the server.
    pub fn inventory(&self) -> Result<String> {
        Ok(self.access.inventory(&self.nodes()?))
    }

    /// Records every packet on the bridge from now on.
    pub fn capture(&self) -> Result<Capture> {
        Capture::start(self.switch.namespace(), &self.directory.join("capture.pcap"))
    }

    /// Takes one node away, with its disk.
    pub fn remove(&self, node: &Node) -> Result<()> {
        node.kill_hard()?;
        self.switch.disconnect(node)?;
        node.delete()
    }

    /// Takes everything away: processes, mounts, namespaces, control groups, files.
    pub fn down(&self) -> Result<()> {
        for node in self.nodes()? {
            self.remove(&node)?;
        }
        self.switch.down()?;
        fs_err::remove_dir_all(&self.directory)?;
        Ok(())
    }

    /// How this lab ends towards the outside.
    pub fn gap(&self) -> Result<Gap> {
        fs_err::read_to_string(self.directory.join("gap"))?.parse()
    }

    fn nodes_directory(&self) -> PathBuf {
        self.directory.join("nodes")
    }

    fn free_number(&self) -> Result<u8> {
        let taken: Vec<_> = self.nodes()?.iter().map(Node::address).collect();
        let free = (network::FIRST_NODE..=network::LAST_NODE)
            .find(|number| !taken.contains(&network::address(*number)));
        free.ok_or_else(|| "the lab is full".into())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.owner.is_some()
            && let Err(error) = self.down()
        {
            report(&format!("the lab `{}` cannot be taken down: {error}", self.name));
        }
    }
}

/// Why no lab can be had here: `SKIPPED: …`. `None` where one can.
pub fn obstacle() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("SKIPPED: needs root".to_owned());
    }
    let programs = ["systemd-nspawn", "mmdebstrap", "ip", "nsenter"];
    let missing: Vec<_> = programs.into_iter().filter(|program| !command::is_installed(program)).collect();
    if !missing.is_empty() {
        return Some(format!("SKIPPED: needs {}", missing.join(", ")));
    }
    root::mirror().err().map(|error| format!("SKIPPED: {error}"))
}

/// Whether a lab can be had here; says on stderr why not.
pub fn is_possible() -> bool {
    let obstacle = obstacle();
    if let Some(obstacle) = &obstacle {
        report(obstacle);
    }
    obstacle.is_none()
}

#[expect(clippy::print_stderr, reason = "whoever starts a lab is told what it cannot do")]
fn report(line: &str) {
    eprintln!("{line}");
}

/// Where labs and roots are kept: `airlock-lab` in the cache directory of the user.
#[expect(clippy::disallowed_methods, reason = "a test program, which has no other place to learn it")]
fn cache_directory() -> Result<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
    Ok(cache.ok_or("HOME is not set")?.join("airlock-lab"))
}
