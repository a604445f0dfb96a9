//! curl, which asks for parts of blobs.

use std::process::Command;

use airlock::oci::digest::Digest;

use crate::served::Served;
use crate::tools::{is_there, printed, run};

/// A blob of a million bytes, pushed with curl in one request.
fn push_blob(served: &Served) -> (Vec<u8>, String) {
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|number| (number % 253) as u8).collect();
    fs_err::write(served.path("bytes"), &bytes).unwrap();
    let digest = Digest::of(&bytes).to_string();
    let mut command = curl(served);
    command.arg("--user").arg(format!("ada:{}", served.token())).arg("--data-binary");
    command.arg(format!("@{}", served.path("bytes").display()));
    command.args(["--header", "Content-Type: application/octet-stream"]);
    run(command.arg(format!("https://{}/v2/a/blobs/uploads/?digest={digest}", served.address)));
    (bytes, format!("https://{}/v2/a/blobs/{digest}", served.address))
}

fn curl(served: &Served) -> Command {
    let mut command = Command::new("curl");
    command.args(["-sSf", "--noproxy", "*", "--cacert"]).arg(served.authority());
    command
}

#[test]
fn parts_of_a_blob_are_the_right_ones() {
    if !is_there("curl") {
        return;
    }
    let served = Served::start();
    let (bytes, url) = push_blob(&served);
    let length = bytes.len();
    let cases = [
        ("0-99", 0..100),
        ("500000-500099", 500_000..500_100),
        ("-100", length - 100..length),
        ("999990-2000000", 999_990..length),
        ("400-", 400..length),
    ];
    for (range, expected) in cases {
        let output =
            run(curl(&served).args(["--range", range, "--dump-header"]).arg(served.path("head")).arg(&url));
        assert!(output.stdout == bytes[expected.clone()], "{range}");
        let head = fs_err::read_to_string(served.path("head")).unwrap().to_lowercase();
        let (first, last) = (expected.start, expected.end - 1);
        assert!(head.contains(&format!("content-range: bytes {first}-{last}/{length}\r\n")), "{head}");
        assert!(head.contains(" 206") && !head.contains("content-encoding"), "{head}");
    }
    let status = |range: &str| {
        let write = ["--range", range, "--output", "/dev/null", "--write-out", "%{http_code}"];
        let mut command = Command::new("curl");
        command.args(["-sS", "--noproxy", "*", "--cacert"]).arg(served.authority());
        printed(&run(command.args(write).arg(&url)))
    };
    assert_eq!(status("1000000-"), "416", "nothing is there");
    assert_eq!(status("0-9,20-29"), "200", "of several ranges the whole is a good answer (RFC 9110, 14.2)");
}

#[test]
fn a_download_goes_on_where_it_stopped() {
    if !is_there("curl") {
        return;
    }
    let served = Served::start();
    let (bytes, url) = push_blob(&served);
    let file = served.path("part");
    fs_err::write(&file, &bytes[..123_456]).unwrap();
    run(curl(&served).args(["-C", "-", "-o"]).arg(&file).arg(&url));
    assert!(fs_err::read(&file).unwrap() == bytes);
    served.serving.wait_for(" 206 876544 B");
}
