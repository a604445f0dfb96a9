//! What OpenSSH says when it cannot connect, and what that means.

use crate::error::{Code, codes};

/// A text of OpenSSH, what it means, and what helps. The first that fits counts; all are in lower case. `HOST` stands
/// for the host as it was named.
pub(super) const CAUSES: &[(&str, Code, &str, &str)] = &[
    (
        "failed to execute ssh",
        codes::SSH_MISSING,
        "there is no `ssh` on this machine",
        "install it: `apt-get install openssh-client`, `dnf install openssh-clients`",
    ),
    (
        "could not resolve hostname",
        codes::HOST_NAME_UNKNOWN,
        "the name of HOST is not known here",
        "check its spelling in the inventory; or give its address there as `host`, or in `/etc/hosts`",
    ),
    (
        "unprotected private key file",
        codes::IDENTITY_UNUSABLE,
        "others can read the private key for HOST",
        "`chmod 600` the file that is named above, then run the command again",
    ),
    (
        "bad owner or permissions on",
        codes::SSH_FAILED,
        "OpenSSH does not trust its own configuration",
        "`chmod 600` the file that is named above, then run the command again",
    ),
    (
        "bad configuration option",
        codes::SSH_FAILED,
        "OpenSSH does not understand its configuration",
        "correct the line that is named above; `ssh -G HOST` shows whether it is understood",
    ),
    (
        "terminating, ",
        codes::SSH_FAILED,
        "OpenSSH does not understand its configuration",
        "correct the line that is named above; `ssh -G HOST` shows whether it is understood",
    ),
    (
        "too many authentication failures",
        codes::LOGIN_REFUSED,
        "HOST refuses the login after too many keys",
        "the ssh-agent has more keys than the host looks at: name the right one as `identityFile` in the inventory",
    ),
    // A host that says this was reached. Before it the banner of a site may have warned of connections that are closed.
    ("permission denied (", codes::LOGIN_REFUSED, "HOST refuses the login", ""),
    (
        "connection refused",
        codes::HOST_UNREACHABLE,
        "HOST refuses the connection: no SSH server listens there",
        "check the port in the inventory; on the host: `systemctl enable --now ssh` (or `sshd`), and its firewall",
    ),
    (
        "no route to host",
        codes::HOST_UNREACHABLE,
        "there is no way to HOST",
        "see whether the host runs, and whether its address and network are right: `ping`, `ip route get ADDRESS`",
    ),
    (
        "network is unreachable",
        codes::HOST_UNREACHABLE,
        "there is no way to the network of HOST",
        "this machine has no route there: `ip route`",
    ),
    (
        "banner exchange",
        codes::HOST_UNREACHABLE,
        "HOST accepts the connection, but no SSH server answers",
        "check the port in the inventory; on the host see whether the SSH server is overloaded or hangs",
    ),
    (
        "timed out",
        codes::HOST_UNREACHABLE,
        "HOST does not answer",
        "see whether the host runs, and whether a firewall drops connections to its SSH port",
    ),
    (
        "no matching",
        codes::SSH_FAILED,
        "HOST and this machine have no algorithm in common",
        "the SSH server is very old or very strict: allow in `~/.ssh/config` for this host what it offers, see above",
    ),
    (
        "password has expired",
        codes::LOGIN_REFUSED,
        "the password of the user on HOST has expired",
        "log in by hand and set a new one",
    ),
    (
        "kex_exchange_identification",
        codes::HOST_UNREACHABLE,
        "HOST ends the connection before the login",
        "it has too many connections (`MaxStartups`), or it blocks this address (fail2ban, hosts.deny)",
    ),
    (
        "not responding",
        codes::HOST_LOST,
        "HOST went away",
        "see whether the host still runs; then run the same command again",
    ),
    (
        "connection reset",
        codes::HOST_LOST,
        "the connection to HOST was cut",
        "run the same command again; it continues where this one stopped",
    ),
    (
        "connection closed",
        codes::HOST_LOST,
        "HOST has ended the connection",
        "see its SSH server's log: `journalctl -u ssh`; then run the same command again",
    ),
    (
        "broken pipe",
        codes::HOST_LOST,
        "the connection to HOST was cut",
        "run the same command again; it continues where this one stopped",
    ),
];
