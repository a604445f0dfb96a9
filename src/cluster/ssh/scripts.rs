//! What is run by the shell of a host before our own program is there. Nothing of an inventory, and nothing that a host
//! has said, is in it: only digits and lower-case hexadecimal letters of ours are filled in.
//!
//! A script that is an argument goes through the login shell of the user first, which may be any: so it is one line in
//! single quotes, without `'`, `!` and backslashes, which csh and fish would read as theirs.

use crate::oci::digest::Digest;

use super::program::Program;

/// Begins the shell that reads a script from its standard input.
pub(super) const SHELL: &str = "exec /bin/sh -s";

/// For every place where the program may lie, best first: not all of them are writable, or may be run from.
macro_rules! for_places {
    () => {
        r#"u=$(id -u); for d in "$HOME/.cache/airlock" "/var/tmp/airlock-$u" "/run/user/$u/airlock" "/tmp/airlock-$u"; do "#
    };
}

/// Tells what the host is and whether the program is there. Then the shell waits for the end of its input, and with it
/// the connection stays.
pub(super) fn first_touch(mark: &str, programs: &[Digest]) -> String {
    let digests: Vec<String> = programs.iter().map(Digest::hex).collect();
    const SCRIPT: &str = concat!(
        "LC_ALL=C; export LC_ALL; PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin; export PATH\n",
        "say() { printf '%s %s %s\\n' MARK \"$1\" \"$2\"; }\n",
        "say uid \"$(id -u)\"\n",
        "say user \"$(id -un)\"\n",
        "say machine \"$(uname -m)\"\n",
        "say kernel \"$(uname -s) $(uname -r)\"\n",
        "say sudo \"$(command -v sudo)\"\n",
        "say sha256sum \"$(command -v sha256sum)\"\n",
        for_places!(),
        "\n  if test -d \"$d\" && test -O \"$d\" && test ! -h \"$d\"; then for h in DIGESTS; do\n",
        "    if test -x \"$d/airlock-$h\" && test \"$(sha256sum < \"$d/airlock-$h\")\" = \"$h  -\"; then\n",
        "      say program \"$h\"; fi; done; fi; done\n",
        "say end \"$(date +%s)\"\n",
    );
    SCRIPT.replace("MARK", mark).replace("DIGESTS", &digests.join(" "))
}

/// Writes the program from its standard input to the first place where it can be run: 0 if that worked, 95 if there is
/// no such place, 94 if it was damaged on the way. What was killed while it wrote there, a day ago or earlier, goes.
pub(super) fn receive(program: &Program) -> String {
    const SCRIPT: &str = concat!(
        "exec /bin/sh -c 'LC_ALL=C; export LC_ALL; umask 077; ",
        for_places!(),
        "mkdir -p \"$d\" 2>/dev/null; test -d \"$d\" && test -O \"$d\" || continue; test -h \"$d\" && continue; ",
        "chmod 700 \"$d\"; find \"$d\" -name \".airlock-*\" -mmin +1440 -exec rm -f {} + 2>/dev/null; t=\"$d/.airlock-HEX.$$\"; touch \"$t\" 2>/dev/null || continue; chmod 700 \"$t\"; ",
        "set -- $(df -Pk \"$d\" | tail -n 1); ",
        "if test -x \"$t\" && test \"$4\" -ge KIB 2>/dev/null; then ",
        "cat > \"$t\" && test \"$(wc -c < \"$t\")\" -eq SIZE && test \"$(sha256sum < \"$t\")\" = \"HEX  -\" && ",
        "mv -f \"$t\" \"$d/airlock-HEX\" && exit 0; rm -f \"$t\"; exit 94; fi; rm -f \"$t\"; done; exit 95'",
    );
    let kib = program.size.div_ceil(1024) + 1024;
    let filled = SCRIPT.replace("HEX", &program.digest.hex()).replace("KIB", &kib.to_string());
    filled.replace("SIZE", &program.size.to_string())
}

/// Exit status of [`receive`] when there is no place for the program.
pub(super) const NO_PLACE: i32 = 95;

/// Becomes the agent, through sudo unless the user is root; 96 if the program is gone.
pub(super) fn agent(digest: &Digest, sudo_prompt: Option<&str>) -> String {
    const SCRIPT: &str = concat!(
        "exec /bin/sh -c 'LC_ALL=C; export LC_ALL; PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin; export PATH; ",
        for_places!(),
        "p=\"$d/airlock-HEX\"; ",
        "if test -d \"$d\" && test -O \"$d\" && test -x \"$p\"; then test -h \"$d\" || exec SUDO\"$p\" --json node agent; fi; ",
        "done; exit 96'",
    );
    let sudo = sudo_prompt.map(|prompt| format!("sudo -S -p {prompt} -- ")).unwrap_or_default();
    SCRIPT.replace("HEX", &digest.hex()).replace("SUDO", &sudo)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::oci::platform::Platform;

    #[test]
    fn arguments_survive_every_login_shell() {
        let digest = Digest::of(b"x");
        let program = Program { platform: Platform::LinuxAmd64, path: "/x".into(), digest, size: 5 };
        for script in [receive(&program), agent(&digest, Some("airlock-0f-")), agent(&digest, None)] {
            let inner = script.strip_prefix("exec /bin/sh -c '").unwrap().strip_suffix('\'').unwrap();
            assert!(!inner.contains(['\'', '!', '\\', '\n']), "{inner}");
            assert!(!inner.contains("HEX") && !inner.contains("SUDO") && !inner.contains("KIB"), "{inner}");
        }
    }

    #[test]
    fn the_program_arrives_and_what_was_killed_long_ago_goes() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join(".cache/airlock");
        fs_err::create_dir_all(&place).unwrap();
        let [old, new] = [".airlock-0f.7", ".airlock-0f.8"].map(|name| place.join(name));
        for file in [&old, &new] {
            fs_err::write(file, "the first half").unwrap();
        }
        let before = SystemTime::now() - Duration::from_secs(25 * 60 * 60);
        fs_err::OpenOptions::new().write(true).open(&old).unwrap().set_modified(before).unwrap();
        let text = b"program of the tests of airlock";
        let (digest, size) = (Digest::of(text), text.len() as u64);
        let program = Program { platform: Platform::LinuxAmd64, path: "/x".into(), digest, size };
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(receive(&program)).env("HOME", home.path()).stdin(Stdio::piped());
        let mut shell = shell.spawn().unwrap();
        shell.stdin.take().unwrap().write_all(text).unwrap();
        assert!(shell.wait().unwrap().success());
        assert_eq!(fs_err::read(place.join(format!("airlock-{}", digest.hex()))).unwrap(), text);
        assert!(!old.exists() && new.exists());
    }
}
