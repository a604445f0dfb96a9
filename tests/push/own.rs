//! Our own registry as the one that is pushed to, with a token.

use airlock::error::codes;

use crate::library::{Library, Login, Pusher};
use crate::support::{Server, TOKEN};

fn pusher(server: &Server, password: &str) -> Pusher {
    Pusher::new(&format!("http://{}", server.address), Some(Login("ada", password.to_owned())))
}

#[test]
fn images_are_found_under_their_own_names_and_under_those_of_the_mirror() {
    let server = Server::start();
    let mut library = Library::of("docker.io/library/x:1", &[b"layer"]);
    let root = library.add_index("registry.lab:5000/a/b:2", 2);
    pusher(&server, TOKEN).push_well(&library);
    let single = library.trees()[0].root.to_string();
    for target in [
        "/v2/docker.io/library/x/manifests/1",
        "/v2/docker.io/library/x/manifests/1?ns=docker.io",
        "/v2/library/x/manifests/1?ns=docker.io",
    ] {
        let answer = server.get(target);
        assert_eq!(
            (answer.status, answer.header("docker-content-digest")),
            (200, Some(single.as_str())),
            "{target}"
        );
    }
    let answer = server.get("/v2/registry.lab__5000/a/b/manifests/2");
    assert_eq!(answer.header("docker-content-digest"), Some(root.to_string().as_str()));
    let referrers = server.get(&format!("/v2/registry.lab__5000/a/b/referrers/{root}"));
    assert_eq!(referrers.json()["manifests"].as_array().unwrap().len(), 1);
}

#[test]
fn without_the_right_to_push_nothing_is_changed() {
    let server = Server::start();
    let library = Library::of("docker.io/library/x:1", &[b"layer"]);
    for pusher in [pusher(&server, "wrong"), Pusher::new(&format!("http://{}", server.address), None)] {
        let error = pusher.push(&library).unwrap_err();
        assert_eq!((error.code(), error.kind().exit_status()), (codes::REGISTRY_LOGIN, 8), "{error:?}");
        assert!(!format!("{error:?}").contains("wrong\""));
    }
    assert_eq!(server.get("/v2/docker.io/library/x/tags/list").status, 404);
}

#[test]
fn who_only_reads_finds_that_everything_is_there() {
    let server = Server::start();
    let library = Library::of("docker.io/library/x:1", &[b"layer"]);
    pusher(&server, TOKEN).push_well(&library);
    let agent = Pusher::new(&format!("http://{}", server.address), None);
    assert!(agent.plan(&library).unwrap().is_empty());
    agent.push(&library).unwrap();
}

#[test]
fn a_push_that_was_killed_sends_only_the_rest() {
    let server = Server::start();
    let mut library = Library::default();
    for number in 0..6u8 {
        library.add(&format!("docker.io/library/x{number}:1"), &[&vec![number; 2_000_000]]);
    }
    let first = pusher(&server, TOKEN);
    let plan = first.plan(&library).unwrap();
    let source = std::sync::Arc::new(library.clone());
    let push = plan.execute(&first.remote, source, 1, first.progress.clone());
    // Dropped in the middle, as a kill would.
    first.runtime.block_on(async {
        tokio::select! {
            done = push => panic!("{done:?}"),
            () = until(|| first.reported() > 7_000_000) => {}
        }
    });
    let rest = pusher(&server, TOKEN).push_well(&library);
    assert!(rest.sent_bytes < 10_000_000, "{rest:?}");
}

async fn until(reached: impl Fn() -> bool) {
    while !reached() {
        tokio::task::yield_now().await;
    }
}
