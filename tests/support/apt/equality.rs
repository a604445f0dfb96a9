//! Compares the solver with apt, set by set, and lists every difference.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;

use airlock::debian::baseline::essential;
use airlock::debian::checker::check;
use airlock::debian::package::{Package, parse_index, parse_status};
use airlock::debian::solver::{Choice, Options, Profile, Request, Solution, solve};
use airlock::debian::universe::Universe;
use airlock::debian::universe::pins::Preferences;

use super::answer::{Answer, Question};
use super::root::{Index, Root};
use super::{Result, server};

/// Which part is compared.
#[derive(clap::Args)]
pub struct Arguments {
    /// Only these releases
    #[arg(long, default_values = ["bookworm", "trixie", "sid"])]
    release: Vec<String>,
    /// Only these baselines
    #[arg(long, default_values = ["minbase", "server"])]
    baseline: Vec<String>,
    /// Only this set of packages, separated by spaces
    #[arg(long)]
    packages: Option<String>,
}

/// The sets of packages, one in each line.
const SETS: &str = include_str!("sets.txt");

/// Sets that are in conflict with each other or with what is installed, or that do not exist.
const CONFLICTS: &str = include_str!("conflicts.txt");

/// Why the two differ where that is known: the release, the set, and the reason.
const REASONS: [(&str, &str, &str); 2] = [
    (
        "bookworm",
        "lxc",
        "apt removes the installed busybox for a mere recommendation, busybox-static; airlock removes nothing",
    ),
    (
        "sid",
        "drbd-utils pacemaker corosync",
        "two recommendations of python3-pandas are equal to apt's queue, which has no order for equals; it comes to \
         python3-matplotlib before python3-scipy, and only so meets `python3-munkres | python3-scipy` by the first",
    ),
];

/// The share that must be equal without and with Recommends.
const PROMISED: [f64; 2] = [1.0, 0.99];

/// Compares and prints; whether the promise is kept.
pub fn run(output: &Path, arguments: &Arguments) -> Result<bool> {
    let mut kept = true;
    for release in &arguments.release {
        let root = Root::prepare(output, release)?;
        server::prepare(output, &root)?;
        kept &= compare_essential(&root)?;
        for baseline in &arguments.baseline {
            kept &= compare_baseline(output, &root, baseline, arguments)?;
        }
    }
    Ok(kept)
}

fn texts(indices: &[Index]) -> Result<Vec<Vec<u8>>> {
    Ok(indices.iter().map(|index| fs_err::read(&index.file)).collect::<std::result::Result<_, _>>()?)
}

fn universe<'a>(indices: &[Index], texts: &'a [Vec<u8>]) -> Result<Universe<'a>> {
    let mut universe = Universe::new("amd64");
    for (index, text) in indices.iter().zip(texts) {
        universe.add_index(index.provenance.clone(), parse_index(text)?.usable)?;
    }
    Ok(universe)
}

/// Compares the baseline that is computed from the indices with what the root was made of.
fn compare_essential(root: &Root) -> Result<bool> {
    let indices = root.indices()?;
    let texts = texts(&indices)?;
    let universe = universe(&indices, &texts)?;
    let computed = essential(&universe, &options(&root.release, false))?;
    let status = fs_err::read(root.status("minbase"))?;
    let made = parse_status(&status)?;
    let names = |packages: &[Package<'_>]| packages.iter().map(|package| package.name.to_string()).collect();
    let (computed, made): (BTreeSet<String>, BTreeSet<String>) = (names(&computed), names(&made));
    let missing: Vec<&String> = made.difference(&computed).collect();
    // debootstrap merges /usr itself; mmdebstrap, like apt, installs usrmerge and its Perl for that.
    let extra: Vec<&String> = computed.difference(&made).filter(|name| *name != "usr-is-merged").collect();
    let release = &root.release;
    say(&format!("{release}, essential: {} packages, missing {missing:?}, extra {extra:?}", computed.len()))?;
    // What is not assumed is carried, and does no harm. What is assumed wrongly would be missing on the node.
    Ok(extra.is_empty() && (missing.is_empty() || missing.iter().any(|name| *name == "usrmerge")))
}

fn compare_baseline(output: &Path, root: &Root, baseline: &str, arguments: &Arguments) -> Result<bool> {
    let indices = root.indices()?;
    let texts = texts(&indices)?;
    let status = fs_err::read(root.status(baseline))?;
    let mut universe = universe(&indices, &texts)?;
    universe.add_baseline(parse_status(&status)?)?;
    let comparison = Comparison { output, root, baseline, universe: &universe, arguments };
    let mut kept = comparison.refusals()?;
    for (recommends, promised) in [false, true].into_iter().zip(PROMISED) {
        kept &= comparison.sets(recommends)? >= promised;
    }
    Ok(kept)
}

/// The comparison in one root, on one baseline.
struct Comparison<'a> {
    output: &'a Path,
    root: &'a Root,
    baseline: &'a str,
    universe: &'a Universe<'a>,
    arguments: &'a Arguments,
}

impl Comparison<'_> {
    /// Compares all sets; gives the share that is equal.
    fn sets(&self, recommends: bool) -> Result<f64> {
        let (mut equal, mut all) = (0_u32, 0_u32);
        for packages in self.arguments.chosen(SETS) {
            let question = Question { packages, baseline: self.baseline, recommends };
            let apt = question.ask(self.output, self.root)?;
            let ours = answer(self.universe, self.root, &question)?;
            all += 1;
            match difference(&apt, &ours) {
                None => equal += 1,
                Some(difference) => self.explain(packages, &difference, &ours)?,
            }
        }
        let share = f64::from(equal) / f64::from(all.max(1));
        let flag = if recommends { "with" } else { "without" };
        self.say(&format!("{flag} Recommends: {equal} of {all} equal, {:.1} %", share * 100.0))?;
        Ok(share)
    }

    /// Whether everything that apt refuses, or would remove something for, is refused.
    fn refusals(&self) -> Result<bool> {
        let (mut refused, mut all) = (0_u32, 0_u32);
        for packages in self.arguments.chosen(CONFLICTS) {
            let question = Question { packages, baseline: self.baseline, recommends: false };
            let apt = question.ask(self.output, self.root)?;
            let ours = answer(self.universe, self.root, &question)?;
            let difference = difference(&apt, &ours);
            let is_refused = !matches!(apt, Answer::Installs(_));
            all += u32::from(is_refused);
            refused += u32::from(is_refused && difference.is_none());
            if let Some(difference) = difference {
                self.explain(packages, &difference, &ours)?;
            }
        }
        self.say(&format!("{refused} of {all} refused of what apt refuses or removes something for"))?;
        Ok(refused == all)
    }

    /// Prints a difference and its reason, and whether apt accepts our set as it is.
    fn explain(&self, packages: &str, difference: &str, ours: &Answer) -> Result<()> {
        let is_it = |entry: &&(&str, &str, &str)| entry.0 == self.root.release && entry.1 == packages;
        let reason = REASONS.iter().find(is_it).map_or("not known", |(_, _, reason)| reason);
        say(&format!("  {packages}: {difference}; reason: {reason}"))?;
        let Answer::Installs(set) = ours else { return Ok(()) };
        let named: Vec<String> = set.iter().map(|(name, version)| format!("{name}={version}")).collect();
        let question = Question { packages: &named.join(" "), baseline: self.baseline, recommends: false };
        let verdict = match question.ask(self.output, self.root)? == *ours {
            true => "apt installs airlock's set as it is",
            false => "apt does not install airlock's set",
        };
        say(&format!("    {verdict}"))
    }

    fn say(&self, figures: &str) -> Result<()> {
        let (release, installed) = (&self.root.release, self.universe.baseline().len());
        say(&format!("{release}, {} ({installed} packages), {figures}", self.baseline))
    }
}

impl Arguments {
    /// The sets of a list, or only the one that is asked for.
    fn chosen<'a>(&'a self, list: &'a str) -> impl Iterator<Item = &'a str> {
        list.lines().filter(|set| self.packages.as_deref().is_none_or(|only| only == *set))
    }
}

/// The options that apt of `release` has by default.
pub fn options(release: &str, recommends: bool) -> Options {
    let profile = if release == "sid" { Profile::Solver3 } else { Profile::Classic };
    Options { profile, recommends, preferences: Preferences::default(), holds: Default::default() }
}

/// What the solver says.
fn answer(universe: &Universe<'_>, root: &Root, question: &Question<'_>) -> Result<Answer> {
    let options = options(&root.release, question.recommends);
    let requests: Vec<Request> =
        question.packages.split(' ').map(Request::parse).collect::<std::result::Result<_, _>>()?;
    Ok(match solve(universe, &requests, &options) {
        Err(error) => {
            let text = format!("{error}; {}", error.details().join("; "));
            Answer::Refuses(text)
        }
        Ok(solution) => {
            prove(universe, &solution)?;
            let entry = |choice: &Choice<'_>| {
                let name = universe.display_name(universe.package_of(choice.version));
                (name, universe.stanza(choice.version).version.to_string())
            };
            Answer::Installs(solution.choices.iter().map(entry).collect())
        }
    })
}

/// What the solver finds must stand before the checker, equal to apt's or not.
fn prove(universe: &Universe<'_>, solution: &Solution<'_>) -> Result<()> {
    let baseline: Vec<&Package<'_>> =
        universe.baseline().iter().map(|version| universe.stanza(*version)).collect();
    let additions: Vec<&Package<'_>> =
        solution.choices.iter().map(|choice| universe.stanza(choice.version)).collect();
    check(universe.native(), &baseline, &additions)
        .map_err(|error| format!("{error}: {}", error.details().join("; ")).into())
}

/// What is different; nothing if both say the same, or if we refuse what apt refuses or where apt removes.
fn difference(apt: &Answer, ours: &Answer) -> Option<String> {
    match (apt, ours) {
        (Answer::Installs(theirs), Answer::Installs(ours)) => {
            let only = |left: &BTreeMap<String, String>, right: &BTreeMap<String, String>| {
                let missing = left.iter().filter(|(name, version)| right.get(*name) != Some(version));
                missing.map(|(name, version)| format!("{name}={version}")).collect::<Vec<_>>().join(" ")
            };
            (theirs != ours).then(|| {
                format!("only apt: [{}], only airlock: [{}]", only(theirs, ours), only(ours, theirs))
            })
        }
        (Answer::Installs(_), Answer::Refuses(reason)) => Some(format!("airlock refuses: {reason}")),
        (Answer::Removes(names), Answer::Installs(_)) => Some(format!("apt removes {names:?}")),
        (Answer::Refuses(reason), Answer::Installs(_)) => Some(format!("apt refuses: {reason}")),
        _ => None,
    }
}

/// Prints a line of the result.
pub fn say(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}
