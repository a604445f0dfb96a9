//! The description of the GPUs for container runtimes (CDI, the Container Device Interface): which devices and
//! libraries of which version go into a container.

use std::time::Duration;

use super::driver::Driver;
use crate::error::{Error, Result, codes};
use crate::node::change::{Change, Verb};
use crate::node::machine::{Call, Machine};
use crate::node::owned::Owned;
use crate::node::resource::unit_state;
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

/// Where runtimes look, and the toolkit's own unit writes into the second.
const FILES: [&str; 2] = ["/etc/cdi/nvidia.yaml", "/run/cdi/nvidia.yaml"];

/// Writes the description anew at every boot; part of the toolkit since 1.18.
const REFRESH: &str = "nvidia-cdi-refresh.service";

/// The step that has it written.
pub(super) struct Cdi;

impl Cdi {
    /// It names the libraries, whose names end in the version of the driver.
    fn is_current(machine: &Machine) -> Result<bool> {
        let Some(version) = Driver::look(machine)?.loaded else { return Ok(false) };
        let wanted = format!(".so.{version}");
        for file in FILES {
            if machine.read_text(file)?.is_some_and(|text| text.contains(&wanted)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Step for Cdi {
    fn name(&self) -> &'static str {
        names::NVIDIA_CDI
    }

    fn title(&self) -> String {
        "Describe the GPUs for containers".to_owned()
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        match Cdi::is_current(machine)? {
            true => Ok(Vec::new()),
            false => Ok(vec![Change::new(Verb::Run, "nvidia-ctk cdi generate")]),
        }
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        let machine = work.machine();
        if !unit_state(machine, REFRESH)?.file.is_empty() {
            // It does not notice a new driver by itself.
            work.run(Call::new("systemctl").with(["restart", REFRESH]).within(Duration::from_secs(90)))?;
        }
        // The unit passes over modules whose files it does not know, such as Debian's `nvidia-current-open.ko`.
        if !Cdi::is_current(machine)? {
            generate(work)?;
        }
        match Cdi::is_current(machine)? {
            true => Ok(Outcome::Done),
            false => {
                Err(Error::new(codes::GPU_DRIVER, "the description of the GPUs does not name their driver")
                    .with_help("see what `nvidia-ctk cdi generate` says, then run the same command again"))
            }
        }
    }
}

/// Writes it where it stays over restarts.
fn generate(work: &mut Work<'_>) -> Result<()> {
    let [file, _] = FILES;
    work.make_directory("/etc/cdi", 0o755)?;
    work.own(Owned::File { path: file.to_owned() })?;
    work.run(Call::new("nvidia-ctk").with(["cdi", "generate", &format!("--output={file}")]))?;
    Ok(())
}
