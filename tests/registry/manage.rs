//! Deleting.

use crate::support::{Options, Server};

#[test]
fn what_is_deleted_is_gone_at_once() {
    let server = Server::start();
    let digest = server.push_image("a", "1", b"layer");
    server.push_image("a", "2", b"layer");
    let layer = server.push_blob("a", b"layer");
    let delete = |target: &str| server.privileged("DELETE", target, &[], b"").status;
    assert_eq!(delete("/v2/a/manifests/1"), 202);
    assert_eq!(server.get("/v2/a/manifests/1").status, 404);
    assert_eq!(delete("/v2/a/manifests/1"), 404);
    assert_eq!(server.get("/v2/a/manifests/2").status, 200, "a tag is not its manifest");
    assert_eq!(delete(&format!("/v2/a/manifests/{digest}")), 202);
    assert_eq!(server.get("/v2/a/manifests/2").status, 404, "no tag names what is gone");
    assert_eq!(server.get(&format!("/v2/a/manifests/{digest}")).status, 404);
    assert_eq!(delete(&format!("/v2/a/blobs/{layer}")), 202);
    assert_eq!(server.get(&format!("/v2/a/blobs/{layer}")).status, 404);
    assert_eq!(delete(&format!("/v2/a/blobs/{layer}")), 404);
    assert_eq!(server.get("/v2/a/tags/list").json()["tags"], serde_json::json!([]));
}

#[test]
fn nothing_is_deleted_where_that_is_not_allowed() {
    let server = Server::with(Options { allow_delete: false, ..Options::default() });
    let digest = server.push_image("a", "1", b"layer");
    for target in
        ["/v2/a/manifests/1".to_owned(), format!("/v2/a/manifests/{digest}"), format!("/v2/a/blobs/{digest}")]
    {
        let answer = server.privileged("DELETE", &target, &[], b"");
        assert_eq!(answer.refusal(), (405, "UNSUPPORTED".to_owned()), "{target}");
    }
    // An upload may always be given up.
    let upload = server.privileged("POST", "/v2/a/blobs/uploads/", &[], b"");
    assert_eq!(server.privileged("DELETE", upload.header("location").unwrap(), &[], b"").status, 204);
}
