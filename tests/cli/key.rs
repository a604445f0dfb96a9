//! `airlock key`.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use super::support::Home;

#[test]
fn a_new_key_is_private_shown_and_trusted_by_its_maker() {
    let home = Home::new();
    let generated = home.airlock(["key", "generate", "--no-passphrase", "--comment", "release@lab"]);
    insta::assert_snapshot!(generated, @r#"
    exit 0
    --- stdout
    private key   [HOME]/.config/airlock/signing-key
    public key    [HOME]/.config/airlock/signing-key.pub
    fingerprint   SHA256:[FINGERPRINT]
    added to      [HOME]/.config/airlock/allowed_signers

    Machines that shall trust this key need this line in /etc/airlock/allowed_signers:

    release@lab namespaces="airlock.*" ssh-ed25519 [KEY]
    --- stderr
    "#);
    let key = home.path(".config/airlock/signing-key");
    let mode = |path: &std::path::Path| fs_err::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&key), 0o600);
    assert_eq!(mode(&home.path(".config/airlock")), 0o700);

    let private = home.airlock(["key".as_ref(), "show".as_ref(), key.as_os_str()]);
    insta::assert_snapshot!(private, @r#"
    exit 0
    --- stdout
    ssh-ed25519 [KEY] release@lab
    SHA256:[FINGERPRINT]
    release@lab namespaces="airlock.*" ssh-ed25519 [KEY]
    --- stderr
    "#);
    let public = home.airlock(["key", "show", ".config/airlock/signing-key.pub"]);
    assert_eq!(public.stdout, private.stdout);
    let signers = fs_err::read_to_string(home.path(".config/airlock/allowed_signers")).unwrap();
    assert_eq!(signers.lines().count(), 1);
    assert!(generated.stdout.contains(signers.split(" ssh-ed25519 ").next().unwrap()));
}

#[test]
fn a_key_is_never_overwritten() {
    let home = Home::new();
    assert_eq!(home.airlock(["key", "generate", "--no-passphrase", "-o", "k"]).exit, Some(0));
    let before = fs_err::read(home.path("k")).unwrap();
    insta::assert_snapshot!(home.airlock(["key", "generate", "--no-passphrase", "-o", "k"]), @r"
    exit 7
    --- stdout
    --- stderr
    error[E0011]: `k` is there already
    help: keys are never overwritten: choose another name with `--output FILE`, or use the one there is (`airlock key show k`)
    ");
    fs_err::remove_file(home.path("k")).unwrap();
    let public_is_left = home.airlock(["key", "generate", "--no-passphrase", "-o", "k"]);
    assert_eq!(public_is_left.exit, Some(7), "{public_is_left}");
    assert!(!home.path("k").exists());
    assert!(!before.is_empty());
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn openssh_reads_the_keys() {
    let home = Home::new();
    fs_err::write(home.path("passphrase"), "correct horse\n").unwrap();
    let generated = home.airlock(["key", "generate", "-o", "k", "--passphrase-file", "passphrase"]);
    assert_eq!(generated.exit, Some(0), "{generated}");
    // Deriving the public key from the private one needs the passphrase, so it proves the encryption too.
    let derive =
        |passphrase: &str| home.command("ssh-keygen").args(["-y", "-f", "k", "-P", passphrase]).output();
    let Ok(right) = derive("correct horse") else {
        eprintln!("skipped: ssh-keygen is not installed");
        return;
    };
    let public = fs_err::read_to_string(home.path("k.pub")).unwrap();
    assert_eq!(String::from_utf8(right.stdout).unwrap(), public);
    assert!(!derive("wrong").unwrap().status.success());
}

#[test]
fn a_passphrase_may_come_from_standard_input() {
    let home = Home::new();
    let mut child = home
        .command(super::support::AIRLOCK)
        .args(["--json", "key", "generate", "-o", "k", "--passphrase-file", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"correct horse\n").unwrap();
    let outcome = home.outcome(&child.wait_with_output().unwrap());
    assert_eq!(outcome.exit, Some(0), "{outcome}");
    let result: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(result["privateKey"], "k");
    assert!(fs_err::read_to_string(home.path("k")).unwrap().contains("OPENSSH PRIVATE KEY"));
    assert!(!outcome.stdout.contains("correct horse"));
}

#[test]
fn without_a_terminal_the_passphrase_must_come_from_somewhere() {
    let home = Home::new();
    insta::assert_snapshot!(home.airlock(["key", "generate"]), @r"
    exit 2
    --- stdout
    --- stderr
    error[E0007]: a passphrase is needed, and there is no terminal to ask
    help: put it into a file of mode 0600 and give `--passphrase-file FILE` (`-` reads it from standard input)
    ");
    assert!(!home.path(".config").exists(), "nothing was begun");
}
