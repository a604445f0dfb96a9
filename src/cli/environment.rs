//! The one place that reads the environment of the process.
//!
//! | variable | used for |
//! |---|---|
//! | `HOME` | `.config` and `.cache` below it, `.docker/config.json`; the account's home when unset |
//! | `XDG_CONFIG_HOME` | `airlock/` in it holds `signing-key` and `allowed_signers`; `~/.config` when unset |
//! | `XDG_CACHE_HOME` | `airlock/` in it holds fetched blobs; `~/.cache` when unset |
//! | `XDG_RUNTIME_DIR` | `containers/auth.json` in it, credentials of podman and skopeo; sockets of SSH connections |
//! | `DOCKER_CONFIG` | directory of Docker's `config.json`; `~/.docker` when unset |
//! | `REGISTRY_AUTH_FILE` | credentials file used instead of all others |
//! | `PATH` | where the system looks for credential helpers (`docker-credential-…`) |
//! | `SSH_AUTH_SOCK` | socket of the ssh-agent that signs |
//! | `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY` | proxies; lower case names win over upper case ones |
//! | `LISTEN_PID`, `LISTEN_FDS`, `LISTEN_FDNAMES` | sockets that systemd hands over (sd_listen_fds(3)) |
//! | `NOTIFY_SOCKET` | where a service tells systemd that it is ready (sd_notify(3)) |
//! | `SOURCE_DATE_EPOCH` | time written into a new lock, in seconds since 1970 |
//! | `NO_COLOR` | no colour when set and not empty (no-color.org) |
//! | `TERM` | no colour and no bars when `dumb` |
//!
//! As the XDG specification asks, relative paths in `XDG_*` are ignored. An empty variable counts as unset.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;

use crate::error::{Error, Result, codes};
use crate::ui::text::escape;

/// What airlock takes from its environment.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// The user's own settings: `~/.config/airlock`. `None` without a home.
    pub config_directory: Option<PathBuf>,
    /// Fetched blobs: `~/.cache/airlock`. `None` without a home.
    pub cache_directory: Option<PathBuf>,
    /// The home directory, for paths that begin with `~/`.
    pub home: Option<PathBuf>,
    /// Files of this session of the user, gone when it ends: `/run/user/1000`.
    pub runtime_directory: Option<PathBuf>,
    /// Files that may hold registry credentials, best first. They need not exist.
    pub credential_files: Vec<PathBuf>,
    /// The socket of the ssh-agent.
    pub ssh_agent: Option<PathBuf>,
    /// Proxies as the user set them.
    pub proxies: Proxies,
    /// Names of the sockets that were handed over, in the order of their descriptors, which begin at 3.
    pub listen_names: Vec<String>,
    /// The datagram socket that wants to know when a service is ready; `@` begins an abstract one.
    pub notify_socket: Option<OsString>,
    /// The file of this program.
    pub program: Option<PathBuf>,
    /// The words of the command line, the name of the program first.
    pub arguments: Vec<OsString>,
    /// The working directory, to which relative paths refer.
    pub working_directory: Option<PathBuf>,
    source_date_epoch: Option<OsString>,
    no_colour: bool,
    dumb_terminal: bool,
}

/// Proxy settings, unparsed: whoever uses them tells what is wrong with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For `http://`.
    pub http: Option<String>,
    /// For `https://`.
    pub https: Option<String>,
    /// Hosts reached without proxy, separated by commas.
    pub none: Option<String>,
}

impl Environment {
    /// Reads the environment of this process. What is missing or unusable is simply absent.
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the environment")]
    pub fn read() -> Self {
        let mut environment = Self::from_variables(&|name| std::env::var_os(name), std::env::home_dir());
        environment.working_directory = std::env::current_dir().ok();
        environment.program = std::env::current_exe().ok();
        environment.arguments = std::env::args_os().collect();
        environment
    }

    /// The same from any source of variables. `home` is the account's home directory.
    fn from_variables(variable: &dyn Fn(&str) -> Option<OsString>, home: Option<PathBuf>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let path = |name: &str| set(name).map(PathBuf::from);
        let absolute = |name: &str| path(name).filter(|path| path.is_absolute());
        let home = home.filter(|home| home.is_absolute());
        let below_home = |name: &str| home.as_ref().map(|home| home.join(name));
        let own = |directory: PathBuf| directory.join("airlock");
        let credential_files = match path("REGISTRY_AUTH_FILE") {
            Some(file) => vec![file],
            None => {
                let podman = absolute("XDG_RUNTIME_DIR").map(|path| path.join("containers/auth.json"));
                let docker = path("DOCKER_CONFIG").or_else(|| below_home(".docker"));
                [docker.map(|path| path.join("config.json")), podman].into_iter().flatten().collect()
            }
        };
        Environment {
            config_directory: absolute("XDG_CONFIG_HOME").or_else(|| below_home(".config")).map(own),
            cache_directory: absolute("XDG_CACHE_HOME").or_else(|| below_home(".cache")).map(own),
            home: home.clone(),
            runtime_directory: absolute("XDG_RUNTIME_DIR"),
            credential_files,
            ssh_agent: path("SSH_AUTH_SOCK"),
            proxies: Proxies::from_variables(&set),
            listen_names: handed_over(&set, std::process::id()),
            notify_socket: set("NOTIFY_SOCKET"),
            program: None,
            arguments: Vec::new(),
            working_directory: None,
            source_date_epoch: set("SOURCE_DATE_EPOCH"),
            no_colour: set("NO_COLOR").is_some(),
            dumb_terminal: set("TERM").is_none_or(|term| term == "dumb"),
        }
    }

    /// The time to write into a new lock, in seconds since 1970, when the user fixes it.
    pub fn source_date_epoch(&self) -> Result<Option<i64>> {
        // The year 9999 is the last that RFC 3339 can write.
        const LAST: i64 = 253_402_300_799;
        let Some(value) = &self.source_date_epoch else { return Ok(None) };
        let seconds = value.to_str().and_then(|text| text.parse::<i64>().ok());
        match seconds.filter(|seconds| (0..=LAST).contains(seconds)) {
            Some(seconds) => Ok(Some(seconds)),
            None => {
                let text = value.to_string_lossy();
                let message = format!("SOURCE_DATE_EPOCH is `{}`, which is not a time", escape(&text));
                Err(Error::new(codes::ENVIRONMENT, message).with_help(
                    "set it to seconds since 1970, for example `SOURCE_DATE_EPOCH=$(date +%s)`, or unset it",
                ))
            }
        }
    }

    /// Whether colour may be written to `stream`.
    pub fn allows_colour(&self, stream: &impl IsTerminal) -> bool {
        stream.is_terminal() && !self.no_colour && !self.dumb_terminal
    }

    /// Whether the terminal cannot move its cursor.
    pub fn is_dumb_terminal(&self) -> bool {
        self.dumb_terminal
    }
}

/// More sockets than anybody hands over.
const MOST_SOCKETS: usize = 64;

/// The names of the sockets that are meant for the process `own`, not for one of its ancestors.
fn handed_over(set: &dyn Fn(&str) -> Option<OsString>, own: u32) -> Vec<String> {
    let text = |name: &str| set(name).and_then(|value| value.into_string().ok());
    let is_own = text("LISTEN_PID").and_then(|pid| pid.parse().ok()) == Some(own);
    let count = text("LISTEN_FDS").and_then(|count| count.parse::<usize>().ok()).filter(|_| is_own);
    let names = text("LISTEN_FDNAMES").unwrap_or_default();
    let names = names.split(':').map(str::to_owned).chain(std::iter::repeat_with(String::new));
    names.take(count.unwrap_or(0).min(MOST_SOCKETS)).collect()
}

impl Proxies {
    fn from_variables(set: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let either = |name: &str| {
            let value = set(&name.to_lowercase()).or_else(|| set(name));
            value.map(|value| value.to_string_lossy().into_owned())
        };
        Proxies {
            http: either("HTTP_PROXY").or_else(|| either("ALL_PROXY")),
            https: either("HTTPS_PROXY").or_else(|| either("ALL_PROXY")),
            none: either("NO_PROXY"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn environment(variables: &[(&str, &str)], home: Option<&str>) -> Environment {
        let find = |name: &str| {
            variables.iter().find(|(candidate, _)| *candidate == name).map(|(_, value)| OsString::from(value))
        };
        Environment::from_variables(&find, home.map(PathBuf::from))
    }

    #[test]
    fn directories_follow_the_xdg_specification() {
        let plain = environment(&[], Some("/home/ada"));
        assert_eq!(plain.config_directory.as_deref(), Some(Path::new("/home/ada/.config/airlock")));
        assert_eq!(plain.cache_directory.as_deref(), Some(Path::new("/home/ada/.cache/airlock")));
        let set = [("XDG_CONFIG_HOME", "/c"), ("XDG_CACHE_HOME", "relative")];
        let set = environment(&set, Some("/home/ada"));
        assert_eq!(set.config_directory.as_deref(), Some(Path::new("/c/airlock")));
        assert_eq!(set.cache_directory.as_deref(), Some(Path::new("/home/ada/.cache/airlock")));
    }

    #[test]
    fn without_a_home_nothing_is_guessed() {
        let bare = environment(&[("SSH_AUTH_SOCK", "")], None);
        assert!(bare.config_directory.is_none() && bare.cache_directory.is_none());
        assert!(bare.credential_files.is_empty() && bare.ssh_agent.is_none());
        assert!(bare.is_dumb_terminal(), "a terminal nobody described is not trusted to move its cursor");
    }

    #[test]
    fn sockets_are_taken_only_by_whom_they_are_meant_for() {
        let names = |pid: &str, count: &str, names: &str| {
            let variables = [("LISTEN_PID", pid), ("LISTEN_FDS", count), ("LISTEN_FDNAMES", names)];
            let find = |name: &str| {
                variables
                    .iter()
                    .find(|(candidate, _)| *candidate == name)
                    .map(|(_, value)| OsString::from(value))
            };
            handed_over(&find, 42)
        };
        assert_eq!(names("42", "2", "http:unix"), ["http", "unix"]);
        assert_eq!(names("42", "2", "one"), ["one", ""]);
        assert_eq!(names("42", "999999999", "").len(), MOST_SOCKETS);
        for (pid, count) in [("41", "2"), ("", "2"), ("42", "-1"), ("42", "0")] {
            assert!(names(pid, count, "a:b").is_empty(), "{pid} {count}");
        }
    }

    #[test]
    fn one_credentials_file_replaces_the_usual_ones() {
        let usual = environment(&[("XDG_RUNTIME_DIR", "/run/user/1")], Some("/h"));
        let expected = ["/h/.docker/config.json", "/run/user/1/containers/auth.json"].map(PathBuf::from);
        assert_eq!(usual.credential_files, expected);
        let named = environment(&[("REGISTRY_AUTH_FILE", "auth.json")], Some("/h"));
        assert_eq!(named.credential_files, [PathBuf::from("auth.json")]);
    }

    #[test]
    fn lower_case_proxies_win() {
        let set = [("HTTP_PROXY", "http://a"), ("http_proxy", "http://b"), ("ALL_PROXY", "http://c")];
        let proxies = environment(&set, None).proxies;
        assert_eq!((proxies.http.as_deref(), proxies.https.as_deref()), (Some("http://b"), Some("http://c")));
    }

    #[test]
    fn an_unusable_time_is_an_error_that_says_so() {
        assert_eq!(environment(&[], None).source_date_epoch().unwrap(), None);
        let epoch = |text| environment(&[("SOURCE_DATE_EPOCH", text)], None).source_date_epoch();
        assert_eq!(epoch("1700000000").unwrap(), Some(1_700_000_000));
        for text in ["-1", "yesterday", "999999999999999", "\u{1b}[2J"] {
            let error = epoch(text).expect_err(text);
            assert_eq!(error.code(), codes::ENVIRONMENT);
            assert!(!error.message().contains('\u{1b}'));
        }
    }
}
