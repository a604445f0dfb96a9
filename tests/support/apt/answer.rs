//! What the real apt would do, kept in a file for the next run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use airlock::oci::digest::Digest;

use super::Result;
use super::root::Root;

/// What apt would do for one request.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// Install these: names (with `:architecture` if it is a foreign one) and versions.
    Installs(BTreeMap<String, String>),
    /// Install something, and remove these.
    Removes(BTreeSet<String>),
    /// Nothing: it gives these reasons.
    Refuses(String),
}

/// One question to apt.
pub struct Question<'a> {
    /// The packages, as on apt's command line.
    pub packages: &'a str,
    /// The baseline, `minbase` or `server`.
    pub baseline: &'a str,
    /// Whether recommended packages are wanted.
    pub recommends: bool,
}

impl Question<'_> {
    /// What apt says, from the file of an earlier run below `output` or by asking it.
    pub fn ask(&self, output: &Path, root: &Root) -> Result<Answer> {
        let flag = if self.recommends { "yes" } else { "no" };
        let directory = output.join("answers").join(&root.release).join(self.baseline).join(flag);
        // A long list of packages is no file name.
        let file = directory.join(Digest::of(self.packages.as_bytes()).hex());
        if !file.exists() {
            fs_err::create_dir_all(&directory)?;
            // Only whole answers get the name under which the next run looks for them.
            let partial = file.with_extension("partial");
            fs_err::write(&partial, self.simulate(root)?)?;
            fs_err::rename(partial, &file)?;
        }
        let said = fs_err::read_to_string(&file)?;
        if said.ends_with("rc 0\n") && !said.contains(" newly installed") {
            return Err(format!("apt gave no answer about {}; see {}", self.packages, file.display()).into());
        }
        Ok(parse(&said))
    }

    fn simulate(&self, root: &Root) -> Result<String> {
        let Question { packages, baseline, recommends } = self;
        let recommends = if *recommends { "--install-recommends" } else { "--no-install-recommends" };
        let status = format!("Dir::State::status=/comparison/{baseline}.status");
        let cache = format!("Dir::Cache::pkgcache=/comparison/{baseline}.pkgcache");
        let mut arguments = vec!["--simulate", "--quiet", recommends, "-o", &status, "-o", &cache];
        arguments.extend(["-o", "Dir::State::extended_states=/comparison/none", "-o", "Debug::NoLocking=1"]);
        arguments.push("install");
        arguments.extend(packages.split(' '));
        let answered = root.apt("apt-get", &arguments).output()?;
        let code = answered.status.code().unwrap_or(-1);
        let (said, complained) =
            (String::from_utf8_lossy(&answered.stdout), String::from_utf8_lossy(&answered.stderr));
        Ok(format!("{said}{complained}rc {code}\n"))
    }
}

fn parse(said: &str) -> Answer {
    if !said.ends_with("rc 0\n") {
        let is_reason =
            |line: &&str| line.contains(" : ") || line.starts_with("E: ") || line.starts_with("  ");
        return Answer::Refuses(said.lines().filter(is_reason).collect::<Vec<_>>().join("\n"));
    }
    let removed: BTreeSet<String> = words_after(said, "Remv ").map(|(name, _)| name).collect();
    match removed.is_empty() {
        true => Answer::Installs(words_after(said, "Inst ").collect()),
        false => Answer::Removes(removed),
    }
}

/// The name and the version in parentheses of lines such as `Inst name [1.0] (2.0 Debian:12/stable [amd64])`.
fn words_after<'a>(said: &'a str, start: &'static str) -> impl Iterator<Item = (String, String)> + 'a {
    said.lines().filter_map(move |line| {
        let rest = line.strip_prefix(start)?;
        let name = rest.split(' ').next()?.to_string();
        let version = rest.split_once('(').and_then(|(_, after)| after.split([' ', ')']).next());
        Some((name, version.unwrap_or_default().to_string()))
    })
}
