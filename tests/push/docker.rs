//! Debian's `docker-registry`, with a password, as Harbor has it inside.

use std::process::Command;

use crate::docker_registry::DockerRegistry;
use crate::library::{Library, Pusher};
use crate::tools::{is_there, printed, run};

fn digest(registry: &DockerRegistry, image: &str) -> String {
    let mut command = Command::new("skopeo");
    command.args(["--insecure-policy", "inspect", "--tls-verify=false", "--format", "{{.Digest}}"]);
    printed(&run(command.arg(format!("docker://{}/{image}", registry.address))))
}

#[test]
fn digests_are_those_of_the_bundle() {
    let Some(registry) = DockerRegistry::start() else { return };
    if !is_there("skopeo") {
        return;
    }
    let mut library = Library::of("docker.io/library/x:1", &[&vec![1; 5_000_000], b"two"]);
    library.add("docker.io/library/y:1", &[&vec![1; 5_000_000]]);
    let root = library.add_index("quay.io/a/b:2", 3);
    let pusher = Pusher::new(&format!("http://{}/platform", registry.address), None);
    let pushed = pusher.push_well(&library);
    assert!(pushed.mounted_blobs >= 2 && pushed.reduced.is_empty(), "{pushed:?}");
    let single = library.trees()[0].root.to_string();
    assert_eq!(digest(&registry, "platform/docker.io/library/x:1"), single);
    assert_eq!(digest(&registry, "platform/quay.io/a/b:2"), root.to_string());
    assert_eq!(pusher.push(&library).unwrap(), airlock::push::Pushed::default());
}

#[test]
fn an_incomplete_index_becomes_the_image_of_its_platform() {
    let Some(registry) = DockerRegistry::start() else { return };
    if !is_there("skopeo") {
        return;
    }
    let mut library = Library::default();
    library.add_index("docker.io/library/x:1", 1);
    let pusher = Pusher::new(&format!("http://{}/platform", registry.address), None);
    assert_eq!(pusher.push_well(&library).reduced, ["docker.io/library/x:1"]);
    let own = library.images[0].platforms[0].manifest.to_string();
    assert_eq!(digest(&registry, "platform/docker.io/library/x:1"), own);
}
