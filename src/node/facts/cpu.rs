//! Processors: `/proc/cpuinfo` (proc(5)).

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::root::Root;

/// Flags of a processor that are written down: those of the levels of x86-64, and virtualisation.
const FLAGS: [&str; 27] = [
    "abm",
    "avx",
    "avx2",
    "avx512bw",
    "avx512cd",
    "avx512dq",
    "avx512f",
    "avx512vl",
    "bmi1",
    "bmi2",
    "cx16",
    "f16c",
    "fma",
    "hypervisor",
    "lahf_lm",
    "lm",
    "movbe",
    "pni",
    "popcnt",
    "sse2",
    "sse4_1",
    "sse4_2",
    "ssse3",
    "svm",
    "syscall",
    "vmx",
    "xsave",
];

/// What each level of x86-64 needs beyond the one before, as Linux names it (x86-64 psABI, "Micro-Architecture
/// Levels"; `pni` is SSE3, `abm` is LZCNT, and XSAVE stands for OSXSAVE).
const LEVELS: [&[&str]; 4] = [
    &["lm", "sse2", "syscall"],
    &["cx16", "lahf_lm", "pni", "popcnt", "sse4_1", "sse4_2", "ssse3"],
    &["abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave"],
    &["avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"],
];

/// The processors of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cpu {
    /// Logical processors that are online.
    pub count: Option<u32>,
    /// Name of the first one.
    pub model: Option<String>,
    /// Flags of the first one that matter.
    pub flags: BTreeSet<String>,
    /// Level of x86-64, 1 to 4; `None` on other architectures.
    pub level: Option<u8>,
}

pub(super) fn gather(root: &Root<'_>) -> Cpu {
    root.text("/proc/cpuinfo").map(|text| parse(&text)).unwrap_or_default()
}

fn parse(text: &str) -> Cpu {
    let fields = || {
        text.lines().filter_map(|line| line.split_once(':')).map(|(name, value)| (name.trim(), value.trim()))
    };
    let first = |wanted: &str| fields().find(|(name, _)| *name == wanted).map(|(_, value)| value);
    let count = fields().filter(|(name, _)| *name == "processor").count();
    let flags: BTreeSet<String> = first("flags")
        .unwrap_or_default()
        .split_whitespace()
        .filter(|flag| FLAGS.contains(flag))
        .map(str::to_owned)
        .collect();
    Cpu {
        count: u32::try_from(count).ok().filter(|count| *count > 0),
        model: first("model name").map(str::to_owned),
        level: level(&flags),
        flags,
    }
}

fn level(flags: &BTreeSet<String>) -> Option<u8> {
    let reached = LEVELS.iter().take_while(|needed| needed.iter().all(|flag| flags.contains(*flag))).count();
    u8::try_from(reached).ok().filter(|level| *level > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn processors_are_counted_and_their_level_is_known() {
        let second = LEVELS[..2].concat().join(" ");
        let cpu = parse(&format!(
            "processor\t: 0\nmodel name\t: Xeon\nflags\t\t: {second} avx fpu\n\nprocessor\t: 1\nflags\t: lm\n"
        ));
        assert_eq!((cpu.count, cpu.model.as_deref(), cpu.level), (Some(2), Some("Xeon"), Some(2)));
        assert!(cpu.flags.contains("avx") && !cpu.flags.contains("fpu"));
        assert_eq!(parse("processor : 0\nFeatures : fp asimd\n").level, None);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "((processor|flags|model name)?[\t ]?:? ?[a-z0-9_ß]{0,6}\n?){0,20}") {
            let cpu = parse(&text);
            prop_assert!(cpu.count != Some(0) && cpu.level != Some(0));
        }
    }
}
