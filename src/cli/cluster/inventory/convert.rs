//! `airlock cluster inventory convert`: a `cluster.yaml` from an Ansible inventory.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::cluster::read_inventory;
use crate::cli::files;
use crate::cli::session::Session;
use crate::error::{Error, Result, codes};
use crate::spec::cluster::{SecretFiles, render};
use crate::ui::human;

/// Write a cluster.yaml that says the same as an Ansible inventory
///
/// Passwords and tokens go into files of their own beside it, mode 0600, which it names. Nothing is overwritten.
/// What has no meaning here is named as a warning.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct ConvertArgs {
    /// The Ansible inventory, in INI
    #[arg(value_name = "INVENTORY")]
    pub inventory: PathBuf,

    /// Where to write it; `-` prints it
    #[arg(short, long, value_name = "FILE", default_value = "cluster.yaml")]
    pub output: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  airlock cluster inventory convert hosts.ini
  airlock cluster inventory convert hosts.ini -o lab/cluster.yaml
  airlock cluster inventory show -i lab/cluster.yaml";

/// What was written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    file: String,
    secret_files: Vec<String>,
    hosts: usize,
}

const HELP: &str = "choose another name with `--output`, or move the file out of the way";

pub(super) fn run(arguments: ConvertArgs, session: &Session) -> Result<()> {
    let inventory = read_inventory(&arguments.inventory, session)?.inventory;
    if arguments.output == Path::new("-") {
        return print(&inventory, session);
    }
    let output = std::path::absolute(&arguments.output).unwrap_or_else(|_| arguments.output.clone());
    let directory = output.parent().unwrap_or(Path::new("/"));
    let stem = stem(&output);
    let secrets = SecretFiles::plan(&inventory, &stem);
    let text = render(&inventory, &secrets, directory);
    // All names are looked at before anything is written.
    let beside = |name: &str| arguments.output.with_file_name(name);
    for (name, _) in secrets.all() {
        files::refuse_existing(&beside(name), HELP)?;
    }
    files::refuse_existing(&arguments.output, HELP)?;
    for (name, secret) in secrets.all() {
        let content = zeroize::Zeroizing::new(format!("{}\n", secret.reveal()));
        files::create(&beside(name), content.as_bytes(), 0o600, HELP)?;
    }
    files::create(&arguments.output, text.as_bytes(), 0o644, HELP)?;
    let written = Written {
        file: files::shown(&arguments.output),
        secret_files: secrets.all().map(|(name, _)| files::shown(&beside(name))).collect(),
        hosts: inventory.hosts.len(),
    };
    session.print(&written, told)
}

/// Prints the text, if there are no secrets that would need files.
fn print(inventory: &crate::cluster::inventory::Inventory, session: &Session) -> Result<()> {
    let secrets = SecretFiles::plan(inventory, "cluster");
    if secrets.all().next().is_some() {
        return Err(Error::new(
            codes::USAGE,
            "the inventory holds passwords or a token, which are not printed",
        )
        .with_help("name a file, beside which they are written: `--output cluster.yaml`"));
    }
    let directory = session.environment().working_directory.clone().unwrap_or_default();
    session.print(&render(inventory, &secrets, &directory), Clone::clone)
}

/// What the names of the files with secrets begin with: letters that need no quotes anywhere.
fn stem(output: &Path) -> String {
    let stem = output.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let fits = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    match !stem.is_empty() && stem.chars().all(fits) && !stem.starts_with('-') {
        true => stem,
        false => "cluster".to_owned(),
    }
}

fn told(written: &Written) -> String {
    let mut text = format!("{} with {}\n", written.file, human::count(written.hosts as u64, "host"));
    for file in &written.secret_files {
        text += &format!("{file}, mode 0600: keep it out of version control\n");
    }
    text + &format!("look at it: `airlock cluster inventory show -i {}`\n", written.file)
}
