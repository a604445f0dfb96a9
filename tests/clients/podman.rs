//! podman and buildah of Debian 12 and 13.

use std::path::Path;
use std::process::Command;

use crate::documented::settings;
use crate::root_of_clients;
use crate::served::{Served, Workplace};
use crate::tools::{printed, run, run_with};

/// podman and buildah with a storage of their own.
struct Podman {
    place: Workplace,
    certificates: String,
}

impl Podman {
    fn new(root: &Path, served: &Served) -> Podman {
        let place = Workplace::new(root);
        fs_err::create_dir(place.path("certs")).unwrap();
        fs_err::copy(served.authority(), place.path("certs/ca.crt")).unwrap();
        let mirror = settings("toml", "[[registry]]", &served.address, "");
        fs_err::write(place.path("registries.conf"), mirror).unwrap();
        // podman of Debian 12 insists that the file is there.
        fs_err::write(place.path("auth.json"), "{}").unwrap();
        Podman { certificates: format!("--cert-dir={}", place.inside("certs")), place }
    }

    fn command(&self, program: &str) -> Command {
        let registries = format!("CONTAINERS_REGISTRIES_CONF={}", self.place.inside("registries.conf"));
        let credentials = format!("REGISTRY_AUTH_FILE={}", self.place.inside("auth.json"));
        let mut command = self.place.command(&registries);
        command.args([&credentials, program, "--storage-driver=vfs"]);
        command.arg(format!("--root={}", self.place.inside("storage")));
        command.arg(format!("--runroot={}", self.place.inside("run")));
        command
    }

    fn podman(&self, arguments: &[&str]) -> Command {
        let mut command = self.command("podman");
        command.args(["--cgroup-manager=cgroupfs", "--events-backend=none"]).args(arguments);
        command
    }

    /// Under which digests an image is known: of an index, and of the image that was chosen from it.
    fn digests_of(&self, image: &str) -> String {
        printed(&run(&mut self.podman(&["image", "inspect", "--format", "{{.RepoDigests}}", image])))
    }

    /// What a push says that it has pushed.
    fn pushed(&self) -> String {
        fs_err::read_to_string(self.place.path("pushed")).unwrap().trim().to_owned()
    }
}

fn pulls_and_pushes(release: &str) {
    let Some(root) = root_of_clients(release) else { return };
    let served = Served::start();
    let sample = served.sample("x");
    served.push(&sample, "docker.io/library/x:1");
    let podman = Podman::new(&root, &served);
    let certificates = podman.certificates.as_str();
    run(&mut podman.podman(&["pull", certificates, "docker.io/library/x:1"]));
    assert!(served.requests("/v2/docker.io/library/x/manifests/1 200") > 0, "by way of the mirror");
    let digests = podman.digests_of("docker.io/library/x:1");
    assert!(digests.contains(&sample.digest), "{digests}");

    let own = format!("{}/lab/y:2", served.address);
    let digest_file = format!("--digestfile={}", podman.place.inside("pushed"));
    run(&mut podman.podman(&["tag", "docker.io/library/x:1", &own]));
    let push = ["push", certificates, &digest_file, &own];
    assert!(
        !podman.podman(&push).output().unwrap().status.success(),
        "without a token nothing can be pushed"
    );
    let log_in = ["login", certificates, "-u", "ada", "--password-stdin", &served.address];
    run_with(&mut podman.podman(&log_in), &served.token());
    run(&mut podman.podman(&push));
    assert_eq!(served.digest("lab/y/manifests/2"), podman.pushed());

    buildah(&podman, &served);
}

/// An image that is made here, pushed, and pulled by another.
fn buildah(podman: &Podman, served: &Served) {
    let certificates = podman.certificates.as_str();
    let buildah = |arguments: &[&str]| {
        let mut command = podman.command("buildah");
        command.args(arguments);
        printed(&run(&mut command))
    };
    let own = format!("{}/lab/made:1", served.address);
    let container = buildah(&["from", certificates, "docker.io/library/x:1"]);
    buildah(&["config", "--label", "made=here", &container]);
    buildah(&["commit", &container, &own]);
    buildah(&["push", certificates, &format!("--digestfile={}", podman.place.inside("pushed")), &own]);
    assert_eq!(served.digest("lab/made/manifests/1"), podman.pushed());
    run(&mut podman.podman(&["rmi", "--all", "--force"]));
    buildah(&["pull", certificates, &own]);
    let digests = podman.digests_of(&own);
    assert!(digests.contains(&podman.pushed()), "{digests}");
}

#[test]
#[ignore = "takes a root of Debian 12; scripts/test runs it"]
fn clients_podman_and_buildah_of_debian_12() {
    pulls_and_pushes("bookworm");
}

#[test]
#[ignore = "takes a root of Debian 13; scripts/test runs it"]
fn clients_podman_and_buildah_of_debian_13() {
    pulls_and_pushes("trixie");
}
