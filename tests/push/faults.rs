//! Registries and networks that fail in the middle.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use airlock::error::codes;

use crate::library::{Library, Login, Pusher};
use crate::registry::{Asked, Fault, Habits, Registry};

const LAYER: usize = 3_000_000;

fn library() -> Library {
    Library::of("docker.io/library/x:1", &[&layer()])
}

fn layer() -> Vec<u8> {
    (0..LAYER as u32).map(|number| (number / 253 % 251) as u8).collect()
}

fn pusher(registry: &Registry) -> Pusher {
    Pusher::new(&format!("{}/platform", registry.address), None)
}

fn is_large(asked: &Asked) -> bool {
    asked.length > 1_000_000
}

#[test]
fn an_upload_that_was_cut_goes_on_where_the_registry_has_got_to() {
    let registry = Registry::start(Habits::default());
    registry.fail_once(Fault::Cut(2_000_000), is_large);
    let pusher = pusher(&registry);
    pusher.push_well(&library());
    assert!(registry.received() < LAYER + 10_000, "{} bytes", registry.received());
    let seen = registry.seen();
    let asked = |start: &str| seen.iter().filter(|line| line.starts_with(start)).count();
    assert_eq!((asked("GET "), asked("PATCH ")), (1, 1), "{seen:#?}");
    assert_eq!(pusher.reported(), pusher_bytes(), "bytes are reported once");
}

fn pusher_bytes() -> u64 {
    let blobs = &library().trees()[0].blobs;
    blobs.iter().map(|blob| blob.size).sum()
}

#[test]
fn where_a_cut_upload_is_lost_it_begins_again() {
    let registry = Registry::start(Habits { resumes: false, ..Habits::default() });
    registry.fail_once(Fault::Cut(2_000_000), is_large);
    let pusher = pusher(&registry);
    pusher.push_well(&library());
    assert!(registry.received() > LAYER + 2_000_000);
    assert_eq!(pusher.reported(), pusher_bytes());
}

#[test]
fn cuts_do_not_count_as_long_as_there_is_headway() {
    let registry = Registry::start(Habits::default());
    let layer = vec![9; 12_000_000];
    // More often than anybody tries without headway.
    let mut cuts = 9;
    registry.misbehave(move |asked| {
        let is_cut = asked.length > 1_200_000 && cuts > 0;
        cuts -= usize::from(is_cut);
        is_cut.then_some(Fault::Cut(1_200_000))
    });
    let pushed = pusher(&registry).push_well(&Library::of("docker.io/library/x:1", &[&layer]));
    assert_eq!(pushed.sent_blobs, 2);
    assert!(registry.received() < 12_010_000);
}

#[test]
fn an_answer_that_was_lost_costs_no_second_upload() {
    let registry = Registry::start(Habits::default());
    registry.fail_once(Fault::Silence, is_large);
    pusher(&registry).push_well(&library());
    assert!(registry.received() < LAYER + 10_000);
}

#[test]
fn a_registry_that_takes_nothing_any_more_is_left_and_asked_again() {
    let registry = Registry::start(Habits::default());
    // More than the buffers of the sockets between us.
    let layer = vec![3; 30_000_000];
    registry.fail_once(Fault::Deaf, is_large);
    pusher(&registry).push_well(&Library::of("docker.io/library/x:1", &[&layer]));
}

#[test]
fn a_busy_registry_is_asked_again_when_it_says() {
    for (status, headers) in [(429, "Retry-After: 1\r\n"), (503, ""), (500, ""), (502, "Retry-After: 0\r\n")]
    {
        for part in [
            "POST ",
            "PUT /v2/platform/docker.io/library/x/blobs",
            "HEAD ",
            "PUT /v2/platform/docker.io/library/x/manifests",
        ] {
            let registry = Registry::start(Habits::default());
            let wanted = part.to_owned();
            registry.fail_once(Fault::Answer(status, headers, ""), move |asked| {
                format!("{} {}", asked.method, asked.target).starts_with(&wanted)
            });
            let start = std::time::Instant::now();
            pusher(&registry).push_well(&Library::of("docker.io/library/x:1", &[b"layer"]));
            if headers.contains('1') {
                assert!(start.elapsed().as_millis() >= 1000, "{status} {part}");
            }
        }
    }
}

#[test]
fn a_proxy_with_a_limit_gets_pieces() {
    let registry = Registry::start(Habits { limit: 1 << 20, ..Habits::default() });
    pusher(&registry).push_well(&library());
    let patches = registry.seen().iter().filter(|line| line.starts_with("PATCH ")).count();
    assert_eq!(patches, LAYER.div_ceil(1 << 20));
    // One that takes not even those.
    let registry = Registry::start(Habits { limit: 1 << 19, ..Habits::default() });
    let error = pusher(&registry).push(&library()).unwrap_err();
    assert_eq!((error.code(), error.kind().exit_status()), (codes::REGISTRY_PUSH, 8));
    assert!(error.help().unwrap().contains("client_max_body_size"), "{error:?}");
}

#[test]
fn a_piece_that_was_cut_is_not_the_end() {
    let registry = Registry::start(Habits { limit: 1 << 20, ..Habits::default() });
    let mut pieces = 0;
    registry.misbehave(move |asked| {
        pieces += usize::from(asked.method == "PATCH");
        (asked.method == "PATCH" && pieces == 2).then_some(Fault::Cut(400_000))
    });
    pusher(&registry).push_well(&library());
    assert!(registry.received() < LAYER + 10_000, "{}", registry.received());
}

#[test]
fn a_token_that_runs_out_is_renewed() {
    let registry = Registry::start(Habits { wants_token: true, ..Habits::default() });
    let login = Login("ada", "hunter2".to_owned());
    let mut pusher = Pusher::new(&format!("{}/platform", registry.address), Some(login));
    // Tokens run out after minutes, not again while one is renewed.
    pusher.uploads = 1;
    let (expired, mut moments) = (registry.expired.clone(), vec!["HEAD", "POST", "PATCH", "PUT"]);
    let mut cut = false;
    registry.misbehave(move |asked| {
        // Once at the first request of each kind, and in the middle of an upload.
        if let Some(at) = moments.iter().position(|method| *method == asked.method) {
            moments.remove(at);
            expired.fetch_add(1, Ordering::SeqCst);
        }
        let is_first = is_large(asked) && !cut;
        cut |= is_first;
        is_first.then_some(Fault::Cut(1_000_000))
    });
    let mut library = library();
    library.add("quay.io/a/b:1", &[b"one", b"two", b"three"]);
    pusher.push_well(&library);
    assert!(registry.expired.load(Ordering::SeqCst) == 4);
    let seen = registry.seen();
    let tokens: Vec<_> = seen.iter().filter(|line| line.contains("/token?")).collect();
    assert!(tokens.iter().any(|line| line.ends_with("%3Apull") || line.contains("%3Apull&")), "{tokens:?}");
    assert!(tokens.iter().any(|line| line.contains("%3Apull%2Cpush")), "{tokens:?}");
}

#[test]
fn another_digest_than_was_pushed_is_told() {
    let wrong = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    let registry = Registry::start(Habits { digest: Some(wrong), ..Habits::default() });
    let error = pusher(&registry).push(&library()).unwrap_err();
    assert_eq!(error.code(), codes::REGISTRY_PUSH);
    assert!(error.details().iter().any(|detail| detail.contains(wrong)), "{error:?}");
}

#[test]
fn a_damaged_source_is_the_one_to_blame() {
    let registry = Registry::start(Habits::default());
    let mut library = library();
    let digest = airlock::oci::digest::Digest::of(&layer());
    library.blobs.get_mut(&digest).unwrap()[5] ^= 1;
    let error = pusher(&registry).push(&library).unwrap_err();
    assert_eq!((error.code(), error.kind().exit_status()), (codes::BLOB_DAMAGED, 4));
    assert!(registry.received() < LAYER, "the last bytes were kept back");
    assert!(registry.manifest("platform/docker.io/library/x", "1").is_none());
}

#[test]
fn refusals_end_the_push_at_once() {
    let denied = r#"{"errors":[{"code":"DENIED","message":"requested access is denied"}]}"#;
    let json = "Content-Type: application/json\r\n";
    for (method, fault, code, part) in [
        (
            "POST",
            Fault::Answer(
                404,
                json,
                r#"{"errors":[{"code":"NOT_FOUND","message":"project platform not found"}]}"#,
            ),
            codes::REGISTRY_PUSH,
            "make the project `platform`",
        ),
        ("POST", Fault::Answer(403, json, denied), codes::REGISTRY_LOGIN, "--registry-auth"),
        (
            "POST",
            Fault::Answer(401, "WWW-Authenticate: Basic realm=\"x\"\r\n", ""),
            codes::REGISTRY_LOGIN,
            "--registry-auth",
        ),
        ("PUT", Fault::Answer(507, "", ""), codes::REGISTRY_PUSH, "quota"),
    ] {
        let registry = Registry::start(Habits::default());
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        registry.misbehave(move |asked| {
            if asked.method != method {
                return None;
            }
            counted.fetch_add(1, Ordering::SeqCst);
            Some(fault.clone())
        });
        let error = pusher(&registry).push(&Library::of("docker.io/library/x:1", &[])).unwrap_err();
        assert_eq!((error.code(), error.kind().exit_status()), (code, 8));
        assert!(error.help().unwrap().contains(part), "{error:?}");
        assert_eq!(count.load(Ordering::SeqCst), 1, "a refusal is not repeated");
    }
}

#[test]
fn an_immutable_tag_is_explained() {
    let registry = Registry::start(Habits::default());
    registry.misbehave(|asked| {
        asked.target.ends_with("/manifests/1").then_some(())?;
        (asked.method == "PUT").then_some(Fault::Answer(
            412,
            "Content-Type: application/json\r\n",
            r#"{"errors":[{"code":"PRECONDITION","message":"Failed to process request due to 'x:1' configured as immutable."}]}"#,
        ))
    });
    let error = pusher(&registry).push(&library()).unwrap_err();
    assert_eq!(error.code(), codes::REGISTRY_TAG);
    assert!(error.details().iter().any(|detail| detail.contains("configured as immutable")), "{error:?}");
}
