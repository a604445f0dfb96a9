//! A power cut in the middle of dpkg, an apt of somebody else, a dpkg that somebody else has left.

use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use airlock::node::machine::{Call, Finished, Programs};
use rustix::process::{Pid, Signal, kill_process};

use crate::node::{install, install_within, machine, machine_with, must_install, owned_packages, plan};
use crate::probes::{PROBES, bundle, write};
use crate::roots::{Inside, Root};

/// The programs of a root, until a file appears: then everything that runs in the root is killed.
pub struct PowerCut {
    pub inside: Inside,
    pub when: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Programs for PowerCut {
    fn run(&self, call: &Call) -> io::Result<Finished> {
        let is_installing = call.program() == "apt-get" && call.arguments().contains(&"--yes".to_owned());
        if !is_installing {
            return self.inside.run(call);
        }
        let wrapped = self.inside.wrapped(call);
        let mut command = Command::new(wrapped.program());
        command.args(wrapped.arguments()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.envs(wrapped.variables().iter().map(|(name, value)| (name, value)));
        let mut child = command.spawn()?;
        let end = Instant::now() + Duration::from_secs(60);
        while !(self.when)() {
            assert!(Instant::now() < end, "it never came to that");
            assert!(child.try_wait()?.is_none(), "apt ended before it came to that");
            std::thread::yield_now();
        }
        kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
        child.wait()?;
        Err(io::Error::other("the power was cut"))
    }
}

fn power_cut(root: &Root, file: &str) -> PowerCut {
    let marker: PathBuf = root.path().join(file);
    PowerCut { inside: Inside(root.path()), when: Box::new(move || marker.exists()) }
}

#[test]
#[ignore = "makes a root from a mirror"]
fn a_run_that_was_killed_anywhere_in_dpkg_is_continued() {
    let packages = bundle(&PROBES, &["airlock-probe"]);
    for release in ["bookworm", "trixie"] {
        let Some(root) = Root::new(release) else { return };
        for (package, script) in [
            ("airlock-probe-data", "preinst"),
            ("airlock-probe", "preinst"),
            ("airlock-probe-data", "postinst"),
            ("airlock-probe-library", "postinst"),
            ("airlock-probe", "postinst"),
        ] {
            let wait = root.path().join(format!("wait-{package}-{script}"));
            fs_err::write(&wait, "").unwrap();
            let programs = power_cut(&root, &format!("waits-{package}-{script}"));
            let (killed, _) = install(&packages, &machine_with(&root.path(), Arc::new(programs)));
            killed.unwrap_err();
            fs_err::remove_file(&wait).unwrap();
            let machine = machine(&root);
            assert!(!plan(&packages, &machine).is_empty());
            must_install(&packages, &machine);
            assert_eq!(root.status("airlock-probe"), "install ok installed 1:2.0-1", "{package} {script}");
            assert_eq!(root.must(&["dpkg", "--audit"]), "");
            assert!(plan(&packages, &machine).is_empty());
            assert_eq!(owned_packages(&machine).len(), 3, "as if nothing had happened");
            root.must(&["sh", "-c", "dpkg --purge $(dpkg-query --show -f '${Package} ' 'airlock-*')"]);
        }
    }
}

#[test]
#[ignore = "makes a root from a mirror"]
fn what_others_have_left_half_done_is_theirs() {
    let Some(root) = Root::new("bookworm") else { return };
    write(&("airlock-theirs", "1", ""), &root.path().join("theirs.deb"));
    root.must(&["dpkg", "--unpack", "/theirs.deb"]);
    let machine = machine(&root);
    let packages = bundle(&PROBES, &["airlock-probe"]);
    let (done, _) = install(&packages, &machine);
    let error = done.unwrap_err();
    assert_eq!((error.code().to_string().as_str(), error.kind().exit_status()), ("E1073", 7));
    assert_eq!(error.message(), "packages of this machine are not installed properly: airlock-theirs:amd64");
    assert!(error.help().unwrap().contains("`dpkg --configure -a`"));
    root.must(&["dpkg", "--configure", "-a"]);
    must_install(&packages, &machine);
}

#[test]
#[ignore = "makes a root from a mirror"]
fn whoever_works_with_dpkg_is_waited_for_by_name() {
    let Some(root) = Root::new("bookworm") else { return };
    let machine = machine(&root);
    let packages = bundle(&PROBES, &["airlock-probe"]);
    let lock = root.path().join("var/lib/dpkg/lock-frontend");
    // dpkg's locks are those of fcntl(2), which shells cannot take.
    let script = "import fcntl, sys\nfile = open(sys.argv[1], 'r+')\nfcntl.lockf(file, fcntl.LOCK_EX)\n\
        print('locked', flush=True)\nsys.stdin.read()\n";
    let mut command = Command::new("python3");
    command.args(["-c", script]).arg(lock).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut holder) = command.spawn() else {
        eprintln!("SKIPPED: python3 is not installed");
        return;
    };
    let mut said = String::new();
    io::BufRead::read_line(&mut io::BufReader::new(holder.stdout.take().unwrap()), &mut said).unwrap();
    // The root has no /proc of its own from outside.
    let process = root.path().join(format!("proc/{}", holder.id()));
    fs_err::create_dir_all(&process).unwrap();
    fs_err::write(process.join("comm"), "unattended-upgr\n").unwrap();
    let (done, told) = install_within(&packages, &machine, Duration::from_secs(2));
    let name = format!("unattended-upgr (process {})", holder.id());
    let error = done.unwrap_err();
    assert_eq!((error.code().to_string().as_str(), error.kind().exit_status()), ("E1072", 10));
    assert_eq!(error.message(), format!("{name} has worked with the packages of this machine for 2 s"));
    assert_eq!(told, [format!("waiting for {name}, which works with the packages of this machine")]);
    drop(holder.stdin.take());
    holder.wait().unwrap();
    must_install(&packages, &machine);
}
