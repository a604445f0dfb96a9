//! skopeo: log in, push, list, pull.

use serde_json::{Value, json};

use crate::served::{Served, raw};
use crate::tools::{is_there, run, run_with};

#[test]
fn skopeo_logs_in_pushes_lists_and_pulls() {
    if !is_there("skopeo") {
        return;
    }
    let served = Served::start();
    let sample = served.sample("x");
    let image = format!("docker://{}/docker.io/library/x:1.0", served.address);
    let (certificates, credentials) = (served.path("certs"), served.path("auth.json"));
    let (certificates, credentials) = (certificates.to_str().unwrap(), credentials.to_str().unwrap());
    let push = || {
        let arguments = ["copy", "--all", "--preserve-digests", "--authfile", credentials];
        let mut command = served.skopeo(&arguments);
        command.args(["--dest-cert-dir", certificates]);
        command.arg(format!("oci:{}:sample", sample.layout.display())).arg(&image);
        command
    };
    assert!(!push().output().unwrap().status.success(), "without a token nothing can be pushed");
    let log_in = || {
        let user = ["-u", "ada", "--password-stdin", &served.address];
        let mut command = served.skopeo(&["login", "--authfile", credentials, "--cert-dir", certificates]);
        command.args(user);
        command
    };
    let refused = log_in().stdin(std::process::Stdio::null()).output().unwrap();
    assert!(!refused.status.success());
    run_with(&mut log_in(), &served.token());
    run(&mut push());
    assert_eq!(served.digest("library/x/manifests/1.0?ns=docker.io"), sample.digest);

    // Pulling needs no token.
    let back = format!("oci:{}:x", served.path("back").display());
    let mut pull = served.skopeo(&["copy", "--all", "--preserve-digests", "--src-cert-dir", certificates]);
    run(pull.args([&image, &back]));
    let index: Value =
        serde_json::from_slice(&fs_err::read(served.path("back/index.json")).unwrap()).unwrap();
    assert_eq!(index["manifests"][0]["digest"], json!(sample.digest));
    let inspected = raw(served.skopeo(&["inspect", "--raw", "--cert-dir", certificates]).arg(&image));
    assert_eq!(inspected["manifests"].as_array().unwrap().len(), 2);
    let repository = format!("docker://{}/docker.io/library/x", served.address);
    let tags = raw(served.skopeo(&["list-tags", "--cert-dir", certificates]).arg(repository));
    assert_eq!(tags["Tags"], json!(["1.0"]));

    // What is there is not sent again.
    let before = served.requests(" PATCH ");
    assert!(before > 0);
    run(&mut push());
    assert_eq!(served.requests(" PATCH "), before);
}
