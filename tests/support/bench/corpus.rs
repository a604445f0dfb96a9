//! Eight images of about 500 MB compressed in nine distinct layers, made of Debian packages.
//!
//! A layer is the file tree of one package (`dpkg-deb --fsys-tarfile`), compressed with gzip as registries
//! hold it. Which packages: nine of a fitting size from the machine's own apt lists.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Result;
use super::images::{Family, ImageLayout, Layer};

/// Sections with programs and libraries; data of games is compressed already and would flatter everybody.
const SECTIONS: &[&str] = &["admin", "devel", "golang", "java", "kernel", "libs", "net", "python", "utils"];
/// Size of a package file. Packages are compressed with xz; the same content is about a third larger in gzip.
const PACKAGE_BYTES: std::ops::Range<u64> = 36_000_000..46_000_000;
const LAYERS: usize = 9;

/// The names of the images, without a registry.
pub fn names() -> Vec<String> {
    (1..LAYERS).map(|number| format!("bench/image-{number}")).collect()
}

/// Makes the layout in `directory`, unless an earlier run has finished it. Its images are called as [`names`] says.
pub fn make(directory: &Path) -> Result<()> {
    if directory.join("index.json").exists() {
        return Ok(());
    }
    let packages = choose()?;
    let downloads = directory.join("packages");
    fs_err::create_dir_all(&downloads)?;
    succeed(Command::new("apt-get").args(["download", "--quiet"]).args(&packages).current_dir(&downloads))?;
    let mut archives: Vec<PathBuf> = Vec::new();
    for entry in fs_err::read_dir(&downloads)? {
        archives.push(entry?.path());
    }
    archives.sort();
    assemble(directory, &archives)
}

fn assemble(directory: &Path, archives: &[PathBuf]) -> Result<()> {
    let mut layout = ImageLayout::create(directory)?;
    let layers: Vec<Layer> = archives.iter().map(|archive| layer(&layout, archive)).collect::<Result<_>>()?;
    let (base, own) = layers.split_first().ok_or("no packages were downloaded")?;
    for (name, layer) in names().iter().zip(own) {
        let image = layout.image(Family::Oci, "amd64", &[base.clone(), layer.clone()], &["/bin/sh"])?;
        layout.name(&format!("docker.io/{name}:1"), &image);
    }
    Ok(layout.finish()?)
}

fn layer(layout: &ImageLayout, archive: &Path) -> Result<Layer> {
    let output = Command::new("dpkg-deb").arg("--fsys-tarfile").arg(archive).output()?;
    if !output.status.success() {
        return Err(format!("dpkg-deb cannot read {}", archive.display()).into());
    }
    Ok(layout.layer_of_tar(Family::Oci, &output.stdout)?)
}

// Names in order of the alphabet, one for each source package, so that layers differ.
fn choose() -> Result<Vec<String>> {
    let lists = Command::new("apt-cache").arg("dumpavail").output()?;
    let lists = String::from_utf8_lossy(&lists.stdout).into_owned();
    let mut packages: Vec<(String, String)> = lists.split("\n\n").filter_map(fitting).collect();
    packages.sort();
    packages.dedup_by(|second, first| first.0 == second.0);
    // Spread over the alphabet: neighbours there are often flavours of one thing.
    let step = (packages.len() / LAYERS).max(1);
    let chosen: Vec<String> = packages.into_iter().step_by(step).take(LAYERS).map(|(_, name)| name).collect();
    if chosen.len() < LAYERS {
        return Err("apt knows too few packages of a fitting size; run `apt-get update` first".into());
    }
    Ok(chosen)
}

// Source and name of a package that fits.
fn fitting(paragraph: &str) -> Option<(String, String)> {
    let field = |name: &str| paragraph.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let size: u64 = field("Size")?.parse().ok()?;
    let section = field("Section")?.rsplit('/').next()?;
    let name = field("Package")?;
    let source = field("Source").unwrap_or(name).split(' ').next()?;
    (PACKAGE_BYTES.contains(&size) && SECTIONS.contains(&section))
        .then(|| (source.to_owned(), name.to_owned()))
}

/// Runs a command whose failure ends the measurement.
pub fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}
