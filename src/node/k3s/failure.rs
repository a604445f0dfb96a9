//! What k3s says when it cannot start or join, in words that help. The messages are those of k3s 1.34 to 1.36.

/// A message of k3s that is known, and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Part of the line in its log.
    pub says: &'static str,
    /// What is wrong.
    pub cause: &'static str,
    /// What to do.
    pub fix: &'static str,
}

/// Every failure that is known; earlier ones are more exact.
pub const FAILURES: &[Failure] = &[
    Failure {
        says: "token CA hash does not match the Cluster CA certificate hash",
        cause: "the token is of another cluster, or the server was installed anew",
        fix: "take the token of the server as it is now: /var/lib/rancher/k3s/server/token",
    },
    Failure {
        says: "invalid token format",
        cause: "the token is not complete",
        fix: "copy the whole line of /var/lib/rancher/k3s/server/token of the server into the token file",
    },
    Failure {
        says: "invalid token CA hash length",
        cause: "the token was cut",
        fix: "copy the whole line of /var/lib/rancher/k3s/server/token of the server into the token file",
    },
    Failure {
        says: "Node password rejected, duplicate hostname",
        cause: "the cluster has a node of this name with another password",
        fix: "on a server: `kubectl delete node NAME`, and wait until the secret NAME.node-password.k3s in \
              kube-system is gone; or give this node another name: `--node-name`",
    },
    Failure {
        says: "duplicate node name found",
        cause: "the datastore still has a member of this name",
        fix: "on a server: `kubectl delete node NAME`; then run the same command again",
    },
    Failure {
        says: "critical configuration value mismatch",
        cause: "options that have to be equal on all servers differ",
        fix: "give this server the same --cluster-cidr, --service-cidr, --disable and --share-images as the first",
    },
    Failure {
        says: "Waiting for other members to finish joining etcd cluster",
        cause: "another server is joining",
        fix: "servers join one at a time: wait for the other one, then run the same command again",
    },
    Failure {
        says: "incompatible down-level server detected",
        cause: "the server is older than this node",
        fix: "upgrade the servers first",
    },
    Failure {
        says: "this server is not a member of the etcd cluster",
        cause: "the address of this server has changed, or it was removed from the cluster",
        fix: "give it the address it had (`--address`), or reset it and let it join anew",
    },
    Failure {
        says: "tombstone file has been detected but",
        cause: "etcd has let this server go, and it knows no other server that it could join",
        fix: "`airlock cluster repair` lets it join anew; by hand: move /var/lib/rancher/k3s/server/db away, then \
              `airlock install --join https://HOST:6443`",
    },
    Failure {
        says: "bootstrap data already found and encrypted with different token",
        cause: "the token is not the one that the cluster was founded with",
        fix: "put the original token into the token file",
    },
    Failure {
        says: "no bootstrap data found in datastore",
        cause: "there is a datastore already, and the token is not its own",
        fix: "put the original token into the token file",
    },
    Failure {
        says: "newer than datastore and could cause",
        cause: "certificates on the disk are newer than those of the cluster: a restored disk, or a wrong clock",
        fix: "check the clock with `date`; move /var/lib/rancher/k3s/server/tls away if the disk was restored",
    },
    Failure {
        says: "failed to find memory cgroup",
        cause: "the kernel does not count memory",
        fix: "boot with `cgroup_enable=memory cgroup_memory=1`",
    },
    Failure {
        says: "failed to find cpuset cgroup",
        cause: "the kernel or the container this runs in has no cpuset controller",
        fix: "enable the cpuset controller of cgroup v2",
    },
    Failure {
        says: "no default routes found",
        cause: "the node has no default route, which k3s needs even where it leads nowhere",
        fix: "`airlock node preflight --fix` sets one up; or give `--address` and `--interface`",
    },
    Failure {
        says: "failed to get default interface",
        cause: "the node has no default route, which k3s needs even where it leads nowhere",
        fix: "`airlock node preflight --fix` sets one up; or give `--address` and `--interface`",
    },
    Failure {
        says: "snapshotter cannot be enabled",
        cause: "the file system of the data directory cannot carry containers",
        fix: "put `--data-dir` on ext4 or xfs",
    },
    Failure {
        says: "failed to find host-local",
        cause: "programs cannot be run from the data directory",
        fix: "mount the file system of `--data-dir` without noexec",
    },
    Failure {
        says: "address already in use",
        cause: "another program has a port of k3s",
        fix: "`ss -ltnp` shows which; stop it",
    },
    Failure {
        says: "not authorized",
        cause: "the server refuses the token",
        fix: "take the token of the server as it is now: /var/lib/rancher/k3s/server/token",
    },
    Failure {
        says: "failed to get CA certs",
        cause: "the server cannot be reached, or does not run",
        fix: "check the address of `--join`, port 6443 on the way, and `systemctl status k3s` on the server",
    },
];

/// What k3s says when whatever it has waited for has come.
const STARTED: &str = "is up and running";

/// The failure that a log tells of: that of its last line which is known, unless k3s has started after it.
pub fn find(log: &str) -> Option<&'static Failure> {
    let log = log.rsplit(STARTED).next().unwrap_or_default();
    log.lines().rev().find_map(|line| FAILURES.iter().find(|failure| line.contains(failure.says)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_known_line_counts() {
        let log = "level=error msg=\"failed to get CA certs: timeout\"\n\
                   level=fatal msg=\"token CA hash does not match the Cluster CA certificate hash: a != b\"\n\
                   main process exited\n";
        assert!(find(log).unwrap().cause.contains("another cluster"));
        assert_eq!(find("all is well"), None);
        let waited = "level=info msg=\"Waiting for other members to finish joining etcd cluster\"\n";
        assert!(find(waited).is_some());
        assert_eq!(
            find(&format!("{waited}level=info msg=\"k3s is up and running\"\nlevel=info msg=x\n")),
            None
        );
    }

    #[test]
    fn no_message_hides_another_one() {
        for (index, failure) in FAILURES.iter().enumerate() {
            let first = FAILURES.iter().position(|other| failure.says.contains(other.says));
            assert_eq!(first, Some(index), "{}", failure.says);
        }
    }
}
