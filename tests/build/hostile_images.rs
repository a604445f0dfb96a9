//! Registries that send what no registry should: rows 77 to 89 of the list of bad inputs, at the command line.

use airlock::oci::digest::Digest;
use serde_json::{Value, json};

use super::misbehaving::{Server, Step, answer};
use super::samples::images::{OCI_INDEX, OCI_MANIFEST};
use super::server::transfer::Pace;
use super::site::Site;

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// What a build says when every request gets these steps.
fn build(reference: &str, steps: impl Fn(&str) -> Vec<Step> + Send + Sync + 'static) -> String {
    let server = Server::start(move |request, _| steps(&request.path));
    let host = server.host();
    let body = format!("  \"{host}\": {{plainHttp: true}}\nimages: [\"{host}/lab/a{reference}\"]\n");
    let site = Site::with_data(&body, Pace::default(), |data| fs_err::create_dir(data).unwrap());
    let outcome = site.build(&[]);
    assert!(!site.path("out").exists() && !site.path("bundle.lock").exists());
    outcome.to_string().replace(&host, "[SERVER]")
}

fn document(media_type: &str, document: &Value) -> Vec<Step> {
    let bytes = document.to_string().into_bytes();
    let digest = Digest::of(&bytes).to_string();
    answer("200 OK", &[("Content-Type", media_type), ("Docker-Content-Digest", &digest)], &bytes)
}

fn manifest(config: &Value, layers: &Value) -> Value {
    json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers})
}

fn descriptor(media_type: &str, digest: &str, size: i64) -> Value {
    json!({"mediaType": media_type, "digest": digest, "size": size})
}

#[test]
fn hostile_manifests_are_refused() {
    let good = Digest::of(b"x").to_string();
    let config = descriptor(CONFIG, &good, 1);
    let layer = |digest: &str, size| json!([descriptor(LAYER, digest, size)]);
    let both = json!({"schemaVersion": 2, "config": config, "layers": [], "manifests": []});
    let mut foreign = layer(&good, 1);
    foreign[0]["urls"] = json!(["https://example.com/layer"]);
    let upper_case = good.replace("sha256:", "").to_uppercase();
    let cases = [
        ("both an image and an index", both),
        ("a negative size", manifest(&config, &layer(&good, -1))),
        ("a size beyond all bounds", manifest(&config, &layer(&good, i64::MAX))),
        ("a configuration of a terabyte", manifest(&descriptor(CONFIG, &good, 1 << 40), &layer(&good, 1))),
        ("another digest algorithm", manifest(&config, &layer(&format!("sha512:{}", "0".repeat(128)), 1))),
        ("a digest in capitals", manifest(&config, &layer(&format!("sha256:{upper_case}"), 1))),
        ("a digest that leads out", manifest(&config, &layer("sha256:../../etc/passwd", 1))),
        ("a layer that lies elsewhere", manifest(&config, &foreign)),
        ("no layers at all", json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config})),
        ("the first schema", json!({"schemaVersion": 1, "fsLayers": [], "name": "\u{1b}[2Jlab/a"})),
    ];
    let mut said = String::new();
    for (what, body) in cases {
        said += &format!("== {what}\n{}", build(":1", move |_| document(OCI_MANIFEST, &body)));
    }
    insta::assert_snapshot!(said);
}

/// An index that holds an index, and so on, `depth` times; every one can be had by its digest.
fn nested(depth: usize) -> Vec<Value> {
    let entry = descriptor(OCI_MANIFEST, &Digest::of(b"x").to_string(), 1);
    let mut documents = vec![json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]})];
    for _ in 0..depth {
        let bytes = documents[documents.len() - 1].to_string();
        let entry = descriptor(OCI_INDEX, &Digest::of(bytes.as_bytes()).to_string(), bytes.len() as i64);
        documents.push(json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}));
    }
    documents
}

#[test]
fn hostile_answers_are_refused() {
    let documents = nested(1000);
    let by_digest = move |path: &str| {
        let digest = path.rsplit('/').next().unwrap_or_default();
        let found =
            documents.iter().find(|body| Digest::of(body.to_string().as_bytes()).to_string() == digest);
        document(OCI_INDEX, found.unwrap_or(&documents[documents.len() - 1]))
    };
    let pinned = format!("@{}", Digest::of(b"what was asked for"));
    let redirect = |location: &'static str| {
        move |_: &str| answer("307 Temporary Redirect", &[("Location", location)], b"")
    };
    let endless = |_: &str| {
        let head = super::misbehaving::head("200 OK", &[("Content-Type", OCI_MANIFEST)]);
        vec![Step::Send(head), Step::Endless]
    };
    let said = [
        ("another manifest than the one asked for", build(&pinned, |_| document(OCI_MANIFEST, &json!({})))),
        ("indexes a thousand levels deep", build(":1", by_digest)),
        ("a manifest without end", build(":1", endless)),
        ("a redirect in a circle", build(":1", redirect("/v2/lab/a/manifests/1"))),
        ("a redirect to a local file", build(":1", redirect("file:///etc/passwd"))),
        ("a redirect with a line break", build(":1", redirect("/x%0d%0aX: y"))),
    ];
    let gallery: String = said.into_iter().map(|(what, said)| format!("== {what}\n{said}")).collect();
    insta::assert_snapshot!(gallery);
}
