//! `airlock cluster kubeconfig`: the key to the cluster, for use from elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::Serialize;

use super::change::SiteOptions;
use super::connect::with_site;
use crate::cli::files;
use crate::cli::session::Session;
use crate::cluster::observe;
use crate::cluster::operation::kubeconfig;
use crate::error::{Error, Result, codes};
use crate::secret::Secret;

/// Write the kubeconfig of the administrator, for use from this machine
///
/// Its address is the virtual one of the inventory, else that of a server. Whoever has the file can do everything in the
/// cluster: it is written with mode 0600, and to a terminal only with `--output -`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct KubeconfigArgs {
    /// Where it is written; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Name of cluster, user and context in it
    #[arg(long, default_value = "airlock")]
    pub name: String,

    /// Address in it instead, as https://HOST:6443
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,

    /// Which inventory, and how its hosts are connected to.
    #[command(flatten)]
    pub file: SiteOptions,
}

const EXAMPLES: &str = "\
Examples:
  airlock cluster kubeconfig --output ~/.kube/lab.yaml
  KUBECONFIG=~/.kube/lab.yaml kubectl get nodes";

#[derive(Serialize)]
struct Written {
    path: String,
    server: String,
}

pub(super) fn run(arguments: &KubeconfigArgs, session: &Session) -> Result<()> {
    kubeconfig::check_name(&arguments.name)?;
    let output = arguments.output.as_deref();
    if output.is_none() && std::io::stdout().is_terminal() {
        return Err(Error::new(
            codes::USAGE,
            "the kubeconfig is a secret, and is not printed to a terminal unasked",
        )
        .with_help("`--output FILE` writes it with mode 0600; `--output -` prints it all the same"));
    }
    with_site(&arguments.file, session, |site| {
        let (host, (config, nodes)) =
            site.on_a_server(None, |remote| Ok((kubeconfig::read(remote)?, observe::nodes(remote)?)))?;
        let node = nodes.iter().find(|node| node.name == host.name);
        let known = node.and_then(|node| kubeconfig::address(site.inventory, node));
        let server = arguments.server.clone().or(known).ok_or_else(no_address)?;
        kubeconfig::check_address(&server)?;
        let text = kubeconfig::render(&config, &server, &arguments.name)?;
        match output.filter(|path| *path != Path::new("-")) {
            Some(path) => {
                write(path, &text)?;
                let written = Written { path: files::shown(path).to_string(), server };
                session.print(&written, |written| format!("{} is for {}\n", written.path, written.server))
            }
            None => print(&text),
        }
    })
}

fn print(text: &Secret<String>) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.reveal().as_bytes()).and_then(|()| stdout.flush()).map_err(|error| {
        Error::new(codes::OUTPUT, "the kubeconfig could not be written to standard output").with_source(error)
    })
}

/// Complete or not there, and never readable by others, whatever was there before.
fn write(path: &Path, text: &Secret<String>) -> Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.partial", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let place = || -> std::io::Result<()> {
        let mut options = fs::OpenOptions::new();
        let mut file =
            fs_err::os::unix::fs::OpenOptionsExt::mode(options.write(true).create_new(true), 0o600)
                .open(&temporary)?;
        file.write_all(text.reveal().as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    place().map_err(|error| {
        let _ = fs::remove_file(&temporary);
        Error::new(codes::FILE_WRITE, format!("`{}` cannot be written", files::shown(path)))
            .with_help("name a file in a directory that is there and yours")
            .with_source(error)
    })
}

fn no_address() -> Error {
    Error::new(codes::KUBECONFIG, "no address of a server is known that others could use")
        .with_help("name one: `--server https://HOST:6443`")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn nobody_else_can_read_it_whatever_was_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, &Secret::new("new".to_owned())).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let error = write(&directory.path().join("no/where"), &Secret::new(String::new())).unwrap_err();
        assert_eq!(error.code(), codes::FILE_WRITE);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
