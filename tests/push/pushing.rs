//! What is sent, in which order, and what is not sent again.

use airlock::error::codes;

use crate::library::{Library, Pusher};
use crate::registry::{Fault, Habits, Registry};

const X: &str = "platform/docker.io/library/x";

fn pusher(registry: &Registry) -> Pusher {
    Pusher::new(&format!("{}/platform", registry.address), None)
}

#[test]
fn what_is_there_is_not_sent_again() {
    let registry = Registry::start(Habits::default());
    let mut library = Library::of("docker.io/library/x:1", &[b"layer one", b"layer two"]);
    let root = library.add_index("quay.io/a/b:2", 3);
    let pusher = pusher(&registry);
    let plan = pusher.plan(&library).unwrap();
    assert_eq!((plan.images.len(), plan.images[0].repository.as_str()), (2, X));
    assert!(registry.seen().iter().all(|line| line.starts_with("HEAD ")), "a plan changes nothing");
    let pushed = pusher.execute(&plan, &library).unwrap();
    assert_eq!((pushed.sent_bytes, pusher.reported()), (plan.bytes(), plan.bytes()));
    assert!(pushed.reduced.is_empty());
    let manifest = registry.manifest("platform/quay.io/a/b", "2").unwrap();
    assert_eq!(airlock::oci::digest::Digest::of(&manifest), root);
    let signature = format!("sha256-{}.sig", root.hex());
    assert!(registry.manifest("platform/quay.io/a/b", &signature).is_some());

    registry.seen();
    let again = pusher.push(&library).unwrap();
    assert_eq!(again, airlock::push::Pushed::default());
    let seen = registry.seen();
    assert!(seen.iter().all(|line| line.starts_with("HEAD ")), "{seen:?}");
    let asked: std::collections::BTreeSet<_> = seen.iter().collect();
    assert_eq!(asked.len(), seen.len(), "nothing is asked twice");
}

#[test]
fn tags_come_last_and_the_own_one_after_those_of_signatures() {
    let registry = Registry::start(Habits::default());
    let mut library = Library::default();
    library.add_index("docker.io/library/x:1", 2);
    pusher(&registry).push_well(&library);
    let puts: Vec<_> = registry.seen().into_iter().filter(|line| line.starts_with("PUT ")).collect();
    let manifests: Vec<_> =
        puts.iter().filter_map(|line| line.split_once("/manifests/")).map(|(_, name)| name).collect();
    assert!(manifests[..5].iter().all(|name| name.starts_with("sha256:")), "{manifests:?}");
    assert!(manifests[5].ends_with(".sig") && manifests[6..] == ["1"], "{manifests:?}");
    let first = puts.iter().position(|line| line.contains("/manifests/")).unwrap();
    assert!(puts[first..].iter().all(|line| line.contains("/manifests/")), "blobs come before manifests");
}

#[test]
fn a_layer_of_several_images_is_sent_once() {
    for mounts in [true, false] {
        let registry = Registry::start(Habits { mounts, ..Habits::default() });
        let shared = vec![7; 300_000];
        let mut library = Library::of("docker.io/library/x:1", &[&shared]);
        library.add("docker.io/library/x:2", &[&shared, b"two"]);
        library.add("quay.io/a/y:1", &[&shared, b"y"]);
        library.add("quay.io/a/z:1", &[&shared]);
        let pushed = pusher(&registry).push_well(&library);
        let copies = if mounts { 1 } else { 3 };
        assert_eq!(registry.received() / shared.len(), copies, "{pushed:?}");
        assert_eq!(pushed.mounted_blobs > 0, mounts);
        assert!(registry.blob("platform/quay.io/a/z", &shared));
        // A later image takes it over from what was there before.
        library.add("docker.io/library/late:1", &[&shared]);
        let plan = pusher(&registry).plan(&library).unwrap();
        assert_eq!(plan.bytes(), 0);
        pusher(&registry).push_well(&library);
        assert_eq!(registry.received() / shared.len(), if mounts { 1 } else { 4 });
    }
}

#[test]
fn a_lost_blob_is_found_out_and_sent_although_its_manifest_is_there() {
    let registry = Registry::start(Habits::default());
    let library = Library::of("docker.io/library/x:1", &[b"layer", b"other layer"]);
    pusher(&registry).push_well(&library);
    registry.lose(X, b"layer");
    let plan = pusher(&registry).plan(&library).unwrap();
    assert_eq!((plan.images[0].blobs.len(), plan.images[0].documents.len()), (1, 0));
    assert_eq!(pusher(&registry).push_well(&library).sent_blobs, 1);
}

#[test]
fn a_tag_that_stands_for_something_else_is_planned_and_then_replaced() {
    let registry = Registry::start(Habits::default());
    let old = Library::of("docker.io/library/x:1", &[b"old"]);
    let new = Library::of("docker.io/library/x:1", &[b"new"]);
    let pusher = pusher(&registry);
    pusher.push_well(&old);
    let plan = pusher.plan(&new).unwrap();
    assert_eq!(plan.images[0].tags[0].before, Some(old.trees()[0].root));
    assert_eq!(plan.images[0].tags[0].document.digest, new.trees()[0].root);
    // Somebody else moves it in between.
    let other = Library::of("docker.io/library/x:1", &[b"of somebody else"]);
    pusher.push_well(&other);
    let error = pusher.execute(&plan, &new).unwrap_err();
    assert_eq!((error.code(), error.kind().exit_status()), (codes::REGISTRY_TAG, 8));
    assert!(pusher.plan(&other).unwrap().is_empty(), "it was left alone");
    pusher.push_well(&new);
}

#[test]
fn where_incomplete_indexes_are_refused_the_tag_stands_for_what_there_is() {
    for (carried, of_platforms) in [(1, 1), (2, 2)] {
        let registry = Registry::start(Habits { sparse: false, ..Habits::default() });
        let mut library = Library::default();
        let root = library.add_index("docker.io/library/x:1", carried);
        let pushed = pusher(&registry).push_well(&library);
        assert_eq!(pushed.reduced, ["docker.io/library/x:1"]);
        let manifest = registry.manifest(X, "1").unwrap();
        let document: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
        match of_platforms {
            1 => assert_eq!(
                airlock::oci::digest::Digest::of(&manifest),
                library.images[0].platforms[0].manifest,
                "byte for byte"
            ),
            _ => assert_eq!(document["manifests"].as_array().unwrap().len(), of_platforms),
        }
        assert!(registry.manifest(X, &root.to_string()).is_none());
        let signature = format!("sha256-{}.sig", root.hex());
        assert!(registry.manifest(X, &signature).is_some(), "the signature is there all the same");
        registry.seen();
        pusher(&registry).push(&library).unwrap();
        assert!(registry.seen().iter().all(|line| line.starts_with("HEAD ")));
        // Where they are taken, the digest stays that of the maker.
        let registry = Registry::start(Habits::default());
        assert!(pusher(&registry).push_well(&library).reduced.is_empty());
        assert!(registry.manifest(X, &root.to_string()).is_some());
    }
}

#[test]
fn an_image_by_digest_is_never_reduced() {
    let registry = Registry::start(Habits { sparse: false, ..Habits::default() });
    let mut library = Library::default();
    let root = library.add_index("docker.io/library/x:1", 1);
    library.images[0].name = format!("docker.io/library/x@{root}");
    let error = pusher(&registry).push(&library).unwrap_err();
    assert_eq!(error.code(), codes::REGISTRY_PUSH);
    assert!(error.help().unwrap().contains("platforms"), "{error:?}");
}

#[test]
fn locations_are_followed_in_every_form() {
    for (location, query) in
        [("", ""), ("ADDRESS", ""), ("", "?_state=a%2Bb%3D&x=1"), ("ADDRESS", "?_state=%2F")]
    {
        let registry = Registry::start(Habits { location, query, ..Habits::default() });
        let library = Library::of("docker.io/library/x:1", &[&vec![1; 600_000]]);
        registry.fail_once(Fault::Cut(300_000), |asked| asked.length > 500_000);
        pusher(&registry).push_well(&library);
    }
}

#[test]
fn an_upload_elsewhere_gets_the_bytes_and_no_permission() {
    let elsewhere = Registry::start(Habits::default());
    let address: &'static str = Box::leak(elsewhere.address.clone().into_boxed_str());
    let registry = Registry::start(Habits { location: address, wants_token: true, ..Habits::default() });
    let headers = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let kept = headers.clone();
    elsewhere.misbehave(move |asked| {
        kept.lock().unwrap().push(asked.is_authorized());
        Some(Fault::Answer(401, "WWW-Authenticate: Basic realm=\"x\"\r\n", ""))
    });
    let login = crate::library::Login("ada", "hunter2".to_owned());
    let pusher = Pusher::new(&registry.address, Some(login));
    let error = pusher.push(&Library::of("docker.io/library/x:1", &[b"layer"])).unwrap_err();
    assert_eq!(error.code(), codes::REGISTRY_LOGIN);
    let headers = headers.lock().unwrap();
    assert!(!headers.is_empty() && headers.iter().all(|is_authorized| !is_authorized));
}
