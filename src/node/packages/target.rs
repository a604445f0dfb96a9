//! Which of the repositories in a bundle is for this node.

use crate::bundle::manifest::apt::Apt;
use crate::bundle::manifest::{Artifact, Manifest};
use crate::error::{Error, Result, codes};
use crate::node::facts::OperatingSystem;
use crate::node::machine::Machine;
use crate::oci::platform::Platform;
use crate::quote::quote;

/// The repository for a node: that of its distribution, release and platform. Where the bundle has several, the one
/// called `name`; else, if they differ in that, the one for nodes with NVIDIA GPUs or without. `None` if the bundle
/// has no packages at all.
///
/// # Errors
/// [`codes::PACKAGES_TARGET`] if the bundle has packages for other nodes only, or the choice is open;
/// [`codes::PACKAGES_NO_APT`] if the node has no apt.
pub fn choose<'a>(
    manifest: &'a Manifest,
    machine: &Machine,
    system: &OperatingSystem,
    platform: Platform,
    has_gpu: bool,
    name: Option<&str>,
) -> Result<Option<&'a Apt>> {
    let all: Vec<&Apt> = manifest
        .artifacts
        .iter()
        .filter_map(|artifact| match artifact {
            Artifact::Apt(apt) => Some(apt),
            _ => None,
        })
        .collect();
    if all.is_empty() {
        return Ok(None);
    }
    if !machine.path("/usr/bin/apt-get").exists() {
        return Err(without_apt(&all, system));
    }
    let host = system.host().unwrap_or_else(|| "a distribution without a version".to_owned());
    let is_for_node = |apt: &&&Apt| apt.host == host && apt.platform == platform;
    let fitting: Vec<&Apt> = all.iter().filter(is_for_node).copied().collect();
    let chosen: Vec<&Apt> = match name {
        Some(name) => fitting.iter().filter(|apt| apt.name == name).copied().collect(),
        None if fitting.len() > 1 => {
            fitting.iter().filter(|apt| apt.nvidia.is_some() == has_gpu).copied().collect()
        }
        None => fitting.clone(),
    };
    match chosen[..] {
        [only] => Ok(Some(only)),
        _ if fitting.is_empty() => Err(for_others(&all, &host, platform)),
        _ => Err(open(&fitting, name)),
    }
}

fn for_others(all: &[&Apt], host: &str, platform: Platform) -> Error {
    let message = format!("the bundle has no packages for {} on {platform}", quote(host));
    let error = Error::new(codes::PACKAGES_TARGET, message).with_help(format!(
        "add a target `host: {host}` to `apt` in bundle.yaml and build it again, or install without packages: \
         `install --no-packages`"
    ));
    all.iter().fold(error, |error, apt| {
        error.with_detail(format!("it has them for {} on {} (target {})", apt.host, apt.platform, apt.name))
    })
}

fn open(fitting: &[&Apt], name: Option<&str>) -> Error {
    let names: Vec<&str> = fitting.iter().map(|apt| apt.name.as_str()).collect();
    let message = match name {
        Some(name) => format!("the bundle has no target `{}` for this node", quote(name)),
        None => "the bundle has several targets for this node".to_owned(),
    };
    Error::new(codes::PACKAGES_TARGET, message)
        .with_detail(format!("there are: {}", names.join(", ")))
        .with_help(format!("name one: `install --target {}`", names.first().unwrap_or(&"NAME")))
}

/// What the packages are called elsewhere is not for us to know; what they are here is.
fn without_apt(all: &[&Apt], system: &OperatingSystem) -> Error {
    let this = system.name.as_deref().or(system.id.as_deref()).unwrap_or("this distribution");
    let message = format!("the packages of the bundle are for apt, which {} does not have", quote(this));
    let error = Error::new(codes::PACKAGES_NO_APT, message).with_help(
        "install what corresponds to them by the means of the distribution, then `install --no-packages`; \
         everything else works",
    );
    all.iter().fold(error, |error, apt| {
        let wanted: Vec<&str> = apt.install.iter().map(|install| install.package.as_str()).collect();
        error.with_detail(format!("on {} it would install: {}", apt.host, wanted.join(" ")))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::bundle::manifest::apt::example;
    use crate::node::machine::SystemPrograms;

    struct Node {
        root: tempfile::TempDir,
    }

    impl Node {
        fn new(has_apt: bool) -> Node {
            let root = tempfile::tempdir().unwrap();
            if has_apt {
                fs_err::create_dir_all(root.path().join("usr/bin")).unwrap();
                fs_err::write(root.path().join("usr/bin/apt-get"), "").unwrap();
            }
            Node { root }
        }

        fn choose(&self, targets: Vec<Apt>, has_gpu: bool, name: Option<&str>) -> Result<Option<String>> {
            let manifest = example::manifest(targets.into_iter().map(Artifact::Apt).collect());
            let system = OperatingSystem {
                id: Some("debian".to_owned()),
                version_id: Some("12".to_owned()),
                name: Some("Debian GNU/Linux 12 (bookworm)".to_owned()),
                ..OperatingSystem::default()
            };
            let machine = Machine::new(self.root.path(), Arc::new(SystemPrograms));
            let chosen = choose(&manifest, &machine, &system, Platform::LinuxAmd64, has_gpu, name)?;
            Ok(chosen.map(|apt| apt.name.clone()))
        }
    }

    fn plain(name: &str) -> Apt {
        example::repository(name, vec![example::package("nfs-common", "1:2.6.2-4", "amd64")])
    }

    #[test]
    fn the_only_one_that_fits_is_taken_whatever_it_has() {
        let node = Node::new(true);
        let elsewhere = Apt { host: "ubuntu-24.04".to_owned(), ..plain("elsewhere") };
        assert_eq!(node.choose(vec![plain("here"), elsewhere], true, None).unwrap().unwrap(), "here");
        assert_eq!(node.choose(Vec::new(), false, None).unwrap(), None);
    }

    #[test]
    fn nodes_with_gpus_get_the_target_for_them() {
        let node = Node::new(true);
        let both = || vec![plain("plain"), example::gpu_repository()];
        assert_eq!(node.choose(both(), true, None).unwrap().unwrap(), "gpu");
        assert_eq!(node.choose(both(), false, None).unwrap().unwrap(), "plain");
        assert_eq!(node.choose(both(), false, Some("gpu")).unwrap().unwrap(), "gpu");
    }

    #[test]
    fn an_open_choice_is_an_error_that_names_all() {
        let node = Node::new(true);
        let error = node.choose(vec![plain("one"), plain("two")], false, None).unwrap_err();
        assert_eq!(error.details(), ["there are: one, two"]);
        assert_eq!(error.help().unwrap(), "name one: `install --target one`");
        let error = node.choose(vec![plain("one")], false, Some("three")).unwrap_err();
        assert_eq!(error.message(), "the bundle has no target `three` for this node");
    }

    #[test]
    fn packages_for_others_are_an_error_that_says_for_whom() {
        let node = Node::new(true);
        let other = Apt { host: "debian-13".to_owned(), ..plain("trixie") };
        let error = node.choose(vec![other], false, None).unwrap_err();
        assert_eq!((error.code(), error.kind().exit_status()), (codes::PACKAGES_TARGET, 7));
        assert_eq!(error.message(), "the bundle has no packages for debian-12 on linux/amd64");
        assert_eq!(error.details(), ["it has them for debian-13 on linux/amd64 (target trixie)"]);
    }

    #[test]
    fn without_apt_it_is_said_what_would_be_needed() {
        let error = Node::new(false).choose(vec![example::gpu_repository()], false, None).unwrap_err();
        assert_eq!(error.code(), codes::PACKAGES_NO_APT);
        assert!(error.details()[0].starts_with("on debian-12 it would install: keepalived tzdata"));
        assert!(error.help().unwrap().contains("`install --no-packages`"));
    }
}
