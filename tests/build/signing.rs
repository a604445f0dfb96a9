//! Who signs a build: a key file, an encrypted one, the ssh-agent, nobody.

use std::process::{Child, Command, Stdio};

use super::site::{Site, has, succeeded, until};

const FILE: &str = "files: [{path: motd, to: /etc/motd}]\n";

#[test]
fn without_a_key_the_build_stops_with_the_command_to_make_one() {
    let site = Site::new(FILE);
    fs_err::remove_file(site.path(".config/airlock/signing-key")).unwrap();
    insta::assert_snapshot!(site.build(&[]));
    assert!(!site.path("out").exists() && !site.path("bundle.lock").exists());
}

#[test]
fn an_unsigned_build_is_loud_everywhere() {
    let site = Site::new(FILE);
    insta::assert_snapshot!(site.must_build(&["--unsigned"]));
    let readme = fs_err::read_to_string(site.path("out/README.txt")).unwrap();
    assert!(readme.contains("THIS BUNDLE IS NOT SIGNED"), "{readme}");
    assert_eq!(site.names("out"), ["README.txt", "install", "lab-1.0.sha256", "lab-1.0.tar"]);
    assert_eq!(site.run(&["bundle", "verify", "out", "-q"]).exit, Some(5));
    // Built again with a key, the same bundle becomes a signed one.
    site.must_build(&[]);
    site.must_verify("out");
    assert!(site.path("out/lab-1.0.sha256.sig").is_file());
    // And the other way round nothing of the signature stays.
    site.must_build(&["--unsigned"]);
    assert!(!site.path("out/lab-1.0.sha256.sig").exists());
}

#[test]
fn an_encrypted_key_opens_with_its_passphrase() {
    let site = Site::new(FILE);
    fs_err::write(site.path("passphrase"), "correct horse\n").unwrap();
    fs_err::write(site.path("wrong"), "battery staple\n").unwrap();
    succeeded(site.run(&["key", "generate", "-o", "locked", "--passphrase-file", "passphrase"]));
    let with = |file: &str| site.build(&["--key", "locked", "--passphrase-file", file]);
    let said = format!(
        "== wrong\n{}== missing\n{}== nobody to ask\n{}",
        with("wrong"),
        with("missing"),
        site.build(&["--key", "locked"])
    );
    insta::assert_snapshot!(said);
    assert!(!site.path("out").exists());
    assert!(!said.contains("battery") && !said.contains("horse"));
    succeeded(with("passphrase"));
    site.must_verify("out");
}

#[test]
fn a_key_that_is_none_or_open_to_others_is_refused() {
    let site = Site::new(FILE);
    let mut said = format!("== not a key\n{}", site.build(&["--key", "motd"]));
    said += &format!("== missing\n{}", site.build(&["--key", "nowhere"]));
    site.shell("cp .config/airlock/signing-key open; chmod 644 open");
    said += &format!("== open to others\n{}", site.build(&["--key", "open"]));
    said += &format!("== agent missing\n{}", site.build(&["--key", ".config/airlock/signing-key.pub"]));
    insta::assert_snapshot!(said);
}

/// An ssh-agent that ends with the test.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_key_in_the_ssh_agent_signs() {
    if !has("ssh-agent") || !has("ssh-add") {
        return;
    }
    let site = Site::new(FILE);
    let socket = site.path("agent");
    let agent = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn();
    let _agent = Agent(agent.unwrap());
    until(|| socket.exists());
    let build = || {
        let arguments = ["bundle", "build", "-q", "-o", "out", "--key", ".config/airlock/signing-key.pub"];
        site.outcome(&site.command(&arguments).env("SSH_AUTH_SOCK", &socket).output().unwrap())
    };
    insta::assert_snapshot!(build());
    site.shell("SSH_AUTH_SOCK=agent ssh-add -q .config/airlock/signing-key");
    succeeded(build());
    site.must_verify("out");
}
