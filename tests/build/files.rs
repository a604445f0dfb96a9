//! Plain files: by path, by pattern, by URL, and what is refused.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use airlock::oci::digest::Digest;

use super::site::{Site, noise, succeeded};

/// Outcomes of builds with these `files` sections, one below the other.
fn gallery(site: &mut Site, cases: &[(&str, &str)]) -> String {
    let mut said = String::new();
    for (what, files) in cases {
        site.spec(&format!("files: [{files}]\n"));
        said += &format!("== {what}\n{}", site.build(&[]));
        assert!(!site.path("out").exists(), "{what}");
    }
    said
}

#[test]
fn files_come_by_path_pattern_and_url_with_their_modes() {
    let mut site = Site::new("");
    fs_err::create_dir(site.path("certs")).unwrap();
    for name in ["a.crt", "b.crt", "c.pem", ".hidden.crt"] {
        fs_err::write(site.path("certs").join(name), name).unwrap();
    }
    fs_err::create_dir_all(site.data("files/site")).unwrap();
    fs_err::write(site.data("files/site/tool"), noise(4, 5000)).unwrap();
    fs_err::write(site.data("files/site/other"), "other").unwrap();
    let digest = Digest::of(&noise(4, 5000)).hex();
    site.spec(&format!(
        "files:
  - {{path: motd, to: /etc/motd}}
  - {{path: \"./certs/*.crt\", to: /usr/local/share/ca-certificates/, mode: \"0600\"}}
  - {{url: \"http://{{upstream}}/site/tool\", to: /usr/local/bin/tool, mode: \"0755\", sha256: {digest}}}
  - {{url: \"http://{{upstream}}/site/other\", to: /opt/other}}
"
    ));
    site.must_build(&[]);
    site.must_verify("out");
    insta::assert_snapshot!(
        site.run(&["bundle", "inspect", "out", "-q"]).stdout.replace(&site_time(&site), "[TIME]")
    );
    for (path, mode, bytes) in [
        ("/usr/local/share/ca-certificates/b.crt", 0o600, b"b.crt".to_vec()),
        ("/usr/local/bin/tool", 0o755, noise(4, 5000)),
    ] {
        succeeded(site.run(&["bundle", "extract", "out", "--file", path, "-o", "file", "--force", "-q"]));
        assert_eq!(fs_err::read(site.path("file")).unwrap(), bytes);
        assert_eq!(fs_err::metadata(site.path("file")).unwrap().permissions().mode() & 0o777, mode);
    }
}

fn site_time(site: &Site) -> String {
    let text = site.lock_text();
    text.lines().find_map(|line| line.strip_prefix("created: ")).unwrap().trim_matches('"').to_owned()
}

#[test]
fn what_cannot_be_carried_is_refused_by_name() {
    let mut site = Site::new("");
    fs_err::create_dir(site.path("certs")).unwrap();
    fs_err::write(site.path("certs/a.crt"), "a").unwrap();
    std::os::unix::fs::symlink("/etc/hostname", site.path("certs/link.txt")).unwrap();
    let _socket = UnixListener::bind(site.path("agent.sock")).unwrap();
    let wrong = "0".repeat(64);
    let wrong_path = format!("{{path: motd, to: /etc/motd, sha256: \"{wrong}\"}}");
    let wrong_url = format!(
        "{{url: \"http://{{upstream}}/k3s-io/k3s/releases/download/v1.36.3+k3s1/k3s\", to: /k3s, sha256: \"{wrong}\"}}"
    );
    let cases = [
        ("a path that does not exist", "{path: mtd, to: /etc/motd}"),
        ("a directory", "{path: certs, to: /etc/certs}"),
        ("a socket", "{path: agent.sock, to: /run/agent}"),
        ("a pattern that matches nothing", "{path: \"certs/*.pem\", to: /certs/}"),
        ("a pattern that matches a socket", "{path: \"*.sock\", to: /run/}"),
        ("a pattern that matches a directory", "{path: \"cert*\", to: /etc/}"),
        ("a pattern that leads out by a link", "{path: \"certs/*.txt\", to: /certs/}"),
        ("another sha256 than the file has", wrong_path.as_str()),
        ("another sha256 than the download has", wrong_url.as_str()),
        ("a URL that is not there", "{url: \"http://{upstream}/nothing\", to: /nothing}"),
    ];
    insta::assert_snapshot!(gallery(&mut site, &cases));
    assert!(!site.path("bundle.lock").exists());
}

#[test]
fn two_files_never_land_on_one_path() {
    let mut site = Site::new("");
    for name in ["one/a.crt", "two/a.crt"] {
        fs_err::create_dir(site.path(name).parent().unwrap()).unwrap();
        fs_err::write(site.path(name), name).unwrap();
    }
    let cases = [
        ("two patterns", "{path: \"one/*\", to: /certs/}, {path: \"two/*\", to: /certs/}"),
        ("a path and a pattern", "{path: motd, to: /certs/a.crt}, {path: \"two/*\", to: /certs/}"),
    ];
    insta::assert_snapshot!(gallery(&mut site, &cases));
}

#[test]
fn secrets_travel_only_when_that_is_allowed() {
    let mut site = Site::new("files: [{path: id, to: /root/id}]\n");
    site.shell("cp .config/airlock/signing-key id; cp id upstream/files/id");
    let mut said = format!("== by path\n{}", site.build(&[]));
    site.spec("files: [{url: \"http://{upstream}/id\", to: /root/id}]\n");
    said += &format!("== by URL\n{}", site.build(&[]));
    insta::assert_snapshot!(said);
    assert!(!site.path("out").exists());
    for from in ["path: id", "url: \"http://{upstream}/id\""] {
        site.spec(&format!("files: [{{{from}, to: /root/id, allowSecret: true}}]\n"));
        site.must_build(&[]);
        // What was allowed once is not allowed for ever.
        site.edit(", allowSecret: true", "");
        let refused = site.run(&["bundle", "build", "-q", "-o", "again"]);
        assert_eq!(refused.exit, Some(3), "{refused}");
        assert!(refused.stderr.contains("looks like a private key"), "{refused}");
    }
}

#[test]
fn a_file_that_changed_after_the_lock_is_told_and_can_be_updated() {
    let mut site = Site::new("files: [{path: motd, to: /etc/motd}]\n");
    site.must_build(&[]);
    let before = site.digests("out");
    for text in ["Welcome\n", "longer than before\n", "short", ""] {
        fs_err::write(site.path("motd"), text).unwrap();
        let refused = site.build(&[]);
        assert_eq!(refused.exit, Some(3), "{refused}");
        assert_eq!(site.digests("out")[..2], before[..2]);
        site.must_verify("out");
    }
    insta::assert_snapshot!(site.build(&["--locked"]));
    insta::assert_snapshot!(site.lock(&["--update", "/etc/motd"]));
    site.must_build(&["--locked"]);
    fs_err::remove_file(site.path("motd")).unwrap();
    insta::assert_snapshot!(site.build(&["--locked"]));
    site.spec("files: [{path: \"mot*\", to: /etc/}]\n");
    fs_err::write(site.path("motd"), "by pattern\n").unwrap();
    succeeded(site.lock(&[]));
    fs_err::write(site.path("motd"), "by other\n").unwrap();
    // The help names a command that works.
    let refused = site.build(&[]);
    let command = refused.stderr.split("`airlock ").nth(1).unwrap().split('`').next().unwrap().to_owned();
    let words: Vec<&str> = command.split(' ').collect();
    succeeded(site.run(&words));
    site.must_build(&["--locked"]);
}
