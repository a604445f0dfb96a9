//! Labels by which pods find nodes with GPUs: those that GPU Feature Discovery would set, so that nobody needs it.

use std::collections::BTreeMap;

use super::Driver;
use crate::error::Result;
use crate::node::facts;
use crate::node::machine::{Call, Machine};

/// Longest value of a label.
const LONGEST: usize = 63;

/// What is asked of `nvidia-smi`.
const QUERY: [&str; 2] = ["--query-gpu=name,memory.total", "--format=csv,noheader,nounits"];

/// The labels of a machine: presence and number as the PCI bus tells them, and product and memory as soon as the
/// driver works. None without GPUs.
///
/// # Errors
/// Those of [`Driver::look`].
pub fn labels(machine: &Machine, devices: &facts::Gpu) -> Result<BTreeMap<String, String>> {
    if devices.devices.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut labels = count(devices.devices.len());
    if Driver::look(machine)?.works() {
        let finished = machine.run(&Call::new("nvidia-smi").with(QUERY))?;
        labels.extend(labels_of(&finished.output));
    }
    Ok(labels)
}

/// The labels that follow from `nvidia-smi --query-gpu=name,memory.total --format=csv,noheader,nounits`: a line for
/// each GPU with name and MiB. Where GPUs differ, product and memory are those of the first.
pub fn labels_of(csv: &str) -> BTreeMap<String, String> {
    let gpus: Vec<(&str, &str)> = csv.lines().filter_map(|line| line.rsplit_once(',')).collect();
    let Some((product, memory)) = gpus.first() else { return BTreeMap::new() };
    let mut labels = count(gpus.len());
    labels.insert("nvidia.com/gpu.product".to_owned(), value(product));
    // GPUs that share the memory of the machine have none of their own: `[N/A]`.
    if memory.trim().parse::<u64>().is_ok() {
        labels.insert("nvidia.com/gpu.memory".to_owned(), memory.trim().to_owned());
    }
    labels.retain(|_, value| !value.is_empty());
    labels
}

fn count(number: usize) -> BTreeMap<String, String> {
    let labels =
        [("nvidia.com/gpu.present", "true".to_owned()), ("nvidia.com/gpu.count", number.to_string())];
    labels.map(|(key, value)| (key.to_owned(), value)).into()
}

/// What a label may be (Kubernetes, "Labels and Selectors"): white space becomes `-`, other signs go.
fn value(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_allowed = |character: &char| character.is_ascii_alphanumeric() || "-_.".contains(*character);
    let value: String = words.join("-").chars().filter(is_allowed).take(LONGEST).collect();
    value.trim_matches(|character: char| !character.is_ascii_alphanumeric()).to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_for_each_gpu_becomes_four_labels() {
        let labels = labels_of("NVIDIA A100-SXM4-80GB, 81920\nNVIDIA A100-SXM4-80GB, 81920\n");
        let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(
            labels,
            [
                "nvidia.com/gpu.count=2",
                "nvidia.com/gpu.memory=81920",
                "nvidia.com/gpu.present=true",
                "nvidia.com/gpu.product=NVIDIA-A100-SXM4-80GB"
            ]
        );
        assert!(!labels_of("NVIDIA GB10, [N/A]\n").contains_key("nvidia.com/gpu.memory"));
        assert!(labels_of("").is_empty());
    }

    proptest! {
        #[test]
        fn values_are_always_allowed(csv in "(.{0,80},.{0,9}\n){0,3}") {
            for value in labels_of(&csv).values() {
                let is_end = |character: Option<char>| character.is_some_and(|it| it.is_ascii_alphanumeric());
                prop_assert!(value.len() <= LONGEST);
                prop_assert!(is_end(value.chars().next()) && is_end(value.chars().last()), "{}", value);
            }
        }
    }
}
