//! Hosts where root is reached by a real sudo that asks, and a canary in the place of its password.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::server::{Site, code, is_possible};

const CANARY: &str = "canary-4f1c-of-the-sudo-password";

/// A user of this machine who may use sudo with the password; gone when this is dropped.
struct User(String);

impl User {
    fn create() -> Option<User> {
        if !std::path::Path::new("/etc/sudoers.d").is_dir() {
            eprintln!("SKIPPED: sudo is not installed");
            return None;
        }
        let user = User(format!("airlock{}", std::process::id()));
        let is_made = Command::new("useradd")
            .args(["-M", "-s", "/bin/sh", &user.0])
            .status()
            .is_ok_and(|made| made.success());
        if !is_made {
            eprintln!("SKIPPED: no user can be made here");
            return None;
        }
        let mut chpasswd = Command::new("chpasswd").stdin(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(
            &mut chpasswd.stdin.take().unwrap(),
            format!("{}:{CANARY}\n", user.0).as_bytes(),
        )
        .unwrap();
        assert!(chpasswd.wait().unwrap().success());
        fs_err::write(
            user.rule(),
            format!("{} ALL=(root) ALL\nDefaults:{} timestamp_timeout=0\n", user.0, user.0),
        )
        .unwrap();
        Some(user)
    }

    fn rule(&self) -> String {
        format!("/etc/sudoers.d/{}", self.0)
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _ = fs_err::remove_file(self.rule());
        let _ = Command::new("userdel").arg(&self.0).stderr(Stdio::null()).status();
    }
}

/// Looks whether the canary is in the arguments or the environment of any process, until told to stop.
fn watch(stop: &AtomicBool) -> Vec<String> {
    let mut found = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        for entry in fs_err::read_dir("/proc").unwrap().flatten() {
            for name in ["cmdline", "environ"] {
                let bytes = fs_err::read(entry.path().join(name)).unwrap_or_default();
                let text = String::from_utf8_lossy(&bytes).into_owned();
                if text.contains(CANARY) {
                    found.push(text);
                }
            }
        }
    }
    found
}

#[test]
fn sudo_gets_its_password_and_nobody_else_does() {
    if !is_possible() {
        return;
    }
    let Some(user) = User::create() else { return };
    let site = Site::new();
    let server = site.server();
    site.trust(&server);
    fs_err::os::unix::fs::chown(site.path("home"), Some(uid(&user.0)), None).unwrap();
    site.inventory(&[("node1", server.port, &format!("user: {}", user.0))]);
    let (_, rows, _) = site.ping(&[]);
    assert_eq!((code(&rows[0]), rows[0]["login"].as_bool()), ("E1133", Some(true)), "{rows:#?}");
    let password = |name: &str, text: &str| {
        fs_err::write(site.path(name), text).unwrap();
        fs_err::set_permissions(site.path(name), std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
        site.text(name)
    };
    let (_, rows, _) = site.ping(&["--sudo-password-file", &password("wrong", "wrong\n")]);
    assert_eq!(code(&rows[0]), "E1133");
    assert!(rows[0]["error"]["message"].as_str().unwrap().contains("does not accept"));
    let file = password("right", &format!("{CANARY}\n"));
    let stop = AtomicBool::new(false);
    let (seen, (status, rows, output)) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(&stop));
        let told = site.ping(&["--sudo-password-file", &file]);
        stop.store(true, Ordering::Relaxed);
        (watcher.join().unwrap(), told)
    });
    assert_eq!((status, code(&rows[0])), (0, "none"), "{rows:#?}");
    assert!(seen.is_empty(), "{seen:?}");
    let told = [output.stdout, output.stderr].concat();
    assert!(!String::from_utf8_lossy(&told).contains(CANARY));
    fs_err::remove_file(user.rule()).unwrap();
    let (_, rows, _) = site.ping(&["--sudo-password-file", &file]);
    assert_eq!(code(&rows[0]), "E1134", "{rows:#?}");
}

fn uid(user: &str) -> u32 {
    let output = Command::new("id").args(["-u", user]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}
