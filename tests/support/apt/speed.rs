//! Time and memory of what a build does with cached compressed indices: verify, decompress, parse, solve.
//! Compared with `apt-get install --simulate` of the same packages without its binary cache, as in a first run.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use airlock::debian::index::index_files;
use airlock::debian::openpgp::Keyring;
use airlock::debian::package::{parse_index, parse_status};
use airlock::debian::release::SignedRelease;
use airlock::debian::solver::{Request, solve};
use airlock::debian::universe::{Provenance, Universe};

use super::measure::{Cost, median, timed};
use super::root::{Root, run as run_to_end};
use super::{Result, equality};

/// What is installed in the comparison.
const PACKAGES: &str = "postgresql nginx keepalived";
/// How often each is run; medians are compared.
const ROUNDS: usize = 15;
/// The largest share of apt's time that is promised.
const SHARE: f64 = 0.6;
/// The largest peak of memory that is promised, in MiB.
const MEMORY: u64 = 300;
/// Where the compressed indices are kept, as apt in the root sees it.
const LISTS: &str = "comparison/lists";

/// Measures both by turns and prints the figures; whether the promise is kept.
pub fn run(output: &Path) -> Result<bool> {
    let root = Root::prepare(output, "bookworm")?;
    let lists = root.directory.join(LISTS);
    if !lists.exists() {
        fetch_compressed(&root)?;
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut command = Command::new(std::env::current_exe()?);
        ours.push(timed(command.arg("solve").arg(&root.directory))?);
        theirs.push(timed(&mut simulate(&root))?);
    }
    let (our_time, apt_time) = (middle(&ours), middle(&theirs));
    let (our_best, apt_best) = (best(&ours), best(&theirs));
    let peak = |costs: &[Cost]| costs.iter().map(|cost| cost.peak_kib / 1024).max().unwrap_or(0);
    let share = our_time / apt_time;
    writeln!(
        std::io::stdout(),
        "airlock {our_time:.2} s (best {our_best:.2} s), {} MiB; apt {apt_time:.2} s (best {apt_best:.2} s), \
         {} MiB; {share:.2} of its time (best {:.2})",
        peak(&ours),
        peak(&theirs),
        our_best / apt_best
    )?;
    Ok(share <= SHARE && peak(&ours) <= MEMORY)
}

fn middle(costs: &[Cost]) -> f64 {
    median(&costs.iter().map(|cost| cost.time).collect::<Vec<Duration>>())
}

fn best(costs: &[Cost]) -> f64 {
    costs.iter().map(|cost| cost.time.as_secs_f64()).fold(f64::INFINITY, f64::min)
}

fn simulate(root: &Root) -> Command {
    let mut arguments = vec!["--simulate", "--quiet", "--no-install-recommends"];
    arguments.extend(["-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=", "install"]);
    arguments.extend(PACKAGES.split(' '));
    root.apt("apt-get", &arguments)
}

fn fetch_compressed(root: &Root) -> Result<()> {
    fs_err::create_dir_all(root.directory.join(LISTS).join("partial"))?;
    let lists = format!("Dir::State::lists=/{LISTS}");
    let kept = "Acquire::IndexTargets::deb::Packages::KeepCompressedAs=xz";
    let arguments = ["--quiet", "update", "-o", &lists, "-o", "Acquire::GzipIndexes=true", "-o", kept];
    run_to_end(&mut root.apt("apt-get", &arguments))?;
    Ok(())
}

/// One run of ours, as a process of its own: from the compressed indices in the root to the solution.
pub fn solve_once(root: &Path) -> Result<()> {
    let keyring = fs_err::read(root.join("usr/share/keyrings/debian-archive-keyring.gpg"))?;
    let keyring = Keyring::parse(&keyring, "debian-archive-keyring.gpg")?;
    let texts = read_indices(&root.join(LISTS), &keyring)?;
    let status = fs_err::read(root.join("comparison/minbase.status"))?;
    let mut universe = Universe::new("amd64");
    for text in &texts {
        universe.add_index(Provenance::default(), parse_index(text)?.usable)?;
    }
    universe.add_baseline(parse_status(&status)?)?;
    let requests: Vec<Request> =
        PACKAGES.split(' ').map(Request::parse).collect::<std::result::Result<_, _>>()?;
    let solution = solve(&universe, &requests, &equality::options("bookworm", false))?;
    writeln!(
        std::io::stdout(),
        "{} of {} versions chosen",
        solution.choices.len(),
        universe.version_count()
    )?;
    Ok(())
}

/// The texts of all indices of all signed releases, checked.
fn read_indices(lists: &Path, keyring: &Keyring) -> Result<Vec<Vec<u8>>> {
    let mut texts = Vec::new();
    for entry in fs_err::read_dir(lists)? {
        let path = entry?.path();
        let Some(prefix) = path.to_string_lossy().strip_suffix("InRelease").map(str::to_string) else {
            continue;
        };
        let signed = SignedRelease::verify_inline(
            &fs_err::read(&path)?,
            "InRelease",
            keyring,
            jiff::Timestamp::now(),
        )?;
        let release = signed.release()?;
        for component in ["main", "contrib", "non-free", "non-free-firmware"] {
            for file in index_files(&release, Some(component), "amd64")? {
                let packed = PathBuf::from(format!("{prefix}{}", file.path.replace('/', "_")));
                if packed.exists() {
                    texts.push(file.decode(fs_err::File::open(packed)?)?);
                }
            }
        }
    }
    Ok(texts)
}
