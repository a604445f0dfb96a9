//! Debian's `docker-registry`, with a password, as Harbor has it inside.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use airlock::error::codes;

use crate::docker_registry::DockerRegistry;
use crate::library::{Library, Login, Pusher};
use crate::tools::{is_there, printed, run};

/// `htpasswd -nbB ada hunter2`.
const USERS: &str = "ada:$2y$05$bRv9pr/5v5SApUUGaw.0Ve0ibRvIKjMVDnQBMdT6v.PhUKejCsjOe\n";

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

#[test]
fn a_password_is_sent_where_it_is_asked_for() {
    let Some(registry) = DockerRegistry::start_for(USERS) else { return };
    let library = Library::of("docker.io/library/x:1", &[b"layer"]);
    let address = format!("http://{}/platform", registry.address);
    let pusher = |password: &str| Pusher::new(&address, Some(Login("ada", password.to_owned())));
    for refused in [Pusher::new(&address, None), pusher("wrong")] {
        let error = refused.push(&library).unwrap_err();
        assert_eq!((error.code(), error.kind().exit_status()), (codes::REGISTRY_LOGIN, 8), "{error:?}");
    }
    pusher("hunter2").push_well(&library);
}

#[test]
fn a_connection_that_is_cut_in_the_middle_of_a_layer_costs_a_second_attempt() {
    let Some(registry) = DockerRegistry::start() else { return };
    let cutting = Cutting::before(&registry.address, 4_000_000);
    let library = Library::of("docker.io/library/x:1", &[&vec![5; 9_000_000]]);
    Pusher::new(&format!("http://{cutting}/platform"), None).push_well(&library);
}

/// A proxy that resets the first connection over which so many bytes went.
struct Cutting;

impl Cutting {
    fn before(address: &str, after: usize) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().to_string();
        let (address, is_cut) = (address.to_owned(), Arc::new(AtomicBool::new(false)));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(&address).unwrap();
                let (back, answers) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || relay(answers, back, usize::MAX, &AtomicBool::new(false)));
                let is_cut = is_cut.clone();
                std::thread::spawn(move || relay(client, server, after, &is_cut));
            }
        });
        own
    }
}

fn relay(mut from: TcpStream, mut to: TcpStream, after: usize, is_cut: &AtomicBool) {
    let (mut passed, mut buffer) = (0, vec![0; 64 << 10]);
    loop {
        let count = from.read(&mut buffer).unwrap_or(0);
        passed += count;
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            break;
        }
        if passed > after && !is_cut.swap(true, Ordering::SeqCst) {
            break;
        }
    }
    for stream in [from, to] {
        let _ = stream.shutdown(Shutdown::Both);
    }
}
