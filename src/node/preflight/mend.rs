//! What `--fix` does: settings, modules and a default route, each in a file of ours that says so.
//!
//! [`plan`] is a pure function; [`execute`] does one step after the other. Every step may be repeated: what is
//! right already stays as it is. Nothing is asked, and nothing of others is written to.

mod execute;

use std::collections::BTreeSet;

use serde::Serialize;

pub use self::execute::execute;
use crate::node::MARKER;

/// Where settings of the kernel are kept for the next start.
pub const SYSCTL_FILE: &str = "/etc/sysctl.d/99-airlock.conf";
/// Where modules are kept that are loaded at the next start.
pub const MODULES_FILE: &str = "/etc/modules-load.d/airlock.conf";
/// The unit that makes a default route.
pub const ROUTE_UNIT: &str = "/etc/systemd/system/airlock-default-route.service";
/// The interface that it leads to.
pub const ROUTE_INTERFACE: &str = "airlock-route";

/// Something that can safely be put right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mending {
    /// Load a module, now and at every start.
    Module(String),
    /// Give a setting of the kernel a value, now and at every start.
    Sysctl {
        /// Its name, with dots.
        name: String,
        /// The value.
        value: u64,
    },
    /// Make a default route that leads nowhere, now and at every start.
    DefaultRoute {
        /// The program `ip`.
        ip: String,
    },
}

/// A step of mending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "camelCase")]
pub enum Step {
    /// See that a file of ours has these lines. Of lines that set the same name the new one stays.
    Lines {
        /// The file.
        path: String,
        /// The lines.
        lines: Vec<String>,
    },
    /// Give a file of ours exactly this text.
    File {
        /// The file.
        path: String,
        /// Its text.
        text: String,
    },
    /// Set a value of the running kernel.
    Set {
        /// The file below `/proc/sys`.
        path: String,
        /// The value.
        value: String,
    },
    /// Run a program.
    Run {
        /// The program.
        program: String,
        /// Its arguments.
        arguments: Vec<String>,
    },
}

impl Step {
    /// The step in one line.
    pub fn describe(&self) -> String {
        match self {
            Step::Lines { path, lines } => format!("write into {path}: {}", lines.join(", ")),
            Step::File { path, .. } => format!("write {path}"),
            Step::Set { path, value } => format!("set {path} to {value}"),
            Step::Run { program, arguments } => format!("run {program} {}", arguments.join(" ")),
        }
    }
}

/// The steps that put everything right, in the order in which they are done: modules first, since settings may come
/// with them, and every file before what it says is done, so that a killed run leaves nothing undone at the next start.
pub fn plan(mendings: &[Mending]) -> Vec<Step> {
    let mendings: BTreeSet<&Mending> = mendings.iter().collect();
    let (mut modules, mut settings, mut last) = (Vec::new(), Vec::new(), Vec::new());
    for mending in mendings {
        match mending {
            Mending::Module(name) => modules.push(name.clone()),
            Mending::Sysctl { name, value } => settings.push((name.clone(), *value)),
            Mending::DefaultRoute { ip } => last.extend(default_route(ip)),
        }
    }
    let mut steps = Vec::new();
    if !modules.is_empty() {
        steps.push(Step::Lines { path: MODULES_FILE.to_owned(), lines: modules.clone() });
        steps.extend(modules.into_iter().map(|module| run("modprobe", &["--", &module])));
    }
    if !settings.is_empty() {
        let lines = settings.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        steps.push(Step::Lines { path: SYSCTL_FILE.to_owned(), lines });
        steps.extend(settings.into_iter().map(|(name, value)| Step::Set {
            path: format!("/proc/sys/{}", name.replace('.', "/")),
            value: value.to_string(),
        }));
    }
    steps.extend(last);
    steps
}

fn run(program: &str, arguments: &[&str]) -> Step {
    let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    Step::Run { program: program.to_owned(), arguments }
}

/// As the documentation of k3s does it: an interface without a cable, an address nobody has (RFC 5737), and a route
/// so dear that any other is taken instead.
fn default_route(ip: &str) -> [Step; 3] {
    let text = format!(
        "# {MARKER}: k3s needs a default route, and this machine had none.\n\
         [Unit]\n\
         Description=Default route that leads nowhere, for k3s\n\
         After=network-pre.target\n\
         Before=k3s.service k3s-agent.service\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         ExecStart=-{ip} link add {ROUTE_INTERFACE} type dummy\n\
         ExecStart={ip} link set {ROUTE_INTERFACE} up\n\
         ExecStart={ip} address replace 203.0.113.254/31 dev {ROUTE_INTERFACE}\n\
         ExecStart={ip} route replace default via 203.0.113.255 dev {ROUTE_INTERFACE} metric 1000\n\
         ExecStop={ip} link delete {ROUTE_INTERFACE}\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    );
    let unit = ROUTE_UNIT.rsplit('/').next().unwrap_or_default();
    [
        Step::File { path: ROUTE_UNIT.to_owned(), text },
        run("systemctl", &["daemon-reload"]),
        run("systemctl", &["enable", "--now", unit]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_before_what_they_say_and_modules_before_settings() {
        let sysctl = Mending::Sysctl { name: "net.ipv4.ip_forward".into(), value: 1 };
        let route = Mending::DefaultRoute { ip: "/sbin/ip".into() };
        let steps = plan(&[route, sysctl.clone(), Mending::Module("vxlan".into()), sysctl]);
        let lines: Vec<String> = steps.iter().map(Step::describe).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        write into /etc/modules-load.d/airlock.conf: vxlan
        run modprobe -- vxlan
        write into /etc/sysctl.d/99-airlock.conf: net.ipv4.ip_forward = 1
        set /proc/sys/net/ipv4/ip_forward to 1
        write /etc/systemd/system/airlock-default-route.service
        run systemctl daemon-reload
        run systemctl enable --now airlock-default-route.service
        ");
        assert!(ROUTE_INTERFACE.len() < 16, "the kernel keeps 15 characters of a name");
        assert_eq!(plan(&[]), []);
    }
}
