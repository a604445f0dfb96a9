//! The trial itself: the real apt, in a root, with the bundle's repository and nothing else.

use std::path::Path;

use fs_err as fs;

use super::root::cannot_write;
use super::sandbox::{self, Finished};
use super::{Candidate, modules, tree};
use crate::bundle::manifest::apt::KEYRING;
use crate::debian::apt_get::{self, AptGet, Invocation};
use crate::debian::transcript;
use crate::error::{Error, Result, codes};
use crate::lock::apt::Evidence;
use crate::quote::quote;

/// Where everything of ours lies, as seen from the root.
const PLACE: &str = "/airlock";

/// A candidate and the root it is tried in.
pub(super) struct Trial<'a> {
    candidate: &'a Candidate,
    root: &'a Path,
    apt: AptGet,
}

impl<'a> Trial<'a> {
    /// Puts the candidate's repository into the root.
    pub(super) fn prepare(candidate: &'a Candidate, root: &'a Path) -> Result<Trial<'a>> {
        let place = Path::new(PLACE);
        let status = candidate.status.as_ref().map(|status| apt_get::Status {
            file: place.join("status"),
            architectures: status.architectures.clone(),
        });
        let apt = AptGet { directory: place.join("apt"), recommends: candidate.recommends, status };
        let trial = Trial { candidate, root, apt };
        trial.lay().map_err(cannot_write)?;
        Ok(trial)
    }

    fn lay(&self) -> std::io::Result<()> {
        let place = Path::new(PLACE);
        let repository = place.join("repository");
        tree::lay(&self.candidate.repository, &self.inside(&repository))?;
        for directory in self.apt.directories() {
            fs::create_dir_all(self.inside(&directory))?;
        }
        let source = apt_get::source_list(&repository, &repository.join(KEYRING));
        fs::write(self.inside(&self.apt.source_list()), source)?;
        match &self.candidate.status {
            Some(status) => fs::write(self.inside(&place.join("status")), &status.text),
            None => Ok(()),
        }
    }

    fn inside(&self, path: &Path) -> std::path::PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// What apt says, and whether it really installed.
    ///
    /// # Errors
    /// `E0874` with the last words of whatever failed.
    pub(super) async fn run(&self) -> Result<Evidence> {
        let version = self.step("tell its version", &self.apt.version()).await?;
        self.step("read the repository", &self.apt.update()).await?;
        let plan = self.step("plan the installation", &self.apt.simulate(&self.candidate.install)).await?;
        let installed = self.candidate.status.is_none();
        let output = if installed { self.install().await? } else { simulated(&plan) };
        Ok(Evidence {
            in_release: self.candidate.in_release,
            apt: version.output.lines().next().unwrap_or_default().trim().to_owned(),
            installed,
            output,
        })
    }

    async fn install(&self) -> Result<Vec<String>> {
        let done = self.step("install the packages", &self.apt.install(&self.candidate.install)).await?;
        let audit = self.step("audit the packages", &call("dpkg", &["--audit"])).await?;
        if !audit.output.trim().is_empty() {
            return Err(self.refused("left packages that dpkg complains about", &audit));
        }
        self.step("check the dependencies", &self.apt.check()).await?;
        self.check_versions().await?;
        let mut said: Vec<String> = transcript::summary(&done.output).into_iter().collect();
        said.extend(transcript::configured(&done.output));
        said.extend(modules::built(self.root, &said));
        said.push("dpkg --audit and apt-get check: nothing is broken".to_owned());
        Ok(said)
    }

    /// Every package asked for must be there, in its version.
    async fn check_versions(&self) -> Result<()> {
        for wanted in &self.candidate.install {
            let Some((name, version)) = wanted.split_once('=') else { continue };
            let show = call("dpkg-query", &["--show", "--showformat=${db:Status-Status} ${Version}", name]);
            let found = sandbox::run(&show, Some(self.root)).await?;
            if found.output != format!("installed {version}") {
                return Err(self.refused(&format!("said it installed {name} {version}, but did not"), &found));
            }
        }
        Ok(())
    }

    async fn step(&self, what: &str, invocation: &Invocation) -> Result<Finished> {
        let finished = sandbox::run(invocation, Some(self.root)).await?;
        if finished.succeeded {
            Ok(finished)
        } else {
            Err(self.refused(&format!("failed to {what}"), &finished))
        }
    }

    fn refused(&self, what: &str, finished: &Finished) -> Error {
        let blamed = transcript::blamed(&finished.output);
        let because = if blamed.is_empty() {
            String::new()
        } else {
            format!(" because of {}", quote(&blamed.join(", ")))
        };
        let Candidate { name, host, .. } = self.candidate;
        let message = format!("target {name}: the apt of {host} {what}{because}");
        let error = Error::new(codes::PROVE_REFUSED, message).with_help(
            "leave the package out of bundle.yaml or take another version of it (`NAME=VERSION`); nothing was built",
        );
        transcript::last_lines(&finished.output).into_iter().fold(error, Error::with_detail)
    }
}

fn simulated(plan: &Finished) -> Vec<String> {
    let mut said: Vec<String> = transcript::summary(&plan.output).into_iter().collect();
    said.extend(transcript::simulated(&plan.output));
    said
}

fn call(program: &'static str, arguments: &[&str]) -> Invocation {
    let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    Invocation { program, arguments, environment: &[("LC_ALL", "C.UTF-8")] }
}
