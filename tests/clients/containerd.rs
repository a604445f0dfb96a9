//! containerd of Debian 12 and 13, which says by `?ns=` which registry it means.

use std::path::Path;
use std::process::{Child, Command};

use airlock::push::Target;

use crate::docker_registry::DockerRegistry;
use crate::documented::settings;
use crate::root_of_clients;
use crate::served::{Served, Workplace};
use crate::tools::{printed, run, said};

/// A private containerd in a root.
struct Containerd {
    place: Workplace,
    process: Child,
}

impl Containerd {
    fn start(root: &Path, served: &Served) -> Containerd {
        let place = Workplace::new(root);
        let configuration = format!(
            "version = 2\nroot = \"{}\"\nstate = \"{}\"\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\", \"io.containerd.internal.v1.opt\"]\n[grpc]\naddress = \"{}\"\n",
            place.inside("root"),
            place.inside("state"),
            place.inside("socket"),
        );
        fs_err::write(place.path("config.toml"), configuration).unwrap();
        fs_err::copy(served.authority(), place.path("ca.crt")).unwrap();
        let log = fs_err::File::create(place.path("log")).unwrap().into_file();
        let mut command = place.command("containerd");
        command.args(["-c", &place.inside("config.toml")]).stderr(log);
        let process = command.spawn().unwrap();
        let mut containerd = Containerd { place, process };
        containerd.wait();
        containerd
    }

    fn wait(&mut self) {
        while !self.ctr(&["version"]).output().unwrap().status.success() {
            let ended = self.process.try_wait().unwrap();
            assert!(ended.is_none(), "{}", fs_err::read_to_string(self.place.path("log")).unwrap());
        }
    }

    /// Where images of `host` come from, and go to, in the form of `hosts.toml`.
    fn configure(&self, host: &str, server: &str) {
        let directory = self.place.path("hosts").join(host);
        fs_err::create_dir_all(&directory).unwrap();
        let settings = settings("toml", "[host.", "ADDRESS", &self.place.inside("ca.crt"));
        let settings =
            settings.replace("https://ADDRESS", server).replace("\"resolve\"", "\"resolve\", \"push\"");
        fs_err::write(directory.join("hosts.toml"), settings).unwrap();
    }

    /// The same by a mirror whose path ends where that of an image begins, as k3s writes it for endpoints with a path.
    fn configure_path(&self, host: &str, endpoint: &str) {
        let directory = self.place.path("hosts").join(host);
        fs_err::create_dir_all(&directory).unwrap();
        let ca = self.place.inside("ca.crt");
        let settings = format!(
            "[host.\"{endpoint}\"]\n  capabilities = [\"pull\", \"resolve\"]\n  ca = \"{ca}\"\n  override_path = true\n"
        );
        fs_err::write(directory.join("hosts.toml"), settings).unwrap();
    }

    fn ctr(&self, arguments: &[&str]) -> Command {
        let mut command = self.place.command("ctr");
        command.args(["--address", &self.place.inside("socket")]).args(arguments);
        command
    }

    fn pull(&self, image: &str) {
        let hosts = self.place.inside("hosts");
        let arguments =
            ["images", "pull", "--hosts-dir", &hosts, "--snapshotter", "native", "--all-platforms"];
        run(&mut self.ctr(&[&arguments[..], &[image]].concat()));
    }

    /// The digest that an image has here.
    fn digest(&self, image: &str) -> String {
        let listed = printed(&run(&mut self.ctr(&["images", "ls", &format!("name=={image}")])));
        let words = listed.split_whitespace();
        words
            .clone()
            .find(|word| word.starts_with("sha256:"))
            .unwrap_or_else(|| panic!("{listed}"))
            .to_owned()
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The same path of two registries is two images, whichever way containerd is told about the mirror.
fn pulls_and_pushes(release: &str) {
    let Some(root) = root_of_clients(release) else { return };
    let served = Served::start();
    let (hub, quay) = (served.sample("hub"), served.sample("quay"));
    served.push(&hub, "docker.io/library/x:1");
    served.push(&quay, "quay.io/library/x:1");
    let containerd = Containerd::start(&root, &served);
    containerd.configure("_default", &format!("https://{}", served.address));
    containerd.configure("quay.io", &format!("http://{}", served.plain));
    let by_digest = format!("docker.io/library/x@{}", hub.digest);
    let images = ["docker.io/library/x:1", "quay.io/library/x:1", &by_digest];
    for (image, sample) in images.iter().zip([&hub, &quay, &hub]) {
        containerd.pull(image);
        assert_eq!(containerd.digest(image), sample.digest);
    }
    assert!(
        served.requests("/v2/library/x/manifests/1?ns=docker.io 200") > 0,
        "{:#?}",
        served.serving.said()
    );
    assert!(served.requests("/v2/library/x/manifests/1?ns=quay.io 200") > 0);
    pushes(&containerd, &served, images[0], &hub.digest);
    pulls_from_a_site(&containerd, &served);
}

/// Under the names that `install --registry` gives, from ours and from Debian's `docker-registry`.
fn pulls_from_a_site(containerd: &Containerd, served: &Served) {
    let (site, target) = (served.sample("site"), Target::parse("https://any/platform").unwrap());
    let image = "docker.io/library/site:1";
    let name = format!("{}:1", target.repository(&image.parse().unwrap()));
    served.push(&site, &name);
    containerd.configure_path("docker.io", &format!("https://{}/v2/platform/docker.io", served.address));
    containerd.pull(image);
    assert_eq!(containerd.digest(image), site.digest);
    let Some(other) = DockerRegistry::start() else { return };
    let sample = served.sample("other");
    let mut copy = served.skopeo(&["copy", "--all", "--preserve-digests", "--dest-tls-verify=false"]);
    copy.arg(format!("oci:{}:sample", sample.layout.display()));
    run(copy.arg(format!("docker://{}/{}", other.address, name.replace("site", "other"))));
    let mirror = Target::parse(&format!("http://{}/platform", other.address)).unwrap().mirror("docker.io");
    containerd.configure_path("docker.io", &mirror);
    containerd.pull("docker.io/library/other:1");
    assert_eq!(containerd.digest("docker.io/library/other:1"), sample.digest);
}

fn pushes(containerd: &Containerd, served: &Served, image: &str, digest: &str) {
    let pushed = format!("{}/docker.io/library/y:2", served.address);
    containerd.configure(&served.address, &format!("https://{}", served.address));
    run(&mut containerd.ctr(&["images", "tag", image, &pushed]));
    let hosts = containerd.place.inside("hosts");
    let push = ["images", "push", "--hosts-dir", &hosts];
    let refused = containerd.ctr(&[&push[..], &[&pushed]].concat()).output().unwrap();
    assert!(!refused.status.success(), "without a token nothing can be pushed: {}", said(&refused));
    let user = format!("ada:{}", served.token());
    run(&mut containerd.ctr(&[&push[..], &["--user", &user, &pushed]].concat()));
    assert_eq!(served.digest("library/y/manifests/2?ns=docker.io"), digest);
    run(&mut containerd.ctr(&["images", "tag", image, "docker.io/library/z:3"]));
    run(&mut containerd.ctr(&[&push[..], &["--user", &user, "docker.io/library/z:3"]].concat()));
    assert_eq!(
        served.requests("PUT /v2/library/z/manifests/3 201"),
        1,
        "docs/registry.md tells that `ns` is not said"
    );
}

#[test]
#[ignore = "takes a root of Debian 12; scripts/test runs it"]
fn clients_containerd_of_debian_12() {
    pulls_and_pushes("bookworm");
}

#[test]
#[ignore = "takes a root of Debian 13; scripts/test runs it"]
fn clients_containerd_of_debian_13() {
    pulls_and_pushes("trixie");
}
