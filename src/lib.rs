//! Airlock carries a Kubernetes platform across an air gap, in one signed, checksummed bundle.
//!
//! # How data flows
//!
//! ```text
//! bundle.yaml ─ spec ─► build::resolve (registries, k3s releases, files, apt repositories) ─► bundle.lock ─► build::plan
//!    ─► source::gather ─► store (cache of blobs) ─► build::output, bundle::writer ─► volumes on the medium
//! medium ─► bundle::reader ─► trust (signature) ─► bundle::check, inspect, diff, extract
//! ```
//!
//! Everything is a *blob*, named by its SHA-256: image layers and manifests, programs, files. A byte is read
//! from the network once, hashed as it passes, written to the cache once, and copied once to the medium.
//!
//! [`spec`] turns what the user wrote into checked types. [`build::resolve`] pins every tag, channel and URL
//! in the [`lock`]. From lock and pinned bytes alone follows the [`build::plan`], and with it the manifest.
//! [`build::output`] executes it: [`source`] and [`fetch`] bring blobs into the [`store`] while
//! [`bundle::writer`] writes volumes front to back; then everything is read back, and only then the files get
//! their names. Where every byte of a bundle lies is pure arithmetic over the manifest
//! ([`bundle::arrangement`]), so a reader searches for nothing and believes nothing.
//!
//! Trust is a type: a [`bundle::Bundle`] of [`bundle::Unverified`] offers nothing but `verify`, and
//! [`bundle::Verified`] hands out bytes only through readers that check length and digest as they pass.
//! Who is believed is decided in [`trust`], from lists on this machine, never from the medium.
//!
//! # Layers
//!
//! Dependencies point downwards:
//!
//! | layer | modules |
//! |---|---|
//! | what the user touches | [`cli`], [`ui`]: the only ones that print, read the environment, or end the process |
//! | what a command does | [`build`], [`cluster`], [`node`], [`prove`], [`push`], [`registry`] |
//! | what it works with | [`spec`], [`lock`], [`source`], [`bundle`] |
//! | tools | [`debian`], [`fetch`], [`oci`], [`store`], [`trust`] |
//! | words of everybody | [`error`], [`progress`], [`quote`], [`read_ahead`], [`secret`] |
//!
//! # Every file we write
//!
//! | file | written by | format |
//! |---|---|---|
//! | `bundle.lock` beside the spec (`--lock`) | [`lock::file`] renders it, `cli::bundle::workshop` writes it | `bundle-spec/lock.md` |
//! | `NAME-VERSION.tar`, `NAME-VERSION.K-of-N.tar` | [`bundle::writer`], started by [`build::volumes`] | `bundle-spec/v1.md`, "Volumes" |
//! | `NAME-VERSION.sha256`, `NAME-VERSION.sha256.sig`, `README.txt` beside them | [`build::sidecar`], [`build::output`] | `sha256sum`; SSHSIG; text |
//! | `install`, or `install-amd64` and `install-arm64`, beside them | [`build::output`] | the `airlock` program |
//! | `NAME-VERSION.KEY.sig` beside them | `cli::bundle::sign` | SSHSIG over the manifest |
//! | `~/.cache/airlock/blobs/sha256/HEX` (`--cache-dir`) | [`store::cache`] | the blob; believed only after it was hashed |
//! | `~/.cache/airlock/partial/NAME` | [`store::partial`] | bytes so far of a blob or URL; locked by whoever writes it |
//! | `~/.cache/airlock/prove/`, `prove.lock` | [`prove`] | a root and a repository, while `--prove` runs |
//! | `~/.config/airlock/signing-key`, `signing-key.pub` (`--output`) | `cli::key::generate`, [`trust::key_file`] | OpenSSH keys, mode 0600 and 0644 |
//! | `~/.config/airlock/allowed_signers` | `cli::key::generate` adds lines | ssh-keygen(1), "ALLOWED SIGNERS" |
//! | `/var/lib/airlock/store` (`--store`) | [`store::Store`]; [`node::receive`] fills it from a connection | `bundle-spec/store.md`, `receive.md` |
//! | `/var/lib/airlock/registry/ca.key`, `ca.crt` (`--tls-directory`) | [`registry::tls`] | PEM, mode 0600 and 0644 |
//! | the file of `registry serve --token-file`, if it is missing | [`registry::access::token_file`] | a token a line, mode 0600 |
//! | the socket of `registry serve --unix` | [`registry::listener`] | a unix socket, mode 0600 |
//! | `/etc/sysctl.d/99-airlock.conf`, `/etc/modules-load.d/airlock.conf`, `/etc/systemd/system/airlock-default-route.service` | `install` and `node preflight --fix`, [`node::preflight::mend`] | text; the first line says that it is ours |
//! | what `node facts --output` names | `cli::node::facts` | `bundle-spec/facts.md` |
//! | `/var/lib/airlock/journal`, `lock` | [`node::journal`], [`node::lock`] | `bundle-spec/journal.md` |
//! | `/var/lib/airlock/settings.json` | [`node::install`] | `bundle-spec/settings.md`, mode 0600 |
//! | `/var/lib/airlock/state.json` | [`node::trust::floor`] | `bundle-spec/node-state.md` |
//! | `/var/lib/airlock/incoming/HEX` | [`node::origin::remote`] | bytes so far of a blob from another node |
//! | `/var/lib/airlock/replaced/HEX` | [`node::work`] | a file that was in the way, for the reset |
//! | `/var/lib/airlock/apt/NAME/`, `apt/transaction` | [`node::packages`] | a repository, its private source, lists; names of packages |
//! | `/etc/keepalived/keepalived.conf`, `/etc/haproxy/haproxy.cfg`, `airlock.conf` beside the units of both | [`node::availability`] | keepalived.conf(5), the manual of haproxy, systemd.unit(5) |
//! | `airlock-kube-vip.yaml` among the manifests of a k3s server | [`node::availability`] | Kubernetes |
//! | units for each network file system in `/etc/systemd/system` | [`node::nfs`] | systemd.mount(5), systemd.automount(5) |
//! | `/etc/modprobe.d/airlock-nouveau.conf` | [`node::nvidia`] | modprobe.d(5) |
//! | `/etc/modules-load.d/airlock-nvidia.conf` | [`node::nvidia`] | modules-load.d(5) |
//! | `/etc/cdi/nvidia.yaml` | [`node::nvidia`], by `nvidia-ctk` | Container Device Interface |
//! | `airlock-nvidia-*.yaml` among the manifests of a k3s server | [`node::nvidia`] | Kubernetes |
//! | `/etc/systemd/system/airlock-resume.service`, while a restart is due | [`node::reboot`] | systemd.unit(5) |
//! | `/etc/airlock/preflight-policy.yaml` | [`node::install`] | `docs/preflight.md` |
//! | `/etc/airlock/revoked_keys` | [`node::trust::signers`] | [`trust::revoked`] |
//! | `/etc/airlock/allowed_signers` | [`node::trust::signers`] | ssh-keygen(1), "ALLOWED SIGNERS" |
//! | `/etc/airlock/registry-auth.json` | [`node::registry::external`] | containers-auth.json(5), mode 0600 |
//! | `/etc/airlock/registry-ca.crt` | [`node::registry::authority`] | PEM |
//! | `/etc/systemd/system/airlock-registry.service`, `.socket`, `-unix.socket` | [`node::registry::unit`] | systemd.unit(5) |
//! | `/var/lib/airlock/snapshots/NAME` | [`node::recovery`] | a snapshot of etcd that was brought for a restore, mode 0600 |
//! | `/run/systemd/system/UNIT.d/airlock-leaving.conf`, `/run/airlock-recovery.yaml`, while a node leaves or is reset | [`node::recovery`] | systemd.unit(5); the configuration of k3s |
//! | `server/db.TIME`, `server/db/airlock-restored` in the data directory of k3s | [`node::recovery`] | a datastore that was put aside; the path of the snapshot that was restored |
//! | `/usr/local/bin/airlock` | [`node::install`] | the `airlock` program |
//! | `/usr/local/bin/k3s` and its links, `/etc/rancher/k3s/…`, its unit | [`node::k3s`] | those of k3s |
//! | `airlock-cluster-logs/TIME/HOST.log` (`--log-dir`) | [`cluster::log`] | text, mode 0600 |
//! | what `cluster deploy --report` names | `cli::cluster::deploy` | `bundle-spec/cluster-report.md` |
//! | what `cluster inventory convert --output` names, and `NAME-token`, `NAME-sudo-password` beside it | `cli::cluster::inventory` | `docs/cluster-yaml.md`; one line each, mode 0600 |
//! | `airlock-ssh-PID-N/` in `$XDG_RUNTIME_DIR` or `/tmp`, while a command of `airlock cluster` runs | [`cluster::ssh`] | sockets of OpenSSH, `known_hosts` |
//! | `/run/airlock-agent-PID-N/`, while a command runs for `airlock cluster` | [`node::agent`] | files of the request, mode 0600 |
//! | `~/.cache/airlock/airlock-HEX` on a host, or in `/var/tmp/airlock-UID`, `/run/user/UID/airlock`, `/tmp/airlock-UID` | [`cluster::ssh`] | the `airlock` program |
//! | what `bundle extract --output` names | [`bundle::extract`] | a file, an OCI image layout, or a repository for apt |
//!
//! While it is written, a file on the medium is called `FILE.partial`, an extracted one
//! `.FILE.airlock-partial`, one of a node
//! `.FILE.airlock`, any other `.FILE.PID.partial`; it gets its name by `rename`, complete and synced.
//! Whatever a killed run has left is continued, overwritten or removed by the next. Nothing is written
//! anywhere else.

pub mod build;
pub mod bundle;
pub mod cli;
pub mod cluster;
pub mod debian;
mod disk;
pub mod error;
pub mod fetch;
pub mod lock;
pub mod node;
pub mod oci;
pub mod progress;
pub mod prove;
pub mod push;
pub mod quote;
pub mod read_ahead;
pub mod registry;
pub mod secret;
pub mod source;
pub mod spec;
pub mod store;
pub mod trust;
pub mod ui;
