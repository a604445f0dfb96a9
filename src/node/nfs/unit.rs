//! The units of a network file system (systemd.mount(5), systemd.automount(5)).

use super::NfsMount;
use crate::node::MARKER;
use crate::node::resource::File;

/// Where units of the administrator lie.
const UNITS: &str = "/etc/systemd/system";

impl NfsMount {
    /// The name of the unit that mounts it.
    pub fn mount_unit(&self) -> String {
        unit_name(&self.path, "mount")
    }

    /// The name of the unit that has it mounted when somebody looks.
    pub fn automount_unit(&self) -> String {
        unit_name(&self.path, "automount")
    }

    /// Both units as files. A server that does not answer is given up after half a minute, so that whoever looks is
    /// told.
    pub(super) fn files(&self) -> [File; 2] {
        let NfsMount { source, path, options } = self;
        let options = if options.is_empty() { String::new() } else { format!("Options={options}\n") };
        let mount = format!(
            "# {MARKER}.\n[Unit]\nDescription={source}\nWants=network-online.target\nAfter=network-online.target\n\
             \n[Mount]\nWhat={source}\nWhere={path}\nType=nfs\n{options}TimeoutSec=30\n"
        );
        let automount = format!(
            "# {MARKER}.\n[Unit]\nDescription={source}, when somebody looks\nBefore=k3s.service k3s-agent.service\n\
             \n[Automount]\nWhere={path}\n\n[Install]\nWantedBy=multi-user.target\n"
        );
        [
            File::new(format!("{UNITS}/{}", self.mount_unit()), mount),
            File::new(format!("{UNITS}/{}", self.automount_unit()), automount),
        ]
    }
}

/// The name of a unit for an absolute path: `/` becomes `-`, and what is not a letter, a digit, `:`, `_` or `.`, or is a
/// `.` at the beginning, becomes `\xHH` (systemd.unit(5), "String Escaping for Inclusion in Unit Names").
pub fn unit_name(path: &str, suffix: &str) -> String {
    let path = path.trim_matches('/');
    let mut name = String::new();
    for (index, byte) in path.bytes().enumerate() {
        match byte {
            b'/' => name.push('-'),
            b'.' if index == 0 => name.push_str("\\x2e"),
            b':' | b'_' | b'.' => name.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => name.push(char::from(byte)),
            byte => name.push_str(&format!("\\x{byte:02x}")),
        }
    }
    let name = if name.is_empty() { "-" } else { &name };
    format!("{name}.{suffix}")
}

#[cfg(test)]
mod tests {
    use super::super::tests::mount;
    use super::*;

    #[test]
    fn names_are_those_of_systemd_escape() {
        // As `systemd-escape --path --suffix=mount` prints them.
        for (path, name) in [
            ("/data", "data.mount"),
            ("/srv/data-1", r"srv-data\x2d1.mount"),
            ("/srv/a_b.c/", "srv-a_b.c.mount"),
            ("/.hidden/.x", r"\x2ehidden-.x.mount"),
            ("/", "-.mount"),
        ] {
            assert_eq!(unit_name(path, "mount"), name, "{path}");
        }
    }

    #[test]
    fn both_units_are_about_the_same_place() {
        let [mount, automount] = mount("nas.lab:/export", "/srv/data", "ro,vers=4.2").files();
        insta::assert_snapshot!(String::from_utf8(mount.content).unwrap(), @r"
        # Written by airlock.
        [Unit]
        Description=nas.lab:/export
        Wants=network-online.target
        After=network-online.target

        [Mount]
        What=nas.lab:/export
        Where=/srv/data
        Type=nfs
        Options=ro,vers=4.2
        TimeoutSec=30
        ");
        insta::assert_snapshot!(String::from_utf8(automount.content).unwrap(), @r"
        # Written by airlock.
        [Unit]
        Description=nas.lab:/export, when somebody looks
        Before=k3s.service k3s-agent.service

        [Automount]
        Where=/srv/data

        [Install]
        WantedBy=multi-user.target
        ");
        assert_eq!(mount.path, "/etc/systemd/system/srv-data.mount");
    }
}
